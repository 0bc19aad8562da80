//! A whole node over HTTP: what is acknowledged is durable, readable, told once, and told again after a restart.

#![expect(clippy::unwrap_used, reason = "what fails a test may panic in its helpers too")]

mod durability;
mod live;
mod world;
mod writes;
