//! `health`: efficiency and alarm of a hydraulic turbine, from five inputs of one machine.
//!
//! Deploy it grouped by the label that names the machine, so that the inputs of one machine form one group.
//!
//! | input                 | unit | | output       | unit | meaning                                                        |
//! |-----------------------|------|-|--------------|------|----------------------------------------------------------------|
//! | `flow` Q              | m³/s | | `efficiency` | 1    | η = P / (ρ g Q H)                                              |
//! | `head` H              | m    | | `alarm`      |      | 0 normal, 1 warning or an input is silent, 2 alarm             |
//! | `power` P             | kW   | |              |      |                                                                |
//! | `bearing_temperature` | °C   | |              |      |                                                                |
//! | `vibration`           | mm/s | |              |      |                                                                |
//!
//! **Efficiency** (IEC 60041, hydraulic efficiency with the specific energy g·H) is emitted for every time at which flow, head or power
//! arrived, from the newest sample of each, at the newest of their times; not while one of them is silent, and not while ρ g Q H is
//! below `hydraulic_min_kw` (the machine stands). Its quality is the worst of the three; outside of 0…1 it is at best uncertain
//! (UncertainEngineeringUnitsExceeded).
//!
//! **Alarm** is emitted when it changes. Each limit has hysteresis and delay, see `switch.rs`. Rows of bad quality do not move the
//! switches. An input that was there once and has sent nothing for `silent_s` raises level 1, at the moment that time is over, told by
//! other rows or by the watermark. The alarm's quality is the worst of temperature and vibration, and at best uncertain
//! (UncertainLastUsableValue) while an input is silent.
//!
//! A row older than the newest of its input is left out: the present state of a machine does not change by what was before.
//!
//! | parameter                    | unit  | default | parameter           | unit  | default |
//! |------------------------------|-------|---------|---------------------|-------|---------|
//! | `bearing_warning_c`          | °C    | 70      | `density` ρ         | kg/m³ | 1025    |
//! | `bearing_alarm_c`            | °C    | 85      | `gravity` g         | m/s²  | 9.80665 |
//! | `bearing_hysteresis_c`       | K     | 2       | `hydraulic_min_kw`  | kW    | 10      |
//! | `vibration_warning_mm_s`     | mm/s  | 4.5     | `delay_s`           | s     | 5       |
//! | `vibration_alarm_mm_s`       | mm/s  | 7.1     | `silent_s`          | s     | 60      |
//! | `vibration_hysteresis_mm_s`  | mm/s  | 0.3     | `power_unit_kw`     | kW    | 1       |
//!
//! `power_unit_kw` is what one unit of the input `power` is: 1000 where it comes in MW.
//!
//! The default limits are only sensible; the right ones are in the machine's manual.

mod machine;
mod settings;
mod switch;

use machine::{Alarm, Machine};
use settings::{ALARM, EFFICIENCY, Settings};
use tidemill_sdk::prelude::*;

/// The calculation: one machine per group.
#[derive(Default)]
pub struct Health {
    settings: Settings,
    machines: Groups<Machine>,
}

impl Calculation for Health {
    const ABOUT: About = About {
        name: "health",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[
            Port::number("flow"),
            Port::number("head"),
            Port::number("power"),
            Port::number("bearing_temperature"),
            Port::number("vibration"),
        ],
        outputs: &[Port::number("efficiency"), Port::number("alarm")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for rows in input.rows_by_time().chunk_by(|a, b| (a.group, a.time) == (b.group, b.time)) {
            let group = rows[0].group;
            let machine = self.machines.of(group);
            let efficiency = machine.observe(&self.settings, rows, &mut |alarm| emit(output, group, alarm));
            if let Some(efficiency) = efficiency {
                output.push(group, EFFICIENCY, efficiency.time, efficiency.ratio, efficiency.quality);
            }
        }
        Ok(())
    }

    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        for (group, machine) in self.machines.iter_mut() {
            // Rows of the watermark's own time may still come.
            machine.pass(&self.settings, watermark.plus_nanos(-1), &mut |alarm| emit(output, group, alarm));
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Health);

fn emit(output: &mut Output, group: u32, alarm: Alarm) {
    output.push(group, ALARM, alarm.time, f64::from(alarm.level), alarm.quality);
}

#[cfg(test)]
mod tests;
