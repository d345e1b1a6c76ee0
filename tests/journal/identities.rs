//! Whose punches they are: two records of one device, a device without a serial number, another device behind the
//! same address.

use std::time::Duration;

use zkgate::simulator::{Config, Profile};

use crate::rig::{ENABLE, Setup, Site, another_address, one, punch, set, tick, until, user};

#[test]
fn two_records_of_one_device_do_not_double_its_punches() {
    let site = Site::of(Config { users: 20, punches: 400, ..Config::default() });
    let addresses = vec![another_address(site.device(0))];
    let rig = site.start(&Setup { addresses, ..Setup::polling(Duration::from_millis(300)) });
    let device = rig.device(0);
    until("both were read", || (0..2).all(|number| rig.status(number).proved.is_some()));
    assert_eq!(rig.count(), 400);
    for number in 0..6 {
        device.punch(user(device, number), 0, 1).unwrap();
        set(device, "event-lost*1");
        device.punch(user(device, number + 7), 0, 1).unwrap();
        until("they are rows", || rig.count() == 402 + 2 * number);
    }
    for number in [0, 1, 0, 1] {
        rig.ask(number, true).recv_timeout(crate::rig::PATIENCE).unwrap().unwrap();
    }
    until("both have the whole log", || {
        (0..2).all(|number| rig.status(number).proved.is_some_and(|proved| proved.records == 412))
    });
    assert_eq!(rig.count(), 412);
    assert!(rig.gaps(0).is_empty() && rig.gaps(1).is_empty());
}

#[test]
fn a_device_without_a_serial_number_is_known_by_its_record() {
    let site = Site::of(Config { users: 20, punches: 100, ..Config::default() });
    site.device(0).set_serial("");
    let rig = site.start(&Setup::default());
    rig.settled(0);
    punch(rig.device(0));
    until("the punch is a row", || rig.count() == 101);
    rig.read(0);
    rig.has_all_of(0);
    let name = format!("device:{}", rig.ids[0].as_str());
    assert!(rig.rows().iter().all(|row| row.serial_number == name));
    rig.stop();
    let rig = site.start(&Setup::default());
    rig.settled(0);
    assert_eq!(rig.count(), 101);
}

#[test]
fn another_device_behind_the_address_is_kept_apart() {
    let (_site, rig) = one(Profile::Tft, 200);
    rig.settled(0);
    let device = rig.device(0);
    let old = device.punches();
    device.set_serial("SIM0000000777");
    device.set_punches(&old[50..120]);
    device.reboot(Duration::ZERO);
    until("the other one was read", || rig.cursor("SIM0000000777").complete);
    assert_eq!(rig.count(), 270, "equal punches of two devices are two");
    punch(device);
    until("its events are its own", || rig.count() == 271);
    assert_eq!(rig.rows().pop().unwrap().serial_number, "SIM0000000777");
    rig.read(0);
    assert!(rig.gaps(0).is_empty(), "{:?}", rig.gaps(0));
    // The first one comes back.
    device.set_serial("SIM0000000001");
    device.set_punches(&old);
    device.reboot(Duration::ZERO);
    let revision = rig.cursor("SIM0000000001").compared_at;
    until("it was read again", || {
        rig.status(0).serial_number.as_deref() == Some("SIM0000000001")
            && rig.status(0).proved.is_some_and(|proved| Some(proved.at) > revision)
    });
    assert_eq!((rig.count(), rig.gaps(0).len()), (271, 0));
}

#[test]
fn a_device_that_has_no_serial_number_is_not_taken_for_the_one_before_it() {
    let (_site, rig) = one(Profile::Tft, 200);
    rig.settled(0);
    let device = rig.device(0);
    device.set_serial("");
    device.reboot(Duration::ZERO);
    until("it is not read", || {
        rig.status(0).last.is_some_and(|last| last.detail.is_some_and(|why| why.contains("serial number")))
    });
    punch(device);
    assert_eq!((rig.count(), rig.gaps(0).len()), (200, 0));
    // It only did not say so: nothing is lost and nothing doubled.
    device.set_serial("SIM0000000001");
    device.reboot(Duration::ZERO);
    until("it is who it was", || rig.count() == 201);
    assert!(rig.rows().iter().all(|row| row.serial_number == "SIM0000000001"));
}

#[test]
fn a_greeting_that_was_not_told_the_serial_number_makes_no_other_device() {
    let (_site, rig) = one(Profile::Tft, 200);
    rig.settled(0);
    let device = rig.device(0);
    let enabled = device.counters().command(ENABLE);
    device.set_serial("");
    set(device, "delay:500ms@enable*1");
    device.reboot(Duration::ZERO);
    until("a session without it was made", || device.counters().command(ENABLE) > enabled);
    device.set_serial("SIM0000000001");
    tick(device);
    punch(device);
    until("the punch is there", || rig.count() == 201);
    rig.settled(0);
    rig.has_all_of(0);
    assert!(rig.rows().iter().all(|row| row.serial_number == "SIM0000000001"));
    assert!(rig.gaps(0).is_empty());
}
