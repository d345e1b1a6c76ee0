//! Is the journal complete for a day of a device? What a payroll has to know before it counts.
//!
//! A day is complete when the device's log was read to its end after the day was over (by the device's own clock),
//! no gap touches it, and nothing of the device waits in quarantine.

use crate::store::journal::Gap;
use crate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Everything that the device recorded before this is in the journal; `None` when that was never proved.
    pub proved_until: Option<ClockWord>,
    /// What is known to be missing.
    pub gaps: Vec<Gap>,
    /// Things in quarantine that nobody has settled.
    pub quarantined: u64,
}

/// Why a day is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The log was never read to its end.
    NeverRead,
    /// It was last read before the day was over.
    NotReadSince,
    /// Something is known to be missing.
    Gap,
    /// Something waits in quarantine, and it may be of that day.
    Quarantine,
}

impl Lack {
    /// The word in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NeverRead => "never_read",
            Self::NotReadSince => "not_read_since",
            Self::Gap => "gap",
            Self::Quarantine => "quarantine",
        }
    }
}

/// A day of a device's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its first second.
    pub begin: ClockWord,
    /// Its last.
    pub last: ClockWord,
}

impl Day {
    /// The day with this date; `None` for one that a device cannot show.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let at = |hour, minute, second| {
            PossibleTime::new(CivilTime { year, month, day, hour, minute, second }).ok().map(ClockWord::pack)
        };
        Some(Self { begin: at(0, 0, 0)?, last: at(23, 59, 59)? })
    }

    /// What it lacks; nothing when it is complete.
    #[must_use]
    pub fn lacks(&self, evidence: &Evidence) -> Vec<Lack> {
        let mut lacks = Vec::new();
        match evidence.proved_until {
            None => lacks.push(Lack::NeverRead),
            Some(until) if until <= self.last => lacks.push(Lack::NotReadSince),
            Some(_) => {}
        }
        if self.gaps(evidence).next().is_some() {
            lacks.push(Lack::Gap);
        }
        if evidence.quarantined > 0 {
            lacks.push(Lack::Quarantine);
        }
        lacks
    }

    /// The gaps that touch it.
    pub fn gaps<'e>(&self, evidence: &'e Evidence) -> impl Iterator<Item = &'e Gap> {
        let Self { begin, last } = *self;
        evidence.gaps.iter().filter(move |gap| gap.from.is_none_or(|from| from <= last) && gap.to >= begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::DeviceId;
    use crate::store::journal::GapReason;

    fn at(day: u8, hour: u8) -> ClockWord {
        let time = CivilTime { year: 2026, month: 7, day, hour, minute: 0, second: 0 };
        ClockWord::pack(PossibleTime::new(time).unwrap())
    }

    fn gap(from: Option<ClockWord>, to: ClockWord) -> Gap {
        Gap {
            id: 1,
            device_id: DeviceId::from(1),
            serial_number: "A".into(),
            from,
            to,
            reason: GapReason::Cleared,
            noticed_at: 0,
        }
    }

    #[test]
    fn a_day_is_complete_once_the_log_was_read_after_it_and_nothing_is_missing() {
        let day = Day::new(2026, 7, 14).unwrap();
        let evidence = |proved_until, gaps, quarantined| Evidence { proved_until, gaps, quarantined };
        for (name, evidence, lacks) in [
            ("never read", evidence(None, vec![], 0), vec![Lack::NeverRead]),
            ("read at noon", evidence(Some(at(14, 12)), vec![], 0), vec![Lack::NotReadSince]),
            ("read at midnight", evidence(Some(at(15, 0)), vec![], 0), vec![]),
            ("a gap before", evidence(Some(at(15, 0)), vec![gap(Some(at(12, 0)), at(13, 23))], 0), vec![]),
            ("a gap after", evidence(Some(at(16, 0)), vec![gap(Some(at(15, 0)), at(15, 1))], 0), vec![]),
            (
                "a gap in it",
                evidence(Some(at(15, 0)), vec![gap(Some(at(14, 1)), at(14, 2))], 0),
                vec![Lack::Gap],
            ),
            ("a gap over it", evidence(Some(at(16, 0)), vec![gap(None, at(15, 2))], 0), vec![Lack::Gap]),
            ("quarantine", evidence(Some(at(15, 0)), vec![], 1), vec![Lack::Quarantine]),
        ] {
            assert_eq!(day.lacks(&evidence), lacks, "{name}");
        }
        assert_eq!(Day::new(2026, 2, 30), None);
    }
}
