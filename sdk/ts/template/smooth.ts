// An exponential average of each series, with a word when a series has gone stale and when it is fresh again.
//
// Every new value pulls the level a fraction `alpha` of the way towards itself. A series is stale when its newest sample is `stale_s`
// seconds older than the watermark, the time before which no more samples are expected.

import { BAD, Calculation, Groups, Problem, number, text } from '../tidemill/tidemill.js';
import type { About, Batch, Output, Params } from '../tidemill/tidemill.js';

// Output ports are numbered by their place in `about.outputs`.
const VALUE = 0;
const STATE = 1;

const LONG_AGO = -(2n ** 63n);

export default class Plugin extends Calculation {
  static about: About = {
    name: 'smooth',
    version: '1.0.0',
    inputs: [number('value')],
    outputs: [number('value'), text('state')],
  };

  private alpha = 0;
  private staleNs: bigint | null = null;

  // All state lives in ordinary objects: the host saves the memory they are in. A group is one series here. A series is fresh from
  // its first value until it goes stale; before that value, every time counts as newer than the newest.
  groups = new Groups(() => ({ seen: false, fresh: false, level: 0, newest: LONG_AGO }));

  // Called once, with the parameters of the deployment. Parameters that nobody asks for are refused by the SDK.
  override configure(params: Params) {
    this.alpha = params.number('alpha');
    if (!(this.alpha > 0 && this.alpha <= 1)) throw Problem.parameter('alpha', 'must lie above 0 and be at most 1');
    const staleS = params.nonNegative('stale_s', 0);
    // Times are whole nanoseconds as BigInt: they do not fit into a number.
    this.staleNs = staleS > 0 ? BigInt(Math.trunc(staleS * 1e9)) : null;
  }

  // Called with new rows as columns. A run is a stretch of rows that belong to one group and one input port.
  override process(input: Batch, output: Output) {
    const { times, values, qualities } = input;
    const { alpha } = this;
    for (const { group, start, end } of input.runs) {
      const state = this.groups.of(group);
      for (let i = start; i < end; i++) {
        const time = times[i];
        const value = values[i];
        const quality = qualities[i];
        if (quality >= BAD || Number.isNaN(value) || time < state.newest) continue;
        const level = state.seen ? state.level + alpha * (value - state.level) : value;
        state.level = level;
        state.newest = time;
        if (!state.fresh) {
          state.seen = state.fresh = true;
          output.text(group, STATE, time, 'fresh');
        }
        output.push(group, VALUE, time, level, quality);
      }
    }
  }

  // Called when the watermark has grown. The result carries the time at which the limit ran out, not that of the watermark, so it is
  // the same however often the watermark moves.
  override advance(watermark: bigint, output: Output) {
    if (this.staleNs === null) return;
    for (const [group, state] of this.groups) {
      if (!state.fresh || watermark - state.newest < this.staleNs) continue;
      state.fresh = false;
      output.text(group, STATE, state.newest + this.staleNs, 'stale');
    }
  }
}
