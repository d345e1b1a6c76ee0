//! The people that should be on several devices: sent, compared, brought there, looked at again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::effect::{Act, accepted, open};
use super::people_view::{ending, kept, note, person};
use super::user_input::{Person, user_id};
use super::users_bulk::row_problem;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::device::users::UserChange;
use crate::fleet::{Aim, Removal, Target, Wanted, Wish};
use crate::http::call::{Call, Handled, Outcome};
use crate::http::gateway::Gateway;
use crate::http::problem::{Problem, sentence};
use crate::http::reply::json as as_json;
use crate::http::response::Answer;
use crate::operations::{Ending, Ticket};
use crate::store::ledger::{PeopleList, StandingState};
use crate::store::sealer::SealError;
use crate::wire::encoding::NameEncoding;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    devices: Vec<String>,
    people: Vec<Person>,
    #[serde(default = "yes")]
    dry_run: bool,
    #[serde(default)]
    remove_at_most: u16,
    #[serde(default)]
    remove_administrators: bool,
}

/// Nothing is kept or written unless that is said.
const fn yes() -> bool {
    true
}

/// The most people on a list.
const PEOPLE: usize = 5000;
/// The most devices in one call.
const DEVICES: usize = 1000;
/// How long all devices together may take, unless the request says less.
const LONGEST: Duration = Duration::from_secs(3600);

