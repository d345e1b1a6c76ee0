//! The device's clock, and how far it is from this machine's.

use std::time::{Duration, Instant, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Caller;
use crate::cli::failure::{Done, Failure};
use crate::cli::rows::TimeSheet;
use crate::journal::civil::{civil, civil_now, drift, possible};
use crate::wire::clock_word::{ClockWord, PossibleTime};

/// How far a clock may be off after it was set, in seconds: it shows whole ones.
const SLACK: i64 = 2;

pub(super) fn time(caller: Caller<'_>, set: Option<&str>) -> Done {
    let wanted = set.map(|text| if text == "now" { Ok(None) } else { parse(text).map(Some) }).transpose()?;
    let zone = TimeZone::system();
    let word = caller.work(|line| {
        let Some(chosen) = wanted else { return line.read(|session, deadline| session.time(deadline)) };
        // "Now" is taken when the device listens.
        let (time, since) = (chosen.unwrap_or_else(|| now(&zone)), Instant::now());
        line.effect(|session, deadline| session.set_time(time, deadline))?;
        let word = line.read(|session, deadline| session.time(deadline))?;
        kept(time, word, since.elapsed()).map(|()| word)
    })?;
    let sheet = shown(word, &zone);
    caller.out.one(&sheet, &sheet.pairs())
}

/// What this machine's clock shows in its own zone.
pub(in crate::cli) fn now(zone: &TimeZone) -> PossibleTime {
    possible(civil_now(SystemTime::now(), zone))
}

/// Whether a clock that was set goes from there: a device that said so may not have done it.
fn kept(set: PossibleTime, shown: ClockWord, since: Duration) -> Done {
    let ahead = shown.time().ok().and_then(civil).zip(civil(set));
    let ahead = ahead.map(|(shown, set)| shown.duration_since(set).as_secs());
    let longest = i64::try_from(since.as_secs()).unwrap_or(i64::MAX).saturating_add(SLACK);
    match ahead {
        Some(ahead) if (-SLACK..=longest).contains(&ahead) => Ok(()),
        _ => Err(Failure::new(
            "not_stored",
            format!("the device acknowledged {set} and shows {}", shown.fields()),
        )),
    }
}

fn shown(word: ClockWord, zone: &TimeZone) -> TimeSheet {
    let wall = SystemTime::now();
    TimeSheet {
        device_time: word.fields().to_string(),
        host_time: civil_now(wall, zone).strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        drift_seconds: drift(word, wall, zone),
        timezone: zone.iana_name().map(str::to_owned),
        device_time_exists: word.time().is_ok(),
    }
}

/// Civil time of the device.
pub(in crate::cli) fn parse(text: &str) -> Done<PossibleTime> {
    // A zone or an offset would be ignored by the parser, and that would be a wrong time set in silence.
    let plain = text.len() == 19 && text.bytes().all(|byte| byte.is_ascii_digit() || b"-T: ".contains(&byte));
    let time: Option<DateTime> = text.parse().ok().filter(|_| plain);
    time.filter(|time| (2000..=2099).contains(&time.year())).map(possible).ok_or_else(|| {
        Failure::misused("civil time between 2000 and 2099, such as 2026-07-14T08:00:00, is needed")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_not_set_is_found_out() {
        let at = |text| parse(text).unwrap();
        let word = |text| ClockWord::pack(at(text));
        for (set, shown, good) in [
            ("2026-07-14T08:00:00", "2026-07-14T08:00:00", true),
            ("2026-07-14T08:00:00", "2026-07-14T08:00:03", true),
            ("2026-07-14T08:00:00", "2026-07-14T07:59:59", true),
            ("2026-07-14T08:00:00", "2026-07-14T09:00:00", false),
            ("2026-07-14T08:00:00", "2024-01-01T00:00:00", false),
            ("2026-02-28T23:59:59", "2026-03-01T00:00:00", true),
        ] {
            let since = Duration::from_secs(1);
            assert_eq!(kept(at(set), word(shown), since).is_ok(), good, "{set} {shown}");
        }
    }

    #[test]
    fn only_civil_time_is_taken() {
        for wrong in ["", "now ", "2026-02-30T00:00:00", "2026-07-14T08:00:00Z", "1999-12-31T23:59:59"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
