//! Nothing but dependencies: one set of features for every build.
//!
//! Cargo chooses the features of a library for the packages that are built together. Without this crate the binary, one
//! crate's tests and the whole workspace would each want DataFusion and wasmtime compiled again, because some small
//! library below them has one feature more. The crates that name those two depend on this one.
