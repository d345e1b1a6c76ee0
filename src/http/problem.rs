//! What goes wrong, as RFC 9457 problem details with a stable `code`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::response::{Answer, ContentType, reason};
use crate::base::ids::DeviceId;
use crate::registry::Refusal;
use crate::registry::error::Failure;
use crate::store::StoreError;

/// A request that cannot be answered as asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable word for programs.
    pub code: &'static str,
    /// The sentence for people.
    pub detail: String,
    /// When to ask again.
    pub retry_after: Option<Duration>,
    /// Which methods the path knows, for a 405.
    pub allow: Option<&'static str>,
    /// Further members.
    pub more: Map<String, Value>,
}

impl Problem {
    /// A problem without further members.
    #[must_use]
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, allow: None, more: Map::new() }
    }

    /// A request that makes no sense.
    #[must_use]
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(400, code, detail)
    }

    /// No such device.
    #[must_use]
    pub fn no_device(id: &str) -> Self {
        Self::none("device", id)
    }

    /// No such webhook.
    #[must_use]
    pub fn no_webhook(id: &str) -> Self {
        Self::none("webhook", id)
    }

    /// No such thing in quarantine, or it is settled already.
    #[must_use]
    pub fn nothing_in_quarantine(id: &str) -> Self {
        Self::none("unsettled entry", id)
    }

    /// No such trace.
    #[must_use]
    pub fn no_trace(id: &str) -> Self {
        Self::none("trace", id)
    }

    /// The state directory does not do what it should.
    #[must_use]
    pub fn of_disk(what: &str, error: &std::io::Error) -> Self {
        log::warn!("a trace's file: cannot {what}: {error}");
        let detail = format!("The service cannot {what} the trace's file; its log says why.");
        Self::new(503, "store_unavailable", detail)
    }

    pub(super) fn none(what: &str, id: &str) -> Self {
        // What stands in the path is repeated only as far as an id could.
        let shown: String = id.chars().filter(|c| c.is_ascii_graphic()).take(DeviceId::CEILING).collect();
        Self::new(404, "not_found", format!("There is no {what} {shown}."))
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Says which device it is about.
    #[must_use]
    pub fn about(self, id: &DeviceId) -> Self {
        self.with("device", id.as_str())
    }

    /// The problem as an answer.
    #[must_use]
    pub fn answer(self) -> Answer {
        let (status, allow) = (self.status, self.allow);
        Answer {
            retry_after: self.retry_after.map(whole_seconds),
            allow,
            www_authenticate: status == 401,
            code: Some(self.code),
            ..Answer::bytes(status, ContentType::ProblemJson, self.to_json().to_string())
        }
    }

    /// The problem as a value.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut body = Map::new();
        body.insert("type".to_owned(), "about:blank".into());
        body.insert("title".to_owned(), reason(self.status).into());
        body.insert("status".to_owned(), self.status.into());
        body.insert("code".to_owned(), self.code.into());
        body.insert("detail".to_owned(), self.detail.as_str().into());
        if let Some(seconds) = self.retry_after.map(whole_seconds) {
            body.insert("retry_after".to_owned(), seconds.into());
        }
        body.extend(self.more.clone());
        Value::Object(body)
    }

    /// Why a device did not answer.
    #[must_use]
    pub fn of_refusal(refusal: &Refusal, id: &DeviceId) -> Self {
        let code = refusal.code();
        let problem = Self {
            retry_after: refusal.retry_after().or((*refusal == Refusal::Stopping).then_some(RESTART)),
            ..Self::new(status_of(code), code, sentence(&refusal.to_string()))
        };
        let problem = problem.about(id);
        match refusal {
            Refusal::Unreachable { cause, .. } => problem.caused_by(cause),
            Refusal::Failed(failure) | Refusal::OutcomeUnknown(failure) => problem.caused_by(failure),
            _ => problem,
        }
    }

    /// Why the store did not do what was asked.
    #[must_use]
    pub fn of_store(error: &StoreError) -> Self {
        let (status, code) = match error {
            StoreError::NotFound { .. } => (404, "not_found"),
            StoreError::Conflict { .. } => (409, "address_in_use"),
            StoreError::Invalid { .. } => (422, "invalid_value"),
            StoreError::Full { .. } => (409, "store_full"),
            StoreError::ReadOnly => (405, "read_only_store"),
            StoreError::Busy => (503, "store_busy"),
            StoreError::Closed => (503, "stopping"),
            error if error.outcome_unknown() => (503, "outcome_unknown"),
            StoreError::Internal { .. } => (500, "internal"),
            _ => (503, "store_unavailable"),
        };
        let problem = Self::new(status, code, sentence(&error.to_string()));
        match error {
            StoreError::Invalid { field, .. } => problem.with("field", *field),
            StoreError::Conflict { other, .. } => problem.with("other_device", other.as_str()),
            StoreError::ReadOnly => Self { allow: Some("GET, HEAD"), ..problem },
            StoreError::Closed => Self { retry_after: Some(RESTART), ..problem },
            StoreError::Busy => Self { retry_after: Some(Duration::from_secs(1)), ..problem },
            // Whoever does not know whether it was done must look first.
            error if error.outcome_unknown() => problem,
            StoreError::TimedOut { .. } | StoreError::Unavailable { .. } => {
                Self { retry_after: Some(Duration::from_secs(5)), ..problem }
            }
            _ => problem,
        }
    }

    fn caused_by(self, failure: &Failure) -> Self {
        let reached = match failure.reached {
            crate::device::Reached::No => "no",
            crate::device::Reached::Perhaps => "perhaps",
            crate::device::Reached::Yes => "yes",
        };
        let problem = self.with("cause", failure.code).with("phase", failure.phase);
        let problem = problem.with("reached_device", reached).with("advice", failure.advice);
        match failure.transfer {
            Some((announced, received)) => {
                problem.with("transfer", json!({ "announced": announced, "received": received }))
            }
            None => problem,
        }
    }
}

/// When a service that is stopping may be back, if it is started anew.
const RESTART: Duration = Duration::from_secs(5);

/// The HTTP status of each code that a device call can end with.
fn status_of(code: &str) -> u16 {
    match code {
        "not_found" => 404,
        "device_disabled" | "device_disconnected" => 409,
        "device_lent" => 423,
        "device_unreachable" | "device_busy" | "queue_full" | "stopping" => 503,
        "deadline_exceeded" | "device_silent" => 504,
        "unsupported_command" => 501,
        "internal" => 500,
        _ => 502,
    }
}

/// Rounded up, so that nobody comes back too early; at least 1.
fn whole_seconds(duration: Duration) -> u32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

/// With a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let capital = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{capital}{}.", letters.as_str())
}
