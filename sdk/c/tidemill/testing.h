/* Drives a plugin from a native test: rows in, what was emitted out, as readable lines. No host, no WebAssembly.
 *
 * Include the source of the plugin, then this file. Call `tm_test_report` at the end: its result is the exit code.
 */
#ifndef TIDEMILL_TESTING_H
#define TIDEMILL_TESTING_H

#include <inttypes.h>
#include <stdio.h>

#include "plugin.h"

#define TM_TEST_BYTES_MAX 65536

typedef struct tm_test {
    const tm_calculation *plugin;
    tm_output out;
    tm_problem problem; /* of the last call */
    const tm_text *texts; /* that rows of text ports refer to; set it before `tm_test_process` */
    size_t text_count;
} tm_test;

static struct {
    int checks, failures;
    char emitted[TM_TEST_BYTES_MAX];
} tm_tests;

#define TM_CHECK(condition) tm_test_check(condition, __FILE__, __LINE__, #condition)
/* Compares two strings and shows both if they differ. */
#define TM_CHECK_TEXT(got, wanted) tm_test_check_text(got, wanted, __FILE__, __LINE__)

TM_API void tm_test_check(bool holds, const char *file, int line, const char *what) {
    tm_tests.checks++;
    if (holds) return;
    tm_tests.failures++;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
}

TM_API void tm_test_check_text(const char *got, const char *wanted, const char *file, int line) {
    tm_tests.checks++;
    if (strcmp(got, wanted) == 0) return;
    tm_tests.failures++;
    fprintf(stderr, "%s:%d: got\n%s\n  instead of\n%s\n", file, line, got, wanted);
}

TM_API int tm_test_report(void) {
    fprintf(stderr, "%d checks, %d failed\n", tm_tests.checks, tm_tests.failures);
    return tm_tests.failures > 0;
}

/* The text of a problem; "" if there is none. Valid until the next use. */
TM_API const char *tm_test_problem(tm_problem problem) {
    snprintf(tm_tests.emitted, sizeof tm_tests.emitted, "%.*s", (int)problem.length, problem.text);
    return tm_tests.emitted;
}

/* A calculation with its parameters, a JSON object as in a deployment. */
TM_API tm_test tm_test_new(const tm_calculation *plugin, const char *params) {
    tm_test test = { .plugin = plugin, .out = { .ports = plugin->outputs, .port_count = tm_port_count(plugin->outputs) } };
    test.problem = tm_configured(plugin->configure, tm_text_of(params));
    return test;
}

/* What the last call emitted: a line `group port time value quality` per row, texts in quotes. Valid until the next use. */
TM_API const char *tm_test_emitted(const tm_test *test) {
    const tm_output *out = &test->out;
    tm_batch batch = { out->t0, out->heads, out->run_count, out->dt, out->values, out->qualities, out->row_count, out->texts,
                       out->text_count };
    size_t length = 0;
    tm_tests.emitted[0] = '\0';
    tm_rows rows = tm_rows_of(&batch);
    for (tm_row row; tm_next_row(&rows, &row) && length < TM_TEST_BYTES_MAX - 1;) {
        char *to = tm_tests.emitted + length;
        size_t room = TM_TEST_BYTES_MAX - length;
        const tm_port *port = &out->ports[row.port];
        tm_text text = tm_row_text(&batch, &row);
        int wrote = port->kind == TM_TEXTS
            ? snprintf(to, room, "%" PRIu32 " %s %" PRId64 " \"%.*s\" %" PRIu32 "\n", row.group, port->name, row.time,
                       (int)text.length, text.bytes, row.quality)
            : snprintf(to, room, "%" PRIu32 " %s %" PRId64 " %.17g %" PRIu32 "\n", row.group, port->name, row.time,
                       row.value, row.quality);
        length += (size_t)wrote;
    }
    return tm_tests.emitted;
}

/* Passes rows in one batch, in their order, and returns `tm_test_emitted`. */
TM_API const char *tm_test_process(tm_test *test, const tm_row *rows, size_t count) {
    tm_output in = { .ports = test->plugin->inputs, .port_count = tm_port_count(test->plugin->inputs) };
    for (size_t i = 0; i < count; i++)
        tm_output_push(&in, rows[i].group, rows[i].port, rows[i].time, rows[i].value, rows[i].quality);
    tm_batch batch = { in.t0, in.heads, in.run_count, in.dt, in.values, in.has_qualities ? in.qualities : NULL,
                       in.row_count, test->texts, test->text_count };
    tm_output_clear(&test->out);
    test->problem = test->plugin->process(&batch, &test->out);
    tm_output_free_rows(&in);
    return tm_test_emitted(test);
}

/* Moves the watermark and returns `tm_test_emitted`. */
TM_API const char *tm_test_advance(tm_test *test, int64_t watermark) {
    tm_output_clear(&test->out);
    test->problem = test->plugin->advance == NULL ? TM_OK : test->plugin->advance(watermark, &test->out);
    return tm_test_emitted(test);
}

/* Passes one window of rows to an aggregation, which is configured with `params`; the values go to `values`, one per output. */
TM_API tm_problem tm_test_window(const tm_aggregation *plugin, const char *params, tm_window window, double *values) {
    tm_problem problem = tm_configured(plugin->configure, tm_text_of(params));
    for (uint32_t i = 0; i < tm_port_count(plugin->outputs); i++) values[i] = __builtin_nan("");
    return problem.code != 0 ? problem : plugin->aggregate(&window, values);
}

#endif
