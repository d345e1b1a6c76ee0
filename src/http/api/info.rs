//! Who a device is and how full it is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::view::show;
use crate::device::info::Info;
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::registry::Terms;
use crate::store::device::{Device, Facts, Observation};

/// `GET /devices/{id}/info`
pub fn info(call: &mut Call) -> Handled {
    ask(call, |session, deadline| session.info(deadline), |_, info| found(&info))
}

/// `GET /devices/{id}/serial`
pub fn serial(call: &mut Call) -> Handled {
    let ask_serial =
        |session: &mut crate::device::Session, deadline| session.option("~SerialNumber", deadline);
    ask(call, ask_serial, |_, serial| json!({ "serial_number": serial }))
}

/// `GET /devices/{id}/capacity`
pub fn capacity(call: &mut Call) -> Handled {
    ask(
        call,
        |session, deadline| session.free_sizes(deadline),
        |_, sizes| {
            json!({
                "users": { "used": sizes.users, "capacity": sizes.user_capacity, "free": sizes.users_free },
                "attendance": { "used": sizes.punches, "capacity": sizes.punch_capacity, "free": sizes.punches_free },
                "fingerprints": {
                    "used": sizes.fingerprints, "capacity": sizes.fingerprint_capacity,
                    "free": sizes.fingerprints_free,
                },
                "faces": { "used": sizes.faces, "capacity": sizes.face_capacity, "free": null },
                "administrators": sizes.administrators,
                "passwords": sizes.passwords,
                "operations": sizes.operations,
            })
        },
    )
}

/// `POST /devices/{id}/info/refresh`
pub fn refresh(call: &mut Call) -> Handled {
    call.no_body()?;
    ask(
        call,
        |session, deadline| session.info(deadline),
        |call, info| {
            let facts = facts_of(&info);
            call.gateway
                .store
                .record(&call.device.id, Observation { facts: facts.clone(), ..Observation::default() });
            let mut device = Device::clone(&call.device);
            device.facts.merge(facts);
            let mut body = show(&device, &call.gateway);
            if let Some(members) = body.as_object_mut() {
                members.insert("info".to_owned(), found(&info));
            }
            body
        },
    )
}

/// What the answer to a simple question may need.
pub(super) struct Context {
    pub(super) gateway: Arc<crate::http::gateway::Gateway>,
    pub(super) device: Arc<Device>,
}

/// What became of an answer: always a value, or sometimes a problem.
pub(super) struct Shaped(Result<Value, Problem>);

impl From<Value> for Shaped {
    fn from(value: Value) -> Self {
        Self(Ok(value))
    }
}

impl From<Result<Value, Problem>> for Shaped {
    fn from(result: Result<Value, Problem>) -> Self {
        Self(result)
    }
}

/// Asks a device something small and answers with JSON.
pub(super) fn ask<T, O, R, S>(call: &mut Call, operation: O, shape: S) -> Handled
where
    T: Send + 'static,
    O: FnMut(
            &mut crate::device::Session,
            crate::base::deadline::Deadline,
        ) -> Result<T, crate::device::DeviceError>
        + Send
        + 'static,
    R: Into<Shaped>,
    S: FnOnce(&Context, T) -> R + Send + 'static,
{
    call.allow(&["timeout"])?;
    let terms = Terms::read(call.deadline()?).brief();
    ask_on(call, terms, operation, shape)
}

/// The same for something that reads a table, which must not come between the pieces of another table. Which
/// parameters there are is the caller's to check.
pub(super) fn ask_thoroughly<T, O, R, S>(call: &mut Call, operation: O, shape: S) -> Handled
where
    T: Send + 'static,
    O: FnMut(
            &mut crate::device::Session,
            crate::base::deadline::Deadline,
        ) -> Result<T, crate::device::DeviceError>
        + Send
        + 'static,
    R: Into<Shaped>,
    S: FnOnce(&Context, T) -> R + Send + 'static,
{
    let terms = Terms::read(call.deadline()?);
    ask_on(call, terms, operation, shape)
}

fn ask_on<T, O, R, S>(call: &mut Call, terms: Terms, operation: O, shape: S) -> Handled
where
    T: Send + 'static,
    O: FnMut(
            &mut crate::device::Session,
            crate::base::deadline::Deadline,
        ) -> Result<T, crate::device::DeviceError>
        + Send
        + 'static,
    R: Into<Shaped>,
    S: FnOnce(&Context, T) -> R + Send + 'static,
{
    let device = call.device()?;
    let gateway = Arc::clone(&call.gateway);
    let reply = call.later()?;
    let id = device.id.clone();
    let registry = Arc::clone(&gateway.registry);
    let context = Context { gateway, device };
    registry.submit(&id.clone(), terms, operation, move |result| {
        let shaped = result.map_err(refused(&id)).and_then(|value| shape(&context, value).into().0);
        reply.result(shaped.map(|value| as_json(200, &value)));
    });
    Ok(Outcome::Later)
}

/// What a device says of itself, for the API.
pub(super) fn found(info: &Info) -> Value {
    let Info {
        serial_number,
        device_name,
        firmware_version,
        platform,
        mac_address,
        vendor,
        fingerprint_version,
        face_version,
        sizes,
    } = info;
    json!({
        "serial_number": serial_number,
        "device_name": device_name,
        "firmware_version": firmware_version,
        "platform": platform,
        "mac_address": mac_address,
        "vendor": vendor,
        "fingerprint_version": fingerprint_version,
        "face_version": face_version,
        "users": sizes.users,
        "user_capacity": sizes.user_capacity,
        "attendance": sizes.punches,
        "attendance_capacity": sizes.punch_capacity,
        "fingerprints": sizes.fingerprints,
        "fingerprint_capacity": sizes.fingerprint_capacity,
        "faces": sizes.faces,
        "face_capacity": sizes.face_capacity,
    })
}

/// The part of it that the store keeps.
pub(super) fn facts_of(info: &Info) -> Facts {
    Facts {
        serial_number: info.serial_number.clone(),
        device_name: info.device_name.clone(),
        firmware_version: info.firmware_version.clone(),
        platform: info.platform.clone(),
        mac_address: info.mac_address.clone(),
        fingerprint_version: info.fingerprint_version.clone(),
        face_version: info.face_version.clone(),
        user_capacity: info.sizes.user_capacity,
        attendance_capacity: info.sizes.punch_capacity,
        fingerprint_capacity: info.sizes.fingerprint_capacity,
        face_capacity: info.sizes.face_capacity,
        transport_used: None,
    }
}
