//! From what a device says to what the journal keeps: a record, or something strange to be put aside.
//!
//! Nothing is dropped here but blank slots, and nothing is guessed: whom a bare index means is looked up, and what
//! cannot be looked up waits for the log.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::civil::moment;
use crate::store::journal::quarantine::{Origin, Reason, Strange};
use crate::store::journal::row::is_user_id;
use crate::store::journal::{Person, Record};
use crate::wire::clock_word::{ClockWord, PossibleTime};
use crate::wire::event::{LivePunch, Who};
use crate::wire::record::UserId;
use crate::wire::record::punch::{Punch, PunchLayout};

/// Who is behind a device's internal indices.
pub type People = Arc<HashMap<u16, UserId>>;

/// What has to be known to understand a device.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Its time zone.
    pub zone: TimeZone,
    /// Whether its log names people by index only; `None` when that is not known yet.
    pub short_log: Option<bool>,
    /// Its users.
    pub people: People,
}

/// What a record of the log turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A punch.
    Record(Record),
    /// Not a punch that can be kept as one.
    Strange(Strange),
    /// A slot that names nobody.
    Blank,
}

impl Decoder {
    /// Takes a record of the log.
    #[must_use]
    pub fn log(&self, raw: &[u8], layout: PunchLayout) -> Decoded {
        let strange = || {
            let stride = u16::try_from(layout.stride()).unwrap_or(u16::MAX);
            Strange { origin: Origin::Log { stride }, reason: Reason::BadUserId, raw: raw.to_vec() }
        };
        let Ok(punch) = Punch::parse(raw, layout) else { return Decoded::Strange(strange()) };
        let nobody = match layout {
            PunchLayout::Short => punch.uid == Some(0),
            PunchLayout::Numeric => punch.user_id.to_number() == Some(0),
            PunchLayout::Text { .. } => punch.user_id.is_empty(),
        };
        if nobody && punch.time == ClockWord(0) {
            return Decoded::Blank;
        }
        let person = match punch.uid {
            _ if nobody => return Decoded::Strange(strange()),
            Some(uid) => Person::Uid(uid),
            None if is_user_id(&punch.user_id) => Person::UserId(punch.user_id),
            None => return Decoded::Strange(strange()),
        };
        Decoded::Record(Record {
            person,
            user_id: self.user_id(person),
            time: punch.time,
            moment: moment(punch.time, &self.zone),
            punch_state: punch.punch_state,
            verify_mode: punch.verify_mode,
            work_code: Some(punch.work_code),
        })
    }

    /// Takes a live event.
    ///
    /// # Errors
    /// [`Strange`] when it cannot be placed; its punch is in the log.
    pub fn live(&self, punch: &LivePunch, payload: &[u8]) -> Result<Record, Strange> {
        let strange = |reason| Strange { origin: Origin::Live, reason, raw: payload.to_vec() };
        let Ok(time) = PossibleTime::new(punch.time) else { return Err(strange(Reason::UnknownLayout)) };
        let person = match punch.who {
            // The log will name an index, and which one it is nobody knows.
            Who::UserId(_) if self.short_log == Some(true) => return Err(strange(Reason::UnknownPerson)),
            Who::UserId(user_id) if is_user_id(&user_id) => Person::UserId(user_id),
            Who::UserId(_) => return Err(strange(Reason::BadUserId)),
            Who::Uid(uid) => self.person_of(uid).ok_or_else(|| strange(Reason::UnknownPerson))?,
        };
        let time = ClockWord::pack(time);
        Ok(Record {
            person,
            user_id: self.user_id(person),
            time,
            moment: moment(time, &self.zone),
            punch_state: punch.punch_state,
            verify_mode: punch.verify_mode,
            work_code: None,
        })
    }

    /// Takes what an earlier version could not place; `None` when it still cannot be.
    #[must_use]
    pub fn again(&self, strange: &Strange) -> Option<Record> {
        match strange.origin {
            Origin::Live => {
                let punch = LivePunch::parse(&strange.raw)?;
                self.live(&punch, &strange.raw).ok()
            }
            Origin::Log { stride } => match self.log(&strange.raw, PunchLayout::for_stride(stride.into())?) {
                Decoded::Record(record) => Some(record),
                Decoded::Strange(_) | Decoded::Blank => None,
            },
        }
    }

    /// Whom an event means that names an index: as the log will name them.
    fn person_of(&self, uid: u16) -> Option<Person> {
        match self.short_log? {
            true => Some(Person::Uid(uid)),
            false => self.people.get(&uid).filter(|id| is_user_id(id)).copied().map(Person::UserId),
        }
    }

