//! `zkgate health`: what the running service says of itself, as text and as an exit code.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::arguments::Serve;
use super::{Exit, print};
use crate::base::deadline::Deadline;
use crate::config::{Settings, Sources};
use crate::ops::probe::{self, Answer};

/// For both requests together.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn health(serve: &Serve) -> Exit {
    match address(serve) {
        Ok(address) => {
            let (text, exit) = ask(address, Deadline::after(Instant::now(), LIMIT));
            print(&text);
            exit
        }
        Err(complaint) => {
            print(&complaint);
            Exit::Misused
        }
    }
}

// Whoever names the address needs no right to read the service's settings.
fn address(serve: &Serve) -> Result<SocketAddr, String> {
    match serve.listen.as_ref().and_then(|text| text.parse().ok()) {
        Some(address) => Ok(address),
        None => match Settings::load(&Sources::of_process(serve.flags())) {
            Ok((settings, _)) => Ok(settings.listen),
            Err(error) => Err(format!("{error}\n")),
        },
    }
}

fn ask(address: SocketAddr, deadline: Deadline) -> (String, Exit) {
    match probe::get(address, "/healthz", deadline) {
        Ok(Answer { status: 200, .. }) => {}
        Ok(answer) => return (format!("dead: {}\n", reasons(&answer)), Exit::Misused),
        Err(error) => return (format!("dead: {}\n", error.told()), Exit::Misused),
    }
    match probe::get(address, "/readyz", deadline) {
        Ok(Answer { status: 200, .. }) => ("ready\n".into(), Exit::Well),
        Ok(answer) => (format!("degraded: {}\n", reasons(&answer)), Exit::Failed),
        Err(error) => (format!("degraded: {}\n", error.told()), Exit::Failed),
    }
}

fn reasons(answer: &Answer) -> String {
    let report: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    let reasons = report.as_ref().and_then(|report| report.get("reasons")?.as_array());
    let text = |reason: &serde_json::Value| {
        let part = |name| Some(reason.get(name)?.as_str()?.escape_debug().to_string());
        Some(match part("since") {
            Some(since) => format!("{} (since {since})", part("detail")?),
            None => part("detail")?,
        })
    };
    let texts: Vec<_> = reasons.into_iter().flatten().filter_map(text).collect();
    match texts.is_empty() {
        true => format!("it answers {}", answer.status),
        false => texts.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Status and body of each answer.
    type Answers = &'static [(u16, &'static str)];

    fn service(answers: Answers) -> (SocketAddr, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                let length = body.len();
                write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
            }
        });
        (address, server)
    }

    #[test]
    fn the_answers_become_a_line_and_an_exit() {
        const OK: (u16, &str) = (200, r#"{"status":"ok"}"#);
        const STORE: &str = r#"{"status":"degraded","reasons":[{"code":"store_degraded","detail":"no connection","since":"2027-01-15T08:00:00Z"}]}"#;
        let table: [(&str, Answers, &str, Exit); 3] = [
            ("ready", &[OK, (200, "{}")], "ready\n", Exit::Well),
            (
                "degraded",
                &[OK, (503, STORE)],
                "degraded: no connection (since 2027-01-15T08:00:00Z)\n",
                Exit::Failed,
            ),
            ("dead", &[(503, "?")], "dead: it answers 503\n", Exit::Misused),
        ];
        for (case, answers, text, exit) in table {
            let (address, server) = service(answers);
            let deadline = Deadline::after(Instant::now(), Duration::from_secs(10));
            assert_eq!(ask(address, deadline), (text.into(), exit), "{case}");
            server.join().unwrap();
        }
    }

    #[test]
    fn a_service_that_is_not_there_is_dead() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (text, exit) = ask(address, Deadline::after(Instant::now(), Duration::from_secs(10)));
        assert!(text.starts_with("dead: no connection to 127.0.0.1:"), "{text}");
        assert_eq!(exit, Exit::Misused);
    }
}
