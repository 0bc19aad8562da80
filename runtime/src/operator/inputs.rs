//! Which group and port the rows of a record belong to.
//!
//! Invariants: groups have dense numbers in order of first appearance in the journal, and checkpoints keep them, so that
//! a re-run numbers them the same way; a series' place never changes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use tidemill_journal::{ApplyError, Catalog, ErrorKind, JournalError};
use tidemill_model::payload::{DeleteRange, Heartbeat, SamplesView};
use tidemill_model::{Record, RecordKind, Series, SeriesId, TimeRange};

use crate::operator::bytes::{Bytes, Damaged};
use crate::operator::homes::{Homes, Stray};
use crate::operator::spec::Spec;
use crate::operator::wait::block_on;

/// Rows of a record whose route is not worth remembering.
const SMALL_ROWS: usize = 32;

/// Where the rows of a series go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// The group; [`Target::NONE`] has the largest number, which no group has.
    pub(crate) group: u32,
    pub(crate) port: u32,
    /// Index of the series among the group's members.
    pub(crate) member: u32,
}

impl Target {
    /// The series is no input.
    pub(crate) const NONE: Target = Target { group: u32::MAX, port: 0, member: 0 };

    pub(crate) fn is_input(self) -> bool {
        self.group != u32::MAX
    }
}

/// A series in a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) series: Arc<Series>,
    pub(crate) port: u32,
}

/// What a record means to an operator.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// Nothing.
    Nothing,
    /// Rows, and where the rows of every run of every column go, in their order.
    Samples(SamplesView<'a>, Arc<[Target]>),
    /// Nothing older than this waits at the writer.
    Heartbeat(i64),
}

/// Series ids are hashes already.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only ids are hashed");
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Where the runs of a record went. Records of the same source often have the same series in the same order.
#[derive(Default)]
struct Route {
    /// The series of all runs, as records hold them.
    series: Vec<u8>,
    targets: Arc<[Target]>,
    /// Whether any of them is an input.
    any: bool,
}

impl Route {
    fn fits(&self, view: &SamplesView<'_>) -> bool {
        let mut columns = view.columns().iter();
        let rest = columns.try_fold(&self.series[..], |rest, column| rest.strip_prefix(column.series().as_flattened()));
        rest.is_some_and(<[u8]>::is_empty)
    }
}

/// The inputs of one instance of an operator.
pub(crate) struct Inputs {
    spec: Arc<Spec>,
    catalog: Arc<Catalog>,
    targets: HashMap<u64, Target, BuildHasherDefault<IdHasher>>,
    /// That of the last record: a series' place never changes.
    route: Route,
    groups: Vec<Vec<Member>>,
    by_labels: HashMap<Vec<String>, u32>,
    homes: Option<Homes>,
    /// Series that were not taken, because their groups live in other partitions; not yet reported.
    strays: Vec<Stray>,
    /// Group and index of the members that no checkpoint has.
    new: Vec<(u32, u32)>,
}

impl Inputs {
    /// The inputs of an operator on a journal of so many partitions.
    pub(crate) fn new(spec: Arc<Spec>, catalog: Arc<Catalog>, partitions: u32) -> Self {
        Self {
            homes: Homes::of(&spec, partitions),
            strays: Vec::new(),
            spec,
            catalog,
            targets: HashMap::default(),
            route: Route::default(),
            groups: Vec::new(),
            by_labels: HashMap::new(),
            new: Vec::new(),
        }
    }

    /// Where series are looked up.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The members of every group.
    pub(crate) fn groups(&self) -> &[Vec<Member>] {
        &self.groups
    }

    /// The series that were not taken since the last call, because their groups live in other partitions.
    pub(crate) fn take_strays(&mut self) -> Vec<Stray> {
        std::mem::take(&mut self.strays)
    }

