//! The simulated devices as other systems' clients meet them, unmodified and as they are published: what those
//! read must be what is in the device, record for record, and what our own client reads.
//!
//! Where a published client is known not to cope with a kind of device, the row says so; ours must.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "peers/api.rs"]
mod api;
#[path = "peers/harness.rs"]
mod harness;
#[path = "peers/journal.rs"]
mod journal;
#[allow(dead_code)]
#[path = "journal/rig.rs"]
mod rig;
#[path = "support/service.rs"]
mod service;

use std::time::{Duration, Instant};

use harness::{Peer, at, deadline, device, read_by_us, session_with};
use serde_json::{Value, json};
use zkgate::base::secret::Secret;
use zkgate::device::door::{UnlockTime, UnlockUnit};
use zkgate::device::templates::{Fingerprint, PersonWrite};
use zkgate::device::users::{Mode, UserChange};
use zkgate::simulator::{Config, Fault, Profile};
use zkgate::wire::carrier::Carrier::{self, Tcp, Udp};
use zkgate::wire::clock_word::{CivilTime, PossibleTime};
use zkgate::wire::encoding::NameEncoding;
use zkgate::wire::record::UserId;
use zkgate::wire::record::punch::{Punch, PunchLayout};
use zkgate::wire::record::template::Validity;
use zkgate::wire::record::user::{Level, User};

