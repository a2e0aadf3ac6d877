//! A navigable graph over vectors (HNSW): each row is linked to near ones, some rows on upper levels too, and a search walks
//! from the top towards its target.
//!
//! Must not know: files. Invariant: equal vectors give an equal graph; whatever the links are, a search ends and names rows
//! below the row count.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::distance::Vectors;

/// A row with its distance, ordered by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    pub(super) distance: f32,
    pub(super) row: u32,
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance
            .total_cmp(&other.distance)
            .then(self.row.cmp(&other.row))
    }
}

/// Where links come from.
pub(super) trait Links {
    /// Puts the rows that a row is linked to on a level into `out`, which is cleared first.
    fn links(&self, row: u32, level: usize, out: &mut Vec<u32>);
}

/// Rows that a search has seen.
pub(super) struct Seen {
    stamps: Vec<u32>,
    now: u32,
}

impl Seen {
    pub(super) fn new(rows: u32) -> Self {
        Self {
            stamps: vec![0; rows as usize],
            now: 0,
        }
    }

    fn begin(&mut self) {
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.stamps.fill(0);
            self.now = 1;
        }
    }

    /// True the first time; false for rows that do not exist.
    fn first(&mut self, row: u32) -> bool {
        match self.stamps.get_mut(row as usize) {
            Some(stamp) if *stamp != self.now => {
                *stamp = self.now;
                true
            }
            _ => false,
        }
    }
}

/// The nearest rows that a walk over one level finds, nearest first, at most `keep`.
pub(super) fn walk(
    graph: &dyn Links,
    distance: &dyn Fn(u32) -> f32,
    from: &[Near],
    (level, keep): (usize, usize),
    seen: &mut Seen,
) -> Vec<Near> {
    seen.begin();
    let mut open: BinaryHeap<Reverse<Near>> = BinaryHeap::new();
    let mut best: BinaryHeap<Near> = BinaryHeap::new();
    for near in from {
        if seen.first(near.row) && !near.distance.is_nan() {
            open.push(Reverse(*near));
            best.push(*near);
        }
    }
    let mut links = Vec::new();
    while let Some(Reverse(near)) = open.pop() {
        let worst = best.peek().map_or(f32::INFINITY, |worst| worst.distance);
        if best.len() >= keep && near.distance > worst {
            break;
        }
        graph.links(near.row, level, &mut links);
        for row in &links {
            if !seen.first(*row) {
                continue;
            }
            let found = Near {
                distance: distance(*row),
                row: *row,
            };
            let worst = best.peek().map_or(f32::INFINITY, |worst| worst.distance);
            if !found.distance.is_nan() && (best.len() < keep || found.distance < worst) {
                open.push(Reverse(found));
                best.push(found);
                if best.len() > keep {
                    best.pop();
                }
            }
        }
    }
    best.into_sorted_vec()
}

/// A graph under construction.
pub(super) struct Graph {
    /// Links of each row, by level; empty for rows that are not in it.
    pub(super) rows: Vec<Vec<Vec<u32>>>,
    /// Where searches begin.
    pub(super) entry: u32,
    /// The level of the entry.
    pub(super) top: usize,
    degree: usize,
}

impl Links for Graph {
    fn links(&self, row: u32, level: usize, out: &mut Vec<u32>) {
        out.clear();
        let levels = self.rows.get(row as usize);
        if let Some(links) = levels.and_then(|levels| levels.get(level)) {
            out.extend_from_slice(links);
        }
    }
}

/// Levels above the lowest one that a row has.
fn level_of(row: u32, degree: usize) -> usize {
    let hash = xxhash_rust::xxh3::xxh3_64(&row.to_le_bytes());
    let unit = ((hash >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
    ((-unit.ln() / (degree.max(2) as f64).ln()) as usize).min(12)
}

impl Graph {
    /// Links of a row on a level at most.
    pub(super) fn most(degree: usize, level: usize) -> usize {
        if level == 0 { degree * 2 } else { degree }
    }

    /// Over all rows that have a vector. `degree`: links of a row; `width`: rows that are looked at for them.
    pub(super) fn build(vectors: &Vectors<'_>, degree: usize, width: usize) -> Self {
        let count = vectors.rows();
        let mut graph = Self {
            rows: vec![Vec::new(); count as usize],
            entry: u32::MAX,
            top: 0,
            degree,
        };
        let mut seen = Seen::new(count);
        let mut target = Vec::new();
        for row in 0..count {
            vectors.read(row, &mut target);
            if target.iter().any(|x| x.is_nan()) {
                continue;
            }
            graph.insert(row, &target, vectors, width, &mut seen);
        }
        graph
    }

    fn insert(
        &mut self,
        row: u32,
        target: &[f32],
        vectors: &Vectors<'_>,
        width: usize,
        seen: &mut Seen,
    ) {
        let level = level_of(row, self.degree);
        self.rows[row as usize] = vec![Vec::new(); level + 1];
        if self.entry == u32::MAX {
            (self.entry, self.top) = (row, level);
            return;
        }
        let aim = vectors.aim(target);
        let distance = |other: u32| vectors.between(&aim, other);
        let mut from = vec![Near {
            distance: distance(self.entry),
            row: self.entry,
        }];
        for above in (level + 1..=self.top).rev() {
            from = walk(self, &distance, &from, (above, 1), seen);
        }
        for at in (0..=level.min(self.top)).rev() {
            let found = walk(self, &distance, &from, (at, width), seen);
            let chosen = chosen(&found, self.degree, vectors);
            for near in &chosen {
                self.link(near.row, row, near.distance, at, vectors);
            }
            self.rows[row as usize][at] = chosen.iter().map(|near| near.row).collect();
            from = found;
        }
        if level > self.top {
            (self.entry, self.top) = (row, level);
        }
    }

    /// Links a row to another one; of too many links the best stay.
    fn link(&mut self, row: u32, to: u32, distance: f32, level: usize, vectors: &Vectors<'_>) {
        let most = Self::most(self.degree, level);
        let Some(links) = self.rows[row as usize].get_mut(level) else {
            return;
        };
        links.push(to);
        if links.len() <= most {
            return;
        }
        let mut target = Vec::new();
        vectors.read(row, &mut target);
        let aim = vectors.aim(&target);
        let near = |other: &u32| Near {
            distance: if *other == to {
                distance
            } else {
                vectors.between(&aim, *other)
            },
            row: *other,
        };
        let mut all: Vec<Near> = links.iter().map(near).collect();
        all.sort_unstable();
        let kept = chosen(&all, most, vectors);
        self.rows[row as usize][level] = kept.iter().map(|near| near.row).collect();
    }
}

/// Of rows in order of distance those that lead in different directions first, then the nearest others.
fn chosen(found: &[Near], most: usize, vectors: &Vectors<'_>) -> Vec<Near> {
    let mut kept: Vec<Near> = Vec::with_capacity(most);
    let mut others = Vec::new();
    let mut target = Vec::new();
    for near in found {
        if kept.len() >= most {
            break;
        }
        vectors.read(near.row, &mut target);
        let aim = vectors.aim(&target);
        let new = |other: &Near| vectors.between(&aim, other.row) > near.distance;
        if kept.iter().all(new) {
            kept.push(*near);
        } else {
            others.push(*near);
        }
    }
    let room = most.saturating_sub(kept.len());
    kept.extend(others.into_iter().take(room));
    kept
}
