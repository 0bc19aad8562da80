//! What a plugin asks of the host: what it is not given, and what it is given and abuses.

use crate::case::{Case, Fate, fails, not_deployed, refused};
use crate::guest::Guest;

const KV: &str = "tidemill:plugin/kv@0.2.0";
const WASI: &str = "wasi_snapshot_preview1";
const LOG: (&str, &str) = ("tidemill:plugin/host@0.2.0", "log");

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = foreign();
    cases.extend(state());
    cases.extend(system());
    cases.extend(log());
    cases
}

fn foreign() -> Vec<Case> {
    let one = |module: &str, name: &str, what: &str| {
        let guest = Guest::calculation(2).import(module, name, what);
        Case::of(format!("imports {module}.{name}"), &guest, refused(&format!("{module}.{name}")))
    };
    let several = Guest::calculation(2)
        .import("env", "open", "(func)")
        .import(WASI, "sock_accept", "(func (param i32 i32 i32) (result i32))")
        .import("env", "clock", "(global i32)");
    let many = (0..1000).fold(Guest::calculation(2), |guest, n| guest.import("env", &format!("f{n}"), "(func)"));
    let mistyped = |module: &str, name: &str, what: &str| {
        let guest = Guest::calculation(2).import(module, name, what);
        Case::of(format!("{name} as {what}"), &guest, refused(""))
    };
    vec![
        one("env", "abort", "(func (param i32))"),
        one("env", "table", "(table 1 funcref)"),
        one("env", "counter", "(global (mut i32))"),
        one(WASI, "path_open", "(func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32))"),
        one(WASI, "sock_send", "(func (param i32 i32 i32 i32 i32) (result i32))"),
        one(WASI, "proc_raise", "(func (param i32) (result i32))"),
        one("wasi:sockets/tcp@0.2.0", "connect", "(func)"),
        one("wasi:filesystem/types@0.2.0", "open", "(func)"),
        one("wasi", "thread-spawn", "(func (param i32) (result i32))"),
        one("", "", "(func)"),
        Case::of(
            "several foreign imports, each named",
            &several,
            refused("env.open, wasi_snapshot_preview1.sock_accept, env.clock"),
        ),
        Case::of("a thousand foreign imports", &many, refused("env.f31 and 968 more")),
        mistyped(LOG.0, LOG.1, "(func (param i64))"),
        mistyped(LOG.0, LOG.1, "(global i32)"),
        mistyped(WASI, "random_get", "(func (param i32))"),
        mistyped(KV, "get", "(func (param i32) (result i32))"),
        mistyped(KV, "set", "(memory 1)"),
        Case::of(
            "imports a memory beside its own",
            &Guest::calculation(2).import("env", "memory", "(memory 1)"),
            refused("multiple memories"),
        ),
        Case::text(
            "imports its memory",
            "(module (import \"env\" \"memory\" (memory 1)) (func (export \"process\")))",
            refused("env.memory"),
        ),
    ]
}

fn with_kv(guest: Guest) -> Guest {
    guest
        .import(KV, "get", "(func $get (param i32 i32 i32 i32))")
        .import(KV, "set", "(func $set (param i32 i32 i32 i32 i32))")
        .import(KV, "remove", "(func $remove (param i32 i32 i32))")
}

