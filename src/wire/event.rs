//! What a device says unasked: `CMD_REG_EVENT` packets.
//!
//! The session field carries the event's code; the payload's length tells the layout.
//! Source: public protocol descriptions; the 32-byte punch and the score are captured, the others are reported.

use super::bytes::Reader;
use super::clock_word::{CivilTime, PossibleTime};
use super::packet::Packet;
use super::record::UserId;
use super::text::FixedText;

/// An event, as far as it could be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody was verified and recorded.
    Punch {
        /// What it tells.
        punch: LivePunch,
        /// The bytes that told it, at most the first [`Event::PAYLOAD_KEPT`].
        payload: Vec<u8>,
    },
    /// A finger was placed on the sensor.
    Finger,
    /// How good the sample of the placed finger is: 0 or 100.
    Score(u8),
    /// The end of an enrolment.
    Enrolment(Enrolment),
    /// Somebody tried to be verified: their uid, or `None` for somebody whom the device does not know.
    Verification(Option<u32>),
    /// The device or somebody at it raises an alarm.
    Alarm(Alarm),
    /// Anything else, also a known code with a payload of no known layout: its code and how many bytes came
    /// with it.
    Other {
        /// The session field.
        code: u16,
        /// Payload bytes.
        length: usize,
    },
    /// A punch whose payload has no known layout.
    Unreadable {
        /// The payload, at most the first [`Event::PAYLOAD_KEPT`] bytes of it.
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

/// How the enrolment of a finger ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolment {
    /// The device has the finger.
    Done {
        /// Bytes of the new template.
        template_size: u16,
        /// Whose.
        user_id: UserId,
        /// Which finger, 0 to 9.
        finger: u8,
    },
    /// It has not: 4 and 6 mean failed or timed out, 5 that the finger was already enrolled.
    Failed {
        /// The device's number for the reason, never 0.
        result: u16,
    },
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The device is used wrongly, again and again.
    Misoperation,
    /// The device was opened or taken off the wall.
    Tamper,
    /// The exit button was pressed.
    ExitButton,
    /// The door is closing.
    DoorClosing,
    /// Somebody was verified with a finger that means "I am being forced".
    Duress {
        /// Who, by the device's own index.
        uid: u16,
        /// How they were matched.
        match_type: u32,
    },
    /// Somebody who is inside by the device's books came in again.
    Passback {
        /// Who, by the device's own index.
        uid: u16,
        /// How they were matched.
        match_type: u32,
    },
}

/// The bit of the mask, and the code, for punches.
pub const ATTLOG: u16 = 1;
/// The code for a placed finger.
pub const FINGER: u16 = 2;
/// The code for somebody who was put into the user table at the device.
pub const ENROLL_USER: u16 = 4;
/// The code for a key that was pressed.
pub const BUTTON: u16 = 16;
/// The code for a door that was unlocked; what comes with it is not described.
pub const UNLOCK: u16 = 32;
/// The code for the end of an enrolment.
pub const ENROLL_FINGER: u16 = 8;
/// The code for an attempt to be verified.
pub const VERIFY: u16 = 128;
/// The code for the score of a finger's sample.
pub const SCORE: u16 = 256;
/// The code for alarms.
pub const ALARM: u16 = 512;

impl Event {
    /// The most bytes of a payload that are kept with a punch; the longest known one has 52.
    pub const PAYLOAD_KEPT: usize = 512;

    /// Reads an event packet: one event, or several punches. Total: what is not understood is kept as such.
    pub fn each<'a>(packet: &Packet<'a>) -> impl Iterator<Item = Self> + 'a {
        let (code, payload) = (packet.session, packet.payload);
        let length = if code == ATTLOG { LivePunch::length_in(payload) } else { payload.len() };
        let (first, others) = payload.split_at_checked(length).unwrap_or((payload, &[]));
        let all = std::iter::once(first).chain(others.chunks(length.max(1)));
        all.map(move |payload| Self::parse(code, payload))
    }

    fn parse(code: u16, payload: &[u8]) -> Self {
        let understood = match code {
            ATTLOG => {
                let kept = payload.iter().take(Self::PAYLOAD_KEPT).copied().collect();
                Some(match LivePunch::parse(payload) {
                    Some(punch) => Self::Punch { punch, payload: kept },
                    None => Self::Unreadable { payload: kept },
                })
            }
            FINGER => Some(Self::Finger),
            ENROLL_FINGER => Enrolment::parse(payload).map(Self::Enrolment),
            VERIFY => Reader::new(payload)
                .u32()
                .ok()
                .map(|uid| Self::Verification((uid != u32::MAX).then_some(uid))),
            SCORE => payload.first().copied().map(Self::Score),
            ALARM => Alarm::parse(payload).map(Self::Alarm),
            _ => None,
        };
        understood.unwrap_or(Self::Other { code, length: payload.len() })
    }
}

