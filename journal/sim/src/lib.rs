//! A simulated world for journals: everything that happens in it follows from a seed.
//!
//! [`SimEnv`] is the time, the randomness and the threads: one real thread polls every task, in an order that the seed
//! decides, and the clock moves when nothing else can. [`SimDisk`] is the file system: it knows what would survive the
//! loss of power, and fails, fills up and lies as its [`Faults`] say. [`History`] is what clients know: it tells what a
//! journal must still have, may have, and must not have.
//!
//! Two runs of one seed do the same, which [`Trace`] shows. Left out: I/O of which part goes on while other tasks run
//! (each call happens at once), misdirected writes, and more than one machine.

mod env;
mod faults;
mod history;
mod rng;
mod stamp;
mod storage;
mod trace;
mod world;

pub use env::{SimEnv, Stopped};
pub use faults::{Faults, Survives};
pub use history::{History, payload};
pub use rng::Rng;
pub use stamp::stamped;
pub use storage::SimDisk;
pub use trace::Trace;
pub use world::World;
