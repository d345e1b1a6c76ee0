//! Changing what a device keeps, over real sockets, both carriers and every layout: what was written is there and
//! nothing else is different, and whatever goes wrong is told for each person.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

#[path = "people/enrolment.rs"]
mod enrolment;
#[path = "people/faults.rs"]
mod faults;
#[path = "people/meanwhile.rs"]
mod meanwhile;
#[path = "people/templates.rs"]
mod templates;
#[path = "people/users.rs"]
mod users;
#[path = "people/verbs.rs"]
mod verbs;

use site::{carriers, device};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};
use zkgate::wire::carrier::Carrier;

/// Every kind of device that differs in how people are stored or reached.
pub(crate) const KINDS: [(Profile, u16); 7] = [
    (Profile::OldUdp, 28),
    (Profile::Bw16Udp, 28),
    (Profile::Tft, 72),
    (Profile::Tft, 84),
    (Profile::TftBig, 72),
    (Profile::Vl49, 72),
    (Profile::D2, 72),
];

/// Runs a test on a fresh device of every kind, over each of its carriers, all at the same time: they wait more than
/// they work.
pub(crate) fn everywhere(users: usize, test: impl Fn(&str, &DeviceHandle, Carrier) + Sync) {
    everywhere_in_parts(users, 1, |_, case, device, carrier| test(case, device, carrier));
}

/// The same in so many parts, each with a device of its own: most of their time they wait.
pub(crate) fn everywhere_in_parts(
    users: usize,
    parts: usize,
    test: impl Fn(usize, &str, &DeviceHandle, Carrier) + Sync,
) {
    let test = &test;
    std::thread::scope(|scope| {
        for (profile, user_record) in KINDS {
            let templates = users.min(3);
            let config = Config { profile, user_record, users, templates, threads: 1, ..Config::default() };
            for carrier in carriers(&device(config.clone()).1) {
                for part in 0..parts {
                    let config = config.clone();
                    scope.spawn(move || {
                        let (_simulator, device) = device(config);
                        let case = format!("{profile} with records of {user_record} over {}", carrier.name());
                        test(part, &case, &device, carrier);
                    });
                }
            }
        }
    });
}

pub(crate) fn one(profile: Profile, users: usize) -> (Simulator, DeviceHandle) {
    device(Config { profile, users, ..Config::default() })
}

pub(crate) fn set(device: &DeviceHandle, fault: &str) {
    device.set_fault(Fault::parse(fault).unwrap());
}
