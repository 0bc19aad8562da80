// The page in a real browser: it shows live values, goes on over kill -9 without gap or duplicate, and shows that
// replicas agree, also after one of them has lost its files.
//
// TIDEMILL, PLUGINS and CHROMIUM name the binary, the directory of the built plugins and the browser. `run.sh` beside
// this file finds all three.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TIDEMILL = process.env.TIDEMILL ?? join(ROOT, 'target/debug/tidemill');
const PLUGINS = process.env.PLUGINS ?? join(ROOT, 'target/plugins');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** Most a condition may take on a busy machine. Nothing waits this long when all is well. */
const PATIENCE_MS = 30_000;

let directory, address, node, browser, page;
const complaints = [];

/** A port that was free a moment ago: the node is started on the same one again after kill -9. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Calls `ask` until it gives something true, and gives that. */
async function eventually(what, ask) {
  const end = Date.now() + PATIENCE_MS;
  let last;
  while (Date.now() < end) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  throw new Error(`waited ${PATIENCE_MS / 1000} s for ${what}${last ? `: ${last.message}` : ''}`);
}

async function startNode() {
  const args = ['demo', '--data', join(directory, 'data'), '--http', address, '--plugins', PLUGINS, '--history', '1m'];
  const started = spawn(TIDEMILL, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  started.says = '';
  started.stderr.setEncoding('utf8').on('data', (text) => { started.says += text; });
  started.gone = once(started, 'exit');
  node = started;
  await eventually('the node to be ready', async () => {
    if (started.exitCode !== null) throw new Error(`it ended with ${started.exitCode}: ${started.says}`);
    return (await fetch(`http://${address}/readyz`)).ok;
  });
}

async function stopNode(signal) {
  node.kill(signal);
  await node.gone;
}

async function sql(query, parameters = {}) {
  const answer = await fetch(`http://${address}/api/v1/sql?${new URLSearchParams({ q: query, ...parameters })}`);
  const body = await answer.json();
  assert.ok(answer.ok, `${query}: ${JSON.stringify(body)}`);
  return body.rows;
}

const journalPosition = async () => (await (await fetch(`http://${address}/api/v1/status`)).json()).journal.position;
const text = (selector) => page.locator(selector).innerText();
const ledger = () => text('#ledger');
const samplesReceived = async () => Number((await ledger()).match(/^([\d,]+) samples/)?.[1].replaceAll(',', '') ?? 0);
const isLive = async () => (await text('#connection-text')) === 'live';

/** Rows of the table of replicas, as texts of their cells. */
const replicaRows = () => page.locator('#replicas tbody tr').evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText)));

/** Keeps a copy of what the live stream brings, so that the test can count without the page's own code. */
function recordStream() {
  const real = window.fetch;
  window.connections = [];
  window.fetch = async (...request) => {
    const response = await real(...request);
    if (!String(request[0]).startsWith('/api/v1/live') || !response.ok) return response;
    const [ours, theirs] = response.body.tee();
    const at = window.connections.push('') - 1;
    const decoder = new TextDecoder();
    const reader = ours.getReader();
    const read = async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        window.connections[at] += decoder.decode(value, { stream: true });
      }
    };
    read().catch(() => {});
    return new Response(theirs, { status: response.status, headers: response.headers });
  };
}

/** Times of the samples of `key` that came after the snapshot, in the order in which they came, over all connections. */
async function timesReceived(key) {
  const connections = await page.evaluate(() => window.connections);
  const times = [];
  for (const connection of connections) {
    // What stands after the last empty line is half an event: the page has not seen it either.
    for (const event of connection.split('\n\n').slice(0, -1)) {
      if (!/^event: ?samples$/m.test(event)) continue;
      const data = event.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5)).join('\n');
      for (const column of JSON.parse(data).series.filter((one) => one.key === key)) {
        column.dt.forEach((dt) => times.push(BigInt(column.t0) + BigInt(dt)));
      }
    }
  }
  return times;
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tidemill-browser-'));
  address = `127.0.0.1:${await freePort()}`;
  await startNode();
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.addInitScript(recordStream);
  await page.goto(`http://${address}/`);
});

after(async () => {
  await browser?.close();
  if (node && node.exitCode === null && node.signalCode === null) await stopNode('SIGKILL');
  if (directory) await rm(directory, { recursive: true, force: true });
});

