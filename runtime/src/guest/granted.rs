//! What a guest may import, and what the host does when it is called.
//!
//! Three kinds: the log, state by key, and the functions of WASI preview 1 without which the runtimes of some languages do
//! not start. Those answer the same on every call and on every machine: the clock stands still, random bytes are a fixed
//! sequence, there are no arguments, no environment and no files; what is written to the standard streams goes to the log.
//!
//! Invariants:
//! - Nothing here gives a guest anything that differs between two runs of the same calls.
//! - The host's work costs fuel: what a call here copies is paid for before it is done, or a guest could keep a processor
//!   busy for days with the fuel of a second.

use wasmtime::{AsContextMut, Caller, Extern, Linker, Trap};

use crate::error::RuntimeError;
use crate::guest::abi;
use crate::guest::host::Host;

/// Versions of the contract whose imports are given.
const HOST: [&str; 2] = ["tidemill:plugin/host@0.1.0", "tidemill:plugin/host@0.2.0"];
const KV: &str = "tidemill:plugin/kv@0.2.0";
const WASI: &str = "wasi_snapshot_preview1";
/// Newest contract that this host speaks, as `contract` returns it.
pub(crate) const CONTRACT_MAX: u32 = 2;

const WASI_FUNCTIONS: [&str; 18] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_read",
    "fd_seek",
    "fd_write",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
];

/// The one time there is for guests that ask for it, ns since the Unix epoch. Some runtimes do not start at 0.
const STANDING_CLOCK_NS: u64 = 1_700_000_000_000_000_000;

/// Fuel for a call of the host, besides that for what it copies: about what it takes, in instructions.
const FUEL_PER_CALL: u64 = 100;
/// Vectors of one write; the rest is not written.
const VECTORS_MAX: u32 = 64;
/// Fuel for a key of the state that is set, read or removed.
const FUEL_PER_KEY: u64 = 1000;

const SUCCESS: u32 = 0;
const BAD_DESCRIPTOR: u32 = 8;
const INVALID: u32 = 28;

/// Whether the host gives this import.
pub(super) fn is_granted(module: &str, name: &str) -> bool {
    match module {
        KV => matches!(name, "get" | "set" | "remove"),
        WASI => WASI_FUNCTIONS.contains(&name),
        _ => HOST.contains(&module) && name == "log",
    }
}

/// The version of a module name of our contract that is newer than what this host speaks.
pub(super) fn newer_contract(module: &str) -> Option<&str> {
    let (interface, version) = module.strip_prefix("tidemill:plugin/")?.split_once('@')?;
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(u32::MAX));
    let number = (numbers.next()?, numbers.next()?);
    (matches!(interface, "host" | "kv" | "types") && number > (0, CONTRACT_MAX)).then_some(version)
}

/// Makes the host's functions known.
pub(super) fn link(linker: &mut Linker<Host>) -> Result<(), RuntimeError> {
    let defined = define(linker);
    defined.map_err(|error| RuntimeError::Engine { reason: format!("{error:#}") })
}

type Guest<'a> = Caller<'a, Host>;

fn define(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for module in HOST {
        linker.func_wrap(module, "log", log)?;
    }
    linker.func_wrap(KV, "get", kv_get)?;
    linker.func_wrap(KV, "set", kv_set)?;
    linker.func_wrap(KV, "remove", kv_remove)?;

    linker.func_wrap(WASI, "args_get", |_: u32, _: u32| SUCCESS)?;
    linker.func_wrap(WASI, "environ_get", |_: u32, _: u32| SUCCESS)?;
    linker.func_wrap(WASI, "args_sizes_get", none)?;
    linker.func_wrap(WASI, "environ_sizes_get", none)?;
    linker
        .func_wrap(WASI, "clock_res_get", |guest: Guest<'_>, _: u32, at: u32| put(guest, at, &1_u64.to_le_bytes()))?;
    linker.func_wrap(WASI, "clock_time_get", |guest: Guest<'_>, _: u32, _: u64, at: u32| {
        put(guest, at, &STANDING_CLOCK_NS.to_le_bytes())
    })?;
    linker.func_wrap(WASI, "fd_close", |_: u32| BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(WASI, "fd_fdstat_set_flags", |_: u32, _: u32| BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_prestat_get", |_: u32, _: u32| BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_prestat_dir_name", |_: u32, _: u32, _: u32| BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_read", |_: u32, _: u32, _: u32, _: u32| BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_seek", |_: u32, _: u64, _: u32, _: u32| BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_write", fd_write)?;
    linker.func_wrap(WASI, "poll_oneoff", poll_oneoff)?;
    linker.func_wrap(WASI, "proc_exit", |code: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("it exited with code {code}")))
    })?;
    linker.func_wrap(WASI, "random_get", random_get)?;
    linker.func_wrap(WASI, "sched_yield", || SUCCESS)?;
    Ok(())
}

