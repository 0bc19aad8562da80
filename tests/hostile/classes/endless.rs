//! Calls that do not end, or end in a trap, in every function that the host calls.

use crate::case::{Case, Fate, fails, not_deployed, refused};
use crate::guest::Guest;

const LOOP: &str = "(loop $for_ever (br $for_ever))";
const WASI: &str = "wasi_snapshot_preview1";

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = loops();
    cases.extend(recursions());
    cases.extend(traps());
    cases.extend(in_the_host());
    cases
}

/// A calculation whose post function of a call does this.
fn with_post(call: &str, work: &str) -> Guest {
    Guest::calculation(2).item(&format!("(func (export \"cabi_post_{call}\") (param i32) {work})"))
}

fn loops() -> Vec<Case> {
    let calculation = || Guest::calculation(2);
    let durable = || {
        calculation()
            .item("(func (export \"save\") (param i32 i32) (result i32) (loop $l (br $l)) (i32.const 64))")
            .item("(func (export \"load\") (param i32 i32 i32 i32) (result i32) (loop $l (br $l)) (i32.const 64))")
    };
    vec![
        Case::of("loop in process", &calculation().before("process", LOOP), fails("fuel")),
        Case::of("loop in process, 0.1", &Guest::calculation(1).before("process", LOOP), fails("fuel")),
        Case::of("loop in advance", &calculation().before("advance", LOOP), fails("fuel")),
        Case::of("loop in aggregate", &Guest::aggregation(2).before("aggregate", LOOP), fails("fuel")),
        Case::of("loop in aggregate, 0.1", &Guest::aggregation(1).before("aggregate", LOOP), fails("fuel")),
        Case::of("loop in describe", &calculation().before("describe", LOOP), refused("fuel in describe")),
        Case::of("loop in contract", &calculation().before("contract", LOOP), refused("fuel in contract")),
        Case::of("loop in configure", &calculation().before("configure", LOOP), not_deployed("fuel in configure")),
        Case::of("loop in cabi_realloc", &calculation().before("cabi_realloc", LOOP), not_deployed("fuel")),
        Case::of("loop in cabi_post_process", &with_post("process", LOOP), fails("fuel")),
        Case::of("loop in cabi_post_advance", &with_post("advance", LOOP), fails("fuel")),
        Case::of("loop in cabi_post_describe", &with_post("describe", LOOP), refused("fuel")),
        Case::of("loop in cabi_post_contract", &with_post("contract", LOOP), refused("fuel")),
        Case::of("loop in cabi_post_configure", &with_post("configure", LOOP), not_deployed("fuel")),
        Case::of(
            "loop in the start function",
            &calculation().item(&format!("(func $begin {LOOP}) (start $begin)")),
            refused("fuel"),
        ),
        Case::of(
            "loop in _initialize",
            &calculation().item(&format!("(func (export \"_initialize\") {LOOP})")),
            refused("fuel"),
        ),
        Case::of("loops in save and load, which nobody calls", &durable(), Fate::Works),
        Case::of(
            "a loop that does work",
            &calculation().before(
                "process",
                "(loop $l (i64.store (i32.const 2048) (i64.mul (i64.load (i32.const 2048)) (i64.const 3))) (br $l))",
            ),
            fails("fuel"),
        ),
        Case::of(
            "a loop that fills all memory",
            &calculation()
                .before("process", "(loop $l (memory.fill (i32.const 2048) (i32.const 1) (i32.const 30000)) (br $l))"),
            fails("fuel"),
        ),
        Case::of(
            "a loop that copies all memory",
            &calculation().before(
                "process",
                "(loop $l (memory.copy (i32.const 2048) (i32.const 2049) (i32.const 30000)) (br $l))",
            ),
            fails("fuel"),
        ),
        Case::of(
            "a loop that copies a segment",
            &calculation().item("(data $bulk \"0123456789012345678901234567890123456789\")").before(
                "process",
                "(loop $l (memory.init $bulk (i32.const 2048) (i32.const 0) (i32.const 40)) (br $l))",
            ),
            fails("fuel"),
        ),
        Case::of(
            "a loop that divides",
            &calculation()
                .before("process", "(loop $l (drop (f64.div (f64.sqrt (f64.const 2)) (f64.const 0))) (br $l))"),
            fails("fuel"),
        ),
        Case::of(
            // The rows of a record that fails are handed over one by one in the end, and so it never does it.
            "a loop where two rows of a series come together",
            &calculation()
                .after("process", "(loop $l (br_if $l (i32.eq (i32.load offset=8 (local.get $runs)) (i32.const 2))))"),
            Fate::Works,
        ),
    ]
}

