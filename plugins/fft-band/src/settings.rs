//! Parameters.

use tidemill_sdk::{Params, Problem};

pub(crate) const BANDS_MAX: usize = 8;

/// Frequencies from `low_hz` to below `high_hz`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Band {
    pub(crate) low_hz: f64,
    pub(crate) high_hz: f64,
}

#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) bands: Vec<Band>,
    pub(crate) is_hann: bool,
    pub(crate) removes_mean: bool,
    pub(crate) tolerance: f64,
}

impl Settings {
    pub(crate) fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let bands = bands(&params.text("bands")?)?;
        let is_hann = match params.text_or("window", "hann")?.as_str() {
            "hann" => true,
            "none" => false,
            other => {
                return Err(Problem::parameter("window", &format!("is \"{other}\", but must be `hann` or `none`")));
            }
        };
        let removes_mean = params.flag_or("remove_mean", true)?;
        let tolerance = params.number_or("tolerance", 0.05)?;
        if !(0.0..=0.5).contains(&tolerance) {
            return Err(Problem::parameter("tolerance", &format!("is {tolerance}, but must be from 0 to 0.5")));
        }
        Ok(Settings { bands, is_hann, removes_mean, tolerance })
    }
}

fn bands(text: &str) -> Result<Vec<Band>, Problem> {
    let mut bands = Vec::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let wrong = || {
            let reason = format!("has `{entry}`; write a band as two ascending frequencies in Hz, as in `0-10;10-100`");
            Problem::parameter("bands", &reason)
        };
        let (low, high) = entry.split_once('-').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let (low_hz, high_hz) = number(low).zip(number(high)).ok_or_else(wrong)?;
        if !(0.0 <= low_hz && low_hz < high_hz) {
            return Err(wrong());
        }
        bands.push(Band { low_hz, high_hz });
    }
    if bands.is_empty() || bands.len() > BANDS_MAX {
        let reason = format!("has {} bands, but must have 1 to {BANDS_MAX}, as in `0-10;10-100`", bands.len());
        return Err(Problem::parameter("bands", &reason));
    }
    Ok(bands)
}
