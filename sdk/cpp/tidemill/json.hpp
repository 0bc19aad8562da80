// Reads the one kind of JSON that parameters are: an object of numbers, strings and booleans (RFC 8259).
//
// Invariants: `null` counts as absent; lists and objects are refused by name; a name stands there only once.
#pragma once

#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace tidemill::json {

enum class Type { number, text, flag };

struct Entry {
    std::string name;
    Type type = Type::flag;
    std::string text; // the string, or the value as it was written
    double number = 0;
    bool flag = false;
};

class Reader {
public:
    std::vector<Entry> entries;
    std::string reason; // why the text cannot be read; empty if it could

    // An empty text is an empty object.
    explicit Reader(std::string_view text) : text(text) {
        if (peek() == end) return;
        if (object() && peek() != end) fail("something follows the object");
    }

private:
    static constexpr int end = -1;

    bool fail(std::string_view why) {
        if (reason.empty()) reason = why;
        return false;
    }

    int next() { return at < text.size() ? static_cast<unsigned char>(text[at++]) : end; }

    int peek() {
        while (at < text.size() && std::string_view(" \t\n\r").find(text[at]) != std::string_view::npos) at++;
        return at < text.size() ? static_cast<unsigned char>(text[at]) : end;
    }

    bool take(char wanted) {
        if (peek() != wanted) return false;
        at++;
        return true;
    }

    bool expect(char wanted) { return take(wanted) || fail(std::string("a `") + wanted + "` is missing"); }

    bool object() {
        if (!expect('{')) return false;
        if (take('}')) return true;
        do {
            if (!entry()) return false;
        } while (take(','));
        return expect('}');
    }

    bool entry() {
        Entry entry;
        if (!string(entry.name) || !expect(':')) return false;
        for (const Entry& other : entries) {
            if (other.name == entry.name) return fail("`" + entry.name + "` is there twice");
        }
        int first = peek();
        if (first == '{' || first == '[') {
            return fail("`" + entry.name + "` is a list or an object; only numbers, strings and booleans can be parameters");
        }
        if (first != '"') return word(entry);
        entry.type = Type::text;
        if (!string(entry.text)) return false;
        entries.push_back(std::move(entry));
        return true;
    }

    // A number, a boolean or null.
    bool word(Entry& entry) {
        while (at < text.size() && std::string_view(",}]\" \t\n\r").find(text[at]) == std::string_view::npos) {
            entry.text += text[at++];
        }
        if (entry.text == "null") return true;
        entry.flag = entry.text == "true";
        if (!entry.flag && entry.text != "false") {
            entry.type = Type::number;
            entry.number = std::strtod(entry.text.c_str(), nullptr);
            if (!is_number(entry.text) || !std::isfinite(entry.number)) return fail("`" + entry.name + "` has no JSON value");
        }
        entries.push_back(std::move(entry));
        return true;
    }

    static std::size_t digits(std::string_view& rest) {
        std::size_t count = 0;
        while (count < rest.size() && rest[count] >= '0' && rest[count] <= '9') count++;
        rest.remove_prefix(count);
        return count;
    }

    // -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
    static bool is_number(std::string_view rest) {
        if (rest.starts_with('-')) rest.remove_prefix(1);
        bool zero = rest.starts_with('0');
        std::size_t whole = digits(rest);
        if (whole == 0 || (zero && whole > 1)) return false;
        if (rest.starts_with('.')) {
            rest.remove_prefix(1);
            if (digits(rest) == 0) return false;
        }
        if (rest.starts_with('e') || rest.starts_with('E')) {
            rest.remove_prefix(1);
            if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
            if (digits(rest) == 0) return false;
        }
        return rest.empty();
    }

    bool string(std::string& to) {
        if (!expect('"')) return false;
        while (true) {
            int c = next();
            if (c == '"') return true;
            if (c == end) return fail("a string does not end");
            if (c < ' ') return fail("a control character in a string; write it as an escape");
            if (c != '\\') to += static_cast<char>(c);
            else if (!escape(to)) return false;
        }
    }

    bool escape(std::string& to) {
        int c = next();
        if (c == 'u') return unicode(to);
        static constexpr std::string_view from = "\"\\/bfnrt", into = "\"\\/\b\f\n\r\t";
        std::size_t place = c == end ? std::string_view::npos : from.find(static_cast<char>(c));
        if (place == std::string_view::npos) return fail("an unknown escape in a string");
        to += into[place];
        return true;
    }

    // Four hex digits, or -1.
    int hex() {
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int c = next(), lower = c | 32;
            int digit = c >= '0' && c <= '9' ? c - '0' : c != end && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
            if (digit < 0) return -1;
            code = code * 16 + digit;
        }
        return code;
    }

    // What follows `\u`, as UTF-8.
    bool unicode(std::string& to) {
        int code = hex();
        if (code >= 0xD800 && code < 0xDC00 && next() == '\\' && next() == 'u') {
            int low = hex();
            code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : -1;
        }
        if (code < 0 || (code >= 0xD800 && code < 0xE000)) return fail("a broken \\u escape in a string");
        int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        static constexpr int lead[] = { 0, 0xC0, 0xE0, 0xF0 };
        to += static_cast<char>(lead[more] | (code >> (6 * more)));
        while (more-- > 0) to += static_cast<char>(0x80 | ((code >> (6 * more)) & 0x3F));
        return true;
    }

    std::string_view text;
    std::size_t at = 0;
};

} // namespace tidemill::json
