/* Rows on their way out.
 *
 * Invariants: rows leave in the order they were emitted; within a run the time does not go back; a text that several rows share
 * stands in the dictionary once, in order of first use; buffers are reused from call to call.
 */
#ifndef TIDEMILL_OUTPUT_H
#define TIDEMILL_OUTPUT_H

#include "batch.h"
#include "host.h"

/* Buffers beyond this many rows (1.5 MB) are given back after the call: they would be part of every checkpoint. */
#define TM_ROWS_KEPT_MAX 65536u

typedef struct tm_output {
    const tm_port *ports;
    uint32_t port_count;
    int64_t t0, last; /* of the first row, absolute; of the last row, after t0 */
    tm_run_head *heads;
    size_t run_count, run_room;
    int64_t *dt; /* owns the memory of the other two columns as well */
    double *values;
    uint32_t *qualities;
    size_t row_count, row_room, rows_expected; /* expected: the first row of a call brings room for so many */
    bool has_qualities; /* some row is not 0 */
    tm_text *texts;
    size_t text_count, text_room;
    uint32_t *slots; /* hash table of text numbers + 1; its size is 2 * text_room */
    tm_arena text_memory;
} tm_output;

TM_API void tm_output_free_rows(tm_output *out) {
    free(out->heads), free(out->dt);
    out->heads = NULL, out->dt = NULL, out->values = NULL, out->qualities = NULL;
    out->run_room = out->row_room = 0;
}

/* Forgets what the last call emitted. */
TM_API void tm_output_clear(tm_output *out) {
    if (out->row_room > TM_ROWS_KEPT_MAX) tm_output_free_rows(out);
    if (out->text_room > TM_ROWS_KEPT_MAX) {
        free(out->texts), free(out->slots);
        out->texts = NULL, out->slots = NULL, out->text_room = 0;
    } else if (out->text_count > 0) {
        memset(out->slots, 0, 2 * out->text_room * sizeof *out->slots);
    }
    out->run_count = out->row_count = out->text_count = 0;
    out->has_qualities = false;
    tm_arena_reset(&out->text_memory);
}

TM_API __attribute__((noinline)) void tm_output_begin_run(tm_output *out, uint32_t group, uint32_t port) {
    if (out->run_count == out->run_room) {
        out->run_room = out->run_room == 0 ? 64 : out->run_room * 2;
        out->heads = (tm_run_head *)tm_checked(realloc(out->heads, out->run_room * sizeof *out->heads));
    }
    out->heads[out->run_count++] = (tm_run_head){ group, port, 0 };
}

/* The three columns share one allocation, which fragments memory less than three that grow in turn. */
TM_API __attribute__((noinline)) void tm_output_grow(tm_output *out) {
    size_t room = out->row_room < 128 ? 256 : out->row_room * 2, rows = out->row_count;
    if (room < out->rows_expected) room = out->rows_expected;
    int64_t *dt = (int64_t *)tm_checked(malloc(room * (sizeof *out->dt + sizeof *out->values + sizeof *out->qualities)));
    double *values = (double *)(dt + room);
    uint32_t *qualities = (uint32_t *)(values + room);
    if (rows > 0) {
        memcpy(dt, out->dt, rows * sizeof *dt);
        memcpy(values, out->values, rows * sizeof *values);
        memcpy(qualities, out->qualities, rows * sizeof *qualities);
    }
    free(out->dt);
    out->dt = dt, out->values = values, out->qualities = qualities;
    out->row_room = room;
}

TM_INLINE void tm_output_push(tm_output *out, uint32_t group, uint32_t port, int64_t time, double value,
                              uint32_t quality) {
    if (out->row_count == 0) out->t0 = time;
    int64_t dt = (int64_t)((uint64_t)time - (uint64_t)out->t0);
    const tm_run_head *run = out->run_count == 0 ? NULL : &out->heads[out->run_count - 1];
    if (run == NULL || run->group != group || run->port != port || dt < out->last) tm_output_begin_run(out, group, port);
    if (out->row_count == out->row_room) tm_output_grow(out);
    out->heads[out->run_count - 1].rows++;
    out->last = dt;
    out->dt[out->row_count] = dt;
    out->values[out->row_count] = value;
    out->qualities[out->row_count] = quality;
    out->has_qualities |= quality != TM_GOOD;
    out->row_count++;
}

/* Emits a number. Rows may come in any order; those of one group and port are cheapest in a row and by time. */
TM_INLINE void tm_emit(tm_output *out, uint32_t group, uint32_t port, int64_t time, double value, uint32_t quality) {
    if (port >= out->port_count || out->ports[port].kind != TM_NUMBER)
        tm_fail("a number was emitted on a port that is not one of the number outputs of the plugin");
    tm_output_push(out, group, port, time, value, quality);
}

TM_API uint32_t tm_text_hash(tm_text text) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < text.length; i++) hash = (hash ^ (unsigned char)text.bytes[i]) * 16777619u;
    return hash;
}

/* The slot where the text is, or belongs. */
TM_API uint32_t *tm_output_slot(const tm_output *out, tm_text text) {
    size_t mask = 2 * out->text_room - 1, slot = tm_text_hash(text) & mask;
    while (out->slots[slot] != 0 && !tm_equal(out->texts[out->slots[slot] - 1], text)) slot = (slot + 1) & mask;
    return &out->slots[slot];
}

TM_API void tm_output_grow_texts(tm_output *out) {
    out->text_room = out->text_room == 0 ? 16 : out->text_room * 2;
    out->texts = (tm_text *)tm_checked(realloc(out->texts, out->text_room * sizeof *out->texts));
    free(out->slots);
    out->slots = (uint32_t *)tm_checked(calloc(2 * out->text_room, sizeof *out->slots));
    for (size_t i = 0; i < out->text_count; i++) *tm_output_slot(out, out->texts[i]) = (uint32_t)i + 1;
}

/* Emits a text; it is copied. */
TM_API void tm_emit_text(tm_output *out, uint32_t group, uint32_t port, int64_t time, tm_text text, uint32_t quality) {
    if (port >= out->port_count || out->ports[port].kind != TM_TEXTS)
        tm_fail("a text was emitted on a port that is not one of the text outputs of the plugin");
    if (out->text_count == out->text_room) tm_output_grow_texts(out);
    uint32_t *slot = tm_output_slot(out, text);
    if (*slot == 0) {
        out->texts[out->text_count++] = tm_arena_copy(&out->text_memory, text);
        *slot = (uint32_t)out->text_count;
    }
    tm_output_push(out, group, port, time, (double)(*slot - 1), quality);
}

#endif
