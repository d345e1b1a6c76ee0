//! The verbs of access control: groups, time zones, combinations, and how people are verified.

use clap::{Args, Subcommand};

use super::grammar::person_id;
use crate::wire::access::DaySpan;

/// Access groups.
#[derive(Clone, Debug, Subcommand)]
pub enum Group {
    /// Show a group's time zones
    Show {
        /// Its number
        group: u8,
    },
    /// Change a group; what is not said stays as it is
    Set {
        /// Its number
        group: u8,
        /// At most three time zones
        #[arg(long, value_name = "A,B,C", value_delimiter = ',', num_args = 1..=3)]
        zones: Option<Vec<u16>>,
        /// How its people are verified, 0 to 127
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=127))]
        verify_style: Option<u8>,
        /// Whether holidays count
        #[arg(long, value_name = "true|false")]
        holidays: Option<bool>,
    },
    /// Show the group of a person, or put them into one
    Of {
        /// Their user id
        #[arg(value_parser = person_id)]
        user_id: String,
        /// The group
        #[arg(long, value_name = "N")]
        set: Option<u8>,
    },
}

/// Access time zones.
#[derive(Clone, Debug, Subcommand)]
pub enum TimeZone {
    /// Show one
    Show {
        /// Its number, 1 to 50
        #[arg(value_parser = clap::value_parser!(u16).range(1..=50))]
        zone: u16,
    },
    /// Change one; days that are not named stay as they are
    Set(ZoneDays),
    /// Show the time zones of a person, or set them
    Of {
        /// Their user id
        #[arg(value_parser = person_id)]
        user_id: String,
        /// At most three zones, or "group" for those of their group
        #[arg(long, value_name = "A,B,C|group")]
        set: Option<String>,
    },
}

/// The days of a time zone.
#[derive(Args, Clone, Debug)]
pub struct ZoneDays {
    /// Its number, 1 to 50
    #[arg(value_parser = clap::value_parser!(u16).range(1..=50))]
    pub zone: u16,
    /// All days: 08:00-17:30, always or never
    #[arg(long, value_name = "TIMES", value_parser = day)]
    pub all: Option<DaySpan>,
    /// Sunday
    #[arg(long, value_name = "TIMES", value_parser = day)]
    pub sunday: Option<DaySpan>,
    /// Monday
    #[arg(long, value_name = "TIMES", value_parser = day)]
    pub monday: Option<DaySpan>,
    /// Tuesday
    #[arg(long, value_name = "TIMES", value_parser = day)]
    pub tuesday: Option<DaySpan>,
    /// Wednesday
    #[arg(long, value_name = "TIMES", value_parser = day)]
    pub wednesday: Option<DaySpan>,
    /// Thursday
    #[arg(long, value_name = "TIMES", value_parser = day)]
    pub thursday: Option<DaySpan>,
    /// Friday
    #[arg(long, value_name = "TIMES", value_parser = day)]
    pub friday: Option<DaySpan>,
    /// Saturday
    #[arg(long, value_name = "TIMES", value_parser = day)]
    pub saturday: Option<DaySpan>,
}

/// Which groups together open the door.
#[derive(Clone, Debug, Subcommand)]
pub enum Combination {
    /// Show one
    Show {
        /// Its number, 1 to 10
        #[arg(value_parser = clap::value_parser!(u8).range(1..=10))]
        combination: u8,
    },
    /// Change one
    Set {
        /// Its number, 1 to 10
        #[arg(value_parser = clap::value_parser!(u8).range(1..=10))]
        combination: u8,
        /// At most five groups; none switches it off
        #[arg(num_args = 0..=5)]
        groups: Vec<u8>,
    },
}

/// How a person is verified.
#[derive(Args, Clone, Debug)]
pub struct VerifyStyle {
    /// Their user id
    #[arg(value_parser = person_id)]
    pub user_id: String,
    /// The style, 0 to 127, or "group" for that of their group
    #[arg(long, value_name = "N|group")]
    pub set: Option<String>,
}

/// From when to when, `always` or `never`.
pub(super) fn day(text: &str) -> Result<DaySpan, String> {
    let time = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        (digits(hour) && digits(minute)).then_some((hour.parse().ok()?, minute.parse().ok()?))
    };
    let span = match text {
        "always" => Some(DaySpan::ALWAYS),
        "never" => Some(DaySpan::NEVER),
        text => {
            text.split_once('-').and_then(|(from, to)| Some(DaySpan { from: time(from)?, to: time(to)? }))
        }
    };
    span.filter(|span| span.exists())
        .ok_or_else(|| "times such as 08:00-17:30, always or never are needed".to_owned())
}

/// The same as text.
pub(in crate::cli) fn shown(span: DaySpan) -> String {
    match span {
        DaySpan::ALWAYS => "always".to_owned(),
        DaySpan::NEVER => "never".to_owned(),
        DaySpan { from, to } => format!("{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_of_a_day_exist() {
        assert_eq!(day("08:00-17:30"), Ok(DaySpan { from: (8, 0), to: (17, 30) }));
        for wrong in ["", "8-17", "24:00-25:00", "08:00", "08:00-17:60", "+8:00-17:00", "08:00-17:30 "] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(from in (0u8..24, 0u8..60), to in (0u8..24, 0u8..60)) {
            let span = DaySpan { from, to };
            prop_assert_eq!(day(&shown(span)), Ok(span));
        }

        #[test]
        fn any_text_is_times_or_refused(text in "\\PC{0,14}") {
            prop_assert!(day(&text).is_ok_and(|span| span.exists()) || day(&text).is_err());
        }
    }
}
