/* The words of the contract: texts, problems, ports, qualities.
 *
 * Invariant: a problem's text is cut between characters, so it is always valid UTF-8.
 */
#ifndef TIDEMILL_TYPES_H
#define TIDEMILL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Functions of this SDK are private to each source that includes it; one that is not used costs nothing. */
#define TM_API __attribute__((unused)) static
#define TM_INLINE __attribute__((unused)) static inline

/* UTF-8, not terminated. Also used for plain bytes. */
typedef struct tm_text {
    const char *bytes;
    size_t length;
} tm_text;

/* A string literal as a text. */
#define TM_TEXT(literal) ((tm_text){ literal, sizeof(literal) - 1 })

/* A terminated string as a text. */
TM_INLINE tm_text tm_text_of(const char *string) {
    return (tm_text){ string, strlen(string) };
}

TM_INLINE bool tm_equal(tm_text a, tm_text b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

/* What the rows of a port carry. */
typedef enum tm_kind { TM_NUMBER = 0, TM_TEXTS = 1 } tm_kind;

typedef struct tm_port {
    const char *name;
    tm_kind kind;
} tm_port;

/* A plugin has at most this many inputs, and outputs; more does not compile. */
#define TM_PORTS_MAX 16

/* Quality is a raw OPC UA StatusCode; 0 is good, the two top bits are the severity. */
#define TM_GOOD 0u
TM_INLINE bool tm_is_bad(uint32_t quality) { return quality >> 31 != 0; }
TM_INLINE bool tm_is_good(uint32_t quality) { return quality >> 30 == 0; }
/* The one of graver severity; `a` if they are equal. */
TM_INLINE uint32_t tm_worst(uint32_t a, uint32_t b) {
    uint32_t grave_a = a >> 30 > 2 ? 2 : a >> 30, grave_b = b >> 30 > 2 ? 2 : b >> 30;
    return grave_b > grave_a ? b : a;
}

/* Longer problems are cut. */
#define TM_PROBLEM_BYTES_MAX 400

/* Why a call could not do what it was asked for. Code 0: there is no problem. 1: a parameter is wrong. 100 and above: your own. */
typedef struct tm_problem {
    uint32_t code, length;
    char text[TM_PROBLEM_BYTES_MAX];
} tm_problem;

#define TM_OK ((tm_problem){ 0 })

/* Appends to a problem's text what fits. */
TM_API void tm_problem_add(tm_problem *problem, tm_text text) {
    size_t room = TM_PROBLEM_BYTES_MAX - problem->length, length = text.length;
    if (length > room)
        for (length = room; length > 0 && ((unsigned char)text.bytes[length] & 0xC0) == 0x80;) length--;
    if (length > 0) memcpy(problem->text + problem->length, text.bytes, length);
    problem->length += (uint32_t)length;
}

/* A problem with a code of your own (100 and above). Text: lower-case, without full stop; what, where, and what to do. */
TM_API tm_problem tm_problem_of(uint32_t code, const char *text) {
    tm_problem problem = { .code = code };
    tm_problem_add(&problem, tm_text_of(text));
    return problem;
}

/* "parameter `name` complaint", with code 1. */
TM_API tm_problem tm_wrong_parameter(const char *name, const char *complaint) {
    tm_problem problem = { .code = 1 };
    tm_problem_add(&problem, TM_TEXT("parameter `"));
    tm_problem_add(&problem, tm_text_of(name));
    tm_problem_add(&problem, TM_TEXT("` "));
    tm_problem_add(&problem, tm_text_of(complaint));
    return problem;
}

#endif
