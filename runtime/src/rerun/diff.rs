//! How the outputs of a shadow differ from those of the present version.

use std::sync::Arc;

use serde::Serialize;
use tidemill_journal::{TOPIC_DATA, TOPIC_SHADOW};
use tidemill_model::TimeRange;

use super::Comparison;
use crate::error::DeployError;
use crate::operator::status::OperatorStatus;
use crate::runtime::Runtime;
use crate::versions::shadow_name;

/// The outputs of two versions beside each other: `first` is the present one, `second` the shadow.
#[derive(Debug, Serialize)]
pub struct DiffReport {
    /// The present version.
    pub present: OperatorStatus,
    /// The shadow.
    pub shadow: OperatorStatus,
    /// How their samples in the range differ.
    pub samples: Comparison,
}

impl Runtime {
    /// Compares what an operator and its shadow have put out for source times in `range`.
    ///
    /// # Errors
    /// When there is no shadow, or the range holds too many samples.
    pub async fn diff(self: &Arc<Self>, name: &str, range: TimeRange) -> Result<DiffReport, DeployError> {
        let no_shadow = || DeployError::NotFound { reason: format!("operator {name} has no shadow: start one first") };
        let present = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        let shadow = self.definition(&shadow_name(name)).ok_or_else(no_shadow)?;
        let first = self.producers_of(&present)?.into_iter().collect();
        let second = self.producers_of(&shadow)?.into_iter().collect();
        let first = self.written(TOPIC_DATA, &first, range, |_, _| true).await?;
        let second = self.written(TOPIC_SHADOW, &second, range, |_, _| true).await?;
        Ok(DiffReport {
            present: self.status_of(name)?,
            shadow: self.status_of(&shadow.name)?,
            samples: Comparison::of(&first, &second, &self.around.catalog),
        })
    }
}
