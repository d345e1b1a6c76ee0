//! The program is killed two hundred times while it reads long logs: nothing is lost, nothing doubled, and nobody has
//! to do anything about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use zkgate::simulator::{Config, Fault, Simulator};

use crate::feed::{self, Reader};
use crate::gateway::{Gateway, PATIENCE, Shared};
use crate::player::add;
use crate::truth::{Key, counted, missing};

const KILLS: usize = 200;
const DEVICES: usize = 4;
/// Records of each device at the beginning, and how many more come whenever the journal has them all.
const RECORDS: usize = 20_000;
const MORE: usize = 500;
/// Within what time from its start on the program is killed.
const SOONEST: Duration = Duration::from_millis(40);
const LATEST: Duration = Duration::from_millis(220);
/// Every so many kills something more has been kept.
const ADVANCE: usize = 8;

#[test]
fn two_hundred_kills_in_the_middle_of_reading_cost_nothing_and_double_nothing() {
    let seed = std::env::var("ZKGATE_SEED").map_or(7, |text| text.parse().expect("a number"));
    let mut rng = Rng::with_seed(seed);
    let config =
        Config { devices: DEVICES, users: 40, punches: RECORDS, seed, threads: 1, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let devices = simulator.devices();
    for device in devices {
        // Slow enough that most of the reading is still to be done when the end comes.
        device.set_fault(Fault::parse("delay:3ms@chunk").unwrap());
    }
    let setup = Gateway::setup();
    let file = setup.state_dir().join("journal.db");
    let gateway: Shared = Arc::new(Gateway::start(setup));
    let reader = Reader::of_pages(&gateway);
    let ids: Vec<String> = devices.iter().map(|device| add(&gateway, device)).collect();
    let journal = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut longest = LATEST;
    let (mut inside, mut advanced, mut before) = (0, 0, 0);
    for kill in 1..=KILLS {
        if kill % ADVANCE == 0 {
            // However slow this machine is: now and then something more is kept.
            let began = Instant::now();
            while rows(&journal) == before {
                assert!(began.elapsed() < PATIENCE, "nothing more is kept: {before}");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        std::thread::sleep(longest.mul_f64(rng.f64()));
        let there = gateway.kill_and(|| rows(&journal));
        let wanted: usize = devices.iter().map(|device| device.punches().len()).sum();
        inside += usize::from(there < wanted);
        advanced += usize::from(there > before);
        before = there;
        // Machines differ: the end is to come in the middle on each of them.
        longest = longest.mul_f64(if there == wanted { 0.7 } else { 1.1 }).clamp(SOONEST, LATEST);
        if there == wanted {
            for device in devices {
                assert_eq!(device.punch_many(MORE), MORE);
            }
        }
    }
    for (device, id) in devices.iter().zip(&ids) {
        device.clear_faults();
        let path = format!("/devices/{id}/collection/read?timeout=60");
        gateway.until("POST", &path, Some(&json!({})), |status, read| {
            status == 200 && read["result"] == "complete"
        });
    }
    let all = feed::all(&gateway);
    gateway.stop();
    feed::check("pages", &reader.end(), &all);
    for device in devices {
        let serial_number = device.serial_number();
        let of = all.values().filter(|row| row["serial_number"] == serial_number.as_str());
        let there = counted(of.map(Key::of_row));
        let recorded = counted(device.punches().iter().map(Key::of_punch));
        let (lost, doubled) = (missing(&recorded, &there), missing(&there, &recorded));
        assert!(lost.is_empty() && doubled.is_empty(), "seed {seed}: lost {lost:?}, doubled {doubled:?}");
    }
    println!(
        "{KILLS} kills, {inside} before everything was read, {advanced} after something more was kept; {} rows, none \
         lost, none doubled",
        all.len()
    );
    assert!(inside > KILLS / 2, "only {inside} kills came before everything was read");
    assert!(advanced >= KILLS / ADVANCE, "only {advanced} kills came after something was kept");
}

fn rows(journal: &Connection) -> usize {
    let began = Instant::now();
    loop {
        match journal.query_row("select count(*) from punch", [], |row| row.get::<_, i64>(0)) {
            Ok(count) => return usize::try_from(count).unwrap(),
            Err(error) => assert!(began.elapsed() < PATIENCE, "the journal cannot be read: {error}"),
        }
    }
}
