/* Native tests of the plugin: rows in, lines `group port time value quality` out. Every number was computed by hand. */
#include "smooth.c"

#include "../tidemill/testing.h"

#include <math.h>

#define BAD 0x80000000u
#define UNCERTAIN 0x40000000u
#define SECOND 1000000000ll

/* A plugin as after its start. */
static tm_test fresh_plugin(const char *params) {
    memset(&plugin, 0, sizeof plugin);
    return tm_test_new(&tidemill_plugin, params);
}

static void every_group_has_its_own_mean(void) {
    tm_test test = fresh_plugin("{\"alpha\": 0.5}");
    const tm_row rows[] = { { 0, 0, 10, 8, 0 }, { 0, 0, 20, 16, UNCERTAIN }, { 1, 0, 10, 100, 0 }, { 0, 0, 30, 4, 0 } };
    TM_CHECK_TEXT(tm_test_process(&test, rows, 4),
                  "0 state 10 \"fresh\" 0\n"
                  "0 value 10 8 0\n"
                  "0 value 20 12 1073741824\n"
                  "1 state 10 \"fresh\" 0\n"
                  "1 value 10 100 0\n"
                  "0 value 30 8 0\n");
}

static void bad_late_and_missing_values_are_skipped(void) {
    tm_test test = fresh_plugin("{\"alpha\": 0.5}");
    const tm_row first[] = { { 0, 0, 10, 1, BAD }, { 0, 0, 11, NAN, 0 }, { 0, 0, 20, 8, 0 } };
    TM_CHECK_TEXT(tm_test_process(&test, first, 3), "0 state 20 \"fresh\" 0\n0 value 20 8 0\n");
    const tm_row second[] = { { 0, 0, 19, 99, 0 }, { 0, 0, 20, 4, 0 } };
    TM_CHECK_TEXT(tm_test_process(&test, second, 2), "0 value 20 6 0\n");
}

static void silence_makes_stale_and_a_sample_fresh_again(void) {
    tm_test test = fresh_plugin("{\"alpha\": 0.5, \"stale_s\": 2}");
    const tm_row rows[] = { { 0, 0, SECOND, 8, 0 }, { 1, 0, 3 * SECOND, 8, 0 } };
    tm_test_process(&test, rows, 2);
    TM_CHECK_TEXT(tm_test_advance(&test, 3 * SECOND - 1), "");
    TM_CHECK_TEXT(tm_test_advance(&test, 4 * SECOND), "0 state 3000000000 \"stale\" 0\n");
    TM_CHECK_TEXT(tm_test_advance(&test, 9 * SECOND), "1 state 5000000000 \"stale\" 0\n");
    const tm_row again[] = { { 0, 0, 9 * SECOND, 4, 0 } };
    TM_CHECK_TEXT(tm_test_process(&test, again, 1), "0 state 9000000000 \"fresh\" 0\n0 value 9000000000 6 0\n");
}

static void without_a_limit_nothing_gets_stale(void) {
    tm_test test = fresh_plugin("{\"alpha\": 1}");
    const tm_row row = { 0, 0, 0, 8, 0 };
    tm_test_process(&test, &row, 1);
    TM_CHECK_TEXT(tm_test_advance(&test, INT64_MAX), "");
}

static void wrong_parameters_are_named(void) {
    static const char *const cases[][2] = {
        { "{}", "parameter `alpha` is missing; give a number" },
        { "{\"alpha\": 0}", "parameter `alpha` must lie above 0 and be at most 1" },
        { "{\"alpha\": 1.1}", "parameter `alpha` must lie above 0 and be at most 1" },
        { "{\"alpha\": \"1\"}", "parameter `alpha` is a string, but must be a number" },
        { "{\"alpha\": 1, \"stale_s\": -1}", "parameter `stale_s` must be 0 or more, and at most 9e9" },
        { "{\"alpha\": 1, \"stale\": 1}", "parameter `stale` is unknown; this plugin takes `alpha`, `stale_s`" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tm_test test = fresh_plugin(cases[i][0]);
        TM_CHECK(test.problem.code == 1);
        TM_CHECK_TEXT(tm_test_problem(test.problem), cases[i][1]);
    }
}

int main(void) {
    every_group_has_its_own_mean();
    bad_late_and_missing_values_are_skipped();
    silence_makes_stale_and_a_sample_fresh_again();
    without_a_limit_nothing_gets_stale();
    wrong_parameters_are_named();
    return tm_test_report();
}
