//! Modules of the wrong shape: signatures, exports, contracts, features that a plugin is not given, components.

use crate::case::{Case, Fate, refused};
use crate::guest::Guest;

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = signatures();
    cases.extend(exports());
    cases.extend(contracts());
    cases.extend(features());
    cases.extend(components());
    cases
}

fn signatures() -> Vec<Case> {
    let calculation = [
        ("cabi_realloc", "(param i32 i32 i32) (result i32)"),
        ("describe", "(result i64)"),
        ("configure", "(param i32) (result i32)"),
        ("process", "(param i32 i32 i32) (result i32)"),
        ("advance", "(param i32) (result i32)"),
        ("contract", "(param i32) (result i32)"),
    ];
    let spoiled = |(name, signature): (&'static str, &str)| {
        let guest = Guest::calculation(2).with_signature(name, signature);
        Case::of(format!("another signature of {name}"), &guest, refused("signature must be"))
    };
    let mut cases: Vec<_> = calculation.into_iter().map(spoiled).collect();
    let more = [
        ("process without a result", Guest::calculation(2).with_signature("process", "(param i64 i32)")),
        ("advance with two results", Guest::calculation(2).with_signature("advance", "(param i64) (result i32 i32)")),
        (
            "aggregate of a calculation's rows",
            Guest::aggregation(2).with_signature("aggregate", "(param i64) (result i32)"),
        ),
        (
            "process of 0.1 in 0.2",
            Guest::calculation(2).with_signature("process", "(param i64 i32 f32 i32 i32 i32 i32 i32 i32) (result i32)"),
        ),
    ];
    cases.extend(more.iter().map(|(name, guest)| Case::of(*name, guest, refused("signature must be"))));
    for (name, function) in [
        ("cabi_post_process", "(func (export \"cabi_post_process\"))"),
        ("cabi_post_describe", "(func (export \"cabi_post_describe\") (param i64))"),
        ("_initialize", "(func (export \"_initialize\") (param i32))"),
        (
            "save",
            "(func (export \"save\") (result i32) unreachable)
            (func (export \"load\") (param i32 i32 i32 i32) (result i32) unreachable)",
        ),
        ("load", "(func (export \"save\") (param i32 i32) (result i32) unreachable) (func (export \"load\"))"),
    ] {
        let guest = Guest::calculation(2).item(function);
        cases.push(Case::of(format!("another signature of {name}"), &guest, refused("signature must be")));
    }
    cases
}

fn exports() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["cabi_realloc", "describe", "configure", "advance"] {
        let guest = Guest::calculation(2).without(name);
        cases.push(Case::of(format!("without {name}"), &guest, refused(&format!("must also export {name}"))));
    }
    let wat = |guest: Guest, from: &str, to: &str| guest.wat().replace(from, to);
    let good = || Guest::calculation(2);
    let both = good().item("(func (export \"aggregate\") (result i32) unreachable)");
    let save = good().item("(func (export \"save\") (param i32 i32) (result i32) unreachable)");
    let load = good().item("(func (export \"load\") (param i32 i32 i32 i32) (result i32) unreachable)");
    cases.extend([
        Case::of("without process", &good().without("process"), refused("neither process")),
        Case::of("without aggregate", &Guest::aggregation(2).without("aggregate"), refused("neither process")),
        Case::of("both process and aggregate", &both, refused("both process and aggregate")),
        Case::of("save without load", &save, refused("must also export load")),
        Case::of("load without save", &load, refused("must also export save")),
        Case::text(
            "memory under another name",
            &wat(good(), "\"memory\"", "\"mem\""),
            refused("must also export memory"),
        ),
        Case::text("without a memory", "(module (func (export \"process\")))", refused("0 memories")),
        Case::text("an empty module", "(module)", refused("0 memories")),
        Case::of(
            "memory that is a global",
            &Guest::calculation(2)
                .item("(global (export \"x\") i32 (i32.const 0))")
                .item("(export \"tidemill:global:0\" (global 0))"),
            refused("may not begin with"),
        ),
        Case::text(
            "process that is a global",
            &wat(
                good().without("process"),
                "(global $heap",
                "(global (export \"process\") i32 (i32.const 0)) (global $heap",
            ),
            refused("neither process"),
        ),
        Case::text(
            "describe that is a memory",
            &wat(good().without("describe"), "(memory (export", "(memory (export \"describe\") (export"),
            refused("must also export describe"),
        ),
        Case::of(
            "a mutable reference",
            &good().item("(global (mut funcref) (ref.null func))"),
            refused("mutable reference"),
        ),
        Case::of(
            "a mutable foreign reference",
            &good().item("(global (mut externref) (ref.null extern))"),
            refused("mutable reference"),
        ),
        Case::of("a reference that does not change", &good().item("(global funcref (ref.null func))"), Fate::Works),
    ]);
    let table = "(table $t 2 funcref) (elem $e func 0)";
    for (name, work) in [
        ("table.set", "(table.set $t (i32.const 0) (ref.null func))"),
        ("table.grow", "(drop (table.grow $t (ref.null func) (i32.const 1)))"),
        ("table.fill", "(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))"),
        ("table.copy", "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1))"),
        ("table.init", "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))"),
    ] {
        let guest = good().item(table).item(&format!("(func {work})"));
        cases.push(Case::of(format!("changes a table by {name}"), &guest, refused("changes a table")));
    }
    let elem = good().item(table).item("(func (elem.drop $e))");
    let drop = good().item("(data $d \"x\") (func (data.drop $d))");
    cases.push(Case::of("drops an element segment", &elem, refused("drops a segment")));
    cases.push(Case::of("drops a data segment", &drop, refused("drops a segment")));
    cases
}

/// Contracts that are newer than the node, or none.
fn contracts() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, number) in [("0.3", 3), ("0.0", 0), ("of the largest number", -1)] {
        let guest = Guest::calculation(2).returning("contract", &format!("(i32.const {number})"));
        cases.push(Case::of(format!("speaks contract {name}"), &guest, refused("it speaks contract")));
    }
    let log = "(func (param i32 i32 i32))";
    for (module, words) in [
        ("tidemill:plugin/host@0.3.0", "contract 0.3.0"),
        ("tidemill:plugin/kv@0.3.0", "contract 0.3.0"),
        ("tidemill:plugin/host@1.0.0", "contract 1.0.0"),
        ("tidemill:plugin/host@0.2.99999999999", "imports tidemill"),
        ("tidemill:plugin/host", "imports tidemill"),
    ] {
        let guest = Guest::calculation(2).import(module, "log", log);
        cases.push(Case::of(format!("imports of {module}"), &guest, refused(words)));
    }
    cases
}

