//! Bytes of states: little-endian numbers, lengths before text.
//!
//! Must not know: any aggregate. Invariant: [`Reader`] never reads past the end and refuses what is left over.

use crate::FunctionError;

/// Appends a length or count.
pub(crate) fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend((len as u64).to_le_bytes());
}

/// Appends an f64.
pub(crate) fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend(value.to_bits().to_le_bytes());
}

/// Appends an i64.
pub(crate) fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend(value.to_le_bytes());
}

/// Appends a flag.
pub(crate) fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

/// Appends bytes with their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// The error of bytes that are no state.
pub(crate) fn broken() -> FunctionError {
    FunctionError::Evaluation("the bytes are not a state of this aggregate".to_owned())
}

/// Reads what the functions above wrote.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], FunctionError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn eight(&mut self) -> Result<[u8; 8], FunctionError> {
        self.take(8)?.try_into().map_err(|_| broken())
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FunctionError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn bool(&mut self) -> Result<bool, FunctionError> {
        Ok(self.byte()? != 0)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, FunctionError> {
        Ok(i64::from_le_bytes(self.eight()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FunctionError> {
        Ok(u64::from_le_bytes(self.eight()?))
    }

    pub(crate) fn f64(&mut self) -> Result<f64, FunctionError> {
        Ok(f64::from_bits(self.u64()?))
    }

    /// A count of things of at least `size` bytes each: never more than the bytes that are left can hold.
    pub(crate) fn len(&mut self, size: usize) -> Result<usize, FunctionError> {
        let len = usize::try_from(self.u64()?).map_err(|_| broken())?;
        if len
            .checked_mul(size)
            .is_none_or(|total| total > self.0.len())
        {
            return Err(broken());
        }
        Ok(len)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], FunctionError> {
        let len = self.len(1)?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<String, FunctionError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| broken())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Passes `value` on where nothing is left.
    pub(crate) fn end<T>(&self, value: T) -> Result<T, FunctionError> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(broken())
        }
    }
}
