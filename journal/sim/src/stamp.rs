//! When exactly an answer was given.
//!
//! A client that waits is polled some time after it was woken, and the writer may have gone on by then. What a crash must
//! not lose is decided by the moment of the answer, so that is taken note of when the waker is called.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use parking_lot::Mutex;

use crate::SimDisk;

/// The result of a future, and how many I/Os the disk had counted when it was there.
pub fn stamped<T>(disk: &SimDisk, future: BoxFuture<'static, T>) -> impl Future<Output = (T, u64)> + Send + use<T> {
    let stamp = Arc::new(Stamp { disk: disk.clone(), moment: AtomicU64::new(UNKNOWN), waiting: Mutex::new(None) });
    Stamped { future, stamp }
}

const UNKNOWN: u64 = u64::MAX;

struct Stamped<T> {
    future: BoxFuture<'static, T>,
    stamp: Arc<Stamp>,
}

struct Stamp {
    disk: SimDisk,
    moment: AtomicU64,
    waiting: Mutex<Option<Waker>>,
}

impl Wake for Stamp {
    fn wake(self: Arc<Self>) {
        self.moment.store(self.disk.io_count(), Relaxed);
        if let Some(waker) = self.waiting.lock().take() {
            waker.wake();
        }
    }
}

impl<T> Future for Stamped<T> {
    type Output = (T, u64);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<(T, u64)> {
        *self.stamp.waiting.lock() = Some(context.waker().clone());
        let waker = Waker::from(self.stamp.clone());
        let Poll::Ready(value) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return Poll::Pending;
        };
        let moment = match self.stamp.moment.load(Relaxed) {
            UNKNOWN => self.stamp.disk.io_count(),
            moment => moment,
        };
        Poll::Ready((value, moment))
    }
}
