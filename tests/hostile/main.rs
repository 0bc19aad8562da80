//! Modules that mean no good, or were built wrongly, against a whole node: each is refused or cut off with a reason, the
//! node answers, and its neighbours lose nothing.
//!
//! A case says what must become of its module; `classes` has all of them, `guest` the text that they are made of.

mod case;
mod checkpoints;
mod classes;
mod guest;
mod neighbours;
mod resident;
mod run;
mod traps;

use std::collections::HashSet;

use anyhow::Result;

#[test]
fn endless_calls_are_cut_off() -> Result<()> {
    run::run(&classes::endless::cases())
}

#[test]
fn answers_are_not_believed() -> Result<()> {
    run::run(&classes::answers::cases())
}

#[test]
fn floods_are_dammed() -> Result<()> {
    run::run(&classes::floods::cases())
}

#[test]
fn the_host_gives_what_it_says_and_no_more() -> Result<()> {
    run::run(&classes::imports::cases())
}

#[test]
fn modules_of_another_shape_are_refused() -> Result<()> {
    run::run(&classes::shapes::cases())
}

#[test]
fn second_stages_are_not_believed() -> Result<()> {
    run::run(&classes::stages::cases())
}

#[test]
fn lines_of_sources_are_not_believed() -> Result<()> {
    run::run(&classes::lines::cases())
}

#[test]
fn files_that_are_no_modules_are_refused() -> Result<()> {
    run::run(&classes::bytes::cases())
}

#[test]
fn every_case_is_another_module() {
    use classes::{answers, bombs, bytes, endless, floods, imports, lines, shapes, stages};
    let all = [
        answers::cases,
        bombs::cases,
        bytes::cases,
        endless::cases,
        floods::cases,
        imports::cases,
        lines::cases,
        shapes::cases,
        stages::cases,
    ];
    let all: Vec<_> = all.iter().flat_map(|cases| cases()).collect();
    let names: HashSet<_> = all.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), all.len(), "two cases have the same name");
    let mut modules = HashSet::new();
    let again: Vec<_> = all.iter().filter(|case| !modules.insert(&case.wasm)).map(|case| &case.name).collect();
    assert!(again.is_empty(), "the same module as another case: {again:?}");
    assert!(all.len() >= 150, "{} cases", all.len());
}
