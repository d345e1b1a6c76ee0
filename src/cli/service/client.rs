//! An HTTP client for the local service. It follows no redirect and asks no proxy, so the token goes nowhere else.

use std::io::Read;
use std::time::Duration;

use form_urlencoded::Serializer;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

use super::ServiceFlags;
use crate::base::secret::Secret;
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::secrets;
use crate::config::{Flags, Settings, Sources, Token};
use crate::ops::probe::reachable;

/// Asks one service.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    /// Without a slash at its end.
    base: String,
    token: Option<Secret<String>>,
}

/// For one answer, if nobody says: longer than the service takes for the longest of its calls.
const LIMIT: Duration = Duration::from_secs(150);
/// How much longer than the service's own deadline an answer is waited for.
const GRACE: Duration = Duration::from_secs(5);
/// For a connection to the service.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest problem that is read, in bytes.
const PROBLEM: u64 = 64 * 1024;

impl Client {
    /// A client for the service that the flags, the environment and the settings name.
    pub(super) fn new(flags: &ServiceFlags) -> Done<Self> {
        let (base, token) = match (&flags.url, &flags.token_file) {
            // Whoever names both needs no right to read the service's settings.
            (Some(url), Some(file)) => (url.clone(), Some(secrets::of_file(file)?)),
            (url, _) => {
                let settings = settings(flags)?;
                let base = url.clone().unwrap_or_else(|| format!("http://{}", reachable(settings.listen)));
                (base, token(&settings.token)?)
            }
        };
        let base = base.trim_end_matches('/').to_owned();
        let rest = base.strip_prefix("http://").unwrap_or_default();
        if rest.is_empty() || rest.contains(['/', '@', '?', '#', ' ']) {
            return Err(Failure::misused("the service's URL is such as http://127.0.0.1:8437"));
        }
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .user_agent(concat!("zkgate/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), base, token })
    }

    /// Gets a document.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, timeout: Option<Duration>) -> Done<T> {
        self.understood(self.answer("GET", path, None, timeout)?)
    }

    /// Asks for something to be done.
    pub(super) fn post(&self, path: &str, body: Option<&Value>, timeout: Option<Duration>) -> Done<Value> {
        self.understood(self.answer("POST", path, body, timeout)?)
    }

    /// Sets something.
    pub(super) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&Value>,
        timeout: Option<Duration>,
    ) -> Done<T> {
        self.understood(self.answer("PUT", path, body, timeout)?)
    }

    /// Changes something.
    pub(super) fn patch(&self, path: &str, body: &Value, timeout: Option<Duration>) -> Done<Value> {
        self.understood(self.answer("PATCH", path, Some(body), timeout)?)
    }

    /// Takes something away, and tells what was done.
    pub(super) fn delete_told(&self, path: &str, timeout: Option<Duration>) -> Done<Value> {
        self.understood(self.answer("DELETE", path, None, timeout)?)
    }

    /// Takes something away.
    pub(super) fn delete(&self, path: &str) -> Done {
        self.answer("DELETE", path, None, None).map(drop)
    }

    /// What a health path says, whatever its status: whether it is well, and the document.
    pub(super) fn health(&self, path: &str) -> Done<(bool, Value)> {
        let answer = self.send("GET", path, None, LIMIT)?;
        let well = answer.status().is_success();
        Ok((well, self.understood(answer)?))
    }

    /// Opens a stream, of which each connection lasts at most so long.
    pub(super) fn stream(
        &self,
        path: &str,
        last_event_id: Option<&str>,
        limit: Duration,
    ) -> Done<impl Read + use<>> {
        let mut request = Request::builder().method("GET").uri(format!("{}{path}", self.base));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let answer = self.run(self.with_token(request), None, limit)?;
        Ok(well(answer)?.into_body().into_reader())
    }

