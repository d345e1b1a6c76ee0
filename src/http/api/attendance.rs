//! A device's attendance log: complete, or an error that says what was announced and what came.

use std::io::Write;
use std::sync::Arc;

use super::rows::{WriteRow, document, number, string};
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::response::Answer;
use crate::journal::civil::{civil_now, possible, zone_of};
use crate::registry::Terms;
use crate::wire::clock_word::ClockWord;
use crate::wire::record::punch::Punch;
use crate::wire::record::table::PunchTable;

/// `GET /devices/{id}/attendance`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let terms = Terms::read(call.deadline_or(call.gateway.table_timeout)?);
    let today = possible(civil_now(call.gateway.clock.wall(), &zone_of(device.timezone.as_deref())));
    let today = ClockWord::pack(today);
    let reply = call.later()?;
    let id = device.id.clone();
    let registry = Arc::clone(&call.gateway.registry);
    registry.submit(
        &device.id,
        terms,
        move |session, deadline| session.punches(today, deadline),
        move |result| {
            reply.result(result.map(answer).map_err(refused(&id)));
        },
    );
    Ok(Outcome::Later)
}

fn answer(table: PunchTable) -> Answer {
    let count = table.iter().count();
    let blank = table.slots() - count;
    let head = format!(r#"{{"count":{count},"complete":true,"blank":{blank},"data":["#);
    document(head, table.into_punches())
}

impl WriteRow for Punch {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"user_id":"#);
        if self.user_id.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            string(&self.user_id.to_text(), out);
        }
        // Writing to memory does not fail.
        let _ = write!(out, r#","timestamp":"{}","punch_state":"#, self.time.fields());
        number(self.punch_state, out);
        out.extend_from_slice(br#","verify_mode":"#);
        number(self.verify_mode, out);
        out.extend_from_slice(br#","work_code":"#);
        number(self.work_code, out);
        if let Some(uid) = self.uid {
            out.extend_from_slice(br#","uid":"#);
            number(uid, out);
        }
        if self.time.time().is_err() {
            out.extend_from_slice(br#","impossible_time":true"#);
        }
        out.push(b'}');
    }
}
