//! The node's side: a journal, for other nodes.
//!
//! Every request names the journal that is meant, and a node with another one refuses: a client never gets records of
//! two journals, whoever has taken over an address.

mod append;
mod read;
mod sessions;

pub(crate) use read::IDLE;
pub(crate) use sessions::WINDOW;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use tidemill_api::journal::v1::{self, append_request, journal_server};
use tidemill_journal::{Journal, JournalError, TopicConfig, TopicPartition};
use tidemill_model::Offset;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use self::append::AppendStream;
use self::read::{ReadStream, Then};
use self::sessions::Sessions;
use crate::error::status_of;
use crate::wire::{MESSAGE_BYTES_MAX, PART_BYTES, bounds_to, identity_from, identity_to, topic_from, topic_to};

/// Longest name of a follower that holds records.
const FOLLOWER_BYTES_MAX: usize = 256;
/// Holds that this node takes from others between two restarts.
const HOLDS_MAX: usize = 4096;

/// What other nodes may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read, and hold what they still need.
    Read,
    /// Also append, create topics and trim.
    Append,
}

/// What is mounted into an HTTP/2 server, at [`PATH`].
pub type Service = journal_server::JournalServer<JournalService>;

/// Where the service is, as a route with everything below it.
pub const PATH: &str = "/tidemill.journal.v1.Journal/{method}";

/// A journal, for other nodes.
pub struct JournalService {
    journal: Arc<dyn Journal>,
    access: Access,
    sessions: Sessions,
    /// Who holds what, so that nobody can make up names for ever.
    holds: Mutex<HashSet<(TopicPartition, String)>>,
    version: &'static str,
    stop: watch::Receiver<bool>,
}

impl JournalService {
    /// The service for `journal`, of a program of this version. When `stop` turns true, streams end with a status
    /// that lets clients connect again.
    pub fn mount(
        journal: Arc<dyn Journal>,
        access: Access,
        version: &'static str,
        stop: watch::Receiver<bool>,
    ) -> Service {
        let (sessions, holds) = (Sessions::default(), Mutex::default());
        let service = Self { journal, access, sessions, holds, version, stop };
        journal_server::JournalServer::new(service)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Checks that the journal that is meant is this one.
    fn check(&self, expected: Option<v1::Identity>) -> Result<(), Status> {
        let expected = expected.ok_or_else(|| Status::invalid_argument("the request does not name a journal"))?;
        let (expected, found) = (identity_from(expected), self.journal.identity());
        if expected == found {
            return Ok(());
        }
        let remedy = "point the client at the node that has it, or start it with an empty data directory".to_owned();
        Err(status_of(&JournalError::WrongJournal { place: "this node".to_owned(), found, expected, remedy }))
    }

    fn partition(&self, target: Option<v1::Target>) -> Result<TopicPartition, Status> {
        let target = target.ok_or_else(|| Status::invalid_argument("the request does not name a partition"))?;
        self.check(target.journal)?;
        Ok(TopicPartition { topic: target.topic, partition: target.partition })
    }

    fn check_append(&self) -> Result<(), Status> {
        if self.access == Access::Append {
            return Ok(());
        }
        let reason = "this node lets others only read its journal: start it with --grpc append".to_owned();
        Err(status_of(&JournalError::Invalid { reason }))
    }

    /// Where others may only read, a topic that is there as it should be is as good as created.
    async fn create_topic(&self, topic: TopicConfig) -> Result<(), Status> {
        if self.access == Access::Read {
            let topics = self.journal.topics().await.map_err(|error| status_of(&error))?;
            let there = topics.iter().find(|there| there.name == topic.name);
            return match there.map(|there| there.accept(&topic)) {
                Some(Ok(false)) => Ok(()),
                Some(Err(error)) => Err(status_of(&error)),
                Some(Ok(true)) | None => self.check_append(),
            };
        }
        self.journal.create(topic).await.map_err(|error| status_of(&error))
    }
}

/// Resolves when `stop` turns true, or when nobody is left to turn it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn leaving() -> Status {
    Status::unavailable("the node is stopping: connect again")
}

fn answer<T>(result: Result<T, JournalError>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|error| status_of(&error))
}