/// `PUT /people`
pub fn put(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let Put { devices, people, dry_run, remove_at_most, remove_administrators } = call.body()?;
    let devices = named(&call.gateway, &devices)?;
    let removal = Removal { at_most: remove_at_most.into(), privileged: remove_administrators };
    let wish = Arc::new(Wish { people: everybody(people)?, removal });
    let deadline = call.deadline_or(LONGEST)?;
    let subject = Some(format!("{} people on {} devices", wish.people.len(), devices.len()));
    if dry_run {
        let act = Act { kind: "compare_people", subject, deadline };
        let wanted = Wanted::Asked(wish);
        let targets: Vec<_> = devices
            .into_iter()
            .map(|id| Target {
                encoding: call.gateway.device_settings.encoding(&id),
                id,
                wanted: wanted.clone(),
            })
            .collect();
        return open(call, act, None, false, move |ticket, gateway, reply| {
            reply.send(accepted(&ticket.shown()));
            begin(&gateway, targets, Aim::Compare, deadline, ticket);
        });
    }
    let list = call.gateway.fleet.sealed(&wish, &call.who.name).map_err(|error| not_sealed(&error))?;
    let act = Act { kind: "put_people", subject, deadline };
    open(call, act, None, false, move |ticket, gateway, reply| {
        let ids: Vec<String> = devices.iter().map(DeviceId::to_string).collect();
        let ledger = Arc::clone(gateway.fleet.ledger());
        ledger.then(
            deadline,
            move |book| {
                book.put_people(&list, &ids)?;
                book.people_lists()
            },
            move |rows| match rows {
                Ok(rows) => {
                    reply.send(accepted(&ticket.shown()));
                    let rows = rows.into_iter().filter(|row| is_among(row, &devices));
                    begin(&gateway, targets(&gateway, rows), Aim::Apply, deadline, ticket);
                }
                Err(error) => {
                    let problem = Problem::of_store(&error);
                    ticket.end(Ending::failed(problem.to_json()).before_it_began());
                    reply.send(problem.answer());
                }
            },
        );
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    devices: Vec<String>,
}

/// `POST /people/check`
pub fn check(call: &mut Call) -> Handled {
    again(call, "check_people", Aim::Compare, |_| true)
}

/// `POST /people/apply`
pub fn apply(call: &mut Call) -> Handled {
    // What is as wanted was seen to be so; whoever thinks otherwise names the device, or checks first.
    let is_open = |row: &PeopleList| {
        row.standing.as_ref().is_none_or(|standing| standing.state != StandingState::AsWanted)
    };
    again(call, "apply_people", Aim::Apply, is_open)
}

/// Does something with devices and the lists that count for them: those named or, without names, all that are
/// `meant`.
fn again(call: &mut Call, kind: &'static str, aim: Aim, meant: fn(&PeopleList) -> bool) -> Handled {
    call.allow(&["timeout"])?;
    let Which { devices } = call.body()?;
    let devices = if devices.is_empty() { Vec::new() } else { named(&call.gateway, &devices)? };
    let deadline = call.deadline_or(LONGEST)?;
    let subject = match devices.len() {
        0 => None,
        count => Some(format!("{count} devices")),
    };
    open(call, Act { kind, subject, deadline }, None, false, move |ticket, gateway, reply| {
        let ledger = Arc::clone(gateway.fleet.ledger());
        ledger.read_then(
            deadline,
            |book| book.people_lists(),
            move |rows| {
                let found = rows.map_err(|error| Problem::of_store(&error)).and_then(|rows| {
                    let all = rows.iter().map(|row| row.device_id.as_str()).collect::<HashSet<_>>();
                    if let Some(id) = devices.iter().find(|id| !all.contains(id.as_str())) {
                        return Err(no_list(id));
                    }
                    let mine = rows.into_iter().filter(|row| match devices.is_empty() {
                        true => meant(row),
                        false => is_among(row, &devices),
                    });
                    Ok(targets(&gateway, mine))
                });
                match found {
                    Ok(targets) => {
                        reply.send(accepted(&ticket.shown()));
                        begin(&gateway, targets, aim, deadline, ticket);
                    }
                    Err(problem) => {
                        ticket.end(Ending::failed(problem.to_json()).before_it_began());
                        reply.send(problem.answer());
                    }
                }
            },
        );
    })
}

/// `GET /people`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let (deadline, reply) = (call.deadline()?, call.later()?);
    call.gateway.fleet.ledger().read_then(
        deadline,
        |book| book.people_lists(),
        move |rows| {
            let answer = rows.map(|rows| {
                let data: Vec<Value> = rows.iter().map(kept).collect();
                as_json(200, &json!({ "count": data.len(), "data": data }))
            });
            reply.result(answer.map_err(|error| Problem::of_store(&error)));
        },
    );
    Ok(Outcome::Later)
}

/// `GET /devices/{id}/people`
pub fn one(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let id = call.device()?.id.clone();
    let (deadline, reply, fleet) = (call.deadline()?, call.later()?, Arc::clone(&call.gateway.fleet));
    let (device, ledger) = (id.to_string(), Arc::clone(fleet.ledger()));
    ledger.read_then(
        deadline,
        move |book| book.people_list(&device),
        move |found| {
            let answer = found.map_err(|error| Problem::of_store(&error)).and_then(|found| {
                let (row, content) = found.ok_or_else(|| no_list(&id))?;
                let wish = fleet.opened(&row, &content).map_err(|error| not_sealed(&error))?;
                let mut shown = kept(&row);
                if let Some(members) = shown.as_object_mut() {
                    members.insert("data".to_owned(), wish.people.iter().map(person).collect());
                }
                Ok(as_json(200, &shown))
            });
            reply.result(answer);
        },
    );
    Ok(Outcome::Later)
}

/// `DELETE /devices/{id}/people`
pub fn forget(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let id = call.device()?.id.clone();
    let (deadline, reply, device) = (call.deadline()?, call.later()?, id.to_string());
    call.gateway.fleet.ledger().then(
        deadline,
        move |book| book.forget_people(&device),
        move |gone| {
            let answer = gone.map_err(|error| Problem::of_store(&error));
            reply.result(answer.and_then(
                |gone| {
                    if gone { Ok(Answer::empty(204)) } else { Err(no_list(&id)) }
                },
            ));
        },
    );
    Ok(Outcome::Later)
}

fn begin(gateway: &Arc<Gateway>, targets: Vec<Target>, aim: Aim, deadline: Deadline, ticket: Ticket) {
    let then = Box::new(move |ticket: &Ticket, told: Vec<_>| {
        if aim == Aim::Apply {
            note(ticket, &told);
        }
        ticket.end(ending(aim, ticket, &told));
    });
    gateway.fleet.go(targets, aim, deadline, ticket, then);
}

/// The devices of these lists.
fn targets(gateway: &Gateway, rows: impl Iterator<Item = PeopleList>) -> Vec<Target> {
    rows.filter_map(|row| {
        let id = DeviceId::parse(&row.device_id)?;
        Some(Target { encoding: gateway.device_settings.encoding(&id), id, wanted: Wanted::Kept(row) })
    })
    .collect()
}

fn is_among(row: &PeopleList, devices: &[DeviceId]) -> bool {
    devices.iter().any(|id| id.as_str() == row.device_id)
}

/// The devices with these ids, each once.
pub(super) fn named(gateway: &Gateway, texts: &[String]) -> Result<Vec<DeviceId>, Problem> {
    if texts.is_empty() || texts.len() > DEVICES {
        let detail = format!("There are 1 to {DEVICES} devices in \"devices\".");
        return Err(Problem::new(422, "invalid_value", detail).with("field", "devices"));
    }
    let (known, mut seen) = (gateway.store.devices(), HashSet::new());
    let ids = texts.iter().map(|text| {
        let id = DeviceId::parse(text).filter(|id| known.get(id).is_some());
        let unknown = || {
            let detail = format!("There is no device {text}.");
            Problem::new(422, "invalid_value", detail).with("field", "devices")
        };
        id.ok_or_else(unknown)
    });
    let ids = ids.collect::<Result<Vec<_>, Problem>>()?;
    Ok(ids.into_iter().filter(|id| seen.insert(id.clone())).collect())
}

/// The people of the request, each once. An empty list would empty devices, for which there is another way.
fn everybody(people: Vec<Person>) -> Result<Vec<UserChange>, Problem> {
    if people.is_empty() || people.len() > PEOPLE {
        let detail = format!("There are 1 to {PEOPLE} people in \"people\".");
        return Err(Problem::new(422, "invalid_value", detail).with("field", "people"));
    }
    let mut seen = HashSet::new();
    let people = people.into_iter().zip(0..).map(|(person, index)| {
        let wrong = |problem| row_problem(problem, &format!("people[{index}]"));
        let missing = || Problem::new(422, "unusable_user_id", "The field \"user_id\" is missing.");
        let id = person.user_id().ok_or_else(missing).and_then(user_id).map_err(wrong)?;
        if !seen.insert(id) {
            return Err(wrong(Problem::new(422, "duplicate_user_id", "This user id is there twice.")));
        }
        // Whether a name fits each device is found out there.
        person.change(id, NameEncoding::UTF_8).map_err(wrong)
    });
    people.collect()
}

fn no_list(id: &DeviceId) -> Problem {
    Problem::new(404, "no_list", "No list of people counts for this device.").about(id)
}

fn not_sealed(error: &SealError) -> Problem {
    log::warn!("a list of people: {error}");
    match error {
        SealError::Io(_) => {
            let detail = "The file with the key cannot be read or written; the service's log says why.";
            Problem::new(503, "store_unavailable", detail)
        }
        SealError::Sealed(_) | SealError::NoKey(_) => {
            Problem::new(409, "backup_locked", sentence(&error.to_string()))
        }
    }
}
