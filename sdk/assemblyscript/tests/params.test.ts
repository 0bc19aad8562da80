// Parameters: what is taken, what is refused, and that numbers are exact.

import { Params } from "../tidemill";
import { decimal, isDecimal } from "../tidemill/decimal";
import { check } from "../tidemill/testing";

function problemOf(params: Params): string {
  params.finish();
  const problem = params.problem;
  return problem === null ? "" : problem.text;
}

export function testParametersAreTakenByNameAndType(): void {
  const params = new Params('{"width": 2.5, "unit": "bar", "strict": true, "note": null}');
  check("number", params.number("width"), 2.5);
  check("text", params.text("unit"), "bar");
  check("flag", params.flagOr("strict", false), true);
  check("missing number", params.numberOr("rest_s", 60), 60);
  check("null", params.textOr("note", "none"), "none");
  check("problem", problemOf(params), "");
}

export function testProblemsNameTheParameterAndWhatToDo(): void {
  width("{}", "parameter `width` is missing; give a number");
  width('{"width": "2"}', 'parameter `width` is the string "2", but must be a number');
  width('{"width": true}', "parameter `width` is the boolean true, but must be a number");
  width('{"width": 1, "widht": 1}', "parameter `widht` is unknown; this plugin takes `width`");
  const negative = new Params('{"width": -1.5}');
  negative.nonNegativeOr("width", 0);
  check("negative", problemOf(negative), "parameter `width` is -1.5, but must be 0 or more");
  const number = new Params('{"width": 1}');
  number.textOr("width", "");
  check("number", problemOf(number), "parameter `width` is the number 1, but must be a string");
  check("nothing asked", problemOf(new Params('{"width": 1}')), "parameter `width` is unknown; this plugin takes none");
}

function width(json: string, want: string): void {
  const params = new Params(json);
  params.number("width");
  check(json, problemOf(params), want);
}

export function testTextsAreReadWithTheirEscapes(): void {
  const params = new Params(' {"a": "x\\n\\u00e9\\ud83d\\ude00ü\\/", "b":"" } ');
  check("escapes", params.text("a"), "x\né😀ü/");
  check("empty", params.text("b"), "");
  check("nothing at all", problemOf(new Params(" ")), "");
}

export function testWhatIsWrongWithJSONIsSaid(): void {
  broken("{", 'the end where `"` belongs');
  broken("[]", "`[` where `{` belongs");
  broken('{"a":1,}', '`}` where `"` belongs');
  broken('{"a":1} x', "`x` after the end");
  broken('{"a":[1]}', "`a` is a list");
  broken('{"a":1,"a":2}', "`a` is there twice");
  broken('{"a":}', "a value is missing");
  broken('{"a":1e999}', "`1e999`, which is not");
  broken('{"a":nul}', "`nul`, which is not");
  broken('{"a":"\\ud83d"}', "a broken \\u escape");
  broken('{"a":"\\ude00"}', "a broken \\u escape");
  broken('{"a":"\\u+123"}', "a broken \\u escape");
  broken('{"a":"\\x"}', "an unknown escape");
  broken('{"a":"x', "a string does not end");
  broken('{"a":"x\\', "a string does not end");
  broken('{"a":"\x01"', "a control character");
}

function broken(json: string, reason: string): void {
  const text = problemOf(new Params(json));
  if (!text.includes(reason)) throw new Error(json + ": got " + text + ", want " + reason);
}

export function testNumbersAreTheNearestOfAll(): void {
  bits("0.2", 0x3fc999999999999a);
  bits("-0", 0x8000000000000000);
  bits("9007199254740993", 0x4340000000000000);
  bits("9007199254740993.00000000000000000000000000001", 0x4340000000000001);
  bits("2.2250738585072011e-308", 0x000fffffffffffff);
  bits("2.4703282292062327e-324", 0);
  bits("2.4703282292062328e-324", 1);
  bits("1.7976931348623158e308", 0x7fefffffffffffff);
  bits("1.7976931348623159e308", 0x7ff0000000000000);
  bits("00012.5", 0x4029000000000000);
  bits("1e-1000000000", 0);
}

function bits(word: string, want: u64): void {
  check(word + " is a number", isDecimal(word), true);
  check(word, reinterpret<u64>(decimal(word)), want);
}

export function testOnlyNumbersOfJSONAreNumbers(): void {
  const words = ["", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "0x10", "1_0", "inf", "NaN", "1 ", "--1"];
  for (let i = 0; i < words.length; i++) check(words[i], isDecimal(words[i]), false);
}
