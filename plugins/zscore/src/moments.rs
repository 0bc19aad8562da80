//! What a row is judged by.

use tidemill_sdk::Quality;

/// Mean and variance of the rows learnt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    /// How many rows there are, or as how many they count.
    pub(crate) count: f64,
    pub(crate) mean: f64,
    /// The sample variance; of no use below a count of 2.
    pub(crate) variance: f64,
    /// The worst quality among the rows.
    pub(crate) quality: Quality,
}
