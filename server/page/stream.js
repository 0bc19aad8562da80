// The live stream: one fetch that never ends, and what to do when it does.
//
// Every event's id is a position, and the stream is resumed from the last one, so nothing is lost or repeated when the
// node is killed, the network drops or the server cuts a slow reader. Reconnecting is ours, not EventSource's: it names
// the position explicitly and waits with back-off and jitter.

const WAIT_FIRST_MS = 250;
const WAIT_MOST_MS = 5000;
/** The node sends a heartbeat every second or so; after this much silence the connection counts as dead. */
const SILENCE_MOST_MS = 8000;

/** Splits a text/event-stream into {event, id, data}. Feed it chunks of text. */
export function eventParser(onEvent) {
  let rest = '';
  let event = { event: 'message', id: undefined, data: [] };
  const line = (text) => {
    if (text === '') {
      if (event.data.length > 0) onEvent({ event: event.event, id: event.id, data: event.data.join('\n') });
      event = { event: 'message', id: undefined, data: [] };
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') event.data.push(value);
    else if (name === 'event' || name === 'id') event[name] = value;
  };
  return (chunk) => {
    rest += chunk;
    // A CR at the very end may be half of a CRLF: it waits for the next chunk.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

/** Follows the live stream until `stop()`. */
export class Stream {
  /** `handlers`: {event({event, id, data}), state({state, position, attempt, reason})}. */
  constructor(selector, handlers) {
    this.selector = selector;
    this.handlers = handlers;
    this.position = null;
    this.attempt = 0;
    this.reconnects = 0;
    this.isLive = false;
    this.isStopped = false;
    this.run();
  }

  stop() {
    this.isStopped = true;
    this.abort?.abort();
  }

  async run() {
    while (!this.isStopped) {
      if (this.attempt === 0) this.say('connecting');
      const reason = await this.connect().catch((error) => error.message || String(error));
      if (this.isStopped) return;
      this.attempt += 1;
      this.isLive = false;
      this.say('reconnecting', reason);
      const most = Math.min(WAIT_MOST_MS, WAIT_FIRST_MS * 2 ** (this.attempt - 1));
      await new Promise((resolve) => { setTimeout(resolve, most * (0.5 + Math.random() / 2)); });
    }
  }

  say(state, reason) {
    this.handlers.state({ state, position: this.position, attempt: this.attempt, reason });
  }

  /** Reads one connection to its end and returns why it ended. */
  async connect() {
    const query = new URLSearchParams({ series: this.selector, from: this.position ?? 'snapshot' });
    this.abort = new AbortController();
    let watchdog;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => this.abort.abort(), SILENCE_MOST_MS);
    };
    alive();
    try {
      const response = await fetch(`/api/v1/live?${query}`, { signal: this.abort.signal, cache: 'no-store' });
      if (!response.ok) return await this.refused(response);
      return await this.read(response.body.getReader(), alive);
    } catch (error) {
      return this.abort.signal.aborted ? 'no sign of life' : error.message;
    } finally {
      clearTimeout(watchdog);
      this.abort.abort();
    }
  }

  /** A position that the node no longer knows (another journal, trimmed history) is given up, and that is said. */
  async refused(response) {
    const body = await response.json().catch(() => ({}));
    const message = body.message ?? `status ${response.status}`;
    if (this.position && response.status >= 400 && response.status < 500 && response.status !== 429) {
      this.handlers.event({ event: 'reset', id: undefined, data: JSON.stringify({ from: this.position, reason: message }) });
      this.position = null;
    }
    return message;
  }

  live() {
    this.isLive = true;
    if (this.wasLive) this.reconnects += 1;
    this.wasLive = true;
    this.say('live');
  }

  async read(reader, alive) {
    const decoder = new TextDecoder();
    let reason = 'the node closed the stream';
    const parse = eventParser((event) => {
      this.attempt = 0;
      if (event.event === 'slow') reason = 'this page was too slow and was cut off';
      this.handlers.event(event);
      if (event.id) this.position = event.id;
    });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return reason;
      alive();
      parse(decoder.decode(value, { stream: true }));
      if (!this.isLive) this.live();
    }
  }
}