test('shows the station live', async () => {
  await eventually('the page to be live', isLive);
  await eventually('the power of the station', async () => /^-?[\d.]+ MW$/.test(await page.locator('#power').textContent()));
  await eventually('24 turbines', async () => (await page.locator('#tiles li:visible').count()) === 24);
  await eventually('trends', async () => (await page.locator('#charts canvas').count()) >= 2);
  const before = await samplesReceived();
  await eventually('more samples', async () => (await samplesReceived()) > before);
});

test('shows operators that run, and what they derive', async () => {
  await eventually('three operators', async () => {
    const states = await page.locator('#operators tbody tr .state').allInnerTexts();
    return states.length === 3 && states.every((state) => state.includes('running'));
  });
  await eventually('a derived line beside a raw one', async () => (await page.locator('.legend .line-2').count()) > 0);
});

test('shows that the replicas have equal digests', async () => {
  await eventually('two replicas with equal digests', async () => {
    const rows = await replicaRows();
    return rows.length === 2 && rows.every((cells) => cells[1].includes('serving') && cells[5].includes('✓ equal'));
  });
});

test('goes on over kill -9 of the node without a gap or a duplicate', async () => {
  const key = (await sql("SELECT series FROM samples WHERE measurement = 'station' AND field = 'power' LIMIT 1"))[0][0];
  await eventually('samples before the kill', async () => (await timesReceived(key)).length >= 3);
  await stopNode('SIGKILL');
  await eventually('the page to say that it resumes', async () => (await text('#connection-text')).startsWith('reconnecting, resuming from '));
  const received = (await timesReceived(key)).length;
  // The page is kept away while the node writes on, so that it has something to catch up with.
  await page.context().setOffline(true);
  await startNode();
  const count = () => sql(`SELECT CAST(count(*) AS VARCHAR) FROM samples WHERE series = '${key}'`).then((rows) => Number(rows[0][0]));
  const stored = await count();
  await eventually('samples that the page has not seen', async () => (await count()) >= stored + 2);
  await page.context().setOffline(false);
  await eventually('the page to be live again', isLive);
  await eventually('samples after the kill', async () => (await timesReceived(key)).length >= received + 5);
  await eventually('the page to count its reconnection', async () => (await ledger()).includes('1 reconnects'));
  assert.match(await ledger(), / 0 gaps, 0 duplicates /);
  assert.equal(await page.locator('#notice').isVisible(), false);

  // The page's own count might lie, so what came over the wire is held against what the database has.
  const times = await timesReceived(key);
  const [first, last] = [times[0], times.at(-1)];
  const query = `SELECT CAST(CAST(time AS BIGINT) AS VARCHAR) AS ns FROM samples WHERE series = '${key}' ORDER BY time`;
  const rows = await sql(query, { at_least: await journalPosition() });
  const expected = rows.map(([time]) => BigInt(time)).filter((time) => time >= first && time <= last);
  assert.deepEqual(times.map(String), expected.map(String), 'received and stored times differ');
});

test('shows a rebuild, and equal digests again, after a replica has lost its files', async () => {
  const lost = join(directory, 'data/replicas/r1');
  await rm(lost, { recursive: true, maxRetries: 10 });
  await eventually('the replica to be rebuilt', () => existsSync(lost));
  const position = await journalPosition();
  const answers = await Promise.all(['r1', 'r2'].map((replica) => eventually(`an answer of ${replica}`, () => (
    sql("SELECT count(*), min(time) FROM samples WHERE measurement = 'station'", { replica, at_least: position }).then((rows) => rows[0])
  ))));
  assert.equal(answers[0][1], answers[1][1], 'the rebuilt replica has lost the beginning');
  await eventually('the page to show the rebuilt replica as equal', async () => {
    const rows = await replicaRows();
    const isRebuilt = rows[0][1].includes('rebuilt from the journal');
    return isRebuilt && rows.length === 2 && rows.every((cells) => cells[1].includes('serving') && cells[5].includes('✓ equal'));
  });
  assert.match(await ledger(), / 0 gaps, 0 duplicates /);
});

test('fits a phone and has no errors', async () => {
  await page.setViewportSize({ width: 400, height: 850 });
  const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(wide <= inner, `the page is ${wide} px wide on a screen of ${inner} px`);
  assert.deepEqual(complaints, []);
});

test('ends cleanly', async () => {
  await stopNode('SIGINT');
  assert.equal(node.exitCode, 0, node.says);
});
