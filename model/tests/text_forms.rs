//! The text forms of series keys, positions and selectors.

use proptest::prelude::*;
use tidemill_model::{JournalIdentity, Offset, Position, Selector, SeriesKey};

/// Names with everything that needs escaping, and some that needs none.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[a-c:{},=\\\\ äµ\"'*;]{1,6}", "\\PC{1,5}"]
}

/// Names that a selector can spell: no patterns, no separators of its own, no blanks at the ends.
fn plain_name() -> impl Strategy<Value = String> {
    "[a-c:{},=\\\\ä\"']{1,6}"
}

fn key(name: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = SeriesKey> {
    let labels = prop::collection::btree_map(name.clone(), name.clone(), 0..5);
    (name.clone(), name, labels).prop_map(|(measurement, field, labels)| {
        SeriesKey::new(measurement, field, labels.into_iter().collect()).expect("the parts are valid")
    })
}

fn position() -> impl Strategy<Value = Position> {
    let identity = (any::<u64>(), any::<u32>()).prop_map(|(id, generation)| JournalIdentity { id, generation });
    (identity, prop::collection::vec(any::<u64>().prop_map(Offset), 1..6))
        .prop_map(|(journal, offsets)| Position { journal, offsets })
}

proptest! {
    #[test]
    fn a_series_key_reads_its_own_text(key in key(name().boxed())) {
        let text = key.to_string();
        prop_assert_eq!(text.parse::<SeriesKey>(), Ok(key.clone()), "{}", text);
        prop_assert_eq!(text.parse::<SeriesKey>().expect("just parsed").id(), key.id());
    }

    #[test]
    fn keys_are_equal_exactly_when_their_texts_are(a in key("[ab:=]{1,2}".boxed()), b in key("[ab:=]{1,2}".boxed())) {
        prop_assert_eq!(a == b, a.to_string() == b.to_string());
    }

    #[test]
    fn the_order_of_labels_does_not_matter(key in key(name().boxed())) {
        let reversed = key.labels().iter().rev().cloned().collect();
        prop_assert_eq!(SeriesKey::new(key.measurement(), key.field(), reversed), Ok(key));
    }

    #[test]
    fn whatever_parses_as_a_key_prints_as_one_that_parses_to_the_same(text in "[ab:{},=\\\\]{0,12}") {
        if let Ok(key) = text.parse::<SeriesKey>() {
            prop_assert_eq!(key.to_string().parse::<SeriesKey>(), Ok(key));
        }
    }

    #[test]
    fn a_position_reads_its_own_text(position in position()) {
        prop_assert_eq!(position.to_string().parse::<Position>(), Ok(position));
    }

    #[test]
    fn position_texts_sort_like_their_offsets(a in position(), b in any::<u64>()) {
        let mut other = a.clone();
        other.offsets[0] = Offset(b);
        prop_assert_eq!(a.to_string().cmp(&other.to_string()), a.offsets[0].cmp(&other.offsets[0]));
        prop_assert_eq!(a.covers(&other), a.offsets[0] >= other.offsets[0]);
    }

    #[test]
    fn every_position_has_one_text_only(position in position(), at in 0usize..60, replacement in "\\PC") {
        let mut text = position.to_string();
        if at < text.len() && text[at..=at] != replacement {
            text.replace_range(at..=at, &replacement);
            prop_assert_ne!(text.parse::<Position>().ok(), Some(position));
        }
    }

    #[test]
    fn a_selector_spelled_like_a_key_selects_it(key in key(plain_name().boxed())) {
        let selector: Selector = key.to_string().parse().expect("a key is a selector");
        prop_assert!(selector.matches(&key), "{}", selector);
        let other = SeriesKey::new(format!("{}x", key.measurement()), key.field(), key.labels().to_vec());
        prop_assert!(!selector.matches(&other.expect("the parts are valid")));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,40}", special in "[a*:{},=;\\\\-]{0,20}") {
        for text in [text, special] {
            let _ = text.parse::<SeriesKey>();
            let _ = text.parse::<Position>();
            if let Ok(selector) = text.parse::<Selector>() {
                selector.matches(&SeriesKey::new("a", "b", Vec::new()).expect("a valid key"));
            }
        }
    }
}

/// Every measurement of up to four letters out of `ab`.
fn short_measurements() -> Vec<String> {
    let mut all = vec![String::new()];
    for length in 0..4 {
        let longer: Vec<_> =
            all.iter().filter(|text| text.len() == length).flat_map(|t| [format!("{t}a"), format!("{t}b")]).collect();
        all.extend(longer);
    }
    all.retain(|text| !text.is_empty());
    all
}

proptest! {
    #[test]
    fn selectors_overlap_exactly_when_one_series_is_in_both(one in "[ab*]{1,4}", two in "[ab*]{1,4}") {
        // Patterns of so few characters that overlap have a common text of up to four letters, as far as they have fixed
        // ones; a lone star matches any of them.
        let (first, second): (Selector, Selector) = (one.parse().expect("a pattern"), two.parse().expect("a pattern"));
        let fixed = |text: &str| text.chars().filter(|c| *c != '*').count();
        prop_assume!(fixed(&one) + fixed(&two) <= 4);
        let in_both = short_measurements().iter().any(|measurement| {
            let key = SeriesKey::new(measurement, "value", Vec::new()).expect("a valid key");
            first.matches(&key) && second.matches(&key)
        });
        prop_assert_eq!(first.overlaps(&second), in_both);
        prop_assert_eq!(second.overlaps(&first), in_both);
    }
}

#[test]
fn labels_that_exclude_each_other_keep_selectors_apart() {
    let overlap = |one: &str, two: &str| {
        let (one, two): (Selector, Selector) = (one.parse().expect("a selector"), two.parse().expect("a selector"));
        one.overlaps(&two)
    };
    assert!(overlap("turbine:power{unit=T1}", "turbine:*{unit=*}"));
    assert!(overlap("turbine:power{unit=T1}", "turbine:*{site=A}"));
    assert!(!overlap("turbine:power{unit=T1}", "turbine:power{unit=T2}"));
    assert!(!overlap("turbine:power", "turbine:flow"));
    assert!(overlap("pump;turbine:power", "turbine"));
}
