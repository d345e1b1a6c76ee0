//! Bytes that a socket did not take yet, in pieces, so that a long answer is neither copied nor kept whole.

use std::collections::VecDeque;

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pieces: VecDeque<Vec<u8>>,
    /// How much of the first piece has gone.
    gone: usize,
    len: usize,
}

impl Outgoing {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts bytes at the end.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(last) = self.pieces.back_mut() {
            let room = last.capacity().saturating_sub(last.len()).min(bytes.len());
            if let Some((fits, rest)) = bytes.split_at_checked(room) {
                last.extend_from_slice(fits);
                bytes = rest;
            }
        }
        if !bytes.is_empty() {
            // Room to spare only in a queue that is growing.
            let room = if self.pieces.is_empty() { bytes.len() } else { bytes.len().max(PIECE) };
            let mut piece = Vec::with_capacity(room);
            piece.extend_from_slice(bytes);
            self.pieces.push_back(piece);
        }
    }

    /// The first bytes, or none when there are none.
    pub(super) fn front(&self) -> &[u8] {
        self.pieces.front().and_then(|piece| piece.get(self.gone..)).unwrap_or_default()
    }

    /// Forgets the first `taken` bytes, at most those of [`Outgoing::front`].
    pub(super) fn advance(&mut self, taken: usize) {
        let taken = taken.min(self.front().len());
        self.gone += taken;
        self.len -= taken;
        if self.front().is_empty() {
            self.pieces.pop_front();
            self.gone = 0;
        }
    }
}

const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let mut queue = Outgoing::default();
        let mut expected = Vec::new();
        for size in [1, 70_000, 3, 0, 64, 200_000] {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            queue.push(&bytes);
            expected.extend_from_slice(&bytes);
        }
        assert_eq!(queue.len(), expected.len());
        let mut seen = Vec::new();
        while !queue.is_empty() {
            let front = queue.front();
            let part = front.get(..front.len().min(999)).unwrap_or(front).to_vec();
            queue.advance(part.len());
            seen.extend_from_slice(&part);
        }
        assert!(seen == expected && queue.front().is_empty());
    }
}
