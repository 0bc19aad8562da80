//! Answers that are not to be believed: pointers, lengths, discriminants and numbers in every result of every call.

use crate::case::{Case, Fate, fails, not_deployed, refused};
use crate::guest::{
    ABOUT, ADVANCE_AREA, AGGREGATE_AREA, Guest, INPUTS, LISTS, OUTPUTS, PROCESS_AREA, data, store, words,
};

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = areas();
    for contract in [1, 2] {
        batches(contract, &mut cases);
        aggregates(contract, &mut cases);
    }
    cases.extend(batch_contents());
    cases.extend(texts());
    cases.extend(descriptions());
    cases.extend(problems());
    cases
}

/// Pointers that lead nowhere, and the words with which they are found out.
const POINTERS: [(&str, i64, &str); 4] = [
    ("an odd pointer", 1025, "not aligned"),
    ("a pointer to the end but one", 65_535, "not aligned"),
    ("a pointer beyond the end", 65_552, "outside"),
    ("a negative pointer", -8, "outside"),
];

/// The pointer that a call itself returns.
fn areas() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, pointer, words) in POINTERS {
        let result = format!("(i32.const {pointer})");
        let of = |call: &str| (format!("{call} returns {what}"), result.clone());
        let (calculation, aggregation) = (Guest::calculation(2), Guest::aggregation(2));
        let (name, result) = of("describe");
        cases.push(Case::of(name, &calculation.clone().returning("describe", &result), refused(words)));
        let (name, result) = of("configure");
        cases.push(Case::of(name, &calculation.clone().returning("configure", &result), not_deployed(words)));
        for call in ["process", "advance"] {
            let (name, result) = of(call);
            cases.push(Case::of(name, &calculation.clone().returning(call, &result), fails(words)));
        }
        let (name, result) = of("aggregate");
        cases.push(Case::of(name, &aggregation.clone().returning("aggregate", &result), fails(words)));
        let (name, result) = of("cabi_realloc");
        // The parameters are bytes, which may lie at an odd place; the columns may not.
        let fate = if pointer == 1025 { fails(words) } else { not_deployed("outside") };
        cases.push(Case::of(name, &calculation.returning("cabi_realloc", &result), fate));
    }
    cases
}

/// Pointers and lengths of every list of a batch.
fn batches(contract: u32, cases: &mut Vec<Case>) {
    let calls = [
        ("process", PROCESS_AREA, Guest::calculation(contract)),
        ("advance", ADVANCE_AREA, Guest::calculation(contract).ticking()),
    ];
    for (call, area, guest) in calls {
        for (list, at) in LISTS.into_iter().take(if contract == 2 { 5 } else { 4 }) {
            // Good rows come without qualities, and number ports without texts.
            let there = store(area + at + 4, if list == "texts" { 1 } else { 6 });
            let there = if matches!(list, "qualities" | "texts") && call == "process" { there.as_str() } else { "" };
            for (what, pointer, words) in POINTERS {
                // The rows of a record that fails come one by one in the end, and six qualities do not fit one row.
                let words = if call == "process" && list == "qualities" { "6 qualities" } else { words };
                let guest = guest.clone().after(call, &(there.to_owned() + &store(area + at, pointer)));
                cases.push(Case::of(format!("0.{contract} {call}: {what} to {list}"), &guest, fails(words)));
            }
            let words = match list {
                "times" => "rows for a record",
                "texts" => "outside",
                _ => "runs,",
            };
            for (what, len) in [("as many as fit a number", -1), ("so many that their size overflows", 0x2000_0001)] {
                let guest = guest.clone().after(call, &store(area + at + 4, len));
                cases.push(Case::of(format!("0.{contract} {call}: {list}, {what}"), &guest, fails(words)));
            }
        }
    }
}

fn aggregates(contract: u32, cases: &mut Vec<Case>) {
    let guest = Guest::aggregation(contract);
    for (what, pointer, words) in POINTERS {
        let guest = guest.clone().after("aggregate", &store(AGGREGATE_AREA + 4, pointer));
        cases.push(Case::of(format!("0.{contract} aggregate: {what} to values"), &guest, fails(words)));
    }
    for (what, len) in [("none", 0), ("a million", 1_000_000), ("as many as fit a number", -1)] {
        let guest = guest.clone().after("aggregate", &store(AGGREGATE_AREA + 8, len));
        cases.push(Case::of(format!("0.{contract} aggregate: values, {what}"), &guest, fails("were expected")));
    }
    for (call, area, guest, fate) in [
        ("aggregate", AGGREGATE_AREA, guest, fails("can be 0 or 1, not 7")),
        ("configure", 512, Guest::calculation(contract), not_deployed("can be 0 or 1, not 7")),
        ("process", PROCESS_AREA, Guest::calculation(contract), fails("can be 0 or 1, not 7")),
        ("advance", ADVANCE_AREA, Guest::calculation(contract), fails("can be 0 or 1, not 7")),
    ] {
        let guest = guest.after(call, &store(area, 7));
        cases.push(Case::of(format!("0.{contract} {call}: a result that is neither"), &guest, fate));
    }
}

