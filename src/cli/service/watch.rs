//! What happens at a device, as the service hears it: its punches, and everything else.
//!
//! Each of the two streams has a thread that follows it; a stream that breaks is opened again where it ended.

use std::convert::Infallible;
use std::io::Read;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::client::{Client, segment};
use super::events::read;
use super::happened::object;
use crate::base::ids::DeviceId;
use crate::base::threads;
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::interrupt::interrupts;
use crate::cli::output::Output;
use crate::cli::table::text;

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

/// Of how punches are collected: whether they are, and whether the device is to tell what happens.
#[derive(Deserialize)]
struct Collection {
    enabled: bool,
    live_wanted: bool,
}

/// What a thread tells.
enum Told {
    /// What happened.
    Event(Value),
    /// Something that happened may be told to nobody any more.
    Missed,
    /// Its stream is open.
    Open,
    /// The service does not answer, and is asked again.
    Away(Failure),
    /// Why it ends.
    End(Failure),
}

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
    warn(client, out, &device);
    let (tell, told) = bounded(AHEAD);
    for path in ["/api/v1/punches", "/api/v1/events"] {
        let from = newest(client, path)?;
        let (client, tell) = (client.clone(), tell.clone());
        let path = format!("{path}/stream?device={device}");
        // It ends when nobody takes what it tells, and with the process.
        let begun =
            threads::spawn("watch", threads::LARGE_STACK, move || follow(&client, &path, from, &tell));
        begun.map_err(|error| Failure::new("internal", format!("no thread can be had: {error}")))?;
    }
    drop(tell);
    match print(out, count, &told, &interrupted, &end) {
        Err(failure) if failure == Failure::nobody_reads() => Ok(()),
        other => other,
    }
}

/// Says what will not be seen, as it is set now. One that is registered just now has nothing to say yet.
fn warn(client: &Client, out: Output, device: &str) {
    match client.get(&format!("/api/v1/devices/{device}/collection"), None) {
        Ok(Collection { enabled: false, .. }) => {
            out.note("zkgate: the service does not collect from this device; it will tell of no punches");
        }
        Ok(Collection { live_wanted: false, .. }) => {
            out.note("zkgate: live is off for this device; its punches come when the service reads its log");
        }
        Ok(_) | Err(_) => {}
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
    let (mut printed, mut away) = (0, false);
    while count.is_none_or(|count| printed < count) {
        let told = select! {
            recv(interrupted) -> _ => return Ok(()),
            recv(end) -> _ => return Ok(()),
            recv(told) -> told => told,
        };
        match told {
            Ok(Told::Event(event)) => {
                out.event(&object(&event))?;
                printed += 1;
            }
            Ok(Told::Missed) => out.note(
                "zkgate: alarms and the like may be missing: the service was started anew, or they came too fast",
            ),
            Ok(Told::Open) => away = false,
            Ok(Told::Away(failure)) => {
                if !std::mem::replace(&mut away, true) {
                    failure.tell(out.json);
                    out.note("zkgate: it is asked again until it answers");
                }
            }
            Ok(Told::End(failure)) => return Err(failure),
            // A thread ends only with a failure, which came before this.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Follows a stream for as long as somebody takes what it tells.
fn follow(client: &Client, path: &str, from: String, tell: &Sender<Told>) {
    let (mut place, mut known) = (from, false);
    loop {
        let began = Instant::now();
        let told = match client.stream(path, Some(&place), CONNECTION) {
            Ok(stream) => {
                known = true;
                let listened = tell.send(Told::Open).is_ok();
                listened && take(stream, &mut place, tell)
            }
            // It was there, so it will be there again.
            Err(failure) if known && failure.exit() == Exit::NoService => {
                tell.send(Told::Away(failure)).is_ok()
            }
            Err(failure) => {
                // Whoever is gone needs no reason.
                let _ = tell.send(Told::End(failure));
                false
            }
        };
        if !told {
            return;
        }
        std::thread::sleep(PAUSE.saturating_sub(began.elapsed()));
    }
}

/// Tells what comes until the stream ends, and keeps the place after which to go on; whether anybody listens.
fn take(stream: impl Read, place: &mut String, tell: &Sender<Told>) -> bool {
    let mut listens = true;
    // However it ends, the next connection goes on from here.
    let Ok(()) = read::<Infallible>(stream, |row, last| {
        if let Some(row) = row {
            let event: Value = serde_json::from_str(&row).unwrap_or_default();
            // That something is missing has no device.
            let told = if event.get("device_id").is_some() { Told::Event(event) } else { Told::Missed };
            listens = tell.send(told).is_ok();
        }
        if let Some(reached) = last {
            reached.clone_into(place);
        }
        Ok(listens)
    });
    listens
}
