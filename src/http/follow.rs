//! Server-sent events for as long as the client stays: what is told is left to a source.
//!
//! Each follower has a thread and takes what there is as fast as its client does. One that does not read at all is cut
//! by the acceptor, and then writing fails here.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use super::call::{Call, invalid};
use super::followers::HEARTBEAT;
use super::problem::Problem;
use super::reply::Reply;
use super::response::{Answer, ContentType};
use crate::base::clock::Clock;

/// A comment, so that the client sees at once that it is connected, and how soon it may come again.
const WELCOME: &[u8] = b": zkgate\nretry: 2000\n\n";

/// What a stream tells.
pub trait Source {
    /// Whether there will be no more.
    fn is_closed(&self) -> bool;

    /// Appends what is new. When nothing is, waits for something until then, and may append nothing.
    fn tell(&mut self, until: Instant, made: &mut Vec<u8>);

    /// Appends what a client should know, beside that it is still connected.
    fn beat(&mut self, made: &mut Vec<u8>);
}

/// The answer for whoever asks only for the head.
#[must_use]
pub fn head() -> Answer {
    Answer::bytes(200, ContentType::EventStream, Vec::new())
}

/// Where a client begins: what it saw last wins over where it began at first. `None` for now.
///
/// # Errors
/// 400 when it is no place of this stream.
pub fn begins_after<T>(
    call: &Call,
    parse: impl Fn(&str) -> Option<T>,
    asked: impl FnOnce(&Call) -> Result<Option<T>, Problem>,
) -> Result<Option<T>, Problem> {
    // Also when it does not count: what is wrong is said.
    let asked = asked(call)?;
    match call.headers().last_event_id.as_deref().map(str::trim) {
        None | Some("") => Ok(asked),
        Some(text) => parse(text)
            .map(Some)
            .ok_or_else(|| invalid("Last-Event-ID", "it is the id of an event of this stream")),
    }
}

/// Tells until the client has gone, there is no more, or the client is not admitted any more.
pub fn run(reply: Reply, clock: &Arc<dyn Clock>, mut source: impl Source) {
    let admission = reply.admission();
    let answer = Answer::bytes(200, ContentType::EventStream, WELCOME);
    let ended = reply.into_stream(answer).and_then(|mut out| {
        let mut made = Vec::new();
        let mut beat_at = clock.now() + HEARTBEAT;
        let mut send = |made: &mut Vec<u8>| -> io::Result<Instant> {
            out.write_all(made)?;
            made.clear();
            out.flush()?;
            Ok(clock.now() + HEARTBEAT)
        };
        while !source.is_closed() {
            source.tell(beat_at, &mut made);
            if !admission.lasts() {
                log::info!("a stream ends: its token was revoked, or the token's time is over");
                break;
            }
            if !made.is_empty() {
                beat_at = send(&mut made)?;
            }
            if clock.now() >= beat_at {
                made.extend_from_slice(b": \n");
                source.beat(&mut made);
                made.push(b'\n');
                beat_at = send(&mut made)?;
            }
        }
        out.finish()
    });
    if let Err(error) = ended {
        log::debug!("a follower has gone: {error}");
    }
}