impl Enrolment {
    /// Reads the payload of an `EF_ENROLLFINGER` event.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let result = reader.u16().ok()?;
        if result != 0 {
            return Some(Self::Failed { result });
        }
        let template_size = reader.u16().ok()?;
        let user_id = FixedText::<9>::from_field(&reader.array().ok()?);
        let user_id = UserId::new(user_id.as_bytes()).ok()?;
        Some(Self::Done { template_size, user_id, finger: reader.u8().ok()? })
    }
}

impl Alarm {
    /// Reads the payload of an `EF_ALARM` event by its length.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        match (payload.len(), payload) {
            (4, [0x3a, ..]) => Some(Self::Misoperation),
            (4, [0x37, ..]) => Some(Self::Tamper),
            (4, [0x35, ..]) => Some(Self::ExitButton),
            // The manual means decimal 54, another source reads it as hexadecimal.
            (8, [0x36 | 0x54, ..]) => Some(Self::DoorClosing),
            (12, _) => Self::about_somebody(payload),
            _ => None,
        }
    }

    /// Sources disagree whether the kind stands before the uid or behind it; the kind tells itself by its value.
    fn about_somebody(payload: &[u8]) -> Option<Self> {
        const KINDS: [u16; 2] = [0x20, 0x22];
        let mut reader = Reader::new(payload);
        let all_ones = reader.u32().ok()?;
        let (first, second) = (reader.u16().ok()?, reader.u16().ok()?);
        let match_type = reader.u32().ok()?;
        let (kind, uid) = if KINDS.contains(&first) { (first, second) } else { (second, first) };
        match (all_ones, kind) {
            (u32::MAX, 0x20) => Some(Self::Duress { uid, match_type }),
            (u32::MAX, 0x22) => Some(Self::Passback { uid, match_type }),
            _ => None,
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

    /// How many bytes each of the punches in a payload takes. Only a payload longer than the longest known layout
    /// holds several, and only if all of them make sense; any other is one punch.
    fn length_in(payload: &[u8]) -> usize {
        const KNOWN: [usize; 7] = [52, 37, 36, 32, 14, 12, 10];
        let several = payload.len() > 52;
        let believable = |piece| Self::parse(piece).is_some_and(|punch| punch.is_believable());
        let fits = |length: &usize| {
            several && payload.len().is_multiple_of(*length) && payload.chunks_exact(*length).all(believable)
        };
        KNOWN.into_iter().find(fits).unwrap_or(payload.len())
    }

    fn is_believable(&self) -> bool {
        let somebody = match self.who {
            Who::UserId(user_id) => user_id.is_plausible() && user_id.to_number() != Some(0),
            Who::Uid(uid) => uid != 0,
        };
        let state = self.punch_state < 16 || self.punch_state == u8::MAX;
        somebody && state && self.verify_mode < 200 && PossibleTime::new(self.time).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::command::Command;

    fn events(session: u16, payload: &[u8]) -> Vec<Event> {
        Event::each(&Packet { command: Command::REG_EVENT, session, reply: 0, payload }).collect()
    }

    #[test]
    fn an_event_that_is_not_understood_is_kept() {
        assert_eq!(events(512, &[1, 2]), [Event::Other { code: 512, length: 2 }]);
        assert_eq!(events(ATTLOG, &[1]), [Event::Unreadable { payload: vec![1] }]);
        assert_eq!(events(ATTLOG, &[]), [Event::Unreadable { payload: vec![] }]);
        assert_eq!(events(FINGER, &[]), [Event::Finger]);
    }

    /// A punch of this person in the layout of so many bytes.
    fn told(length: usize, who: u16, second: u8) -> Vec<u8> {
        let mut payload = match length {
            10 | 14 => who.to_le_bytes().to_vec(),
            12 => u32::from(who).to_le_bytes().to_vec(),
            _ => UserId::from_number(who.into()).field().to_vec(),
        };
        payload.extend([1, 0, 26, 7, 14, 8, 0, second]);
        payload.resize(length, 0);
        payload
    }

    #[test]
    fn several_punches_in_one_packet_are_told_one_by_one() {
        for length in [10, 12, 14, 32, 36, 37, 52] {
            for count in 1..=40u8 {
                let pieces: Vec<_> = (0..count).map(|n| told(length, 1000 + u16::from(n), n)).collect();
                let events = events(ATTLOG, &pieces.concat());
                if count > 1 && usize::from(count) * length <= 52 {
                    assert_eq!(events.len(), 1, "{count} x {length} is too short to be several");
                    continue;
                }
                assert_eq!(events.len(), pieces.len(), "{count} x {length}");
                for (event, piece) in events.iter().zip(&pieces) {
                    let punch = LivePunch::parse(piece).unwrap();
                    assert_eq!(*event, Event::Punch { punch, payload: piece.clone() }, "{count} x {length}");
                }
            }
        }
    }

    #[test]
    fn a_long_payload_that_is_not_several_punches_is_one_with_something_behind_it() {
        for (name, behind) in [("zeros", vec![0; 32]), ("rubbish", vec![0xee; 32]), ("more", vec![7; 5000])] {
            let payload = [told(32, 1001, 5), behind].concat();
            let events = events(ATTLOG, &payload);
            let [Event::Punch { punch, payload: kept }] = &events[..] else { panic!("{name}: {events:?}") };
            assert_eq!(punch.who, Who::UserId(UserId::from_number(1001)), "{name}");
            assert_eq!(kept[..], payload[..payload.len().min(Event::PAYLOAD_KEPT)], "{name}");
        }
    }

    #[test]
    fn events_beside_punches_are_told_by_code_and_length() {
        let event = |session, payload: &[u8]| events(session, payload).remove(0);
        let other = |code, length| Event::Other { code, length };
        let user_id = UserId::new(b"1003").unwrap();
        let done = Enrolment::Done { template_size: 1220, user_id, finger: 6 };
        let about = |words: [u8; 4]| [&[0xff; 4][..], &words, &[1, 0, 0, 0]].concat();
        let (duress, passback) = (
            Event::Alarm(Alarm::Duress { uid: 13, match_type: 1 }),
            Event::Alarm(Alarm::Passback { uid: 13, match_type: 1 }),
        );
        for (name, code, payload, expected) in [
            ("score", SCORE, vec![100], Event::Score(100)),
            ("no score", SCORE, vec![], other(SCORE, 0)),
            ("enrolled", ENROLL_FINGER, b"\0\0\xc4\x041003\0\0\0\0\0\x06".to_vec(), Event::Enrolment(done)),
            ("refused", ENROLL_FINGER, vec![5, 0], Event::Enrolment(Enrolment::Failed { result: 5 })),
            ("enrolled, but cut", ENROLL_FINGER, b"\0\0\xc4\x041003".to_vec(), other(ENROLL_FINGER, 8)),
            ("verified", VERIFY, vec![7, 0, 0, 0, 1], Event::Verification(Some(7))),
            ("a stranger", VERIFY, vec![0xff, 0xff, 0xff, 0xff, 1], Event::Verification(None)),
            ("verified, but cut", VERIFY, vec![7, 0, 0], other(VERIFY, 3)),
            ("misoperation", ALARM, vec![0x3a, 0, 0, 0], Event::Alarm(Alarm::Misoperation)),
            ("tamper", ALARM, vec![0x37, 0, 0, 0], Event::Alarm(Alarm::Tamper)),
            ("exit button", ALARM, vec![0x35, 0, 0, 0], Event::Alarm(Alarm::ExitButton)),
            ("door closing", ALARM, vec![0x54, 0, 0, 0, 0, 0, 0, 0], Event::Alarm(Alarm::DoorClosing)),
            ("the same", ALARM, vec![0x36, 0, 0, 0, 0, 0, 0, 0], Event::Alarm(Alarm::DoorClosing)),
            ("unknown alarm", ALARM, vec![0x36, 0, 0, 0], other(ALARM, 4)),
            ("duress", ALARM, about([0x20, 0, 13, 0]), duress.clone()),
            ("duress, uid first", ALARM, about([13, 0, 0x20, 0]), duress),
            ("passback", ALARM, about([0x22, 0, 13, 0]), passback.clone()),
            ("passback, uid first", ALARM, about([13, 0, 0x22, 0]), passback),
            ("about somebody, unknown kind", ALARM, about([0x21, 0, 13, 0]), other(ALARM, 12)),
            ("not all ones", ALARM, vec![0, 0, 0, 0, 0x20, 0, 13, 0, 1, 0, 0, 0], other(ALARM, 12)),
        ] {
            assert_eq!(event(code, &payload), expected, "{name}");
        }
    }

    #[test]
    fn the_short_form_masks_its_marks_and_keeps_255() {
        let state = |byte| LivePunch::parse(&[7, 0, 1, byte, 24, 1, 1, 0, 0, 0]).map(|p| p.punch_state);
        assert_eq!((state(0x81), state(0xff)), (Some(1), Some(255)));
    }

    proptest! {
        #[test]
        fn any_payload_is_an_event(
            code in prop_oneof![Just(ATTLOG), any::<u16>()], payload in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let events = events(code, &payload);
            prop_assert!(!events.is_empty() && (code == ATTLOG || events.len() == 1));
        }

        #[test]
        fn no_byte_of_a_punch_is_told_twice_or_left_out(
            length in prop_oneof![Just(10usize), Just(32), Just(36), Just(52)], count in 1u16..12, cut in 0usize..60,
        ) {
            let mut payload: Vec<u8> = (1..=count).flat_map(|who| told(length, who, 9)).collect();
            payload.truncate(payload.len().saturating_sub(cut));
            let events = events(ATTLOG, &payload);
            let kept = if events.len() == 1 { Event::PAYLOAD_KEPT } else { usize::MAX };
            let mut told = Vec::new();
            for event in events {
                match event {
                    Event::Punch { payload, .. } | Event::Unreadable { payload } => told.extend(payload),
                    other => panic!("{:?}", other),
                }
            }
            prop_assert_eq!(told, payload.iter().copied().take(kept).collect::<Vec<u8>>());
        }
    }
}
