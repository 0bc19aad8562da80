/* Rows on their way in, row by row or as columns.
 *
 * Invariant: the runs cover the columns from the front without holes (the host guarantees it).
 */
#ifndef TIDEMILL_BATCH_H
#define TIDEMILL_BATCH_H

#include "types.h"

/* One sample. In a row of a text port `value` is the number of a text: see `tm_row_text`. */
typedef struct tm_row {
    uint32_t group, port;
    int64_t time; /* source time: nanoseconds since the Unix epoch, UTC */
    double value;
    uint32_t quality;
} tm_row;

/* Bytes of the contract: 12 bytes each. */
typedef struct tm_run_head {
    uint32_t group, port, rows;
} tm_run_head;

typedef struct tm_batch {
    int64_t t0;
    const tm_run_head *heads;
    size_t run_count;
    const int64_t *dt;
    const double *values;
    const uint32_t *qualities; /* NULL: every row is good */
    size_t row_count;
    const tm_text *texts;
    size_t text_count;
} tm_batch;

/* Consecutive rows of one port of one group, ordered by time: the columns themselves, for fast loops. */
typedef struct tm_run {
    uint32_t group, port, rows;
    int64_t t0;
    const int64_t *dt; /* row i has the time t0 + dt[i] */
    const double *values;
    const uint32_t *qualities; /* NULL: every row is good */
} tm_run;

/* Walks over the runs: `tm_run run; tm_runs runs = tm_runs_of(batch); while (tm_next_run(&runs, &run)) …` */
typedef struct tm_runs {
    const tm_batch *batch;
    size_t run, row;
} tm_runs;

TM_INLINE tm_runs tm_runs_of(const tm_batch *batch) {
    return (tm_runs){ batch, 0, 0 };
}

TM_INLINE bool tm_next_run(tm_runs *runs, tm_run *run) {
    const tm_batch *batch = runs->batch;
    if (runs->run == batch->run_count) return false;
    const tm_run_head *head = &batch->heads[runs->run++];
    size_t row = runs->row;
    runs->row += head->rows;
    *run = (tm_run){ head->group, head->port, head->rows, batch->t0, batch->dt + row, batch->values + row,
                     batch->qualities == NULL ? NULL : batch->qualities + row };
    return true;
}

/* Walks over the rows: `tm_row row; tm_rows rows = tm_rows_of(batch); while (tm_next_row(&rows, &row)) …` */
typedef struct tm_rows {
    const tm_batch *batch;
    size_t run, row, run_end;
} tm_rows;

TM_INLINE tm_rows tm_rows_of(const tm_batch *batch) {
    return (tm_rows){ batch, 0, 0, 0 };
}

TM_INLINE bool tm_next_row(tm_rows *rows, tm_row *row) {
    const tm_batch *batch = rows->batch;
    size_t i = rows->row;
    if (i == batch->row_count) return false;
    while (i == rows->run_end) {
        const tm_run_head *head = &batch->heads[rows->run++];
        rows->run_end += head->rows;
        row->group = head->group;
        row->port = head->port;
    }
    row->time = batch->t0 + batch->dt[i];
    row->value = batch->values[i];
    row->quality = batch->qualities == NULL ? TM_GOOD : batch->qualities[i];
    rows->row = i + 1;
    return true;
}

/* The text of a row of a text port; valid until the call returns. */
TM_INLINE tm_text tm_row_text(const tm_batch *batch, const tm_row *row) {
    if (!(row->value >= 0 && row->value < (double)batch->text_count)) return (tm_text){ "", 0 };
    return batch->texts[(size_t)row->value];
}

/* One closed window of one group, [start, end), with its rows sorted by time: what an aggregation sees. */
typedef struct tm_window {
    uint32_t group, rows;
    int64_t start, end;
    const int64_t *dt; /* row i has the time start + dt[i] */
    const double *values;
    const uint32_t *qualities; /* NULL: every row is good */
    const tm_text *texts;      /* of a text port: row i has the text texts[(size_t)values[i]] */
    size_t text_count;
} tm_window;

TM_INLINE uint32_t tm_window_quality(const tm_window *window, size_t row) {
    return window->qualities == NULL ? TM_GOOD : window->qualities[row];
}

#endif
