//! Our journal and pyzk on the same devices, at the same time: record for record what the one has the other reads.

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Profile};
use zkgate::wire::carrier::Carrier::{Tcp, Udp};
use zkgate::wire::record::punch::PunchLayout;

use crate::harness::{Peer, at, present};
use crate::rig::{Rig, Setup, Site, until, user};

/// The journal's rows, in the order of their numbers, in pyzk's words.
fn rows(rig: &Rig, layout: PunchLayout) -> Vec<Value> {
    let of = |row: &zkgate::store::journal::Row| {
        let record = &row.record;
        // It calls two bytes of a record "status" and "punch" in their order, which differs between layouts.
        let (status, second) = match layout {
            PunchLayout::Text { .. } => (record.verify_mode, record.punch_state),
            _ => (record.punch_state, record.verify_mode),
        };
        json!({
            "user_id": record.user_id.unwrap().to_text(), "timestamp": record.time.fields().to_string(),
            "status": status, "punch": second,
        })
    };
    rig.rows().iter().map(of).collect()
}

/// So many people punch, one after the other, each told live.
fn people(device: &DeviceHandle, rig: &Rig, first: usize, count: usize) {
    for number in first..first + count {
        let rows = rig.count();
        device.punch(user(device, number), (number % 2) as u8, 1).unwrap();
        until("the punch is a row", || rig.count() == rows + 1);
    }
}

fn agree(pyzk: &mut Peer, rig: &Rig, profile: Profile, at: &Value, name: &str) {
    let read =
        pyzk.ask(&json!({ "do": "tables", "at": at })).unwrap_or_else(|error| panic!("{name}: {error}"));
    let read = read["punches"].as_array().unwrap();
    let rows = rows(rig, profile.layouts().1);
    assert_eq!(read.len(), rows.len(), "{name}");
    for (number, (theirs, ours)) in read.iter().zip(&rows).enumerate() {
        assert_eq!(theirs, ours, "{name}, record {number}");
    }
}

#[test]
fn what_pyzk_reads_is_what_the_journal_has_also_with_people_punching_in_between() {
    let mut pyzk = Peer::python();
    // The others it does not read: see the test of what it makes of each kind.
    for (profile, carrier) in
        [(Profile::Tft, Tcp), (Profile::Key, Tcp), (Profile::Tft, Udp), (Profile::Bw16Udp, Udp)]
    {
        let name = format!("{profile} over {}", carrier.name());
        let clock = Some(present());
        let site = Site::of(Config { profile, users: 40, punches: 600, clock, ..Config::default() });
        let device = site.device(0);
        let rig = site.start(&Setup::default());
        rig.settled(0);
        crate::rig::tick(device);
        let at = at(device.address(), carrier, 0);
        agree(&mut pyzk, &rig, profile, &at, &name);
        people(device, &rig, 0, 5);
        agree(&mut pyzk, &rig, profile, &at, &name);
        // People punch while pyzk reads.
        pyzk.begin(&json!({ "do": "tables", "at": at }));
        people(device, &rig, 10, 10);
        // It takes the length of a record from a count that is a moment older, so that it may give up here.
        let _ = pyzk.end();
        rig.read(0);
        agree(&mut pyzk, &rig, profile, &at, &name);
        rig.has_all_of(0);
        assert!(rig.quarantined(false).is_empty() && rig.gaps(0).is_empty(), "{name}");
    }
}
