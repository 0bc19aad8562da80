//! Guests as text: a well-behaved one of either world and contract, to be spoiled in one place.
//!
//! The calculation echoes its rows, the aggregation answers with the first values. Memory of one page:
//!
//! ```text
//!   64 area of process   128 area of advance   192 area of aggregate   256 names   320 about   352 inputs   384 outputs
//!  512 area of configure 1024 one run of two rows: run @1024, dt @1040, values @1056, qualities @1072, text @1080
//! 2048 free for cases    32768 heap, which starts over once a call is done
//! ```

use std::fmt::Write;

/// Where the lists of a batch lie, from the start of the area: runs, times, values, qualities, texts.
pub(crate) const LISTS: [(&str, u32); 5] =
    [("runs", 16), ("times", 24), ("values", 32), ("qualities", 40), ("texts", 48)];
pub(crate) const PROCESS_AREA: u32 = 64;
pub(crate) const ADVANCE_AREA: u32 = 128;
pub(crate) const AGGREGATE_AREA: u32 = 192;
pub(crate) const ABOUT: u32 = 320;
pub(crate) const INPUTS: u32 = 352;
pub(crate) const OUTPUTS: u32 = 384;

/// A function of a guest: what it does, and what it returns.
#[derive(Clone)]
struct Function {
    name: &'static str,
    signature: String,
    work: String,
    result: String,
}

/// A guest as text.
#[derive(Clone)]
pub(crate) struct Guest {
    contract: u32,
    is_aggregation: bool,
    imports: String,
    memory: String,
    items: String,
    functions: Vec<Function>,
}

/// `(i32.store …)` of a number at a fixed place.
pub(crate) fn store(at: u32, value: i64) -> String {
    format!("(i32.store (i32.const {at}) (i32.const {value}))\n")
}

/// A data segment.
pub(crate) fn data(at: u32, bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{escaped}\")\n")
}

/// A data segment of numbers.
pub(crate) fn words(at: u32, words: &[u32]) -> String {
    data(at, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
}

const REALLOC: &str = "(param $old i32) (param $size i32) (param $align i32) (param $bytes i32) (result i32)
  (local $at i32) (local $n i32)";
const REALLOC_WORK: &str = "
    (if (global.get $fresh) (then (global.set $heap (i32.const 32768)) (global.set $fresh (i32.const 0))))
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $bytes)))
    (if (i32.gt_u (global.get $heap) (i32.const 65536)) (then unreachable))";
const DONE: &str =
    "(global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.set $fresh (i32.const 1))\n";

/// Stores an argument that is a list.
fn pass_on(at: u32, pointer: &str, len: &str) -> String {
    format!(
        "(i32.store (i32.const {at}) (local.get ${pointer})) (i32.store (i32.const {}) (local.get ${len}))\n",
        at + 4
    )
}

impl Guest {
    /// A calculation of contract 0.1 or 0.2.
    pub(crate) fn calculation(contract: u32) -> Self {
        let mut guest = Self::bare(contract, false);
        let texts = if contract == 2 { "(param $texts i32) (param $nt i32)" } else { "" };
        let signature = format!(
            "(param $t0 i64) (param $runs i32) (param $nr i32) (param $dt i32) (param $nd i32) (param $values i32) \
             (param $nv i32) (param $q i32) (param $nq i32) {texts} (result i32) (local $n i32)"
        );
        let mut work = format!("(i64.store (i32.const {}) (local.get $t0))\n", PROCESS_AREA + 8);
        let lists = [("runs", "nr"), ("dt", "nd"), ("values", "nv"), ("q", "nq"), ("texts", "nt")];
        for ((pointer, len), (_, at)) in lists.iter().zip(LISTS).take(if contract == 2 { 5 } else { 4 }) {
            work += &pass_on(PROCESS_AREA + at, pointer, len);
        }
        guest.push("process", &signature, &(work + DONE), &format!("(i32.const {PROCESS_AREA})"));
        let signature = "(param $watermark i64) (result i32) (local $n i32)";
        guest.push("advance", signature, "", &format!("(i32.const {ADVANCE_AREA})"));
        guest
    }

    /// An aggregation of contract 0.1 or 0.2.
    pub(crate) fn aggregation(contract: u32) -> Self {
        let mut guest = Self::bare(contract, true);
        let texts = if contract == 2 { "(param i32 i32)" } else { "" };
        let signature = format!(
            "(param $windows i32) (param $nw i32) (param $dt i32) (param $nd i32) (param $values i32) (param $nv i32) \
             (param $q i32) (param $nq i32) {texts} (result i32) (local $n i32)"
        );
        let work = pass_on(AGGREGATE_AREA + 4, "values", "nw") + DONE;
        guest.push("aggregate", &signature, &work, &format!("(i32.const {AGGREGATE_AREA})"));
        guest
    }

    /// An aggregation that runs in two stages: it combines parts into the first values.
    pub(crate) fn combining() -> Self {
        let mut guest = Self::aggregation(2);
        let signature =
            "(param $parts i32) (param $np i32) (param $values i32) (param $nv i32) (result i32) (local $n i32)";
        let work = pass_on(AGGREGATE_AREA + 4, "values", "np") + DONE;
        guest.push("combine", signature, &work, &format!("(i32.const {AGGREGATE_AREA})"));
        guest
    }

