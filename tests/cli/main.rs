//! The command line as people and scripts use it: the real program against simulated devices and a running service.
//! What it prints, where, and with which exit code it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/service.rs"]
mod service;
#[allow(dead_code)]
#[path = "../support/site.rs"]
mod site;

mod asked;
mod clearing;
mod failures;
mod fleet;
mod live;
mod manual;
mod many;
mod people;
mod program;
mod reads;
mod through;
mod verbs;
mod watching;

use program::Program;
use site::{carriers, device};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile};

/// Every kind of device that differs in how people and punches are stored or reached.
const KINDS: [(Profile, u16); 6] = [
    (Profile::OldUdp, 28),
    (Profile::Bw16Udp, 28),
    (Profile::Tft, 84),
    (Profile::TftBig, 72),
    (Profile::Vl49, 72),
    (Profile::D2, 72),
];

/// Runs a test on a fresh device of every kind, over each of its carriers, all at the same time.
fn everywhere(users: usize, punches: usize, test: impl Fn(&str, &DeviceHandle, Program) + Sync) {
    let test = &test;
    std::thread::scope(|scope| {
        for (profile, user_record) in KINDS {
            let config = Config { profile, user_record, users, punches, threads: 1, ..Config::default() };
            for carrier in carriers(&device(config.clone()).1) {
                let config = config.clone();
                scope.spawn(move || {
                    let (_simulator, device) = device(config);
                    let case = format!("{profile} with records of {user_record} over {}", carrier.name());
                    let program = Program::at(&device).with(["--transport", carrier.name()]);
                    test(&case, &device, program);
                });
            }
        }
    });
}

fn set(device: &DeviceHandle, fault: &str) {
    device.set_fault(Fault::parse(fault).unwrap());
}
