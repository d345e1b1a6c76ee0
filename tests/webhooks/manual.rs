//! The receiver in the manual is a whole one: it takes what is ours, once, and nothing else. Needs `python3`.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zkgate::store::journal::delivery::WebhookPatch;

use crate::rig::{House, SECRET};

/// The program in `docs/webhooks.md`, running.
struct Python {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Python {
    fn start() -> Self {
        let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/webhooks.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        let program = manual.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
        let mut child = Command::new("python3")
            .args(["-c", program])
            .env("SECRET", SECRET)
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is needed here");
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = said.next().unwrap().unwrap();
        let port = first.rsplit(' ').next().unwrap().parse().unwrap();
        Self { child, said, port }
    }

    /// Sends it an event of somebody else's, and gives the status.
    fn forged(&self, timestamp: u64, secret: &str) -> u16 {
        let body =
            r#"{"events":[{"type":"punch","seq":999,"user_id":"1","timestamp":"2026-07-14T08:00:00"}]}"#;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{timestamp}.{body}").as_bytes());
        let code: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST / HTTP/1.0\r\nX-Zkgate-Timestamp: {timestamp}\r\nX-Zkgate-Signature: v1={code}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_receiver_in_the_manual_takes_every_row_once_and_nothing_that_is_not_ours() {
    let mut python = Python::start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(python.forged(now, "another-secret-of-nobody"), 401);
    assert_eq!(python.forged(now - 3600, SECRET), 401, "signed by us, and overheard an hour ago");

    let house = House::new();
    let run = house.start();
    run.punches(7, 0..5);
    let id = run.subscribe(format!("http://127.0.0.1:{}/", python.port));
    run.until_kept(id, |webhook| webhook.cursor == 5);
    assert_eq!(run.test(id).error, None);
    run.patch(id, WebhookPatch { cursor: Some(0), ..WebhookPatch::default() });
    run.punches(8, 0..1);
    run.until_kept(id, |webhook| webhook.cursor == 6);
    run.stop();
    assert_eq!(python.forged(now, SECRET), 204, "what is signed and fresh counts");

    let said: Vec<String> = (0..7).map(|_| python.said.next().unwrap().unwrap()).collect();
    let seqs: Vec<&str> = said.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(seqs, ["1", "2", "3", "4", "5", "6", "999"], "{said:?}");
    assert_eq!(said[0], "1 7 2024-01-01T00:00:00");
}
