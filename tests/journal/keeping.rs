//! What is let go after a while, and what a newer version makes of what an older one put aside.

use std::time::Duration;

use zkgate::base::secret::Secret;
use zkgate::journal::DeviceSettings;
use zkgate::simulator::{Config, Profile};
use zkgate::store::journal::Filter;
use zkgate::store::journal::delivery::NewWebhook;
use zkgate::store::journal::quarantine::{Origin, Reason, Strange};
use zkgate::store::journal::row::Source;

use crate::rig::{Setup, Site, one, punch, tick, until, user};

/// Rows are old after a moment.
fn forgetful() -> Setup {
    let mut setup = Setup::default();
    setup.collector.retention = Some(Duration::from_millis(1));
    setup
}

const HOUR: Duration = Duration::from_secs(3601);

#[test]
fn old_rows_go_only_when_their_device_has_them_no_more_and_all_is_delivered() {
    let (site, rig) = one(Profile::Tft, 300);
    rig.settled(0);
    let webhook = NewWebhook {
        name: "payroll".into(),
        url: "http://127.0.0.1:9/".into(),
        secret: Secret::new("x".repeat(32)),
        filter: Filter::default(),
        batch: 100,
        enabled: true,
        cursor: 40,
    };
    rig.journal.write(rig.soon(), move |backend| backend.create_webhook(&webhook, 0)).unwrap();
    rig.stop();
    site.device(0).wrap(100);
    let rig = site.start(&forgetful());
    rig.settled(0);
    tick(rig.device(0));
    punch(rig.device(0));
    rig.read_everything(0);
    until("the first forty went", || {
        rig.clock.advance(HOUR);
        rig.count() == 261
    });
    rig.journal.write(rig.soon(), |backend| backend.delete_webhook(1)).unwrap();
    until("all went that the device has no more", || {
        rig.clock.advance(HOUR);
        rig.count() == 201
    });
    for _ in 0..3 {
        rig.clock.advance(HOUR);
        rig.read_everything(0);
    }
    rig.has_all_of(0);
    assert!(rig.gaps(0).is_empty());
}

#[test]
fn what_an_older_version_could_not_read_is_placed_by_this_one_once() {
    let off = DeviceSettings { enabled: Some(false), ..DeviceSettings::default() };
    let site = Site::of(Config { users: 20, punches: 30, ..Config::default() });
    let setup = Setup { device: Some(off), ..Setup::default() };
    let rig = site.start(&setup);
    let device = rig.device(0);
    let punched = punch(device);
    let mut raw = punched.user_id.field().to_vec();
    raw.extend([punched.verify_mode, punched.punch_state]);
    raw.extend(punched.time.time().unwrap().to_six());
    let strange = Strange { origin: Origin::Live, reason: Reason::UnknownLayout, raw };
    let hopeless = Strange { origin: Origin::Live, reason: Reason::UnknownLayout, raw: vec![1, 2, 3] };
    let id = rig.ids[0].clone();
    rig.journal
        .write(rig.soon(), move |backend| {
            backend.quarantine(&id, "SIM0000000001", &strange, 1)?;
            backend.quarantine(&id, "SIM0000000001", &hopeless, 1)?;
            backend.tried(1, "0.0.1")?;
            backend.tried(2, "0.0.1")
        })
        .unwrap();
    rig.clock.advance(Duration::from_secs(6));
    until("it is a row", || rig.count() == 1);
    until("and settled", || rig.quarantined(true).len() == 1);
    assert_eq!(rig.quarantined(true)[0].settled_as.as_deref(), Some("placed"));
    until("the other one was looked at", || {
        let waiting = rig.quarantined(false);
        assert_eq!(waiting.len(), 1);
        waiting[0].tried_version == env!("CARGO_PKG_VERSION")
    });
    assert_eq!(rig.rows()[0].record.user_id, Some(user(device, 0)));
    rig.read(0);
    rig.has_all_of(0);
    assert!(rig.rows().iter().any(|row| row.source == Source::Both));
}