/// Runs, groups, ports and times that do not fit.
fn batch_contents() -> Vec<Case> {
    let tick = |name: &str, tamper: String, words: &str| {
        Case::of(format!("advance: {name}"), &Guest::calculation(2).ticking().item(&tamper), fails(words))
    };
    let run = |group, port, rows| words(1024, &[group, port, rows]);
    let time = |t0: i64| {
        let t0 = format!("(i64.store (i32.const {}) (i64.const {t0}))", ADVANCE_AREA + 8);
        Guest::calculation(2).ticking().after("advance", &t0).item(&words(1040, &[u32::MAX, 0x7fff_ffff]))
    };
    vec![
        tick("a run of a row less", run(0, 0, 1), "cover 1 rows"),
        tick("a run of a row more", run(0, 0, 3), "cover 3 rows"),
        tick("a run of all rows there could be", run(0, 0, u32::MAX), "cover 4294967295 rows"),
        tick("a group that is not there", run(77, 0, 2), "group 77"),
        tick("the last group a number can name", run(u32::MAX, 0, 2), "group 4294967295"),
        tick("a port that is not there", run(0, 1, 2), "port 1"),
        tick("the last port a number can name", run(0, u32::MAX, 2), "port 4294967295"),
        Case::of("advance: times behind the end of time", &time(1), fails("out of range")),
        Case::of("advance: the time that means none", &time(0), fails("out of range")),
        Case::of(
            "advance: times before the beginning",
            &time(i64::MIN).item(&words(1040, &[u32::MAX, u32::MAX])),
            fails("out of range"),
        ),
    ]
}

/// Texts, and rows that refer to them.
fn texts() -> Vec<Case> {
    let value = |bits: u64| {
        let values = format!("(i64.store (local.get $values) (i64.const {}))", bits as i64);
        Guest::texting().after("process", &values)
    };
    let index = |name: &str, value_: f64| {
        Case::of(format!("texts: index {name}"), &value(value_.to_bits()), fails("refers to text"))
    };
    let saying = |text: &[u8]| Guest::texting().item(&data(2048, text)).item(&words(1080, &[2048, text.len() as u32]));
    let head = |at: u32, len: u32| Guest::texting().item(&words(1080, &[at, len]));
    vec![
        index("-1", -1.0),
        index("0.5", 0.5),
        index("1, behind the last", 1.0),
        index("infinity", f64::INFINITY),
        index("minus infinity", f64::NEG_INFINITY),
        index("NaN", f64::NAN),
        index("2^53", 9_007_199_254_740_992.0),
        Case::of("texts: index NaN with a payload", &value(0xfff8_dead_beef_0001), fails("refers to text")),
        Case::of(
            "texts: none for rows that refer to them",
            &Guest::texting().after("process", &store(PROCESS_AREA + 52, 0)),
            fails("refers to text"),
        ),
        Case::of("texts: one beyond the end", &head(65_536, 8), fails("outside")),
        Case::of("texts: one across the end", &head(65_530, 100), fails("outside")),
        Case::of("texts: one of 4 GiB", &head(0, u32::MAX), fails("more than 65536 bytes")),
        Case::of("texts: invalid UTF-8", &saying(b"\xff\xfe\xc3\x28\x80"), Fate::Works),
        Case::of("texts: zeros and controls", &saying(b"\0\n\r\x1b\x7f"), Fate::Works),
        Case::of(
            "texts: huge, and shared by every row",
            &Guest::texting().item(&words(1080, &[0, 40_000])),
            fails("texts or states of more than"),
        ),
    ]
}

