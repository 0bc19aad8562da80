// Reads the one kind of JSON that parameters are: an object of numbers, strings and booleans (RFC 8259).
//
// Nested lists and objects are refused by name. `null` counts as absent. The order of entries is kept.

import { decimal, isDecimal } from "./decimal";

export enum Type {
  NUMBER,
  TEXT,
  FLAG,
}

/** A parameter; which of the three values counts is said by the type. */
export class Entry {
  type: Type = Type.NUMBER;
  number: f64 = 0;
  text: string = "";
  flag: bool = false;

  constructor(public key: string) {}
}

/** Reads one text. `error` is empty until something is wrong; then the rest of the result means nothing. */
export class Reader {
  error: string = "";
  private at: i32 = 0;

  constructor(private json: string) {}

  /** The entries of the object. An empty text is an empty object. */
  object(): Entry[] {
    const entries: Entry[] = [];
    if (this.peek() < 0) return entries;
    this.expect(0x7b); // {
    if (this.ok() && !this.take(0x7d)) {
      do this.entry(entries);
      while (this.ok() && this.take(0x2c)); // ,
      if (this.ok()) this.expect(0x7d); // }
    }
    if (this.ok() && this.peek() >= 0) this.fail(this.next() + " after the end of the object");
    return entries;
  }

  private ok(): bool {
    return this.error.length == 0;
  }

  private fail(reason: string): void {
    if (this.ok()) this.error = reason;
  }

  private entry(entries: Entry[]): void {
    this.expect(0x22); // "
    const entry = new Entry(this.string());
    this.expect(0x3a); // :
    for (let i = 0; i < entries.length; i++) {
      if (entries[i].key == entry.key) this.fail("`" + entry.key + "` is there twice");
    }
    if (this.ok() && this.value(entry)) entries.push(entry);
  }

  /** Whether there is a value. */
  private value(entry: Entry): bool {
    const c = this.peek();
    if (c == 0x22) {
      this.at++;
      entry.type = Type.TEXT;
      entry.text = this.string();
      return true;
    }
    if (c == 0x7b || c == 0x5b) {
      this.fail("`" + entry.key + "` is a list or an object; only numbers, strings and booleans can be parameters");
      return false;
    }
    const word = this.word();
    if (word == "null") return false;
    if (word == "true" || word == "false") {
      entry.type = Type.FLAG;
      entry.flag = word == "true";
    } else if (word.length == 0) {
      this.fail("a value is missing");
    } else {
      entry.number = isDecimal(word) ? decimal(word) : Infinity;
      if (!isFinite(entry.number)) this.fail("`" + entry.key + "` is `" + word + "`, which is not a JSON value");
    }
    return true;
  }

  /** Everything up to the next delimiter. */
  private word(): string {
    const start = this.at;
    while (this.at < this.json.length && ',}]" \t\n\r'.indexOf(this.json.charAt(this.at)) < 0) this.at++;
    return this.json.substring(start, this.at);
  }

  /** The rest of a string whose opening quote was read. */
  private string(): string {
    let text = "";
    while (this.ok()) {
      if (this.at >= this.json.length) {
        this.fail("a string does not end");
        break;
      }
      const c = this.json.charCodeAt(this.at++);
      if (c == 0x22) break;
      if (c < 0x20) this.fail("a control character in a string; write it as an escape");
      text += c == 0x5c ? this.escape() : String.fromCharCode(c);
    }
    return text;
  }

  private escape(): string {
    const c = this.json.charAt(this.at++);
    if (c == "u") return this.unicode();
    const place = '"\\/bfnrt'.indexOf(c);
    if (c.length == 1 && place >= 0) return '"\\/\b\f\n\r\t'.charAt(place);
    this.fail(c.length == 1 ? "an unknown escape in a string" : "a string does not end");
    return "";
  }

  /** A character, or both halves of one: a half alone is refused. */
  private unicode(): string {
    const code = this.hex();
    if (code < 0xd800 || code > 0xdfff) return String.fromCharCode(code);
    if (code < 0xdc00 && this.json.substr(this.at, 2) == "\\u") {
      this.at += 2;
      const low = this.hex();
      if (low >= 0xdc00 && low <= 0xdfff) return String.fromCharCode(code, low);
    }
    this.fail("a broken \\u escape in a string");
    return "";
  }

  private hex(): i32 {
    let code = 0;
    for (let i = 0; i < 4; i++) {
      const c = this.at < this.json.length ? this.json.charAt(this.at++) : " ";
      const digit = "0123456789abcdef".indexOf(c.toLowerCase());
      if (digit < 0) this.fail("a broken \\u escape in a string");
      code = (code << 4) + digit;
    }
    return code;
  }

  /** The next character after space, −1 at the end. */
  private peek(): i32 {
    while (this.at < this.json.length && " \t\n\r".indexOf(this.json.charAt(this.at)) >= 0) this.at++;
    return this.at < this.json.length ? this.json.charCodeAt(this.at) : -1;
  }

  private take(wanted: i32): bool {
    if (this.peek() != wanted) return false;
    this.at++;
    return true;
  }

  private expect(wanted: i32): void {
    if (!this.take(wanted)) this.fail(this.next() + " where `" + String.fromCharCode(wanted) + "` belongs");
  }

  private next(): string {
    return this.peek() < 0 ? "the end" : "`" + String.fromCodePoint(this.json.codePointAt(this.at)) + "`";
  }
}
