//! A q-digest over whole numbers, in Pinot's bytes: a binary tree of ranges, the light ones joined with their parents.
//!
//! | bytes | content |
//! | --- | --- |
//! | 8, 8 | largest error, decay, DOUBLE |
//! | 8 | landmark, seconds of a clock that nothing depends on without decay |
//! | 8, 8 | least, greatest value |
//! | 4 | nodes, children before their parent, left before right |
//! | 1, 1, 8, 8 each | children (1 left, 2 right), level, value with its sign turned, weight as DOUBLE |
//!
//! All numbers are big endian. Must not know: percentiles of fractions. Invariant: a child's level is below its parent's, so
//! no path is longer than 65 nodes; the same values in the same order leave the same tree as Pinot's.

const MAX_ERROR: f64 = 0.05;
/// Weights below are none.
const NOTHING: f64 = 1e-5;
const HEADER: usize = 44;
const NODE: usize = 18;
const SIGN: u64 = 1 << 63;

/// Number of a node, `NONE` where there is none.
type Link = u32;
const NONE: Link = Link::MAX;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    weight: f64,
    bits: u64,
    level: u8,
    left: Link,
    right: Link,
}

impl Node {
    /// The bit that chooses between the children.
    fn branch(&self, bits: u64) -> bool {
        bits & 1_u64.wrapping_shl(u32::from(self.level).wrapping_sub(1)) != 0
    }

    /// The greatest value of the range.
    fn upper(&self) -> i64 {
        let mask = match self.level {
            0 => 0,
            level => u64::MAX >> (64 - u32::from(level)),
        };
        ((self.bits | mask) ^ SIGN) as i64
    }
}

fn same_subtree(a: u64, b: u64, level: u8) -> bool {
    level >= 64 || a >> level == b >> level
}

/// A digest.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantileDigest {
    max_error: f64,
    min: i64,
    max: i64,
    weight: f64,
    root: Link,
    nodes: Vec<Node>,
    free: Vec<Link>,
    heavy: usize,
}

impl Default for QuantileDigest {
    fn default() -> Self {
        Self {
            max_error: MAX_ERROR,
            min: i64::MAX,
            max: i64::MIN,
            weight: 0.0,
            root: NONE,
            nodes: Vec::new(),
            free: Vec::new(),
            heavy: 0,
        }
    }
}

impl QuantileDigest {
    /// Adds a value.
    pub fn add(&mut self, value: i64) {
        self.add_times(value, 1.0);
    }