/// What pyzk makes of a device's tables.
enum Tables {
    /// It reads them.
    Same,
    /// It believes the counts, which are zero, and reads nothing.
    Nothing,
    /// It gives up, with these words.
    GivesUp(&'static str),
}

#[test]
fn pyzk_reads_what_is_in_the_device_and_so_do_we() {
    let mut pyzk = Peer::python();
    for (profile, carrier, comm_key, tables) in [
        (Profile::Tft, Tcp, 0, Tables::Same),
        (Profile::Tft, Udp, 0, Tables::Same),
        (Profile::Tft, Tcp, 123_456, Tables::Same),
        (Profile::Tft, Udp, 123_456, Tables::Same),
        // Asks for a key although none is set.
        (Profile::Key, Tcp, 0, Tables::Same),
        // Announces each transfer twice, which pyzk does not expect.
        (Profile::TftBig, Tcp, 0, Tables::GivesUp("TCP packet invalid")),
        (Profile::TftBig, Udp, 888_888, Tables::GivesUp("unpack requires a buffer of 4 bytes")),
        (Profile::Vl49, Tcp, 0, Tables::Nothing),
        (Profile::Vl49, Tcp, 999_999, Tables::Nothing),
        (Profile::OldUdp, Udp, 0, Tables::GivesUp("RWB Not supported")),
        (Profile::OldUdp, Udp, 7, Tables::GivesUp("RWB Not supported")),
        (Profile::Bw16Udp, Udp, 0, Tables::Same),
        (Profile::Bw16Udp, Udp, 123_456, Tables::Same),
    ] {
        let row = format!("{profile} over {} with key {comm_key}", carrier.name());
        let (_simulator, device) = device(profile, comm_key, Config::default());
        let at = at(device.address(), carrier, comm_key);

        let info = pyzk.ask(&json!({ "do": "info", "at": at })).unwrap_or_else(|e| panic!("{row}: {e}"));
        assert_eq!(info["serial_number"], device.serial_number(), "{row}");
        assert!(info["time"].as_str().unwrap().starts_with("2026-07-14T08:00:"), "{row}: {info}");
        let counted = !matches!(tables, Tables::Nothing);
        let counts = if counted {
            json!({ "users": 40, "punches": 600 })
        } else {
            json!({ "users": 0, "punches": 0 })
        };
        assert_eq!(info["counts"], counts, "{row}");

        let read = pyzk.ask(&json!({ "do": "tables", "at": at }));
        let (users, punches) = (device.users(), device.punches());
        match (tables, read) {
            (Tables::Same, Ok(read)) => {
                assert_rows(&read["users"], users.iter().map(user_in_pyzk), &row);
                let layout = profile.layouts().1;
                assert_rows(&read["punches"], punches.iter().map(|punch| punch_in_pyzk(punch, layout)), &row);
            }
            (Tables::Nothing, Ok(read)) => assert_eq!(read, json!({ "users": [], "punches": [] }), "{row}"),
            (Tables::GivesUp(words), Err(error)) => assert!(error.contains(words), "{row}: {error}"),
            (_, read) => panic!("{row}: {read:?}"),
        }
        let punches = named(punches, &users);
        assert_eq!(read_by_us(&device, carrier, comm_key), (users, punches), "{row}");
    }
}

#[test]
fn a_wrong_comm_key_is_refused_to_pyzk() {
    let mut pyzk = Peer::python();
    for carrier in [Tcp, Udp] {
        let (_simulator, device) = device(Profile::Tft, 123_456, Config::default());
        let answer = pyzk.ask(&json!({ "do": "info", "at": at(device.address(), carrier, 123_457) }));
        assert!(answer.as_ref().is_err_and(|error| error.contains("Unauthenticated")), "{answer:?}");
        assert_eq!(device.counters().auth_failures, 1);
    }
}

#[test]
fn what_pyzk_does_to_a_device_is_done() {
    let mut pyzk = Peer::python();
    for carrier in [Tcp, Udp] {
        let more = Config {
            restart_time: Duration::ZERO,
            // pyzk loses an event that comes together with the answer before it.
            event_repeat: Some(Duration::from_millis(200)),
            ..Config::default()
        };
        let (_simulator, device) = device(Profile::Tft, 123_456, more);
        let at = at(device.address(), carrier, 123_456);
        let mut order = |what: &str, with: Value| {
            let answer = pyzk.ask(&json!({ "do": what, "at": at, "with": with }));
            answer.unwrap_or_else(|error| panic!("{what} over {}: {error}", carrier.name()))
        };

        let time = order("set_time", json!({ "time": "2027-01-02T03:04:05" }));
        assert!(time.as_str().unwrap().starts_with("2027-01-02T03:04:"), "{time}");
        assert!(device.clock().to_string().starts_with("2027-01-02T03:04:"), "{}", device.clock());

        let before = device.users();
        let fields = json!({
            "uid": 900, "name": "Zoë Öz", "privilege": 14, "password": "4711", "user_id": "90000", "card": 4_294_967_295_u32,
        });
        let with_her = order("set_user", fields);
        let written = device.users().into_iter().find(|user| user.uid == 900).unwrap();
        assert_eq!((written.name.to_text().as_ref(), written.privilege.0), ("Zoë Öz", 14));
        assert_eq!((written.user_id.to_text().as_ref(), written.card_number), ("90000", 4_294_967_295));
        assert_eq!(written.password.expose().to_text(), "4711");
        assert_rows(&with_her, device.users().iter().map(user_in_pyzk), "after set_user");
        assert_eq!(read_by_us(&device, carrier, 123_456).0, device.users());

        let without_her = order("delete_user", json!({ "uid": 900 }));
        assert_eq!(device.users(), before);
        assert_rows(&without_her, before.iter().map(user_in_pyzk), "after delete_user");

        order("unlock", json!({ "seconds": 3 }));
        assert_eq!(device.counters().unlocks, 1);

        pyzk.begin(&json!({ "do": "live_capture", "at": at }));
        wait_until("pyzk listens", || device.counters().command(REG_EVENT) > 0);
        let punch = device.punch(UserId::from_number(1003), 1, 1).unwrap();
        let seen = pyzk.end().unwrap();
        assert_eq!(
            (seen["user_id"].as_str(), seen["timestamp"].as_str()),
            (Some("1003"), Some(punch.time.fields().to_string().as_str())),
        );
        assert_eq!(device.punches().last(), Some(&punch));

        pyzk.ask(&json!({ "do": "restart", "at": at })).unwrap();
        wait_until("the device restarts", || device.counters().restarts == 1);
        assert_eq!(read_by_us(&device, carrier, 123_456).1, device.punches());
    }
}

#[test]
fn pyzk_sees_what_we_wrote_and_we_see_what_pyzk_wrote() {
    let mut pyzk = Peer::python();
    for (profile, carrier) in [(Profile::Tft, Tcp), (Profile::Tft, Udp), (Profile::Bw16Udp, Udp)] {
        let row = format!("{profile} over {}", carrier.name());
        let (_simulator, device) = device(profile, 123_456, Config { templates: 3, ..Config::default() });
        let at = at(device.address(), carrier, 123_456);
        let mut order = |what: &str, with: Value| {
            pyzk.ask(&json!({ "do": what, "at": at, "with": with }))
                .map_err(|error| format!("{row}: {what}: {error}"))
        };

        // We write, pyzk reads.
        let mut session = session_with(&device, carrier, 123_456);
        let change = UserChange {
            name: Some("Ann Öz".to_owned()),
            password: Some(Secret::new("4711".to_owned())),
            level: Some(Level::Administrator),
            card_number: Some(u32::MAX),
            ..UserChange::of(UserId::from_number(90_001))
        };
        let print = Fingerprint::new(7, Validity::Valid, (1..=250).cycle().take(900).collect()).unwrap();
        let person = PersonWrite { user: change, fingerprints: vec![print.clone()] };
        let report = session
            .write_people(
                &[person],
                Mode::Upsert,
                NameEncoding::UTF_8,
                &mut |_| Ok(()),
                &mut |_| {},
                deadline(),
            )
            .unwrap();
        assert!(report.is_complete(), "{row}: {report:?}");
        let time = UnlockTime::new(Duration::from_secs(3), UnlockUnit::Tenths).unwrap();
        session.unlock(time, deadline()).unwrap();
        let new_year = PossibleTime::new(CivilTime::from_six([27, 1, 1, 0, 0, 0])).unwrap();
        session.set_time(new_year, deadline()).unwrap();
        session.exit();
        let info = order("info", json!({})).unwrap();
        assert!(info["time"].as_str().unwrap().starts_with("2027-01-01T00:00:"), "{row}: {info}");
        assert_eq!(device.opened_for(), Some(30), "{row}");
        let read = order("tables", json!({})).unwrap();
        assert_rows(&read["users"], device.users().iter().map(user_in_pyzk), &row);
        let secrets = order("passwords", json!({})).unwrap();
        let hers = secrets.as_array().unwrap().iter().find(|each| each["user_id"] == "90001").unwrap();
        assert_eq!(hers["password"], "4711", "{row}");
        let uid = device.users().last().unwrap().uid;
        let truth: Vec<Value> = device.templates().into_iter().map(template_in_pyzk).collect();
        assert_eq!(order("templates", json!({})).unwrap(), Value::Array(truth.clone()), "{row}");
        let one = order("one_template", json!({ "uid": uid, "finger": 7 })).unwrap();
        assert_eq!(one["bytes"], truth.last().unwrap()["bytes"], "{row}");

        // pyzk writes, we read.
        order("set_time", json!({ "time": "2028-02-29T12:00:00" })).unwrap();
        let opened = order("unlock", json!({ "seconds": 3 }));
        assert!(opened.is_ok(), "{opened:?}");
        assert_eq!(
            (device.opened_for(), device.counters().unlocks),
            (Some(30), 2),
            "{row}: it counts in tenths"
        );
        let user = json!({ "uid": 901, "name": "Bob", "privilege": 0, "password": "12", "user_id": "90002", "card": 7 });
        let fingers =
            json!([{ "finger": 1, "bytes": hex(&[5; 700]) }, { "finger": 2, "bytes": hex(&[6; 1300]) }]);
        order("set_templates", json!({ "user": user, "fingers": fingers })).unwrap();
        let mut session = session_with(&device, carrier, 123_456);
        let shown = session.time(deadline()).unwrap().fields().to_string();
        assert!(shown.starts_with("2028-02-29T12:00:"), "{row}: {shown}");
        let bob = session.user(&UserId::from_number(90_002), deadline()).unwrap().expect(&row);
        let said = bob.user();
        assert_eq!((said.uid, said.name.to_text().as_ref(), said.card_number), (901, "Bob", 7), "{row}");
        assert_eq!(said.password.expose().to_text(), "12", "{row}");
        for (finger, bytes) in [(1, vec![5; 700]), (2, vec![6; 1300])] {
            let read = session.template(&bob, finger, deadline()).unwrap().expect(&row);
            assert_eq!(*read.expose(), bytes, "{row}");
        }
        let read: Vec<_> = session
            .templates(deadline())
            .unwrap()
            .iter()
            .map(|t| (t.uid, t.finger, t.validity.to_byte(), t.bytes().expose().to_vec()))
            .collect();
        assert_eq!(read, device.templates(), "{row}");

        // What the other one wrote is changed, and nothing else of it.
        let before = bob.clone();
        let change = UserChange { card_number: Some(8), ..UserChange::of(UserId::from_number(90_002)) };
        session.update_user(&change, NameEncoding::UTF_8, deadline()).unwrap().unwrap();
        let after = session.user(&UserId::from_number(90_002), deadline()).unwrap().unwrap();
        assert_eq!(after, before.with_card_number(8), "{row}");
        session.exit();
        let deleted = order("delete_template", json!({ "uid": 901, "finger": 1 }));
        assert_eq!(deleted, Ok(json!(true)), "{row}");
        let mut session = session_with(&device, carrier, 123_456);
        assert_eq!(session.template(&after, 1, deadline()).unwrap(), None, "{row}");
        session.delete_template(&after, 2, deadline()).unwrap();
        session.exit();
        assert_eq!(order("templates", json!({})).unwrap(), Value::Array(truth), "{row}");
    }
}

fn template_in_pyzk((uid, finger, valid, bytes): (u16, u8, u8, Vec<u8>)) -> Value {
    json!({ "uid": uid, "finger": finger, "valid": valid, "bytes": hex(&bytes) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn clients_for_node_read_what_is_in_the_device_and_so_do_we() {
    let mut node = Peer::node();
    // They take what arrives together for one packet, and real devices are slow enough for that.
    let slow = || vec![Fault::parse("delay:300ms@data").unwrap()];
    for (client, profile, carrier, faults) in [
        ("node-zklib/tcp", Profile::Tft, Tcp, slow()),
        ("zkteco-js/tcp", Profile::Tft, Tcp, slow()),
        ("node-zklib/udp", Profile::Bw16Udp, Udp, vec![]),
    ] {
        let (_simulator, device) = device(profile, 0, Config { faults, ..Config::default() });
        let read = node.ask(&json!({ "client": client, "at": at(device.address(), carrier, 0) }));
        let read = read.unwrap_or_else(|error| panic!("{client}: {error}"));
        assert_eq!(read["counts"], json!({ "users": 40, "punches": 600, "capacity": 200_000 }), "{client}");
        if client.starts_with("zkteco-js") {
            assert_eq!(read["serial_number"], device.serial_number(), "{client}");
        }
        let (users, punches) = (device.users(), device.punches());
        assert_rows(&read["users"], users.iter().map(|user| user_in_node(user, carrier)), client);
        assert_rows(&read["punches"], punches.iter().map(punch_in_node), client);
        assert_eq!(read_by_us(&device, carrier, 0), (users, punches), "{client}");
    }
}

/// Where a log holds only people's indices, the device's user table tells who they are.
fn named(mut punches: Vec<Punch>, users: &[User]) -> Vec<Punch> {
    for punch in punches.iter_mut().filter(|punch| punch.user_id.is_empty()) {
        let user =
            users.iter().find(|user| Some(user.uid) == punch.uid).expect("generated punches are of users");
        punch.user_id = user.user_id;
    }
    punches
}

/// `CMD_REG_EVENT`
const REG_EVENT: u16 = 500;

fn user_in_pyzk(user: &User) -> Value {
    let user_id = user.user_id.to_text();
    let name = match user.name.to_text() {
        name if name.is_empty() => format!("NN-{user_id}"),
        name => name.into_owned(),
    };
    json!({
        "uid": user.uid, "user_id": user_id, "name": name, "privilege": user.privilege.0,
        "card_number": user.card_number,
    })
}

/// It calls the two bytes of a short record "status" and "punch" in their order, which differs between layouts.
fn punch_in_pyzk(punch: &Punch, layout: PunchLayout) -> Value {
    let (status, second) = match layout {
        PunchLayout::Text { .. } => (punch.verify_mode, punch.punch_state),
        _ => (punch.punch_state, punch.verify_mode),
    };
    json!({
        "user_id": punch.user_id.to_text(), "timestamp": punch.time.fields().to_string(),
        "status": status, "punch": second,
    })
}

fn user_in_node(user: &User, carrier: Carrier) -> Value {
    // They read names as ASCII, which takes the top bit off every byte.
    let name: String = user.name.as_bytes().iter().map(|byte| char::from(byte & 0x7f)).collect();
    let card_number = (carrier == Tcp).then_some(user.card_number);
    json!({
        "uid": user.uid, "user_id": user.user_id.to_text(), "name": name, "privilege": user.privilege.0,
        "card_number": card_number,
    })
}

fn punch_in_node(punch: &Punch) -> Value {
    json!({ "user_id": punch.user_id.to_text(), "timestamp": punch.time.fields().to_string() })
}

/// Compared one by one, so that a failure shows the record and not six hundred of them.
fn assert_rows(read: &Value, truth: impl ExactSizeIterator<Item = Value>, row: &str) {
    let read = read.as_array().unwrap();
    assert_eq!(read.len(), truth.len(), "{row}");
    for (number, (read, truth)) in read.iter().zip(truth).enumerate() {
        assert_eq!(*read, truth, "{row}, record {number}");
    }
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
