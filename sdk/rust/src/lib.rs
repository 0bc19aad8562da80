//! Write Tidemill plugins in Rust.
