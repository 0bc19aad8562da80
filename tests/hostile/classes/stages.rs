//! Aggregations in two stages whose second one means no good.

use crate::case::{Case, Fate, fails, refused};
use crate::guest::{AGGREGATE_AREA, Guest, store};

const LOOP: &str = "(loop $forever (br $forever))";

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let guest = Guest::combining;
    let mut cases = vec![
        Case::of("combine: well-behaved", &guest(), Fate::Works),
        Case::of("combine: a loop", &guest().before("combine", LOOP), fails("fuel")),
        Case::of("combine: a trap", &guest().before("combine", "unreachable"), fails("unreachable")),
        Case::of(
            "combine: a result that is neither",
            &guest().after("combine", &store(AGGREGATE_AREA, 7)),
            fails("not 7"),
        ),
        Case::of(
            "combine: takes other things",
            &guest().with_signature("combine", "(param i64) (result i32) (local $n i32)"),
            refused("signature"),
        ),
        Case::text(
            "combine: of a calculation",
            &Guest::calculation(2).item("(func (export \"combine\"))").wat(),
            refused("only an aggregation"),
        ),
    ];
    for (what, pointer, words) in
        [("an odd pointer", 1025, "not aligned"), ("a pointer beyond the end", 65_552, "outside")]
    {
        let result = guest().returning("combine", &format!("(i32.const {pointer})"));
        cases.push(Case::of(format!("combine returns {what}"), &result, fails(words)));
        let values = guest().after("combine", &store(AGGREGATE_AREA + 4, pointer));
        cases.push(Case::of(format!("combine: {what} to values"), &values, fails(words)));
    }
    for (what, len) in [("none", 0), ("a million", 1_000_000), ("as many as fit a number", -1)] {
        let values = guest().after("combine", &store(AGGREGATE_AREA + 8, len));
        cases.push(Case::of(format!("combine: values, {what}"), &values, fails("were expected")));
    }
    cases
}
