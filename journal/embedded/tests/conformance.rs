//! The embedded journal keeps every promise of the seam.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;

use futures::future::BoxFuture;
use tempfile::TempDir;
use tidemill_journal::conformance::{Shape, run_all};
use tidemill_journal::{Journal, SystemEnv};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};

fn maker(directories: &TempDir, sync: Sync) -> impl Fn(Shape) -> BoxFuture<'static, Arc<dyn Journal>> {
    let root = directories.path().to_owned();
    move |shape| {
        let dir = tempfile::Builder::new().tempdir_in(&root).unwrap().keep();
        Box::pin(async move {
            let segment_bytes = if shape == Shape::SmallFiles { 32 << 10 } else { 64 << 20 };
            let config = EmbeddedConfig { dir, segment_bytes, sync };
            EmbeddedJournal::open(config, SystemEnv::new()).unwrap() as Arc<dyn Journal>
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_journal_conforms() {
    let directories = TempDir::new().unwrap();
    run_all(maker(&directories, Sync::Always)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_journal_conforms_without_fsync() {
    let directories = TempDir::new().unwrap();
    run_all(maker(&directories, Sync::Never)).await;
}
