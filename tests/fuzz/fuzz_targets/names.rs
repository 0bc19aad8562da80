//! Text forms: parsing any text returns, and what parses has one text form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemill_model::{Position, Selector, SeriesKey};

fuzz_target!(|text: &str| {
    if let Ok(key) = text.parse::<SeriesKey>() {
        assert_eq!(key.to_string().parse(), Ok(key), "a key's text form is read back");
    }
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string(), text, "a position has one text form");
    }
    if let Ok(selector) = text.parse::<Selector>() {
        std::hint::black_box(selector.matches(&SeriesKey::new("m", "f", Vec::new()).expect("a valid key")));
    }
});
