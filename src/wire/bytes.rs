//! Reading little-endian fields from foreign bytes without ever reaching past them.

/// There were fewer bytes than the field needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data ends too early")]
pub struct EndOfBytes;

/// A view of bytes that can only become shorter.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A view of all of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`EndOfBytes`] when fewer are left; nothing is consumed then.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], EndOfBytes> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(EndOfBytes)?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`EndOfBytes`] when none is left.
    pub fn u8(&mut self) -> Result<u8, EndOfBytes> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next two bytes as a number.
    ///
    /// # Errors
    /// [`EndOfBytes`] when fewer are left.
    pub fn u16(&mut self) -> Result<u16, EndOfBytes> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes as a number.
    ///
    /// # Errors
    /// [`EndOfBytes`] when fewer are left.
    pub fn u32(&mut self) -> Result<u32, EndOfBytes> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`EndOfBytes`] when fewer are left; nothing is consumed then.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], EndOfBytes> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(EndOfBytes)?;
        self.rest = rest;
        Ok(head)
    }

    /// Passes over `count` bytes.
    ///
    /// # Errors
    /// [`EndOfBytes`] when fewer are left.
    pub fn skip(&mut self, count: usize) -> Result<(), EndOfBytes> {
        self.take(count).map(drop)
    }

    /// All that is left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_and_never_past_the_end() {
        let mut reader = Reader::new(&[1, 2, 0, 3, 0, 0, 0, 9]);
        assert_eq!((reader.u8(), reader.u16(), reader.u32()), (Ok(1), Ok(2), Ok(3)));
        assert_eq!(reader.u16(), Err(EndOfBytes));
        assert_eq!(reader.rest(), [9], "a failed read consumes nothing");
    }
}
