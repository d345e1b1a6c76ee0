//! The people that a device knows. Passwords never leave: only whether there is one.

use std::sync::Arc;

use super::rows::{WriteRow, document, number, string};
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::response::Answer;
use crate::registry::Terms;
use crate::wire::record::table::UserTable;
use crate::wire::record::user::User;

/// `GET /devices/{id}/users`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let terms = Terms::read(call.deadline_or(call.gateway.table_timeout)?);
    let reply = call.later()?;
    let id = device.id.clone();
    let registry = Arc::clone(&call.gateway.registry);
    registry.submit(
        &device.id,
        terms,
        |session, deadline| session.users(deadline),
        move |result| {
            reply.result(result.map(answer).map_err(refused(&id)));
        },
    );
    Ok(Outcome::Later)
}

fn answer(table: UserTable) -> Answer {
    let count = table.iter().count();
    let head = format!(r#"{{"count":{count},"complete":true,"data":["#);
    document(head, table.into_users())
}

impl WriteRow for User {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"user_id":"#);
        string(&self.user_id.to_text(), out);
        out.extend_from_slice(br#","uid":"#);
        number(self.uid, out);
        out.extend_from_slice(br#","name":"#);
        string(&self.name.to_text(), out);
        out.extend_from_slice(br#","privilege":"#);
        string(self.privilege.name(), out);
        out.extend_from_slice(br#","privilege_code":"#);
        number(self.privilege.0, out);
        out.extend_from_slice(br#","enabled":"#);
        out.extend_from_slice(if self.privilege.is_disabled() { b"false" } else { b"true" });
        out.extend_from_slice(br#","card_number":"#);
        number(self.card_number, out);
        out.extend_from_slice(br#","group":"#);
        number(self.group, out);
        out.extend_from_slice(br#","has_password":"#);
        out.extend_from_slice(if self.password.expose().is_empty() { b"false" } else { b"true" });
        // Bytes in another encoding than UTF-8 are shown with replacement characters, and that is said.
        if !self.name.is_utf8() {
            out.extend_from_slice(br#","name_is_utf8":false"#);
        }
        out.push(b'}');
    }
}
