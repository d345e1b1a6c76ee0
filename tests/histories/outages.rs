//! The journal's database cannot write for a while: the service stays up and says so, devices can be used, and when
//! there is room again everything is caught up with, once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Simulator};

use crate::gateway::{Gateway, PATIENCE};
use crate::postgres_server::{Cluster, as_url};
use crate::service::{Service, Setup, eventually};
use crate::truth::{Key, counted, missing};

/// A small file system of its own; gone when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            refused => {
                eprintln!(
                    "NOT TESTED: a full disk. It takes the right to mount a tmpfs, which this system refuses: {refused:?}"
                );
                None
            }
        }
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::options().create(true).append(true).open(self.filler()).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Devices with some past, registered and read.
fn site(service: &Service) -> (Simulator, Vec<String>) {
    let config = Config { devices: 3, users: 20, punches: 300, threads: 1, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add(device)).collect();
    for (device, id) in simulator.devices().iter().zip(&ids) {
        complete(service, id, device);
        service.until(&format!("/devices/{id}/collection"), |shown| shown["live"] == "on");
    }
    (simulator, ids)
}

/// Reads all of a log; the journal then has exactly what the device has.
fn complete(service: &Service, id: &str, device: &DeviceHandle) {
    let began = Instant::now();
    loop {
        let read = service.post(&format!("/devices/{id}/collection/read"), &json!({ "everything": true }));
        if read.status == 200 && read.json()["result"] == "complete" {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the log is never read: {read:?}\n{}", service.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let (there, recorded) = (there(service, id), counted(device.punches().iter().map(Key::of_punch)));
    let (lost, doubled) = (missing(&recorded, &there), missing(&there, &recorded));
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, doubled {doubled:?}");
}

/// What the journal has of a device, read from its beginning.
fn there(service: &Service, id: &str) -> std::collections::HashMap<Key, usize> {
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let page = service.get(&format!("/punches?after={after}&limit=1000&device={id}")).json();
        for row in page["data"].as_array().unwrap() {
            assert!(row["seq"].as_u64().unwrap() > after);
            after = row["seq"].as_u64().unwrap();
            rows.push(Key::of_row(row));
        }
        if !page["more"].as_bool().unwrap() {
            return counted(rows.into_iter());
        }
    }
}

/// Waits until the service says that its journal cannot write, while people go on punching.
fn until_degraded(service: &Service, devices: &[DeviceHandle]) {
    let began = Instant::now();
    loop {
        for device in devices {
            assert_eq!(device.punch_many(20), 20);
        }
        let ready = service.get("/readyz");
        let reasons = ready.json()["reasons"].as_array().cloned().unwrap_or_default();
        let reason = reasons.iter().find(|reason| reason["code"] == "journal_degraded");
        if let (503, Some(reason)) = (ready.status, reason) {
            assert!(reason["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{reason}");
            return;
        }
        assert!(began.elapsed() < PATIENCE, "it never says so: {ready:?}\n{}", service.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// It lives, and its devices can be used.
fn is_of_use(service: &Service, ids: &[String]) {
    let alive = service.get("/healthz");
    assert_eq!(alive.status, 200, "{alive:?}");
    for id in ids {
        let time = service.get(&format!("/devices/{id}/time"));
        assert_eq!(time.status, 200, "{time:?}");
        assert!(time.took < Duration::from_secs(5), "{:?}", time.took);
    }
}

fn punch_on(devices: &[DeviceHandle]) {
    for device in devices {
        for user in device.users().iter().take(10) {
            device.punch(user.user_id, 0, 1).expect("people can punch");
        }
    }
}

fn until_ready(service: &Service) {
    service.until("/readyz", |shown: &Value| shown["status"] == "ready");
}

#[test]
fn a_full_disk_stops_nothing_but_the_journal_and_is_caught_up_with_once_there_is_room() {
    let setup = Gateway::setup();
    let Some(disk) = SmallDisk::mount(&setup.state_dir(), "4m") else { return };
    let service = setup.start();
    let (simulator, ids) = site(&service);
    let pid = service.pid();
    disk.fill();
    until_degraded(&service, simulator.devices());
    is_of_use(&service, &ids);
    // Nobody is told of punches that are not kept, and what is kept can be read.
    let page = service.get("/punches?after=0&limit=10");
    assert_eq!((page.status, page.json()["data"].as_array().map(Vec::len)), (200, Some(10)));
    punch_on(simulator.devices());
    is_of_use(&service, &ids);
    disk.free();
    until_ready(&service);
    for (device, id) in simulator.devices().iter().zip(&ids) {
        complete(&service, id, device);
    }
    assert_eq!(service.pid(), pid);
    // The directory goes when nothing is mounted in it any more.
    let home = service.setup.again();
    drop(service);
    drop(disk);
    drop(home);
}

#[test]
fn a_disk_that_is_full_when_the_service_is_killed_costs_nothing() {
    let setup = Gateway::setup();
    let Some(disk) = SmallDisk::mount(&setup.state_dir(), "4m") else { return };
    let mut service = setup.start();
    let (simulator, ids) = site(&service);
    disk.fill();
    until_degraded(&service, simulator.devices());
    service.signal(rustix::process::Signal::KILL);
    service.ended();
    let setup = service.setup.again();
    drop(service);
    punch_on(simulator.devices());
    disk.free();
    let service = setup.start();
    for (device, id) in simulator.devices().iter().zip(&ids) {
        complete(&service, id, device);
    }
    until_ready(&service);
    // The directory goes when nothing is mounted in it any more.
    let home = service.setup.again();
    drop(service);
    drop(disk);
    drop(home);
}

fn with_postgres(cluster: &Cluster) -> Setup {
    Gateway::setup().set("DATABASE_URL", as_url(&cluster.database()))
}

#[test]
fn a_database_that_is_gone_for_a_while_is_caught_up_with() {
    let cluster = Cluster::start();
    let service = with_postgres(&cluster).start();
    let (simulator, ids) = site(&service);
    // The list of devices is written beside the database about once a second.
    let list = service.setup.state_dir().join("devices.json");
    eventually("the devices are known without the database", || {
        let list = std::fs::read_to_string(&list).unwrap_or_default();
        simulator.devices().iter().all(|device| list.contains(&device.address().port().to_string()))
    });
    cluster.stop();
    until_degraded(&service, simulator.devices());
    is_of_use(&service, &ids);
    punch_on(simulator.devices());
    // Killed on top of that, it comes back without its database.
    let mut service = service;
    service.signal(rustix::process::Signal::KILL);
    service.ended();
    let setup = service.setup.again();
    drop(service);
    let service = setup.start();
    punch_on(simulator.devices());
    for id in &ids {
        service.until_state(id, "idle");
    }
    is_of_use(&service, &ids);
    cluster.resume();
    until_ready(&service);
    for (device, id) in simulator.devices().iter().zip(&ids) {
        complete(&service, id, device);
    }
}

#[test]
fn a_database_that_freezes_is_caught_up_with() {
    let cluster = Cluster::start();
    let service = with_postgres(&cluster).start();
    let (simulator, ids) = site(&service);
    let frozen = cluster.freeze();
    until_degraded(&service, simulator.devices());
    is_of_use(&service, &ids);
    punch_on(simulator.devices());
    is_of_use(&service, &ids);
    drop(frozen);
    until_ready(&service);
    for (device, id) in simulator.devices().iter().zip(&ids) {
        complete(&service, id, device);
    }
}
