//! Messages as a stream hands them over: one buffer for a batch, ranges per message.
//!
//! Must not know: which stream. Invariant: messages of a batch are of one partition, in the order of their offsets.

/// One message, borrowed from its batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Message<'a> {
    /// The payload; `None` for a tombstone.
    pub payload: Option<&'a [u8]>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: &'a [(String, Vec<u8>)],
    /// Offset within the partition.
    pub offset: i64,
    /// Partition.
    pub partition: i32,
    /// Time of the record, milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
}

impl<'a> Message<'a> {
    /// A message with nothing but a payload.
    #[must_use]
    pub fn of(payload: &'a [u8]) -> Self {
        Self {
            payload: Some(payload),
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    payload: Option<(u32, u32)>,
    key: Option<(u32, u32)>,
    headers: (u32, u32),
    offset: i64,
    timestamp_ms: Option<i64>,
}

/// Messages of one partition; its buffers are kept when it is cleared.
#[derive(Debug, Clone, Default)]
pub struct MessageBatch {
    bytes: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
    entries: Vec<Entry>,
    partition: i32,
    next_offset: Option<i64>,
}

impl MessageBatch {
    /// Drops every message.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.headers.clear();
        self.entries.clear();
        self.next_offset = None;
    }

    /// Names the partition that the messages come from.
    pub fn set_partition(&mut self, partition: i32) {
        self.partition = partition;
    }

    /// Appends a message. The key and headers are kept only where the caller passes them.
    pub fn push(&mut self, message: &Message<'_>) {
        let payload = message.payload.map(|p| self.add(p));
        let key = message.key.map(|k| self.add(k));
        let first = self.headers.len() as u32;
        self.headers.extend_from_slice(message.headers);
        self.entries.push(Entry {
            payload,
            key,
            headers: (first, self.headers.len() as u32),
            offset: message.offset,
            timestamp_ms: message.timestamp_ms,
        });
        self.next_offset = Some(message.offset.saturating_add(1));
    }

    fn add(&mut self, bytes: &[u8]) -> (u32, u32) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        (start, self.bytes.len() as u32)
    }

    /// Number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without a message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of payloads and keys.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The offset at which to go on after this batch, `None` where nothing was read.
    #[must_use]
    pub fn next_offset(&self) -> Option<i64> {
        self.next_offset
    }

    /// Moves the offset at which to go on, past records that hold no message (transaction markers, filtered ones).
    pub fn set_next_offset(&mut self, offset: i64) {
        self.next_offset = Some(offset);
    }

    /// The message at `index`, `None` beyond the end.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Message<'_>> {
        let entry = self.entries.get(index)?;
        let bytes = |(start, end): (u32, u32)| &self.bytes[start as usize..end as usize];
        Some(Message {
            payload: entry.payload.map(bytes),
            key: entry.key.map(bytes),
            headers: &self.headers[entry.headers.0 as usize..entry.headers.1 as usize],
            offset: entry.offset,
            partition: self.partition,
            timestamp_ms: entry.timestamp_ms,
        })
    }

    /// The messages in order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
