//! What happens at a device, as the service hears it: its punches, and everything else.
//!
//! Each of the two streams has a thread that follows it; a stream that breaks is opened again where it ended.

use std::io::{BufRead, BufReader, Read};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::client::{Client, segment};
use super::devices::text;
use super::events::{Events, LINE};
use super::happened::describe;
use crate::base::ids::DeviceId;
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::interrupt::interrupts;
use crate::cli::output::Output;
use crate::cli::table::printable;

/// How long one connection of a stream lasts; then it is made anew, so that one that is dead without a sign is left
/// behind.
const CONNECTION: Duration = Duration::from_secs(60);
/// How long to wait before the service is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Events that wait to be printed; a stream that is further ahead waits too.
const AHEAD: usize = 256;

/// A place in one of the two streams.
#[derive(Deserialize)]
struct Page {
    /// Of punches a number, of events a word.
    next_after: Value,
    #[serde(default)]
    more: bool,
    /// Only of punches: the newest.
    head: Option<u64>,
}

/// What a thread tells: an event, or why it ends.
type Told = Result<Value, Failure>;

pub(super) fn watch(
    client: &Client,
    out: Output,
    id: &DeviceId,
    count: Option<u64>,
    timeout: Option<Duration>,
) -> Done {
    let interrupted = interrupts()?;
    let end = timeout.map_or_else(never, after);
    let device = segment(id.as_str());
    // A device that is not there would be silent for ever.
    client.get::<IgnoredAny>(&format!("/api/v1/devices/{device}/connection"), None)?;
    let (tell, told) = bounded(AHEAD);
    for path in ["/api/v1/punches", "/api/v1/events"] {
        let from = newest(client, path)?;
        let (client, tell) = (client.clone(), tell.clone());
        let path = format!("{path}/stream?device={device}");
        // It ends when nobody takes what it tells, and with the process.
        let thread = thread::Builder::new().name("watch".to_owned());
        let begun = thread.spawn(move || follow(&client, out, &path, from, &tell));
        begun.map_err(|error| Failure::new("internal", format!("no thread can be had: {error}")))?;
    }
    drop(tell);
    match print(out, count, &told, &interrupted, &end) {
        Err(failure) if failure == Failure::nobody_reads() => Ok(()),
        other => other,
    }
}

/// The place behind everything that has happened: "now" is one place, however often a stream breaks.
fn newest(client: &Client, path: &str) -> Done<String> {
    let mut page: Page = client.get(&format!("{path}?limit=1"), None)?;
    if let Some(head) = page.head {
        return Ok(head.to_string());
    }
    while page.more {
        let place = text(Some(&page.next_after));
        page = client.get(&format!("{path}?limit=1000&after={}", segment(&place)), None)?;
    }
    Ok(text(Some(&page.next_after)))
}

fn print(
    out: Output,
    count: Option<u64>,
    told: &Receiver<Told>,
    interrupted: &Receiver<()>,
    end: &Receiver<Instant>,
) -> Done {
    let mut printed = 0;
    while count.is_none_or(|count| printed < count) {
        let told = select! {
            recv(interrupted) -> _ => return Ok(()),
            recv(end) -> _ => return Ok(()),
            recv(told) -> told => told,
        };
        // A thread ends only with a failure, which came before this.
        let Ok(told) = told else { return Ok(()) };
        let (object, sentence) = describe(&told?);
        out.done(&object, &printable(&sentence))?;
        printed += 1;
    }
    Ok(())
}

/// Follows a stream for as long as somebody takes what it tells.
fn follow(client: &Client, out: Output, path: &str, from: String, tell: &Sender<Told>) {
    let (mut place, mut known) = (from, false);
    loop {
        let began = Instant::now();
        match client.stream(path, Some(&place), CONNECTION) {
            Ok(stream) => {
                known = true;
                match take(stream, out, place, tell) {
                    Some(reached) => place = reached,
                    None => return,
                }
            }
            // It was there, so it will be there again.
            Err(failure) if known && failure.exit() == Exit::NoService => {}
            Err(failure) => {
                // Whoever is gone needs no reason.
                let _ = tell.send(Err(failure));
                return;
            }
        }
        thread::sleep(PAUSE.saturating_sub(began.elapsed()));
    }
}

/// Tells what comes until the stream ends; gives the place after which to go on, if anybody listens.
fn take(stream: impl Read, out: Output, mut place: String, tell: &Sender<Told>) -> Option<String> {
    let mut events = Events::default();
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut stream).take(LINE).read_until(b'\n', &mut line);
        // However it ends, the next connection goes on from here.
        if !read.is_ok_and(|count| count > 0) || line.last() != Some(&b'\n') {
            return Some(place);
        }
        let text = String::from_utf8_lossy(&line);
        if let Some(row) = events.line(text.trim_end_matches(['\n', '\r'])) {
            let event: Value = serde_json::from_str(&row).unwrap_or_default();
            // That something is missing has no device.
            if event.get("device_id").is_none() {
                out.note("zkgate: some events came faster than they could be told");
            } else if tell.send(Ok(event)).is_err() {
                return None;
            }
        }
        if let Some(reached) = events.last() {
            reached.clone_into(&mut place);
        }
    }
}
