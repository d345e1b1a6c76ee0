//! Simulated devices for tests of sessions, of the registry and of faults: one honest truth to compare with, and
//! settings that do not make a test wait.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use zkgate::base::deadline::Deadline;
use zkgate::device::{Session, SessionSettings, Target};
use zkgate::simulator::{Config, DeviceHandle, Profile, Simulator};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::record::UserId;
use zkgate::wire::record::punch::{Punch, PunchLayout};
use zkgate::wire::record::table::{PunchTable, UserTable};

/// A deadline that is far away for a machine and near for a person.
pub(crate) fn soon() -> Deadline {
    within(Duration::from_secs(30))
}

pub(crate) fn within(time: Duration) -> Deadline {
    Deadline::after(Instant::now(), time)
}

/// Patience for devices on loopback.
pub(crate) fn quick() -> SessionSettings {
    SessionSettings {
        connect: Duration::from_millis(500),
        reply: Duration::from_millis(600),
        progress: Duration::from_millis(600),
        farewell: Duration::from_millis(200),
        ..SessionSettings::default()
    }
}

/// One simulated device.
pub(crate) fn device(config: Config) -> (Simulator, DeviceHandle) {
    let simulator = Simulator::start(Config { devices: 1, ..config }).unwrap();
    let device = simulator.device(0).unwrap().clone();
    (simulator, device)
}

/// One simulated device with people and a past.
pub(crate) fn peopled(profile: Profile, users: usize, punches: usize) -> (Simulator, DeviceHandle) {
    device(Config { profile, users, punches, ..Config::default() })
}

pub(crate) fn target(device: &DeviceHandle, key: u64, carriers: &[Carrier]) -> Target {
    Target { address: device.address(), comm_key: CommKey::new(key).unwrap(), carriers: carriers.to_vec() }
}

/// Which of the two ways the device answers on.
pub(crate) fn carriers(device: &DeviceHandle) -> Vec<Carrier> {
    let tcp = device.speaks_tcp().then_some(Carrier::Tcp);
    tcp.into_iter().chain(device.speaks_udp().then_some(Carrier::Udp)).collect()
}

pub(crate) fn session(device: &DeviceHandle, carrier: Carrier) -> Session {
    Session::connect(target(device, 0, &[carrier]), quick(), soon()).unwrap()
}

/// The log as a client should read it: who stands in it by internal index is named.
pub(crate) fn true_punches(device: &DeviceHandle, profile: Profile) -> Vec<Punch> {
    let mut punches = device.punches();
    if profile.layouts().1 == PunchLayout::Short {
        let people: HashMap<u16, UserId> =
            device.users().iter().map(|user| (user.uid, user.user_id)).collect();
        for punch in &mut punches {
            punch.user_id = punch.uid.and_then(|uid| people.get(&uid).copied()).unwrap_or_default();
        }
    }
    punches
}

pub(crate) fn are_true_users(read: &UserTable, device: &DeviceHandle) -> bool {
    read.iter().eq(device.users())
}

pub(crate) fn are_true_punches(read: &PunchTable, device: &DeviceHandle, profile: Profile) -> bool {
    read.iter().eq(true_punches(device, profile))
}

/// No record is later than this.
pub(crate) const TODAY: ClockWord = ClockWord::MAX;

/// Waits until something is so, which it must be soon.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
        std::thread::sleep(Duration::from_millis(1));
    }
    since.elapsed()
}