/// What `describe` must not say.
fn descriptions() -> Vec<Case> {
    let about = |name: &str, at: u32, value: u32, words: &str| {
        let guest = Guest::calculation(2).item(&crate::guest::words(at, &[value]));
        Case::of(format!("describe: {name}"), &guest, refused(words))
    };
    let named = |what: &str, at: u32, name: &[u8]| {
        let guest = Guest::calculation(2).item(&data(2048, name)).item(&words(at, &[2048, name.len() as u32]));
        Case::of(format!("describe: a wrong name for {what}"), &guest, refused("letters, digits, - or _"))
    };
    let mut many = Vec::new();
    (0..65).for_each(|_| many.extend([263_u32, 5, 0]));
    let twice = |contract: u32, at: u32| {
        let port: &[u32] = if contract == 2 { &[263, 5, 0, 263, 5, 0] } else { &[263, 5, 263, 5] };
        Guest::calculation(contract).item(&words(2048, port)).item(&words(at, &[2048, 2]))
    };
    let text_out = |guest: Guest| guest.item(&words(OUTPUTS + 8, &[1]));
    vec![
        about("no name", ABOUT + 4, 0, "empty name"),
        about("a name beyond the end", ABOUT, 70_000, "outside"),
        about("a version beyond the end", ABOUT + 8, 70_000, "outside"),
        about("no inputs", ABOUT + 20, 0, "no inputs"),
        about("no outputs", ABOUT + 28, 0, "no outputs"),
        about("inputs beyond the end", ABOUT + 16, 70_000, "outside"),
        about("outputs at an odd place", ABOUT + 24, 1025, "not aligned"),
        about("4 billion inputs", ABOUT + 20, u32::MAX, "at most 64"),
        about("a port without a name", INPUTS + 4, 0, "no name"),
        about("a port's name beyond the end", INPUTS, 70_000, "outside"),
        named("a plugin", ABOUT, b"../../etc"),
        named("a plugin, with a zero", ABOUT, b"hosti\0le"),
        named("a port", INPUTS, b"value;*"),
        named("a port, in invalid UTF-8", OUTPUTS, b"\xff\xfe"),
        named("a port, at length", OUTPUTS, &[b'x'; 65]),
        about("a port that is neither number nor text", OUTPUTS + 8, 2, "kind can be 0 or 1"),
        Case::of(
            "describe: 65 inputs",
            &Guest::calculation(2).item(&words(2048, &many)).item(&words(ABOUT + 16, &[2048, 65])),
            refused("at most 64"),
        ),
        Case::of("describe: an input twice", &twice(2, ABOUT + 16), refused("same name")),
        Case::of("describe: an output twice", &twice(2, ABOUT + 24), refused("same name")),
        Case::of("describe 0.1: an input twice", &twice(1, ABOUT + 16), refused("same name")),
        Case::of("describe: an aggregation that puts out texts", &text_out(Guest::aggregation(2)), refused("numbers")),
        Case::of(
            "describe: an aggregation of two inputs",
            &Guest::aggregation(2).item(&words(2048, &[256, 7, 0, 263, 5, 0])).item(&words(ABOUT + 16, &[2048, 2])),
            refused("exactly one input"),
        ),
        Case::of("describe: a trap", &Guest::calculation(2).before("describe", "unreachable"), refused("unreachable")),
        Case::of(
            "describe: another answer each time",
            &Guest::calculation(2).item("(global $asked (mut i32) (i32.const 0))").before(
                "describe",
                "(i32.store8 (i32.const 256) (i32.add (global.get $asked) (i32.const 97)))
                    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))",
            ),
            Fate::Works,
        ),
    ]
}

/// Problems whose text is not to be found, and one that is.
fn problems() -> Vec<Case> {
    let problem = |area: u32, pointer: i64, len: i64| {
        store(area, 1) + &store(area + 8, 7) + &store(area + 12, pointer) + &store(area + 16, len)
    };
    let small = |area: u32, pointer: i64, len: i64| {
        store(area, 1) + &store(area + 4, 7) + &store(area + 8, pointer) + &store(area + 12, len)
    };
    let mut cases = Vec::new();
    for (what, pointer, len, words) in [
        ("a problem beyond the end", 70_000, 5, "outside"),
        ("a problem of 4 GiB", 65_000, -1, "outside"),
        ("a problem in its own words", 256, 7, "hostile (code 7)"),
    ] {
        let calculation = Guest::calculation(2);
        let process = calculation.clone().after("process", &problem(PROCESS_AREA, pointer, len));
        cases.push(Case::of(format!("process: {what}"), &process, fails(words)));
        let advance = calculation.clone().after("advance", &problem(ADVANCE_AREA, pointer, len));
        cases.push(Case::of(format!("advance: {what}"), &advance, fails(words)));
        let configure = calculation.after("configure", &small(512, pointer, len));
        cases.push(Case::of(format!("configure: {what}"), &configure, not_deployed(words)));
        let aggregate = Guest::aggregation(2).after("aggregate", &small(AGGREGATE_AREA, pointer, len));
        cases.push(Case::of(format!("aggregate: {what}"), &aggregate, fails(words)));
    }
    cases
}
