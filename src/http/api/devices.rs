//! The devices of the site.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::json;

use super::connections::state_of;
use super::info::{facts_of, found};
use super::input::{Change, Create};
use super::view::{DeviceView, show};
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::http::call::{Call, Handled, Outcome, invalid};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::http::response::{Answer, Location};
use crate::registry::{SlotStatus, Terms};
use crate::store::device::{Device, Observation};

/// The most devices on one page.
const PAGE: u64 = 1000;

/// `GET /devices?limit=&after=&enabled=&state=&name=&ip_address=&serial_number=`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["limit", "after", "enabled", "state", "name", "ip_address", "serial_number"])?;
    let limit = usize::try_from(call.number("limit", 100, 1, PAGE)?).unwrap_or(usize::MAX);
    let enabled = call.flag("enabled")?;
    let (state, address) = (state_of(call)?, call.parameter("ip_address"));
    let name = call.parameter("name").map(str::to_lowercase);
    let serial = call.parameter("serial_number");
    let devices = call.gateway.store.devices();
    let slots: HashMap<DeviceId, SlotStatus> =
        call.gateway.registry.statuses().into_iter().map(|slot| (slot.id.clone(), slot)).collect();
    let wanted = |device: &&std::sync::Arc<Device>| {
        let slot = slots.get(&device.id);
        enabled.is_none_or(|enabled| device.enabled == enabled)
            && state.is_none_or(|state| slot.is_some_and(|slot| slot.state == state))
            && address.is_none_or(|address| device.ip_address == address)
            && name.as_ref().is_none_or(|name| device.name.to_lowercase().contains(name.as_str()))
            && serial.is_none_or(|serial| device.facts.serial_number.as_deref() == Some(serial))
    };
    let all: Vec<_> = devices.iter().filter(wanted).collect();
    let begin = match call.parameter("after") {
        None => 0,
        Some(after) => {
            let after = DeviceId::parse(after).ok_or_else(|| invalid("after", "it is no device id"))?;
            // That device may be gone by now; its place is not.
            devices.iter().take(devices.up_to(&after)).filter(wanted).count()
        }
    };
    let page: Vec<_> = all.iter().skip(begin).take(limit).collect();
    let more = begin + page.len() < all.len();
    let next_after = page.last().filter(|_| more).map(|device| device.id.as_str());
    let clock = &*call.gateway.clock;
    let data: Vec<_> =
        page.iter().map(|device| DeviceView::new(device, slots.get(&device.id), clock)).collect();
    let body = json!({ "count": data.len(), "total": all.len(), "data": data, "next_after": next_after });
    Ok(Outcome::Now(as_json(200, &body)))
}

/// `POST /devices`
pub fn create(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let create: Create = call.body()?;
    let deadline = call.deadline()?;
    let probe = create.probe;
    let gateway = std::sync::Arc::clone(&call.gateway);
    let store = std::sync::Arc::clone(&gateway.store);
    let reply = call.later()?;
    store.create(create.into_new(), deadline, move |result| match result {
        Err(error) => reply.send(Problem::of_store(&error).answer()),
        Ok(device) if !probe => reply.send(created(&show(&device, &gateway), &device.id)),
        Ok(device) => {
            // The registry has the device already: the store tells it before it tells us.
            let terms = Terms::read(deadline);
            let id = device.id.clone();
            let registry = std::sync::Arc::clone(&gateway.registry);
            registry.submit(
                &id,
                terms,
                |session, deadline| session.info(deadline),
                move |result| {
                    let mut shown = Device::clone(&device);
                    let probe = match result {
                        Ok(info) => {
                            let facts = facts_of(&info);
                            gateway.store.record(
                                &device.id,
                                Observation { facts: facts.clone(), ..Observation::default() },
                            );
                            shown.facts.merge(facts);
                            json!({ "ok": true, "info": found(&info) })
                        }
                        Err(refusal) => {
                            json!({ "ok": false, "code": refusal.code(), "detail": refusal.to_string() })
                        }
                    };
                    let mut body = show(&shown, &gateway);
                    if let Some(members) = body.as_object_mut() {
                        members.insert("probe".to_owned(), probe);
                    }
                    reply.send(created(&body, &device.id));
                },
            );
        }
    });
    Ok(Outcome::Later)
}

/// `GET /devices/{id}`
pub fn one(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let device = call.device()?;
    Ok(Outcome::Now(as_json(200, &show(&device, &call.gateway))))
}

/// `PATCH /devices/{id}`
pub fn change(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let patch = call.body::<Change>()?.into_patch()?;
    let deadline = call.deadline()?;
    let gateway = std::sync::Arc::clone(&call.gateway);
    let store = std::sync::Arc::clone(&gateway.store);
    let reply = call.later()?;
    let id = device.id.clone();
    store.update(device.id.clone(), patch, deadline, move |result| match result {
        Ok(device) => reply.json(200, &show(&device, &gateway)),
        Err(error) => reply.send(Problem::of_store(&error).about(&id).answer()),
    });
    Ok(Outcome::Later)
}

/// `DELETE /devices/{id}`
pub fn delete(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let deadline = call.deadline()?;
    let gateway = std::sync::Arc::clone(&call.gateway);
    let store = std::sync::Arc::clone(&gateway.store);
    let reply = call.later()?;
    let id = device.id.clone();
    store.delete(device.id.clone(), deadline, move |result| {
        if result.is_ok() {
            forget_settings(&gateway, &id);
        }
        reply
            .result(result.map(|_| Answer::empty(204)).map_err(|error| Problem::of_store(&error).about(&id)));
    });
    Ok(Outcome::Later)
}

/// Another device may come to have the same id in an attached table.
fn forget_settings(gateway: &Gateway, id: &DeviceId) {
    gateway.device_settings.forget(id);
    let (id, deadline) = (id.clone(), Deadline::after(gateway.clock.now(), Deadline::CEILING));
    gateway.operations.ledger().then(
        deadline,
        move |book| {
            book.forget_people(id.as_str())?;
            book.forget_device_settings(id.as_str())
        },
        |done| {
            if let Err(error) = done {
                log::warn!("what was kept of a deleted device stays in the ledger: {error}");
            }
        },
    );
}

fn created(body: &impl Serialize, id: &DeviceId) -> Answer {
    Answer { location: Location::parse(&format!("/api/v1/devices/{id}")), ..as_json(201, body) }
}
