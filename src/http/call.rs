//! One request on its way through a handler: parsed as far as every handler needs it, with the means to answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};

use super::engine::Headers;
use super::gateway::Gateway;
use super::problem::Problem;
use super::reply::Reply;
use super::response::Answer;
use super::route::Segments;
use super::tokens::Who;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::scope::Scope;
use crate::base::secret::Secret;
use crate::registry::Refusal;
use crate::registry::trace::TraceName;
use crate::store::device::Device;

/// One request.
#[derive(Debug)]
pub struct Call {
    /// The rooms behind the API.
    pub gateway: Arc<Gateway>,
    /// When it came.
    pub since: Instant,
    /// Who asks.
    pub who: Who,
    /// What a token must allow for this.
    pub scope: Option<Scope>,
    segments: Vec<(&'static str, String)>,
    query: Vec<(String, String)>,
    headers: Headers,
    body: Vec<u8>,
    reply: Option<Reply>,
}

/// What was asked, as it came.
pub(super) struct Asked<'r> {
    pub(super) since: Instant,
    pub(super) who: Who,
    pub(super) scope: Option<Scope>,
    pub(super) segments: &'r Segments<'r>,
    pub(super) query: &'r str,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

/// How a handler ends that did not fail.
pub enum Outcome {
    /// With this answer.
    Now(Answer),
    /// Somebody else will answer.
    Later,
}

/// What a handler gives.
pub type Handled = Result<Outcome, Problem>;

impl Call {
    pub(super) fn new(gateway: Arc<Gateway>, asked: Asked<'_>, reply: Reply) -> Self {
        let Asked { since, who, scope, segments, query, headers, body } = asked;
        let query = form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned()));
        Self {
            gateway,
            since,
            who,
            scope,
            segments: segments.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
            query: query.collect(),
            headers,
            body,
            reply: Some(reply),
        }
    }

    /// The way back, for whoever will answer.
    ///
    /// # Errors
    /// When it was taken already: a defect of the handler.
    pub fn later(&mut self) -> Result<Reply, Problem> {
        self.reply.take().ok_or_else(|| Problem::new(500, "internal", "The request was answered already."))
    }

    pub(super) fn finish(mut self, handled: Handled) {
        let Some(reply) = self.reply.take() else { return };
        match handled {
            Ok(Outcome::Now(answer)) => reply.send(answer),
            // The handler forgot to take the way back; dropping it answers 500.
            Ok(Outcome::Later) => drop(reply),
            Err(problem) => reply.send(problem.answer()),
        }
    }

    /// The device that the path names.
    ///
    /// # Errors
    /// 404 when there is none.
    pub fn device(&self) -> Result<Arc<Device>, Problem> {
        let text = self.segment("id");
        let plain = percent_decoded(text);
        let id = plain.as_deref().and_then(DeviceId::parse).ok_or_else(|| Problem::no_device(text))?;
        self.gateway.store.devices().get(&id).cloned().ok_or_else(|| Problem::no_device(text))
    }

    /// What stands in the path for this name, with its escapes; empty when the path has no such name.
    #[must_use]
    pub fn segment(&self, name: &str) -> &str {
        self.segments.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text.as_str())
    }

    /// What stands in the path for this name, without escapes; `None` for bytes beyond ASCII.
    #[must_use]
    pub fn plain_segment(&self, name: &str) -> Option<String> {
        percent_decoded(self.segment(name))
    }

    /// The headers that are passed on.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The webhook that the path names; whether there is one is not known yet.
    ///
    /// # Errors
    /// 404 when there cannot be one.
    pub fn webhook(&self) -> Result<u64, Problem> {
        self.number_in_path().map_err(Problem::no_webhook)
    }

    /// The thing in quarantine that the path names; whether there is one is not known yet.
    ///
    /// # Errors
    /// 404 when there cannot be one.
    pub fn quarantined(&self) -> Result<u64, Problem> {
        self.number_in_path().map_err(Problem::nothing_in_quarantine)
    }

    /// The trace that the path names; whether there is a file of it is not known yet.
    ///
    /// # Errors
    /// 404 when there cannot be one.
    pub fn trace(&self) -> Result<TraceName, Problem> {
        let plain = self.plain_segment("id");
        plain.as_deref().and_then(TraceName::parse).ok_or_else(|| Problem::no_trace(self.segment("id")))
    }

    /// The number that stands in the path for `{id}`.
    ///
    /// # Errors
    /// What stands there instead.
    pub fn number_in_path(&self) -> Result<u64, &str> {
        let text = self.segment("id");
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.ok_or(text)
    }

    /// The value of `Idempotency-Key`: under one key the same request is carried out once.
    ///
    /// # Errors
    /// 400 when it is no key.
    pub fn idempotency_key(&self) -> Result<Option<String>, Problem> {
        let Some(key) = self.headers.idempotency_key.as_deref() else { return Ok(None) };
        let fits = (1..=KEY_CEILING).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Some(key.to_owned())).ok_or_else(|| {
            let detail =
                format!("An Idempotency-Key has 1 to {KEY_CEILING} visible ASCII characters and no blanks.");
            Problem::bad_request("invalid_idempotency_key", detail)
        })
    }

    /// SHA-256 of what is asked for: the path's names, the parameters and the body, under this name. The body may have
    /// a password in it, which can be guessed from the digest.
    #[must_use]
    pub fn digest(&self, kind: &str) -> Secret<[u8; 32]> {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        add(kind.as_bytes());
        for (_, segment) in &self.segments {
            add(segment.as_bytes());
        }
        // How long the caller waits does not make it another request.
        for (name, value) in self.query.iter().filter(|(name, _)| name != "timeout") {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        add(&self.body);
        Secret::new(digest.finalize().into())
    }

    /// The value of a query parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All query parameters, in their order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body as it came.
    #[must_use]
    pub fn raw_body(&self) -> &[u8] {
        &self.body
    }

    /// Refuses parameters that the handler does not know, and repeated ones.
    ///
    /// # Errors
    /// 400 that names the parameter and those that there are.
    pub fn allow(&self, known: &[&str]) -> Result<(), Problem> {
        for (index, (key, _)) in self.query.iter().enumerate() {
            if !known.contains(&key.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail = format!("The parameter {} is not known here; known are: {known}.", quoted(key));
                return Err(Problem::bad_request("unknown_parameter", detail));
            }
            if self.query.iter().take(index).any(|(other, _)| other == key) {
                return Err(invalid(key, "it is given twice"));
            }
        }
        Ok(())
    }

    /// A parameter that is a number within a range.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub fn number(&self, name: &str, default: u64, lowest: u64, highest: u64) -> Result<u64, Problem> {
        let Some(text) = self.parameter(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (lowest..=highest).contains(number));
        number.ok_or_else(|| invalid(name, &format!("a whole number from {lowest} to {highest} is needed")))
    }

    /// A parameter that is `true` or `false`.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.parameter(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(name, "it is true or false")),
        }
    }

    /// When the request must be answered: `?timeout=` in seconds, or the default.
    ///
    /// # Errors
    /// 400 when it is no positive number, or beyond the ceiling.
    pub fn deadline(&self) -> Result<Deadline, Problem> {
        self.deadline_or(self.gateway.default_timeout)
    }

    /// The same with a default of the handler's own.
    ///
    /// # Errors
    /// 400 when it is no positive number, or beyond the ceiling.
    pub fn deadline_or(&self, default: Duration) -> Result<Deadline, Problem> {
        let Some(text) = self.parameter("timeout") else { return Ok(Deadline::after(self.since, default)) };
        let ceiling = self.gateway.max_timeout;
        let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
        let limit = seconds.filter(|s| *s > 0.0 && *s <= ceiling.as_secs_f64()).map(Duration::from_secs_f64);
        let limit = limit.ok_or_else(|| {
            invalid("timeout", &format!("seconds are needed, more than 0 and at most {}", ceiling.as_secs()))
        })?;
        Ok(Deadline::after(self.since, limit))
    }

    /// The body as a value; an empty one counts as `{}`.
    ///
    /// # Errors
    /// 400 or 415 that says what is wrong and where.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let kind = self.headers.content_type.as_deref().unwrap_or("application/json");
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !self.body.is_empty() && !kind.eq_ignore_ascii_case("application/json") {
            let detail = "The body must be JSON, with Content-Type application/json.";
            return Err(Problem::new(415, "unsupported_media_type", detail));
        }
        let bytes: Cow<'_, [u8]> = if self.body.is_empty() { b"{}".into() } else { (&self.body).into() };
        // What is derived for a struct takes a list of its fields' values too, which nobody means.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            is_json(&bytes)?;
            return Err(Problem::bad_request("invalid_body", "The body must be a JSON object."));
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            // A number where one of several words is due passes for wrong JSON, and is none.
            let not_json = if error.is_data() { None } else { is_json(&bytes).err() };
            let unfit = format!("The body does not fit: {}.", cut(&error));
            not_json.unwrap_or_else(|| Problem::bad_request("invalid_body", unfit))
        })
    }

    /// Whether the body is empty or `{}`, for requests that take none.
    ///
    /// # Errors
    /// 400 when there is something in it.
    pub fn no_body(&self) -> Result<(), Problem> {
        self.body::<Nothing>().map(drop)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A parameter with a value that makes no sense.
#[must_use]
pub fn invalid(name: &str, reason: &str) -> Problem {
    let problem =
        Problem::bad_request("invalid_parameter", format!("The parameter {}: {reason}.", quoted(name)));
    problem.with("parameter", name.chars().take(64).collect::<String>())
}

/// A refusal as this device's problem.
pub fn refused(id: &DeviceId) -> impl FnOnce(Refusal) -> Problem + '_ {
    |refusal| Problem::of_refusal(&refusal, id)
}

