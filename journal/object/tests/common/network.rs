//! An object store behind a bad network. The store itself is right; what happens on the way is not:
//! answers and requests take their time and overtake each other, get lost, are refused although nothing is wrong
//! (503), or are answered with a conflict that is none (409). A request that was given up may still arrive.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::oneshot;

use super::world::{NETWORK, World};

/// How bad it is, in percent of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) lost_request: u64,
    pub(crate) lost_answer: u64,
    pub(crate) throttled: u64,
    pub(crate) false_conflict: u64,
    /// Requests that arrive after their sender gave up.
    pub(crate) late: u64,
    pub(crate) delay_max_ms: u64,
}

impl Weather {
    /// A random part of all faults.
    pub(crate) fn random(world: &World) -> Self {
        let some = |most| if world.chance(50) { world.below(most) } else { 0 };
        Self {
            lost_request: some(15),
            lost_answer: some(20),
            throttled: some(20),
            false_conflict: some(10),
            late: some(10),
            delay_max_ms: 1 + world.below(60),
        }
    }
}

pub(crate) struct Network {
    pub(crate) store: Arc<InMemory>,
    pub(crate) weather: Weather,
    pub(crate) world: World,
}

enum Fate {
    Arrives,
    Refused(Error),
    AnswerLost,
    RequestLost,
    Late,
}

fn error(what: &'static str) -> Error {
    Error::Generic { store: "simulated", source: what.into() }
}

impl Network {
    async fn delay(&self) {
        let (world, most) = (&self.world, self.weather.delay_max_ms * 1000);
        let slow = if world.chance(2) { 20 } else { 1 };
        world.sleep(Duration::from_micros(world.below(most * slow))).await;
    }

    fn fate(&self, is_put: bool) -> Fate {
        let (world, weather) = (&self.world, &self.weather);
        if world.chance(weather.throttled) {
            Fate::Refused(error("503 Slow Down"))
        } else if is_put && world.chance(weather.false_conflict) {
            Fate::Refused(Error::AlreadyExists { path: "?".into(), source: "409 Conflict".into() })
        } else if world.chance(weather.lost_request) {
            Fate::RequestLost
        } else if world.chance(weather.lost_answer) {
            Fate::AnswerLost
        } else if is_put && world.chance(weather.late) {
            Fate::Late
        } else {
            Fate::Arrives
        }
    }

    /// Sends a request; it goes its way whatever becomes of its sender.
    async fn send<T: Send + 'static>(
        &self,
        is_put: bool,
        request: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.delay().await;
        let fate = self.fate(is_put);
        let (answer, answered) = oneshot::channel();
        match fate {
            Fate::Refused(error) => return Err(error),
            Fate::RequestLost => return Err(error("timed out")),
            Fate::Arrives | Fate::AnswerLost => self.world.process(NETWORK).go(async move {
                let _ = answer.send(request.await);
            }),
            Fate::Late => {
                let (world, wait) = (self.world.clone(), Duration::from_millis(self.world.below(100_000)));
                self.world.process(NETWORK).go(async move {
                    world.sleep(wait).await;
                    let _ = request.await;
                });
                return Err(error("timed out"));
            }
        }
        let result = answered.await.map_err(|_| error("reset"))?;
        self.delay().await;
        if matches!(fate, Fate::AnswerLost) { Err(error("timed out")) } else { result }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

#[async_trait]
impl ObjectStore for Network {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (store, location) = (self.store.clone(), location.clone());
        self.send(true, async move { store.put_opts(&location, payload, options).await }).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("the journal makes no multipart uploads");
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (store, location) = (self.store.clone(), location.clone());
        self.send(false, async move { store.get_opts(&location, options).await }).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (world, store) = (self.world.clone(), self.store.clone());
        let delayed = locations.then(move |location| {
            let wait = world.sleep(Duration::from_micros(world.below(2000)));
            async move {
                wait.await;
                location
            }
        });
        store.delete_stream(delayed.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        panic!("the journal copies no objects");
    }
}
