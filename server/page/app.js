// The page: joins the stream, the samples and the pictures.

import { clock, count, milliseconds, position } from './format.js';
import { Samples } from './samples.js';
import { Scene } from './scene.js';
import { Status } from './status.js';
import { Stream } from './stream.js';
import { Tiles } from './tiles.js';
import { Trends } from './trends.js';

/** Up to this many series the page follows all of them; beyond it only the station and what is derived from it. */
const FOLLOW_ALL_MAX = 4000;
const FOLLOW_SOME = 'station;turbine;turbine_*;sluice;weather;host_*';

const el = (id) => document.getElementById(id);
const samples = new Samples();
const trends = new Trends(samples);
const scene = new Scene(samples);
const tiles = new Tiles(samples, (series) => trends.pick(series));
let stream = null;
let nodeTimeMs = null;
let nodeTimeAt = 0;

samples.onNew = (series) => {
  tiles.add(series);
  trends.add(series);
};

function notice(text) {
  el('notice').textContent = text;
  el('notice').hidden = !text;
}

function onEvent({ event, data }) {
  const body = JSON.parse(data);
  if (event === 'snapshot' || event === 'samples') samples.apply(body, event === 'snapshot');
  else if (event === 'heartbeat') {
    nodeTimeMs = Number(BigInt(body.time) / 1_000_000n);
    nodeTimeAt = performance.now();
  } else if (event === 'gap') {
    samples.ledger.gaps += 1;
    notice(`Gap in partition ${body.partition}, from ${body.from} to ${body.to}: ${body.reason}`);
  } else if (event === 'reset') {
    samples.ledger.gaps += 1;
    notice(`The node cannot resume from ${position(body.from)}: ${body.reason}. The page starts anew from a snapshot.`);
  } else if (event === 'slow') notice(`The node cut this page off, it reads on from its position: ${body.reason}`);
}

function onState({ state, position: at, reason }) {
  el('connection').dataset.state = state;
  const resuming = at ? `, resuming from ${position(at)}` : '';
  el('connection-text').textContent = state === 'live' ? 'live' : `${state}${resuming}`;
  el('connection').title = reason ?? '';
}

function writeHeader() {
  const { ledger } = samples;
  el('position').textContent = position(stream?.position);
  el('position').title = stream?.position ?? '';
  const nodeNow = nodeTimeMs === null ? Date.now() : nodeTimeMs + performance.now() - nodeTimeAt;
  el('lag').textContent = Number.isFinite(samples.newestTime) ? milliseconds(Math.max(0, nodeNow - samples.newestTime)) : '–';
  el('lag').title = 'Now at the node, minus the newest source time received';
  const text = `${count(ledger.samples)} samples, ${count(ledger.gaps)} gaps, ${count(ledger.duplicates)} duplicates since ${clock(ledger.since)}`;
  const extra = [ledger.late && `${count(ledger.late)} late`, ledger.revised && `${count(ledger.revised)} revised`, stream?.reconnects && `${count(stream.reconnects)} reconnects`];
  el('ledger').textContent = [text, ...extra.filter(Boolean)].join(' · ');
  el('ledger').dataset.kind = ledger.gaps + ledger.duplicates > 0 ? 'problem' : 'whole';
}

/** The first status tells how many series there are, and so what to follow. */
function onStatus(status) {
  if (stream) return;
  const most = Math.max(0, ...(status.replicas ?? []).map((replica) => replica.series ?? 0));
  stream = new Stream(most > FOLLOW_ALL_MAX ? FOLLOW_SOME : '*', { event: onEvent, state: onState });
  window.addEventListener('pagehide', () => stream.stop());
}

let before = performance.now();
let wroteAt = 0;

function frame(now) {
  scene.animate(Math.min(0.1, (now - before) / 1000));
  before = now;
  if (now - wroteAt > 500) {
    wroteAt = now;
    writeHeader();
    scene.write();
    tiles.write();
    trends.draw();
  }
  requestAnimationFrame(frame);
}

new Status(onStatus);
window.addEventListener('pageshow', (event) => { if (event.persisted) window.location.reload(); });
requestAnimationFrame(frame);
