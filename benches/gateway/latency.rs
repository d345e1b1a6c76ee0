//! How soon: a warm call, a refusal, the end of a session noticed, a device that is back.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use zkgate::wire::command::Command;

use super::support::raw::{Raw, Step};
use super::support::{Fleet, Gate, Http, Report, Url, largest, median, ms, percentile};

/// A call to a device that waits to be tried again.
pub fn back_off(report: &mut Report) {
    let mut fleet = Fleet::start(2, &[]);
    fleet.order("fault 1 refuse");
    fleet.order("fault 2 blackhole");
    let gate = Gate::start(&fleet.devices);
    let mut http = gate.http();
    let mut times = Vec::new();
    let mut without_word = 0;
    let since = Instant::now();
    while times.len() < 400 && since.elapsed() < Duration::from_secs(60) {
        for device in [1, 2] {
            let seen = http.exchange(&Url::connection(device)).unwrap().json();
            // Half a second away from being tried, so that the call cannot meet the attempt.
            let asked = Instant::now();
            if seen["state"] != "back_off" || seen["failures"].as_u64() < Some(4) {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            let answer = http.exchange(&Url::time(device)).unwrap();
            // A call that comes as the device is tried again waits for that.
            if answer.status == 503 && answer.json()["code"] == "device_unreachable" {
                times.push(ms(asked.elapsed()));
                without_word += usize::from(answer.retry_after.is_none());
            }
        }
    }
    if times.is_empty() {
        return report.absent("call to a device in back-off", "no device came into back-off");
    }
    let (count, p50, p99) = (times.len(), percentile(&mut times, 0.5), percentile(&mut times, 0.99));
    report.at_most("call to a device in back-off: slowest answer", largest(&times), 20.0, "ms");
    report.note(&format!(
        "{count} calls: p50 {p50:.2} ms, p99 {p99:.2} ms; {without_word} without Retry-After"
    ));
}

/// `/time` on a warm session, over the bare exchange with the device.
pub fn warm_call(report: &mut Report) {
    const ROUNDS: usize = 7;
    const CALLS: usize = 400;
    let fleet = Fleet::start(1, &[]);
    let gate = Gate::start(&fleet.devices);
    gate.wait_connected(1);
    let url = Url::time(1);
    let mut raw = Raw::connect(fleet.devices[0]);
    let mut kept = gate.http();
    let (mut bare, mut fresh_over, mut kept_over, mut cpu) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let frames = raw.frames(&vec![Step::new(Command::GET_TIME, 20); CALLS]);
        let mut single = frames.chunks(1);
        let raw_p50 = p50(CALLS, || assert_eq!(raw.play(single.next().unwrap()), 20));
        let used = gate.cpu();
        let kept_p50 = p50(CALLS, || assert_eq!(kept.touch(&url).unwrap(), 200));
        cpu.push((gate.cpu() - used) * 1e6 / CALLS as f64);
        let fresh_p50 = p50(CALLS, || {
            let mut http = Http::connect(gate.address).unwrap();
            assert_eq!(http.touch(&url).unwrap(), 200);
        });
        bare.push(raw_p50);
        kept_over.push(kept_p50 - raw_p50);
        fresh_over.push(fresh_p50 - raw_p50);
    }
    report.at_most("warm /time over the raw round trip, p50: new connection", median(fresh_over), 0.5, "ms");
    report.at_most("warm /time over the raw round trip, p50: kept alive", median(kept_over), 0.3, "ms");
    report.note(&format!(
        "raw round trip {:.3} ms; {:.0} µs of CPU in the service per kept-alive call",
        median(bare),
        median(cpu)
    ));
}

pub fn p50(calls: usize, mut call: impl FnMut()) -> f64 {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let since = Instant::now();
        call();
        times.push(ms(since.elapsed()));
    }
    median(times)
}

/// An idle session that the device closes.
pub fn idle_close(report: &mut Report) {
    let mut fleet = Fleet::start(1, &[]);
    let gate = Gate::start(&fleet.devices);
    gate.wait_connected(1);
    let mut http = gate.http();
    for how in ["fin", "rst"] {
        let mut times = Vec::new();
        for _ in 0..20 {
            gate.wait_connected(1);
            let opened = opened(&mut http, 1);
            let since = Instant::now();
            fleet.order(&format!("drop 1 {how}"));
            loop {
                let seen = http.exchange(&Url::connection(1)).unwrap().json();
                if seen["state"] != "idle" || seen["sessions_opened"].as_u64() > opened {
                    break;
                }
            }
            times.push(ms(since.elapsed()));
        }
        let what = format!("idle session closed by the device ({}): noticed, slowest", how.to_uppercase());
        report.at_most(&what, largest(&times), 100.0, "ms");
        report.note(&format!("20 times, p50 {:.2} ms", median(times)));
    }
}

fn opened(http: &mut Http, device: usize) -> Option<u64> {
    http.exchange(&Url::connection(device)).unwrap().json()["sessions_opened"].as_u64()
}

/// Ten devices that are away for five seconds.
pub fn reboot(report: &mut Report) {
    const DEVICES: usize = 10;
    let mut fleet = Fleet::start(DEVICES, &[]);
    let gate = Gate::start(&fleet.devices);
    gate.wait_connected(DEVICES);
    let mut http = gate.http();
    let before: Vec<_> = (1..=DEVICES).map(|device| opened(&mut http, device)).collect();
    fleet.order("reboot all 5s");
    let watchers: Vec<_> =
        fleet.devices.iter().map(|&device| std::thread::spawn(move || listens_again(device))).collect();
    let mut restored = [None; DEVICES];
    let since = Instant::now();
    while restored.iter().any(Option::is_none) && since.elapsed() < Duration::from_secs(60) {
        for device in 1..=DEVICES {
            if restored[device - 1].is_none() && opened(&mut http, device) > before[device - 1] {
                restored[device - 1] = Some(Instant::now());
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut waits = Vec::new();
    for (watcher, restored) in watchers.into_iter().zip(restored) {
        let listens: Instant = watcher.join().unwrap();
        let restored = restored.unwrap_or_else(Instant::now);
        waits.push(restored.saturating_duration_since(listens).as_secs_f64());
    }
    let what = "device back after a reboot of 5 s: session restored, slowest of 10";
    report.at_most(what, largest(&waits), 2.0, "s");
    report.note(&format!("p50 {:.2} s", median(waits)));
}

/// When a device takes connections that it did not take before.
fn listens_again(device: SocketAddr) -> Instant {
    let mut away = false;
    loop {
        match TcpStream::connect(device) {
            Ok(_) if away => return Instant::now(),
            Ok(_) => {}
            Err(_) => away = true,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
