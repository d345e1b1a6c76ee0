//! When devices are read: as often as is set, never twice at once, and no device at the expense of others.

use std::time::Duration;

use zkgate::base::clock::Clock;
use zkgate::journal::DeviceSettings;
use zkgate::journal::status::{Live, ReadResult};
use zkgate::simulator::{Config, How};
use zkgate::store::device::SessionMode;

use crate::rig::{
    FREE_SIZES, PREPARE, REG_EVENT, Setup, Site, another_address, new_device, one, one_of, result, set, until,
};

#[test]
fn reads_that_are_asked_for_at_once_are_one() {
    let (_site, rig) = one(zkgate::simulator::Profile::Tft, 300);
    rig.settled(0);
    let device = rig.device(0);
    set(device, "delay:200ms@chunk*3");
    let before = device.counters().command(PREPARE);
    let asked: Vec<_> = (0..20).map(|_| rig.ask(0, false)).collect();
    for told in asked {
        assert!(told.recv_timeout(crate::rig::PATIENCE).unwrap().unwrap().result.is_proof());
    }
    let reads = device.counters().command(PREPARE) - before;
    assert!((1..=3).contains(&reads), "{reads} reads for twenty who asked");
}

#[test]
fn the_poll_interval_is_kept_with_jitter() {
    let interval = Duration::from_millis(200);
    let (_site, rig) =
        one_of(Config { users: 5, punches: 50, ..Config::default() }, &Setup::polling(interval));
    until("nothing is new", || result(&rig, 0) == Some(ReadResult::NothingNew));
    let mut times = vec![rig.status(0).last.unwrap().at];
    until("it was polled often", || {
        let at = rig.status(0).last.unwrap().at;
        if times.last() != Some(&at) {
            times.push(at);
        }
        times.len() > 12
    });
    let pauses: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| *pause >= 178), "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
}

#[test]
fn a_device_on_demand_is_polled_and_not_asked_for_events() {
    let setup = Setup { mode: SessionMode::OnDemand, ..Setup::polling(Duration::from_millis(200)) };
    let (_site, rig) = one_of(Config { users: 5, punches: 300, ..Config::default() }, &setup);
    let device = rig.device(0);
    until("all is read", || rig.count() == 300);
    crate::rig::punch(device);
    until("the punch was polled", || rig.count() == 301);
    assert_eq!((device.counters().command(REG_EVENT), rig.status(0).live), (0, Live::Off));
    rig.has_all_of(0);
}

#[test]
fn a_device_that_is_not_collected_is_not_asked_for_anything() {
    let device = DeviceSettings { enabled: Some(false), ..DeviceSettings::default() };
    let setup = Setup { device: Some(device), ..Setup::polling(Duration::from_millis(100)) };
    let (site, rig) = one_of(Config { users: 5, punches: 300, ..Config::default() }, &setup);
    let handle = site.device(0);
    until("there is a session", || handle.sessions() == 1);
    until("what was set is known", || rig.status(0).settings == device);
    std::thread::sleep(Duration::from_millis(300));
    for command in [FREE_SIZES, PREPARE, REG_EVENT] {
        assert_eq!(handle.counters().command(command), 0, "{command}");
    }
    assert_eq!((rig.count(), rig.status(0).next_read), (0, None));
    // Who asks for a read gets one.
    assert_eq!(rig.read(0).added, 300);
    rig.stop();
    // It is still off after a start, even before anything else is known.
    let before = handle.counters().command(FREE_SIZES);
    let rig = site.start(&Setup::polling(Duration::from_millis(100)));
    until("there is a session again", || handle.sessions() == 1);
    until("what was set is known", || rig.status(0).settings == device);
    assert_eq!(handle.counters().command(FREE_SIZES), before);
}

#[test]
fn what_is_set_for_a_device_counts_at_once_and_after_a_start() {
    let (site, rig) = one(zkgate::simulator::Profile::Tft, 20);
    rig.settled(0);
    let set =
        DeviceSettings { poll_interval_seconds: Some(5), live: Some(false), ..DeviceSettings::default() };
    let (id, text) = (rig.ids[0].clone(), serde_json::to_string(&set).unwrap());
    rig.journal.write(crate::rig::soon(), move |backend| backend.set_settings(&id, Some(&text))).unwrap();
    rig.collector.configure(&rig.ids[0], set);
    let five = |rig: &crate::rig::Rig| {
        let status = rig.status(0);
        let soon = rig.clock.now() + Duration::from_secs(6);
        status.settings == set && !status.reading && status.next_read.is_some_and(|due| due < soon)
    };
    until("it counts", || five(&rig));
    assert_eq!(rig.status(0).effective.poll_interval, Duration::from_secs(5));
    rig.stop();
    let events = site.device(0).counters().command(REG_EVENT);
    let rig = site.start(&Setup::default());
    until("it counts after the start", || rig.status(0).last.is_some() && five(&rig));
    assert_eq!(site.device(0).counters().command(REG_EVENT), events, "no events are wanted");
}

