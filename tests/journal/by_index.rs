//! Old devices, whose log knows people by an index only that may pass to somebody else.

use zkgate::simulator::{Config, Profile};
use zkgate::store::journal::Person;
use zkgate::wire::record::UserId;

use crate::rig::{Setup, Site, one, punch, set, until};

#[test]
fn the_user_table_says_who_is_behind_an_index() {
    let (_site, rig) = one(Profile::OldUdp, 200);
    rig.settled(0);
    rig.has_all_of(0);
    for row in rig.rows() {
        assert!(matches!(row.record.person, Person::Uid(_)) && row.record.user_id.is_some());
    }
}

#[test]
fn an_index_that_passes_to_somebody_else_changes_and_doubles_no_old_row() {
    let (site, rig) = one(Profile::OldUdp, 200);
    rig.settled(0);
    let device = rig.device(0);
    let before = rig.rows();
    let mut users = device.users();
    for user in &mut users {
        user.user_id = UserId::from_number(70_000 + u32::from(user.uid));
    }
    device.set_users(&users);
    let punched = device.punch(users[4].user_id, 0, 1).unwrap();
    until("it is told", || rig.count() == 201);
    rig.stop();
    let rig = site.start(&Setup::default());
    rig.settled(0);
    rig.read_everything(0);
    let rows = rig.rows();
    assert_eq!(rows[..200], before[..], "whose they were, they stay");
    assert_eq!(rows.len(), 201);
    assert_eq!((rows[200].record.person, rows[200].record.time), (Person::Uid(5), punched.time));
    assert_eq!(rows[200].record.user_id, Some(UserId::from_number(70_005)), "whose index it is now");
}

#[test]
fn whom_nobody_knows_is_kept_by_index_and_named_once_somebody_does() {
    let site = Site::of(Config { profile: Profile::OldUdp, users: 20, punches: 100, ..Config::default() });
    let users = site.device(0).users();
    site.device(0).set_users(&[]);
    let rig = site.start(&Setup::default());
    rig.settled(0);
    let rows = rig.rows();
    assert_eq!(rows.len(), 100);
    assert!(rows.iter().all(|row| row.record.user_id.is_none() && row.record.person.uid().is_some()));
    rig.stop();

    site.device(0).set_users(&users);
    let rig = site.start(&Setup::default());
    rig.settled(0);
    rig.read_everything(0);
    rig.has_all_of(0);
    let named = rig.rows();
    assert!(named.iter().zip(&rows).all(|(new, old)| new.seq == old.seq && new.record.user_id.is_some()));
}

#[test]
fn an_event_before_the_log_is_known_to_be_one_of_indices_waits_for_it() {
    let (site, rig) = one(Profile::OldUdp, 50);
    rig.settled(0);
    rig.stop();
    // After a start nothing is known of the layout before the log was looked at.
    let device = site.device(0);
    set(device, "delay:400ms@chunk");
    let events = device.counters().command(crate::rig::REG_EVENT);
    let rig = site.start(&Setup::default());
    until("it listens", || device.counters().command(crate::rig::REG_EVENT) > events);
    punch(device);
    until("it is there once", || rig.count() == 51);
    rig.settled(0);
    until("nothing waits", || rig.quarantined(false).is_empty());
    rig.has_all_of(0);
}
