//! The catalog on a real journal: concurrent registrations, clashes, replay.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::Arc;

use common::ManualEnv;
use futures::future::join;
use tempfile::TempDir;
use tidemill_journal::{Catalog, Journal};
use tidemill_model::{Series, SeriesKey, ValueType};

fn series(key: &str, value_type: ValueType) -> Series {
    let key: SeriesKey = key.parse().unwrap();
    Series { id: key.id(), key, value_type }
}

async fn journal(dir: &TempDir) -> Arc<dyn Journal> {
    common::open_with(dir.path(), 16 << 10, ManualEnv::new()).unwrap()
}

#[tokio::test]
async fn two_writers_add_different_fields_at_the_same_moment() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir).await;
    let (a, b) = (Catalog::open(journal.clone()).await.unwrap(), Catalog::open(journal.clone()).await.unwrap());
    let (power, flow) =
        (series("turbine:power{unit=T1}", ValueType::Float), series("turbine:flow{unit=T1}", ValueType::Float));
    let (first, second) = join(a.register(vec![power.clone()]), b.register(vec![flow.clone()])).await;
    assert_eq!(*first.unwrap()[0].clone().unwrap(), power);
    assert_eq!(*second.unwrap()[0].clone().unwrap(), flow);
    for catalog in [&a, &b] {
        catalog.refresh().await.unwrap();
        assert_eq!(catalog.len(), 2);
    }
    assert_eq!(a.series_since(0), b.series_since(0), "every node has the same order");
    let again = Catalog::open(journal).await.unwrap();
    assert_eq!(again.series_since(0), a.series_since(0), "and so has one that starts later");
}

#[tokio::test]
async fn the_first_type_wins_and_the_loser_is_told_both() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir).await;
    let (a, b) = (Catalog::open(journal.clone()).await.unwrap(), Catalog::open(journal.clone()).await.unwrap());
    let float = series("turbine:state{unit=T1}", ValueType::Float);
    let text = series("turbine:state{unit=T1}", ValueType::Text);
    let good = series("turbine:head{unit=T1}", ValueType::Float);
    let (first, second) = join(a.register(vec![float.clone()]), b.register(vec![text, good])).await;
    assert_eq!(*first.unwrap()[0].clone().unwrap(), float);
    let second = second.unwrap();
    let clash = second[0].clone().unwrap_err().to_string();
    assert!(clash.contains(&ValueType::Float.to_string()) && clash.contains(&ValueType::Text.to_string()), "{clash}");
    assert!(second[1].is_ok(), "one clash does not refuse the others");
}

#[tokio::test]
async fn thousands_of_series_register_at_once_and_repeating_it_appends_nothing() {
    let dir = TempDir::new().unwrap();
    let journal = common::open_with(dir.path(), 1 << 20, ManualEnv::new()).unwrap();
    let catalog = Catalog::open(journal.clone()).await.unwrap();
    let wanted: Vec<_> = (0..10_000).map(|i| series(&format!("plant:value{{tag=t{i}}}"), ValueType::Float)).collect();
    let registered = catalog.register(wanted.clone()).await.unwrap();
    assert!(registered.iter().zip(&wanted).all(|(r, w)| **r.as_ref().unwrap() == *w));
    let records = journal.totals().records;
    catalog.register(wanted).await.unwrap();
    assert_eq!((catalog.len() as u64, journal.totals().records), (10_000, records));
    journal.close().await;
}
