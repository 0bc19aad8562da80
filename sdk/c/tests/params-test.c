/* Parameters: what is read, what is refused, and in which words. */
#include "../tidemill/tidemill.h"

#include "../tidemill/testing.h"

static struct {
    double number;
    tm_text text;
    bool flag;
} got;

static tm_problem take_all(tm_params *params) {
    got.number = tm_number_or(params, "number", -1);
    got.text = tm_string_or(params, "text", TM_TEXT("none"));
    got.flag = tm_flag_or(params, "flag", true);
    return TM_OK;
}

static void plain_values_are_read(void) {
    tm_problem problem = tm_configured(
        take_all, TM_TEXT(" {\"number\" :\t-12.5e-1, \"text\":\"a\\n\\u00e4\\ud83d\\ude00\\\"\\/\", \"flag\":false}\n"));
    TM_CHECK(problem.code == 0);
    TM_CHECK(got.number == -1.25);
    TM_CHECK(tm_equal(got.text, TM_TEXT("a\n\xC3\xA4\xF0\x9F\x98\x80\"/")));
    TM_CHECK(!got.flag);
}

static void null_and_nothing_are_absent(void) {
    static const char *const cases[] = { "", "{}", "{\"number\": null, \"text\": null}" };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TM_CHECK(tm_configured(take_all, tm_text_of(cases[i])).code == 0);
        TM_CHECK(got.number == -1 && tm_equal(got.text, TM_TEXT("none")) && got.flag);
    }
}

#define BROKEN "the parameters are not a JSON object of plain values: "

static void what_cannot_be_used_is_named(void) {
    static const char *const cases[][2] = {
        { "{\"number\": \"1\"}", "parameter `number` is a string, but must be a number" },
        { "{\"number\": true, \"text\": 1}", "parameter `number` is true, but must be a number" },
        { "{\"text\": 1.50}", "parameter `text` is 1.50, but must be a string" },
        { "{\"flag\": 0}", "parameter `flag` is 0, but must be a boolean" },
        { "{\"nummer\": 0}", "parameter `nummer` is unknown; this plugin takes `number`, `text`, `flag`" },
        { "{\"flag\": [1]}", BROKEN "`flag` is a list or an object; only numbers, strings and booleans can be parameters" },
        { "{\"flag\": true, \"flag\": true}", BROKEN "`flag` is there twice" },
        { "{\"number\": .5}", BROKEN "`number` has no JSON value" },
        { "{\"number\": 01}", BROKEN "`number` has no JSON value" },
        { "{\"number\": 1e999}", BROKEN "`number` has no JSON value" },
        { "{\"text\": \"\\ud800\"}", BROKEN "a broken \\u escape in a string" },
        { "{\"text\": \"\\q\"}", BROKEN "an unknown escape in a string" },
        { "{\"text\": \"a", BROKEN "a string does not end" },
        { "{\"flag\": true,}", BROKEN "a `\"` is missing" },
        { "{\"flag\": true} 1", BROKEN "something follows the object" },
        { "[]", BROKEN "a `{` is missing" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tm_problem problem = tm_configured(take_all, tm_text_of(cases[i][0]));
        TM_CHECK(problem.code == 1);
        TM_CHECK_TEXT(tm_test_problem(problem), cases[i][1]);
    }
}

static void a_long_problem_is_cut_between_characters(void) {
    char name[2 * TM_PROBLEM_BYTES_MAX + 1] = "x";
    for (size_t i = 1; i + 2 < sizeof name; i += 2) memcpy(name + i, "\xC3\xA4", 2);
    tm_problem problem = tm_wrong_parameter(name, "");
    TM_CHECK(problem.length <= TM_PROBLEM_BYTES_MAX && problem.length >= TM_PROBLEM_BYTES_MAX - 1);
    TM_CHECK(problem.text[problem.length - 1] == '\xA4');
}

int main(void) {
    plain_values_are_read();
    null_and_nothing_are_absent();
    what_cannot_be_used_is_named();
    a_long_problem_is_cut_between_characters();
    return tm_test_report();
}
