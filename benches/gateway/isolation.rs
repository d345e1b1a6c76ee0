//! What dead devices cost the healthy ones.

use std::time::Duration;

use super::support::{Caller, Fleet, Gate, Group, Report, Url, load, median, percentile};
use super::throughput::floor;

const ROUNDS: usize = 5;
const WARM: Duration = Duration::from_secs(1);
const LENGTH: Duration = Duration::from_secs(4);
/// Groups of callers.
const HEALTHY: usize = 0;
const OTHERS: usize = 1;
const HEALTH: usize = 2;

/// A service and its devices, of which the last ones may be dead.
struct Site {
    gate: Gate,
    _fleet: Fleet,
}

impl Site {
    /// `faults` says from which device on (counted from 1) which fault is shown from the start.
    fn start(devices: usize, faults: &[(usize, &str)]) -> Self {
        let mut fleet = Fleet::start(devices, &["--users", "5", "--punches", "5"]);
        let fault_of =
            |device: usize| faults.iter().rfind(|(from, _)| device >= *from).map(|(_, fault)| *fault);
        let dead: Vec<(usize, &str)> =
            (1..=devices).filter_map(|device| Some((device, fault_of(device)?))).collect();
        // A device that falls silent has a session first.
        let later = |fault: &str| fault == "silent";
        dead.iter()
            .filter(|(_, fault)| !later(fault))
            .for_each(|(device, fault)| fleet.order(&format!("fault {device} {fault}")));
        let gate = Gate::start(&fleet.devices);
        gate.wait_connected(devices - dead.iter().filter(|(_, fault)| !later(fault)).count());
        dead.iter()
            .filter(|(_, fault)| later(fault))
            .for_each(|(device, fault)| fleet.order(&format!("fault {device} {fault}")));
        Self { gate, _fleet: fleet }
    }

    fn load(&self, callers: Vec<Caller>) -> Vec<Group> {
        load(self.gate.address, callers, WARM, LENGTH)
    }
}

/// 100 devices, 50 of them blackholed, each asked by a client of its own, against the same with none dead.
pub fn dead_neighbours(report: &mut Report) {
    let whole = Site::start(100, &[]);
    let half = Site::start(100, &[(51, "blackhole")]);
    let callers = |pace: Duration| {
        let one = |device| Caller {
            group: if device <= 50 { HEALTHY } else { OTHERS },
            urls: vec![Url::time(device)],
            pace,
        };
        let health = Caller {
            group: HEALTH,
            urls: vec![Url::open("/healthz")],
            pace: pace.min(Duration::from_millis(10)).max(Duration::from_millis(2)),
        };
        (1..=100).map(one).chain([health]).collect::<Vec<_>>()
    };
    for (how, pace) in [("10 calls/s each", Duration::from_millis(100)), ("without a pause", Duration::ZERO)]
    {
        let (mut alone, mut beside, mut ratios) = (vec![], vec![], vec![]);
        let (mut health, mut health_alone) = (vec![], vec![]);
        let mut note = String::new();
        for _ in 0..ROUNDS {
            let without = whole.load(callers(pace));
            let with = half.load(callers(pace));
            alone.push(without[HEALTHY].p(0.99));
            beside.push(with[HEALTHY].p(0.99));
            ratios.push(with[HEALTHY].p(0.99) / without[HEALTHY].p(0.99));
            health.push(with[HEALTH].p(0.99));
            health_alone.push(without[HEALTH].p(0.99));
            note = format!(
                "last round: healthy calls/s {:.0} and {:.0}, p50 {:.2} and {:.2} ms; dead ones asked {:.0} times/s",
                without[HEALTHY].rate,
                with[HEALTHY].rate,
                without[HEALTHY].p(0.5),
                with[HEALTHY].p(0.5),
                with[OTHERS].rate,
            );
        }
        report.at_most(
            &format!("p99 of healthy calls, 50 of 100 blackholed: {how}"),
            median(ratios),
            1.2,
            "x",
        );
        report.note(&format!(
            "p99 {:.2} ms beside the dead, {:.2} ms without",
            median(beside),
            median(alone)
        ));
        report.note(&note);
        report.at_most(&format!("/healthz p99 in that run: {how}"), median(health), 5.0, "ms");
        let floor = floor(|address| load(address, callers(pace), WARM, LENGTH)[HEALTH].p(0.99));
        report.note(&format!(
            "{:.2} ms with none dead; {floor:.2} ms from a server that does nothing, asked the same way",
            median(health_alone)
        ));
    }
}

/// 500 devices, 100 of them dead in three ways: calls per second to the healthy ones, against none dead.
pub fn many_dead(report: &mut Report) {
    let whole = Site::start(500, &[]);
    let broken = Site::start(500, &[(401, "blackhole"), (434, "silent-accept"), (467, "silent")]);
    let callers = || {
        let busy = |first: usize| Caller {
            group: HEALTHY,
            urls: (0..25).map(|n| Url::time(1 + first + 16 * n)).collect(),
            pace: Duration::ZERO,
        };
        let each = |device| Caller {
            group: OTHERS,
            urls: vec![Url::time(device)],
            pace: Duration::from_millis(200),
        };
        (0..16).map(busy).chain((401..=500).map(each)).collect::<Vec<_>>()
    };
    let (mut shares, mut alone, mut beside) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        // Who goes first must not matter.
        let (without, with) = if round % 2 == 0 {
            let without = whole.load(callers());
            (without, broken.load(callers()))
        } else {
            let with = broken.load(callers());
            (whole.load(callers()), with)
        };
        assert!(with[HEALTHY].good() > 99.9, "healthy devices failed: {:?}", with[HEALTHY].statuses);
        shares.push(100.0 * with[HEALTHY].rate / without[HEALTHY].rate);
        alone.push(without[HEALTHY].rate);
        beside.push(with[HEALTHY].rate);
    }
    let spread = (percentile(&mut shares, 0.0), percentile(&mut shares, 1.0));
    report.at_least("calls/s to 400 healthy devices, 100 others dead", median(shares), 95.0, "%");
    report.note(&format!(
        "{:.0} calls/s beside the dead, {:.0} without; rounds from {:.0} to {:.0} %",
        median(beside),
        median(alone),
        spread.0,
        spread.1
    ));
}