/// Takes fuel for the host's work.
fn pay(guest: &mut Guest<'_>, fuel: u64) -> wasmtime::Result<()> {
    let left = guest.get_fuel()?.checked_sub(fuel);
    guest.set_fuel(left.unwrap_or(0))?;
    left.map(drop).ok_or_else(|| Trap::OutOfFuel.into())
}

/// The guest's memory and what the host keeps for it. There is none while its start function runs.
fn memory<'a>(guest: &'a mut Guest<'_>) -> Option<(&'a mut [u8], &'a mut Host)> {
    let memory = guest.data().memory?;
    Some(memory.data_and_store_mut(guest.as_context_mut()))
}

/// Writes to the guest's memory.
fn put(mut guest: Guest<'_>, at: u32, bytes: &[u8]) -> u32 {
    let Some((memory, _)) = memory(&mut guest) else {
        return INVALID;
    };
    match memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..bytes.len())) {
        Some(slot) => {
            slot.copy_from_slice(bytes);
            SUCCESS
        }
        None => INVALID,
    }
}

/// Two counts, both 0.
fn none(mut guest: Guest<'_>, count: u32, bytes: u32) -> u32 {
    let Some((memory, _)) = memory(&mut guest) else {
        return INVALID;
    };
    for at in [count, bytes] {
        match memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..4)) {
            Some(slot) => slot.fill(0),
            None => return INVALID,
        }
    }
    SUCCESS
}

/// The standard streams are character devices that can be written; there are no others.
fn fd_fdstat_get(guest: Guest<'_>, descriptor: u32, at: u32) -> u32 {
    const CHARACTER_DEVICE: u8 = 2;
    let mut status = [0; 24];
    status[0] = CHARACTER_DEVICE;
    if descriptor <= 2 { put(guest, at, &status) } else { BAD_DESCRIPTOR }
}

/// Always the same bytes: a guest that wants others must be told a seed by its parameters.
fn random_get(mut guest: Guest<'_>, at: u32, len: u32) -> wasmtime::Result<u32> {
    pay(&mut guest, FUEL_PER_CALL + u64::from(len))?;
    let Some((memory, _)) = memory(&mut guest) else {
        return Ok(INVALID);
    };
    let Some(slot) = memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..len as usize)) else {
        return Ok(INVALID);
    };
    for (place, byte) in (1_u64..).zip(slot) {
        *byte = (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
    }
    Ok(SUCCESS)
}

/// Writes to the standard streams become lines of the log.
fn fd_write(mut guest: Guest<'_>, descriptor: u32, vectors: u32, count: u32, written: u32) -> wasmtime::Result<u32> {
    if descriptor != 1 && descriptor != 2 {
        return Ok(BAD_DESCRIPTOR);
    }
    let count = count.min(VECTORS_MAX);
    pay(&mut guest, FUEL_PER_CALL + u64::from(count * abi::TEXT_BYTES_MAX))?;
    let Some((memory, host)) = memory(&mut guest) else {
        return Ok(INVALID);
    };
    let Some((text, total)) = gathered(memory, vectors, count) else {
        return Ok(INVALID);
    };
    host.write(&text);
    Ok(put(guest, written, &total.to_le_bytes()))
}

/// What `count` vectors of a write hold together, each cut as a text of the log is, and how many bytes they claim.
fn gathered(memory: &[u8], vectors: u32, count: u32) -> Option<(String, u32)> {
    let (mut text, mut total) = (String::new(), 0_u32);
    for vector in 0..count {
        let place = usize::try_from(u64::from(vectors) + u64::from(vector) * 8).ok()?;
        let list = abi::list_at(memory.get(place..place + 8)?, 0);
        text.push_str(&abi::read_text(memory, "fd_write", list).ok()?);
        total = total.saturating_add(list.1);
    }
    Some((text, total))
}

/// Whatever is waited for has happened: time stands still, so a wait for it would never end. Runtimes wait before they
/// print why they stop.
fn poll_oneoff(
    mut guest: Guest<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    happened: u32,
) -> wasmtime::Result<u32> {
    const SUBSCRIPTION_BYTES: usize = 48;
    const EVENT_BYTES: usize = 32;
    let count = count.min(VECTORS_MAX);
    pay(&mut guest, FUEL_PER_CALL + u64::from(count) * (SUBSCRIPTION_BYTES + EVENT_BYTES) as u64)?;
    let Some((memory, _)) = memory(&mut guest) else {
        return Ok(INVALID);
    };
    for index in 0..count as usize {
        let from = subscriptions as usize + index * SUBSCRIPTION_BYTES;
        let to = events as usize + index * EVENT_BYTES;
        let Some(userdata) = memory.get(from..from + 8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) else {
            return Ok(INVALID);
        };
        let Some(event) = memory.get_mut(to..to + EVENT_BYTES) else {
            return Ok(INVALID);
        };
        event.fill(0);
        event[..8].copy_from_slice(&userdata);
    }
    Ok(put(guest, happened, &count.to_le_bytes()))
}

