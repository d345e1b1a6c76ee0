//! Trying a connection step by step: is anybody there, is it a device, does it know the key, who is it?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::input::Somewhere;
use crate::base::ids::DeviceId;
use crate::device::Target;
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::http::reply::{Reply, json as as_json};
use crate::registry::{Refusal, TestReport, Tester, carriers};

/// `POST /devices/test-connection`
pub fn address(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let there: Somewhere = call.body()?;
    let deadline = call.deadline()?;
    let address = SocketAddr::new(there.ip_address.0, there.port.get());
    if let Some(id) = connected(&call.gateway, address) {
        let detail = "A device is registered at this address and has a session, which a second one would disturb. \
                      Test the device instead.";
        return Err(Problem::new(409, "device_connected", detail).about(&id));
    }
    let target = Target { address, comm_key: there.comm_key.0, carriers: carriers(there.transport, None) };
    let since = call.since;
    let reply = call.later()?;
    call.gateway.registry.probe(target, deadline, answering(reply, None, since));
    Ok(Outcome::Later)
}

/// `POST /devices/{id}/test`
pub fn device(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let device = call.device()?;
    let deadline = call.deadline()?;
    let since = call.since;
    let reply = call.later()?.shared();
    let registry = Arc::clone(&call.gateway.registry);
    let (id, late) = (device.id.clone(), reply.clone());
    call.gateway.alarms.at(deadline.instant(), move || {
        if let Some(reply) = late.take() {
            reply.send(late_test().about(&id).answer());
        }
    });
    let (id, answered) = (device.id.clone(), reply.clone());
    let tester: Tester = Box::new(move |result| {
        if let Some(reply) = answered.take() {
            answering(reply, Some(id), since)(result);
        }
    });
    if let Err(refusal) = registry.test(&device.id, deadline, tester)
        && let Some(reply) = reply.take()
    {
        reply.send(refused(&device.id)(refusal).answer());
    }
    Ok(Outcome::Later)
}

/// A registered device at this address that has a session, or is being given one.
fn connected(gateway: &Gateway, address: SocketAddr) -> Option<DeviceId> {
    let devices = gateway.store.devices();
    let mut there = devices
        .iter()
        .filter(|device| device.endpoint.as_ref().is_ok_and(|endpoint| endpoint.address == address));
    let has_session = |id: &DeviceId| gateway.registry.status(id).is_some_and(|slot| slot.state.is_up());
    there.find(|device| has_session(&device.id)).map(|device| device.id.clone())
}

fn answering(reply: Reply, id: Option<DeviceId>, since: Instant) -> Tester {
    Box::new(move |result| {
        reply.result(match result {
            Ok(report) => Ok(as_json(200, &shown(&report, since.elapsed().as_secs_f64()))),
            Err(refusal) => Err(untested(&refusal, id.as_ref())),
        });
    })
}

fn shown(report: &TestReport, seconds: f64) -> Value {
    let steps: Vec<Value> = report
        .steps
        .iter()
        .map(|step| {
            json!({
                "step": step.phase.name(),
                "transport": step.carrier.name(),
                "ok": step.ok,
                "ms": rounded(step.took.as_secs_f64() * 1000.0),
            })
        })
        .collect();
    let transport = report.steps.last().map(|step| step.carrier.name());
    let ms = rounded(seconds * 1000.0);
    match &report.result {
        Ok(serial_number) => json!({
            "ok": true, "verdict": "ok", "serial_number": serial_number, "transport": transport,
            "ms": ms, "steps": steps,
        }),
        Err(failure) => json!({
            "ok": false, "verdict": failure.verdict, "code": failure.code, "detail": failure.detail,
            "advice": failure.advice, "phase": failure.phase, "ms": ms, "steps": steps,
        }),
    }
}

fn rounded(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}

fn untested(refusal: &Refusal, id: Option<&DeviceId>) -> Problem {
    let problem = match (refusal, id) {
        (Refusal::DeadlineExceeded { .. }, _) => late_test(),
        (refusal, Some(id)) => return Problem::of_refusal(refusal, id),
        (refusal, None) => Problem::new(503, refusal.code(), "The test could not be made."),
    };
    id.into_iter().fold(problem, Problem::about)
}

fn late_test() -> Problem {
    let detail = "The test did not end within its deadline; ask with a longer timeout.";
    Problem::new(504, "deadline_exceeded", detail)
}
