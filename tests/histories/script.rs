//! What happens to a device, made up from a seed.

use std::time::Duration;

use fastrand::Rng;
use zkgate::simulator::{How, Profile};

/// What kind of a life a device has, and so what is to be expected of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its log only grows: the journal has exactly what it recorded. Its clock goes wherever it pleases.
    Steady,
    /// Its log is cleared through the API now and then: the same.
    Cleared,
    /// Its log wraps, and somebody clears it at the device: what is not in the journal is in a gap.
    Lossy,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    Pause(Duration),
    /// One punch of this user.
    Punch {
        user: usize,
        state: u8,
        mode: u8,
    },
    /// As many people as this, at once.
    Crowd(usize),
    /// One person, several times at once.
    Again {
        user: usize,
        times: usize,
    },
    Reboot(Duration),
    Drop(How),
    /// One thing goes wrong, or several at a time.
    Fault(&'static str),
    Heal,
    /// The clock is set, so many seconds from what it shows.
    Clock(i64),
    /// The battery was flat.
    ClockReset,
    /// Cleared through the API: a dry run, then the confirmation.
    ClearHere,
    ClearElsewhere,
    Wrap(usize),
    /// The API reads the log and says that the journal has everything.
    Prove,
}

/// A made-up history.
#[derive(Clone, Debug)]
pub struct Script {
    pub seed: u64,
    pub profile: Profile,
    pub life: Life,
    /// Over datagrams although it could do otherwise.
    pub udp: bool,
    /// Its session is made when it is needed.
    pub on_demand: bool,
    /// What the log holds at the beginning, and at most.
    pub capacity: Option<usize>,
    pub steps: Vec<Step>,
}

/// The kinds of devices, as often as they are to come.
const PROFILES: [Profile; 12] = [
    Profile::Tft,
    Profile::Tft,
    Profile::Tft,
    Profile::Tft,
    Profile::TftBig,
    Profile::TftDirectBroken,
    Profile::Vl49,
    Profile::D2,
    Profile::Bw16Udp,
    Profile::Bw16Udp,
    Profile::OldUdp,
    Profile::OldUdp,
];

/// Users of each device.
pub const USERS: usize = 12;

/// What goes wrong with answers, with the connection, and with the news of punches.
const FAULTS: [&str; 38] = [
    "rst@data",
    "rst:60@data*2",
    "rst@chunk+1*1",
    "close@any+5*2",
    "close:9@time",
    "silent@chunk*1",
    "silent@sizes*1",
    "swallow@any+3*2",
    "swallow@prepare*1",
    "drip:1ms@chunk*1",
    "delay:150ms@sizes",
    "delay:300ms@prepare*3",
    "truncate@data*2",
    "truncate:8@any*3",
    "missing-fragment*2",
    "missing-ack*2",
    "wrong-checksum@any+4*2",
    "wrong-checksum@data*1",
    "wrong-reply@chunk*1",
    "late-duplicate@any*2",
    "oversize@data*1",
    "oversize:tiny@any+6*1",
    "stray-event",
    "stray-event:between-data",
    "wrong-total*2",
    "wrong-total:smaller*2",
    "fragments:100",
    "split:5",
    "merge@any",
    "double-prepare*2",
    "early-ack*1",
    "forget@any+6*1",
    "forget:unauth@any+9*1",
    "reboot:150ms@chunk*1",
    "refuse",
    "blackhole",
    "silent-accept*2",
    "garbage-after-nul@any*3",
];
const COUNTS: [&str; 5] =
    ["lying-counts", "lying-counts:larger*3", "lying-counts:smaller*3", "lying-size-word*2", "no-buffer*2"];
const DATAGRAMS: [&str; 4] = ["udp-drop:15", "udp-duplicate", "udp-reorder", "udp-drop:40@chunk*6"];
/// Somebody punches in the moment of a request.
const PEOPLE: [&str; 5] =
    ["punch@sizes*2", "punch@prepare*2", "punch:after@prepare*2", "punch@chunk*2", "punch:after@free*1"];
