//! The people that a device knows: read, and changed one at a time.

use std::sync::Arc;

use super::effect::{Act, thorough};
use super::rows::document;
use super::user_input::{Person, user_id};
use super::user_problem::of_user;
use super::user_view::{self, Shown, written};
use crate::device::users::{Mode, UserChange, UserError, Written};
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::problem::Problem;
use crate::http::response::Answer;
use crate::registry::Terms;
use crate::wire::record::UserId;
use crate::wire::record::table::UserTable;

/// `GET /devices/{id}/users`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let encoding = call.gateway.device_settings.encoding(&device.id);
    let terms = Terms::read(call.deadline_or(call.gateway.table_timeout)?);
    let reply = call.later()?;
    let id = device.id.clone();
    let registry = Arc::clone(&call.gateway.registry);
    registry.submit(
        &device.id,
        terms,
        |session, deadline| session.users(deadline),
        move |result| {
            let shown = |table: UserTable| {
                let count = table.iter().count();
                let head = format!(r#"{{"count":{count},"complete":true,"data":["#);
                document(head, table.into_users().map(move |user| Shown { user, encoding }))
            };
            reply.result(result.map(shown).map_err(refused(&id)));
        },
    );
    Ok(Outcome::Later)
}

/// `GET /devices/{id}/users/{user_id}`
pub fn one(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let (device, who) = (call.device()?, who(call)?);
    let encoding = call.gateway.device_settings.encoding(&device.id);
    let terms = Terms::read(call.deadline_or(call.gateway.table_timeout)?);
    let reply = call.later()?;
    let id = device.id.clone();
    let registry = Arc::clone(&call.gateway.registry);
    registry.submit(
        &device.id,
        terms,
        move |session, deadline| session.user(&who, deadline),
        move |result| {
            let answer = result.map_err(refused(&id)).and_then(|record| {
                let record = record.ok_or_else(|| of_user(&UserError::Unknown).about(&id))?;
                let shown = Shown { user: record.user().clone(), encoding };
                Ok(Answer::json(200, user_view::document(&shown)))
            });
            reply.result(answer);
        },
    );
    Ok(Outcome::Later)
}

/// `POST /devices/{id}/users`
pub fn create(call: &mut Call) -> Handled {
    let person: Person = call.body()?;
    let missing = || Problem::new(422, "unusable_user_id", "The field \"user_id\" is missing.");
    let who = user_id(person.user_id().ok_or_else(missing)?)?;
    write(call, "create_user", Mode::Create, who, person)
}

/// `PATCH /devices/{id}/users/{user_id}`
pub fn update(call: &mut Call) -> Handled {
    let (person, who) = named_in_path(call)?;
    write(call, "update_user", Mode::Update, who, person)
}

/// `PUT /devices/{id}/users/{user_id}`
pub fn put(call: &mut Call) -> Handled {
    let (person, who) = named_in_path(call)?;
    write(call, "write_user", Mode::Upsert, who, person)
}

/// `DELETE /devices/{id}/users/{user_id}`
pub fn delete(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let who = who(call)?;
    let act = act(call, "delete_user", &who)?;
    let id = call.device()?.id.clone();
    thorough(
        call,
        act,
        move |session, deadline| {
            let nothing = &mut |_: &mut crate::device::Session| Ok(());
            session.delete_users(&[who], nothing, &mut |_| {}, deadline)?.only()
        },
        move |row| told(row, &who).map_err(|problem| problem.about(&id)),
    )
}

fn write(call: &mut Call, kind: &'static str, mode: Mode, who: UserId, person: Person) -> Handled {
    call.allow(&["timeout"])?;
    let act = act(call, kind, &who)?;
    let id = call.device()?.id.clone();
    let encoding = call.gateway.device_settings.encoding(&id);
    let change: UserChange = person.change(who, encoding)?;
    thorough(
        call,
        act,
        move |session, deadline| {
            let nothing = &mut |_: &mut crate::device::Session| Ok(());
            let changes = std::slice::from_ref(&change);
            session.write_users(changes, mode, encoding, nothing, &mut |_| {}, deadline)?.only()
        },
        move |row| told(row, &who).map_err(|problem| problem.about(&id)),
    )
}

type Row = Result<Written, UserError>;

fn told(row: Row, who: &UserId) -> Result<serde_json::Value, Problem> {
    row.map(|done| written(&who.to_text(), done)).map_err(|error| of_user(&error))
}

fn act(call: &Call, kind: &'static str, who: &UserId) -> Result<Act, Problem> {
    let deadline = call.deadline_or(call.gateway.table_timeout)?;
    Ok(Act { kind, subject: Some(format!("user {}", who.to_text())), deadline })
}

/// The person whom the path names.
pub(super) fn who(call: &Call) -> Result<UserId, Problem> {
    user_id(call.plain_segment("user_id").as_deref().unwrap_or_default())
}

fn named_in_path(call: &Call) -> Result<(Person, UserId), Problem> {
    let (person, who): (Person, _) = (call.body()?, who(call)?);
    if person.user_id().is_some_and(|said| said.as_bytes() != who.as_bytes()) {
        let detail = "The body names another user id than the path; a user id cannot be changed.";
        return Err(Problem::new(422, "invalid_value", detail).with("field", "user_id"));
    }
    Ok((person, who))
}
