// The charts: which series are shown, with their derived companions, and their history.

import { draw } from './chart.js';
import { unit, value } from './format.js';

const CHARTS_MAX = 12;
/** What is shown first, in this order, as soon as it is known. */
const FIRST = [
  /^station:power\b/, /^turbine:power\{.*unit=T01/, /^turbine:bearing_temperature\{.*unit=T01/, /^turbine:vibration\{.*unit=T01/,
  /^host_cpu:busy\{.*cpu=total/, /^host_load:load1\b/,
];
const FIRST_MAX = 4;

const node = (tag, name, text) => {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
};

/** Whether `derived` belongs beside `raw`: made from its measurement, of the same thing, in the same unit. */
function isCompanion(raw, derived) {
  if (!derived.measurement.startsWith(`${raw.measurement}_`) || derived.isText) return false;
  const rest = derived.field === raw.field ? '' : derived.field.startsWith(`${raw.field}_`) ? derived.field.slice(raw.field.length + 1) : null;
  if (rest === null || !['', 'mean', 'min', 'max', 'value'].includes(rest)) return false;
  const labels = Object.entries(raw.labels);
  return labels.length === Object.keys(derived.labels).length && labels.every(([name, text]) => derived.labels[name] === text);
}

export class Trends {
  constructor(samples) {
    this.samples = samples;
    this.rangeMs = 5 * 60_000;
    this.charts = [];
    this.isChosen = false;
    this.box = document.getElementById('charts');
    this.wire();
  }

  wire() {
    const input = document.getElementById('series');
    document.getElementById('picker').addEventListener('submit', (event) => {
      event.preventDefault();
      const key = input.value.trim();
      const found = this.samples.get(key);
      input.setCustomValidity(found && !found.isText ? '' : found ? 'This series is a text: it has no chart.' : 'No such series has been received yet.');
      if (!input.reportValidity()) return;
      this.isChosen = true;
      this.show([found], false);
      input.value = '';
    });
    input.addEventListener('input', () => { input.setCustomValidity(''); this.suggest(input.value); });
    input.addEventListener('focus', () => this.suggest(input.value));
    document.getElementById('ranges').addEventListener('click', (event) => {
      const minutes = Number(event.target.dataset?.minutes);
      if (!minutes) return;
      this.rangeMs = minutes * 60_000;
      for (const button of event.currentTarget.children) button.setAttribute('aria-pressed', String(button === event.target));
      this.charts.forEach((chart) => this.fill(chart));
      this.draw();
    });
  }

  suggest(text) {
    const words = text.toLowerCase().split(/\s+/);
    const found = [...this.samples.series.values()]
      .filter((series) => !series.isText && words.every((word) => series.key.toLowerCase().includes(word)))
      .slice(0, 60);
    document.getElementById('series-list').replaceChildren(...found.map((series) => {
      const option = document.createElement('option');
      option.value = series.key;
      return option;
    }));
  }

  /** A new series: maybe one of those shown first, maybe a companion of one that is shown. */
  add(series) {
    this.charts.forEach((chart) => { if (isCompanion(chart.raw, series)) this.join(chart, series); });
    if (this.isChosen || this.charts.length >= FIRST_MAX) return;
    const rank = FIRST.findIndex((pattern) => pattern.test(series.key));
    if (rank >= 0) this.show([series], false, rank);
  }

  /** Shows series; with `replace` they take the place of what there was. */
  show(list, replace, rank = 99) {
    if (replace) this.charts.slice().forEach((chart) => this.remove(chart));
    for (const raw of list.filter(Boolean)) {
      if (this.charts.some((chart) => chart.raw === raw)) continue;
      if (this.charts.length >= CHARTS_MAX) this.remove(this.charts[0]);
      this.make(raw, rank);
    }
    this.draw();
  }

  /** Shows what one turbine has, raw and derived. */
  pick(unitSeries) {
    this.isChosen = true;
    const { power, bearing_temperature: bearing, vibration, efficiency, alarm } = unitSeries;
    this.show([power, bearing, vibration, efficiency, alarm], true);
    document.getElementById('trends-title').scrollIntoView({ behavior: 'smooth', block: 'start' });
  }

  make(raw, rank) {
    const figure = node('figure', 'chart card');
    const caption = node('figcaption');
    const name = node('span', 'chart-name', raw.measurement === 'station' ? `station ${raw.field}` : `${Object.values(raw.labels).at(-1) ?? raw.measurement} ${raw.field}`.replaceAll('_', ' '));
    name.title = raw.key;
    const now = node('span', 'chart-now', '–');
    const close = node('button', 'close', '×');
    close.type = 'button';
    close.setAttribute('aria-label', `Remove ${raw.key}`);
    caption.append(name, now, close);
    const legend = node('ul', 'legend');
    const canvas = document.createElement('canvas');
    canvas.setAttribute('role', 'img');
    figure.append(caption, canvas, legend);
    const chart = { raw, list: [raw], figure, canvas, now, legend, rank };
    close.addEventListener('click', () => { this.isChosen = true; this.remove(chart); });
    const next = this.charts.findIndex((other) => other.rank > rank);
    if (next < 0) { this.charts.push(chart); this.box.append(figure); }
    else { this.box.insertBefore(figure, this.charts[next].figure); this.charts.splice(next, 0, chart); }
    for (const series of this.samples.series.values()) if (isCompanion(raw, series)) this.join(chart, series);
    this.fill(chart);
  }

  join(chart, series) {
    if (chart.list.includes(series) || chart.list.length >= 4) return;
    chart.list.push(series);
    chart.legend.replaceChildren(...chart.list.map((one, at) => {
      const item = node('li', `line-${at + 1}`, at === 0 ? 'raw' : `${one.measurement.slice(chart.raw.measurement.length + 1)} ${one.field.slice(chart.raw.field.length + 1)}`.trim());
      item.title = one.key;
      return item;
    }));
    this.fill(chart);
  }

  remove(chart) {
    chart.figure.remove();
    this.charts = this.charts.filter((other) => other !== chart);
  }

  /** Asks the replicas for what was before this page was opened. Without an answer the chart just starts now. */
  async fill(chart) {
    for (const series of chart.list) {
      const from = Date.now() - this.rangeMs;
      if (series.asked <= from) continue;
      series.asked = from;
      const key = series.key.replaceAll("'", "''");
      const q = `SELECT time, value, quality FROM samples WHERE series = '${key}' AND time >= '${new Date(from).toISOString()}' ORDER BY time LIMIT 20000`;
      const answer = await fetch(`/api/v1/sql?${new URLSearchParams({ q, format: 'json' })}`).then((r) => (r.ok ? r.json() : {})).catch(() => ({}));
      const rows = answer.rows ?? [];
      this.samples.fill(series, rows.map(readRow));
    }
  }

  draw() {
    const now = Math.max(this.samples.newestTime, Date.now() - 3_600_000);
    if (!Number.isFinite(now)) return;
    for (const chart of this.charts) {
      const { raw } = chart;
      const text = draw(chart.canvas, chart.list, now, this.rangeMs);
      const mark = raw.lastSeverity === 'good' ? '' : ` ✕ ${raw.lastSeverity}`;
      chart.now.textContent = `${value(raw.last, raw.type)} ${unit(raw.field)}${mark}`;
      chart.now.dataset.severity = raw.lastSeverity;
      chart.canvas.setAttribute('aria-label', `${raw.key}: ${text}`);
    }
  }
}

/** A row of the query above: time as text with nanoseconds, value, quality. The same instant as the stream's, bit by bit. */
function readRow([text, value, quality]) {
  const [seconds, fraction = ''] = text.replace('Z', '').split('.');
  const digits = fraction.padEnd(9, '0');
  const time = Date.parse(`${seconds}Z`) + Number(digits.slice(0, 3)) + Number(digits.slice(3)) / 1e6;
  return { time, value, quality: quality ?? 0 };
}