    /// What `record` means. New series are looked up in the catalog and given a place.
    pub(crate) fn read<'a>(&mut self, record: &'a Record) -> Result<Event<'a>, ApplyError> {
        let malformed = |error: tidemill_model::payload::PayloadError| ApplyError::Refused(error.to_string());
        match record.kind() {
            Some(RecordKind::Samples) => {
                let view = SamplesView::parse(&record.payload).map_err(malformed)?;
                if !self.route.fits(&view) {
                    // Small records that are nothing to the operator, such as outputs of others, leave a large one's route alone.
                    if view.len() <= SMALL_ROWS && self.is_foreign(&view) {
                        return Ok(Event::Nothing);
                    }
                    self.route = self.find_route(&view)?;
                }
                Ok(if self.route.any { Event::Samples(view, self.route.targets.clone()) } else { Event::Nothing })
            }
            Some(RecordKind::Heartbeat) => {
                Ok(Event::Heartbeat(Heartbeat::parse(&record.payload).map_err(malformed)?.time))
            }
            _ => Ok(Event::Nothing),
        }
    }

    /// Which inputs a record of deletions is about, and which times. Series without a place have had no rows here.
    pub(crate) fn deleted(&self, record: &Record) -> Result<Option<(Vec<Target>, TimeRange)>, ApplyError> {
        let delete = DeleteRange::parse(&record.payload).map_err(|error| ApplyError::Refused(error.to_string()))?;
        let places = delete.series.iter().filter_map(|id| self.targets.get(id).copied());
        let targets: Vec<_> = places.filter(|target| target.is_input()).collect();
        Ok((!targets.is_empty()).then(|| (targets, TimeRange::new(delete.start, delete.end))))
    }

    /// Whether no series of a record is an input, as far as that is known.
    fn is_foreign(&self, view: &SamplesView<'_>) -> bool {
        let is_foreign =
            |id: &[u8; 8]| self.targets.get(&u64::from_le_bytes(*id)).is_some_and(|target| !target.is_input());
        view.columns().iter().all(|column| column.series().iter().all(is_foreign))
    }

    fn find_route(&mut self, view: &SamplesView<'_>) -> Result<Route, ApplyError> {
        let (mut targets, mut series) = (Vec::new(), Vec::new());
        for column in view.columns() {
            series.extend_from_slice(column.series().as_flattened());
            for id in column.series() {
                let id = u64::from_le_bytes(*id);
                let target = match self.targets.get(&id) {
                    Some(target) => *target,
                    None => self.resolve(SeriesId(id))?,
                };
                targets.push(target);
            }
        }
        let any = targets.iter().any(|target| target.is_input());
        Ok(Route { series, targets: targets.into(), any })
    }

    /// Gives a series that is met for the first time its place.
    fn resolve(&mut self, id: SeriesId) -> Result<Target, ApplyError> {
        let series = block_on(self.catalog.series_or_refresh(id)).map_err(of_journal)?;
        let series = series.ok_or_else(|| ApplyError::Refused(format!("series {id} is not in the catalog")))?;
        Ok(match self.spec.port_of(&series.key, series.value_type) {
            Some(port) => self.place(series, port),
            None => {
                self.targets.insert(id.0, Target::NONE);
                Target::NONE
            }
        })
    }

    fn place(&mut self, series: Arc<Series>, port: u32) -> Target {
        let id = series.id.0;
        let next = self.groups.len() as u32;
        let group = match &self.spec.group_by {
            None => Some(next),
            Some(_) => self.home_of(&series).map(|labels| *self.by_labels.entry(labels).or_insert(next)),
        };
        let target = match group {
            None => Target::NONE,
            Some(group) => {
                if group == next {
                    self.groups.push(Vec::new());
                }
                let members = &mut self.groups[group as usize];
                members.push(Member { series, port });
                let member = members.len() as u32 - 1;
                self.new.push((group, member));
                Target { group, port, member }
            }
        };
        self.targets.insert(id, target);
        target
    }

    /// The labels of the group that a series belongs to here.
    fn home_of(&mut self, series: &Arc<Series>) -> Option<Vec<String>> {
        let labels = self.spec.group_of(&series.key)?;
        if let Some(homes) = &mut self.homes {
            homes.refresh(&self.spec, &self.catalog);
            let stray = homes.stray(&labels, series);
            if stray.is_some() {
                self.strays.extend(stray);
                return None;
            }
        }
        Some(labels)
    }

    /// The places of all members, or of those that are new since the last call: per member `group u32 | series u64 | input
    /// port u32`. Groups begin in the order of their numbers, a group's members stand in their order.
    pub(crate) fn encode(&mut self, all: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut push = |group: u32, member: &Member| {
            out.extend_from_slice(&group.to_le_bytes());
            out.extend_from_slice(&member.series.id.0.to_le_bytes());
            out.extend_from_slice(&member.port.to_le_bytes());
        };
        let new = std::mem::take(&mut self.new);
        if all {
            let groups = (0..).zip(&self.groups);
            groups.for_each(|(group, members)| members.iter().for_each(|member| push(group, member)));
        } else {
            new.iter().for_each(|(group, member)| push(*group, &self.groups[*group as usize][*member as usize]));
        }
        out
    }

    /// Reads what [`Inputs::encode`] wrote, all of it. If another version of the plugin did (`is_other`), its ports may have other
    /// numbers.
    pub(crate) fn decode(&mut self, bytes: &mut Bytes<'_>, is_other: bool) -> Result<(), Damaged> {
        while !bytes.is_empty() {
            let (group, id, port) = (bytes.u32()?, bytes.u64()?, bytes.u32()?);
            let series = self.catalog.series(SeriesId(id)).ok_or(Damaged("a series that the catalog does not have"))?;
            let port = match is_other {
                true => self.spec.port_of(&series.key, series.value_type),
                false => Some(port).filter(|port| (*port as usize) < self.spec.inputs.len()),
            };
            let port = port.ok_or(Damaged("a series for an input port that the plugin does not have"))?;
            if group as usize == self.groups.len() {
                if self.spec.group_by.is_some() {
                    let labels = self.spec.group_of(&series.key).ok_or(Damaged("a group without its labels"))?;
                    self.by_labels.insert(labels, group);
                }
                self.groups.push(Vec::new());
            }
            let members = self.groups.get_mut(group as usize).ok_or(Damaged("a group out of order"))?;
            self.targets.insert(id, Target { group, port, member: members.len() as u32 });
            members.push(Member { series, port });
        }
        Ok(())
    }
}

/// What a follower does about an error of the journal.
pub(crate) fn of_journal(error: JournalError) -> ApplyError {
    match error.kind() {
        // Outputs that are appended twice are dropped by whoever reads them.
        ErrorKind::Retry | ErrorKind::Unknown => ApplyError::Retry(error.to_string()),
        _ => ApplyError::Halt(error.to_string()),
    }
}
