//! Columns in and out of linear memory, by the canonical ABI. Every pointer and length is the guest's word and checked.

use crate::guest::CallError;

/// A numeric column element with a fixed little-endian form.
pub(crate) trait Element: Copy {
    /// Its size in bytes, which is also its alignment.
    const BYTES: u32;

    /// Copies `values` into `target`, which is exactly as long.
    fn write(values: &[Self], target: &mut [u8]);

    /// Appends the values in `source`, a whole number of them, to `out`.
    fn read(source: &[u8], out: &mut Vec<Self>);
}

macro_rules! element {
    ($($number:ty, $bytes:literal);+) => {$(
        impl Element for $number {
            const BYTES: u32 = $bytes;

            fn write(values: &[Self], target: &mut [u8]) {
                for (slot, value) in target.as_chunks_mut::<$bytes>().0.iter_mut().zip(values) {
                    *slot = value.to_le_bytes();
                }
            }

            fn read(source: &[u8], out: &mut Vec<Self>) {
                out.extend(source.as_chunks::<$bytes>().0.iter().map(|bytes| <$number>::from_le_bytes(*bytes)));
            }
        }
    )+};
}

element!(u32, 4; i64, 8; f64, 8);

/// The bytes `at..at + bytes` of a memory, aligned as the ABI demands.
pub(crate) fn region<'m>(
    memory: &'m [u8],
    call: &'static str,
    (at, bytes): (u32, u64),
    align: u32,
) -> Result<&'m [u8], CallError> {
    if at % align != 0 {
        return Err(CallError::malformed(call, format!("pointer {at:#x} is not aligned to {align} bytes")));
    }
    let found = usize::try_from(bytes).ok().and_then(|bytes| memory.get(at as usize..)?.get(..bytes));
    found.ok_or_else(|| {
        let reason = format!("{bytes} bytes at {at:#x} lie outside the memory of {} bytes", memory.len());
        CallError::malformed(call, reason)
    })
}

/// The little-endian u32 at `at` in a region that is known to be long enough.
pub(crate) fn u32_at(area: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&area[at..at + 4]);
    u32::from_le_bytes(bytes)
}

/// The little-endian i64 at `at` in a region that is known to be long enough.
pub(crate) fn i64_at(area: &[u8], at: usize) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&area[at..at + 8]);
    i64::from_le_bytes(bytes)
}

/// Pointer and length of a list, stored at `at`.
pub(crate) fn list_at(area: &[u8], at: usize) -> (u32, u32) {
    (u32_at(area, at), u32_at(area, at + 4))
}

/// Appends a list of numbers in guest memory to `out`.
pub(crate) fn read_list<T: Element>(
    memory: &[u8],
    call: &'static str,
    (at, len): (u32, u32),
    out: &mut Vec<T>,
) -> Result<(), CallError> {
    if len == 0 {
        return Ok(());
    }
    let bytes = u64::from(len) * u64::from(T::BYTES);
    T::read(region(memory, call, (at, bytes), T::BYTES)?, out);
    Ok(())
}

/// Longest text that is taken over from a guest, bytes; the rest is cut off.
pub(crate) const TEXT_BYTES_MAX: u32 = 4096;

/// A string in guest memory, cut to [`TEXT_BYTES_MAX`]. Bytes that are not UTF-8 are replaced.
pub(crate) fn read_text(memory: &[u8], call: &'static str, (at, len): (u32, u32)) -> Result<String, CallError> {
    if len == 0 {
        return Ok(String::new());
    }
    let bytes = region(memory, call, (at, u64::from(len.min(TEXT_BYTES_MAX))), 1)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// Makes every NaN the same one, so that outputs are equal bit by bit on every machine.
pub(crate) fn canonicalise(values: &mut [f64]) {
    for value in values {
        *value = if value.is_nan() { f64::NAN } else { *value };
    }
}
