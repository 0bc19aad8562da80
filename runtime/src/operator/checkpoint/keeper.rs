//! Hands frames to a thread that writes them, and gives back what was captured last.
//!
//! Invariants: frames are written in the order in which they were handed over, and at most one is under way; a frame that
//! could not be written is kept until a base is durable, so file and kept frames together are always what was captured
//! last. After a failure only a base is taken.

use std::sync::Arc;

use tidemill_journal::Env;
use tidemill_journal::env::Task;
use tidemill_model::Offset;
use tokio::sync::{mpsc, oneshot};

use super::file::End;
use super::frame::Identity;
use super::{CheckpointError, CheckpointFile, Frame, Saved};
use crate::operator::spec::Spec;
use crate::operator::wait::block_on;

/// A frame, and where to say what became of it.
type Job = (Arc<Frame>, oneshot::Sender<Result<(), String>>);

/// The other end of a [`Job`].
type UnderWay = (Arc<Frame>, oneshot::Receiver<Result<(), String>>);

/// What became of a frame.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is durable; whatever is before these offsets, one per partition, never has to be read again.
    Durable(Vec<Offset>),
    /// It could not be written.
    Failed(String),
}

/// Keeps the checkpoints of one instance of an operator.
pub(crate) struct Keeper {
    file: CheckpointFile,
    identity: Identity,
    env: Arc<dyn Env>,
    /// The thread that writes, once there is one.
    writer: Option<(mpsc::UnboundedSender<Job>, Task)>,
    under_way: Option<UnderWay>,
    /// What became of a frame, when nobody has asked yet.
    untold: Option<Outcome>,
    /// What could not be written.
    unwritten: Vec<Arc<Frame>>,
    /// The end of the file as it was opened.
    end: Option<End>,
    has_base: bool,
}

impl Keeper {
    /// Opens the file. Returns what it holds.
    ///
    /// # Errors
    /// When the file is damaged or of another operator.
    pub(crate) fn open(
        file: CheckpointFile,
        spec: &Spec,
        env: Arc<dyn Env>,
    ) -> Result<(Self, Option<Saved>), CheckpointError> {
        let identity = Identity::new(spec, file.partition);
        let loaded = file.load(&identity)?;
        let end = loaded.as_ref().map(|loaded| loaded.end);
        let (writer, under_way, untold, unwritten) = (None, None, None, Vec::new());
        let keeper = Self { file, identity, env, writer, under_way, untold, unwritten, has_base: end.is_some(), end };
        Ok((keeper, loaded.map(|loaded| loaded.saved)))
    }

    /// Whether the file was not there when it was opened.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.has_base
    }

    /// An error about the file.
    pub(crate) fn error(&self, reason: impl ToString) -> CheckpointError {
        self.file.error(reason)
    }

    /// Whether the next frame has to stand alone.
    pub(crate) fn wants_base(&self) -> bool {
        !self.has_base || !self.unwritten.is_empty()
    }

    /// Whether a frame is being written.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Hands a frame over to be written.
    ///
    /// # Panics
    /// When another one is being written, or this one does not stand alone although it has to.
    pub(crate) fn write(&mut self, frame: Frame) {
        assert!(!self.is_busy() && (frame.is_base || !self.wants_base()), "frames come one at a time and in order");
        self.has_base = true;
        let frame = Arc::new(frame);
        let (done, outcome) = oneshot::channel();
        if self.writer.is_none() {
            self.writer = Some(self.start());
        }
        if let Some((jobs, _)) = &self.writer {
            // A thread that is gone drops `done`, which the outcome tells of.
            let _ = jobs.send((frame.clone(), done));
        }
        self.under_way = Some((frame, outcome));
    }

    fn start(&self) -> (mpsc::UnboundedSender<Job>, Task) {
        let (jobs, mut arrivals) = mpsc::unbounded_channel::<Job>();
        let (file, identity, mut end) = (self.file.clone(), self.identity.clone(), self.end);
        let run = async move {
            while let Some((frame, done)) = arrivals.recv().await {
                // Nobody may be waiting any more; that is fine.
                let _ = done.send(write(&file, &identity, &mut end, &frame));
            }
        };
        (jobs, self.env.spawn_thread("checkpoints", Box::pin(run)))
    }

    /// What became of the frame that was being written, if that is known by now.
    pub(crate) fn poll(&mut self) -> Option<Outcome> {
        if self.untold.is_some() {
            return self.untold.take();
        }
        let (_, outcome) = self.under_way.as_mut()?;
        let result = match outcome.try_recv() {
            Ok(result) => result,
            Err(oneshot::error::TryRecvError::Empty) => return None,
            Err(oneshot::error::TryRecvError::Closed) => Err("the thread that writes is gone".into()),
        };
        self.settle(result)
    }

    /// Waits for the frame that is being written.
    pub(crate) fn wait(&mut self) -> Option<Outcome> {
        let (_, outcome) = self.under_way.as_mut()?;
        let result = block_on(outcome).unwrap_or_else(|_| Err("the thread that writes is gone".into()));
        self.settle(result)
    }

    fn settle(&mut self, result: Result<(), String>) -> Option<Outcome> {
        let (frame, _) = self.under_way.take()?;
        if result.is_ok() || frame.is_base {
            self.unwritten.clear();
        }
        Some(match result {
            Ok(()) => Outcome::Durable(frame.next.clone()),
            Err(reason) => {
                self.unwritten.push(frame);
                Outcome::Failed(reason)
            }
        })
    }

    /// What was captured last, from the file and from what could not be written; `None` if nothing ever was. Waits for the
    /// frame that is being written.
    pub(crate) fn recall(&mut self) -> Result<Option<Saved>, CheckpointError> {
        if let Some(outcome) = self.wait() {
            self.untold = Some(outcome);
        }
        let mut saved = match self.unwritten.first() {
            Some(frame) if frame.is_base => Some(Saved::default()),
            _ => self.file.load(&self.identity)?.map(|loaded| loaded.saved),
        };
        for frame in &self.unwritten {
            saved.get_or_insert_default().apply(frame);
        }
        Ok(saved)
    }
}

impl Drop for Keeper {
    /// Waits for the thread: nobody else may write to the file before it is gone.
    fn drop(&mut self) {
        if let Some((jobs, task)) = self.writer.take() {
            drop(jobs);
            block_on(task.join());
        }
    }
}

/// Makes a frame durable. After a failure the file is as long as it was, or the next append cuts it.
fn write(file: &CheckpointFile, identity: &Identity, end: &mut Option<End>, frame: &Frame) -> Result<(), String> {
    let written = match *end {
        _ if frame.is_base => file.write_base(identity, frame),
        Some(end) => file.append(end, frame),
        None => return Err("there is no base to append to".into()),
    };
    let new = written.map_err(|error| error.to_string())?;
    *end = Some(new);
    match file.merge_if_due(identity, new) {
        Ok(merged) => *end = Some(merged),
        Err(reason) => {
            tracing::warn!(reason, "cannot merge the deltas of a checkpoint");
            // The file is good, but it may be the old or the new one: only a base may follow.
            *end = None;
        }
    }
    Ok(())
}
