//! Looking for devices on the network: a long operation whose result is who was found.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::effect::{Act, accepted, open};
use super::input::Key;
use crate::base::networks::{Network, own_networks};
use crate::discovery::{Found, Known, Plan, Range, Verdict, Watcher};
use crate::http::call::{Call, Handled};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::wire::carrier::Carrier;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    range: String,
    #[serde(default = "default_ports")]
    ports: Vec<u16>,
    #[serde(default = "default_transports")]
    transports: Vec<Transport>,
    #[serde(default)]
    comm_key: Key,
    #[serde(default)]
    allow_foreign_networks: bool,
    #[serde(default = "default_rate")]
    rate: u32,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Transport {
    Tcp,
    Udp,
}

/// The port on which devices listen unless they are set otherwise.
fn default_ports() -> Vec<u16> {
    vec![4370]
}

fn default_transports() -> Vec<Transport> {
    vec![Transport::Tcp, Transport::Udp]
}

const fn default_rate() -> u32 {
    50
}

/// The most ports at each address.
const PORTS: usize = 4;
/// The most addresses that are begun in a second.
const RATE: u32 = 200;
/// How long a scan may take unless the request says less.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// `POST /discovery`
pub fn begin(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let wanted: Wanted = call.body()?;
    let range = Range::parse(&wanted.range).map_err(|error| wrong("range", format!("{error}.")))?;
    let ports = distinct(wanted.ports);
    if ports.is_empty() || ports.len() > PORTS || ports.contains(&0) {
        return Err(wrong("ports", format!("There are 1 to {PORTS} ports, each from 1 to 65535.")));
    }
    let carriers: Vec<_> = distinct(wanted.transports)
        .into_iter()
        .map(|transport| if transport == Transport::Tcp { Carrier::Tcp } else { Carrier::Udp })
        .collect();
    if carriers.is_empty() {
        return Err(wrong("transports", "At least one of tcp and udp is needed.".to_owned()));
    }
    if !(1..=RATE).contains(&wanted.rate) {
        return Err(wrong("rate", format!("From 1 to {RATE} addresses are begun in a second.")));
    }
    if !wanted.allow_foreign_networks {
        stays_at_home(range)?;
    }
    let deadline = call.deadline_or(LONGEST)?;
    let plan = Plan {
        range,
        ports,
        carriers,
        comm_key: wanted.comm_key.0,
        rate: wanted.rate,
        known: known(&call.gateway),
        deadline,
    };
    let act = Act { kind: "discovery", subject: Some(wanted.range.trim().to_owned()), deadline };
    open(call, act, None, false, move |ticket, gateway, reply| {
        let answer = accepted(&ticket.shown());
        let watching = Watching { ticket: ticket.clone(), begun: false };
        if gateway.discovery.begin(plan, Box::new(watching)) {
            return reply.send(answer);
        }
        let detail = "Another scan is running; wait for its end, or cancel it.";
        let problem = Problem::new(409, "discovery_running", detail);
        ticket.end(Ending::failed(problem.to_json()).before_it_began());
        reply.send(problem.answer());
    })
}

/// Refuses a range with an address that is no neighbour's.
fn stays_at_home(range: Range) -> Result<(), Problem> {
    let own: Vec<Network> = own_networks().map_err(|error| {
        log::warn!("the networks of this host are not known: {error}");
        let detail =
            "The networks of this host are not known; say allow_foreign_networks if the range is meant.";
        Problem::new(422, "foreign_network", detail)
    })?;
    let foreign = range.addresses().find(|address| !own.iter().any(|network| network.contains(*address)));
    foreign.map_or(Ok(()), |address| {
        let detail = format!(
            "{address} is in no network of this host. Greeting strangers may alarm somebody: say \
             allow_foreign_networks if that is meant."
        );
        Err(Problem::new(422, "foreign_network", detail).with("field", "range"))
    })
}

/// Where our own devices are: nobody else may greet them while we have their one session.
fn known(gateway: &Gateway) -> BTreeMap<std::net::SocketAddr, Known> {
    let devices = gateway.store.devices();
    devices
        .iter()
        .filter_map(|device| {
            let endpoint = device.endpoint.as_ref().ok()?;
            let serial_number = device.facts.serial_number.clone();
            Some((endpoint.address, Known { id: device.id.clone(), serial_number }))
        })
        .collect()
}

/// The scan's link to its operation.
struct Watching {
    ticket: Ticket,
    begun: bool,
}

impl Watcher for Watching {
    fn progress(&mut self, done: u64, total: u64) {
        self.begin();
        self.ticket.progress(done, total);
    }

    fn found(&mut self, found: &Found) {
        self.begin();
        self.ticket.happened("found", view(found));
    }

    fn goes_on(&self) -> bool {
        !self.ticket.is_cancelled()
    }

    fn over(self: Box<Self>, found: Vec<Found>, looked_at: u64, complete: bool) {
        let devices: Vec<Value> = found.iter().map(view).collect();
        let result = json!({ "looked_at": looked_at, "complete": complete, "found": devices });
        self.ticket.end(match (complete, self.ticket.is_cancelled()) {
            (true, _) => Ending::done(result),
            (false, true) => Ending::cancelled(Some(result)),
            (false, false) => {
                let detail = "The deadline passed before all addresses had been looked at.";
                Ending::failed(Problem::new(504, "deadline_exceeded", detail).to_json()).with_result(result)
            }
        });
    }
}

impl Watching {
    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.ticket.started();
        }
    }
}

fn view(found: &Found) -> Value {
    let Found { address, verdict, carrier, identity } = found;
    let transport = carrier.map(|carrier| carrier.name());
    let (word, device_id) = match verdict {
        Verdict::Device => ("ok", None),
        Verdict::Known(id) => ("registered", Some(id.as_str())),
        Verdict::Other(word) => (*word, None),
    };
    // Ready to be sent to `POST /devices`, with a comm key if one is needed.
    let register = matches!(verdict, Verdict::Device | Verdict::Other("wrong_comm_key")).then(|| {
        json!({
            "name": identity.device_name.clone().unwrap_or_else(|| address.ip().to_string()),
            "ip_address": address.ip().to_string(),
            "port": address.port(),
            "transport": transport,
        })
    });
    json!({
        "ip_address": address.ip().to_string(),
        "port": address.port(),
        "verdict": word,
        "transport": transport,
        "serial_number": identity.serial_number,
        "device_name": identity.device_name,
        "firmware_version": identity.firmware_version,
        "platform": identity.platform,
        "device_id": device_id,
        "register": register,
    })
}

fn distinct<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

fn wrong(field: &'static str, detail: String) -> Problem {
    let capital =
        detail.chars().next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let rest: String = detail.chars().skip(1).collect();
    Problem::new(422, "invalid_value", capital + &rest).with("field", field)
}
