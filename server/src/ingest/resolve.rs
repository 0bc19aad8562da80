//! Turns the lines of a body into samples of registered series.
//!
//! 1. Lines whose series and fields are in the cache become samples at once.
//! 2. At the first line that is not, the rest of the body is read for everything that is new in it, and all of that is
//!    registered with one call.
//! 3. The first pass goes on at that line with what is known now.
//!
//! So samples keep the order of their lines, which decides when two have the same time. A line is taken as a whole or
//! refused as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tidemill_journal::catalog::RegisterError;
use tidemill_journal::{Catalog, JournalError};
use tidemill_model::{Series, SeriesId, SeriesKey};

use super::cache::{Cache, Entry, Fit, KnownField};
use super::collect::Collected;
use super::line_protocol::{FieldValue, Line, Parser, Problem, SeriesName, field_key, line_error, series};
use super::precision::Precision;

/// Resolves lines for the whole node.
pub(crate) struct Resolver {
    catalog: Arc<Catalog>,
    partitions: u32,
    cache: RwLock<Cache>,
}

/// What is new in a body, by the raw bytes of measurement and tags.
#[derive(Default)]
struct News<'a> {
    found: HashMap<&'a [u8], Novelty<'a>>,
    /// To be registered: whose field it is, and its sent key.
    wanted: Vec<(&'a [u8], &'a [u8], Series)>,
}

/// A series name that the cache did not know, or not with all its fields.
struct Novelty<'a> {
    entry: Entry,
    /// Keys of the fields that have been asked for.
    asked: Vec<&'a [u8]>,
    name: Result<SeriesName, Problem>,
    refused: Vec<(Box<[u8]>, Problem)>,
}

impl Resolver {
    /// A resolver with an empty cache.
    pub(crate) fn new(catalog: Arc<Catalog>, partitions: u32) -> Self {
        Self { catalog, partitions, cache: RwLock::default() }
    }

    /// Reads a whole body. Samples without a time get `now`, cut to the precision.
    ///
    /// # Errors
    /// When the catalog cannot register what is new: nothing has been stored then.
    pub(crate) async fn read(&self, body: &[u8], precision: Precision, now: i64) -> Result<Collected, JournalError> {
        let now = precision.truncate(now);
        let mut parser = Parser::new(body, precision);
        let mut collected = Collected::new(self.partitions);
        if !self.pass(body, &mut parser, None, now, &mut collected) {
            let news = self.learn(body, &parser, precision).await?;
            self.pass(body, &mut parser, Some(&news), now, &mut collected);
        }
        Ok(collected)
    }

    /// Turns lines into samples up to the first one that is new; `false` if there is one, where the parser then stands.
    /// With `news`, goes to the end.
    fn pass(
        &self,
        body: &[u8],
        parser: &mut Parser<'_>,
        news: Option<&HashMap<&[u8], Novelty<'_>>>,
        now: i64,
        out: &mut Collected,
    ) -> bool {
        let cache = self.cache.read();
        let mut ids = Vec::new();
        loop {
            let mark = parser.mark();
            let line = match parser.next_line() {
                None => return true,
                Some(Ok(line)) => line,
                Some(Err(error)) => {
                    out.refuse(error);
                    continue;
                }
            };
            let novelty = news.and_then(|news| news.get(line.series));
            let entry = novelty.map(|novelty| &novelty.entry).or_else(|| cache.get(line.series));
            let fit = entry.map_or(Fit::Unknown(0), |entry| entry.fit(&line, &mut ids));
            match (fit, entry) {
                (Fit::All, Some(entry)) => match check_texts(body, &line) {
                    Ok(()) => out.add(entry.partition, &line, &ids, line.time.unwrap_or(now)),
                    Err(problem) => out.refuse(line_error(body, line.number, line.start..line.end, problem)),
                },
                (Fit::Unknown(_), _) if news.is_none() => {
                    parser.resume(mark);
                    return false;
                }
                (fit, _) => {
                    let problem = self.problem(body, &line, fit, novelty);
                    out.refuse(line_error(body, line.number, line.start..line.end, problem));
                }
            }
        }
    }

    /// Why a line cannot be taken although everything has been tried.
    #[cold]
    fn problem(&self, body: &[u8], line: &Line<'_, '_>, fit: Fit, novelty: Option<&Novelty<'_>>) -> Problem {
        let at = |index: usize| place(body, line.fields[index].key);
        match fit {
            Fit::Clash(index, id, existing) => {
                let offered = line.fields[index].value.value_type();
                Problem::new(at(index), self.clash(id, existing, offered))
            }
            Fit::Unknown(index) => {
                let Some(novelty) = novelty else {
                    return Problem::new(line.start, "the series could not be registered");
                };
                if let Err(problem) = &novelty.name {
                    return Problem::new(line.start + problem.at, problem.reason.clone());
                }
                let refused = novelty.refused.iter().find(|(key, _)| **key == *line.fields[index].key);
                let reason = refused.map_or("the series could not be registered".into(), |(_, p)| p.reason.clone());
                Problem::new(at(index) + refused.map_or(0, |(_, p)| p.at), reason)
            }
            Fit::All => Problem::new(line.start, "the series could not be registered"),
        }
    }

