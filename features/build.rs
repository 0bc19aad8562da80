//! Does nothing; a build script is what makes Cargo look at build dependencies.
fn main() {}