/// One line into the operator's ring.
fn log(mut guest: Guest<'_>, level: u32, at: u32, len: u32) -> wasmtime::Result<()> {
    pay(&mut guest, FUEL_PER_CALL + u64::from(len.min(abi::TEXT_BYTES_MAX)))?;
    let Some((memory, host)) = memory(&mut guest) else {
        return Ok(());
    };
    let text = abi::read_text(memory, "log", (at, len)).map_err(wasmtime::Error::new)?;
    let level = match level {
        0 => "error",
        1 => "warn",
        2 => "info",
        _ => "debug",
    };
    host.log(level, text);
    Ok(())
}

/// Bytes of the guest that a call of the state's names.
fn bytes(guest: &mut Guest<'_>, at: u32, len: u32) -> wasmtime::Result<Vec<u8>> {
    let Some((memory, _)) = memory(guest) else {
        return Err(wasmtime::Error::msg("state cannot be used by a start function"));
    };
    if len == 0 {
        return Ok(Vec::new());
    }
    Ok(abi::region(memory, "kv", (at, u64::from(len)), 1).map_err(wasmtime::Error::new)?.to_vec())
}

fn kv_set(
    mut guest: Guest<'_>,
    group: u32,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
) -> wasmtime::Result<()> {
    let host = guest.data();
    let most = host.state_bytes_max;
    if u64::from(key_len) + u64::from(value_len) > most {
        return Err(wasmtime::Error::msg(format!("state by key is over its limit of {most} bytes (state_bytes)")));
    }
    pay(&mut guest, FUEL_PER_KEY + u64::from(key_len) + u64::from(value_len))?;
    let key = bytes(&mut guest, key, key_len)?;
    let value = bytes(&mut guest, value, value_len)?;
    let state = &mut guest.data_mut().state;
    let before = state.bytes();
    state.set(group, key, value);
    // A state that was within the limit of an earlier version may stay as large as it is.
    if state.bytes() > most.max(before) {
        return Err(wasmtime::Error::msg(format!("state by key is over its limit of {most} bytes (state_bytes)")));
    }
    Ok(())
}

fn kv_remove(mut guest: Guest<'_>, group: u32, key: u32, key_len: u32) -> wasmtime::Result<()> {
    pay(&mut guest, FUEL_PER_KEY + u64::from(key_len))?;
    let key = bytes(&mut guest, key, key_len)?;
    guest.data_mut().state.remove(group, &key);
    Ok(())
}

/// Writes an `option<list<u8>>` to `found`; the list is allocated in the guest.
fn kv_get(mut guest: Guest<'_>, group: u32, key: u32, key_len: u32, found: u32) -> wasmtime::Result<()> {
    pay(&mut guest, FUEL_PER_KEY + u64::from(key_len))?;
    let key = bytes(&mut guest, key, key_len)?;
    let mut area = [0; 12];
    // No copy of the value is held while the guest allocates: it may ask for more on the way, and on the way to that.
    if let Some(len) = guest.data().state.get(group, &key).map(<[u8]>::len) {
        pay(&mut guest, len as u64)?;
        let realloc = guest.data().realloc.clone();
        let realloc = realloc.ok_or_else(|| wasmtime::Error::msg("state needs cabi_realloc"))?;
        let at = if len == 0 { 1 } else { realloc.call(guest.as_context_mut(), (0, 0, 1, len as u32))? };
        let missing = || wasmtime::Error::msg("cabi_realloc changed the value that it was called for");
        let (memory, host) = memory(&mut guest).ok_or_else(missing)?;
        let value = host.state.get(group, &key).filter(|value| value.len() == len).ok_or_else(missing)?;
        let place = memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..len));
        place.map(|place| place.copy_from_slice(value)).ok_or_else(|| {
            wasmtime::Error::msg(format!("cabi_realloc returned {at:#x} for {len} bytes, outside of its memory"))
        })?;
        area[0] = 1;
        area[4..8].copy_from_slice(&at.to_le_bytes());
        area[8..12].copy_from_slice(&(len as u32).to_le_bytes());
    }
    let written = if found.is_multiple_of(4) { put_bytes(&mut guest, found, &area) } else { None };
    written.ok_or_else(|| wasmtime::Error::msg(format!("the result's address {found:#x} is not in its memory")))
}

fn put_bytes(guest: &mut Guest<'_>, at: u32, bytes: &[u8]) -> Option<()> {
    let (memory, _) = memory(guest)?;
    memory.get_mut(at as usize..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(())
}

/// The host's function behind an import that [`is_granted`].
pub(super) fn function(
    linker: &Linker<Host>,
    store: &mut wasmtime::Store<Host>,
    module: &str,
    name: &str,
) -> Option<Extern> {
    linker.get(store.as_context_mut(), module, name).ok().filter(|_| is_granted(module, name))
}

/// The contract's version in words.
pub(crate) fn contract_name(contract: u32) -> String {
    format!("0.{contract}")
}
