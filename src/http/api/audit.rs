//! The audit log: who did what to which device, when, and how it ended.

use serde_json::{Value, json};

use super::view::moment;
use crate::http::call::{Call, Handled, Outcome};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::store::ledger::{AuditQuery, AuditRow};

/// `GET /audit`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["after", "limit", "device", "token", "timeout"])?;
    let query = AuditQuery {
        after: call.number("after", 0, 0, i64::MAX as u64)?,
        limit: u32::try_from(call.number("limit", 100, 1, 1000)?).unwrap_or(100),
        device_id: call.parameter("device").map(str::to_owned),
        token: call.parameter("token").map(str::to_owned),
    };
    let (deadline, reply) = (call.deadline()?, call.later()?);
    let after = query.after;
    call.gateway.operations.ledger().read_then(
        deadline,
        move |book| book.audit_rows(&query),
        move |found| {
            let answer = found.map(|(rows, more)| {
                let next_after = rows.last().map_or(after, |row| row.seq);
                let data: Vec<Value> = rows.iter().map(view).collect();
                as_json(200, &json!({ "data": data, "next_after": next_after, "more": more }))
            });
            reply.result(answer.map_err(|error| Problem::of_store(&error)));
        },
    );
    Ok(Outcome::Later)
}

fn view(row: &AuditRow) -> Value {
    let said = &row.said;
    json!({
        "seq": row.seq,
        "at": moment(said.at),
        "token": said.token,
        "token_id": said.token_id,
        "action": said.action,
        "path": said.path,
        "device_id": said.device_id,
        "subject": said.subject,
        "operation_id": said.operation_id,
        "status": said.status,
        "result": said.result,
    })
}
