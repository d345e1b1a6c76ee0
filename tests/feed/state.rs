//! How the journal is, and what it could make nothing of.

use serde_json::Value;
use zkgate::base::ids::DeviceId;
use zkgate::store::journal::backend::Backend;
use zkgate::store::journal::quarantine::{Origin, Reason, Strange};

use crate::rig::{Site, eventually, punch, soon};

fn put(site: &Site, device: u64, origin: Origin, reason: Reason, raw: &[u8]) {
    let strange = Strange { origin, reason, raw: raw.to_vec() };
    site.journal()
        .write(soon(), move |backend| {
            backend.quarantine(&DeviceId::from(device), &format!("SIM{device}"), &strange, 1_784_000_000_000)
        })
        .unwrap();
}

#[test]
fn the_journal_says_how_it_is() {
    let site = Site::start();
    let shown = site.get("/journal").json();
    assert_eq!((shown["head"].as_u64(), shown["state"].as_str()), (Some(0), Some("good")), "{shown}");
    assert!(shown["since"].is_null() && shown["cause"].is_null(), "{shown}");
    assert_eq!(shown["kind"], "sqlite");
    assert!(shown["place"].as_str().unwrap().ends_with("journal.db"), "{shown}");
    assert_eq!(shown["waiting"], serde_json::json!({"requests": 0, "live_events": 0}));
    assert_eq!(shown["followers"], serde_json::json!({"used": 0, "limit": 32}));
    assert_eq!(shown["long_polls"], serde_json::json!({"used": 0, "limit": 48}));
    site.place(1..=3);
    let mut other = punch(3);
    other.record.punch_state = 7;
    assert_eq!(site.journal().place_live(vec![other]), 0);
    let shown = site.until("/journal", |shown| shown["quarantine"] == 1);
    assert_eq!(shown["head"], 3, "one more in the same second waits for the log");
}

#[test]
fn what_nobody_understood_is_shown_with_its_bytes() {
    let site = Site::start();
    put(&site, 1, Origin::Live, Reason::UnknownLayout, &[0x01, 0xab]);
    put(&site, 2, Origin::Log { stride: 40 }, Reason::BadUserId, &[0xff; 40]);
    put(&site, 1, Origin::Log { stride: 8 }, Reason::UnknownPerson, &[7; 8]);
    site.journal().write(soon(), |backend| backend.settle(3, "placed", 1_784_000_001_000)).unwrap();
    let all = site.get("/quarantine").json();
    assert_eq!(
        all["data"][0],
        serde_json::json!({
            "id": 1, "device_id": "1", "serial_number": "SIM1", "origin": "live", "reason": "unknown_layout",
            "raw": "01ab", "noticed_at": "2026-07-14T03:33:20.000Z", "settled_at": null, "settled_as": null,
        })
    );
    let second = &all["data"][1];
    assert_eq!((second["origin"].as_str(), second["stride"].as_u64()), (Some("log"), Some(40)), "{second}");
    let third = &all["data"][2];
    let settled = (third["settled_at"].as_str(), third["settled_as"].as_str());
    assert_eq!(settled, (Some("2026-07-14T03:33:21.000Z"), Some("placed")));
    for (parameters, ids, next_after) in [
        ("", vec![1, 2, 3], 3),
        ("?limit=2", vec![1, 2], 2),
        ("?after=2", vec![3], 3),
        ("?after=3", vec![], 3),
        ("?device=1", vec![1, 3], 3),
        ("?settled=false", vec![1, 2], 2),
        ("?settled=true", vec![3], 3),
        ("?settled=true&device=2", vec![], 0),
    ] {
        let page = site.get(&format!("/quarantine{parameters}")).json();
        let found: Vec<u64> =
            page["data"].as_array().unwrap().iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
        assert_eq!((found, page["next_after"].as_u64()), (ids, Some(next_after)), "{parameters}");
    }
}

#[test]
fn a_journal_that_cannot_be_written_is_said_and_its_punches_come_when_it_can() {
    let site = Site::start();
    site.place(1..=1);
    let place = site.get("/journal").json()["place"].as_str().unwrap().to_owned();
    let other = rusqlite::Connection::open(place).unwrap();
    other.execute_batch("begin immediate").unwrap();
    assert_eq!(site.journal().place_live(vec![punch(2)]), 0);
    eventually("it is said", || {
        let ready: Value = site.get("/readyz").json();
        let reasons = ready["reasons"].as_array().cloned().unwrap_or_default();
        reasons.iter().any(|reason| reason["code"] == "journal_degraded")
    });
    let shown = site.get("/journal").json();
    assert_eq!(shown["state"], "degraded", "{shown}");
    assert!(shown["since"].is_string() && shown["cause"].is_string(), "{shown}");
    assert_eq!(site.get("/punches").json()["head"], 1, "what is there can be read");
    other.execute_batch("rollback").unwrap();
    site.until("/punches", |page| page["head"] == 2);
    site.until("/journal", |shown| shown["state"] == "good");
    assert_eq!(site.get("/readyz").status, 200);
}

#[test]
fn when_too_many_ask_the_journal_the_next_one_is_told_so_and_when_it_hangs_everybody_is_answered_in_time() {
    let site = Site::start();
    site.place(1..=1);
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let hang = move |_: &mut dyn Backend| {
        let _ = held.recv();
        Ok(())
    };
    site.journal().read_then(soon(), hang, |_| {}).unwrap();
    eventually("it hangs", || site.journal().waiting().0 == 0);
    for path in ["/punches?timeout=0.2", "/punches?wait=0.1&timeout=0.2", "/quarantine?timeout=0.2"] {
        let problem = site.get(path).problem(503, "store_unavailable");
        assert!(problem["retry_after"].as_u64() > Some(0), "{path}");
    }
    assert!(site.get("/journal?timeout=0.2").json()["quarantine"].is_null(), "the rest is known without it");
    while site.journal().read_then(soon(), |_| Ok(()), |_| {}).is_ok() {}
    for path in ["/punches", "/punches?wait=5", "/punches/export", "/quarantine"] {
        site.get(path).problem(503, "store_busy");
    }
    assert!(site.get("/journal").json()["quarantine"].is_null());
    drop(go_on);
    site.until("/punches?timeout=5", |page| page["head"] == 1);
}

#[test]
fn who_asks_too_late_is_told_so_whichever_thread_notices_it_first() {
    let site = Site::start();
    site.place(1..=1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    site.get("/punches/export?timeout=1e-9").problem(503, "store_unavailable");
                }
            });
        }
    });
}