    fn bare(contract: u32, is_aggregation: bool) -> Self {
        let (imports, items, functions) = (String::new(), String::new(), Vec::new());
        let mut guest = Self { contract, is_aggregation, imports, memory: "1".to_owned(), items, functions };
        guest.push("cabi_realloc", REALLOC, REALLOC_WORK, "(local.get $at)");
        guest.push("describe", "(result i32) (local $n i32)", "", &format!("(i32.const {ABOUT})"));
        guest.push("configure", "(param i32 i32) (result i32) (local $n i32)", "", "(i32.const 512)");
        if contract == 2 {
            guest.push("contract", "(result i32) (local $n i32)", "", "(i32.const 2)");
        }
        guest
    }

    fn push(&mut self, name: &'static str, signature: &str, work: &str, result: &str) {
        let [signature, work, result] = [signature, work, result].map(str::to_owned);
        self.functions.push(Function { name, signature, work, result });
    }

    fn change(mut self, name: &str, change: impl FnOnce(&mut Function)) -> Self {
        let found = self.functions.iter_mut().find(|function| function.name == name);
        change(found.unwrap_or_else(|| panic!("no function {name}")));
        self
    }

    /// Does something before the work of a function.
    pub(crate) fn before(self, name: &str, work: &str) -> Self {
        self.change(name, |function| function.work.insert_str(0, work))
    }

    /// Does something after the work of a function.
    pub(crate) fn after(self, name: &str, work: &str) -> Self {
        self.change(name, |function| function.work.push_str(work))
    }

    /// Returns something else.
    pub(crate) fn returning(self, name: &str, result: &str) -> Self {
        self.change(name, |function| result.clone_into(&mut function.result))
    }

    /// A function with another signature; it does nothing but trap.
    pub(crate) fn with_signature(self, name: &str, signature: &str) -> Self {
        self.change(name, |function| {
            signature.clone_into(&mut function.signature);
            function.work = "unreachable".to_owned();
            function.result.clear();
        })
    }

    /// Without a function.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.functions.retain(|function| function.name != name);
        self
    }

    /// With one more import.
    pub(crate) fn import(mut self, module: &str, name: &str, what: &str) -> Self {
        writeln!(self.imports, "(import \"{module}\" \"{name}\" {what})").expect("strings take everything");
        self
    }

    /// With another memory: its limits in pages.
    pub(crate) fn memory(mut self, limits: &str) -> Self {
        limits.clone_into(&mut self.memory);
        self
    }

    /// With more items of a module.
    pub(crate) fn item(mut self, item: &str) -> Self {
        self.items.push_str(item);
        self.items.push('\n');
        self
    }

    /// A calculation whose `advance` emits the run of two rows at 1024.
    pub(crate) fn ticking(self) -> Self {
        let mut work = format!("(i64.store (i32.const {}) (local.get $watermark))\n", ADVANCE_AREA + 8);
        let lists = [(1024, 1), (1040, 2), (1056, 2), (1072, 2), (1080, 1)];
        for ((_, at), (pointer, len)) in LISTS.iter().zip(lists).take(if self.contract == 2 { 5 } else { 4 }) {
            work += &store(ADVANCE_AREA + at, pointer);
            work += &store(ADVANCE_AREA + at + 4, len);
        }
        self.after("advance", &work)
    }

    /// A calculation of contract 0.2 whose output carries texts, and whose rows all refer to the text at 1080.
    pub(crate) fn texting() -> Self {
        let texts = PROCESS_AREA + 48;
        let all_zero = "(local.set $n (i32.const 0))
            (loop $next (f64.store (i32.add (local.get $values) (i32.shl (local.get $n) (i32.const 3))) (f64.const 0))
              (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $next (i32.lt_u (local.get $n)
              (local.get $nv))))";
        let guest = Self::calculation(2).item(&words(OUTPUTS + 8, &[1]));
        guest.after("process", all_zero).after("process", &(store(texts, 1080) + &store(texts + 4, 1)))
    }

    pub(crate) fn is_aggregation(&self) -> bool {
        self.is_aggregation
    }

    pub(crate) fn is_combining(&self) -> bool {
        self.functions.iter().any(|function| function.name == "combine")
    }

    /// The module.
    pub(crate) fn wat(&self) -> String {
        let Self { imports, memory, items, .. } = self;
        let port: &[u32] = if self.contract == 2 { &[263, 5, 0] } else { &[263, 5] };
        let mut out = format!("(module {imports} (memory (export \"memory\") {memory})\n");
        out += "(global $heap (mut i32) (i32.const 32768)) (global $fresh (mut i32) (i32.const 0))
            (global $calls (mut i32) (i32.const 0))\n";
        out += &data(256, b"hostilevalue1.0");
        out += &words(ABOUT, &[256, 7, 268, 3, INPUTS, 1, OUTPUTS, 1]);
        out += &words(INPUTS, port);
        out += &words(OUTPUTS, port);
        out += &words(1024, &[0, 0, 2]);
        out += &words(1080, &[263, 5]);
        out += items;
        for Function { name, signature, work, result } in &self.functions {
            writeln!(out, "(func ${name} (export \"{name}\") {signature} {work} {result})")
                .expect("strings take everything");
        }
        out + ")"
    }
}
