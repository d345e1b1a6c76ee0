//! The bytes of a table, put together from its data packets, request by request.
//!
//! Over a stream they come in order. Datagrams are put in order, and doubled ones left out, by the fragment
//! index in their session field. How many bytes a request must bring is known from the announcement, from the
//! chunk that was asked for, or from the size word of a table that comes unannounced.

use std::collections::BTreeMap;

use crate::wire::bulk::{Announcement, BulkSize};
use crate::wire::carrier::Carrier;
use crate::wire::packet::Packet;

/// What has come so far.
#[derive(Debug)]
pub(super) struct Collect {
    carrier: Carrier,
    /// The table, up to `mark` from requests that are done with.
    data: Vec<u8>,
    mark: usize,
    /// The bytes of the chunk that was asked for.
    asked: Option<u32>,
    announced: Option<u32>,
    /// The fragments of the request under way, by index: datagrams only.
    fragments: BTreeMap<u16, Vec<u8>>,
    received: usize,
    /// Data packets of the request under way.
    packets: u32,
    closed: bool,
}

impl Collect {
    pub(super) const fn new(carrier: Carrier) -> Self {
        Self {
            carrier,
            data: Vec::new(),
            mark: 0,
            asked: None,
            announced: None,
            fragments: BTreeMap::new(),
            received: 0,
            packets: 0,
            closed: false,
        }
    }

    /// Takes memory for a table of this size, but no more than `ceiling`.
    pub(super) fn reserve(&mut self, size: u32, ceiling: usize) {
        self.data.reserve(usize::try_from(size).map_or(ceiling, |size| size.min(ceiling)));
    }

    /// Begins a request, for so many bytes if that is known.
    pub(super) fn begin(&mut self, asked: Option<u32>) {
        (self.asked, self.announced) = (asked, None);
        self.forget();
    }

    /// Takes an announcement. A second one counts instead of the first and what came after it; over datagrams
    /// it may be one that was overtaken by the data, which carries numbers of its own.
    pub(super) fn announce(&mut self, announcement: Announcement) {
        self.announced = Some(announcement.total);
        if self.carrier == Carrier::Tcp {
            self.forget();
        }
    }

    /// Takes a data packet.
    pub(super) fn add(&mut self, packet: &Packet<'_>) {
        self.received += packet.payload.len();
        self.packets = self.packets.saturating_add(1);
        match self.carrier {
            Carrier::Tcp => self.data.extend_from_slice(packet.payload),
            Carrier::Udp => {
                let doubled = self.fragments.insert(packet.session, packet.payload.to_vec());
                self.received -= doubled.map_or(0, |doubled| doubled.len());
            }
        }
    }

    /// Notes that the closing packet came, perhaps before the last data.
    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) const fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Bytes of the request under way.
    pub(super) const fn received(&self) -> usize {
        self.received
    }

    /// Bytes of the whole table.
    pub(super) const fn total(&self) -> usize {
        self.mark + self.received
    }

    /// How many bytes the request under way must bring, once that is known.
    pub(super) fn due(&self) -> Option<u64> {
        self.announced.or(self.asked).map(u64::from).or_else(|| {
            let first = match self.carrier {
                Carrier::Tcp => self.data.get(self.mark..)?,
                Carrier::Udp => self.fragments.first_key_value()?.1,
            };
            let (word, _) = first.split_first_chunk::<4>()?;
            Some(u64::from(u32::from_le_bytes(*word)) + 4)
        })
    }

    /// Whether all bytes are here.
    pub(super) fn is_complete(&self) -> bool {
        match self.due() {
            // Datagrams may still be missing in between, or come before their announcement.
            Some(due) if self.is_guess() && self.carrier == Carrier::Udp => {
                self.received as u64 == due && self.is_contiguous()
            }
            // The size word is only a claim: what came in one piece is weighed elsewhere.
            Some(due) if self.is_guess() => self.received as u64 >= due,
            Some(due) => self.received as u64 == due,
            // Less than a size word, unannounced, is an empty table; a datagram with something in it is the end of
            // a table that overtook the rest.
            None => self.packets > 0 && (self.carrier == Carrier::Tcp || self.received == 0),
        }
    }

    /// Whether it may be all, if nothing more comes: a single datagram whose size word is smaller than itself.
    pub(super) fn is_enough(&self) -> bool {
        self.is_complete()
            || self.is_guess()
                && self.fragments.len() == 1
                && self.due().is_some_and(|due| self.received as u64 >= due)
    }

    /// Whether there are more bytes than there can be.
    pub(super) fn overflows(&self) -> bool {
        let most = self.announced.or(self.asked).unwrap_or(BulkSize::CEILING);
        self.received as u64 > u64::from(most)
    }

    /// Whether only the size word says how much there is.
    pub(super) const fn is_guess(&self) -> bool {
        self.announced.is_none() && self.asked.is_none()
    }

    fn is_contiguous(&self) -> bool {
        let ends = self.fragments.first_key_value().zip(self.fragments.last_key_value());
        let last = ends.filter(|((first, _), _)| **first == 0).map(|(_, (last, _))| usize::from(*last));
        // A table that fits one datagram has any number there.
        self.fragments.len() == 1 || last == Some(self.fragments.len() - 1)
    }

    /// Forgets the table: it is read from its beginning again.
    pub(super) fn restart(&mut self) {
        self.mark = 0;
        self.forget();
    }

    /// The request under way brought what it should.
    pub(super) fn commit(&mut self) {
        for fragment in std::mem::take(&mut self.fragments).values() {
            self.data.extend_from_slice(fragment);
        }
        self.mark = self.data.len();
        (self.received, self.packets, self.closed) = (0, 0, false);
    }

    /// The whole table.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.data.truncate(self.mark);
        self.mark = 0;
        std::mem::take(&mut self.data)
    }

    fn forget(&mut self) {
        self.data.truncate(self.mark);
        self.fragments.clear();
        (self.received, self.packets, self.closed) = (0, 0, false);
    }
}
