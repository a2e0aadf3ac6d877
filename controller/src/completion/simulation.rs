//! The completion protocol under random delays, lost messages and crashes of servers and of the controller, a seed a story.
//!
//! Must not know: the protocol's phases. Invariants that every story is checked for: a segment is committed once, with rows that its
//! committer had; every replica ends with exactly those rows; without further faults it gets there.

use proto::controller_service::CompletionAnswer as Answer;

use super::{Completion, Offer, after_commit};

/// Stories that are played; another number comes from the environment variable `SIMULATION_SEEDS`.
const SEEDS: u64 = 3_000;
const FAULTY_STEPS: u32 = 400;
const QUIET_STEPS: u32 = 2_000;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Takes rows up to this offset.
    Consuming(u64),
    /// Asks what to do at its offset.
    Asking,
    /// Has been told to commit, and has said that it begins.
    Building,
    /// Has the committed rows: by sealing its own, or by loading them.
    Done(u64),
    /// Is down.
    Down,
}

#[derive(Debug, Clone)]
struct Replica {
    name: String,
    offset: u64,
    doing: Doing,
}

struct World {
    random: Random,
    now_ms: i64,
    replicas: Vec<Replica>,
    /// In the controller's memory: lost with it.
    completion: Option<Completion>,
    /// In the metadata store.
    committed: Option<u64>,
    commits: u32,
    faults: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let count = 1 + random.below(3);
        let replicas = (0..count).map(|number| Replica {
            name: format!("s{number}"),
            offset: 0,
            doing: Doing::Consuming(90 + random.below(20)),
        });
        let replicas = replicas.collect();
        Self {
            random,
            now_ms: 0,
            replicas,
            completion: None,
            committed: None,
            commits: 0,
            faults: true,
        }
    }

    fn live(&self) -> usize {
        let live = self.replicas.iter().filter(|r| r.doing != Doing::Down);
        live.count()
    }

    fn step(&mut self) {
        self.now_ms += 1 + self.random.below(700) as i64;
        let at = self.random.below(self.replicas.len() as u64) as usize;
        if self.faults {
            if self.random.one_in(60) {
                self.crash(at);
            }
            if self.random.one_in(80) {
                self.completion = None;
            }
        }
        let replica = self.replicas[at].clone();
        match replica.doing {
            Doing::Consuming(end) => {
                let taken = 1 + self.random.below(30);
                let offset = (replica.offset + taken).min(end);
                self.replicas[at].offset = offset;
                if offset == end {
                    self.replicas[at].doing = Doing::Asking;
                }
            }
            Doing::Asking => self.ask(at, &replica),
            Doing::Building => self.finish(at, &replica),
            Doing::Done(_) => {}
            Doing::Down => self.start_again(at),
        }
    }

    fn crash(&mut self, at: usize) {
        if matches!(self.replicas[at].doing, Doing::Done(_)) {
            return;
        }
        self.replicas[at].doing = Doing::Down;
        // The controller may notice at once, or never.
        if self.random.one_in(2) {
            let name = self.replicas[at].name.clone();
            if let Some(completion) = &mut self.completion {
                completion.forget(&name, self.now_ms);
            }
        }
    }

    fn start_again(&mut self, at: usize) {
        self.replicas[at].offset = 0;
        self.replicas[at].doing = match self.committed {
            Some(end) => Doing::Done(end),
            None => Doing::Consuming(90 + self.random.below(20)),
        };
    }

    fn lost(&mut self) -> bool {
        self.faults && self.random.one_in(6)
    }

    fn ask(&mut self, at: usize, replica: &Replica) {
        if self.lost() {
            return;
        }
        let offset = replica.offset.to_string();
        let answer = match self.committed {
            Some(end) => after_commit(&offset, &end.to_string(), false),
            None => {
                let (now_ms, replicas) = (self.now_ms, self.live());
                let completion = self
                    .completion
                    .get_or_insert_with(|| Completion::begin(now_ms));
                let offer = Offer {
                    instance: &replica.name,
                    offset: &offset,
                    replicas,
                    now_ms,
                };
                match completion.consumed(offer) {
                    Answer::Commit(_) => completion.commit_start(offer),
                    other => other,
                }
            }
        };
        if !self.lost() {
            self.follow(at, answer);
        }
    }

    fn follow(&mut self, at: usize, answer: Answer) {
        let replica = &mut self.replicas[at];
        match answer {
            Answer::CatchUp(end) => {
                let end = end.parse().unwrap_or(0);
                assert!(end > replica.offset, "caught up to where it was");
                replica.doing = Doing::Consuming(end);
            }
            Answer::Commit(_) => replica.doing = Doing::Building,
            Answer::Keep(end) => {
                assert_eq!(end, replica.offset.to_string(), "kept other rows");
                replica.doing = Doing::Done(replica.offset);
            }
            Answer::Discard => {
                let end = self.committed.unwrap_or(u64::MAX);
                replica.doing = Doing::Done(end);
            }
            Answer::Hold | Answer::NotLeader | Answer::Failed(_) => replica.doing = Doing::Asking,
        }
    }

    /// The file is in the deep store; the controller hears of it.
    fn finish(&mut self, at: usize, replica: &Replica) {
        if self.lost() {
            return;
        }
        let answer = match self.committed {
            Some(end) if end == replica.offset => Answer::Keep(end.to_string()),
            Some(_) => Answer::Discard,
            None => {
                let may = self
                    .completion
                    .as_ref()
                    .is_some_and(|c| c.may_end(&replica.name));
                if may {
                    self.committed = Some(replica.offset);
                    self.commits += 1;
                    self.completion = None;
                    Answer::Keep(replica.offset.to_string())
                } else {
                    Answer::Failed("not the committer".to_owned())
                }
            }
        };
        if !self.lost() {
            self.follow(at, answer);
        }
    }

    fn is_done(&self) -> bool {
        let all = self.replicas.iter();
        all.clone().all(|r| matches!(r.doing, Doing::Done(_)))
    }
}

#[test]
fn every_story_ends_with_one_commit_and_equal_replicas() {
    let seeds = std::env::var("SIMULATION_SEEDS").ok();
    let seeds = seeds.and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    for seed in 1..=seeds {
        let mut world = World::new(seed);
        for _ in 0..FAULTY_STEPS {
            world.step();
        }
        world.faults = false;
        let mut steps = 0;
        while !world.is_done() {
            world.step();
            steps += 1;
            assert!(
                steps < QUIET_STEPS,
                "seed {seed} does not end: {:?}",
                world.replicas
            );
        }
        assert_eq!(world.commits, 1, "seed {seed}");
        for replica in &world.replicas {
            let rows = world.committed.map(Doing::Done);
            assert_eq!(Some(replica.doing), rows, "seed {seed}: {}", replica.name);
        }
    }
}
