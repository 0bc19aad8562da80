//! The power may go at any I/O, and leave any part of what was not synced: nothing acknowledged is lost, nothing is made
//! up, and the journal goes on.
//!
//! 1. A workload runs once, on a disk that keeps its world after every I/O.
//! 2. From each of these worlds, images are made: of what was not synced nothing, everything, prefixes, and samples of
//!    single sectors survive. Each is opened, read, compared with what clients knew at that I/O, and appended to.
//! 3. While some of them are opened the worlds are kept, too, and the power goes again at every I/O of that.
//!
//! In one more story the threads are real and syncs last: what is written beside a sync is not covered by it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/sim.rs"]
mod sim;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sim::{Clients, Shape, create, goes_on, look, on_all_cores, open, start_clients};
use tidemill_journal::{Env, Journal, SystemEnv};
use tidemill_journal_sim::{Faults, History, Rng, SimDisk, SimEnv, Survives, Trace, World};

/// Samples of sectors per I/O.
const SAMPLES: u64 = 64;
/// Every so many images the power goes again while they are opened.
const AGAIN_EVERY: u64 = 120;

/// What happened, and the world after each I/O.
struct Story {
    name: &'static str,
    shape: Shape,
    worlds: Vec<World>,
    histories: Vec<History>,
    /// From this I/O on the topic must be there.
    created: u64,
}

fn tell(name: &'static str, shape: Shape, seed: u64) -> Story {
    let mut rng = Rng::new(seed);
    let trace = Trace::default();
    let env = SimEnv::new(rng.fork(), trace.clone());
    let threads: Arc<dyn Env> = env.clone();
    let disk = SimDisk::new(World::default(), Faults::default(), rng.fork(), trace);
    disk.keep_worlds();
    let clients = Clients::new(&shape);
    let journal = open(&disk, &threads, &shape).unwrap();
    env.run(create(&*journal, &clients, &shape), || false).unwrap().unwrap();
    let created = disk.io_count();
    let writers = start_clients(&journal, &clients, &disk, &threads, &shape, &mut rng);
    let all = async {
        for writer in writers {
            writer.join().await;
        }
        journal.close().await;
    };
    env.run(all, || false).unwrap();
    env.kill();
    assert_eq!(*clients.problem.lock(), None, "{name}");
    let histories = clients.histories.lock().clone();
    Story { name, shape, worlds: disk.take_worlds(), histories, created }
}

fn dense() -> Shape {
    Shape {
        partitions: 3,
        segment_bytes: 4096,
        block_bytes: 512,
        kept_bytes: None,
        appends: 22,
        payload_max: 700,
        trims: 30,
        readers: 1,
        may_refuse: false,
    }
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    let stories = [
        tell("dense", dense(), 1),
        tell("small blocks", Shape { block_bytes: 8, ..dense() }, 2),
        tell("retention", Shape { kept_bytes: Some(10_000), segment_bytes: 2048, payload_max: 300, ..dense() }, 3),
        tell(
            "large groups",
            Shape { segment_bytes: 16 << 10, payload_max: 4000, partitions: 2, appends: 40, ..dense() },
            4,
        ),
    ];
    let images = AtomicU64::new(0);
    for story in &stories {
        let ios = story.worlds.len() as u64 - 1;
        assert!(ios >= 300, "{}: {ios} I/Os", story.name);
        let moments: Vec<u64> = (0..=ios).collect();
        on_all_cores(&moments, |moment| {
            images.fetch_add(try_moment(story, *moment), Relaxed);
        });
    }
    let images = images.into_inner();
    println!("{images} images of {} I/Os", stories.iter().map(|s| s.worlds.len() - 1).sum::<usize>());
    assert!(images >= 100_000, "{images} images");
}