    fn add_times(&mut self, value: i64, weight: f64) {
        if self.heavy as f64 > 1.5 * f64::from(self.factor().saturating_mul(3)) {
            self.compress();
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.insert(value as u64 ^ SIGN, weight);
    }

    /// Nodes per error that the height of the tree allows.
    fn factor(&self) -> i32 {
        match self.root {
            NONE => 1,
            root => {
                let levels = f64::from(self.nodes[root as usize].level) + 1.0;
                ((levels / self.max_error) as i32).max(1)
            }
        }
    }

    fn node(&mut self, link: Link) -> &mut Node {
        &mut self.nodes[link as usize]
    }

    fn create(&mut self, bits: u64, level: u8, weight: f64) -> Link {
        self.weight += weight;
        self.heavy += usize::from(weight >= NOTHING);
        let node = Node {
            weight,
            bits,
            level,
            left: NONE,
            right: NONE,
        };
        if let Some(link) = self.free.pop() {
            *self.node(link) = node;
            return link;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as Link
    }

    fn insert(&mut self, bits: u64, weight: f64) {
        let mut parent = NONE;
        let mut right = false;
        let mut current = self.root;
        while current != NONE {
            let node = self.nodes[current as usize];
            if !same_subtree(bits, node.bits, node.level) {
                break;
            }
            if node.level == 0 {
                let held = self.node(current);
                held.weight += weight;
                let turned = node.weight < NOTHING && held.weight >= NOTHING;
                self.heavy += usize::from(turned);
                self.weight += weight;
                return;
            }
            parent = current;
            right = node.branch(bits);
            current = if right { node.right } else { node.left };
        }
        let mut child = self.create(bits, 0, weight);
        if current != NONE {
            child = self.siblings(current, child);
        }
        match parent {
            NONE => self.root = child,
            parent if right => self.node(parent).right = child,
            parent => self.node(parent).left = child,
        }
    }

    /// A parent of two nodes of different ranges.
    fn siblings(&mut self, node: Link, sibling: Link) -> Link {
        let (bits, other) = (
            self.nodes[node as usize].bits,
            self.nodes[sibling as usize].bits,
        );
        let level = 64 - (bits ^ other).leading_zeros();
        let parent = self.create(bits, level as u8, 0.0);
        let held = self.node(parent);
        (held.left, held.right) = match held.branch(other) {
            false => (sibling, node),
            true => (node, sibling),
        };
        parent
    }

    /// Joins light nodes with their parents.
    fn compress(&mut self) {
        let factor = self.factor();
        if self.root == NONE {
            return;
        }
        for link in self.children_first() {
            let before = self.nodes[link as usize];
            if before.left == NONE && before.right == NONE {
                continue;
            }
            let weight_of = |link: Link| self.nodes.get(link as usize).map_or(0.0, |n| n.weight);
            let (left, right) = (weight_of(before.left), weight_of(before.right));
            let most = f64::from((self.weight / f64::from(factor)) as i32);
            let light = before.weight + left + right < most;
            if light || left < NOTHING {
                let kept = self.remove(before.left);
                self.weight += left;
                let node = self.node(link);
                node.left = kept;
                node.weight += left;
            }
            if light || right < NOTHING {
                let kept = self.remove(before.right);
                self.weight += right;
                let node = self.node(link);
                node.right = kept;
                node.weight += right;
            }
            let turned = before.weight < NOTHING && self.nodes[link as usize].weight >= NOTHING;
            self.heavy += usize::from(turned);
        }
        if self.nodes[self.root as usize].weight < NOTHING {
            self.root = self.remove(self.root);
        }
    }

    /// Takes a node away where it has at most one child, which is left in its place; else only its weight.
    fn remove(&mut self, link: Link) -> Link {
        if link == NONE {
            return NONE;
        }
        let node = self.nodes[link as usize];
        self.heavy -= usize::from(node.weight >= NOTHING).min(self.heavy);
        self.weight -= node.weight;
        match (node.left, node.right) {
            (NONE, child) | (child, NONE) => {
                self.free.push(link);
                child
            }
            _ => {
                self.node(link).weight = 0.0;
                link
            }
        }
    }

    /// Every node after its children, left ones first.
    fn children_first(&self) -> Vec<Link> {
        let mut out = Vec::with_capacity(self.nodes.len());
        let mut open = vec![self.root];
        // Parents before children, right ones first; backwards it is the other way round.
        while let Some(link) = open.pop() {
            if let Some(node) = self.nodes.get(link as usize) {
                out.push(link);
                open.extend([node.left, node.right]);
            }
        }
        out.reverse();
        out
    }

    /// Adds another digest.
    pub fn merge(&mut self, other: &Self) {
        self.root = self.join(self.root, other, other.root);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.compress();
    }

    /// The tree of both; its depth is that of the levels.
    fn join(&mut self, link: Link, other: &Self, from: Link) -> Link {
        if from == NONE {
            return link;
        }
        if link == NONE {
            return self.copy(other, from);
        }
        let (node, added) = (self.nodes[link as usize], other.nodes[from as usize]);
        if !same_subtree(node.bits, added.bits, node.level.max(added.level)) {
            let copied = self.copy(other, from);
            return self.siblings(link, copied);
        }
        match node.level.cmp(&added.level) {
            std::cmp::Ordering::Greater => {
                if node.branch(added.bits) {
                    let right = self.join(node.right, other, from);
                    self.node(link).right = right;
                } else {
                    let left = self.join(node.left, other, from);
                    self.node(link).left = left;
                }
                link
            }
            std::cmp::Ordering::Less => {
                let parent = self.create(added.bits, added.level, added.weight);
                let (left, right) = if added.branch(node.bits) {
                    let left = self.copy(other, added.left);
                    (left, self.join(link, other, added.right))
                } else {
                    let left = self.join(link, other, added.left);
                    (left, self.copy(other, added.right))
                };
                let held = self.node(parent);
                (held.left, held.right) = (left, right);
                parent
            }
            std::cmp::Ordering::Equal => {
                self.weight += added.weight;
                self.node(link).weight += added.weight;
                let left = self.join(node.left, other, added.left);
                self.node(link).left = left;
                let right = self.join(node.right, other, added.right);
                let held = self.node(link);
                held.right = right;
                let turned = node.weight < NOTHING && held.weight >= NOTHING;
                self.heavy += usize::from(turned);
                link
            }
        }
    }

    fn copy(&mut self, other: &Self, from: Link) -> Link {
        let Some(node) = other.nodes.get(from as usize).copied() else {
            return NONE;
        };
        let copied = self.create(node.bits, node.level, node.weight);
        let left = self.copy(other, node.left);
        let right = self.copy(other, node.right);
        let held = self.node(copied);
        (held.left, held.right) = (left, right);
        copied
    }

    /// The value at a quantile from 0 to 1; `None` of nothing.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<i64> {
        if self.root == NONE {
            return None;
        }
        let mut sum = 0.0;
        for link in self.children_first() {
            let node = &self.nodes[link as usize];
            sum += node.weight;
            if sum > quantile * self.weight {
                return Some(node.upper().min(self.max));
            }
        }
        Some(self.max)
    }

    /// Serialised form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let order = self.children_first();
        let mut out = Vec::with_capacity(HEADER + NODE * order.len());
        out.extend(self.max_error.to_be_bytes());
        out.extend([0; 16]);
        out.extend(self.min.to_be_bytes());
        out.extend(self.max.to_be_bytes());
        out.extend((order.len() as u32).to_be_bytes());
        for link in order {
            let node = &self.nodes[link as usize];
            out.push(u8::from(node.left != NONE) | u8::from(node.right != NONE) << 1);
            out.push(node.level);
            out.extend(node.bits.to_be_bytes());
            out.extend(node.weight.to_be_bytes());
        }
        out
    }

