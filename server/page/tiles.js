// One tile per turbine: power, state, alarm. Colour never stands alone: alarms and bad qualities have a sign and a word.

import { value } from './format.js';

const RATED_MW = 10;
/** A value older than this against the newest sample counts as silent. */
const SILENT_AFTER_MS = 8000;
const GLYPHS = { generating: '▶', starting: '↻', stopping: '↓', sluicing: '≈', standby: '–' };

const node = (tag, name, parent) => {
  const made = document.createElement(tag);
  if (name) made.className = name;
  parent.append(made);
  return made;
};

/** Keeps the tiles of all turbines. `onPick(unit fields)` is called when one is chosen. */
export class Tiles {
  constructor(samples, onPick) {
    this.samples = samples;
    this.onPick = onPick;
    this.units = new Map();
    this.list = document.getElementById('tiles');
  }

  /** Files a new series under its unit: raw fields, and derived ones whose measurement starts with `turbine_`. */
  add(series) {
    const isRaw = series.measurement === 'turbine';
    if (!series.labels.unit || !(isRaw || series.measurement.startsWith('turbine_'))) return;
    const unit = this.units.get(series.labels.unit) ?? this.make(series.labels.unit);
    const name = isRaw ? series.field : series.field.includes('alarm') ? 'alarm' : series.field.includes('efficiency') ? 'efficiency' : null;
    if (name && !(name in unit.series)) unit.series[name] = series;
    if (isRaw) unit.isReal = true;
  }

  make(name) {
    const item = document.createElement('li');
    const button = node('button', 'tile', item);
    button.type = 'button';
    const unit = { name, item, button, series: {}, shown: '' };
    unit.title = node('span', 'tile-name', button);
    unit.title.textContent = name;
    unit.state = node('span', 'tile-state', button);
    unit.power = node('span', 'tile-power', button);
    unit.fill = node('span', 'fill', node('span', 'meter', button));
    unit.note = node('span', 'tile-note', button);
    button.addEventListener('click', () => this.onPick(unit.series));
    this.units.set(name, unit);
    const after = [...this.units.values()].filter((other) => other.name > name && other.item.isConnected)
      .sort((a, b) => (a.name < b.name ? -1 : 1))[0];
    this.list.insertBefore(item, after?.item ?? null);
    return unit;
  }

  write() {
    for (const unit of this.units.values()) this.writeUnit(unit);
    document.getElementById('tiles-hint').hidden = this.units.size > 0;
  }

  writeUnit(unit) {
    const { power, state, alarm, efficiency, bearing_temperature: bearing, vibration, running } = unit.series;
    unit.item.hidden = !unit.isReal;
    const isSilent = power && this.samples.newestTime - power.lastTime > SILENT_AFTER_MS;
    const isAlarm = alarm?.last > 0;
    const bad = Object.entries(unit.series).filter(([, series]) => series.lastSeverity === 'bad').map(([name]) => name.replaceAll('_', ' '));
    const stateText = state?.last ?? (running?.last ? 'generating' : 'standby');
    const share = Math.max(0, Math.min(1, (power?.last ?? 0) / RATED_MW));
    const kind = isAlarm ? 'alarm' : isSilent ? 'silent' : bad.length ? 'bad' : share > 0 ? 'on' : 'off';
    const facts = [];
    if (isAlarm) facts.push('▲ alarm');
    if (isSilent) facts.push('∅ silent');
    if (bad.length && !isSilent) facts.push(`✕ ${bad[0]} bad`);
    if (facts.length === 0 && efficiency && share > 0 && efficiency.last > 0) {
      facts.push(`η ${value(Math.round(efficiency.last * (efficiency.last <= 1.5 ? 100 : 1)))} %`);
    }
    if (bearing && !bad.includes('bearing temperature')) facts.push(`${bearing.last?.toFixed(0)} °C`);
    const text = `${kind}|${stateText}|${share.toFixed(3)}|${facts.join(' · ')}`;
    if (text === unit.shown) return;
    unit.shown = text;
    unit.button.dataset.kind = kind;
    unit.state.textContent = GLYPHS[stateText] ?? '?';
    unit.state.title = stateText;
    unit.power.textContent = power ? `${(power.last ?? 0).toFixed(1)}` : '–';
    unit.fill.style.width = `${(100 * share).toFixed(1)}%`;
    unit.note.textContent = facts.join(' · ');
    unit.button.setAttribute('aria-label', `${unit.name}, ${stateText}, ${value(power?.last)} megawatts, ${facts.join(', ')}, vibration ${value(vibration?.last)}. Show its trends.`);
  }
}
