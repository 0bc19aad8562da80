//! Files that are cut, garbled or no WebAssembly at all.

use crate::case::{Case, refused};
use crate::guest::Guest;

/// Every case of the class.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = cut();
    cases.extend(garbled());
    cases.extend(others());
    cases
}

fn good() -> Vec<u8> {
    wat::parse_str(Guest::calculation(2).wat()).expect("the good guest is a module")
}

/// A good module, cut at a sample of places. Its last section is names: cuts behind the data leave a good module.
fn cut() -> Vec<Case> {
    let wasm = good();
    let end = wasm.len() / 2;
    let places = [1, 2, 3, 5, 6, 7].into_iter().chain((9..end).step_by(end / 16));
    places.map(|at| Case::bytes(format!("a module cut at {at}"), wasm[..at].to_vec(), refused("module"))).collect()
}

/// xorshift64*: the same bytes on every machine.
pub(super) fn random(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

fn garbled() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 1..=8_u64 {
        let mut next = random(seed);
        let noise: Vec<u8> = (0..1000).map(|_| (next() >> 33) as u8).collect();
        cases.push(Case::bytes(format!("random bytes {seed}"), noise.clone(), refused("module")));
        for (kind, head) in [("module", b"\0asm\x01\0\0\0"), ("component", b"\0asm\x0d\0\x01\0")] {
            let bytes = [head.as_slice(), &noise].concat();
            cases.push(Case::bytes(format!("random bytes {seed} as a {kind}"), bytes, refused("module")));
        }
    }
    let mut reversed = good();
    reversed[8..].reverse();
    cases.push(Case::bytes("a module backwards", reversed, refused("module")));
    let twice = [good(), good()].concat();
    cases.push(Case::bytes("a module twice", twice, refused("module")));
    cases
}

fn others() -> Vec<Case> {
    let file = |name: &str, bytes: &[u8]| Case::bytes(name, bytes.to_vec(), refused("does not begin like"));
    let version =
        |name: &str, version: &[u8]| Case::bytes(name, [b"\0asm".as_slice(), version].concat(), refused("module"));
    vec![
        file("nothing", b""),
        file("an ELF file", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0"),
        file("a gzip file", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0"),
        file("a zip file", b"PK\x03\x04\x14\0\0\0\0\0"),
        file("a script", b"#!/bin/sh\nrm -rf /\n"),
        file("WebAssembly text", Guest::calculation(2).wat().as_bytes()),
        file("JSON", b"{\"plugin\": true}"),
        file("a megabyte of zeros", &vec![0; 1 << 20]),
        version("a module of version 2", &[2, 0, 0, 0]),
        version("a component of version 255", &[255, 0, 1, 0]),
        version("a module of no version", &[]),
        Case::bytes("a file that is too large", vec![0; (48 << 20) + 1], refused("")),
    ]
}
