//! Sources of telemetry: this host, and a simulated tidal power station.
//!
//! Both are pure generators of InfluxDB line protocol: time comes in as a value, lines go into a buffer, and the caller
//! decides when to call and where to send. So the station runs live at one tick per second or as fast as a core can
//! write, and gives the same bytes both times.
//!
//! Line protocol has no quality. Here a reserved unsigned field, [`QUALITY_FIELD`], carries the OPC UA StatusCode of
//! all other fields of its line; it is written only when they are not good.

pub mod host;
mod line;
pub mod station;

pub use host::HostSampler;
pub use line::QUALITY_FIELD;
pub use station::{Incidents, Station, StationConfig, Tick};