fn recursions() -> Vec<Case> {
    let deep = "(func $deep (param i64) (result i64) (i64.add (i64.const 1) (call $deep (local.get 0))))";
    let mutual = "(func $ping (param i64) (result i64) (i64.add (i64.const 1) (call $pong (local.get 0))))
        (func $pong (param i64) (result i64) (i64.add (i64.const 2) (call $ping (local.get 0))))";
    let indirect = "(table 1 1 funcref) (elem (i32.const 0) $deep) (type $t (func (param i64) (result i64)))
        (func $deep (param i64) (result i64)
          (i64.add (i64.const 1) (call_indirect (type $t) (local.get 0) (i32.const 0))))";
    let wide = format!(
        "(func $deep (param i64) (result i64) (local {}) (i64.add (i64.const 1) (call $deep (local.get 0))))",
        "i64 ".repeat(1000)
    );
    let call = "(drop (call $deep (i64.const 1)))";
    let in_process = |items: &str, call: &str| Guest::calculation(2).item(items).before("process", call);
    let begin = format!("{deep} (func $begin {call}) (start $begin)");
    vec![
        Case::of("recursion", &in_process(deep, call), fails("stack exhausted")),
        Case::of(
            "mutual recursion",
            &in_process(mutual, "(drop (call $ping (i64.const 1)))"),
            fails("stack exhausted"),
        ),
        Case::of("recursion through a table", &in_process(indirect, call), fails("stack exhausted")),
        Case::of("recursion with large frames", &in_process(&wide, call), fails("stack exhausted")),
        Case::of(
            "recursion in process itself",
            &Guest::calculation(1).before(
                "process",
                "(drop (call $process (local.get $t0) (local.get $runs) (local.get $nr) (local.get $dt) (local.get $nd)
              (local.get $values) (local.get $nv) (local.get $q) (local.get $nq)))",
            ),
            fails("stack exhausted"),
        ),
        Case::of("recursion in the start function", &Guest::calculation(2).item(&begin), refused("stack exhausted")),
        Case::of(
            "recursion in describe",
            &Guest::calculation(2).item(deep).before("describe", call),
            refused("stack exhausted"),
        ),
        Case::of(
            "recursion in configure",
            &Guest::calculation(2).item(deep).before("configure", call),
            not_deployed("stack exhausted"),
        ),
        Case::of(
            "recursion in cabi_realloc",
            &Guest::calculation(2).item(deep).before("cabi_realloc", call),
            not_deployed("stack exhausted"),
        ),
        Case::of("endless tail calls", &in_process("(func $tail (return_call $tail))", "(call $tail)"), fails("fuel")),
        recursion("recursion through the host", 4),
        recursion("recursion through the host with a large value", 900_000),
    ]
}

/// An allocator that reads a value of so many bytes from the host, which allocates for it.
fn recursion(name: &str, bytes: u32) -> Case {
    let get = "(call $get (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 2048))";
    let guest = Guest::calculation(2)
        .import("tidemill:plugin/kv@0.2.0", "get", "(func $get (param i32 i32 i32 i32))")
        .import("tidemill:plugin/kv@0.2.0", "set", "(func $set (param i32 i32 i32 i32 i32))")
        .memory("16")
        .item("(global $armed (mut i32) (i32.const 0))")
        .before("cabi_realloc", &format!("(if (global.get $armed) (then {get}))"))
        .before(
            "process",
            &format!(
                "(call $set (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 0) (i32.const {bytes}))
                (global.set $armed (i32.const 1)) {get}"
            ),
        );
    Case::of(name, &guest, fails("plugin"))
}

