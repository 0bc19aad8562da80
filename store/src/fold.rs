//! The fold: applies the journal to a replica.

use std::sync::Arc;

use tidemill_journal::{ApplyError, Cursor, Fold};
use tidemill_model::{Offset, Record};

use crate::replica::Replica;

/// Applies records to a [`Replica`]; a follower drives it.
pub struct ReplicaFold {
    replica: Arc<Replica>,
}

impl ReplicaFold {
    pub(crate) fn new(replica: Arc<Replica>) -> Self {
        Self { replica }
    }
}

impl Fold for ReplicaFold {
    fn apply(&mut self, _partition: u32, _record: &Record) -> Result<Option<i64>, ApplyError> {
        Err(ApplyError::Halt(format!("replica {} cannot apply yet", self.replica.name())))
    }

    fn gap(&mut self, _partition: u32, _from: Offset, _to: Offset) -> Result<(), ApplyError> {
        Ok(())
    }

    fn commit(&mut self, _cursors: &[Cursor]) -> Result<(), ApplyError> {
        Ok(())
    }

    fn idle(&mut self, _cursors: &[Cursor], _stopping: bool) -> Result<(), ApplyError> {
        Ok(())
    }
}
