//! One page of punches, at once or as soon as there is something in it.

use std::io::Write;
use std::time::Duration;

use super::choice;
use super::poll::Poll;
use crate::http::call::{Call, Handled, Outcome, invalid};
use crate::http::problem::Problem;
use crate::http::response::Answer;
use crate::store::journal::json::write_row;
use crate::store::journal::{PageQuery, Row};

/// The longest wait for something to come.
const WAIT_CEILING: Duration = Duration::from_secs(60);
/// About what a row takes.
const ROW_ROOM: usize = 320;

/// `GET /punches?after=`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["after", "limit", "device", "user_id", "from", "to", "wait", "timeout"])?;
    let limit = u32::try_from(call.number("limit", 100, 1, 1000)?).unwrap_or(u32::MAX);
    let query = PageQuery { after: choice::after(call)?, limit, filter: choice::filter(call)? };
    let wait = wait(call)?;
    let deadline = call.deadline()?;
    Poll::begin(call, query, wait, deadline)?;
    Ok(Outcome::Later)
}

/// `wait`: how long to wait for something to come.
fn wait(call: &Call) -> Result<Duration, Problem> {
    let Some(text) = call.parameter("wait") else { return Ok(Duration::ZERO) };
    let ceiling = WAIT_CEILING.min(call.gateway.max_timeout);
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
    let fits = seconds.filter(|seconds| (0.0..=ceiling.as_secs_f64()).contains(seconds));
    fits.map(Duration::from_secs_f64)
        .ok_or_else(|| invalid("wait", &format!("seconds are needed, from 0 to {}", ceiling.as_secs_f64())))
}

/// A page as the API shows it.
pub(super) fn shown<'r>(
    rows: impl Iterator<Item = &'r Row>,
    next_after: u64,
    more: bool,
    head: u64,
) -> Answer {
    let mut out = Vec::with_capacity(rows.size_hint().0 * ROW_ROOM + 96);
    out.extend_from_slice(br#"{"data":["#);
    let (mut first, mut head) = (true, head);
    for row in rows {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_row(row, &mut out);
        // What is kept can be read a moment before it is told.
        head = head.max(row.seq);
    }
    // Writing to memory does not fail.
    let _ = write!(out, r#"],"next_after":{next_after},"more":{more},"head":{head}}}"#);
    Answer::json(200, out)
}
