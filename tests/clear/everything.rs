//! Everything is the attendance log too, and that is not lost with it.

use serde_json::{Value, json};
use zkgate::simulator::Profile;
use zkgate::wire::record::UserId;

use crate::service::Setup;
use crate::{Rig, code};

fn collecting(profile: Profile, transport: &str) -> Rig {
    let rig = Rig::of(Setup::collecting().start(), profile, transport, 20);
    let collection = format!("/devices/{}/collection", rig.id);
    rig.service
        .until(&collection, |shown| shown["last_read"]["result"] == "complete" && shown["live"] == "on");
    rig
}

fn head(rig: &Rig) -> Value {
    rig.service.get("/punches?after=0&limit=1").json()["head"].clone()
}

#[test]
fn everything_waits_until_the_log_was_cleared_in_the_way_that_proves_it_is_kept() {
    std::thread::scope(|scope| {
        for (profile, transport) in [(Profile::Tft, "tcp"), (Profile::Tft, "udp"), (Profile::OldUdp, "udp")] {
            scope.spawn(move || {
                let case = format!("{profile} over {transport}");
                let rig = collecting(profile, transport);
                let shown = rig.dry_run("everything");
                assert_eq!(code(&shown), ("failed", "log_not_empty"), "{case}: {shown}");
                assert_eq!(shown["result"]["before"]["records"], 20, "{case}");
                assert_eq!(shown["result"].get("confirmation"), None, "{case}");
                rig.is_untouched(&case);
                assert_eq!(rig.device.punches().len(), 20, "{case}");

                let path = format!("/devices/{}/attendance/clear", rig.id);
                let found = rig.service.post(&path, &json!({ "dry_run": true })).json();
                let cleared = rig.service.post(&path, &json!({ "confirmation": found["confirmation"] }));
                assert_eq!(cleared.status, 200, "{case}: {cleared:?}");
                let done = rig.clear("everything");
                assert_eq!(done["state"], "done", "{case}: {done}");
                assert_eq!(done["result"]["after"]["users"], 0, "{case}");
                assert!(rig.device.users().is_empty() && rig.device.is_usable(), "{case}");
                assert_eq!(head(&rig), 20, "{case}: the journal has them");

                // Life goes on: somebody comes, their punch is told, and nothing is missed.
                let somebody = json!({ "user_id": "1001", "name": "Ann" });
                let made = rig.service.post(&format!("/devices/{}/users", rig.id), &somebody);
                assert_eq!(made.status, 200, "{case}: {made:?}");
                assert!(rig.device.punch(UserId::from_number(1001), 0, 1).is_some(), "{case}");
                rig.service.until("/punches?after=20", |page| page["head"] == 21);
                let read = format!("/devices/{}/collection/read", rig.id);
                let read = rig.service.post(&read, &json!({ "everything": true })).json();
                assert_eq!(
                    (&read["result"], &read["records"]),
                    (&json!("complete"), &json!(1)),
                    "{case}: {read}"
                );
                let complete = rig.service.get(&format!("/devices/{}/completeness", rig.id)).json();
                assert_eq!((&complete["all_gaps"], head(&rig)), (&json!(0), json!(21)), "{case}: {complete}");
            });
        }
    });
}

#[test]
fn a_punch_before_the_last_moment_is_a_reason_not_to() {
    for (profile, transport) in [(Profile::Tft, "tcp"), (Profile::Tft, "udp"), (Profile::Vl49, "tcp")] {
        let case = format!("{profile} over {transport}");
        let rig = Rig::new(profile, transport, 0);
        let wanted = |value: String| json!({ "what": "everything", "confirmation": value, "backup": false });
        // Between the dry run and the confirmation.
        let value = rig.value("everything");
        assert!(rig.device.punch(UserId::from_number(1001), 0, 1).is_some());
        let refused = rig.ask(&wanted(value));
        assert_eq!(code(&refused), ("failed", "log_not_empty"), "{case}: {refused}");
        rig.device.set_punches(&[]);
        // After everything was looked at.
        let value = rig.value("everything");
        rig.fault("punch@disable*1");
        let refused = rig.ask(&wanted(value));
        assert_eq!(code(&refused), ("failed", "log_not_empty"), "{case}: {refused}");
        rig.device.clear_faults();
        assert_eq!(rig.device.punches().len(), 1, "{case}");
        rig.is_untouched(&case);
    }
}

#[test]
fn the_log_of_a_device_that_counts_nothing_is_looked_at_itself() {
    let rig = Rig::new(Profile::Vl49, "tcp", 20);
    let shown = rig.dry_run("everything");
    assert_eq!(code(&shown), ("failed", "log_not_empty"), "{shown}");
    assert_eq!(shown["result"]["before"]["records"], Value::Null, "{shown}");
    rig.is_untouched("not counted");
}

#[test]
fn another_table_is_cleared_whatever_is_in_the_log_and_that_stays() {
    let rig = collecting(Profile::Tft, "tcp");
    let done = rig.clear("users");
    assert_eq!(done["state"], "done", "{done}");
    let records = |of: &str| done["result"][of]["records"].clone();
    assert_eq!((records("before"), records("after")), (json!(20), json!(20)));
    assert_eq!((rig.device.punches().len(), head(&rig)), (20, json!(20)));
}
