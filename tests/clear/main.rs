//! Clearing whole tables of a device, with the real program and simulated devices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/service.rs"]
mod service;

mod confirmations;
mod everything;
mod faults;
mod tables;

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};
use zkgate::wire::command::Command;

use service::{Answer, Service};

const CLEAR_DATA: u16 = Command::CLEAR_DATA.0;
const CLEAR_ADMIN: u16 = Command::CLEAR_ADMIN.0;

/// People and fingerprints in the tests.
const USERS: usize = 6;
const TEMPLATES: usize = 3;

/// A service and a device that it knows, with fingerprints allowed.
struct Rig {
    service: Service,
    device: DeviceHandle,
    id: String,
    _simulator: Simulator,
}

impl Rig {
    fn new(profile: Profile, transport: &str, punches: usize) -> Self {
        Self::of(Service::start(), profile, transport, punches)
    }

    fn of(service: Service, profile: Profile, transport: &str, punches: usize) -> Self {
        let config = Config { profile, users: USERS, templates: TEMPLATES, punches, ..Config::default() };
        let simulator = Simulator::start(config).unwrap();
        let device = simulator.devices()[0].clone();
        let id = service.add_with(&device, &json!({ "transport": transport }));
        service.until_state(&id, "idle");
        allow(&service, &id);
        Self { service, device, id, _simulator: simulator }
    }

    fn ask(&self, body: &Value) -> Value {
        over(&self.service, &self.service.post(&self.path(), body))
    }

    fn path(&self) -> String {
        format!("/devices/{}/clear", self.id)
    }

    fn dry_run(&self, what: &str) -> Value {
        self.ask(&json!({ "what": what, "dry_run": true }))
    }

    /// A dry run that went well, and its value.
    fn value(&self, what: &str) -> String {
        let shown = self.dry_run(what);
        assert_eq!(shown["state"], "done", "{shown}");
        shown["result"]["confirmation"].as_str().unwrap().to_owned()
    }

    fn confirm(&self, what: &str, value: &str) -> Value {
        self.ask(&json!({ "what": what, "confirmation": value }))
    }

    /// Both.
    fn clear(&self, what: &str) -> Value {
        self.confirm(what, &self.value(what))
    }

    fn fault(&self, text: &str) {
        self.device.set_fault(Fault::parse(text).unwrap());
    }

    /// How often anything was cleared, or asked to be.
    fn commands(&self) -> u64 {
        let counters = self.device.counters();
        counters.command(CLEAR_DATA) + counters.command(CLEAR_ADMIN)
    }

    /// What holds when nothing was cleared, nor asked to be.
    fn is_untouched(&self, case: &str) {
        assert_eq!((self.commands(), self.device.counters().clears), (0, 0), "{case}");
        assert_eq!(self.device.templates().len(), TEMPLATES, "{case}");
        assert!(!self.device.is_disabled(), "{case}");
    }
}

/// The operation once it has ended.
fn over(service: &Service, begun: &Answer) -> Value {
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/operations/{}?wait=10", begun.json()["id"]);
    service.until(&path, |shown| !["queued", "running"].contains(&shown["state"].as_str().unwrap()))
}

fn allow(service: &Service, id: &str) {
    let set = service.patch(&format!("/devices/{id}/settings"), &json!({ "biometrics": true }));
    assert_eq!(set.status, 200, "{set:?}");
}

fn code(shown: &Value) -> (&str, &str) {
    (shown["state"].as_str().unwrap(), shown["problem"]["code"].as_str().unwrap_or_default())
}

/// Whose, which, and its template.
type Finger = (String, u8, Vec<u8>);

/// Everything that the device keeps of people.
fn state(device: &DeviceHandle) -> (Vec<String>, Vec<Finger>) {
    let users = device.users();
    let who = |uid| users.iter().find(|user| user.uid == uid).unwrap().user_id.to_text().into_owned();
    let mut people: Vec<String> = users
        .iter()
        .map(|user| {
            let parts = (user.card_number, user.group, user.privilege.0, user.time_zones);
            format!("{} {} {parts:?}", user.user_id.to_text(), user.name.to_text())
        })
        .collect();
    let prints = device.templates();
    let mut prints: Vec<_> =
        prints.into_iter().map(|(uid, finger, _, bytes)| (who(uid), finger, bytes)).collect();
    people.sort();
    prints.sort();
    (people, prints)
}
