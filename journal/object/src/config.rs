//! What a journal is opened with: settings of our own, and where they come from.

use std::time::Duration;

use tidemill_journal::JournalError;
use tidemill_model::JournalIdentity;

use crate::objects::RUN_PAGES;
use crate::page::PIPELINE_MAX;

/// What opening a journal may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Opening {
    /// Open the one that is there, or make one where nothing is.
    #[default]
    Create,
    /// Open the one that is there.
    Existing,
    /// The same, to look at it: nothing is written, so the store is not tried out either.
    Read,
}

/// Settings of an object journal. [`Settings::set`] takes them by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long an append waits for others to share its page: every page is a PUT. `linger_ms`.
    pub linger: Duration,
    /// A page is created at once when this many bytes wait. `page_bytes`.
    pub page_bytes: u64,
    /// Pages a writer creates at the same time, 1 to 8. `pipeline`.
    pub pipeline: u64,
    /// Verified pages kept in memory, per partition. `cache_bytes`.
    pub cache_bytes: usize,
    /// How soon a reader that waits at the tail looks for pages of other processes; doubles up to `poll_max`.
    /// `poll_min_ms`.
    pub poll_min: Duration,
    /// See `poll_min`. `poll_max_ms`.
    pub poll_max: Duration,
    /// How long requests are tried again, and how long an append waits to be sent, before the caller hears of it.
    /// `patience_ms`.
    pub patience: Duration,
    /// An answer counts only together with a look at the boundary that is no older than this. `request_max_ms`.
    pub request_max: Duration,
    /// How long after writing a boundary what lies below it is deleted: more than `request_max`. `grace_ms`.
    pub grace: Duration,
    /// How often retention and compaction look. `maintenance_ms`.
    pub maintenance: Duration,
    /// Who was beaten to a page asks for the lease, which is good for this long. `lease_ms`.
    pub lease: Duration,
    /// Pages that a segment covers, for a new journal; an existing one keeps its own. `run_pages`.
    pub run_pages: u32,
    /// What opening may do: `create`, `existing` or `read`. `open`.
    pub opening: Opening,
    /// Refuse any other journal than this one. `journal`.
    pub expected: Option<JournalIdentity>,
}

impl Settings {
    /// For a store across a network, where a PUT costs money and tens of milliseconds.
    pub fn remote() -> Self {
        Self {
            linger: Duration::from_millis(50),
            page_bytes: 8 << 20,
            pipeline: 4,
            cache_bytes: 64 << 20,
            poll_min: Duration::from_millis(25),
            poll_max: Duration::from_millis(500),
            patience: Duration::from_secs(30),
            request_max: Duration::from_secs(30),
            grace: Duration::from_secs(90),
            maintenance: Duration::from_secs(60),
            lease: Duration::from_secs(10),
            run_pages: 1024,
            opening: Opening::Create,
            expected: None,
        }
    }

    /// For files and memory, where a page costs next to nothing.
    pub fn local() -> Self {
        Self { linger: Duration::ZERO, pipeline: 2, poll_min: Duration::from_millis(2), ..Self::remote() }
    }

    /// Sets `name`; `false` if there is no such setting.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for a value that cannot be.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, JournalError> {
        let number = || value.parse::<u64>().map_err(|_| invalid(format!("{name} is a whole number, not {value:?}")));
        let ms = || number().map(Duration::from_millis);
        match name {
            "linger_ms" => self.linger = ms()?,
            "page_bytes" => self.page_bytes = number()?,
            "pipeline" => self.pipeline = number()?,
            "cache_bytes" => self.cache_bytes = usize::try_from(number()?).unwrap_or(usize::MAX),
            "poll_min_ms" => self.poll_min = ms()?,
            "poll_max_ms" => self.poll_max = ms()?,
            "patience_ms" => self.patience = ms()?,
            "request_max_ms" => self.request_max = ms()?,
            "grace_ms" => self.grace = ms()?,
            "maintenance_ms" => self.maintenance = ms()?,
            "lease_ms" => self.lease = ms()?,
            "run_pages" => self.run_pages = u32::try_from(number()?).unwrap_or(u32::MAX),
            "open" => self.opening = opening(value)?,
            "journal" => self.expected = Some(identity(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks ranges and what settings demand of each other.
    ///
    /// # Errors
    /// [`JournalError::Invalid`].
    pub fn check(&self) -> Result<(), JournalError> {
        let is_none = Duration::is_zero;
        let complaint = if !(1..=PIPELINE_MAX).contains(&self.pipeline) {
            format!("pipeline is 1 to {PIPELINE_MAX}, not {}", self.pipeline)
        } else if !(1 << 10..=64 << 20).contains(&self.page_bytes) {
            format!("page_bytes is 1024 to {}, not {}", 64 << 20, self.page_bytes)
        } else if !RUN_PAGES.contains(&self.run_pages) {
            format!("run_pages is {} to {}, not {}", RUN_PAGES.start(), RUN_PAGES.end(), self.run_pages)
        } else if self.grace <= self.request_max {
            "grace_ms must be more than request_max_ms".to_owned()
        } else if is_none(&self.poll_min) || is_none(&self.maintenance) || self.poll_max < self.poll_min {
            "poll_min_ms and maintenance_ms must be at least 1, and poll_max_ms not below poll_min_ms".to_owned()
        } else {
            return Ok(());
        };
        Err(invalid(complaint))
    }
}

fn opening(text: &str) -> Result<Opening, JournalError> {
    match text {
        "create" => Ok(Opening::Create),
        "existing" => Ok(Opening::Existing),
        "read" => Ok(Opening::Read),
        _ => Err(invalid(format!("open is create, existing or read, not {text:?}"))),
    }
}

fn identity(text: &str) -> Result<JournalIdentity, JournalError> {
    let parsed = text.split_at_checked(16).and_then(|(id, generation)| {
        let id = u64::from_str_radix(id, 16).ok()?;
        let generation = (generation.len() == 8).then(|| u32::from_str_radix(generation, 16).ok()).flatten()?;
        Some(JournalIdentity { id, generation })
    });
    parsed.ok_or_else(|| invalid(format!("journal is 24 hexadecimal digits, not {text:?}")))
}

pub(crate) fn invalid(reason: impl Into<String>) -> JournalError {
    JournalError::Invalid { reason: reason.into() }
}
