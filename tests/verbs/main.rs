//! Options, access control, messages, display, upkeep, raw commands and device events, as a user of the API meets
//! them: the real program, over both transports, in every layout that matters, with faults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/service.rs"]
mod service;

mod access;
mod events;
mod messages;
mod options;
mod others;
mod raw;
mod resets;

use serde_json::{Value, json};
use service::Service;
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};

/// A registered device, and how to call it when something fails.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) device: DeviceHandle,
    pub(crate) id: String,
    pub(crate) profile: Profile,
    _simulator: Simulator,
}

/// One service with a device of each layout, over each transport.
pub(crate) fn everywhere(users: usize, test: impl Fn(&Service, &Case) + Sync) {
    let service = Service::start();
    std::thread::scope(|scope| {
        for (profile, transport) in [
            (Profile::Tft, "tcp"),
            (Profile::Tft, "udp"),
            (Profile::OldUdp, "udp"),
            (Profile::Bw16Udp, "udp"),
            (Profile::TftBig, "tcp"),
        ] {
            let (service, test) = (&service, &test);
            scope.spawn(move || test(service, &add(service, profile, transport, users)));
        }
    });
}

pub(crate) fn add(service: &Service, profile: Profile, transport: &str, users: usize) -> Case {
    let simulator = Simulator::start(Config { profile, users, threads: 1, ..Config::default() }).unwrap();
    let device = simulator.devices()[0].clone();
    let id = service.add_with(&device, &json!({ "transport": transport }));
    service.until_state(&id, "idle");
    Case { name: format!("{profile} over {transport}"), device, id, profile, _simulator: simulator }
}

pub(crate) fn one(users: usize) -> (Service, Case) {
    let service = Service::start();
    let case = add(&service, Profile::Tft, "tcp", users);
    (service, case)
}

pub(crate) fn fault(device: &DeviceHandle, text: &str) {
    device.set_fault(Fault::parse(text).unwrap());
}

impl Case {
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/devices/{}{rest}", self.id)
    }

    /// What is written is there, in the answer and when it is read.
    pub(crate) fn keeps(&self, service: &Service, path: &str, body: &Value, shown: &Value) {
        let set = service.put(&self.path(path), body);
        assert_eq!(set.status, 200, "{} {path}: {set:?}", self.name);
        let mut told = set.json();
        assert!(told.as_object_mut().unwrap().remove("operation_id").is_some(), "{told}");
        assert_eq!(told, *shown, "{} {path}", self.name);
        let read = service.get(&self.path(path));
        assert_eq!((read.status, read.json()), (200, shown.clone()), "{} {path}", self.name);
    }

    /// A device that refuses, forgets, or changes what it is told is found out, and what nobody knows is said.
    pub(crate) fn fails(&self, service: &Service, command: u16, path: &str, body: &Value) {
        let path = self.path(path);
        for (kind, status, code) in [
            ("reject", 502, "device_rejected"),
            ("not-kept", 502, "not_stored"),
            ("kept-otherwise", 502, "stored_differently"),
        ] {
            fault(&self.device, &format!("{kind}@{command}*1"));
            service.put(&path, body).problem(status, code);
        }
        let before = self.device.counters().command(command);
        fault(&self.device, &format!("silent@{command}*1"));
        let told = service.put(&path, body).json();
        assert_eq!(told["code"], "outcome_unknown", "{} {path}: {told}", self.name);
        let operation = service.get(&format!("/operations/{}", told["operation_id"])).json();
        assert_eq!(operation["state"], "outcome_unknown", "{operation}");
        self.device.clear_faults();
        service.until_state(&self.id, "idle");
        // Every new session writes an option.
        if command != 12 {
            assert_eq!(self.device.counters().command(command), before + 1, "{} {path}: once", self.name);
        }
    }
}