#[tonic::async_trait]
impl journal_server::Journal for JournalService {
    type AppendStream = BoxStream<'static, Result<v1::AppendResponse, Status>>;
    type ReadStream = BoxStream<'static, Result<v1::ReadResponse, Status>>;

    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeResponse>, Status> {
        Ok(Response::new(v1::DescribeResponse {
            journal: Some(identity_to(self.journal.identity())),
            version: self.version.to_owned(),
            can_append: self.access == Access::Append,
        }))
    }

    async fn topics(&self, request: Request<v1::TopicsRequest>) -> Result<Response<v1::TopicsResponse>, Status> {
        self.check(request.into_inner().journal)?;
        let topics = self.journal.topics().await;
        answer(topics.map(|topics| v1::TopicsResponse { topics: topics.iter().map(topic_to).collect() }))
    }

    async fn create(&self, request: Request<v1::CreateRequest>) -> Result<Response<v1::CreateResponse>, Status> {
        let v1::CreateRequest { journal, topic } = request.into_inner();
        self.check(journal)?;
        let topic = topic.ok_or_else(|| Status::invalid_argument("the request does not name a topic"))?;
        self.create_topic(topic_from(topic)).await?;
        Ok(Response::new(v1::CreateResponse {}))
    }

    async fn append(
        &self,
        request: Request<Streaming<v1::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let mut inbound = request.into_inner();
        let first = inbound.message().await?.and_then(|message| message.what);
        let Some(append_request::What::Open(open)) = first else {
            return Err(Status::invalid_argument("the first message of an append stream opens a session"));
        };
        self.check(open.journal)?;
        self.check_append()?;
        let session = (open.session, open.attempt);
        let stream = AppendStream::open(self.journal.clone(), &self.sessions, session, inbound, self.stop.clone());
        let stream = stream.map_err(|error| status_of(&error))?;
        let answers = stream::unfold(stream, |mut stream| async move { Some((stream.next().await?, stream)) });
        Ok(Response::new(answers.boxed()))
    }

    async fn read(&self, request: Request<v1::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let request = request.into_inner();
        let stream = ReadStream {
            journal: self.journal.clone(),
            at: self.partition(request.at)?,
            next: Offset(request.from),
            bytes: usize::try_from(request.message_bytes).unwrap_or(usize::MAX).min(PART_BYTES),
            wait: Duration::from_millis(request.wait_ms).min(IDLE),
            then: if request.is_following { Then::Follow } else { Then::OneMessage },
            stop: self.stop.clone(),
        };
        let messages = async move |mut stream: ReadStream| Some((stream.next().await?, stream));
        Ok(Response::new(stream::unfold(stream, messages).boxed()))
    }

    async fn bounds(&self, request: Request<v1::BoundsRequest>) -> Result<Response<v1::BoundsResponse>, Status> {
        let at = self.partition(request.into_inner().at)?;
        answer(self.journal.bounds(&at).await.map(|bounds| bounds_to(&bounds)))
    }

    async fn find(&self, request: Request<v1::FindRequest>) -> Result<Response<v1::FindResponse>, Status> {
        let v1::FindRequest { at, ingest_time } = request.into_inner();
        let at = self.partition(at)?;
        answer(self.journal.find(&at, ingest_time).await.map(|offset| v1::FindResponse { offset: offset.0 }))
    }

    async fn trim(&self, request: Request<v1::TrimRequest>) -> Result<Response<v1::TrimResponse>, Status> {
        let v1::TrimRequest { at, before } = request.into_inner();
        let at = self.partition(at)?;
        self.check_append()?;
        answer(self.journal.trim(&at, Offset(before)).await.map(|()| v1::TrimResponse {}))
    }

    async fn hold(&self, request: Request<v1::HoldRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        let v1::HoldRequest { at, follower, from } = request.into_inner();
        let at = self.partition(at)?;
        if follower.is_empty() || follower.len() > FOLLOWER_BYTES_MAX {
            let reason = format!("the name of a follower has 1 to {FOLLOWER_BYTES_MAX} bytes, not {}", follower.len());
            return answer(Err(JournalError::Invalid { reason }));
        }
        let holder = (at.clone(), follower.clone());
        {
            let mut holds = self.holds.lock();
            if from.is_none() {
                holds.remove(&holder);
            } else if holds.len() < HOLDS_MAX {
                holds.insert(holder);
            } else if !holds.contains(&holder) {
                return answer(Err(JournalError::Full { reason: format!("{HOLDS_MAX} followers hold records") }));
            }
        }
        self.journal.hold(&at, &follower, from.map(Offset));
        Ok(Response::new(v1::HoldResponse {}))
    }
}
