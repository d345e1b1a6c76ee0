//! The journal's database is held by somebody else: devices are not, and what could not be kept is kept later.

use std::time::Duration;

use rusqlite::Connection;
use zkgate::journal::status::ReadResult;
use zkgate::registry::Terms;
use zkgate::simulator::{Config, Profile};

use crate::postgres_server::Cluster;
use crate::rig::{PREPARE, Rig, Setup, Site, crowd, one, punch, set, silent_crowd, soon, until};

/// Nobody else writes while this lives.
struct Held(Connection);

impl Held {
    fn of(site: &Site) -> Self {
        let connection = Connection::open(site.state.path().join("journal.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch("begin immediate").unwrap();
        Self(connection)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.execute_batch("rollback").unwrap();
    }
}

/// Somebody calls, and need not wait for the database.
fn answers(rig: &Rig, limit: Duration) {
    let (took, time) = rig.call(0, Terms::read(soon()));
    assert!(time.is_ok() && took < limit, "{time:?} after {took:?}");
}

#[test]
fn a_journal_that_cannot_be_written_holds_up_no_device_and_catches_up() {
    let (site, rig) = one(Profile::Tft, 500);
    rig.settled(0);
    let device = rig.device(0);
    let held = Held::of(&site);
    punch(device);
    set(device, "event-lost*2");
    device.punch_many(2);
    let asked = rig.ask(0, false);
    // While the read waits for the database, and after it has given up.
    answers(&rig, Duration::from_secs(4));
    let read = asked.recv_timeout(crate::rig::PATIENCE).unwrap().unwrap();
    assert_eq!(read.result, ReadResult::JournalFailed, "{read:?}");
    answers(&rig, Duration::from_secs(4));
    assert_eq!(rig.count(), 500);
    drop(held);
    until("everything is kept", || rig.count() == 503);
    rig.read(0);
    rig.has_all_of(0);
    assert!(rig.gaps(0).is_empty());
}

#[test]
fn a_first_read_that_the_journal_cannot_take_goes_on_later_without_doubles() {
    let site = Site::of(Config { users: 20, punches: 20_000, ..Config::default() });
    set(site.device(0), "delay:60ms@chunk");
    let rig = site.start(&Setup::default());
    until("the first batch is kept", || rig.count() >= 8192);
    let held = Held::of(&site);
    until("the journal failed", || {
        rig.status(0).last.is_some_and(|read| read.result == ReadResult::JournalFailed)
    });
    drop(held);
    site.device(0).clear_faults();
    until("everything is kept", || rig.count() == 20_000);
    rig.settled(0);
    rig.has_all_of(0);
    assert_eq!(rig.cursor("SIM0000000001").pass, 1, "and the pass went on");
}

#[test]
fn a_database_that_stands_still_holds_up_no_device_for_long() {
    let cluster = Cluster::start();
    let setup = Setup { postgres: Some(cluster.database()), ..Setup::default() };
    let site = Site::of(Config { users: 20, punches: 500, ..Config::default() });
    let rig = site.start(&setup);
    rig.settled(0);
    let device = rig.device(0);
    let frozen = cluster.freeze();
    silent_crowd(device, 5);
    crowd(device, 3);
    let asked = rig.ask(0, false);
    // Whatever the read waits for, the others wait no longer than it takes to see that the database has stopped.
    let read = loop {
        answers(&rig, Duration::from_secs(5));
        if let Ok(read) = asked.try_recv() {
            break read.unwrap();
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(read.result, ReadResult::JournalFailed, "{read:?}");
    assert!(!rig.journal.takes_rows());
    let prepared = device.counters().command(PREPARE);
    let again = rig.ask(0, false).recv_timeout(crate::rig::PATIENCE).unwrap().unwrap();
    assert_eq!(again.result, ReadResult::JournalFailed, "{again:?}");
    assert_eq!(device.counters().command(PREPARE), prepared, "the device is not even asked");
    drop(frozen);
    until("everything is kept", || rig.count() == 508);
    rig.settled(0);
    rig.has_all_of(0);
    assert!(rig.gaps(0).is_empty());
}
