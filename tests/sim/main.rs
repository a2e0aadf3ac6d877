//! Realtime ingestion told as random stories: a real controller over a faulty metadata store, servers that follow the protocol of
//! completion over a faulty stream and a faulty deep store, lost and late messages, crashes at every await point; one seed, one story.
//!
//! Must not know: how the controller decides. Invariants that every story is checked for: committed segments of a partition follow each
//! other without gap and overlap; every replica holds every row once, and the same rows; without further faults it gets there. A story
//! that fails prints its seed: `SIMULATION_SEED=n cargo test --workspace --test sim` tells it again. `SIMULATION_SEEDS=10000` tells more.

mod network;
mod server;
mod stores;
mod world;

use world::World;

/// Stories that are told where nobody asks for more.
const SEEDS: u64 = 200;
const THREADS: u64 = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Tells the stories of some seeds; the first that fails ends it.
fn tell(seeds: impl Iterator<Item = u64>) -> Result<u64, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let mut commits = 0;
    for seed in seeds {
        let told = runtime.block_on(async { World::new(seed).await?.tell().await });
        commits += told.map_err(|why| format!("seed {seed}: {why}"))?;
    }
    Ok(commits)
}

#[test]
fn no_row_is_lost_or_doubled_and_replicas_agree() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let told = tell(std::iter::once(seed));
        assert!(told.is_ok(), "{told:?}");
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = number("SIMULATION_FIRST").unwrap_or(1);
    let threads = (0..THREADS).map(|thread| {
        std::thread::spawn(move || {
            tell((first..first + seeds).filter(move |seed| seed % THREADS == thread))
        })
    });
    let threads: Vec<_> = threads.collect();
    let mut commits = 0;
    for thread in threads {
        match thread
            .join()
            .unwrap_or_else(|_| Err("a story panicked".to_owned()))
        {
            Ok(more) => commits += more,
            Err(why) => panic!("{why}"),
        }
    }
    assert!(commits > seeds, "{commits} commits in {seeds} stories");
}
