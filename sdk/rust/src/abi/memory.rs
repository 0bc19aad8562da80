//! The only unsafe code of the SDK: taking over what the host has allocated, allocating for it, and calling its log.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc as grow};

/// Element of a list that crosses the border.
///
/// # Safety
/// Every bit pattern is a value, there is no padding, nothing to drop, and size and alignment are those of the contract.
pub unsafe trait Plain: Copy {}

// SAFETY: integers and floats; the two records are repr(C), made of u32 and i64 without gaps (checked below).
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i64 {}
// SAFETY: as above.
unsafe impl Plain for f64 {}
// SAFETY: as above; pointer and length of a list.
unsafe impl Plain for [usize; 2] {}
// SAFETY: as above.
unsafe impl Plain for crate::Run {}
// SAFETY: as above.
unsafe impl Plain for crate::window::WindowHead {}

const _: () = assert!(size_of::<crate::Run>() == 12 && align_of::<crate::Run>() == 4);
const _: () = assert!(size_of::<crate::window::WindowHead>() == 24 && align_of::<crate::window::WindowHead>() == 8);

/// Takes over a list from the host; it is freed when the vector is dropped.
///
/// # Safety
/// Unless `length` is 0, `pointer` was returned by [`realloc`] for exactly `length` elements with the alignment of `T`, every byte has
/// been written, and nobody else uses or frees it.
pub unsafe fn take_list<T: Plain>(pointer: *mut T, length: usize) -> Vec<T> {
    if length == 0 {
        return Vec::new();
    }
    assert!(!pointer.is_null() && pointer.is_aligned(), "the host passed a list at a wrong address");
    // SAFETY: by contract the memory was allocated with the layout of `length` elements of `T` from the global allocator and is
    // initialised and unshared; every bit pattern is a `T`.
    unsafe { Vec::from_raw_parts(pointer, length, length) }
}

/// Takes over a list of lists of bytes.
///
/// # Safety
/// As for [`take_list`], for the list and for each of its elements.
pub unsafe fn take_lists(pointer: *mut [usize; 2], length: usize) -> Vec<Vec<u8>> {
    // SAFETY: by contract.
    let lists = unsafe { take_list(pointer, length) };
    let take = |[at, length]: [usize; 2]| {
        // SAFETY: by contract each element is a list that was allocated for exactly its bytes and given away.
        unsafe { take_list(std::ptr::with_exposed_provenance_mut::<u8>(at), length) }
    };
    lists.into_iter().map(take).collect()
}

/// Takes over a list of texts. Bytes that are not UTF-8 are replaced: the host passes none.
///
/// # Safety
/// As for [`take_lists`].
pub unsafe fn take_texts(pointer: *mut [usize; 2], length: usize) -> Vec<String> {
    let text =
        |bytes| String::from_utf8(bytes).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned());
    // SAFETY: by contract.
    unsafe { take_lists(pointer, length) }.into_iter().map(text).collect()
}

/// `cabi_realloc` of the canonical ABI: allocates `new_size` bytes, keeping what was at `old`. A size of 0 needs no memory and gets an
/// aligned address that must not be used. Traps when memory is exhausted.
///
/// # Safety
/// Unless `old_size` is 0, `old` was returned by this function for `old_size` bytes with the same `align`, and is not used any more.
pub unsafe fn realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
    let layout = |size| Layout::from_size_align(size, align).expect("the host asks for a valid size and alignment");
    let nowhere = std::ptr::without_provenance_mut(align);
    let new = match (old_size, new_size) {
        (0, 0) => nowhere,
        // SAFETY: the size is not 0.
        (0, _) => unsafe { alloc(layout(new_size)) },
        (_, 0) => {
            // SAFETY: by contract `old` has this layout and came from the global allocator.
            unsafe { dealloc(old, layout(old_size)) };
            nowhere
        }
        // SAFETY: by contract `old` has this layout; the new size is not 0 and was checked together with the alignment.
        _ => unsafe { grow(old, layout(old_size), layout(new_size).size()) },
    };
    if new.is_null() { handle_alloc_error(layout(new_size)) } else { new }
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "tidemill:plugin/host@0.2.0")]
unsafe extern "C" {
    #[link_name = "log"]
    fn host_log(level: i32, text: *const u8, length: usize);
}

