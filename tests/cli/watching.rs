//! What happens at a device, watched through the service.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Profile, Simulator};
use zkgate::wire::record::UserId;

use crate::program::{Program, Running, values};
use crate::service::{PATIENCE, Service, Setup, eventually};

/// A service that collects, and a device that tells it what happens.
struct Rig {
    service: Service,
    device: DeviceHandle,
    id: String,
    asked: Program,
    _simulator: Simulator,
}

const EXIT_BUTTON: (u16, [u8; 4]) = (512, [0x35, 0, 0, 0]);
const TAMPER: (u16, [u8; 4]) = (512, [0x37, 0, 0, 0]);

fn rig(profile: Profile) -> Rig {
    let config = Config { profile, users: 3, punches: 5, ..Config::default() };
    let (service, simulator) = (Setup::collecting().start(), Simulator::start(config).unwrap());
    let device = simulator.devices()[0].clone();
    let id = service.add_up(&device);
    let asked = Program::of(&service, ["device", &format!("@{id}")]);
    hears(&service, &id, 5);
    Rig { service, device, id, asked, _simulator: simulator }
}

/// Waits until the service hears the device, and has all of its past.
fn hears(service: &Service, id: &str, head: u64) {
    service.until(&format!("/devices/{id}/collection"), |shown| {
        shown["live"] == "on" && shown["last_read"]["result"] == "complete"
    });
    service.until("/journal", |journal| journal["head"] == head);
}

/// Waits until both streams are followed, of a service that was followed by nobody before.
fn until_watched(service: &Service) {
    service.until("/journal", |journal| journal["followers"]["used"] == 2);
}

/// What a program prints, line by line.
struct Printed(Receiver<String>);

impl Printed {
    fn of(running: &mut Running) -> Self {
        let (tell, told) = channel();
        let out = BufReader::new(running.child().stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self(told)
    }

    fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).expect("nothing more was printed")
    }

    /// What comes until its end.
    fn rest(self) -> Vec<String> {
        std::iter::from_fn(|| self.0.recv_timeout(PATIENCE).ok()).collect()
    }
}

fn punch(device: &DeviceHandle, number: u32) {
    eventually("somebody punches", || device.punch(UserId::from_number(number), 1, 15).is_some());
}

#[test]
fn punches_and_alarms_are_told_as_directly_until_there_are_enough() {
    std::thread::scope(|scope| {
        for (profile, transport) in [(Profile::Tft, "tcp"), (Profile::OldUdp, "udp")] {
            for form in [&[][..], &["--json"]] {
                scope.spawn(move || told_as_directly(profile, transport, form));
            }
        }
    });
}

fn told_as_directly(profile: Profile, transport: &str, form: &[&str]) {
    let Rig { service, device, asked, id: _id, _simulator } = rig(profile);
    let begin = |program: Program| {
        let program = form.iter().fold(program, |program, word| program.with([word]));
        program.start(["watch", "--count", "3"])
    };
    let mut told = begin(asked);
    until_watched(&service);
    let before = device.counters().command(500);
    let directly = begin(Program::at(&device).with(["--transport", transport]));
    eventually("it listens directly too", || device.counters().command(500) > before);
    let printed = Printed::of(&mut told);
    punch(&device, 1002);
    let mut seen = vec![printed.next()];
    for (code, payload) in [(EXIT_BUTTON.0, &EXIT_BUTTON.1[..]), (128, &[2, 0, 0, 0, 1])] {
        device.tell(code, payload);
        seen.push(printed.next());
    }
    let (told, directly) = (told.ends(), directly.ends());
    assert_eq!((told.code, told.err.as_str(), directly.code), (0, "", 0), "{profile}: {directly:?}");
    let mut directly: Vec<_> = directly.out.lines().map(str::to_owned).collect();
    let first = seen[0].clone();
    if profile == Profile::OldUdp {
        // The device tells an index, and the journal whose it is.
        directly[0] = first.clone();
    }
    if form.is_empty() {
        assert_eq!(seen, directly, "{profile}");
        assert!(first.ends_with("  punch  1002  state 1  verified by 15"), "{first}");
    } else {
        let (seen, directly) = (values(&seen.join("\n")), values(&directly.join("\n")));
        assert_eq!(seen, directly, "{profile}");
        assert_eq!((&seen[0]["event"], &seen[0]["user_id"]), (&json!("punch"), &json!("1002")), "{profile}");
        assert_eq!(seen[1], json!({ "event": "alarm", "alarm": "exit_button", "uid": null }), "{profile}");
    }
}