    /// Reads the serialised form, or the one that earlier versions wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        // The largest error is a DOUBLE of at most 1; no count of an earlier version begins so.
        match bytes.split_at_checked(HEADER) {
            Some((head, body)) if (0x30..0x40).contains(&head[0]) => Self::read(head, body),
            _ => Self::read_earlier(bytes),
        }
    }

    fn read(head: &[u8], body: &[u8]) -> Option<Self> {
        let eight = |at: usize| -> Option<[u8; 8]> { head.get(at..at + 8)?.try_into().ok() };
        let max_error = f64::from_be_bytes(eight(0)?);
        let len = u32::from_be_bytes(head.get(40..44)?.try_into().ok()?) as usize;
        if body.len() != len.checked_mul(NODE)? || !(max_error > 0.0 && max_error <= 1.0) {
            return None;
        }
        let mut digest = Self {
            max_error,
            min: i64::from_be_bytes(eight(24)?),
            max: i64::from_be_bytes(eight(32)?),
            ..Self::default()
        };
        let mut open: Vec<Link> = Vec::new();
        for node in body.chunks_exact(NODE) {
            let (flags, level) = (node[0], node[1]);
            let bits = u64::from_be_bytes(node[2..10].try_into().ok()?);
            let weight = f64::from_be_bytes(node[10..].try_into().ok()?);
            if level > 64 || !weight.is_finite() || weight < 0.0 {
                return None;
            }
            let right = if flags & 2 != 0 { open.pop()? } else { NONE };
            let left = if flags & 1 != 0 { open.pop()? } else { NONE };
            let below = |child: Link| {
                digest
                    .nodes
                    .get(child as usize)
                    .is_none_or(|child| child.level < level)
            };
            if !below(left) || !below(right) {
                return None;
            }
            let link = digest.create(bits, level, weight);
            let held = digest.node(link);
            (held.left, held.right) = (left, right);
            open.push(link);
        }
        digest.root = open.pop().unwrap_or(NONE);
        open.is_empty().then_some(digest)
    }

    /// Count, number of nodes, then level, range and count of each.
    fn read_earlier(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(12)?;
        let len = u32::from_be_bytes(head[8..].try_into().ok()?) as usize;
        if body.len() != len.checked_mul(17)? {
            return None;
        }
        let mut digest = Self::default();
        for node in body.chunks_exact(17) {
            let level = u32::from(node[0]);
            let bits = u64::from_be_bytes(node[1..9].try_into().ok()?);
            let count = u64::from_be_bytes(node[9..].try_into().ok()?);
            let upper = bits.checked_shl(level)? | ((1_u64 << level) - 1);
            digest.add_times((upper ^ SIGN) as i64, count as f64);
        }
        Some(digest)
    }

    /// Bytes held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * size_of::<Link>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_near() {
        let mut digest = QuantileDigest::default();
        (0..100_000).for_each(|v| digest.add(v));
        for quantile in [0.01, 0.5, 0.9, 0.99] {
            let found = digest.quantile(quantile).unwrap_or(-1) as f64;
            assert!((found - quantile * 100_000.0).abs() < 2500.0, "{found}");
        }
        let read = QuantileDigest::from_bytes(&digest.to_bytes());
        assert_eq!(read.and_then(|d| d.quantile(0.5)), digest.quantile(0.5));
        assert_eq!(QuantileDigest::default().quantile(0.5), None);
    }

    #[test]
    fn bytes_of_earlier_versions_are_read() {
        let mut bytes = 3_u64.to_be_bytes().to_vec();
        bytes.extend(2_u32.to_be_bytes());
        for (level, bits, count) in [(0_u8, SIGN | 7, 1_u64), (1, (SIGN | 8) >> 1, 2)] {
            bytes.push(level);
            bytes.extend(bits.to_be_bytes());
            bytes.extend(count.to_be_bytes());
        }
        let digest = QuantileDigest::from_bytes(&bytes);
        assert_eq!(digest.as_ref().and_then(|d| d.quantile(0.1)), Some(7));
        assert_eq!(digest.as_ref().and_then(|d| d.quantile(0.9)), Some(9));
    }

    #[test]
    fn bytes_that_are_no_digest_are_refused() {
        let mut digest = QuantileDigest::default();
        (0..9).for_each(|v| digest.add(v));
        let bytes = digest.to_bytes();
        assert_eq!(QuantileDigest::from_bytes(&bytes[..bytes.len() - 1]), None);
        let mut looped = bytes.clone();
        looped[HEADER] = 3;
        assert_eq!(QuantileDigest::from_bytes(&looped), None);
        assert_eq!(QuantileDigest::from_bytes(&[0x3F; 100]), None);
    }
}
