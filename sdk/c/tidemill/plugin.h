/* What an author fills in: a calculation or an aggregation.
 *
 *     TIDEMILL_CALCULATION(.name = "smooth", .version = "1.0.0",
 *                          .inputs = { { "value", TM_NUMBER } }, .outputs = { { "value", TM_NUMBER } },
 *                          .configure = configure, .process = process, .advance = advance)
 *
 * This defines `tidemill_plugin`, for tests (testing.h), and in a WebAssembly module the exports.
 */
#ifndef TIDEMILL_PLUGIN_H
#define TIDEMILL_PLUGIN_H

#include "output.h"
#include "params.h"
#include "state.h"

/* Samples in, samples out, with state. State lives in variables: the host saves and restores the memory of the plugin. */
typedef struct tm_calculation {
    const char *name;    /* lower-case letters, digits and hyphens */
    const char *version; /* by custom a semantic version */
    tm_port inputs[TM_PORTS_MAX], outputs[TM_PORTS_MAX]; /* at least one each */

    /* Called once per instance, before any row. Optional: without it, every parameter is refused. */
    tm_problem (*configure)(tm_params *params);
    /* New rows in journal order: they may be older than those of earlier batches. */
    tm_problem (*process)(const tm_batch *input, tm_output *out);
    /* The watermark has grown: rows before it are not expected any more. The only timer. Optional. */
    tm_problem (*advance)(int64_t watermark, tm_output *out);
    /* TIDEMILL_DURABLE_CALCULATION only: the state of one group, to be loaded by this or a later version. */
    void (*save)(uint32_t group, tm_writer *writer);
    /* TIDEMILL_DURABLE_CALCULATION only: takes over what `save` wrote. Called after `configure`, before any row. */
    tm_problem (*load)(uint32_t group, tm_text state);
} tm_calculation;

/* Closed windows in, values out: a pure function. */
typedef struct tm_aggregation {
    const char *name, *version;
    tm_port input;                 /* exactly one */
    tm_port outputs[TM_PORTS_MAX]; /* numbers */
    tm_problem (*configure)(tm_params *params); /* optional */
    /* Writes one value per output port. They are NaN before, which means: no value. */
    tm_problem (*aggregate)(const tm_window *window, double *values);
} tm_aggregation;

TM_API uint32_t tm_port_count(const tm_port *ports) {
    uint32_t count = 0;
    while (count < TM_PORTS_MAX && ports[count].name != NULL) count++;
    return count;
}

/* Reads the parameters, lets the plugin take them, and refuses what is left. */
TM_API tm_problem tm_configured(tm_problem (*configure)(tm_params *), tm_text json) {
    tm_params *params = tm_params_open(json);
    bool readable = params->problem.code == 0;
    return tm_params_close(params, readable && configure != NULL ? configure(params) : TM_OK);
}

#if defined(TIDEMILL_PLUGIN) && defined(__wasm__)
#include "exports.h"
#else
#define TM_EXPORTS_CALCULATION
#define TM_EXPORTS_DURABLE
#define TM_EXPORTS_AGGREGATION
#endif

#define TIDEMILL_CALCULATION(...) \
    static const tm_calculation tidemill_plugin = { __VA_ARGS__ }; \
    TM_EXPORTS_CALCULATION

#define TIDEMILL_DURABLE_CALCULATION(...) \
    static const tm_calculation tidemill_plugin = { __VA_ARGS__ }; \
    TM_EXPORTS_CALCULATION \
    TM_EXPORTS_DURABLE

#define TIDEMILL_AGGREGATION(...) \
    static const tm_aggregation tidemill_plugin = { __VA_ARGS__ }; \
    TM_EXPORTS_AGGREGATION

#endif