#[test]
fn ctrl_c_or_the_end_of_the_time_ends_it_well() {
    let Rig { service, device, asked, id: _id, _simulator } = rig(Profile::Tft);
    let mut running = asked.start(["watch"]);
    until_watched(&service);
    let printed = Printed::of(&mut running);
    device.tell(TAMPER.0, &TAMPER.1);
    assert_eq!(printed.next(), "alarm: tamper");
    running.interrupt();
    let ran = running.ends();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(printed.rest().is_empty());
    // What was before it is not told.
    assert_eq!(asked.well(["watch", "--timeout", "0.3"]), "");
}

#[test]
fn what_cannot_be_watched_is_told() {
    let Rig { mut service, id, asked, device: _device, _simulator } = rig(Profile::Tft);
    Program::of(&service, ["device", "@nobody"]).fails(["watch"], 7, "not_found");
    let off = service.patch(&format!("/devices/{id}/collection"), &json!({ "live": false }));
    assert_eq!(off.status, 200, "{off:?}");
    let ran = asked.run(["watch", "--timeout", "0.1"]);
    assert!(ran.code == 0 && ran.err.contains("live is off"), "{ran:?}");
    let off = service.patch(&format!("/devices/{id}/collection"), &json!({ "enabled": false }));
    assert_eq!(off.status, 200, "{off:?}");
    let ran = asked.run(["watch", "--timeout", "0.1"]);
    assert!(ran.code == 0 && ran.err.contains("does not collect"), "{ran:?}");
    service.stop();
    asked.fails(["watch"], 9, "service_unreachable");
}

#[test]
fn it_goes_on_after_a_restart_of_the_service_and_tells_everything_once() {
    let Rig { mut service, device, id, asked, _simulator } = rig(Profile::Tft);
    let mut running = asked.start(["watch", "--json"]);
    until_watched(&service);
    let printed = Printed::of(&mut running);
    let mut seen: Vec<Value> = Vec::new();
    let mut until = |so: &dyn Fn(&Value) -> bool| {
        while !seen.iter().any(so) {
            seen.push(serde_json::from_str(&printed.next()).unwrap());
        }
    };
    let of = |number: &'static str| move |event: &Value| event["user_id"] == number;
    let alarm = |kind: &'static str| move |event: &Value| event["alarm"] == kind;
    punch(&device, 1001);
    device.tell(EXIT_BUTTON.0, &EXIT_BUTTON.1);
    until(&of("1001"));
    until(&alarm("exit_button"));
    let address = service.address;
    service.stop();
    // Whoever punches meanwhile is in the log, and is told from there.
    punch(&device, 1002);
    let service = service.setup.again().listen(address).start();
    service.until_state(&id, "idle");
    hears(&service, &id, 7);
    device.tell(TAMPER.0, &TAMPER.1);
    punch(&device, 1003);
    for number in ["1002", "1003"] {
        until(&of(number));
    }
    until(&alarm("tamper"));
    until_watched(&service);
    running.interrupt();
    let ran = running.ends();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.is_empty() || ran.err.contains("service_unreachable"), "{ran:?}");
    seen.extend(values(&printed.rest().join("\n")));
    for number in ["1001", "1002", "1003"] {
        assert_eq!(seen.iter().filter(|event| of(number)(event)).count(), 1, "{number}: {seen:?}");
    }
    for kind in ["exit_button", "tamper"] {
        assert_eq!(seen.iter().filter(|event| alarm(kind)(event)).count(), 1, "{kind}: {seen:?}");
    }
}