fn traps() -> Vec<Case> {
    let process = |name: &str, work: &str, words: &str| {
        Case::of(format!("trap: {name}"), &Guest::calculation(2).before("process", work), fails(words))
    };
    let third = "(if (i32.eq (global.get $calls) (i32.const 2)) (then unreachable))";
    vec![
        process("unreachable", "unreachable", "unreachable"),
        process("a division by zero", "(drop (i32.div_s (i32.const 1) (i32.const 0)))", "divide by zero"),
        process("an integer overflow", "(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))", "overflow"),
        process("NaN as an integer", "(drop (i32.trunc_f64_s (f64.const nan)))", "conversion to integer"),
        process("a read beyond the end", "(drop (i32.load (i32.const 65536)))", "out of bounds"),
        process("a write at a negative address", "(i64.store (i32.const -1) (i64.const 0))", "out of bounds"),
        process(
            "a read with the largest offset",
            "(drop (i32.load offset=4294967295 (i32.const -1)))",
            "out of bounds",
        ),
        process(
            "a fill beyond the end",
            "(memory.fill (i32.const 65530) (i32.const 0)
          (i32.const 100))",
            "out of bounds",
        ),
        Case::of(
            "trap: a wrong type through a table",
            &Guest::calculation(2)
                .item("(table 1 1 funcref) (elem (i32.const 0) $process)")
                .before("process", "(call_indirect (i32.const 0))"),
            fails("indirect call type mismatch"),
        ),
        Case::of(
            "trap: an empty table entry",
            &Guest::calculation(2).item("(table 1 1 funcref)").before("process", "(call_indirect (i32.const 0))"),
            fails("uninitialized element"),
        ),
        Case::of(
            "trap: behind the end of a table",
            &Guest::calculation(2).item("(table 1 1 funcref)").before("process", "(call_indirect (i32.const 1))"),
            fails("undefined element"),
        ),
        Case::of("trap: at the third call", &Guest::calculation(2).before("process", third), fails("unreachable")),
        Case::of(
            "trap: at the third call of advance",
            &Guest::calculation(2).item("(global $ticks (mut i32) (i32.const 0))").before(
                "advance",
                "(global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
                (if (i32.eq (global.get $ticks) (i32.const 3)) (then unreachable))",
            ),
            fails("unreachable"),
        ),
        Case::of(
            "trap: on a value",
            &Guest::calculation(2).before(
                "process",
                "(if (i32.or (f64.eq (f64.load (local.get $values)) (f64.const 10))
                (f64.eq (f64.load offset=8 (local.get $values)) (f64.const 10)))
              (then unreachable))",
            ),
            fails("unreachable"),
        ),
        Case::of(
            "trap: in cabi_realloc",
            &Guest::calculation(2).before("cabi_realloc", "unreachable"),
            not_deployed("unreachable"),
        ),
        Case::of(
            "trap: in configure",
            &Guest::calculation(2).before("configure", "unreachable"),
            not_deployed("unreachable"),
        ),
        Case::of("trap: in contract", &Guest::calculation(2).before("contract", "unreachable"), refused("unreachable")),
        Case::of(
            "trap: in _initialize",
            &Guest::calculation(2).item("(func (export \"_initialize\") unreachable)"),
            refused("unreachable"),
        ),
        Case::of(
            "trap: in the start function",
            &Guest::calculation(2).item(
                "(func $begin unreachable)
          (start $begin)",
            ),
            refused("unreachable"),
        ),
        Case::of("trap: in cabi_post_process", &with_post("process", "unreachable"), fails("unreachable")),
        Case::of("trap: in aggregate", &Guest::aggregation(2).before("aggregate", "unreachable"), fails("unreachable")),
        Case::of(
            "trap: a segment beyond the memory",
            &Guest::calculation(2).item("(data (i32.const 65535) \"ab\")"),
            refused("out of bounds"),
        ),
        Case::of(
            "NaNs with payloads",
            &Guest::calculation(2).after("process", "(i64.store (local.get $values) (i64.const 0xfff8dead_beef0001))"),
            Fate::Works,
        ),
        Case::of(
            "infinities and denormals",
            &Guest::calculation(2).after(
                "process",
                "(f64.store (local.get $values) (f64.const -inf)) (f64.store offset=8 (local.get $values)
              (f64.const 4.9e-324))",
            ),
            Fate::Works,
        ),
    ]
}

/// Fuel that is spent in the host's functions.
fn in_the_host() -> Vec<Case> {
    let host = |name: &str, module: &str, function: &str, signature: &str, call: &str| {
        let guest = Guest::calculation(2).import(module, function, &format!("(func $host {signature})"));
        Case::of(
            format!("for ever in the host: {name}"),
            &guest.before("process", &format!("(loop $l {call} (br $l))")),
            fails("fuel"),
        )
    };
    let kv = "tidemill:plugin/kv@0.2.0";
    vec![
        host(
            "random bytes over all memory",
            WASI,
            "random_get",
            "(param i32 i32) (result i32)",
            "(drop (call $host (i32.const 2048) (i32.const 63488)))",
        ),
        host(
            "writes of 64 vectors",
            WASI,
            "fd_write",
            "(param i32 i32 i32 i32) (result i32)",
            "(drop (call $host (i32.const 1) (i32.const 2048) (i32.const -1) (i32.const 0)))",
        ),
        host(
            "the clock",
            WASI,
            "clock_time_get",
            "(param i32 i64 i32) (result i32)",
            "(drop (call $host (i32.const 0) (i64.const 0) (i32.const 2048)))",
        ),
        host(
            "waiting",
            WASI,
            "poll_oneoff",
            "(param i32 i32 i32 i32) (result i32)",
            "(drop (call $host (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 2048)))",
        ),
        host("yielding", WASI, "sched_yield", "(result i32)", "(drop (call $host))"),
        host(
            "logging",
            "tidemill:plugin/host@0.2.0",
            "log",
            "(param i32 i32 i32)",
            "(call $host (i32.const 0) (i32.const 0) (i32.const 65536))",
        ),
        host(
            "the same key, again and again",
            kv,
            "set",
            "(param i32 i32 i32 i32 i32)",
            "(call $host (i32.const 0) (i32.const 0) (i32.const 60000) (i32.const 0) (i32.const 60000))",
        ),
        host(
            "a key that is not there",
            kv,
            "get",
            "(param i32 i32 i32 i32)",
            "(call $host (i32.const 0) (i32.const 0) (i32.const 60000) (i32.const 2048))",
        ),
        host(
            "removing nothing",
            kv,
            "remove",
            "(param i32 i32 i32)",
            "(call $host (i32.const 0) (i32.const 0) (i32.const 60000))",
        ),
    ]
}
