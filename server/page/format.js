// Numbers, times and keys as people read them.

const integer = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export const count = (n) => (n === undefined || n === null ? '–' : integer.format(Number(n)));

/** A measured value: about four significant digits, never an exponent; whole numbers of integer series stay whole. */
export function value(v, type) {
  if (v === undefined || v === null || Number.isNaN(v)) return '–';
  if (typeof v !== 'number') return String(v);
  const size = Math.abs(v);
  const digits = size >= 1000 || (type !== 'float' && Number.isInteger(v)) ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
  return v.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function bytes(n) {
  if (n === undefined || n === null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = Number(n), unit = 0;
  while (size >= 1024 && unit < units.length - 1) { size /= 1024; unit += 1; }
  return `${size.toFixed(unit === 0 || size >= 100 ? 0 : 1)} ${units[unit]}`;
}

export function milliseconds(ms) {
  if (ms === undefined || ms === null) return '–';
  const n = Number(ms);
  if (n < 1000) return `${Math.round(n)} ms`;
  if (n < 60_000) return `${(n / 1000).toFixed(1)} s`;
  if (n < 7_200_000) return `${Math.round(n / 60_000)} min`;
  return n < 172_800_000 ? `${(n / 3_600_000).toFixed(1)} h` : `${Math.round(n / 86_400_000)} days`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');

/** Offsets of a position: `<journal><generation>-<offset>…`, all hexadecimal. */
export function offsets(position) {
  return String(position ?? '').split('-').slice(1).map((hex) => Number(`0x${hex}`));
}

/** A position is opaque; people only compare it, for which its beginning and its offsets without zeros are enough. */
export function position(text) {
  if (!text) return '–';
  const [journal, ...rest] = String(text).split('-');
  const short = rest.map((hex) => hex.replace(/^0+(?=.)/, '')).join('·');
  return short ? `${journal.slice(0, 4)}…${short}` : text;
}

/** Parses `measurement:field{label=value,…}` with `\` escapes. */
export function parseKey(key) {
  const parts = [''];
  const marks = [];
  for (let i = 0; i < key.length; i += 1) {
    const c = key[i];
    if (c === '\\') { i += 1; parts[parts.length - 1] += key[i] ?? ''; }
    else if (':{},='.includes(c)) { marks.push(c); parts.push(''); }
    else parts[parts.length - 1] += c;
  }
  const parsed = { key, measurement: parts[0], field: 'value', labels: {} };
  marks.forEach((mark, at) => {
    if (mark === ':') parsed.field = parts[at + 1];
    if (mark === '=') parsed.labels[parts[at]] = parts[at + 1];
  });
  return parsed;
}

const UNITS = {
  power: 'MW', flow: 'm³/s', head: 'm', speed: 'rpm', vibration: 'mm/s', sea_level: 'm', basin_level: 'm', level: 'm',
  energy: 'kWh', voltage: 'kV', current: 'A', position: '%', guide_vane: '%', blade_angle: '°', pressure: 'hPa',
  oil_pressure: 'bar', humidity: '%', wind_speed: 'm/s', grid_frequency: 'Hz', grid_voltage: 'kV', seal_leakage: 'l/min',
  wind_direction: '°', rain: 'mm/h', wave_height: 'm', basin_volume: 'Mm³', river_flow: 'm³/s', reactive_power: 'Mvar',
};

/** The unit that a field of the simulated station has; empty when unknown. */
export function unit(field) {
  const base = field.replace(/_(mean|min|max|last|first)$/, '');
  if (base in UNITS) return UNITS[base];
  if (base.endsWith('temperature')) return '°C';
  if (base.endsWith('percent')) return '%';
  return '';
}

export const severity = (quality) => (quality >>> 30 === 0 ? 'good' : quality >>> 30 === 1 ? 'uncertain' : 'bad');
