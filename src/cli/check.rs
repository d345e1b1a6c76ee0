//! `zkgate check`: every setting explained, what it will cost, or everything that is wrong.

use std::fmt::Write as _;

use super::{Exit, print};
use crate::config::{ConfigError, Explained, Settings, Sources};
use crate::ops::limits::{FixedNumbers, Needs, SESSIONS, UNIT_OPEN_FILES, UNIT_TASKS, WEBHOOKS};

pub(super) fn check(sources: &Sources) -> Exit {
    match Settings::load(sources) {
        Ok((settings, explained)) => {
            print(&report(&explained, &fixed_numbers(&settings).needs()));
            Exit::Well
        }
        Err(error) => {
            print(&refusal(&error));
            Exit::Misused
        }
    }
}

/// The numbers by which the service's threads and open files are bounded.
#[must_use]
pub fn fixed_numbers(settings: &Settings) -> FixedNumbers {
    FixedNumbers {
        max_connections: settings.http.max_connections,
        max_in_flight: settings.http.max_in_flight,
        http_workers: settings.http.workers,
        streams: settings.http.streams,
        followers: settings.http.followers,
        device_workers: settings.sessions.workers,
        dials: settings.sessions.dials,
        sessions: SESSIONS,
        webhooks: WEBHOOKS,
        postgres: settings.database_url.is_some(),
    }
}

fn report(explained: &Explained, needs: &Needs) -> String {
    let mut text = explained.table();
    let (threads, files) = (needs.thread_count(), needs.file_count());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\nat most {threads} threads and {files} open files (with {SESSIONS} sessions)");
    for (limit, unit, needed) in [("TasksMax", UNIT_TASKS, threads), ("LimitNOFILE", UNIT_OPEN_FILES, files)]
    {
        if 2 * needed > unit {
            let wanted = 2 * needed;
            let _ = writeln!(
                text,
                "warning: under systemd, set {limit}={wanted} in a drop-in: the unit's {unit} is less than twice what is needed"
            );
        }
    }
    for warning in &explained.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text.push_str("the settings are good\n");
    text
}

fn refusal(error: &ConfigError) -> String {
    let problems = error.problems.iter().map(|problem| format!("error: {problem}\n"));
    let warnings = error.warnings.iter().map(|warning| format!("warning: {warning}\n"));
    problems.chain(warnings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags};

    fn sources(pairs: &[(&str, &str)]) -> Sources {
        let pairs = [("HOME", "/home/u")].iter().chain(pairs);
        Sources {
            flags: Flags::default(),
            environment: pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect::<Environment>(),
            default_file: "/nonexistent".into(),
        }
    }

    #[test]
    fn a_report_shows_settings_needs_and_warnings() {
        let world = sources(&[("ZKGATE_HTTP_MAX_CONNECTIONS", "65536"), ("ZKGATE_X", "y")]);
        let (settings, explained) = Settings::load(&world).unwrap();
        let report = report(&explained, &fixed_numbers(&settings).needs());
        for expected in [
            "sessions.keep_alive",
            "variable ZKGATE_HTTP_MAX_CONNECTIONS",
            "warning: under systemd, set LimitNOFILE=",
            "warning: the variable \"ZKGATE_X\" sets nothing",
        ] {
            assert!(report.contains(expected), "{expected}: {report}");
        }
        assert!(!report.contains("TasksMax"), "{report}");
    }

    #[test]
    fn a_refusal_shows_every_mistake() {
        let world = sources(&[("ZKGATE_LISTEN", "x"), ("ZKGATE_HTTP_WORKERS", "0")]);
        let refusal = refusal(&Settings::load(&world).unwrap_err());
        assert_eq!(
            refusal.lines().filter(|line| line.starts_with("error: variable ")).count(),
            2,
            "{refusal}"
        );
    }
}
