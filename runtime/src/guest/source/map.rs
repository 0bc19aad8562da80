//! The map from positions in a module to places in its sources.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Most functions inlined into each other that are kept of one place.
pub(super) const INLINED_MAX: usize = 16;
/// Longest name of a function or file that is kept, characters.
const NAME_CHARS_MAX: usize = 120;
/// Most stretches of code in a map, places, and bytes of names: about 20 MB while it is read. A plugin in Rust with the standard
/// library has a twentieth of it.
const STRETCHES_MAX: usize = 1 << 18;
const PLACES_MAX: usize = 1 << 18;
const NAME_BYTES_MAX: usize = 2 << 20;

/// Which places the code of a module comes from.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceMap {
    /// Where each stretch of code begins in the module, bytes, ascending, with the number of its place; the place is absent
    /// where nothing is known.
    stretches: Vec<(u32, Option<u32>)>,
    places: Vec<Place>,
    names: Vec<String>,
}

/// A line of a function, and where that function was inlined.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Place {
    /// Number of the function's name.
    function: Option<u32>,
    /// Number of the file's name, and the line; absent for files that are not the author's.
    at: Option<(u32, u32)>,
    /// Number of the place that the function was inlined into.
    caller: Option<u32>,
}

/// A function on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame<'a> {
    pub(super) function: Option<&'a str>,
    /// File and line, if they are the author's.
    pub(super) at: Option<(&'a str, u32)>,
}

impl SourceMap {
    /// The functions that the instruction at `position` stands in, innermost first; none if nothing is known of it.
    pub(super) fn frames(&self, position: u32) -> impl Iterator<Item = Frame<'_>> {
        let after = self.stretches.partition_point(|(start, _)| *start <= position);
        let innermost = after.checked_sub(1).and_then(|last| self.stretches[last].1);
        let place = |number: u32| self.places.get(number as usize);
        let chain = std::iter::successors(innermost.and_then(place), move |inner| inner.caller.and_then(place));
        chain.take(INLINED_MAX).map(|place| Frame {
            function: place.function.and_then(|number| self.name(number)),
            at: place.at.and_then(|(file, line)| Some((self.name(file)?, line))),
        })
    }

    fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(String::as_str)
    }
}

/// A name without what is beyond the longest.
pub(super) fn cut(name: &str) -> &str {
    let end = name.char_indices().nth(NAME_CHARS_MAX).map_or(name.len(), |(end, _)| end);
    &name[..end]
}

/// Builds a map; names and places that come again are kept once.
#[derive(Default)]
pub(super) struct Builder {
    map: SourceMap,
    names: HashMap<String, u32>,
    places: HashMap<Place, u32>,
    name_bytes: usize,
}

impl Builder {
    /// Adds a stretch of code from `start` on, with the functions that it stands in, innermost first; none for unknown code.
    /// Returns whether there is room for more.
    pub(super) fn add(&mut self, start: u32, frames: &[Frame<'_>]) -> bool {
        let outermost_first = frames.iter().rev();
        let place = outermost_first.fold(None, |caller, frame| {
            let function = frame.function.map(|name| self.name(name));
            let at = frame.at.map(|(file, line)| (self.name(file), line));
            Some(self.place(Place { function, at, caller }))
        });
        if self.map.stretches.last().is_none_or(|(_, last)| *last != place) {
            self.map.stretches.push((start, place));
        }
        let Self { map, name_bytes, .. } = self;
        map.stretches.len() < STRETCHES_MAX && map.places.len() < PLACES_MAX && *name_bytes < NAME_BYTES_MAX
    }

    fn name(&mut self, name: &str) -> u32 {
        let name = cut(name);
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = self.map.names.len() as u32;
        self.map.names.push(name.to_owned());
        self.names.insert(name.to_owned(), number);
        self.name_bytes += name.len();
        number
    }

    fn place(&mut self, place: Place) -> u32 {
        *self.places.entry(place).or_insert_with(|| {
            self.map.places.push(place);
            self.map.places.len() as u32 - 1
        })
    }

    /// The map; `None` if nothing is known of any code.
    pub(super) fn finish(mut self) -> Option<SourceMap> {
        self.map.stretches.shrink_to_fit();
        (!self.map.places.is_empty()).then_some(self.map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &'static str, at: Option<(&'static str, u32)>) -> Frame<'static> {
        Frame { function: Some(function), at }
    }

    #[test]
    fn a_position_belongs_to_the_stretch_that_begins_last_before_it() {
        let (inner, outer) = (frame("half", Some(("a.c", 3))), frame("process", Some(("a.c", 40))));
        let mut builder = Builder::default();
        builder.add(10, &[outer]);
        builder.add(20, &[inner, outer]);
        builder.add(30, &[]);
        let map = builder.finish().unwrap();
        assert_eq!(map.frames(9).count(), 0);
        assert_eq!(map.frames(19).collect::<Vec<_>>(), [outer]);
        assert_eq!(map.frames(20).collect::<Vec<_>>(), [inner, outer]);
        assert_eq!(map.frames(29).count(), 2);
        assert_eq!(map.frames(30).count(), 0);
    }

    #[test]
    fn what_comes_again_is_kept_once_and_names_have_an_end() {
        let long = "x".repeat(1_000);
        let mut builder = Builder::default();
        for start in 0..100 {
            builder.add(start, &[Frame { function: Some(&long), at: Some(("é.c", start % 2)) }]);
        }
        let map = builder.finish().unwrap();
        assert_eq!((map.places.len(), map.names.len(), map.stretches.len()), (2, 2, 100));
        assert_eq!(map.frames(7).next().unwrap().function.unwrap().len(), NAME_CHARS_MAX);
    }

    #[test]
    fn a_map_with_numbers_out_of_range_or_in_circles_is_looked_up_without_harm() {
        let circle = Place { function: Some(9), at: Some((9, 1)), caller: Some(0) };
        let map = SourceMap { stretches: vec![(0, Some(0)), (5, Some(7))], places: vec![circle], names: vec![] };
        assert!(map.frames(1).all(|frame| frame == Frame { function: None, at: None }));
        assert_eq!(map.frames(6).count(), 0);
    }
}
