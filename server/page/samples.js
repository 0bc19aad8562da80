// What the stream has brought: recent samples per series, and a ledger of what came late, twice or not at all.
//
// Times are milliseconds since the epoch as doubles, which hold a microsecond's part of them.

import { parseKey, severity } from './format.js';

/** Most samples kept per series; a quarter is dropped when full, so that an hour at 1 Hz stays. */
const KEPT_MAX = 4864;
/** A sample this much older than the newest one received is late: it comes from a backlog. */
const LATE_AFTER_MS = 10_000;
const SEVERITIES = ['good', 'uncertain', 'bad'];

/** Recent samples of one series, sorted by time, each time once. */
export class Series {
  constructor(key, type) {
    Object.assign(this, parseKey(key), { type, size: 0, filledBefore: -Infinity });
    this.isText = type === 'string';
    this.allocate(64);
  }

  allocate(capacity) {
    const { times, values, severities } = this;
    this.times = new Float64Array(capacity);
    this.values = this.isText ? new Array(capacity) : new Float64Array(capacity);
    this.severities = new Uint8Array(capacity);
    if (times) {
      this.times.set(times);
      this.severities.set(severities);
      if (this.isText) values.forEach((v, i) => { this.values[i] = v; });
      else this.values.set(values);
    }
  }

  get lastTime() { return this.size ? this.times[this.size - 1] : -Infinity; }
  get last() { return this.size ? this.values[this.size - 1] : undefined; }
  get lastSeverity() { return this.size ? SEVERITIES[this.severities[this.size - 1]] : 'good'; }

  /** First index with a time at or after `time`. */
  indexOf(time) {
    let low = 0, high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** Stores a sample and says what it was: new, late, revised or duplicate. */
  put(time, value, quality) {
    const level = SEVERITIES.indexOf(severity(quality));
    const stored = this.isText ? value : Number(value ?? NaN);
    const at = time > this.lastTime ? this.size : this.indexOf(time);
    if (at < this.size && this.times[at] === time) {
      const isSame = Object.is(this.values[at], stored) && this.severities[at] === level;
      this.values[at] = stored;
      this.severities[at] = level;
      return isSame ? 'duplicate' : 'revised';
    }
    const isLate = at < this.size;
    this.insert(at, time, stored, level);
    return isLate ? 'late' : 'new';
  }

  insert(at, time, value, level) {
    if (this.size === this.times.length) {
      if (this.size < KEPT_MAX) this.allocate(Math.min(KEPT_MAX, this.size * 2));
      else at = Math.max(0, at - this.dropOldest());
    }
    for (const column of [this.times, this.values, this.severities]) column.copyWithin(at + 1, at, this.size);
    this.times[at] = time;
    this.values[at] = value;
    this.severities[at] = level;
    this.size += 1;
  }

  dropOldest() {
    const dropped = this.size >> 2;
    for (const column of [this.times, this.values, this.severities]) column.copyWithin(0, dropped, this.size);
    this.size -= dropped;
    return dropped;
  }
}

/** All series by key, and the ledger. */
export class Samples {
  constructor() {
    this.series = new Map();
    this.ledger = { since: Date.now(), samples: 0, late: 0, revised: 0, duplicates: 0, gaps: 0 };
    this.newestTime = -Infinity;
  }

  get(key) { return this.series.get(key); }

  /** Finds or makes a series; calls `onNew` for a new one. */
  of(key, type) {
    let series = this.series.get(key);
    if (!series) {
      series = new Series(key, type);
      this.series.set(key, series);
      this.onNew?.(series);
    }
    return series;
  }

  /** Applies the data of a `snapshot` or `samples` event. A snapshot repeats what is known, which is no duplicate. */
  apply(data, isSnapshot) {
    for (const column of data.series ?? []) {
      const series = this.of(column.key, column.type);
      // Nanoseconds do not fit a double: milliseconds and the rest are kept apart until the end.
      const t0 = BigInt(column.t0 ?? 0);
      const milliseconds = Number(t0 / 1_000_000n);
      const nanoseconds = Number(t0 % 1_000_000n);
      column.values.forEach((value, i) => {
        const rest = nanoseconds + Number(column.dt?.[i] ?? 0);
        const time = milliseconds + Math.floor(rest / 1e6) + (rest % 1e6) / 1e6;
        const kind = series.put(time, value, column.quality?.[i] ?? 0);
        // What a query has filled in may still arrive live, and only then is it received.
        const isKnown = kind === 'duplicate' && time < series.filledBefore;
        const isLate = isKnown || (kind === 'new' && time < this.newestTime - LATE_AFTER_MS);
        this.record(isLate ? 'late' : kind, isSnapshot);
        if (time > this.newestTime) this.newestTime = time;
      });
    }
  }

  /** Fills in history that was queried, older than what the stream has brought. Not part of the ledger. */
  fill(series, rows) {
    const before = series.size ? series.times[0] : Infinity;
    const older = rows.filter((row) => row.time < before);
    older.forEach((row) => series.put(row.time, row.value, row.quality));
    if (older.length > 0) series.filledBefore = before;
  }

  record(kind, isSnapshot) {
    this.ledger.samples += 1;
    if (isSnapshot) return;
    if (kind === 'duplicate') this.ledger.duplicates += 1;
    if (kind === 'late') this.ledger.late += 1;
    if (kind === 'revised') this.ledger.revised += 1;
  }
}
