//! All languages give the same bits.
//!
//! The example plugin `smooth` is a template of every language's SDK. Each is held against a reference written once
//! more here, on the same seeded input: several thousand rows of several groups, among them late and bad ones, NaNs,
//! odd numbers and silence.
//!
//! 1. By itself: in calls of 1, 7, 256 and 4,096 rows, with its state moved into a fresh instance on the way; and its
//!    memory does not grow with the number of calls.
//! 2. In a node, all at the same time: the samples that a query finds.
//!
//! And each is made to fail once, for the line that it is told to have failed in.
//!
//! What is compared are bits: numbers, times, qualities, texts, and their order.

mod guest;
mod input;
mod lines;
mod node;
mod reference;

use anyhow::{Context, Result};
use guest::Maker;
use tidemill_tests::LANGUAGES;
use tidemill_tests::examples::examples;

/// Runs a check on every language.
fn check_each(check: impl Fn(&Maker) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let _inside = runtime.enter();
    for example in examples(&LANGUAGES)? {
        check(&Maker::of(&example)?).with_context(|| format!("in {}", example.language))?;
    }
    Ok(())
}

#[test]
fn calls_of_every_size_give_the_same_bits_in_every_language() -> Result<()> {
    check_each(guest::calls_of_every_size_give_the_same_bits)
}

#[test]
fn memory_does_not_grow_with_calls_in_any_language() -> Result<()> {
    check_each(guest::memory_does_not_grow_with_calls)
}

#[test]
fn a_node_finds_the_same_samples_for_every_language() -> Result<()> {
    node::check(&examples(&LANGUAGES)?)
}
