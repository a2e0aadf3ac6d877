//! An append-only vector with one writer and any number of lock-free readers that borrow slices.
//!
//! Memory grows in buckets of doubling size that never move, so a slice stays valid as long as the vector lives.
//! Must not know: what the elements mean. Invariant: elements below the published length never change again.

use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

const BUCKETS: usize = 40;
/// The first bucket holds `1 << BASE_BITS` elements.
const BASE_BITS: u32 = 10;
const BASE: usize = 1 << BASE_BITS;

/// The readers' side.
pub(crate) struct Chunks<T> {
    buckets: [AtomicPtr<T>; BUCKETS],
    len: AtomicUsize,
}

// SAFETY: elements are plain copies; a reader only touches those below `len`, which the writer published with release
// order and never writes again.
unsafe impl<T: Copy + Send + Sync> Send for Chunks<T> {}
// SAFETY: as above; the one writer is the one `Appender`, which is not `Clone`.
unsafe impl<T: Copy + Send + Sync> Sync for Chunks<T> {}

#[inline]
fn locate(index: usize) -> (usize, usize) {
    let shifted = index + BASE;
    let top = usize::BITS - 1 - shifted.leading_zeros();
    ((top - BASE_BITS) as usize, shifted - (1 << top))
}

#[inline]
fn bucket_size(bucket: usize) -> usize {
    BASE << bucket
}

#[inline]
fn bucket_start(bucket: usize) -> usize {
    (BASE << bucket) - BASE
}

impl<T: Copy + Default> Chunks<T> {
    /// Published elements.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// The element, or the default where it is not published.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> T {
        self.get_below(index, self.len())
    }

    #[inline]
    fn get_below(&self, index: usize, len: usize) -> T {
        if index >= len {
            return T::default();
        }
        let (bucket, offset) = locate(index);
        let start = self.buckets[bucket].load(Ordering::Acquire);
        if start.is_null() {
            return T::default();
        }
        // SAFETY: a non-null bucket is an initialised allocation of `bucket_size(bucket)` elements, `offset` is below
        // that by construction, and an index below `len` is not written any more.
        unsafe { *start.add(offset) }
    }

    /// The elements from `from` on that lie in one bucket, at most up to `to`; empty past the end.
    #[inline]
    pub(crate) fn piece(&self, from: usize, to: usize) -> &[T] {
        let to = to.min(self.len());
        if from >= to {
            return &[];
        }
        let (bucket, offset) = locate(from);
        let count = (to - from).min(bucket_size(bucket) - offset);
        let start = self.buckets[bucket].load(Ordering::Acquire);
        if start.is_null() {
            return &[];
        }
        // SAFETY: `offset + count` is within the initialised bucket and below the published length, so nobody writes
        // there while the slice lives; the bucket is freed only when `self` is dropped.
        unsafe { std::slice::from_raw_parts(start.add(offset), count) }
    }

    /// Calls `f` with consecutive slices that cover the range, clipped to what is published.
    pub(crate) fn for_range(&self, range: Range<usize>, mut f: impl FnMut(&[T])) {
        let mut from = range.start;
        while from < range.end {
            let piece = self.piece(from, range.end);
            if piece.is_empty() {
                return;
            }
            f(piece);
            from += piece.len();
        }
    }

    /// Calls `f` for the element of every index, in any order; unpublished ones count as the default.
    #[inline]
    pub(crate) fn for_any(&self, indexes: &[u32], mut f: impl FnMut(T)) {
        let len = self.len();
        // Small dictionaries lie in the first bucket.
        let first = self.piece(0, BASE);
        for index in indexes {
            match first.get(*index as usize) {
                Some(value) => f(*value),
                None => f(self.get_below(*index as usize, len)),
            }
        }
    }

    /// Calls `f` for the element of every ascending index; unpublished ones count as the default.
    #[inline]
    pub(crate) fn for_list(&self, indexes: &[u32], mut f: impl FnMut(T)) {
        let len = self.len();
        let mut rest = indexes;
        while let Some(first) = rest.first() {
            // Ascending lists are served bucket by bucket, so that the loop below indexes one slice.
            let (bucket, _) = locate(*first as usize);
            let (start, end) = (bucket_start(bucket), bucket_start(bucket + 1));
            let piece = self.piece(start, end.min(len));
            let mut done = 0;
            for index in rest {
                match piece.get((*index as usize).wrapping_sub(start)) {
                    Some(value) => f(*value),
                    None => break,
                }
                done += 1;
            }
            if done == 0 {
                f(T::default());
                done = 1;
            }
            rest = &rest[done..];
        }
    }
}

