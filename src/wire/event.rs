//! What a device says unasked: `CMD_REG_EVENT` packets.
//!
//! The session field carries the event's code; the payload's length tells the layout.
//! Source: public protocol descriptions; the 32-byte punch is captured, the others are reported.

use super::bytes::Reader;
use super::clock_word::CivilTime;
use super::packet::Packet;
use super::record::UserId;

/// An event, as far as it could be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody was verified and recorded.
    Punch(LivePunch),
    /// A finger was placed on the sensor.
    Finger,
    /// Anything else: its code and how many bytes came with it.
    Other {
        /// The session field.
        code: u16,
        /// Payload bytes.
        length: usize,
    },
    /// A punch whose payload has no known layout, kept whole.
    Unreadable {
        /// The payload.
        payload: Vec<u8>,
    },
}

/// A punch as it is told at once: less than the log will say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivePunch {
    /// Who.
    pub who: Who,
    /// How it was verified.
    pub verify_mode: u8,
    /// In, out, …
    pub punch_state: u8,
    /// When, by the device's clock; not necessarily a time that exists.
    pub time: CivilTime,
}

/// How a live punch names the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// By user id.
    UserId(UserId),
    /// By the device's internal index, which the user table resolves.
    Uid(u16),
}

/// The bit of the mask, and the code, for punches.
pub const ATTLOG: u16 = 1;
/// The code for a placed finger.
pub const FINGER: u16 = 2;

impl Event {
    /// Reads an event packet. Total: what is not understood is kept as such.
    #[must_use]
    pub fn parse(packet: &Packet<'_>) -> Self {
        match packet.session {
            ATTLOG => LivePunch::parse(packet.payload)
                .map_or_else(|| Self::Unreadable { payload: packet.payload.to_vec() }, Self::Punch),
            FINGER => Self::Finger,
            code => Self::Other { code, length: packet.payload.len() },
        }
    }
}

impl LivePunch {
    /// Reads the payload of an `EF_ATTLOG` event by its length.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let who = match payload.len() {
            10 | 14 => Who::Uid(reader.u16().ok()?),
            12 => Who::UserId(UserId::from_number(reader.u32().ok()?)),
            32.. => Who::UserId(UserId::from_field(&reader.array().ok()?)),
            _ => return None,
        };
        let verify_mode = reader.u8().ok()?;
        let state = reader.u8().ok()?;
        // The short form keeps "valid" marks in the upper half, except for 255, which means "no state".
        let short = payload.len() < 32;
        let punch_state = if short && state != u8::MAX { state & 0x0f } else { state };
        let time = CivilTime::from_six(reader.array().ok()?);
        Some(Self { who, verify_mode, punch_state, time })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::command::Command;

    #[test]
    fn an_event_that_is_not_understood_is_kept() {
        let packet = |session, payload| Packet { command: Command::REG_EVENT, session, reply: 0, payload };
        assert_eq!(Event::parse(&packet(512, &[1, 2])), Event::Other { code: 512, length: 2 });
        assert_eq!(Event::parse(&packet(ATTLOG, &[1])), Event::Unreadable { payload: vec![1] });
        assert_eq!(Event::parse(&packet(FINGER, &[])), Event::Finger);
    }

    #[test]
    fn the_short_form_masks_its_marks_and_keeps_255() {
        let state = |byte| LivePunch::parse(&[7, 0, 1, byte, 24, 1, 1, 0, 0, 0]).map(|p| p.punch_state);
        assert_eq!((state(0x81), state(0xff)), (Some(1), Some(255)));
    }

    proptest! {
        #[test]
        fn any_payload_is_an_event(code: u16, payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Event::parse(&Packet { command: Command::REG_EVENT, session: code, reply: 0, payload: &payload });
        }
    }
}
