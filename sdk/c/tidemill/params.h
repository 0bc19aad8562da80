/* The parameters of an operator: a JSON object (RFC 8259) of numbers, strings and booleans.
 *
 * Invariants: every parameter is either taken by the plugin or refused by name, so a typing error is never silent; the first
 * problem wins; `null` counts as absent; lists and objects are refused by name.
 */
#ifndef TIDEMILL_PARAMS_H
#define TIDEMILL_PARAMS_H

#include "arena.h"

/* More parameters are refused. */
#define TM_PARAMS_MAX 64

/* Longer numbers are refused: nobody writes them. */
#define TM_NUMBER_CHARACTERS_MAX 64

typedef enum tm_value_kind { TM_VALUE_NUMBER, TM_VALUE_TEXT, TM_VALUE_FLAG, TM_VALUE_NULL } tm_value_kind;

typedef struct tm_param {
    tm_text name, source; /* source: the number as it was written, for problems */
    tm_value_kind kind;
    bool taken, flag;
    double number;
    tm_text text;
} tm_param;

typedef struct tm_params {
    tm_param entries[TM_PARAMS_MAX];
    size_t count;
    const char *asked[TM_PARAMS_MAX];
    size_t asked_count;
    tm_problem problem; /* the first one */
    tm_arena memory;    /* texts: they live as long as the plugin */
    const char *at, *end;
} tm_params;

/* Notes a problem unless there is one; false, so that a reader can return it. */
TM_API bool tm_params_fail(tm_params *params, uint32_t code, tm_text first, tm_text name, tm_text last) {
    if (params->problem.code != 0) return false;
    params->problem.code = code;
    tm_problem_add(&params->problem, first);
    tm_problem_add(&params->problem, name);
    tm_problem_add(&params->problem, last);
    return false;
}

#define TM_NO_OBJECT TM_TEXT("the parameters are not a JSON object of plain values: ")
#define TM_NO_OBJECT_NAMED TM_TEXT("the parameters are not a JSON object of plain values: `")
#define TM_NOTHING TM_TEXT("")

TM_API bool tm_json_fail(tm_params *params, const char *reason) {
    return tm_params_fail(params, 1, TM_NO_OBJECT, TM_NOTHING, tm_text_of(reason));
}

TM_API char tm_json_peek(tm_params *params) {
    while (params->at < params->end && memchr(" \t\n\r", *params->at, 4) != NULL) params->at++;
    return params->at < params->end ? *params->at : '\0';
}

TM_API bool tm_json_take(tm_params *params, char wanted) {
    if (tm_json_peek(params) != wanted) return false;
    params->at++;
    return true;
}

