//! `counter`: rate and total of a counter that wraps around and is reset.
//!
//! From reading p at t₀ to the next reading v at t₁, the increase d is
//!
//! | case                                             | d              | certain |
//! |--------------------------------------------------|----------------|---------|
//! | v ≥ p                                            | v − p          | yes     |
//! | v < p by no more than `tolerance`: jitter        | 0, and p stays | yes     |
//! | v < p, there is a `modulus` M: wrapped around    | (M − p) + v    | yes     |
//! | v < p otherwise: reset to 0 and counted since    | v              | no      |
//!
//! | output  | unit                | is                                                                |
//! |---------|---------------------|-------------------------------------------------------------------|
//! | `rate`  | `scale` × units / s | `scale` · d / (t₁ − t₀), at t₁                                    |
//! | `total` | `scale` × units     | `scale` · Σ d since the group's first reading, at every reading   |
//!
//! What a counter counted between its last reading before a reset and the reset is lost, so the result of such a step
//! is uncertain at best, like that of a step over a gap. A counter is assumed to wrap around once at most between two
//! readings.
//!
//! `rate_max` tells apart what the numbers alone cannot:
//!
//! - a decrease is a wrap-around only if its rate is no larger, else a reset;
//! - a reset whose rate is larger did not start at 0: the counter was replaced or set, and the step counts 0;
//! - a reading above p by a larger rate is a spike, and left out.
//!
//! The total's rounding errors are carried along (Knuth's TwoSum), so it does not drift in years; readings above 2⁵³
//! come rounded already.
//!
//! - Usable are readings of not bad quality that are finite, 0 or more, and below the modulus. Others are left out, and
//!   nothing is emitted.
//! - A reading older than the newest is left out: what it counted is in the increase over it already. One of the newest
//!   one's time takes its place, and rate and total are emitted again.
//! - A result's quality is the worse of the two readings of its step.
//! - The state moves into later versions of the plugin, so that a total survives them.
//!
//! | parameter   | unit      | default | meaning                                                              |
//! |-------------|-----------|---------|----------------------------------------------------------------------|
//! | `modulus`   | units     | 0       | the counter goes from here to 0, such as 65536; 0 = never wraps      |
//! | `rate_max`  | units / s | 0       | largest rate that can be, before scaling; 0 = any                    |
//! | `tolerance` | units     | 0       | a decrease up to this is jitter                                      |
//! | `gap_s`     | s         | 0       | after a longer silence no rate, an uncertain total; 0 = never        |
//! | `scale`     |           | 1       | what one unit of the counter is worth, not 0                         |

mod state;
mod step;

use state::State;
use step::Settings;
use tidemill_sdk::prelude::*;

/// Places of the outputs.
const RATE: u32 = 0;
const TOTAL: u32 = 1;

/// The calculation: one counter per group.
#[derive(Default)]
pub struct Counter {
    settings: Settings,
    counters: Groups<State>,
}

impl Calculation for Counter {
    const ABOUT: About = About {
        name: "counter",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("rate"), Port::number("total")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        let settings = &self.settings;
        for run in input.runs() {
            let state = self.counters.of(run.group);
            for row in run.rows().filter(|row| settings.is_usable(row)) {
                let Some(step) = state.take(settings, &row) else { continue };
                if let Some(rate) = step.rate {
                    output.push(run.group, RATE, row.time, rate * settings.scale, step.quality);
                }
                output.push(run.group, TOTAL, row.time, step.total * settings.scale, step.quality);
            }
        }
        Ok(())
    }
}

impl Durable for Counter {
    fn save(&self, group: u32) -> Vec<u8> {
        self.counters.get(group).map(|state| state.to_bytes()).unwrap_or_default()
    }

    fn load(&mut self, group: u32, state: &[u8]) -> Result<(), Problem> {
        let unknown = || format!("the state of group {group}, {} bytes, is not one of `counter`", state.len());
        *self.counters.of(group) = State::from_bytes(state).ok_or_else(|| Problem::new(unknown()))?;
        Ok(())
    }
}

tidemill_sdk::durable_calculation!(Counter);

#[cfg(test)]
mod tests;