const NEWS: [&str; 10] = [
    "event-lost",
    "event-lost*2",
    "event-twice",
    "event-late:250ms",
    "event-abbreviated",
    "event-batch:3",
    "event-garbage*1",
    "event-late:250ms event-abbreviated",
    "event-late:150ms event-twice event-abbreviated",
    "event-lost*1 delay:120ms@chunk",
];

impl Script {
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let profile = *rng.choice(&PROFILES).unwrap();
        let life = match rng.u8(0..10) {
            0..6 => Life::Steady,
            6..8 => Life::Cleared,
            _ => Life::Lossy,
        };
        let datagrams_only = matches!(profile, Profile::OldUdp | Profile::Bw16Udp);
        let can_both = matches!(profile, Profile::Tft | Profile::TftBig);
        let capacity = (life == Life::Lossy && rng.bool()).then(|| rng.usize(20..200));
        let mut script = Self {
            seed,
            profile,
            life,
            udp: datagrams_only || (can_both && rng.u8(0..5) == 0),
            on_demand: rng.u8(0..10) == 0,
            capacity,
            steps: Vec::new(),
        };
        for _ in 0..rng.usize(10..18) {
            script.add(&mut rng);
        }
        script
    }

    fn add(&mut self, rng: &mut Rng) {
        let step = match rng.u8(0..100) {
            0..36 => Step::Punch { user: rng.usize(0..USERS), state: rng.u8(0..6), mode: rng.u8(0..4) },
            36 if self.life == Life::Steady => Step::Crowd(rng.usize(500..2500)),
            36..42 => Step::Crowd(rng.usize(2..40)),
            42..50 => Step::Again { user: rng.usize(0..USERS), times: rng.usize(2..5) },
            50..55 => Step::Reboot(Duration::from_millis(rng.u64(20..400))),
            55..60 => Step::Drop(if rng.bool() { How::Fin } else { How::Rst }),
            60..74 => {
                let fault = self.fault(rng);
                self.steps.push(Step::Fault(fault));
                // While it lasts, something happens.
                self.steps.push(Step::Pause(Duration::from_millis(rng.u64(0..60))));
                self.steps.push(Step::Punch { user: rng.usize(0..USERS), state: 0, mode: 1 });
                if rng.bool() {
                    // The log may tell before the device does.
                    self.steps.push(Step::Prove);
                }
                self.steps.push(Step::Pause(Duration::from_millis(rng.u64(0..250))));
                if rng.u8(0..3) == 0 {
                    return;
                }
                Step::Heal
            }
            74..80 => Step::Prove,
            _ => match self.life {
                Life::Steady => match rng.u8(0..12) {
                    0 => Step::ClockReset,
                    1 => Step::Clock(400 * 86_400),
                    2 => Step::Clock(-400 * 86_400),
                    3..6 => Step::Clock(rng.i64(1..4000)),
                    // So little that the same seconds come once more.
                    6..9 => Step::Clock(-rng.i64(1..4)),
                    _ => Step::Clock(-rng.i64(1..4000)),
                },
                Life::Cleared => Step::ClearHere,
                Life::Lossy => match rng.u8(0..4) {
                    0 => Step::ClearHere,
                    1 => Step::ClearElsewhere,
                    _ => Step::Wrap(rng.usize(1..40)),
                },
            },
        };
        self.steps.push(step);
        let pause = if rng.u8(0..3) == 0 { 0 } else { rng.u64(1..180) };
        self.steps.push(Step::Pause(Duration::from_millis(pause)));
    }

    fn fault(&self, rng: &mut Rng) -> &'static str {
        match rng.u8(0..10) {
            0..5 => rng.choice(FAULTS).unwrap(),
            // Where no count says otherwise, the first log that is refused like an empty one looks empty.
            5 if matches!(self.profile, Profile::Vl49 | Profile::D2) => {
                rng.choice(COUNTS.split_last().unwrap().1).unwrap()
            }
            5 => rng.choice(COUNTS).unwrap(),
            6 if self.udp => rng.choice(DATAGRAMS).unwrap(),
            7 if self.life == Life::Steady => rng.choice(PEOPLE).unwrap(),
            _ => rng.choice(NEWS).unwrap(),
        }
    }
}
