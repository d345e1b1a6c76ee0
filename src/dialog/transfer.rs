//! The answer to one request for data: announced or not, in as many packets as the device likes, and the packet
//! that closes it.
//!
//! It says what the packets amount to. Whether a request is made once more, and of which form, is decided by
//! whoever made it.

use std::time::Duration;

use super::collect::Collect;
use super::error::DialogError;
use super::{Manners, Patience, Phase};
use crate::wire::bulk::{Announcement, BulkSize};
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// The bytes of a table, and the answer under way that brings more of them.
#[derive(Debug)]
pub(super) struct Transfer {
    manners: Manners,
    collect: Collect,
    /// The bytes that the request under way asked for, if it named them.
    asked: Option<u32>,
}

/// What has become of an answer.
#[derive(Debug)]
pub(super) enum Verdict {
    /// More of it is waited for.
    Wait(Patience),
    /// All of it is here, and taken.
    Whole,
    /// It is over, and something is missing.
    Short,
    /// Nothing more came, and it is not over.
    Stopped,
    /// The device answers with this code instead.
    Refused(Command),
    /// Asking again is of no use.
    Failed(DialogError),
}

/// How long the packet that closes a transfer is waited for once all bytes are here.
pub(super) const CLOSING: Duration = Duration::from_secs(2);
/// How long late datagrams are waited for after the packet that closes a transfer.
pub(super) const LATE: Duration = Duration::from_secs(1);
/// Memory taken before anything has come, in bytes; it grows with what comes.
const FIRST_RESERVE: usize = 1 << 20;

impl Transfer {
    pub(super) const fn new(manners: Manners) -> Self {
        Self { manners, collect: Collect::new(manners.carrier), asked: None }
    }

    /// Takes memory for this many bytes, as far as that is sensible before they have come.
    pub(super) fn reserve(&mut self, bytes: u32) {
        self.collect.reserve(bytes, FIRST_RESERVE);
    }

    /// Begins a request, for so many bytes if that is known.
    pub(super) fn begin(&mut self, asked: Option<u32>) {
        self.asked = asked;
        self.collect.begin(asked);
    }

    /// Forgets what all requests brought: the table is read from its beginning again.
    pub(super) fn restart(&mut self) {
        self.collect.restart();
    }

    /// What all requests brought.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.collect.take()
    }

    /// How many bytes the request under way must bring, once that is known, and how many it has brought.
    pub(super) fn progress(&self) -> (Option<u64>, u64) {
        (self.collect.due(), self.collect.received() as u64)
    }

    /// How many bytes all requests have brought.
    pub(super) const fn total(&self) -> u64 {
        self.collect.total() as u64
    }

    /// Takes a packet of the answer.
    pub(super) fn hear(&mut self, packet: &Packet<'_>) -> Verdict {
        match packet.command {
            Command::PREPARE_DATA => {
                let Ok(announcement) = Announcement::parse(packet.payload) else { return Verdict::Short };
                match BulkSize::new(announcement.total) {
                    Ok(_) => self.collect.announce(announcement),
                    Err(too_large) => return Verdict::Failed(too_large.into()),
                }
                self.weigh()
            }
            Command::DATA => {
                self.collect.add(packet);
                self.weigh()
            }
            Command::ACK_OK if self.collect.is_complete() => self.finished(),
            Command::ACK_OK if self.collect.is_closed() => self.wait(self.manners.progress),
            Command::ACK_OK if self.more_was_sent(packet) => {
                self.collect.close();
                self.wait(LATE)
            }
            Command::ACK_OK => Verdict::Short,
            Command::ACK_UNAUTH => Verdict::Failed(DialogError::SessionLost),
            code => Verdict::Refused(code),
        }
    }

    /// Takes note that nothing came for as long as was waited.
    pub(super) fn lapse(&mut self) -> Verdict {
        if self.collect.is_enough() {
            // The closing packet is missing, the bytes are not.
            self.finished()
        } else if self.collect.is_closed() {
            // A closed transfer is over, whatever is missing, so it can be asked for again.
            Verdict::Short
        } else {
            Verdict::Stopped
        }
    }

    /// What has come, is it all?
    fn weigh(&mut self) -> Verdict {
        if self.collect.overflows() {
            return self.overrun();
        }
        if !self.collect.is_complete() {
            if let Some(Err(too_large)) = self.claimed().map(BulkSize::new) {
                return Verdict::Failed(too_large.into());
            }
            if self.collect.is_closed() || self.collect.is_enough() {
                return self.wait(LATE);
            }
            return self.wait(self.manners.progress);
        }
        if self.collect.is_announced() && !self.collect.is_closed() {
            // The packet that closes the transfer follows; unread it would answer the next request.
            return self.wait(CLOSING);
        }
        self.finished()
    }

    /// What the size word of an unannounced table claims. The first datagram need not be the one with that word.
    fn claimed(&self) -> Option<u32> {
        let guess = self.collect.is_guess() && self.manners.carrier == Carrier::Tcp;
        let due = self.collect.due().filter(|_| guess)?;
        Some(u32::try_from(due).unwrap_or(u32::MAX))
    }

    /// Whether the packet that closes a transfer may have overtaken data: datagrams do that, and it tells how
    /// many bytes were sent (modulo 65536).
    fn more_was_sent(&self, packet: &Packet<'_>) -> bool {
        let received = self.collect.received() % (1 << 16);
        self.manners.carrier == Carrier::Udp || usize::from(packet.session) != received
    }

    /// More bytes than announced: a stream cannot be trusted after that, datagrams can be asked for again.
    fn overrun(&self) -> Verdict {
        match self.manners.carrier {
            Carrier::Udp => Verdict::Short,
            Carrier::Tcp => Verdict::Failed(DialogError::Overrun {
                announced: self.collect.due().unwrap_or_default(),
                received: self.collect.received() as u64,
            }),
        }
    }

    /// All bytes that were announced are here; are they those that were asked for?
    fn finished(&mut self) -> Verdict {
        if self.asked.is_some_and(|asked| usize::try_from(asked) != Ok(self.collect.received())) {
            return Verdict::Short;
        }
        self.collect.commit();
        Verdict::Whole
    }

    /// Waits for what may still come, but no longer than for anything else.
    fn wait(&self, limit: Duration) -> Verdict {
        Verdict::Wait(Patience { phase: Phase::Transfer, limit: limit.min(self.manners.progress) })
    }
}