#[test]
fn what_is_set_for_a_device_counts_also_if_it_comes_into_the_list_later() {
    let (site, rig) = one(zkgate::simulator::Profile::Tft, 20);
    let set = DeviceSettings { enabled: Some(false), ..DeviceSettings::default() };
    let text = serde_json::to_string(&set).unwrap();
    let later = zkgate::base::ids::DeviceId::from(2);
    rig.journal.write(rig.soon(), move |backend| backend.set_settings(&later, Some(&text))).unwrap();
    rig.stop();
    let setup = Setup::polling(Duration::from_millis(100));
    let rig = site.start(&setup);
    until("the settings are known", || result(&rig, 0).is_some());
    let second = new_device(another_address(site.device(0)), site.device(0), &setup);
    let id = rig.store.create_wait(second, rig.soon()).unwrap().id.clone();
    until("it is in the list", || rig.collector.status(&id).is_some());
    let status = rig.collector.status(&id).unwrap();
    assert_eq!((status.settings, status.next_read, status.last.is_none()), (set, None, true));
}

#[test]
fn devices_that_drip_do_not_delay_the_others() {
    let site = Site::of(Config { devices: 60, users: 5, punches: 300, ..Config::default() });
    for number in 0..6 {
        set(site.device(number), "drip:20ms@chunk");
    }
    let rig = site.start(&Setup::polling(Duration::from_millis(400)));
    let reads = |number: usize| rig.device(number).counters().command(FREE_SIZES);
    until("the others are read", || (6..60).all(|number| reads(number) >= 2));
    let before: Vec<u64> = (0..60).map(reads).collect();
    let took = until("and polled", || (6..60).all(|number| reads(number) >= before[number] + 5));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(rig.count(), 54 * 300);
    assert!((0..6).all(|number| rig.status(number).reading), "the slow ones are still being read");
    let_go(&site, 6);
}

#[test]
fn many_devices_that_drip_keep_no_place_from_the_others_for_long() {
    let site = Site::of(Config { devices: 40, users: 5, punches: 300, ..Config::default() });
    for number in 0..20 {
        set(site.device(number), "drip:50ms@chunk");
    }
    let setup = Setup::polling(Duration::from_millis(400));
    let registry = zkgate::registry::RegistrySettings { workers: 64, ..setup.registry };
    let rig = site.start(&Setup { registry, ..setup });
    let reads = |number: usize| rig.device(number).counters().command(FREE_SIZES);
    let mut turns = 0;
    until("the others are read", || {
        let all = (20..40).all(|number| reads(number) >= 3);
        if !all && turns < 50 && (0..20).filter(|n| rig.status(*n).reading).count() >= 8 {
            // Time passes, and those that are slow are seen to be.
            turns += 1;
            rig.clock.advance(Duration::from_secs(1));
        }
        all
    });
    let_go(&site, 20);
}

/// The first devices let go of those who read them, so that nobody waits at the end.
fn let_go(site: &Site, devices: usize) {
    for number in 0..devices {
        site.device(number).clear_faults();
        site.device(number).drop_connections(How::Rst);
    }
}

#[test]
fn whoever_waits_for_a_device_that_is_deleted_waits_no_longer() {
    let (site, rig) = one(zkgate::simulator::Profile::Tft, 3000);
    rig.settled(0);
    let device = site.device(0);
    set(device, "delay:400ms@chunk");
    let chunks = device.counters().command(crate::rig::CHUNK);
    let first = rig.ask(0, true);
    until("the read is under way", || device.counters().command(crate::rig::CHUNK) > chunks);
    let second = rig.ask(0, true);
    rig.store.delete_wait(rig.ids[0].clone(), rig.soon()).unwrap();
    for told in [first, second] {
        match told.recv_timeout(crate::rig::PATIENCE) {
            Ok(Err(_)) | Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {}
            other => panic!("{other:?}"),
        }
    }
    until("it is forgotten", || rig.collector.status(&rig.ids[0]).is_none());
    assert_eq!(rig.count(), 3000, "what was collected stays");
}
