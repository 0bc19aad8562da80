//! The rollup plugin.
