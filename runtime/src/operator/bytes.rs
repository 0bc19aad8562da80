//! Reads little-endian numbers from bytes that came from disk and may be damaged.

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damaged(pub(crate) &'static str);

/// What has not been read yet.
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Damaged("cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Damaged("cut short"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Damaged> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Damaged> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Damaged> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Damaged> {
        self.array().map(u128::from_le_bytes)
    }

    /// A block whose length stands before it as u32.
    pub(crate) fn block(&mut self) -> Result<&'a [u8], Damaged> {
        let count = self.u32()? as usize;
        self.take(count)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Appends a block with its length before it.
pub(crate) fn push_block(out: &mut Vec<u8>, block: &[u8]) {
    let bytes = u32::try_from(block.len()).expect("blocks of checkpoints are smaller than 4 GiB");
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend_from_slice(block);
}
