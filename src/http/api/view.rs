//! Devices and connections as the API shows them.

use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde_json::Value;

use crate::base::clock::{Clock, wall_of};
use crate::http::gateway::Gateway;
use crate::registry::error::Failure;
use crate::registry::{SlotStatus, StateName};
use crate::store::device::{Device, Facts, SessionMode, Status, TransportChoice};

/// A device, without its comm key.
#[derive(Debug, Serialize)]
pub struct DeviceView<'d> {
    id: &'d str,
    name: &'d str,
    ip_address: &'d str,
    port: i64,
    comm_key_set: Option<bool>,
    transport: Option<TransportChoice>,
    mode: SessionMode,
    timezone: Option<&'d str>,
    enabled: bool,
    /// Why the record cannot be used, if it cannot.
    problem: Option<String>,
    #[serde(flatten)]
    facts: Facts,
    status: Status,
    state: Option<&'static str>,
    last_seen: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

impl<'d> DeviceView<'d> {
    /// The view of a record, with what its slot says.
    #[must_use]
    pub fn new(device: &'d Device, slot: Option<&SlotStatus>, clock: &dyn Clock) -> Self {
        let endpoint = device.endpoint.as_ref();
        let heard = slot.and_then(|slot| slot.heard).map(|heard| wall_of(heard, clock));
        Self {
            id: device.id.as_str(),
            name: &device.name,
            ip_address: &device.ip_address,
            port: device.port,
            comm_key_set: endpoint.ok().map(|endpoint| endpoint.comm_key.is_set()),
            transport: endpoint.ok().map(|endpoint| endpoint.transport),
            mode: device.mode,
            timezone: device.timezone.as_deref(),
            enabled: device.enabled,
            problem: endpoint.err().map(ToString::to_string),
            facts: device.facts.clone(),
            status: slot.map_or(device.status, |slot| status_of(slot, device.status)),
            state: slot.map(|slot| slot.state.as_str()),
            last_seen: heard.max(device.last_seen).map(rfc3339),
            created_at: device.created_at.map(rfc3339),
            updated_at: device.updated_at.map(rfc3339),
        }
    }
}

/// A connection: a slot's state.
#[derive(Debug, Serialize)]
pub struct ConnectionView {
    device_id: String,
    state: &'static str,
    since: String,
    last_error: Option<FailureView>,
    failures: u32,
    retry_at: Option<String>,
    sessions_opened: u64,
    calls: u64,
    calls_failed: u64,
    queue: usize,
    waiting_seconds: Option<f64>,
    transport: Option<&'static str>,
    serial_number: Option<String>,
    /// Set when somebody else answers at the address than the record says.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_serial_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lent_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_because: Option<String>,
}

/// The last failure of a connection.
#[derive(Debug, Serialize)]
struct FailureView {
    code: &'static str,
    detail: String,
    advice: &'static str,
    phase: &'static str,
    at: String,
}

impl ConnectionView {
    /// The view of a slot.
    #[must_use]
    pub fn new(slot: SlotStatus, device: Option<&Device>, clock: &dyn Clock) -> Self {
        let when = |instant: Instant| rfc3339(wall_of(instant, clock));
        let now = clock.now();
        let expected = device.and_then(|device| device.facts.serial_number.clone());
        let other = slot.serial_number.is_some() && expected.is_some() && slot.serial_number != expected;
        Self {
            device_id: slot.id.to_string(),
            state: slot.state.as_str(),
            since: when(slot.since),
            last_error: slot.last_error.as_deref().map(|failure| FailureView::new(failure, clock)),
            failures: slot.failures,
            retry_at: slot.retry_at.map(when),
            sessions_opened: slot.sessions_opened,
            calls: slot.calls,
            calls_failed: slot.calls_failed,
            queue: slot.queue,
            waiting_seconds: slot
                .waiting_since
                .map(|since| now.saturating_duration_since(since).as_secs_f64()),
            transport: slot.transport.map(|carrier| carrier.name()),
            serial_number: slot.serial_number,
            expected_serial_number: expected.filter(|_| other),
            lent_to: slot.lent_to,
            disabled_because: slot.disabled,
        }
    }
}

impl FailureView {
    fn new(failure: &Failure, clock: &dyn Clock) -> Self {
        Self {
            code: failure.code,
            detail: failure.detail.clone(),
            advice: failure.advice,
            phase: failure.phase,
            at: rfc3339(wall_of(failure.at, clock)),
        }
    }
}

/// A device as JSON.
pub(super) fn show(device: &Device, gateway: &Gateway) -> Value {
    let slot = gateway.registry.status(&device.id);
    serde_json::to_value(DeviceView::new(device, slot.as_ref(), &*gateway.clock)).unwrap_or_default()
}

/// A moment for programs and people: RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn rfc3339(moment: SystemTime) -> String {
    jiff::Timestamp::try_from(moment).map_or_else(|_| String::new(), |moment| format!("{moment:.3}"))
}

/// Milliseconds since 1970 in the same form.
pub(super) fn moment(millis: i64) -> String {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    rfc3339(SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH))
}

fn status_of(slot: &SlotStatus, known: Status) -> Status {
    match slot.state {
        StateName::Idle | StateName::Busy => Status::Up,
        StateName::BackOff | StateName::Refused => Status::Down,
        // Being tried again is not being up.
        StateName::Connecting if slot.failures > 0 => Status::Down,
        _ => known,
    }
}
