/* The exports of contract 0.2 under their canonical-ABI names: the only place that knows its bytes.
 *
 * Invariants: lists handed in live in `tm_inputs` until the call returns; results live in the output's buffers and in `tm_area` until
 * the next call, so there is no `cabi_post_…`; when an export returns, nothing of its call is needed any more but the result.
 */
#ifndef TIDEMILL_EXPORTS_H
#define TIDEMILL_EXPORTS_H

#include "plugin.h"

#define TM_EXPORT(function) __attribute__((export_name(function)))

_Static_assert(sizeof(tm_text) == 8 && sizeof(tm_run_head) == 12, "elements of lists are laid out as in the contract");

typedef struct tm_list {
    const void *elements;
    uint32_t count;
} tm_list;

typedef struct tm_port_bytes {
    tm_text name;
    uint8_t kind;
} tm_port_bytes;

typedef struct tm_window_head {
    uint32_t group, rows;
    int64_t start, end;
} tm_window_head;

typedef struct tm_short_area { /* of configure, load and aggregate */
    uint8_t failed;
    union {
        struct { uint32_t code; tm_list text; } problem;
        tm_list values;
    };
} tm_short_area;

typedef struct tm_batch_area { /* of process and advance */
    _Alignas(8) uint8_t failed;
    union {
        struct { _Alignas(8) uint32_t code; tm_list text; } problem;
        struct { int64_t t0; tm_list heads, dt, values, qualities, texts; } batch;
    };
} tm_batch_area;

_Static_assert(sizeof(tm_port_bytes) == 12 && sizeof(tm_window_head) == 24, "elements as in the contract");
_Static_assert(sizeof(tm_short_area) == 16 && sizeof(tm_batch_area) == 56, "return areas as in the contract");

static tm_arena tm_inputs;
static tm_output tm_out;
static tm_writer tm_bytes;
static tm_problem tm_last_problem;
static union {
    tm_list about[4];
    tm_short_area small;
    tm_batch_area batch;
} tm_area;

TM_EXPORT("cabi_realloc") void *tm_cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    void *memory = tm_arena_take(&tm_inputs, size);
    if (align > 16) __builtin_trap();
    if (old_size > 0) memcpy(memory, old, old_size < size ? old_size : size);
    return memory;
}

TM_EXPORT("contract") uint32_t tm_contract(void) { return 2; }

TM_API tm_list tm_list_ports(tm_port_bytes *to, const tm_port *ports, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) to[i] = (tm_port_bytes){ tm_text_of(ports[i].name), (uint8_t)ports[i].kind };
    return (tm_list){ to, count };
}

TM_API const void *tm_describe(const char *name, const char *version, const tm_port *inputs, uint32_t input_count,
                               const tm_port *outputs, uint32_t output_count) {
    static tm_port_bytes ports[2 * TM_PORTS_MAX];
    tm_area.about[0] = (tm_list){ name, strlen(name) };
    tm_area.about[1] = (tm_list){ version, strlen(version) };
    tm_area.about[2] = tm_list_ports(ports, inputs, input_count);
    tm_area.about[3] = tm_list_ports(ports + TM_PORTS_MAX, outputs, output_count);
    return &tm_area;
}

TM_API const void *tm_short_reply(tm_problem problem, tm_list values) {
    tm_last_problem = problem;
    tm_area.small = (tm_short_area){ .failed = problem.code != 0, .values = values };
    if (problem.code != 0) {
        tm_area.small.problem.code = problem.code;
        tm_area.small.problem.text = (tm_list){ tm_last_problem.text, problem.length };
    }
    tm_arena_reset(&tm_inputs);
    return &tm_area;
}

TM_API const void *tm_configure(tm_problem (*configure)(tm_params *), const char *params, size_t length) {
    return tm_short_reply(tm_configured(configure, (tm_text){ params, length }), (tm_list){ 0 });
}

/* Before a call that emits rows. */
TM_API tm_output *tm_output_of(const tm_port *ports, size_t rows_expected) {
    tm_out.ports = ports;
    tm_out.port_count = tm_port_count(ports);
    tm_out.rows_expected = rows_expected;
    tm_output_clear(&tm_out);
    return &tm_out;
}

TM_API const void *tm_batch_reply(tm_problem problem) {
    tm_last_problem = problem;
    tm_area.batch = (tm_batch_area){ .failed = problem.code != 0 };
    if (problem.code != 0) {
        tm_area.batch.problem.code = problem.code;
        tm_area.batch.problem.text = (tm_list){ tm_last_problem.text, problem.length };
    } else {
        uint32_t rows = tm_out.row_count;
        tm_area.batch.batch.t0 = tm_out.t0;
        tm_area.batch.batch.heads = (tm_list){ tm_out.heads, tm_out.run_count };
        tm_area.batch.batch.dt = (tm_list){ tm_out.dt, rows };
        tm_area.batch.batch.values = (tm_list){ tm_out.values, rows };
        tm_area.batch.batch.qualities = (tm_list){ tm_out.qualities, tm_out.has_qualities ? rows : 0 };
        tm_area.batch.batch.texts = (tm_list){ tm_out.texts, tm_out.text_count };
    }
    tm_arena_reset(&tm_inputs);
    return &tm_area;
}

