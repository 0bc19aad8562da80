//! The tide at Saint-Malo, in front of the barrage of La Rance, from harmonic constants.
//!
//! `level(t) = mean + sum over constituents of c·cos(w·t) + s·sin(w·t)`, in metres above the zero of the tide gauge.
//!
//! Factors: European Commission, Joint Research Centre, World Sea Levels, device 1475 "France - Saint-Malo" (6,502,245
//! points, 29 April 2011 to 2 May 2025, read from its table of harmonic constants: cosine and sine factors in metres).
//! They give amplitudes of 3.69 m for M2, 1.43 m for S2 and 0.72 m for N2. Speeds: Schureman, *Manual of Harmonic
//! Analysis and Prediction of Tides*, U.S. Coast and Geodetic Survey, Special Publication 98.
//!
//! Left out: the diurnal constituents K1 and O1, whose amplitudes are small in this semidiurnal port, and nodal factors.
//! The table does not name its time origin, so ranges, springs and neaps and the shape of the curve are those of the
//! port, the calendar is not: do not go to sea with it.

use std::f64::consts::TAU;

/// Mean level, metres above the gauge's zero.
pub const MEAN_M: f64 = 6.825_61;

/// Period of M2 in seconds: 12 h 25 min 14 s.
pub const M2_PERIOD_S: f64 = 360.0 / 28.984_104_2 * 3600.0;

struct Constituent {
    speed_deg_per_h: f64,
    cos_m: f64,
    sin_m: f64,
}

const fn constituent(speed_deg_per_h: f64, cos_m: f64, sin_m: f64) -> Constituent {
    Constituent { speed_deg_per_h, cos_m, sin_m }
}

const CONSTITUENTS: [Constituent; 11] = [
    constituent(28.984_104_2, -1.976_13, 3.120_38),       // M2
    constituent(30.000_000_0, -0.941_451, -1.077_96),     // S2
    constituent(28.439_729_5, 0.653_276, 0.294_589),      // N2
    constituent(30.082_137_3, 0.320_004, 0.231_468),      // K2
    constituent(57.968_208_4, -0.258_68, 0.054_138),      // M4
    constituent(27.968_208_4, 0.013_123_5, 0.255_308),    // mu2
    constituent(58.984_104_2, 0.038_019_7, -0.189_75),    // MS4
    constituent(29.528_478_9, 0.179_428, 0.011_264_8),    // L2
    constituent(28.512_583_1, -0.057_788_1, 0.110_122),   // nu2
    constituent(57.423_833_7, 0.047_673_8, 0.089_982_4),  // MN4
    constituent(27.895_354_8, 0.023_260_6, -0.095_558_5), // 2N2
];

/// Sea level in metres above the gauge's zero, `t_s` seconds after the origin of the tide's calendar.
pub fn level_m(t_s: f64) -> f64 {
    CONSTITUENTS.iter().fold(MEAN_M, |level, constituent| {
        let (sin, cos) = (constituent.speed_deg_per_h / 360.0 * TAU * t_s / 3600.0).sin_cos();
        level + constituent.cos_m * cos + constituent.sin_m * sin
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_stays_within_the_sum_of_the_amplitudes() {
        let bound: f64 = CONSTITUENTS.iter().map(|c| c.cos_m.hypot(c.sin_m)).sum();
        let (low, high) = range(0.0, 365.0 * 86_400.0);
        assert!(high - MEAN_M <= bound && MEAN_M - low <= bound);
        // The port is known for spring ranges beyond 12 m; the gauge does not fall dry.
        assert!(low > 0.0 && high < 14.0 && high - low > 11.0, "range {low} to {high}");
    }

    #[test]
    fn high_waters_come_once_per_m2_period() {
        let minutes = 60 * 24 * 29;
        let levels: Vec<f64> = (0..minutes).map(|minute| level_m(f64::from(minute) * 60.0)).collect();
        let highs: Vec<usize> = (1..levels.len() - 1)
            .filter(|&i| levels[i] > levels[i - 1] && levels[i] >= levels[i + 1] && levels[i] > MEAN_M)
            .collect();
        let span_s = (highs[highs.len() - 1] - highs[0]) as f64 * 60.0;
        let period_s = span_s / (highs.len() - 1) as f64;
        assert!((period_s / M2_PERIOD_S - 1.0).abs() < 0.005, "{period_s} s instead of {M2_PERIOD_S} s");
    }

    #[test]
    fn springs_are_several_times_neaps() {
        let ranges: Vec<f64> = (0..29)
            .map(|day| range(f64::from(day) * 86_400.0, f64::from(day + 1) * 86_400.0))
            .map(|(low, high)| high - low)
            .collect();
        let smallest = ranges.iter().copied().fold(f64::MAX, f64::min);
        let largest = ranges.iter().copied().fold(0.0, f64::max);
        assert!(largest > 2.0 * smallest && smallest > 2.0, "{smallest} to {largest}");
    }

    fn range(from_s: f64, to_s: f64) -> (f64, f64) {
        let steps = ((to_s - from_s) / 300.0) as u32;
        (0..steps)
            .map(|i| level_m(from_s + f64::from(i) * 300.0))
            .fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)))
    }
}
