//! Log lines on stderr: for journald with a priority and without a time, for people with both.
//!
//! One record is one line, whatever its text holds, and no line is longer than [`LINE_CEILING`].

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;

use log::{Level, LevelFilter, SetLoggerError};

/// The longest message, in bytes.
pub const LINE_CEILING: usize = 2048;

/// How lines are dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// `<4>registry: …`; journald adds the time itself.
    Journal,
    /// `2027-01-15T08:00:00.000Z WARN registry: …`
    Terminal,
}

impl Dress {
    /// What fits the process's stderr: `variable` is the value of `JOURNAL_STREAM`.
    ///
    /// The variable is inherited by everything that is started from a service, so what it names is compared
    /// with what stderr really is.
    #[must_use]
    pub fn of_stderr(variable: Option<&str>) -> Self {
        let stderr = std::fs::metadata("/proc/self/fd/2").ok().map(|found| (found.dev(), found.ino()));
        let named = variable.and_then(|text| text.split_once(':'));
        let named = named.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
        match (stderr, named) {
            (Some(stderr), Some(named)) if stderr == named => Self::Journal,
            _ => Self::Terminal,
        }
    }
}

/// Starts logging; `filter` is in `env_logger`'s words, such as `info,zkgate::registry=debug`.
///
/// # Errors
/// When the process has a logger already.
pub fn start(filter: &str, dress: Dress) -> Result<(), SetLoggerError> {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Info)
        .parse_filters(filter)
        .target(env_logger::Target::Stderr)
        .format(move |out, record| {
            if tells_too_much(record.target(), record.level()) {
                return Ok(());
            }
            let now = jiff::Timestamp::now();
            let line = line(dress, now, record.level(), record.target(), &record.args().to_string());
            out.write_all(line.as_bytes())
        })
        .try_init()
}

/// The HTTP client tells whole URLs to those who look closely, and a URL may hold somebody's token.
fn tells_too_much(target: &str, level: Level) -> bool {
    let library = target.split("::").next().unwrap_or_default();
    ["ureq", "ureq_proto"].contains(&library) && level > Level::Warn
}

/// Makes a panic one log line: which thread, where, what. Whoever catches it says what it meant.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let place =
            panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let what = panic.payload();
        let what = what
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| what.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        log::error!(target: "zkgate", "panic on thread {}{place}: {what}", thread.name().unwrap_or("?"));
    }));
}

fn line(dress: Dress, now: jiff::Timestamp, level: Level, target: &str, message: &str) -> String {
    let target = target.strip_prefix("zkgate::").unwrap_or(target);
    let mut line = match dress {
        Dress::Journal => format!("<{}>{target}: ", priority(level)),
        Dress::Terminal => format!("{now:.3} {level:<5} {target}: "),
    };
    append_escaped(&mut line, message);
    line.push('\n');
    line
}

// What came from outside must neither start a new line nor move a terminal's cursor.
fn append_escaped(line: &mut String, message: &str) {
    let ceiling = line.len() + LINE_CEILING;
    for character in message.chars() {
        if line.len() + MARK.len() + LONGEST_ESCAPE > ceiling {
            line.push_str(MARK);
            return;
        }
        match character {
            '\n' => line.push_str("\\n"),
            // Writing to a String cannot fail.
            c if c.is_control() || BIDI.contains(&c) => {
                let _ = write!(line, "{}", c.escape_default());
            }
            c => line.push(c),
        }
    }
}

/// syslog's priorities, as journald reads them.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

const MARK: &str = "… (cut)";
/// The longest escape: `\u{10ffff}`.
const LONGEST_ESCAPE: usize = 10;
/// Characters that turn the reading direction of what follows.
const BIDI: [char; 9] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_http_client_does_not_talk_about_urls() {
        for (target, level, kept) in [
            ("ureq::run", Level::Trace, true),
            ("ureq_proto::client", Level::Debug, true),
            ("ureq", Level::Info, true),
            ("ureq::pool", Level::Warn, false),
            ("zkgate::delivery", Level::Trace, false),
        ] {
            assert_eq!(tells_too_much(target, level), kept, "{target} {level}");
        }
    }

    const NOW: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

    #[test]
    fn journald_gets_a_priority_and_people_a_time() {
        let of = |dress, level| line(dress, NOW, level, "zkgate::registry", "device 7 is up");
        assert_eq!(of(Dress::Journal, Level::Info), "<6>registry: device 7 is up\n");
        assert_eq!(of(Dress::Journal, Level::Warn), "<4>registry: device 7 is up\n");
        assert_eq!(of(Dress::Journal, Level::Error), "<3>registry: device 7 is up\n");
        assert_eq!(of(Dress::Journal, Level::Debug), "<7>registry: device 7 is up\n");
        assert_eq!(
            of(Dress::Terminal, Level::Warn),
            "1970-01-01T00:00:00.000Z WARN  registry: device 7 is up\n"
        );
    }

    #[test]
    fn a_record_is_one_line_whatever_it_says() {
        let line = line(Dress::Journal, NOW, Level::Info, "x", "a\nb\r\u{1b}[2J\u{202e}c");
        assert_eq!(line, "<6>x: a\\nb\\r\\u{1b}[2J\\u{202e}c\n");
    }

    #[test]
    fn a_long_record_is_cut() {
        for message in ["x".repeat(10_000), "\u{1}".repeat(10_000), "ü".repeat(10_000)] {
            let line = line(Dress::Journal, NOW, Level::Info, "", &message);
            assert!(
                line.len() <= LINE_CEILING + "<6>: \n".len() && line.ends_with("… (cut)\n"),
                "{}",
                line.len()
            );
        }
    }

    #[test]
    fn journald_is_recognised_by_what_stderr_is_and_not_by_the_variable_alone() {
        let stderr = std::fs::metadata("/proc/self/fd/2").unwrap();
        let own = format!("{}:{}", stderr.dev(), stderr.ino());
        let table = [
            (Some(own.as_str()), Dress::Journal),
            (Some("1:2"), Dress::Terminal),
            (Some("x"), Dress::Terminal),
            (None, Dress::Terminal),
        ];
        for (variable, expected) in table {
            assert_eq!(Dress::of_stderr(variable), expected, "{variable:?}");
        }
    }
}
