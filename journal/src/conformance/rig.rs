//! What a backend brings to the suite: a way to make journals, and the few things that the seam does not offer.
//!
//! Every hook has a default that says "this cannot be done here"; the suite then checks what can be checked without it
//! and [`run_all`](super::run_all) names the property. A closure that makes journals is a rig without hooks.

use std::future::ready;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use tidemill_model::JournalIdentity;

use super::Shape;
use crate::{Journal, TopicPartition};

/// Makes journals of one backend for the suite. A hook is told which journal is meant by its identity.
pub trait Rig {
    /// Makes a new, empty journal.
    fn make(&self, shape: Shape) -> BoxFuture<'static, Arc<dyn Journal>>;

    /// Opens a journal that the suite has closed; `None` where that cannot be done.
    fn reopen(&self, _journal: JournalIdentity) -> BoxFuture<'static, Option<Arc<dyn Journal>>> {
        ready(None).boxed()
    }

    /// Makes compaction of a partition run now, over all that it may touch, and waits for its end; `false` where that
    /// cannot be forced. Time must not pass in it: what was deleted a day ago may go for good.
    fn compact(&self, _journal: JournalIdentity, _at: &TopicPartition) -> BoxFuture<'static, bool> {
        ready(false).boxed()
    }

    /// Makes retention run now and waits for its end; `false` where that cannot be forced.
    fn retain(&self, _journal: JournalIdentity) -> BoxFuture<'static, bool> {
        ready(false).boxed()
    }

    /// Whether [`Journal::hold`] keeps records. Not where a broker decides on retention.
    fn can_hold(&self) -> bool {
        false
    }
}

impl<F: Fn(Shape) -> BoxFuture<'static, Arc<dyn Journal>>> Rig for F {
    fn make(&self, shape: Shape) -> BoxFuture<'static, Arc<dyn Journal>> {
        self(shape)
    }
}