/// Features of Wasm that would make runs differ, or that images do not hold.
fn features() -> Vec<Case> {
    let good = || Guest::calculation(2);
    let feature =
        |name: &str, item: &str| Case::of(format!("feature: {name}"), &good().item(item), refused("wasm module"));
    let memory = |name: &str, limits: &str| Case::of(format!("feature: {name}"), &good().memory(limits), refused(""));
    vec![
        memory("shared memory", "1 1 shared"),
        memory("custom page sizes", "65536 (pagesize 1)"),
        Case::text(
            "feature: 64-bit memory",
            "(module (memory (export \"memory\") i64 1) (func (export \"process\")))",
            refused("wasm module"),
        ),
        Case::of("feature: two memories", &good().item("(memory 1)"), refused("memories")),
        feature("atomics", "(func (drop (i32.atomic.load (i32.const 0))))"),
        feature("exceptions", "(tag $t) (func (throw $t))"),
        feature("exception handlers", "(func (block $b (try_table (catch_all $b))))"),
        feature("relaxed SIMD", "(func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))"),
        feature("structs", "(type (struct (field i32)))"),
        feature("arrays", "(type (array (mut i8)))"),
        feature("i31", "(func (result i31ref) (ref.i31 (i32.const 1)))"),
        feature("continuations", "(type $f (func)) (type $c (cont $f))"),
        feature("64-bit tables", "(table i64 1 funcref)"),
        Case::of(
            "feature: SIMD, which is allowed",
            &good().item("(func (param v128) (result v128) (f64x2.add (local.get 0) (local.get 0)))"),
            Fate::Works,
        ),
    ]
}

fn components() -> Vec<Case> {
    let core = Guest::calculation(2).wat();
    let inner = core.replacen("(module", "(core module $m", 1);
    let long = "n".repeat(100_000);
    let gathered: String = (0..50).map(|n| format!("(export \"e{n}\" (func $f))")).collect();
    let names = format!(
        "(core module $m (func (export \"{long}\"))) (core instance $i (instantiate $m))
        (alias core export $i \"{long}\" (core func $f)) (core instance {gathered})"
    );
    let component = |name: &str, body: &str, words: &str| {
        Case::text(format!("component: {name}"), &format!("(component {body})"), refused(words))
    };
    vec![
        component("empty", "", "0 memories"),
        component("put together in five megabytes of names", &names, "bytes of names"),
        component("of a module that nobody instantiates", &inner, "neither process"),
        component(
            "of a module without exports",
            &format!("{inner} (core instance (instantiate $m))"),
            "neither process",
        ),
        component("of a component", &format!("(component {inner})"), "inner component"),
        component("of two memories", "(core module $m (memory 1)) (core module $n (memory 1))", "2 memories"),
        component("with a resource", "(type $r (resource (rep i32))) (core func (canon resource.new $r))", "it needs"),
        component("that imports a component", "(import \"c\" (component))", "neither function nor interface"),
        component(
            "of a module that wants files",
            "(core module $m (import \"env\" \"open\" (func)) (memory 1))
            (core func $f (canon resource.drop 0)) (core instance (instantiate $m))",
            "",
        ),
        component("of 65 modules", &"(core module)".repeat(65), "65 modules"),
        component(
            "put together in 300 steps",
            &format!("(core module $m (memory 1)) (core module $e) {}", "(core instance (instantiate $e))".repeat(300)),
            "300 steps",
        ),
        component(
            "of instances with a million table elements each",
            &format!(
                "(core module (memory 1)) (core module $t (table 1000000 funcref)) {}",
                "(core instance (instantiate $t))".repeat(100)
            ),
            "100000000 elements",
        ),
        component("nested forty deep", &format!("{}{}", "(component ".repeat(40), ")".repeat(40)), ""),
    ]
}