    fn user_id(&self, person: Person) -> Option<UserId> {
        match person {
            Person::UserId(user_id) => Some(user_id),
            Person::Uid(uid) => self.people.get(&uid).filter(|id| is_user_id(id)).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::clock_word::CivilTime;

    fn decoder(short_log: Option<bool>) -> Decoder {
        let people = Arc::new(HashMap::from([(7, UserId::from_number(1007))]));
        Decoder { zone: TimeZone::UTC, short_log, people }
    }

    fn time() -> CivilTime {
        CivilTime::from_six([26, 7, 14, 8, 0, 0])
    }

    fn record(user_id: &[u8]) -> Vec<u8> {
        let punch = Punch {
            user_id: UserId::new(user_id).unwrap(),
            uid: None,
            time: ClockWord::pack(PossibleTime::new(time()).unwrap()),
            punch_state: 1,
            verify_mode: 15,
            work_code: 3,
        };
        let mut raw = Vec::new();
        punch.emit(PunchLayout::TEXT, 9, &mut raw);
        raw
    }

    #[test]
    fn records_of_the_log_are_punches_blank_or_strange() {
        let decoder = decoder(Some(false));
        let Decoded::Record(punch) = decoder.log(&record(b"1001"), PunchLayout::TEXT) else { panic!() };
        assert_eq!((punch.work_code, punch.punch_state, punch.verify_mode), (Some(3), 1, 15));
        assert_eq!(punch.moment.instant, Some(1_784_016_000));
        let mut numbered = [0; 40];
        numbered[0] = 7;
        for (raw, layout) in [
            (&[0; 40][..], PunchLayout::TEXT),
            (&numbered, PunchLayout::TEXT),
            (&[0; 16], PunchLayout::Numeric),
            (&[0; 8], PunchLayout::Short),
        ] {
            assert_eq!(decoder.log(raw, layout), Decoded::Blank, "{raw:?}");
        }
        let short = |uid| [uid, 0, 0, 0, 1, 2, 3, 4];
        assert!(matches!(decoder.log(&short(0), PunchLayout::Short), Decoded::Strange(_)));
        assert!(matches!(decoder.log(&short(9), PunchLayout::Short), Decoded::Record(_)));
        for bad in [&b"a b"[..], b"\xff\xfe", b""] {
            let raw = record(bad);
            let Decoded::Strange(strange) = decoder.log(&raw, PunchLayout::TEXT) else { panic!("{bad:?}") };
            assert_eq!((strange.raw, strange.origin), (raw, Origin::Log { stride: 40 }));
        }
    }

    #[test]
    fn an_index_is_whom_the_log_will_name() {
        let event = |who| LivePunch { who, verify_mode: 1, punch_state: 0, time: time() };
        let live = |short_log, uid| decoder(short_log).live(&event(Who::Uid(uid)), &[1, 2]);
        let known = live(Some(true), 7).unwrap();
        assert_eq!((known.person, known.user_id), (Person::Uid(7), Some(UserId::from_number(1007))));
        assert_eq!(live(Some(true), 8).unwrap().user_id, None);
        assert_eq!(live(Some(false), 7).unwrap().person, Person::UserId(UserId::from_number(1007)));
        for unknown in [live(Some(false), 8), live(None, 7)] {
            assert_eq!(unknown.unwrap_err().reason, Reason::UnknownPerson);
        }
        let by_id = event(Who::UserId(UserId::from_number(1007)));
        assert_eq!(decoder(Some(true)).live(&by_id, &[1]).unwrap_err().reason, Reason::UnknownPerson);
        assert!(decoder(None).live(&by_id, &[1]).is_ok());
        let never = LivePunch { time: CivilTime { month: 13, ..time() }, ..event(Who::Uid(7)) };
        assert_eq!(decoder(Some(true)).live(&never, &[1]).unwrap_err().raw, [1]);
    }

    proptest! {
        #[test]
        fn any_record_is_something_and_only_nobody_at_no_time_is_nothing(
            raw in proptest::collection::vec(any::<u8>(), 0..60), stride in 8usize..60,
        ) {
            if let Some(layout) = PunchLayout::for_stride(stride) {
                let decoded = decoder(None).log(&raw, layout);
                let zeros = raw.iter().filter(|byte| **byte == 0).count();
                prop_assert!(decoded != Decoded::Blank || zeros > 4);
            }
        }
    }
}
