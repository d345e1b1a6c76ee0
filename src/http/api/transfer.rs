//! A person from one device to others, in one call.

use serde::Deserialize;
use serde_json::{Value, json};

use super::backups::{WITH_TEMPLATES, may_touch_templates_of};
use super::effect::{Act, accepted, open};
use super::people::named;
use super::people_view::{device, is_unknown, note};
use super::user_problem::of_user;
use super::users::who;
use crate::base::ids::DeviceId;
use crate::device::users::UserError;
use crate::fleet::{Aim, Moved, Transfer, Trouble};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    to: Vec<String>,
    #[serde(default)]
    templates: bool,
    #[serde(default)]
    remove_here: bool,
    #[serde(default)]
    lose_templates: bool,
}

/// `POST /devices/{id}/users/{user_id}/transfer`
pub fn transfer(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let from = call.device()?.id.clone();
    let user_id = who(call)?;
    let Wanted { to, templates, remove_here, lose_templates } = call.body()?;
    let to = named(&call.gateway, &to)?;
    if to.contains(&from) {
        let detail = "The person is on this device already.";
        return Err(Problem::new(422, "invalid_value", detail).with("field", "to"));
    }
    if templates {
        for id in std::iter::once(&from).chain(&to) {
            may_touch_templates_of(call, id)?;
        }
    }
    let settings = &call.gateway.device_settings;
    let transfer = Transfer {
        encoding: settings.encoding(&from),
        user_id,
        fingerprints: templates,
        to: to.into_iter().map(|id| (id.clone(), settings.encoding(&id))).collect(),
        remove: remove_here,
        lose_fingerprints: lose_templates,
        from,
    };
    let deadline = call.deadline_or(call.gateway.max_timeout)?;
    let with = if templates { WITH_TEMPLATES } else { "" };
    let subject = Some(format!("user {} to {} devices{with}", user_id.to_text(), transfer.to.len()));
    let act = Act { kind: "transfer_user", subject, deadline };
    let device_id = Some(transfer.from.to_string());
    open(call, act, device_id, false, move |ticket, gateway, reply| {
        reply.send(accepted(&ticket.shown()));
        let from = transfer.from.clone();
        let then = move |ticket: &Ticket, moved: Moved| ticket.end(ending(ticket, &from, moved, remove_here));
        gateway.fleet.transfer(transfer, deadline, ticket, Box::new(then));
    })
}

fn ending(ticket: &Ticket, from: &DeviceId, moved: Moved, remove_here: bool) -> Ending {
    let (fingerprints, told, removed) = match moved {
        Moved::Unknown => {
            return Ending::failed(of_user(&UserError::Unknown).to_json()).before_it_began();
        }
        Moved::WouldLose => {
            let detail = "The person has fingerprints here that would be gone; say templates to bring them along, or \
                          lose_templates if that is meant.";
            let problem = Problem::new(409, "templates_would_go", detail);
            return Ending::failed(problem.to_json()).before_it_began();
        }
        Moved::NotRead(refusal) => {
            return Ending::failed(Problem::of_refusal(&refusal, from).to_json()).before_it_began();
        }
        Moved::Brought { fingerprints, told, removed } => (fingerprints, told, removed),
    };
    note(ticket, &told);
    let shown = |trouble: &Trouble| json!({ "code": trouble.code, "detail": trouble.detail });
    let devices: Vec<Value> = told.iter().map(|told| device(Aim::Apply, told)).collect();
    let failed = devices.iter().filter(|device| device["state"] != "as_wanted").count();
    let result = json!({
        "templates": fingerprints,
        "devices": devices,
        "removed_here": matches!(removed, Some(Ok(()))),
        "removal_problem": removed.as_ref().and_then(|removed| removed.as_ref().err()).map(shown),
    });
    if ticket.is_cancelled() && failed > 0 {
        return Ending::cancelled(Some(result));
    }
    let stayed = remove_here && !matches!(removed, Some(Ok(())));
    if failed == 0 && !stayed {
        return Ending::done(result);
    }
    let detail = match failed {
        0 => "The person is on all devices, and was not removed here.".to_owned(),
        _ => format!("The person is not as wanted on {failed} of {} devices; they stay here.", told.len()),
    };
    let problem = Problem::new(502, "devices_failed", detail).to_json();
    let unclear = matches!(&removed, Some(Err(trouble)) if trouble.code == "outcome_unknown");
    let ending =
        if unclear || is_unknown(&told) { Ending::unknown(problem) } else { Ending::failed(problem) };
    ending.with_result(result)
}
