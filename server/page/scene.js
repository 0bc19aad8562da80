// The cross-section of the barrage: sea, machine, basin, moved by live values.

import { value } from './format.js';

/** Metres to the drawing: the ground lies at 0 m, the road at 14 m. */
const GROUND_Y = 310;
const PIXELS_PER_METRE = 17.4;
const y = (metres) => GROUND_Y - metres * PIXELS_PER_METRE;

const el = (id) => document.getElementById(id);
const calm = window.matchMedia('(prefers-reduced-motion: reduce)');

/** A wavy surface from x0 to x1; `phase` moves it. */
function surface(x0, x1, level, height, phase) {
  const points = [];
  for (let x = x0; x <= x1; x += 12) {
    points.push(`${x} ${(level + height * Math.sin(x / 38 + phase) + 0.4 * height * Math.sin(x / 17 - 1.6 * phase)).toFixed(1)}`);
  }
  return points.join('L');
}

function drawScale() {
  const marks = [2, 4, 6, 8, 10, 12].map((metres) => `<path d="M0 ${y(metres)}H960"/><text x="4" y="${y(metres) - 3}">${metres} m</text>`);
  el('scale').innerHTML = marks.join('');
}

/** Draws the station called `name` from the samples. */
export class Scene {
  constructor(samples) {
    this.samples = samples;
    this.shown = { sea: 7, basin: 7 };
    this.phase = 0;
    this.turn = 0;
    drawScale();
  }

  /** The last good value of a field of the station, whatever the station's name is. */
  find(field) {
    this.keys ??= {};
    if (!this.keys[field]) {
      for (const series of this.samples.series.values()) {
        if (series.measurement === 'station' && series.field === field) this.keys[field] = series.key;
      }
    }
    return this.samples.get(this.keys[field])?.last;
  }

  /** Moves the drawing on by `seconds`. */
  animate(seconds) {
    const flow = this.find('flow') ?? 0;
    const blend = calm.matches ? 1 : Math.min(1, seconds * 2);
    for (const [side, field] of [['sea', 'sea_level'], ['basin', 'basin_level']]) {
      const target = this.find(field);
      if (typeof target === 'number') this.shown[side] += (target - this.shown[side]) * blend;
    }
    if (!calm.matches) {
      this.phase += seconds;
      this.turn = (this.turn + seconds * Math.sign(flow) * Math.min(260, Math.abs(flow) / 18)) % 360;
      el('flow').style.strokeDashoffset = `${(this.flowOffset = (this.flowOffset ?? 0) + seconds * Math.sign(flow) * Math.min(90, Math.abs(flow) / 55)).toFixed(1)}`;
    }
    this.water('sea', 0, 432, 2.6, this.phase);
    this.water('basin', 528, 960, 1.2, 0.7 * this.phase + 2);
    el('runner').setAttribute('transform', `rotate(${this.turn.toFixed(1)})`);
  }

  water(side, x0, x1, height, phase) {
    const crest = surface(x0, x1, y(this.shown[side]), height, phase);
    el(side).setAttribute('d', `M${x0} ${GROUND_Y}L${crest}L${x1} ${GROUND_Y}Z`);
    el(`${side}-crest`).setAttribute('d', `M${crest}`);
  }

  /** Writes the numbers. */
  write() {
    const [sea, basin, power, flow, head, running] =
      ['sea_level', 'basin_level', 'power', 'flow', 'head', 'units_running'].map((field) => this.find(field));
    const mode = this.find('mode');
    const units = [...this.samples.series.values()].filter((s) => s.measurement === 'turbine' && s.field === 'power').length;
    el('sea-level').textContent = sea === undefined ? '–' : `${sea.toFixed(2)} m`;
    el('basin-level').textContent = basin === undefined ? '–' : `${basin.toFixed(2)} m`;
    el('power').textContent = power === undefined ? '–' : `${power.toFixed(1)} MW`;
    el('running').textContent = running === undefined ? '' : `${running} of ${units} units on load`;
    el('mode').textContent = mode ?? '';
    el('head-text').textContent = head === undefined ? '' : `head ${Math.abs(head).toFixed(2)} m`;
    const direction = flow > 1 ? 'to the sea' : flow < -1 ? 'into the basin' : '';
    el('flow-text').textContent = flow === undefined ? '' : direction ? `${value(Math.round(Math.abs(flow)))} m³/s ${direction}` : 'no flow';
    el('flow').dataset.direction = flow > 1 ? 'sea' : flow < -1 ? 'basin' : 'none';
    el('flow-head').setAttribute('d', flow > 1 ? 'M344 238 326 257 344 276' : 'M616 238 634 257 616 276');
    el('scene-text').textContent = `Sea at ${value(sea)} m, basin at ${value(basin)} m, ${value(power)} MW, ${mode ?? 'unknown mode'}.`;
  }
}