impl<T> Drop for Chunks<T> {
    fn drop(&mut self) {
        for (bucket, start) in self.buckets.iter_mut().enumerate() {
            let start = *start.get_mut();
            if !start.is_null() {
                let slice = ptr::slice_from_raw_parts_mut(start, bucket_size(bucket));
                // SAFETY: the pointer came from `Box::into_raw` of a slice of exactly this length, and nobody else
                // can hold it any more.
                drop(unsafe { Box::from_raw(slice) });
            }
        }
    }
}

/// The one writer.
pub(crate) struct Appender<T> {
    chunks: Arc<Chunks<T>>,
    len: usize,
}

impl<T: Copy + Default> Appender<T> {
    /// An empty vector.
    pub(crate) fn new() -> Self {
        Self {
            chunks: Arc::new(Chunks {
                buckets: [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS],
                len: AtomicUsize::new(0),
            }),
            len: 0,
        }
    }

    /// The readers' side.
    pub(crate) fn reader(&self) -> Arc<Chunks<T>> {
        Arc::clone(&self.chunks)
    }

    /// Elements, published or not.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes everything appended so far visible.
    #[inline]
    pub(crate) fn publish(&mut self) {
        self.chunks.len.store(self.len, Ordering::Release);
    }

    /// The element, also where it is not published yet.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> T {
        self.chunks.get_below(index, self.len)
    }

    fn bucket(&mut self, bucket: usize) -> *mut T {
        let start = self.chunks.buckets[bucket].load(Ordering::Relaxed);
        if !start.is_null() {
            return start;
        }
        let fresh = vec![T::default(); bucket_size(bucket)].into_boxed_slice();
        let start = Box::into_raw(fresh).cast::<T>();
        self.chunks.buckets[bucket].store(start, Ordering::Release);
        start
    }

    /// Room for up to `count` elements in one piece, not yet counted in.
    #[inline]
    fn room(&mut self, count: usize) -> &mut [T] {
        let (bucket, offset) = locate(self.len);
        let count = count.min(bucket_size(bucket) - offset);
        let start = self.bucket(bucket);
        // SAFETY: the piece lies within the initialised bucket and above the published length, where no reader looks;
        // `&mut self` keeps other writes away.
        unsafe { std::slice::from_raw_parts_mut(start.add(offset), count) }
    }

    /// Appends one element.
    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        if let Some(place) = self.room(1).first_mut() {
            *place = value;
        }
        self.len += 1;
    }

    /// Appends elements.
    pub(crate) fn extend(&mut self, mut values: &[T]) {
        while !values.is_empty() {
            let room = self.room(values.len());
            let count = room.len();
            room.copy_from_slice(&values[..count]);
            self.len += count;
            values = &values[count..];
        }
    }

    /// Appends elements that stay in one piece (never split over buckets); answers where they start.
    pub(crate) fn push_run(&mut self, values: &[T]) -> usize {
        let (mut bucket, offset) = locate(self.len);
        if bucket_size(bucket) - offset < values.len() {
            bucket += 1;
            while bucket_size(bucket) < values.len() {
                bucket += 1;
            }
            self.len = bucket_start(bucket);
        }
        let start = self.len;
        self.extend(values);
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_every_bucket() {
        let mut writer = Appender::new();
        for i in 0..10_000_u32 {
            writer.push(i);
        }
        let reader = writer.reader();
        assert_eq!(reader.get(5), 0);
        assert_eq!(writer.get(5), 5);
        writer.publish();
        let mut seen = Vec::new();
        reader.for_range(500..20_000, |piece| seen.extend_from_slice(piece));
        assert_eq!(seen, (500..10_000).collect::<Vec<_>>());
        seen.clear();
        reader.for_list(&[0, 1023, 1024, 9_999, 10_000, 3], |v| seen.push(v));
        assert_eq!(seen, [0, 1023, 1024, 9_999, 0, 3]);
    }

    #[test]
    fn runs_stay_in_one_piece() {
        let mut writer = Appender::new();
        let first = writer.push_run(&[1_u8; 1000]);
        let second = writer.push_run(&[2; 100_000]);
        writer.publish();
        let reader = writer.reader();
        assert_eq!(reader.piece(first, first + 1000).len(), 1000);
        assert_eq!(reader.piece(second, second + 100_000), &[2; 100_000]);
    }

    #[test]
    fn readers_follow_a_writer_in_another_thread() {
        let mut writer = Appender::new();
        let reader = writer.reader();
        let thread = std::thread::spawn(move || {
            for i in 0..200_000_usize {
                writer.push(i);
                if i % 64 == 63 {
                    writer.publish();
                }
            }
            writer.publish();
        });
        let mut len = 0;
        while len < 200_000 {
            len = reader.len();
            let mut next = 0;
            reader.for_range(0..len, |piece| {
                for value in piece {
                    assert_eq!(*value, next);
                    next += 1;
                }
            });
            assert_eq!(next, len);
        }
        assert!(thread.join().is_ok());
    }
}
