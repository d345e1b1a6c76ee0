//! A device's attendance log: complete, or an error that says what was announced and what came.
//!
//! The oldest layout names people only by the device's index; their ids come from the device's user table then.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use super::rows::{WriteRow, document, number, string};
use super::time::{civil_now, possible, zone_of};
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::response::Answer;
use crate::registry::Terms;
use crate::wire::clock_word::ClockWord;
use crate::wire::record::UserId;
use crate::wire::record::punch::Punch;
use crate::wire::record::table::{PunchTable, UserTable};

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
        move |session, deadline| {
            let punches = session.punches(today, deadline)?;
            let nameless = punches.iter().any(|punch| punch.user_id.is_empty() && punch.uid.is_some());
            let people = if nameless { people(&session.users(deadline)?) } else { HashMap::new() };
            Ok((punches, people))
        },
        move |result| {
            reply.result(result.map(answer).map_err(refused(&id)));
        },
    );
    Ok(Outcome::Later)
}

/// Who has which index.
fn people(users: &UserTable) -> HashMap<u16, UserId> {
    users.iter().map(|user| (user.uid, user.user_id)).collect()
}

fn answer((table, people): (PunchTable, HashMap<u16, UserId>)) -> Answer {
    let count = table.iter().count();
    let blank = table.slots() - count;
    let head = format!(r#"{{"count":{count},"complete":true,"blank":{blank},"data":["#);
    let named = move |punch: Punch| match punch.uid.filter(|_| punch.user_id.is_empty()) {
        Some(uid) => Punch { user_id: people.get(&uid).copied().unwrap_or(punch.user_id), ..punch },
        None => punch,
    };
    document(head, table.into_punches().map(named))
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
