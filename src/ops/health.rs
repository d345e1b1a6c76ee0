//! The verdict over the whole service: alive, ready, and if not, why.
//!
//! Pure: it is given what the loops and the store say of themselves and knows nothing of either. `/healthz`
//! asks whether a restart would help, `/readyz` whether callers get what they came for.

use std::time::SystemTime;

use serde::Serialize;

use crate::base::liveness::Silent;

/// One reason why the service is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// A stable word for programs: `loop_silent`, `store_degraded`, `starting`, `stopping` …
    pub code: &'static str,
    /// A sentence for people; holds no secret.
    pub detail: String,
    /// Since when, as RFC 3339 in UTC, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

impl Reason {
    /// A reason.
    #[must_use]
    pub fn new(code: &'static str, detail: impl Into<String>, since: Option<SystemTime>) -> Self {
        let since =
            since.and_then(|time| jiff::Timestamp::try_from(time).ok()).map(|time| format!("{time:.0}"));
        Self { code, detail: detail.into(), since }
    }
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    dead: Vec<Reason>,
    degraded: Vec<Reason>,
}

/// What a health request is answered with; becomes the JSON body as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The HTTP status: 200 or 503.
    #[serde(skip)]
    pub code: u16,
    /// `ok` or `dead` for `/healthz`, `ready` or `degraded` for `/readyz`.
    pub status: &'static str,
    /// Why not, if not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

impl Health {
    /// Judges: `silent` loops mean death, each of `degraded` means that callers do not get everything.
    #[must_use]
    pub fn judge(silent: &[Silent], degraded: Vec<Reason>) -> Self {
        let dead = silent.iter().map(|entry| {
            let detail = format!("{} has not turned for {:.1} s", entry.name, entry.silence.as_secs_f64());
            Reason::new("loop_silent", detail, None)
        });
        Self { dead: dead.collect(), degraded }
    }

    /// The answer to `/healthz`.
    #[must_use]
    pub fn alive(&self) -> Report {
        match self.dead.is_empty() {
            true => Report { code: 200, status: "ok", reasons: Vec::new() },
            false => Report { code: 503, status: "dead", reasons: self.dead.clone() },
        }
    }

    /// The answer to `/readyz`: what is dead is not ready either.
    #[must_use]
    pub fn ready(&self) -> Report {
        let reasons: Vec<_> = self.dead.iter().chain(&self.degraded).cloned().collect();
        match reasons.is_empty() {
            true => Report { code: 200, status: "ready", reasons },
            false => Report { code: 503, status: "degraded", reasons },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn json(report: &Report) -> (u16, String) {
        (report.code, serde_json::to_string(report).unwrap())
    }

    #[test]
    fn a_sound_service_is_alive_and_ready() {
        let health = Health::judge(&[], Vec::new());
        assert_eq!(json(&health.alive()), (200, r#"{"status":"ok"}"#.into()));
        assert_eq!(json(&health.ready()), (200, r#"{"status":"ready"}"#.into()));
    }

    #[test]
    fn a_degraded_store_leaves_it_alive_and_says_since_when() {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let health =
            Health::judge(&[], vec![Reason::new("store_degraded", "connection refused", Some(since))]);
        assert_eq!(health.alive().code, 200);
        let expected = r#"{"status":"degraded","reasons":[{"code":"store_degraded","detail":"connection refused","since":"2027-01-15T08:00:00Z"}]}"#;
        assert_eq!(json(&health.ready()), (503, expected.into()));
    }

    #[test]
    fn a_silent_loop_is_named_in_both() {
        let silent = [Silent { name: "watcher".into(), silence: Duration::from_millis(5250) }];
        let health = Health::judge(&silent, Vec::new());
        let expected = r#"{"status":"dead","reasons":[{"code":"loop_silent","detail":"watcher has not turned for 5.2 s"}]}"#;
        assert_eq!(json(&health.alive()), (503, expected.into()));
        assert_eq!(health.ready().code, 503);
    }
}