#define TM_EXPORTS_CALCULATION \
    TM_EXPORT("describe") const void *tm_export_describe(void) { \
        return tm_describe(tidemill_plugin.name, tidemill_plugin.version, tidemill_plugin.inputs, \
                           tm_port_count(tidemill_plugin.inputs), tidemill_plugin.outputs, \
                           tm_port_count(tidemill_plugin.outputs)); \
    } \
    TM_EXPORT("configure") const void *tm_export_configure(const char *params, size_t length) { \
        return tm_configure(tidemill_plugin.configure, params, length); \
    } \
    TM_EXPORT("process") const void *tm_export_process( \
        int64_t t0, const tm_run_head *heads, size_t run_count, const int64_t *dt, size_t row_count, \
        const double *values, size_t value_count, const uint32_t *qualities, size_t quality_count, \
        const tm_text *texts, size_t text_count) { \
        tm_batch batch = { t0, heads, run_count, dt, values, quality_count == 0 ? NULL : qualities, row_count, texts, \
                           text_count }; \
        (void)value_count; \
        return tm_batch_reply(tidemill_plugin.process(&batch, tm_output_of(tidemill_plugin.outputs, row_count + row_count / 8))); \
    } \
    TM_EXPORT("advance") const void *tm_export_advance(int64_t watermark) { \
        tm_output *out = tm_output_of(tidemill_plugin.outputs, 0); \
        return tm_batch_reply(tidemill_plugin.advance == NULL ? TM_OK : tidemill_plugin.advance(watermark, out)); \
    }

/* States of all groups one after the other, with a list of where each is. */
TM_API const void *tm_save(void (*save)(uint32_t, tm_writer *), const uint32_t *groups, size_t count) {
    tm_text *states = (tm_text *)tm_arena_take(&tm_out.text_memory, count * sizeof(tm_text));
    tm_bytes.length = 0;
    for (size_t i = 0; i < count; i++) {
        size_t start = tm_bytes.length;
        save(groups[i], &tm_bytes);
        states[i].length = tm_bytes.length - start;
    }
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        states[i].bytes = tm_bytes.bytes + start;
        start += states[i].length;
    }
    tm_area.about[0] = (tm_list){ states, count };
    tm_arena_reset(&tm_inputs);
    return &tm_area;
}

TM_API const void *tm_load(tm_problem (*load)(uint32_t, tm_text), const uint32_t *groups, size_t count,
                           const tm_text *states) {
    tm_problem problem = TM_OK;
    for (size_t i = 0; i < count && problem.code == 0; i++)
        if (states[i].length > 0) problem = load(groups[i], states[i]);
    return tm_short_reply(problem, (tm_list){ 0 });
}

#define TM_EXPORTS_DURABLE \
    TM_EXPORT("save") const void *tm_export_save(const uint32_t *groups, size_t count) { \
        tm_output_of(tidemill_plugin.outputs, 0); \
        return tm_save(tidemill_plugin.save, groups, count); \
    } \
    TM_EXPORT("load") const void *tm_export_load(const uint32_t *groups, size_t count, const tm_text *states, \
                                                 size_t state_count) { \
        (void)state_count; \
        return tm_load(tidemill_plugin.load, groups, count, states); \
    }

TM_API const void *tm_aggregate(const tm_aggregation *plugin, const tm_window_head *heads, size_t count, tm_window rows) {
    uint32_t width = tm_port_count(plugin->outputs);
    double *values = (double *)tm_arena_take(&tm_out.text_memory, count * width * sizeof(double));
    tm_problem problem = TM_OK;
    for (size_t i = 0; i < count && problem.code == 0; i++) {
        rows.group = heads[i].group, rows.rows = heads[i].rows, rows.start = heads[i].start, rows.end = heads[i].end;
        for (uint32_t j = 0; j < width; j++) values[i * width + j] = __builtin_nan("");
        problem = plugin->aggregate(&rows, values + i * width);
        rows.dt += rows.rows, rows.values += rows.rows;
        if (rows.qualities != NULL) rows.qualities += rows.rows;
    }
    return tm_short_reply(problem, (tm_list){ values, count * width });
}

#define TM_EXPORTS_AGGREGATION \
    TM_EXPORT("describe") const void *tm_export_describe(void) { \
        return tm_describe(tidemill_plugin.name, tidemill_plugin.version, &tidemill_plugin.input, 1, \
                           tidemill_plugin.outputs, tm_port_count(tidemill_plugin.outputs)); \
    } \
    TM_EXPORT("configure") const void *tm_export_configure(const char *params, size_t length) { \
        return tm_configure(tidemill_plugin.configure, params, length); \
    } \
    TM_EXPORT("aggregate") const void *tm_export_aggregate( \
        const tm_window_head *heads, size_t count, const int64_t *dt, size_t row_count, const double *values, \
        size_t value_count, const uint32_t *qualities, size_t quality_count, const tm_text *texts, size_t text_count) { \
        tm_window rows = { .dt = dt, .values = values, .qualities = quality_count == 0 ? NULL : qualities, \
                           .texts = texts, .text_count = text_count }; \
        (void)row_count, (void)value_count; \
        tm_output_of(tidemill_plugin.outputs, 0); \
        return tm_aggregate(&tidemill_plugin, heads, count, rows); \
    }

#endif
