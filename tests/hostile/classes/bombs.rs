//! Memory, tables, and modules that are dear to compile: they cost the process that compiles, never the node.

use std::fmt::Write;

use crate::case::{Case, Fate, fails, not_deployed, refused};
use crate::guest::Guest;

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = memory();
    cases.extend(counts());
    cases.extend(functions());
    cases
}

/// Pages until growing is refused; each is touched.
const GROW: &str = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";

fn memory() -> Vec<Case> {
    let good = || Guest::calculation(2);
    let begin = |work: &str| good().item(&format!("(func $begin {work}) (start $begin)"));
    let fill = "(memory.fill (i32.const 65536) (i32.const 1) (i32.sub (i32.mul (memory.size) (i32.const 65536))
      (i32.const 65536)))";
    let needs =
        |grow: &str| format!("(if (i32.eq (memory.grow (i32.const {grow})) (i32.const -1)) (then unreachable))");
    vec![
        Case::of("memory of 4 GiB", &good().memory("65536"), refused("cannot be started")),
        Case::of("memory of 3 MiB where 2 are allowed", &good().memory("48"), not_deployed("memory")),
        Case::of("memory that may grow to 4 GiB", &good().memory("1 65536"), Fate::Works),
        Case::of("growing in process as far as it goes", &good().before("process", GROW), Fate::Works),
        Case::of("growing in process, and insisting", &good().before("process", &needs("1000")), fails("unreachable")),
        Case::of("growing in cabi_realloc", &good().before("cabi_realloc", GROW), Fate::Works),
        Case::of(
            "growing in cabi_realloc, and insisting",
            &good().before("cabi_realloc", &needs("1000")),
            not_deployed("unreachable"),
        ),
        Case::of(
            "growing in describe, and filling",
            &good().before("describe", &format!("{} {fill}", needs("1000"))),
            Fate::Works,
        ),
        Case::of("growing in the start function as far as it goes", &begin(GROW), Fate::Works),
        Case::of("growing in the start function, and insisting", &begin(&needs("1000")), not_deployed("unreachable")),
        Case::of("growing in advance by 4 GiB", &good().before("advance", &needs("65535")), fails("unreachable")),
        Case::of("growing by a negative number", &good().before("process", &needs("-1")), fails("unreachable")),
        Case::of(
            "a table of ten million elements",
            &good().item("(table 10000000 funcref)"),
            refused("10000000 elements"),
        ),
        Case::of("a table of 4 billion elements", &good().item("(table 4294967295 funcref)"), refused("")),
        Case::of(
            "fifty tables of 100,000 elements",
            &good().item(&"(table 100000 funcref)".repeat(50)),
            refused("5000000 elements"),
        ),
        Case::of("a table of 100,000 elements", &good().item("(table 100000 funcref)"), Fate::Works),
        Case::of("a table of foreign references", &good().item("(table 1000 externref)"), refused("gc types")),
        Case::of("a megabyte of data", &good().item(&format!("(data \"{}\")", "x".repeat(1 << 20))), Fate::Works),
    ]
}

/// Too many of something.
fn counts() -> Vec<Case> {
    let good = || Guest::calculation(2);
    let many =
        |name: &str, count: usize, item: &str, fate: Fate| Case::of(name, &good().item(&item.repeat(count)), fate);
    let types = |count: u32| {
        (0..count).fold(String::new(), |mut out, n| {
            let bit = |bit: u32| if n >> bit & 1 == 1 { "i64 " } else { "i32 " };
            let params: String = (0..17).map(bit).collect();
            writeln!(out, "(type (func (param {params})))").expect("strings take everything");
            out
        })
    };
    let exports: String = (0..100_001).map(|n| format!("(export \"e{n}\" (func 0))")).collect();
    let locals = |count: usize, body: &str| format!("(func (local {}) {body})", "i64 ".repeat(count));
    vec![
        many("100,001 globals", 100_001, "(global i32 (i32.const 0))", refused("globals, at most 100000")),
        many(
            "100,001 mutable globals",
            100_001,
            "(global (mut i64) (i64.const 0))",
            refused("globals, at most 100000"),
        ),
        many("5,000 mutable globals", 5000, "(global (mut f64) (f64.const 0))", Fate::Works),
        many("200,001 functions", 200_001, "(func)", refused("functions, at most 200000")),
        many("5,000 functions", 5000, "(func (drop (i32.const 1)))", Fate::Works),
        many("20,000 data segments", 20_000, "(data \"x\")", Fate::Works),
        many("20,000 element segments", 20_000, "(elem func 0)", Fate::Works),
        Case::of("30,000 types", &good().item(&types(30_000)), refused("types, at most 20000")),
        Case::of("100,001 exports", &good().item(&exports), refused("exports, at most 100000")),
        Case::of(
            "a function of 1,001 parameters",
            &good().item(&format!("(func (param {}))", "i32 ".repeat(1001))),
            refused("module"),
        ),
        Case::of("a function of 60,000 locals", &good().item(&locals(60_000, "")), refused("module")),
        Case::of("a function of 10,001 locals", &good().item(&locals(10_001, "")), refused("10001 locals")),
        Case::of("a function of 9,000 locals", &good().item(&locals(9000, "")), Fate::Works),
        Case::of(
            "a name of a megabyte",
            &good().item(&format!("(export \"{}\" (func 0))", "n".repeat(1 << 20))),
            refused("module"),
        ),
    ]
}

/// Functions of a shape that compilers do not like.
fn functions() -> Vec<Case> {
    let function = |name: &str, locals: usize, body: &str, fate: Fate| {
        let item = format!("(func (param i32) (local {}) {body})", "i32 ".repeat(locals));
        Case::of(name, &Guest::calculation(2).item(&item), fate)
    };
    let ifs = |count: usize| "local.get 0 if local.get 1 local.set 2 end\n".repeat(count);
    let nested = |count: usize| "block ".repeat(count) + &"end ".repeat(count);
    let table = |count: usize| {
        let targets = "0 ".repeat(count);
        format!("(block (br_table {targets} (local.get 0)))")
    };
    let adds = |count: usize| "local.get 0 i32.const 77 i32.add local.set 0\n".repeat(count);
    let stores = |count: usize| "local.get 0 local.get 0 i32.store\n".repeat(count);
    let calls = "(drop (call $cabi_realloc (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))\n";
    vec![
        function("40,000 locals and 200,000 branches", 40_000, &ifs(200_000), refused("40000 locals")),
        function("2,000 locals and 200,000 branches", 2000, &ifs(200_000), refused("too much to compile")),
        function("1,000 locals and 20,000 branches", 1000, &ifs(20_000), refused("too much to compile")),
        function("100 locals and 2,000 branches", 100, &ifs(2000), Fate::Works),
        function("a straight line of 3 MB", 1, &adds(600_000), refused("too much to compile")),
        function("a straight line of 100 kB", 1, &adds(15_000), Fate::Works),
        function("ten thousand writes", 1, &stores(10_000), Fate::Works),
        function("five thousand calls", 1, &calls.repeat(5000), Fate::Works),
        function("5,000 blocks in each other", 1, &nested(5000), Fate::Works),
        function("a jump to 20,000 places", 1, &table(20_000), Fate::Works),
        function("a jump to 200,000 places", 1, &table(200_000), refused("module")),
    ]
}