/* Four hex digits, or -1. */
TM_API int32_t tm_json_hex(tm_params *params) {
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        char c = params->at < params->end ? *params->at++ : '\0';
        int32_t digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* What follows `\u`, as UTF-8. */
TM_API bool tm_json_unicode(tm_params *params, char **to) {
    int32_t code = tm_json_hex(params);
    if (code >= 0xD800 && code < 0xDC00 && params->end - params->at > 2 && params->at[0] == '\\' && params->at[1] == 'u') {
        params->at += 2;
        int32_t low = tm_json_hex(params);
        code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : -1;
    }
    if (code < 0 || (code >= 0xD800 && code < 0xE000)) return tm_json_fail(params, "a broken \\u escape in a string");
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[4] = { 0, 0xC0, 0xE0, 0xF0 };
    *(*to)++ = (char)(lead[more] | (code >> (6 * more)));
    while (more-- > 0) *(*to)++ = (char)(0x80 | ((code >> (6 * more)) & 0x3F));
    return true;
}

TM_API bool tm_json_string(tm_params *params, tm_text *text) {
    if (!tm_json_take(params, '"')) return tm_json_fail(params, "a `\"` is missing");
    const char *from = params->at;
    while (params->at < params->end && *params->at != '"') params->at += *params->at == '\\' ? 2 : 1;
    if (params->at >= params->end) return tm_json_fail(params, "a string does not end");
    const char *close = params->at;
    char *start = (char *)tm_arena_take(&params->memory, (size_t)(close - from)), *to = start;
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    for (params->at = from; params->at < close;) {
        char c = *params->at++;
        if ((unsigned char)c < ' ') return tm_json_fail(params, "a control character in a string; write it as an escape");
        if (c != '\\') {
            *to++ = c;
        } else if ((c = *params->at++) == 'u') {
            if (!tm_json_unicode(params, &to)) return false;
        } else {
            size_t i = 0;
            while (i < sizeof escapes - 1 && escapes[i] != c) i += 2;
            if (i >= sizeof escapes - 1) return tm_json_fail(params, "an unknown escape in a string");
            *to++ = escapes[i + 1];
        }
    }
    params->at = close + 1;
    *text = (tm_text){ start, (size_t)(to - start) };
    return true;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
TM_API bool tm_json_is_number(const char *c) {
    if (*c == '-') c++;
    const char *digits = c;
    while (*c >= '0' && *c <= '9') c++;
    if (c == digits || (*digits == '0' && c != digits + 1)) return false;
    if (*c == '.') {
        digits = ++c;
        while (*c >= '0' && *c <= '9') c++;
        if (c == digits) return false;
    }
    if (*c == 'e' || *c == 'E') {
        c += c[1] == '+' || c[1] == '-' ? 2 : 1;
        digits = c;
        while (*c >= '0' && *c <= '9') c++;
        if (c == digits) return false;
    }
    return *c == '\0';
}

TM_API bool tm_json_word(tm_params *params, tm_param *entry) {
    const char *from = params->at;
    while (params->at < params->end && strchr(",}]\" \t\n\r", *params->at) == NULL) params->at++;
    tm_text word = { from, (size_t)(params->at - from) };
    char copy[TM_NUMBER_CHARACTERS_MAX + 1] = { 0 };
    if (word.length <= TM_NUMBER_CHARACTERS_MAX) memcpy(copy, word.bytes, word.length);
    entry->source = tm_arena_copy(&params->memory, word);
    entry->flag = strcmp(copy, "true") == 0;
    if (entry->flag || strcmp(copy, "false") == 0) {
        entry->kind = TM_VALUE_FLAG;
    } else if (strcmp(copy, "null") == 0) {
        entry->kind = TM_VALUE_NULL;
    } else {
        entry->kind = TM_VALUE_NUMBER;
        entry->number = strtod(copy, NULL);
        if (!tm_json_is_number(copy) || !(entry->number - entry->number == 0)) {
            tm_params_fail(params, 1, TM_NO_OBJECT_NAMED, entry->name, TM_TEXT("` has no JSON value"));
            return false;
        }
    }
    return true;
}

TM_API bool tm_json_entry(tm_params *params) {
    if (params->count == TM_PARAMS_MAX) return tm_json_fail(params, "there are more than 64");
    tm_param entry = { 0 };
    if (!tm_json_string(params, &entry.name)) return false;
    if (!tm_json_take(params, ':')) return tm_json_fail(params, "a `:` is missing");
    for (size_t i = 0; i < params->count; i++)
        if (tm_equal(params->entries[i].name, entry.name))
            return tm_params_fail(params, 1, TM_NO_OBJECT_NAMED, entry.name, TM_TEXT("` is there twice"));
    char next = tm_json_peek(params);
    if (next == '{' || next == '[')
        return tm_params_fail(params, 1, TM_NO_OBJECT_NAMED, entry.name,
                              TM_TEXT("` is a list or an object; only numbers, strings and booleans can be parameters"));
    entry.kind = TM_VALUE_TEXT;
    if (next == '"' ? !tm_json_string(params, &entry.text) : !tm_json_word(params, &entry)) return false;
    params->entries[params->count++] = entry;
    return true;
}

TM_API bool tm_json_object(tm_params *params) {
    if (!tm_json_take(params, '{')) return tm_json_fail(params, "a `{` is missing");
    if (!tm_json_take(params, '}')) {
        do {
            if (!tm_json_entry(params)) return false;
        } while (tm_json_take(params, ','));
        if (!tm_json_take(params, '}')) return tm_json_fail(params, "a `}` is missing");
    }
    tm_json_peek(params);
    return params->at == params->end || tm_json_fail(params, "something follows the object");
}

/* The parameters in a JSON text; an empty text is an empty object. */
TM_API tm_params *tm_params_open(tm_text json) {
    tm_params *params = (tm_params *)tm_checked(calloc(1, sizeof(tm_params)));
    params->at = json.bytes;
    params->end = json.bytes + json.length;
    tm_json_peek(params);
    if (params->at < params->end) tm_json_object(params);
    return params;
}

/* The parameter of that name, or NULL: missing, or of another type, which is a problem. */
TM_API const tm_param *tm_params_take(tm_params *params, const char *name, tm_value_kind kind, bool required) {
    static const char *const wanted[] = { "a number", "a string", "a boolean" };
    if (params->asked_count < TM_PARAMS_MAX) params->asked[params->asked_count++] = name;
    for (size_t i = 0; i < params->count; i++) {
        tm_param *entry = &params->entries[i];
        if (!tm_equal(entry->name, tm_text_of(name))) continue;
        entry->taken = true;
        if (entry->kind == kind) return entry;
        if (entry->kind == TM_VALUE_NULL) break;
        if (params->problem.code != 0) return NULL;
        tm_params_fail(params, 1, TM_TEXT("parameter `"), entry->name, TM_TEXT("` is "));
        if (entry->kind == TM_VALUE_TEXT) tm_problem_add(&params->problem, TM_TEXT("a string"));
        else tm_problem_add(&params->problem, entry->source);
        tm_problem_add(&params->problem, TM_TEXT(", but must be "));
        tm_problem_add(&params->problem, tm_text_of(wanted[kind]));
        return NULL;
    }
    if (required && params->problem.code == 0) {
        tm_params_fail(params, 1, TM_TEXT("parameter `"), tm_text_of(name), TM_TEXT("` is missing; give "));
        tm_problem_add(&params->problem, tm_text_of(wanted[kind]));
    }
    return NULL;
}

/* The number `name`. What is returned after a problem does not matter: the deployment is refused. */
TM_API double tm_number(tm_params *params, const char *name) {
    const tm_param *entry = tm_params_take(params, name, TM_VALUE_NUMBER, true);
    return entry == NULL ? 0 : entry->number;
}

/* The number `name`, or `otherwise` if it is missing. */
TM_API double tm_number_or(tm_params *params, const char *name, double otherwise) {
    const tm_param *entry = tm_params_take(params, name, TM_VALUE_NUMBER, false);
    return entry == NULL ? otherwise : entry->number;
}

/* The string `name`; it lives as long as the plugin. */
TM_API tm_text tm_string(tm_params *params, const char *name) {
    const tm_param *entry = tm_params_take(params, name, TM_VALUE_TEXT, true);
    return entry == NULL ? TM_NOTHING : entry->text;
}

/* The string `name`, or `otherwise` if it is missing; it lives as long as the plugin. */
TM_API tm_text tm_string_or(tm_params *params, const char *name, tm_text otherwise) {
    const tm_param *entry = tm_params_take(params, name, TM_VALUE_TEXT, false);
    return entry == NULL ? otherwise : entry->text;
}

/* The boolean `name`, or `otherwise` if it is missing. */
TM_API bool tm_flag_or(tm_params *params, const char *name, bool otherwise) {
    const tm_param *entry = tm_params_take(params, name, TM_VALUE_FLAG, false);
    return entry == NULL ? otherwise : entry->flag;
}

/* The problem of the parameters: theirs, else `own`, else that of the first one nobody took. Frees all but the texts. */
TM_API tm_problem tm_params_close(tm_params *params, tm_problem own) {
    if (params->problem.code == 0) params->problem = own;
    for (size_t i = 0; i < params->count && params->problem.code == 0; i++) {
        if (params->entries[i].taken) continue;
        tm_params_fail(params, 1, TM_TEXT("parameter `"), params->entries[i].name,
                       TM_TEXT("` is unknown; this plugin takes "));
        for (size_t j = 0; j < params->asked_count; j++) {
            tm_problem_add(&params->problem, j == 0 ? TM_TEXT("`") : TM_TEXT("`, `"));
            tm_problem_add(&params->problem, tm_text_of(params->asked[j]));
        }
        tm_problem_add(&params->problem, params->asked_count == 0 ? TM_TEXT("none") : TM_TEXT("`"));
    }
    tm_problem problem = params->problem;
    free(params);
    return problem;
}

#endif
