//! Too much of everything that a plugin may put out, and times that no sensor has.

use crate::case::{Case, Fate, fails};
use crate::guest::{ADVANCE_AREA, Guest, LISTS, PROCESS_AREA, store, words};

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = rows();
    cases.extend(many_texts());
    cases.extend(times());
    cases
}

/// A calculation that answers with `rows` rows of zeros: memory that was never written, with one run.
fn of_rows(call: &str, area: u32, rows: u32) -> Guest {
    let [runs, times, values, qualities, _] = LISTS.map(|(_, at)| area + at);
    let lists = [(runs, 2048, 1), (times, 4096, rows), (values, 4096, rows), (qualities, 4096, 0)];
    let lists: String = lists
        .iter()
        .map(|(at, pointer, len)| store(*at, i64::from(*pointer)) + &store(at + 4, i64::from(*len)))
        .collect();
    Guest::calculation(2).item(&words(2048, &[0, 0, rows])).after(call, &lists).memory("16")
}

fn rows() -> Vec<Case> {
    let too_many = "rows for a record in";
    let runs = |call: &str, area: u32| {
        // As many runs as rows, each of a row: 12 bytes of zeros would be runs of no rows.
        of_rows(call, area, 900).after(call, &(store(area + 16, 4096) + &store(area + 20, 900)))
    };
    vec![
        Case::of("process: as many rows as there may be", &of_rows("process", PROCESS_AREA, 1000), Fate::Works),
        Case::of("process: a row more than there may be", &of_rows("process", PROCESS_AREA, 1001), fails(too_many)),
        Case::of("process: a hundred thousand rows", &of_rows("process", PROCESS_AREA, 100_000), fails(too_many)),
        Case::of("advance: a row more than there may be", &of_rows("advance", ADVANCE_AREA, 1001), fails(too_many)),
        Case::of("advance: a hundred thousand rows", &of_rows("advance", ADVANCE_AREA, 100_000), fails(too_many)),
        Case::of("process: 900 runs of nothing", &runs("process", PROCESS_AREA), fails("cover 0 rows")),
        Case::of("advance: 900 runs of nothing", &runs("advance", ADVANCE_AREA), fails("cover 0 rows")),
    ]
}

fn many_texts() -> Vec<Case> {
    let texts = PROCESS_AREA + 48;
    // Heads are zeros: texts of no bytes at 0.
    let many = |count: i64| Guest::texting().after("process", &(store(texts, 4096) + &store(texts + 4, count)));
    // Every head is the one at 2048, written over and over.
    let large = Guest::texting().before(
        "process",
        "
        (local.set $n (i32.const 4096))
        (loop $l (i32.store (local.get $n) (i32.const 0)) (i32.store offset=4 (local.get $n) (i32.const 20000))
          (local.set $n (i32.add (local.get $n) (i32.const 8))) (br_if $l (i32.lt_u (local.get $n) (i32.const 8192))))",
    );
    let large = large.after("process", &(store(texts, 4096) + &store(texts + 4, 512)));
    vec![
        Case::of("texts: 3,000 empty ones", &many(3000), Fate::Works),
        Case::of("texts: 60,000 empty ones that lie outside", &many(60_000), fails("outside")),
        Case::of("texts: 9,000 empty ones", &many(9000).memory("4"), fails("more than 65536 bytes")),
        Case::of("texts: 512 that are one", &large, fails("more than 65536 bytes")),
        Case::of(
            "texts: as large as all output may be",
            &Guest::texting().item(&words(1080, &[0, 65_536])),
            fails("more than 65536 bytes"),
        ),
        Case::of(
            "texts: shared by all rows, and just too large",
            &Guest::texting().item(&words(1080, &[0, 11_000])),
            fails("bytes for a record"),
        ),
        Case::of(
            "texts: shared by all rows, and just not too large",
            &Guest::texting().item(&words(1080, &[0, 10_000])),
            Fate::Works,
        ),
    ]
}

/// Rows at times that no sensor has, which the node has to store.
fn times() -> Vec<Case> {
    let at = |name: &str, t0: i64| {
        let t0 = format!("(i64.store (i32.const {}) (i64.const {t0}))", PROCESS_AREA + 8);
        Case::of(format!("times: {name}"), &Guest::calculation(2).after("process", &t0), Fate::Works)
    };
    let second = 1_000_000_000;
    vec![
        at("at the beginning of all", i64::MIN),
        at("just behind the beginning", i64::MIN + 1),
        at("before 1970", -1),
        at("at 1970", 0),
        at("just before the end of all", i64::MAX - second),
    ]
}
