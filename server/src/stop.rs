//! Waiting for a stop.

use tokio::sync::watch;

/// Resolves when `stop` turns true, or when nobody is left to turn it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    drop(stop.wait_for(|stop| *stop).await);
}