/// The same clients on real threads, in whatever order they run today.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_written_beside_a_sync_is_not_acknowledged_by_it() {
    let shape = Shape { appends: 60, ..dense() };
    let mut rng = Rng::new(5);
    let disk = SimDisk::new(World::default(), Faults::default(), rng.fork(), Trace::default());
    let threads: Arc<dyn Env> = SystemEnv::new();
    let clients = Clients::new(&shape);
    let journal = open(&disk, &threads, &shape).unwrap();
    create(&*journal, &clients, &shape).await.unwrap();
    let created = disk.io_count();
    disk.set_faults(Faults { syncs_last: true, ..Faults::default() });
    disk.keep_worlds();
    for writer in start_clients(&journal, &clients, &disk, &threads, &shape, &mut rng) {
        writer.join().await;
    }
    journal.close().await;
    let (worlds, histories) = (disk.take_worlds(), clients.histories.lock().clone());
    assert_eq!(*clients.problem.lock(), None);
    let story = Story { name: "real threads", shape, worlds, histories, created };
    let moments: Vec<usize> = (0..story.worlds.len()).collect();
    on_all_cores(&moments, |n| {
        for (k, survives) in (0..).zip([Survives::Nothing, Survives::Prefix, Survives::Sectors, Survives::Anything]) {
            let moment = created + *n as u64;
            let image = story.worlds[*n].after_power_loss(survives, &mut Rng::new(moment << 8 | k));
            try_image(&story, &image, moment, false, &format!("real threads: I/O {moment}, {survives:?}"));
        }
    });
}

/// Makes all images of one moment; returns how many.
fn try_moment(story: &Story, moment: u64) -> u64 {
    let world = &story.worlds[moment as usize];
    let mut ways = vec![Survives::Nothing];
    if world.has_pending() {
        ways.push(Survives::Everything);
        ways.extend([Survives::Prefix; 8]);
        ways.extend((0..SAMPLES).map(|i| if i % 2 == 0 { Survives::Sectors } else { Survives::Anything }));
    }
    let mut images = 0;
    for (n, survives) in (0..).zip(ways) {
        let mut rng = Rng::new(moment << 16 | n);
        let image = world.after_power_loss(survives, &mut rng);
        let is_deep = (moment + n).is_multiple_of(AGAIN_EVERY);
        let name = format!("{}: I/O {moment}, {survives:?} {n}", story.name);
        let worlds = try_image(story, &image, moment, is_deep, &name);
        images += 1;
        for (io, world) in worlds.iter().enumerate() {
            for survives in [Survives::Nothing, Survives::Sectors, Survives::Anything] {
                let image = world.after_power_loss(survives, &mut rng);
                try_image(story, &image, moment, false, &format!("{name}, then I/O {io}, {survives:?}"));
                images += 1;
            }
        }
    }
    images
}

/// Opens an image and checks it. Returns the world after each I/O of opening, if asked to.
fn try_image(story: &Story, image: &World, moment: u64, keep: bool, name: &str) -> Vec<World> {
    let mut rng = Rng::new(moment);
    let trace = Trace::default();
    let env = SimEnv::new(rng.fork(), trace.clone());
    let threads: Arc<dyn Env> = env.clone();
    let disk = SimDisk::new(image.clone(), Faults::default(), rng.fork(), trace);
    if keep {
        disk.keep_worlds();
    }
    let journal = open(&disk, &threads, &story.shape).unwrap_or_else(|e| panic!("{name}: {e}\n{:?}", image.files()));
    let worlds = disk.take_worlds();
    let checked = env.run(check(journal, story, moment), || false).unwrap();
    env.kill();
    checked.unwrap_or_else(|problem| panic!("{name}: {problem}\n{:?}", image.files()));
    worlds
}

async fn check(journal: Arc<impl Journal>, story: &Story, moment: u64) -> Result<(), String> {
    let all = look(&*journal, &story.shape, moment >= story.created).await.map_err(|e| e.to_string())?;
    for (history, (bounds, found)) in story.histories.iter().zip(&all) {
        history.check(bounds, found, moment, story.shape.may_refuse)?;
    }
    goes_on(&*journal, &all).await?;
    journal.close().await;
    Ok(())
}