    fn answer(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        timeout: Option<Duration>,
    ) -> Done<Response<Body>> {
        let path = match timeout {
            Some(timeout) => {
                let query = Serializer::new(String::new())
                    .append_pair("timeout", &timeout.as_secs_f64().to_string())
                    .finish();
                let sign = if path.contains('?') { '&' } else { '?' };
                format!("{path}{sign}{query}")
            }
            None => path.to_owned(),
        };
        let limit = timeout.map_or(LIMIT, |timeout| timeout + GRACE);
        well(self.send(method, &path, body, limit)?)
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>, limit: Duration) -> Done<Response<Body>> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let body = match (body, method) {
            (Some(body), _) => Some(body.to_string().into_bytes()),
            (None, "GET" | "DELETE") => None,
            (None, _) => Some(Vec::new()),
        };
        self.run(self.with_token(request), body, limit)
    }

    fn with_token(&self, request: ureq::http::request::Builder) -> ureq::http::request::Builder {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    fn run(
        &self,
        request: ureq::http::request::Builder,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Done<Response<Body>> {
        // The token is the only part that could make no header, and it is not shown.
        let impossible = |_| Failure::misused("the token is none: it has blanks or other signs in it");
        let answer = match body {
            Some(body) => {
                let json = if body.is_empty() {
                    request
                } else {
                    request.header("content-type", "application/json")
                };
                let request = json.body(body).map_err(impossible)?;
                self.agent.run(self.agent.configure_request(request).timeout_global(Some(limit)).build())
            }
            None => {
                let request = request.body(()).map_err(impossible)?;
                self.agent.run(self.agent.configure_request(request).timeout_global(Some(limit)).build())
            }
        };
        answer.map_err(|error| self.unreached(&error))
    }

    fn understood<T: DeserializeOwned>(&self, mut answer: Response<Body>) -> Done<T> {
        let reader = answer.body_mut().with_config().limit(u64::MAX).reader();
        serde_json::from_reader(std::io::BufReader::new(reader)).map_err(|error| {
            let detail = format!("what {} answers breaks off or is not zkgate's: {error}", self.base);
            Failure::with_exit(Exit::NoService, "service_unreachable", detail)
        })
    }

    fn unreached(&self, error: &ureq::Error) -> Failure {
        let detail = format!("the service at {} cannot be reached: {error}", self.base);
        let failure = Failure::with_exit(Exit::NoService, "service_unreachable", detail);
        failure.advise("is it running? --url names another place")
    }
}

/// An answer that is no problem.
fn well(mut answer: Response<Body>) -> Done<Response<Body>> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let mut text = String::new();
    // A problem that cannot be read is still one.
    let _ = answer.body_mut().as_reader().take(PROBLEM).read_to_string(&mut text);
    Err(problem(answer.status().as_u16(), &text))
}

/// A problem as the API tells it.
fn problem(status: u16, text: &str) -> Failure {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let part = |name: &str| problem.get(name).and_then(Value::as_str);
    let Some((code, detail)) = part("code").zip(part("detail")) else {
        let detail = format!("the answer is {status} and not zkgate's");
        return Failure::with_exit(Exit::NoService, "service_unreachable", detail);
    };
    let advice = match code {
        "unauthorized" => "name the file with the service's token: --token-file, or --state-dir",
        _ => part("advice").unwrap_or_default(),
    };
    let detail = match part("cause") {
        Some(cause) => format!("{} {cause}", detail),
        None => detail.to_owned(),
    };
    Failure::new(code, detail.trim_end_matches('.')).advise(advice)
}

fn settings(flags: &ServiceFlags) -> Done<Settings> {
    let flags = Flags {
        config: flags.config.clone(),
        state_dir: flags.state_dir.clone(),
        token_file: flags.token_file.clone(),
        ..Flags::default()
    };
    Settings::load(&Sources::of_process(flags)).map(|(settings, _)| settings).map_err(Failure::misused)
}

fn token(token: &Token) -> Done<Option<Secret<String>>> {
    match token {
        Token::NotRequired => Ok(None),
        Token::Given(token) => Ok(Some(token.clone())),
        Token::File(path) => secrets::of_file(path).map(Some).map_err(|failure| {
            failure.advise("the service's token is needed: --token-file or --state-dir says where it is")
        }),
    }
}

/// A path with this segment in it, whatever is in that.
pub(super) fn segment(text: &str) -> String {
    // A form's blank is a plus, which in a path means a plus.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_code_and_strangers_are_no_service() {
        let told = problem(423, r#"{"code":"device_lent","detail":"The device is lent.","advice":"wait"}"#);
        assert_eq!(told, Failure::new("device_lent", "The device is lent").advise("wait"));
        assert_eq!(problem(401, r#"{"code":"unauthorized","detail":"No."}"#).exit(), Exit::Unauthorized);
        for text in ["", "<html>", "[]", r#"{"code":7}"#] {
            assert_eq!(problem(502, text).exit(), Exit::NoService, "{text}");
        }
    }

    #[test]
    fn only_a_plain_url_is_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (url, good) in [
            ("http://127.0.0.1:8437", true),
            ("http://127.0.0.1:8437/", true),
            ("https://127.0.0.1:8437", false),
            ("http://user:secret@127.0.0.1", false),
            ("127.0.0.1:8437", false),
            ("http://127.0.0.1/x", false),
        ] {
            let flags = ServiceFlags {
                url: Some(url.into()),
                token_file: Some(file.path().into()),
                ..ServiceFlags::default()
            };
            assert_eq!(Client::new(&flags).is_ok(), good, "{url}");
        }
    }

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(segment("a/b ?+"), "a%2Fb%20%3F%2B");
    }
}
