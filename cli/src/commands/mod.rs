//! The commands, one file each.

pub mod compile;
pub mod completions;
pub mod delete;
pub mod demo;
pub mod host;
pub mod import;
pub mod journal;
pub mod operator;
pub mod plugin;
pub mod replica;
pub mod series;
pub mod serve;
pub mod sql;
pub mod station;
pub mod tail;
pub mod write;
