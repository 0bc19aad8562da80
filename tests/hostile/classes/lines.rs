//! Debug information that is cut, garbled, or made to unfold: it costs at most the process that compiles.

use super::bytes::random;
use crate::case::{Case, Fate, fails, refused};
use crate::guest::Guest;

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let failing = || Guest::calculation(2).before("process", "unreachable");
    let case = |name: String, lines: Lines, fate: Fate| Case::bytes(name, lines.on(&failing()), fate);
    let mut cases = vec![
        case("lines that are in order".into(), Lines::default(), fails("(hostile.c:7)")),
        case("a file whose name has a megabyte".into(), Lines { name: 1 << 20, ..Lines::default() }, fails("(nnn")),
        case("20,000 units".into(), Lines { units: 20_000, ..Lines::default() }, fails("unreachable")),
        case(
            "1,000 units that all unfold the same three million lines".into(),
            Lines { units: 1000, rows: 3 << 20, ..Lines::default() },
            refused("within the limits on memory and time"),
        ),
    ];
    for cut in (0..=LINES_BYTES).step_by(13) {
        cases.push(case(format!("lines cut at {cut}"), Lines { cut, ..Lines::default() }, fails("unreachable")));
    }
    for seed in 1..=6 {
        let garbled = Lines { garbled: Some(seed), ..Lines::default() };
        cases.push(case(format!("garbled lines {seed}"), garbled, fails("unreachable")));
    }
    cases
}

/// Bytes of the lines of [`Lines::default`], about.
const LINES_BYTES: usize = 80;

/// Debug information of version 4 in which every unit has all the code.
struct Lines {
    units: u32,
    /// Instructions, one of each address.
    rows: usize,
    /// Characters of the file's name; 0: it is `hostile.c`.
    name: usize,
    /// Bytes that are kept of each section.
    cut: usize,
    /// Seed of noise in each section.
    garbled: Option<u64>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { units: 1, rows: 4096, name: 0, cut: usize::MAX, garbled: None }
    }
}

impl Lines {
    /// A guest with these.
    fn on(&self, guest: &Guest) -> Vec<u8> {
        let mut wasm = wat::parse_str(guest.wat()).expect("a guest is a module");
        let abbreviations = vec![1, 0x11, 0, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0, 0];
        let unit = [
            &20_u32.to_le_bytes()[..],
            &[4, 0, 0, 0, 0, 0, 4, 1],
            &0_u32.to_le_bytes(),
            &0_u32.to_le_bytes(),
            &u32::MAX.to_le_bytes(),
        ];
        let units = unit.concat().repeat(self.units as usize);
        for (name, mut bytes) in
            [(".debug_abbrev", abbreviations), (".debug_info", units), (".debug_line", self.program())]
        {
            bytes.truncate(self.cut);
            if let Some(seed) = self.garbled {
                let mut next = random(seed);
                let count = bytes.len() as u64;
                (0..1 + count / 16).for_each(|_| bytes[(next() % count) as usize] ^= (next() >> 33) as u8);
            }
            let section = [&leb(name.len()), name.as_bytes(), &bytes].concat();
            wasm.push(0);
            wasm.extend(leb(section.len()));
            wasm.extend(section);
        }
        wasm
    }

    /// A program of lines: from address 0, line 7 of the file.
    fn program(&self) -> Vec<u8> {
        let name = if self.name == 0 { b"hostile.c".to_vec() } else { vec![b'n'; self.name] };
        let table = [
            &[1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0][..], // to the directories, of which there are none
            &name,
            &[0, 0, 0, 0, 0],
        ];
        let table = table.concat();
        let advance_line = [3, 6];
        let program = [
            &[0, 5, 2, 0, 0, 0, 0][..], // the address is 0
            &advance_line,
            &vec![32; self.rows], // the next address, the same line
            &[0, 1, 1],           // the end
        ];
        let rest = [&4_u16.to_le_bytes()[..], &(table.len() as u32).to_le_bytes(), &table, &program.concat()].concat();
        [&(rest.len() as u32).to_le_bytes()[..], &rest].concat()
    }
}

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
