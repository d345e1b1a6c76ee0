//! Another device behind the same address: its punches are its own, and it is said.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;
use zkgate::simulator::{Config, DeviceHandle, Simulator};
use zkgate::wire::record::punch::Punch;

use crate::gateway::{Gateway, PATIENCE};
use crate::service::Service;
use crate::truth::{Key, counted};

#[test]
fn another_device_behind_the_address_gets_a_journal_of_its_own() {
    let service = Gateway::setup().start();
    let config = Config { users: 20, punches: 120, threads: 1, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let device = &simulator.devices()[0];
    device.set_serial("OLD");
    let id = service.add(device);
    let old = device.punches();
    until(&service, &[("OLD", &old)]);

    // The new one begins with some of the same records, of the same people, at the same times.
    let mut new = old[..60].to_vec();
    new.extend(old[..30].iter().map(|punch| Punch { punch_state: 5, ..*punch }));
    replace(device, "NEW", &new);
    until(&service, &[("OLD", &old), ("NEW", &new)]);
    service.until(&format!("/devices/{id}/collection"), |shown| {
        shown["serial_number"] == "NEW" && shown["live"] == "on"
    });
    let said = "NEW answers where OLD was expected";
    assert!(service.log().contains(said), "{}", service.log());
    let user = device.users()[0].user_id;
    new.push(device.punch(user, 0, 1).unwrap());
    until(&service, &[("OLD", &old), ("NEW", &new)]);

    // The old one comes back, with what it has recorded elsewhere.
    let mut more = old.clone();
    more.extend(old[..10].iter().map(|punch| Punch { punch_state: 4, ..*punch }));
    replace(device, "OLD", &more);
    until(&service, &[("OLD", &more), ("NEW", &new)]);
    let shown = service.get(&format!("/devices/{id}/completeness")).json();
    assert_eq!((&shown["all_gaps"], &shown["counts"]["quarantined"]), (&json!(0), &json!(0)), "{shown}");
}

fn replace(device: &DeviceHandle, serial_number: &str, log: &[Punch]) {
    // Nobody hears from it in between.
    device.reboot(Duration::from_millis(100));
    device.set_serial(serial_number);
    device.set_punches(log);
    device.reboot(Duration::from_millis(100));
}

/// Waits until the journal has exactly this, under these serial numbers; never anything else.
fn until(service: &Service, expected: &[(&str, &[Punch])]) {
    let expected: HashMap<&str, HashMap<Key, usize>> =
        expected.iter().map(|(serial, log)| (*serial, counted(log.iter().map(Key::of_punch)))).collect();
    let began = Instant::now();
    loop {
        let page = service.get("/punches?after=0&limit=1000").json();
        let mut there: HashMap<&str, Vec<Key>> = HashMap::new();
        for row in page["data"].as_array().unwrap() {
            let mut key = Key::of_row(row);
            if row["source"] == "live" {
                // What the log has not told yet.
                key.rest.2 = 0;
            }
            there.entry(row["serial_number"].as_str().unwrap()).or_default().push(key);
        }
        let there: HashMap<&str, HashMap<Key, usize>> =
            there.into_iter().map(|(serial, keys)| (serial, counted(keys.into_iter()))).collect();
        if there == expected {
            return;
        }
        for (serial, keys) in &there {
            let wanted = expected.get(serial).unwrap_or_else(|| panic!("rows of {serial}"));
            for (key, count) in keys {
                assert!(wanted.get(key).is_some_and(|most| count <= most), "{serial}: {key:?}");
            }
        }
        assert!(began.elapsed() < PATIENCE, "never so: {page}\n{}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}