/// Passes a line to the host.
#[cfg(target_arch = "wasm32")]
pub(crate) fn log(level: u8, text: &str) {
    // SAFETY: the host only reads the text, during the call.
    unsafe { host_log(i32::from(level), text.as_ptr(), text.len()) }
}

/// Outside of a host, the log is for whoever runs the test.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn log(level: u8, text: &str) {
    eprintln!("plugin log, level {level}: {text}");
}

/// The host's state by key.
#[cfg(target_arch = "wasm32")]
pub(crate) mod kv {
    #[link(wasm_import_module = "tidemill:plugin/kv@0.2.0")]
    unsafe extern "C" {
        #[link_name = "get"]
        fn host_get(group: u32, key: *const u8, key_len: usize, found: *mut Found);
        #[link_name = "set"]
        fn host_set(group: u32, key: *const u8, key_len: usize, value: *const u8, value_len: usize);
        #[link_name = "remove"]
        fn host_remove(group: u32, key: *const u8, key_len: usize);
    }

    /// An `option<list<u8>>` as the host writes it.
    #[repr(C)]
    struct Found {
        is_some: u8,
        at: *mut u8,
        len: usize,
    }

    pub(crate) fn get(group: u32, key: &[u8]) -> Option<Vec<u8>> {
        let mut found = Found { is_some: 0, at: std::ptr::null_mut(), len: 0 };
        // SAFETY: the host reads the key during the call, and writes `found`; the bytes are allocated through `cabi_realloc`.
        unsafe { host_get(group, key.as_ptr(), key.len(), &mut found) };
        // SAFETY: the host allocated the list for exactly its bytes and gives it away.
        (found.is_some != 0).then(|| unsafe { super::take_list(found.at, found.len) })
    }

    pub(crate) fn set(group: u32, key: &[u8], value: &[u8]) {
        // SAFETY: the host only reads both, during the call.
        unsafe { host_set(group, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
    }

    pub(crate) fn remove(group: u32, key: &[u8]) {
        // SAFETY: the host only reads the key, during the call.
        unsafe { host_remove(group, key.as_ptr(), key.len()) }
    }
}

/// Outside of a host, the thread that runs the test keeps the state.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod kv {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// Group and key, and the value.
    type State = BTreeMap<(u32, Vec<u8>), Vec<u8>>;

    thread_local! {
        static STATE: RefCell<State> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(crate) fn get(group: u32, key: &[u8]) -> Option<Vec<u8>> {
        STATE.with_borrow(|state| state.get(&(group, key.to_vec())).cloned())
    }

    pub(crate) fn set(group: u32, key: &[u8], value: &[u8]) {
        STATE.with_borrow_mut(|state| state.insert((group, key.to_vec()), value.to_vec()));
    }

    pub(crate) fn remove(group: u32, key: &[u8]) {
        STATE.with_borrow_mut(|state| state.remove(&(group, key.to_vec())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allocated_like_the_host_does_is_taken_over() {
        // SAFETY: what is taken over was allocated for two f64 just before and is written completely.
        let list = unsafe {
            let bytes = realloc(std::ptr::null_mut(), 0, 8, 16);
            bytes.cast::<f64>().write(1.5);
            bytes.cast::<f64>().add(1).write(2.5);
            take_list(bytes.cast::<f64>(), 2)
        };
        assert_eq!(list, [1.5, 2.5]);
    }

    #[test]
    fn growing_keeps_the_bytes_and_zero_bytes_need_no_memory() {
        // SAFETY: sizes and alignments are those of the calls before; 8 bytes are written before they are read.
        unsafe {
            let small = realloc(std::ptr::null_mut(), 0, 8, 8);
            small.cast::<u64>().write(42);
            let large = realloc(small, 8, 8, 4096);
            assert_eq!(large.cast::<u64>().read(), 42);
            assert_eq!(realloc(large, 4096, 8, 0).addr(), 8);
            assert_eq!(realloc(std::ptr::null_mut(), 0, 4, 0).addr(), 4);
            assert!(take_list::<f64>(std::ptr::null_mut(), 0).is_empty());
        }
    }
}