    fn clash(&self, id: SeriesId, existing: tidemill_model::ValueType, offered: tidemill_model::ValueType) -> String {
        match self.catalog.series(id) {
            Some(series) => RegisterError::TypeClash { key: series.key.clone(), existing, offered }.to_string(),
            None => format!("the field has type {existing}, a value of type {offered} does not fit"),
        }
    }

    /// Registers everything that is new from where the parser stands, and remembers it.
    async fn learn<'a>(
        &self,
        body: &'a [u8],
        parser: &Parser<'_>,
        precision: Precision,
    ) -> Result<HashMap<&'a [u8], Novelty<'a>>, JournalError> {
        let News { mut found, wanted } = self.discover(body, parser.mark(), precision);
        let outcomes = self.catalog.register(wanted.iter().map(|(_, _, series)| series.clone()).collect()).await?;
        for ((raw, key, series), outcome) in wanted.into_iter().zip(outcomes) {
            let novelty = found.get_mut(raw).expect("every wanted series belongs to a novelty");
            let known = |value_type| KnownField { key: key.into(), id: series.id, value_type };
            match outcome {
                Ok(series) => novelty.entry.fields.push(known(series.value_type)),
                Err(RegisterError::TypeClash { existing, .. }) => novelty.entry.fields.push(known(existing)),
                Err(error) => novelty.refused.push((key.into(), Problem::new(0, error.to_string()))),
            }
        }
        let mut cache = self.cache.write();
        for novelty in found.values().filter(|novelty| novelty.name.is_ok()) {
            cache.insert(novelty.entry.clone());
        }
        Ok(found)
    }

    /// What the rest of a body has that the cache has not.
    fn discover<'a>(&self, body: &'a [u8], mark: (usize, u64), precision: Precision) -> News<'a> {
        let mut parser = Parser::new(body, precision);
        parser.resume(mark);
        let mut news = News::default();
        let cache = self.cache.read();
        while let Some(line) = parser.next_line() {
            let Ok(line) = line else { continue };
            let known = cache.get(line.series);
            let is_known = |key: &[u8]| known.is_some_and(|entry| entry.field(key, 0).is_some());
            if line.fields.iter().all(|field| is_known(field.key)) && !news.found.contains_key(line.series) {
                continue;
            }
            let novelty = news.found.entry(line.series).or_insert_with(|| self.novelty(line.series, known));
            for field in line.fields {
                if novelty.entry.field(field.key, 0).is_some() || novelty.asked.contains(&field.key) {
                    continue;
                }
                novelty.asked.push(field.key);
                match novelty.key(field.key) {
                    Ok(Some(key)) => {
                        news.wanted.push((line.series, field.key, Series::new(key, field.value.value_type())));
                    }
                    Ok(None) => {}
                    Err(problem) => novelty.refused.push((field.key.into(), problem)),
                }
            }
        }
        news
    }

    fn novelty<'a>(&self, raw: &'a [u8], known: Option<&Entry>) -> Novelty<'a> {
        let name = series(raw).and_then(|name| {
            SeriesKey::new(name.measurement.as_str(), "f", name.labels.clone())
                .map(|key| (name, key))
                .map_err(|error| Problem::new(0, error.to_string()))
        });
        let (name, partition) = match name {
            Ok((name, key)) => (Ok(name), (key.partition_hash() % u64::from(self.partitions)) as u32),
            Err(problem) => (Err(problem), 0),
        };
        let entry = known.cloned().unwrap_or_else(|| Entry::new(raw, partition));
        Novelty { entry, asked: Vec::new(), name, refused: Vec::new() }
    }
}

impl Novelty<'_> {
    /// The key of a field; `None` when the name itself is refused.
    fn key(&self, raw_field: &[u8]) -> Result<Option<SeriesKey>, Problem> {
        let Ok(name) = &self.name else { return Ok(None) };
        let field = field_key(raw_field)?;
        let key = SeriesKey::new(name.measurement.as_str(), field, name.labels.clone());
        key.map(Some).map_err(|error| Problem::new(0, error.to_string()))
    }
}

/// Index in `body` of `part`, which is a slice of it.
fn place(body: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(body.as_ptr() as usize)
}

/// All texts of a line must be UTF-8 before any of its samples is taken.
#[inline]
fn check_texts(body: &[u8], line: &Line<'_, '_>) -> Result<(), Problem> {
    for field in line.fields {
        if let FieldValue::Text(raw) = field.value
            && let Err(error) = std::str::from_utf8(raw)
        {
            return Err(Problem::new(place(body, raw) + error.valid_up_to(), "the string is not valid UTF-8"));
        }
    }
    Ok(())
}