/// A path segment without its escapes: clients escape the `:` that an id may have.
fn percent_decoded(segment: &str) -> Option<String> {
    let mut parts = segment.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|byte| hex && byte.is_ascii())?;
        plain.push(char::from(byte));
        plain.push_str(rest);
    }
    Some(plain)
}

/// Whether the body is JSON at all.
fn is_json(bytes: &[u8]) -> Result<(), Problem> {
    serde_json::from_slice::<IgnoredAny>(bytes).map(drop).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let detail = format!("The body is not JSON: it breaks off or goes wrong at {place}.");
        Problem::bad_request("invalid_json", detail)
    })
}

/// An error that may repeat what the caller wrote, kept short and on one line.
fn cut(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let shown: String =
        text.chars().take(ERROR_CEILING).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

/// The longest idempotency key, in bytes.
const KEY_CEILING: usize = 255;
/// The longest error about a body, in characters.
const ERROR_CEILING: usize = 300;

fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(64).collect();
    format!("{cut:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_in_a_segment_are_undone_where_they_are_ascii() {
        for (segment, plain) in [
            ("17", Some("17")),
            ("a%3Ab%3ac", Some("a:b:c")),
            ("%2e%2E", Some("..")),
            ("%25", Some("%")),
            ("%", None),
            ("%4", None),
            ("%+4", None),
            ("%zz", None),
            ("%c3%a9", None),
            ("%é", None),
        ] {
            assert_eq!(percent_decoded(segment).as_deref(), plain, "{segment}");
        }
    }
}