/// State by key.
fn state() -> Vec<Case> {
    let numbers = |numbers: &[i64]| numbers.iter().map(|n| format!("(i32.const {n})")).collect::<Vec<_>>().join(" ");
    let kv = |name: &str, work: &str, fate: Fate| {
        Case::of(format!("state by key: {name}"), &with_kv(Guest::calculation(2)).before("process", work), fate)
    };
    let call = |name: &str, function: &str, arguments: &[i64], words: &str| {
        kv(name, &format!("(call ${function} {})", numbers(arguments)), fails(words))
    };
    let endless = |remove: &str| {
        format!(
            "(loop $l (i32.store (i32.const 2048) (local.get $n)) (local.set $n (i32.add (local.get $n)
          (i32.const 1)))
            (call $set (i32.const 0) (i32.const 2048) (i32.const 1000) (i32.const 2048)
            (i32.const 1000)) {remove} (br $l))"
        )
    };
    let small =
        "(loop $l (i32.store (i32.const 2048) (local.get $n)) (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (call $set (i32.const 0) (i32.const 2048) (i32.const 4) (i32.const 2048) (i32.const 0)) (br $l))";
    vec![
        call("a key beyond the end", "set", &[0, 65_530, 100, 0, 1], "outside"),
        call("a value beyond the end", "set", &[0, 0, 1, -8, 100], "outside"),
        call("a key of 4 GiB", "set", &[0, 0, -1, 0, 1], "state_bytes"),
        call("a value of 4 GiB", "set", &[0, 0, 1, 0, -1], "state_bytes"),
        call("a value that is over the limit", "set", &[0, 0, 1, 0, 2_000_000], "state_bytes"),
        call("reading a key beyond the end", "get", &[0, 65_530, 100, 2048], "outside"),
        call("reading to an odd place", "get", &[0, 0, 1, 2049], "not in its memory"),
        call("reading to a place across the end", "get", &[0, 0, 1, 65_528], "not in its memory"),
        call("reading to a negative place", "get", &[0, 0, 1, -4], "not in its memory"),
        call("removing a key beyond the end", "remove", &[0, 65_530, 100], "outside"),
        call("removing a key of 4 GiB", "remove", &[0, 0, -1], "fuel"),
        kv("endless keys", &endless(""), fails("state_bytes")),
        kv("endless small keys", small, fails("fuel")),
        kv(
            "endless keys that are removed again",
            &endless(
                "(call $remove (i32.const 0) (i32.const 2048)
          (i32.const 1000))",
            ),
            fails("fuel"),
        ),
        kv(
            "of a group that is not there",
            "(call $set (i32.const -1) (i32.const 0) (i32.const 1) (i32.const 0)
          (i32.const 1))",
            Fate::Works,
        ),
        kv(
            "an empty key",
            "(call $set (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1)
          (i32.const 0))",
            Fate::Works,
        ),
        Case::of(
            "state by key: an allocator that lies",
            &with_kv(Guest::calculation(2))
                .item("(global $lies (mut i32) (i32.const 0))")
                .after("cabi_realloc", "(if (global.get $lies) (then (local.set $at (i32.const -16))))")
                .before(
                    "process",
                    "(call $set (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 64))
                (global.set $lies (i32.const 1)) (call $get (i32.const 0) (i32.const 0) (i32.const 1)
                (i32.const 2048))",
                ),
            fails("outside of its memory"),
        ),
        Case::of(
            "state by key: in a start function",
            &with_kv(Guest::calculation(2)).item(
                "(func $begin (call $remove (i32.const 0) (i32.const 0) (i32.const 1)))
              (start $begin)",
            ),
            refused("start function"),
        ),
        Case::of(
            "state by key: an aggregation that remembers",
            &with_kv(Guest::aggregation(2)).before(
                "aggregate",
                "(call $set (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
              (i32.const 64))",
            ),
            Fate::Works,
        ),
    ]
}

