//! A walk over the bytes of a request before it is decoded. The decoder reserves memory for as many
//! elements as an array claims to have; this walk makes sure that they are really there.
//! Invariant: it allocates nothing and never reads beyond the request.
//! Must not know: what a field means.

/// How a request of one version range is laid out. One letter a field: `1 2 4 8` a number of that
/// many bytes, `s` text, `b` bytes, `[...]` an array of structures, `(...)` an array of bare fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// First version with this layout.
    pub(crate) from: i16,
    /// Whether lengths are compact and structures carry tagged fields.
    pub(crate) flexible: bool,
    /// The fields.
    pub(crate) fields: &'static str,
}

/// A layout of a request, from a version on.
pub(crate) const fn plain(from: i16, fields: &'static str) -> Shape {
    Shape {
        from,
        flexible: false,
        fields,
    }
}

/// A layout with compact lengths and tagged fields, from a version on.
pub(crate) const fn flexible(from: i16, fields: &'static str) -> Shape {
    Shape {
        from,
        flexible: true,
        fields,
    }
}

/// No request of any client comes near this many elements in one array.
const MAX_ELEMENTS: usize = 200_000;

impl Shape {
    /// True if `bytes` hold what the layout says, counts included.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let mut walk = Walk {
            rest: bytes,
            flexible: self.flexible,
        };
        walk.fields(self.fields.as_bytes()).is_some() && walk.tags().is_some()
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&mut self, mut layout: &[u8]) -> Option<()> {
        while let Some((kind, tail)) = layout.split_first() {
            layout = tail;
            match kind {
                b'1' => self.skip(1)?,
                b'2' => self.skip(2)?,
                b'4' => self.skip(4)?,
                b'8' => self.skip(8)?,
                b's' => self.sized(2)?,
                b'b' => self.sized(4)?,
                b'[' | b'(' => {
                    let end = closing(tail)?;
                    let (inner, behind) = tail.split_at_checked(end)?;
                    layout = behind.get(1..)?;
                    self.array(inner, *kind == b'[')?;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn array(&mut self, inner: &[u8], structures: bool) -> Option<()> {
        let count = self.length(4)?.unwrap_or(0);
        if count > MAX_ELEMENTS || count > self.rest.len() {
            return None;
        }
        for _ in 0..count {
            self.fields(inner)?;
            if structures {
                self.tags()?;
            }
        }
        Some(())
    }

    fn sized(&mut self, width: usize) -> Option<()> {
        let length = self.length(width)?.unwrap_or(0);
        self.skip(length)
    }

    /// A length; `Some(None)` stands for null.
    fn length(&mut self, width: usize) -> Option<Option<usize>> {
        if self.flexible {
            let raw = usize::try_from(self.varint()?).ok()?;
            return Some(raw.checked_sub(1));
        }
        let (bytes, tail) = self.rest.split_at_checked(width)?;
        self.rest = tail;
        let length = match bytes {
            [a, b] => i32::from(i16::from_be_bytes([*a, *b])),
            [a, b, c, d] => i32::from_be_bytes([*a, *b, *c, *d]),
            _ => return None,
        };
        match length {
            -1 => Some(None),
            other => usize::try_from(other).ok().map(Some),
        }
    }

    fn tags(&mut self) -> Option<()> {
        if !self.flexible {
            return Some(());
        }
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = usize::try_from(self.varint()?).ok()?;
            self.skip(length)?;
        }
        Some(())
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let (first, tail) = self.rest.split_first()?;
            self.rest = tail;
            value |= u32::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }
}

/// Where the bracket that was just opened is closed.
fn closing(layout: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, kind) in layout.iter().enumerate() {
        match kind {
            b'[' | b'(' => depth += 1,
            b']' | b')' if depth == 0 => return Some(at),
            b']' | b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_must_be_backed_by_bytes() {
        let shape = plain(0, "4[s(4)]2");
        let good = [
            0, 0, 0, 1, 0, 0, 0, 1, 0, 1, b'x', 0, 0, 0, 1, 0, 0, 0, 9, 0, 0,
        ];
        assert!(shape.holds(&good));
        for cut in 0..good.len() {
            assert!(!shape.holds(&good[..cut]), "cut at {cut}");
        }
        let mut huge = good;
        huge[4] = 0x7f;
        assert!(!shape.holds(&huge));
        let mut negative = good;
        negative[4..8].copy_from_slice(&(-2_i32).to_be_bytes());
        assert!(!shape.holds(&negative));
    }

    #[test]
    fn compact_lengths_and_tags() {
        let shape = flexible(0, "[s]");
        assert!(shape.holds(&[2, 2, b'x', 0, 0]));
        assert!(shape.holds(&[0, 0]));
        assert!(shape.holds(&[1, 1, 5, 2, 9, 9]));
        assert!(!shape.holds(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0]));
        assert!(!shape.holds(&[1, 1, 5, 3, 9, 9]));
    }
}
