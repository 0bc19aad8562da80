/* smooth: an exponential mean of every series, and whether it is fresh or stale.
 *
 * Deploy it on some series, and each gets two new ones: `value`, the mean, and `state`, a text that says "fresh" when samples come
 * (again) and "stale" when none came for `stale_s` seconds.
 */
#define TIDEMILL_PLUGIN
#include "../tidemill/tidemill.h"

enum { VALUE, STATE }; /* the output ports, as numbered below */

/* What is remembered of a group: here, of one series. A new group starts with zeros. */
typedef struct series {
    bool seen, stale;
    double level;   /* the mean so far */
    int64_t newest; /* source time of the newest sample taken, nanoseconds since 1970 */
} series;

/* Parameters and state are plain variables: the host saves the memory of the plugin and restores it after a crash. */
static struct {
    double alpha;     /* weight of a new sample, above 0 and at most 1 */
    int64_t stale_ns; /* 0: never stale */
    tm_groups groups; /* of series */
} plugin;

/* Takes the parameters by name and type. The SDK refuses what is missing, mistyped or unknown; ranges are checked here. */
static tm_problem configure(tm_params *params) {
    plugin.alpha = tm_number(params, "alpha");
    double stale_s = tm_number_or(params, "stale_s", 0);
    if (!(plugin.alpha > 0 && plugin.alpha <= 1))
        return tm_wrong_parameter("alpha", "must lie above 0 and be at most 1");
    if (!(stale_s >= 0 && stale_s <= 9e9)) return tm_wrong_parameter("stale_s", "must be 0 or more, and at most 9e9");
    plugin.stale_ns = (int64_t)(stale_s * 1e9);
    return TM_OK;
}

/* New rows, in the order they arrived. */
static tm_problem process(const tm_batch *input, tm_output *out) {
    tm_rows rows = tm_rows_of(input);
    for (tm_row row; tm_next_row(&rows, &row);) {
        series *s = TM_GROUP(series, &plugin.groups, row.group);
        bool is_late = s->seen && row.time < s->newest;
        if (tm_is_bad(row.quality) || row.value != row.value || is_late) continue; /* a NaN differs from itself */

        s->level = s->seen ? s->level + plugin.alpha * (row.value - s->level) : row.value;
        s->newest = row.time;
        if (!s->seen || s->stale) tm_emit_text(out, row.group, STATE, row.time, TM_TEXT("fresh"), TM_GOOD);
        s->seen = true;
        s->stale = false;
        tm_emit(out, row.group, VALUE, row.time, s->level, row.quality);
    }
    return TM_OK;
}

/* Rows before the watermark are not expected any more. The result gets the time at which the series went stale, not the
 * watermark's: then it does not depend on when the watermark moved. */
static tm_problem advance(int64_t watermark, tm_output *out) {
    if (plugin.stale_ns == 0) return TM_OK;
    for (uint32_t group = 0; group < plugin.groups.count; group++) {
        series *s = TM_GROUP(series, &plugin.groups, group);
        if (!s->seen || s->stale || watermark - s->newest < plugin.stale_ns) continue;
        s->stale = true;
        tm_emit_text(out, group, STATE, s->newest + plugin.stale_ns, TM_TEXT("stale"), TM_GOOD);
    }
    return TM_OK;
}

TIDEMILL_CALCULATION(
    .name = "smooth",
    .version = "1.0.0",
    .inputs = { { "value", TM_NUMBER } },
    .outputs = { [VALUE] = { "value", TM_NUMBER }, [STATE] = { "state", TM_TEXTS } },
    .configure = configure,
    .process = process,
    .advance = advance)
