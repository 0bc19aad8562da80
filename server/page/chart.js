// One time chart on a canvas: lines with gaps, qualities and a few quiet grid lines.

import { clock, value } from './format.js';

const PAD = { left: 14, right: 10, top: 10, bottom: 20 };
const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3]];
const BAD = 2;

function colours(canvas) {
  const style = getComputedStyle(canvas);
  const read = (name) => style.getPropertyValue(name).trim();
  return { lines: [read('--line-1'), read('--line-2'), read('--line-3'), read('--line-4')], grid: read('--grid'), text: read('--soft'), bad: read('--bad'), hatch: read('--hatch') };
}

/** Round steps: 1, 2 or 5 times a power of ten. */
function ticks(low, high, most) {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((n) => n * power >= raw) ?? 10);
  const made = [];
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) made.push(n * step + 0);
  return { made, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** Lowest and highest good value in the time range over all series, with a little air. */
function bounds(list, from) {
  let low = Infinity, high = -Infinity;
  for (const series of list) {
    // The sample before the range still draws a line into it.
    for (let i = Math.max(0, series.indexOf(from) - 1); i < series.size; i += 1) {
      const v = series.values[i];
      if (series.severities[i] === BAD || !Number.isFinite(v)) continue;
      if (v < low) low = v;
      if (v > high) high = v;
    }
  }
  if (low > high) return null;
  const air = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  return { low: low - air, high: high + air };
}

/** Longer than this without a sample is a gap: five usual distances, but at least three seconds. */
function gapMs(series, first) {
  const count = series.size - 1 - first;
  if (count < 4) return Infinity;
  const sample = [];
  const stride = Math.max(1, count >> 5);
  for (let i = first + 1; i < series.size; i += stride) sample.push(series.times[i] - series.times[i - 1]);
  sample.sort((a, b) => a - b);
  return Math.max(3000, 5 * sample[sample.length >> 1]);
}

/** Draws `list` (the first is raw, the others derived) for the `rangeMs` before `now`. Returns a sentence about it. */
export function draw(canvas, list, now, rangeMs) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (width === 0) return '';
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const g = canvas.getContext('2d');
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  const paint = colours(canvas);
  g.font = '11px ui-sans-serif, system-ui, sans-serif';
  const from = now - rangeMs;
  const range = bounds(list, from);
  if (!range) {
    g.fillStyle = paint.text;
    g.fillText('no samples in this range', PAD.left, height / 2);
    return 'no samples in this range';
  }
  const rows = ticks(range.low, range.high, 4);
  const labels = rows.made.map((at) => at.toLocaleString('en', { minimumFractionDigits: rows.decimals, maximumFractionDigits: rows.decimals }));
  const left = PAD.left + Math.max(24, ...labels.map((text) => g.measureText(text).width));
  const area = { x: left, y: PAD.top, w: width - left - PAD.right, h: height - PAD.top - PAD.bottom };
  const x = (time) => area.x + ((time - from) / rangeMs) * area.w;
  const y = (v) => area.y + area.h - ((v - range.low) / (range.high - range.low)) * area.h;
  axes(g, area, paint, { rows, labels, from, rangeMs, x, y });
  g.save();
  g.beginPath();
  g.rect(area.x, area.y, area.w, area.h + 1);
  g.clip();
  const gaps = list.map((series, at) => line(g, series, { area, paint, x, y, from, now, at, isRaw: at === 0 }));
  g.restore();
  const last = list[0].last;
  return `${value(last)} now, between ${value(range.low)} and ${value(range.high)}, ${gaps[0]} gaps`;
}

function axes(g, area, paint, { rows, labels, from, rangeMs, x, y }) {
  g.lineWidth = 1;
  g.strokeStyle = paint.grid;
  g.fillStyle = paint.text;
  g.textAlign = 'right';
  rows.made.forEach((at, i) => {
    const line = Math.round(y(at)) + 0.5;
    g.beginPath();
    g.moveTo(area.x, line);
    g.lineTo(area.x + area.w, line);
    g.stroke();
    g.fillText(labels[i], area.x - 6, line + 3.5);
  });
  const step = rangeMs / 5;
  g.textAlign = 'center';
  for (let time = Math.ceil(from / step) * step; time <= from + rangeMs; time += step) {
    if (x(time) < area.x + 20 || x(time) > area.x + area.w - 20) continue;
    g.fillText(clock(time).slice(0, rangeMs > 400_000 ? 5 : 8), x(time), area.y + area.h + 15);
  }
}

function hatch(g, area, paint, x0, x1) {
  if (x1 - x0 < 1) return;
  g.save();
  g.beginPath();
  g.rect(x0, area.y, x1 - x0, area.h);
  g.clip();
  g.strokeStyle = paint.hatch;
  g.lineWidth = 1;
  g.beginPath();
  for (let at = x0 - area.h; at < x1; at += 7) {
    g.moveTo(at, area.y + area.h);
    g.lineTo(at + area.h, area.y);
  }
  g.stroke();
  g.restore();
}

function cross(g, at, base) {
  g.moveTo(at - 3, base - 7);
  g.lineTo(at + 3, base - 1);
  g.moveTo(at + 3, base - 7);
  g.lineTo(at - 3, base - 1);
}

/** Draws one series and returns how many gaps it has. */
function line(g, series, { area, paint, x, y, from, now, at, isRaw }) {
  const first = Math.max(0, series.indexOf(from) - 1);
  const limit = gapMs(series, first);
  const colour = paint.lines[at % paint.lines.length];
  let gaps = 0, isDown = false, crossX = -Infinity;
  const path = new Path2D();
  g.strokeStyle = paint.bad;
  g.lineWidth = 1.5;
  g.beginPath();
  for (let i = first; i < series.size; i += 1) {
    const time = series.times[i];
    const isGap = i > first && time - series.times[i - 1] > limit;
    if (isGap) {
      gaps += 1;
      isDown = false;
      if (isRaw) hatch(g, area, paint, x(series.times[i - 1]), x(time));
    }
    if (series.severities[i] === BAD || !Number.isFinite(series.values[i])) {
      isDown = false;
      if (x(time) - crossX > 6) {
        crossX = x(time);
        cross(g, crossX, area.y + area.h);
      }
      continue;
    }
    if (isDown) path.lineTo(x(time), y(series.values[i])); else path.moveTo(x(time), y(series.values[i]));
    isDown = true;
  }
  g.stroke();
  if (isRaw && now - series.lastTime > limit) hatch(g, area, paint, x(series.lastTime), area.x + area.w);
  g.strokeStyle = colour;
  g.lineWidth = isRaw ? 1.5 : 1.8;
  g.lineJoin = 'round';
  g.setLineDash(isRaw ? [] : DASHES[at % DASHES.length]);
  g.stroke(path);
  g.setLineDash([]);
  return gaps;
}
