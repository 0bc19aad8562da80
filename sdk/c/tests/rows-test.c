/* Rows and texts in and out, key-value state, saved state and aggregations. */
#include "../tidemill/tidemill.h"

#include "../tidemill/testing.h"

#include <math.h>

typedef struct tally {
    int64_t count;
    double sum;
} tally;

static tm_groups groups;

/* Input 0: emits the mean of each run. Input 1: emits the text before this one. */
static tm_problem process(const tm_batch *input, tm_output *out) {
    tm_run run;
    for (tm_runs runs = tm_runs_of(input); tm_next_run(&runs, &run);) {
        if (run.port != 0) continue;
        tally *t = TM_GROUP(tally, &groups, run.group);
        for (uint32_t i = 0; i < run.rows; i++) t->sum += run.values[i];
        t->count += run.rows;
        tm_emit(out, run.group, 0, run.t0 + run.dt[run.rows - 1], t->sum / (double)t->count, TM_GOOD);
    }
    tm_rows rows = tm_rows_of(input);
    for (tm_row row; tm_next_row(&rows, &row);) {
        if (row.port != 1) continue;
        tm_text text = tm_row_text(input, &row), before = TM_TEXT("nothing");
        if (tm_equal(text, TM_TEXT("refuse"))) return tm_problem_of(100, "asked to refuse");
        tm_kv_get(row.group, TM_TEXT("last"), &before);
        tm_emit_text(out, row.group, 1, row.time, before, row.quality);
        if (tm_equal(text, TM_TEXT("forget"))) tm_kv_remove(row.group, TM_TEXT("last"));
        else tm_kv_set(row.group, TM_TEXT("last"), text);
    }
    return TM_OK;
}

static void save(uint32_t group, tm_writer *writer) { tm_write(writer, TM_GROUP(tally, &groups, group), sizeof(tally)); }

static tm_problem load(uint32_t group, tm_text state) {
    return tm_read(&state, TM_GROUP(tally, &groups, group), sizeof(tally)) ? TM_OK : tm_problem_of(101, "too short");
}

TIDEMILL_DURABLE_CALCULATION(.name = "tally", .version = "1", .inputs = { { "value", TM_NUMBER }, { "text", TM_TEXTS } },
                             .outputs = { { "mean", TM_NUMBER }, { "before", TM_TEXTS } }, .process = process, .save = save,
                             .load = load)

static void rows_texts_and_keys_pass(void) {
    tm_test test = tm_test_new(&tidemill_plugin, "{}");
    const tm_text texts[] = { TM_TEXT("open"), TM_TEXT("shut"), TM_TEXT("forget") };
    test.texts = texts, test.text_count = 3;
    const tm_row rows[] = { { 2, 0, 10, 1, 0 }, { 2, 0, 20, 2, 0 }, { 2, 1, 10, 0, 0 }, { 2, 1, 15, 1, 7 },
                            { 2, 1, 16, 2, 0 }, { 2, 1, 17, 0, 0 }, { 0, 1, 5, 1, 0 } };
    TM_CHECK_TEXT(tm_test_process(&test, rows, 7), "2 mean 20 1.5 0\n"
                                                   "2 before 10 \"nothing\" 0\n"
                                                   "2 before 15 \"open\" 7\n"
                                                   "2 before 16 \"shut\" 0\n"
                                                   "2 before 17 \"nothing\" 0\n"
                                                   "0 before 5 \"nothing\" 0\n");
    TM_CHECK(test.out.text_count == 3 && test.out.run_count == 3);
    const tm_text refuse[] = { TM_TEXT("refuse") };
    test.texts = refuse, test.text_count = 1;
    tm_test_process(&test, &(tm_row){ 0, 1, 0, 0, 0 }, 1);
    TM_CHECK(test.problem.code == 100);
}

static void a_saved_state_can_be_loaded(void) {
    tm_writer writer = { 0 };
    *TM_GROUP(tally, &groups, 5) = (tally){ 3, 6.5 };
    tidemill_plugin.save(5, &writer);
    *TM_GROUP(tally, &groups, 5) = (tally){ 0 };
    TM_CHECK(tidemill_plugin.load(5, (tm_text){ writer.bytes, writer.length }).code == 0);
    TM_CHECK(TM_GROUP(tally, &groups, 5)->count == 3 && TM_GROUP(tally, &groups, 5)->sum == 6.5);
    TM_CHECK(tidemill_plugin.load(5, (tm_text){ writer.bytes, writer.length - 1 }).code == 101);
}

static void runs_break_where_time_goes_back(void) {
    static const tm_port port[] = { { "value", TM_NUMBER } };
    tm_output out = { .ports = port, .port_count = 1 };
    const int64_t times[] = { 5, 5, 6, 4, 9 };
    for (size_t i = 0; i < 5; i++) tm_emit(&out, 0, 0, times[i], 0, TM_GOOD);
    TM_CHECK(out.run_count == 2 && out.heads[0].rows == 3 && out.heads[1].rows == 2);
    TM_CHECK(out.t0 == 5 && out.dt[3] == -1 && !out.has_qualities);
}

static void many_texts_keep_the_order_of_first_use(void) {
    static const tm_port port[] = { { "text", TM_TEXTS } };
    tm_output out = { .ports = port, .port_count = 1 };
    for (int call = 0; call < 3; call++) {
        tm_output_clear(&out);
        for (int i = 0; i < 3000; i++) {
            char text[32];
            int length = snprintf(text, sizeof text, "text %d", i % 1000);
            tm_emit_text(&out, 0, 0, i, (tm_text){ text, (size_t)length }, TM_GOOD);
        }
        TM_CHECK(out.text_count == 1000 && out.values[2999] == 999);
        TM_CHECK(tm_equal(out.texts[500], TM_TEXT("text 500")));
    }
}

static tm_problem most(const tm_window *window, double *values) {
    for (uint32_t i = 0; i < window->rows; i++)
        if (!tm_is_bad(tm_window_quality(window, i)) && !(values[0] >= window->values[i])) values[0] = window->values[i];
    return TM_OK;
}

static void an_aggregation_gives_a_value_or_none(void) {
    static const tm_aggregation plugin = { .name = "most", .version = "1", .input = { "value", TM_NUMBER },
                                           .outputs = { { "most", TM_NUMBER } }, .aggregate = most };
    const int64_t dt[] = { 0, 1, 2 };
    const double rows[] = { 1, 9, 3 };
    const uint32_t qualities[] = { 0, 0x80000000u, 0 };
    double value;
    tm_window window = { .rows = 3, .start = 0, .end = 10, .dt = dt, .values = rows, .qualities = qualities };
    TM_CHECK(tm_test_window(&plugin, "{}", window, &value).code == 0 && value == 3);
    window.rows = 0;
    TM_CHECK(tm_test_window(&plugin, "{}", window, &value).code == 0 && isnan(value));
    TM_CHECK(tm_test_window(&plugin, "{\"width\": 1}", window, &value).code == 1);
}

int main(void) {
    rows_texts_and_keys_pass();
    a_saved_state_can_be_loaded();
    runs_break_where_time_goes_back();
    many_texts_keep_the_order_of_first_use();
    an_aggregation_gives_a_value_or_none();
    return tm_test_report();
}
