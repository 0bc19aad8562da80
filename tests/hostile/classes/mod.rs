//! The classes of hostile modules.

pub(crate) mod answers;
pub(crate) mod bombs;
pub(crate) mod bytes;
pub(crate) mod endless;
pub(crate) mod floods;
pub(crate) mod imports;
pub(crate) mod lines;
pub(crate) mod shapes;
pub(crate) mod stages;
