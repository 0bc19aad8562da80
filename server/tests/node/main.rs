//! A whole node over HTTP: what is acknowledged is durable, readable, told once, and told again after a restart.

mod durability;
mod live;
mod world;
mod writes;
