//! The order in which the reference t-digest takes equal means: a quick sort of three parts, finished by insertion.
//!
//! Must not know: digests. Invariant: ascending; equal means stand where the reference's swaps leave them, since centroids of
//! one mean may weigh differently.

/// Parts of at most that many are left to the insertion.
const SMALL: usize = 8;

/// Positions of the values in ascending order.
pub(super) fn sorted(values: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    quick(&mut order, values);
    insert(&mut order, values);
    order
}

fn quick(mut order: &mut [u32], values: &[f64]) {
    while order.len() > SMALL {
        let (low, high) = partition(order, values);
        let (rest, upper) = order.split_at_mut(high);
        let lower = &mut rest[..low];
        // The longer part stays in the loop, so that the depth stays small.
        if lower.len() < upper.len() {
            quick(lower, values);
            order = upper;
        } else {
            quick(upper, values);
            order = lower;
        }
    }
}

/// The position of the median of the first, middle and last value.
fn pivot(order: &[u32], values: &[f64]) -> usize {
    let (a, b, c) = (0, order.len() / 2, order.len() - 1);
    let [va, vb, vc] = [a, b, c].map(|at| values[order[at] as usize]);
    match (va > vb, vc > va, vc > vb) {
        (true, true, _) => a,
        (true, false, _) if vc < vb => b,
        (false, _, true) => b,
        (false, ..) if vc < va => a,
        _ => c,
    }
}

/// Parts the slice; the values before the first position are less than the pivot, those from the second on greater.
fn partition(order: &mut [u32], values: &[f64]) -> (usize, usize) {
    let at = pivot(order, values);
    let pivot = values[order[at] as usize];
    order.swap(0, at);
    // Equal ones gather in front, greater ones at the end.
    let (mut equal, mut scan, mut high) = (1, 1, order.len());
    while scan < high {
        let value = values[order[scan] as usize];
        if value == pivot {
            if equal == scan {
                scan += 1;
            } else {
                order.swap(equal, scan);
            }
            equal += 1;
        } else if value > pivot {
            high -= 1;
            order.swap(scan, high);
        } else {
            scan += 1;
        }
    }
    // The equal ones change places with the last of the lesser ones.
    let moves = equal.min(high - equal);
    for step in 0..moves {
        order.swap(step, high - 1 - step);
    }
    (high - equal, high)
}

fn insert(order: &mut [u32], values: &[f64]) {
    for end in 1..order.len() {
        let value = values[order[end] as usize];
        let least = end.saturating_sub(SMALL);
        let mut to = end;
        while to > least && values[order[to - 1] as usize] > value {
            to -= 1;
        }
        // As the reference does, a value whose place lies further ahead stays; the parts make that impossible.
        if to > 0 && values[order[to - 1] as usize] > value {
            continue;
        }
        order[to..=end].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sorted() {
        for count in [0_u64, 1, 7, 9, 100, 1000] {
            for distinct in [1, 3, 17, 1009] {
                let values: Vec<f64> = (0..count).map(|i| (i * 7919 % distinct) as f64).collect();
                let order = sorted(&values);
                let ascending = order
                    .windows(2)
                    .all(|two| values[two[0] as usize] <= values[two[1] as usize]);
                assert!(ascending, "{count} values, {distinct} distinct");
                let mut each = order.clone();
                each.sort_unstable();
                assert!(each.into_iter().eq(0..count as u32));
            }
        }
    }
}
