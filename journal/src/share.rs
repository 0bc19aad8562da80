//! Which partitions of a topic a node works on, where several nodes share the work.

use tokio::sync::watch;

/// What a member has been given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assignment {
    /// Grows with every change of who owns what, for all members alike; 0 until the first assignment. Of two members
    /// that believe to own a partition, the one with the greater generation is right.
    pub generation: u64,
    /// The partitions, ascending.
    pub partitions: Vec<u32>,
}

/// A member's part of the work. Dropping it gives the part to the others.
///
/// An owner MUST keep where it goes on together with its results, not here; and since a former owner may not have
/// heard yet that it is one, its results must be told from those of the new owner, by generation.
pub struct Share {
    assignments: watch::Receiver<Assignment>,
    _leave: Box<dyn Send + Sync>,
}

impl Share {
    /// All of `partitions` partitions, for good: where nobody else is there to share with.
    pub fn all(partitions: u32) -> Self {
        let (sender, assignments) = watch::channel(Assignment { generation: 1, partitions: (0..partitions).collect() });
        Self { assignments, _leave: Box::new(sender) }
    }

    /// A part that changes, until `leave` is dropped.
    pub fn changing(assignments: watch::Receiver<Assignment>, leave: impl Send + Sync + 'static) -> Self {
        Self { assignments, _leave: Box::new(leave) }
    }

    /// The present assignment, and every change of it.
    pub fn assignments(&self) -> watch::Receiver<Assignment> {
        self.assignments.clone()
    }
}