/// The functions of WASI that are given.
fn system() -> Vec<Case> {
    let wasi = |name: &str, function: &str, signature: &str, work: &str, fate: Fate| {
        let guest = Guest::calculation(2).import(WASI, function, &format!("(func $f {signature})"));
        Case::of(format!("system: {name}"), &guest.before("process", work), fate)
    };
    // A call of the system answers with a number; 28 says that an argument is invalid.
    let invalid = |call: &str| format!("(if (i32.ne {call} (i32.const 28)) (then unreachable))");
    let write = "(param i32 i32 i32 i32) (result i32)";
    vec![
        wasi("exit", "proc_exit", "(param i32)", "(call $f (i32.const 0))", fails("exited with code 0")),
        wasi(
            "exit with a code",
            "proc_exit",
            "(param i32)",
            "(call $f (i32.const -1))",
            fails("exited with code 4294967295"),
        ),
        wasi(
            "vectors beyond the end",
            "fd_write",
            write,
            &invalid("(call $f (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 2048))"),
            Fate::Works,
        ),
        wasi(
            "a vector that leads nowhere",
            "fd_write",
            write,
            &format!(
                "(i32.store (i32.const 2048) (i32.const -16)) (i32.store (i32.const 2052) (i32.const 100)) {}",
                invalid("(call $f (i32.const 2) (i32.const 2048) (i32.const 1) (i32.const 2064))")
            ),
            Fate::Works,
        ),
        wasi(
            "a vector of 4 GiB",
            "fd_write",
            write,
            &format!(
                "(i32.store (i32.const 2048) (i32.const 1)) (i32.store (i32.const 2052) (i32.const -1)) (drop {})",
                "(call $f (i32.const 2) (i32.const 2048) (i32.const 1) (i32.const 2064))"
            ),
            Fate::Works,
        ),
        wasi(
            "as many vectors as fit a number",
            "fd_write",
            write,
            "(drop (call $f (i32.const 1) (i32.const 2048) (i32.const -1) (i32.const 2064)))",
            Fate::Works,
        ),
        wasi(
            "a count written beyond the end",
            "fd_write",
            write,
            &invalid("(call $f (i32.const 1) (i32.const 2048) (i32.const 0) (i32.const -2))"),
            Fate::Works,
        ),
        wasi(
            "a file that is not there",
            "fd_write",
            write,
            "(if (i32.ne (call $f (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 8))
              (then unreachable))",
            Fate::Works,
        ),
        wasi(
            "random bytes beyond the end",
            "random_get",
            "(param i32 i32) (result i32)",
            &invalid("(call $f (i32.const 65000) (i32.const 1000))"),
            Fate::Works,
        ),
        wasi(
            "random bytes of 4 GiB",
            "random_get",
            "(param i32 i32) (result i32)",
            "(drop (call $f (i32.const 0) (i32.const -1)))",
            fails("fuel"),
        ),
        wasi(
            "the time to a place beyond the end",
            "clock_time_get",
            "(param i32 i64 i32) (result i32)",
            &invalid("(call $f (i32.const 0) (i64.const 0) (i32.const 65529))"),
            Fate::Works,
        ),
        wasi(
            "arguments to a place beyond the end",
            "args_sizes_get",
            "(param i32 i32) (result i32)",
            &invalid("(call $f (i32.const 2048) (i32.const -1))"),
            Fate::Works,
        ),
        wasi(
            "waiting for events",
            "poll_oneoff",
            write,
            "(if (i32.ne (call $f (i32.const 16384) (i32.const 20480) (i32.const 1) (i32.const 24576)) (i32.const 0))
              (then unreachable))",
            Fate::Works,
        ),
        Case::of(
            "system: exit in configure",
            &Guest::calculation(2)
                .import(WASI, "proc_exit", "(func $f (param i32))")
                .before("configure", "(call $f (i32.const 1))"),
            not_deployed("exited with code 1"),
        ),
        Case::of(
            "system: exit in a start function",
            &Guest::calculation(2)
                .import(WASI, "proc_exit", "(func $f (param i32))")
                .item("(func $begin (call $f (i32.const 0))) (start $begin)"),
            refused("exited with code 0"),
        ),
    ]
}

/// The log.
fn log() -> Vec<Case> {
    let log = |guest: Guest| guest.import(LOG.0, LOG.1, "(func $log (param i32 i32 i32))");
    let line = |pointer: i64, len: i64| format!("(call $log (i32.const 9) (i32.const {pointer}) (i32.const {len}))");
    let many = format!(
        "(local.set $n (i32.const 100)) (loop $l {} (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))",
        line(0, 4096)
    );
    let flood = |call: &'static str, guest: Guest| {
        Case::of(format!("log: a flood in {call}"), &log(guest).before(call, &many), Fate::Works)
    };
    vec![
        flood("process", Guest::calculation(2)),
        flood("advance", Guest::calculation(2)),
        flood("aggregate", Guest::aggregation(2)),
        flood("configure", Guest::calculation(2)),
        flood("describe", Guest::calculation(2)),
        flood("contract", Guest::calculation(2)),
        flood("cabi_realloc", Guest::calculation(2)),
        Case::of(
            "log: a line beyond the end",
            &log(Guest::calculation(2)).before("process", &line(65_530, 100)),
            fails("outside"),
        ),
        Case::of("log: a line of 4 GiB", &log(Guest::calculation(2)).before("process", &line(0, -1)), Fate::Works),
        Case::of(
            "log: a line at a negative place",
            &log(Guest::calculation(2)).before("process", &line(-1, 1)),
            fails("outside"),
        ),
        Case::of(
            "log: in a start function",
            &log(Guest::calculation(2))
                .item("(func $begin (call $log (i32.const 0) (i32.const 0) (i32.const 8))) (start $begin)"),
            Fate::Works,
        ),
    ]
}
