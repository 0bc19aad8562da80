// Replicas, operators and the journal, from /api/v1/status once a second.

import { bytes, clock, count, milliseconds, offsets, position } from './format.js';

const EVERY_MS = 1000;
/** Digests are compared at equal positions; replicas report them at different moments, so some are remembered. */
const DIGESTS_KEPT = 600;

const cell = (content, name) => {
  const made = document.createElement('td');
  if (name) made.className = name;
  made.append(...[content].flat());
  return made;
};

const span = (name, text, title) => {
  const made = document.createElement('span');
  made.className = name;
  made.textContent = text;
  if (title) made.title = title;
  return made;
};

const SIGNS = { serving: '●', running: '●', 'catching-up': '◐', paused: '‖', failed: '✕' };

const state = (text, error) => {
  const made = span('state', `${SIGNS[text] ?? '○'} ${text}`, error);
  made.dataset.state = text;
  return made;
};

export class Status {
  /** `onStatus(status)` is called with every answer, `onFail(reason)` without one. */
  constructor(onStatus) {
    this.onStatus = onStatus;
    this.digests = new Map();
    this.agreed = null;
    this.rebuilt = new Map();
    this.poll();
  }

  async poll() {
    try {
      const response = await fetch('/api/v1/status', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
      if (response.ok) this.write(await response.json());
    } catch {
      // The stream tells that the node is away; the tables keep their last state and say so.
    }
    const isOld = Date.now() - (this.at ?? 0) > 3 * EVERY_MS;
    document.body.classList.toggle('is-stale', isOld);
    setTimeout(() => this.poll(), EVERY_MS);
  }

  write(status) {
    this.at = Date.now();
    this.onStatus(status);
    const partitions = (status.journal?.partitions ?? []).filter((partition) => partition.topic === 'data');
    this.compare(status.replicas ?? []);
    this.rows('replicas', (status.replicas ?? []).map((replica) => this.replica(replica, partitions)), 9, 'No replicas.');
    this.rows('operators', (status.operators ?? []).map((operator) => this.operator(operator)), 10, 'No operators are deployed.');
    this.journal(status);
  }

  rows(table, rows, columns, empty) {
    const body = document.querySelector(`#${table} tbody`);
    if (rows.length === 0) {
      const row = document.createElement('tr');
      const only = cell(empty);
      only.colSpan = columns;
      row.append(only);
      rows = [row];
    }
    body.replaceChildren(...rows);
  }

  /** Notes which digests every replica has shown at which position. */
  compare(replicas) {
    for (const { name, digest, digest_position: at } of replicas) {
      if (!digest || !at) continue;
      const shown = this.digests.get(at) ?? new Map();
      this.digests.set(at, shown.set(name, String(digest)));
      if (shown.size > 1) {
        this.agreed = { at, isEqual: new Set(shown.values()).size === 1, names: [...shown.keys()], when: Date.now() };
      }
    }
    while (this.digests.size > DIGESTS_KEPT) this.digests.delete(this.digests.keys().next().value);
  }

  digest(replica) {
    if (!replica.digest) return ['–'];
    const code = document.createElement('code');
    code.textContent = String(replica.digest).slice(0, 8);
    code.title = `${replica.digest} at ${replica.digest_position}`;
    const { agreed } = this;
    if (!agreed?.names.includes(replica.name)) return [code];
    const ago = milliseconds(Date.now() - agreed.when);
    return agreed.isEqual
      ? [code, ' ', span('same', '✓ equal', `Equal at ${agreed.at}, seen ${ago} ago`)]
      : [code, ' ', span('differs', '✕ differs', `Different at the same position ${agreed.at}`)];
  }

  replica(replica, partitions) {
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = replica.name;
    const before = this.rebuilt.get(replica.name);
    if (before?.count !== replica.rebuilds) this.rebuilt.set(replica.name, { count: replica.rebuilds, at: before && replica.rebuilds > 0 ? Date.now() : null });
    const rebuiltAt = this.rebuilt.get(replica.name).at;
    const lag = replica.lag_records > 0 && replica.ready_in_ms ? `${count(replica.lag_records)}, ready in ${milliseconds(replica.ready_in_ms)}` : count(replica.lag_records);
    row.append(
      head,
      cell(state(replica.state, replica.error)),
      cell(bar(replica.position, partitions), 'bar-cell'),
      cell(lag, 'number'),
      cell(milliseconds(replica.staleness_ms), 'number'),
      cell(this.digest(replica)),
      cell(count(replica.samples), 'number'),
      cell(count(replica.series), 'number'),
      cell(bytes(replica.bytes), 'number'),
    );
    if (rebuiltAt) row.cells[1].append(span('note', `rebuilt from the journal ${clock(rebuiltAt)}`));
    if (replica.quarantined > 0 || replica.gaps > 0 || replica.error) {
      const notes = [replica.error, replica.gaps > 0 && `${count(replica.gaps)} gaps`, replica.quarantined > 0 && `${count(replica.quarantined)} quarantined`];
      row.cells[1].append(span('problem', notes.filter(Boolean).join(', ')));
    }
    return row;
  }

  operator(operator) {
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = operator.name;
    row.append(
      head,
      cell([operator.plugin ?? '', ' ', span('soft', operator.world ?? '')]),
      cell(state(operator.state, operator.last_error)),
      cell(count(operator.lag_records), 'number'),
      cell(count(operator.rows_in), 'number'),
      cell(count(operator.rows_out), 'number'),
      cell(count(operator.late_rows), 'number'),
      cell(count(operator.revised_windows), 'number'),
      cell(operator.errors > 0 ? span('differs', `✕ ${count(operator.errors)}`, operator.last_error) : '0', 'number'),
      cell(operator.checkpoint_age_ms === undefined || operator.checkpoint_age_ms === null ? '–' : `${milliseconds(operator.checkpoint_age_ms)} ago`, 'number'),
    );
    if (operator.state === 'failed' && operator.last_error) row.cells[2].append(span('problem', operator.last_error));
    return row;
  }

  journal(status) {
    const facts = [['Position', position(status.journal?.position)]];
    for (const partition of status.journal?.partitions ?? []) {
      const name = partition.topic === 'data' || partition.partition > 0 ? `${partition.topic} ${partition.partition}` : partition.topic;
      facts.push([`${name}: records`, count(partition.records)]);
    }
    facts.push(['Lines taken', count(status.ingest?.lines)], ['Samples taken', count(status.ingest?.samples)]);
    facts.push(['Lines refused', count(status.ingest?.rejected_lines)]);
    facts.push(['Live readers', count(status.live?.subscribers)], ['Readers cut off', count(status.live?.cut)]);
    document.getElementById('journal').replaceChildren(...facts.map(([name, text]) => {
      const pair = document.createElement('div');
      const term = document.createElement('dt');
      const detail = document.createElement('dd');
      term.textContent = name;
      detail.textContent = text;
      pair.append(term, detail);
      return pair;
    }));
    document.getElementById('footer').textContent = `Tidemill ${status.version ?? ''} · up ${milliseconds(1000 * (status.uptime_s ?? 0))} · journal ${status.journal?.id ?? ''}`;
  }
}

/** How far a replica is from the journal's start to its tail; a picture, not a count. */
function bar(at, partitions) {
  const own = offsets(at);
  const parts = partitions.map((partition, i) => {
    const start = Number(partition.start), tail = Number(partition.tail);
    const applied = (own[partition.partition ?? i] || start) - start;
    return tail > start ? Math.max(0, Math.min(1, applied / (tail - start))) : 1;
  });
  const share = parts.length ? parts.reduce((a, b) => a + b, 0) / parts.length : 0;
  const meter = document.createElement('span');
  meter.className = 'meter';
  meter.setAttribute('role', 'meter');
  meter.setAttribute('aria-valuemin', '0');
  meter.setAttribute('aria-valuemax', '100');
  meter.setAttribute('aria-valuenow', (100 * share).toFixed(1));
  meter.setAttribute('aria-label', 'applied share of the journal');
  const fill = document.createElement('span');
  fill.className = 'fill';
  fill.style.width = `${(100 * share).toFixed(2)}%`;
  meter.append(fill);
  const text = share >= 0.9995 ? 'at the tail' : `${(100 * share).toFixed(1)} %`;
  return [meter, span('bar-text', text, at)];
}
