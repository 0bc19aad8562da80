//! `unit-convert`: converts a series from one unit to another, by their names.
//!
//! A unit u stands for a factor fᵤ and, for temperatures, an offset oᵤ: the value x in u is (x + oᵤ) · fᵤ in the SI
//! unit of its quantity. So from u to v
//!
//! y = (x + oᵤ) · fᵤ / fᵥ − oᵥ = (x · N + C) / D
//!
//! with whole numbers N, C and D that are worked out exactly (`ratio.rs`) and rounded once, when the operator starts.
//! Where they are below 2⁵³, which is almost everywhere, conversions that have a short result give it: 212 °F are 100
//! °C, and 7 W are 0.007 kW.
//!
//! The quantities and units are in `table.rs`: factors that are exact by definition are exact there (SI Brochure, 9th
//! edition; NIST SP 811, 2008, appendix B). Units of different quantities are refused by name, also where their
//! dimensions agree, as of energy and torque.
//!
//! - Names are those of SI, with prefixes from p to E where they are usual: `kPa`, `mm/s`, `µS/cm`, `MWh`. `²`, `³`,
//!   `·`, `µ`, `Ω` and `°` may be written `2`, `3`, `.`, `u`, `ohm` and `deg`: `m3/h`, `degC`.
//! - With `difference`, offsets are left out: a temperature rise of 9 °F is one of 5 K.
//! - Every row gives a row, with its own time and quality; late rows too. NaN and infinity stay what they are. There is
//!   no state.
//!
//! | parameter    | default | meaning                                            |
//! |--------------|---------|----------------------------------------------------|
//! | `from`       | none    | the unit that the rows are in                      |
//! | `to`         | none    | the unit they shall be in, of the same quantity    |
//! | `difference` | false   | rows are differences: leave out offsets            |

mod ratio;
mod table;
mod unit;

use tidemill_sdk::prelude::*;
use unit::{Conversion, Unit};

/// The calculation.
#[derive(Default)]
pub struct UnitConvert {
    conversion: Conversion,
}

impl Calculation for UnitConvert {
    const ABOUT: About = About {
        name: "unit-convert",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("value")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        let (from, to) = (params.text("from")?, params.text("to")?);
        let is_difference = params.flag_or("difference", false)?;
        let (old, new) = (named("from", &from)?, named("to", &to)?);
        if old.quantity != new.quantity {
            let reason = format!("is `{to}`, {}, but `from` is `{from}`, {}", new.quantity, old.quantity);
            return Err(Problem::parameter("to", &reason));
        }
        self.conversion = Conversion::between(old, new, is_difference).ok_or_else(|| {
            Problem::parameter("to", &format!("is `{to}`, whose ratio to `{from}` is too fine; convert in two steps"))
        })?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for row in input.rows() {
            output.push(row.group, 0, row.time, self.conversion.apply(row.value), row.quality);
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(UnitConvert);

fn named(param: &str, name: &str) -> Result<Unit, Problem> {
    Unit::named(name).ok_or_else(|| {
        let reason = format!("is `{name}`, which is no unit known here; the page of `unit-convert` lists them");
        Problem::parameter(param, &reason)
    })
}

#[cfg(test)]
mod tests;
