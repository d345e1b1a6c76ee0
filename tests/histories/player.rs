//! One device lives through its script, and then everything is right again and the journal has to have it all.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zkgate::simulator::{DeviceHandle, Fault};
use zkgate::wire::clock_word::{ClockWord, PossibleTime};
use zkgate::wire::record::UserId;

use crate::gateway::{Gateway, PATIENCE};
use crate::script::{Life, Script, Step};
use crate::truth::Truth;

/// A device, what happens to it, and what it has recorded.
pub struct Player<'g> {
    gateway: &'g Gateway,
    device: DeviceHandle,
    pub script: Script,
    pub id: String,
    pub serial_number: String,
    pub truth: Truth,
    /// How often the log had been cleared when it was looked at last.
    clears: u64,
    /// Whether the journal has known something of the log since it was cleared last: before that, nobody can know
    /// that something is missing.
    rooted: bool,
    /// What was said and not so.
    lie: Option<String>,
    /// What was done and what came of it, for whoever has to find out.
    pub diary: Vec<String>,
}

impl<'g> Player<'g> {
    /// Registers the device.
    pub fn begin(gateway: &'g Gateway, device: DeviceHandle, script: Script) -> Self {
        if let Some(capacity) = script.capacity {
            device.set_log_capacity(capacity, 1);
        }
        let serial_number = device.serial_number();
        let transport = if script.udp { "udp" } else { "auto" };
        let mode = if script.on_demand { "on_demand" } else { "persistent" };
        let id = add_as(gateway, &device, &json!({ "transport": transport, "mode": mode }));
        let mut truth = Truth::default();
        let log = device.punches();
        truth.grown(&log, log.len());
        Self {
            gateway,
            device,
            script,
            id,
            serial_number,
            truth,
            clears: 0,
            rooted: false,
            lie: None,
            diary: Vec::new(),
        }
    }

    /// Lives through the script.
    pub fn play(&mut self) {
        let began = Instant::now();
        for step in self.script.steps.clone() {
            let at = began.elapsed().as_millis();
            let came = self.take(&step);
            if !matches!(step, Step::Pause(_)) {
                self.diary.push(format!("{at:>5} ms {step:?}: {came}"));
            }
        }
    }

    /// Everything is right again; the journal is told to read all of the log until it says that it has.
    pub fn end(&mut self) -> Result<(), String> {
        self.device.clear_faults();
        self.look();
        let path = format!("/devices/{}/collection/read?timeout=20", self.id);
        let all = json!({ "everything": true });
        let began = Instant::now();
        loop {
            let answer = self.gateway.ask("POST", &path, Some(&all));
            self.look();
            match answer {
                Some((200, read)) if read["result"] == "complete" => {
                    self.diary.push(format!("read: {read}"));
                    self.see(self.truth.recorded.len());
                    return self.lie.take().map_or(Ok(()), Err);
                }
                answer if began.elapsed() > PATIENCE => {
                    return Err(format!("the log is never read: {answer:?}"));
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// All that can be told about it.
    pub fn story(&self) -> String {
        let Script { seed, profile, life, udp, on_demand, capacity, .. } = &self.script;
        let log = self.gateway.log_of(&self.id, 60);
        format!(
            "device {} ({}), seed {seed}, {profile}, {life:?}, udp {udp}, on demand {on_demand}, capacity {capacity:?}\n{}\n{log}",
            self.id,
            self.serial_number,
            self.diary.join("\n"),
        )
    }

    fn take(&mut self, step: &Step) -> String {
        match step {
            Step::Pause(time) => std::thread::sleep(*time),
            Step::Punch { user, state, mode } => return self.punch(*user, *state, *mode),
            Step::Crowd(count) => {
                if !self.may_wrap(*count) {
                    return "not now".into();
                }
                let could = self.device.punch_many(*count);
                self.grown(could);
                return could.to_string();
            }
            Step::Again { user, times } => {
                return (0..*times).map(|_| self.punch(*user, 0, 1)).collect::<Vec<_>>().join(" ");
            }
            Step::Reboot(away) => self.device.reboot(*away),
            Step::Drop(how) => self.device.drop_connections(*how),
            Step::Fault(faults) => {
                faults.split(' ').for_each(|fault| self.device.set_fault(Fault::parse(fault).unwrap()));
            }
            Step::Heal => self.device.clear_faults(),
            Step::Clock(seconds) => return self.set_clock(*seconds),
            Step::ClockReset => self.device.set_clock(after_start()),
            Step::ClearHere => return self.clear_here(),
            Step::ClearElsewhere => return self.clear_elsewhere(),
            Step::Wrap(count) => return self.wrap(*count),
            Step::Prove => return self.prove().to_string(),
        }
        String::new()
    }

    fn punch(&mut self, user: usize, state: u8, mode: u8) -> String {
        if !self.may_wrap(1) {
            return "not now".into();
        }
        let Some(user) = self.device.users().get(user).map(|user| user.user_id) else {
            return "nobody".into();
        };
        let user: UserId = user;
        match self.device.punch(user, state, mode) {
            Some(punch) => {
                self.grown(1);
                format!("{} at {}", user.to_text(), punch.time.fields())
            }
            None => "the device is disabled".into(),
        }
    }

    /// So much was recorded, and whatever people did meanwhile.
    fn grown(&mut self, new: usize) {
        let log = self.device.punches();
        let new = if self.script.life == Life::Steady { log.len() - self.truth.recorded.len() } else { new };
        self.truth.grown(&log, new);
    }

    /// Notices that the log was cleared by somebody: the service, when nobody heard its answer.
    fn look(&mut self) {
        if self.script.life == Life::Steady {
            return self.grown(0);
        }
        let clears = self.device.counters().clears;
        if clears > self.clears {
            self.clears = clears;
            // It does so only when everything is in the journal.
            self.truth.proved(self.truth.recorded.len());
            self.truth.cleared();
            self.rooted = false;
        }
    }

    /// Whether so many more may be recorded, although the oldest ones give way.
    fn may_wrap(&mut self, more: usize) -> bool {
        self.look();
        let there = self.truth.recorded.len() - self.truth.begin;
        if self.script.capacity.is_none_or(|room| there + more <= room) {
            return true;
        }
        // No log is so small that equal records of one second push each other out of it.
        self.next_second();
        self.rooted || self.prove()
    }

    fn set_clock(&self, seconds: i64) -> String {
        let now = self.device.clock();
        let moved = datetime(now).saturating_add(jiff::SignedDuration::from_secs(seconds));
        let time = moved.to_string();
        let part = |at: usize, length: usize| time[at..at + length].parse::<u8>().unwrap();
        let time = PossibleTime::new(zkgate::wire::clock_word::CivilTime {
            year: time[..4].parse().unwrap(),
            month: part(5, 2),
            day: part(8, 2),
            hour: part(11, 2),
            minute: part(14, 2),
            second: part(17, 2),
        });
        match time {
            Ok(time) => self.device.set_clock(time),
            Err(_) => return "not in this century".into(),
        }
        moved.to_string()
    }

    fn clear_here(&mut self) -> String {
        let path = format!("/devices/{}/attendance/clear?timeout=5", self.id);
        let Some((200, found)) = self.gateway.ask("POST", &path, Some(&json!({ "dry_run": true }))) else {
            return "no dry run".into();
        };
        let answer = self.gateway.ask("POST", &path, Some(&json!({ "confirmation": found["confirmation"] })));
        self.look();
        self.next_second();
        answer.map_or("nobody answered".into(), |(status, shown)| format!("{status} {shown}"))
    }

    fn clear_elsewhere(&mut self) -> String {
        self.look();
        if !self.rooted && !self.prove() {
            return "not now".into();
        }
        self.device.clear_log();
        self.clears += 1;
        self.truth.cleared();
        self.rooted = false;
        self.next_second();
        "cleared".into()
    }

    fn wrap(&mut self, count: usize) -> String {
        self.look();
        let there = self.truth.recorded.len() - self.truth.begin;
        if !self.rooted && !self.prove() || there == 0 {
            return "not now".into();
        }
        self.device.wrap(count.min(there - 1));
        self.truth.begin = self.truth.recorded.len() - self.device.punches().len();
        self.next_second();
        "wrapped".into()
    }

    /// Whether the journal said that it has everything that had been recorded before.
    fn prove(&mut self) -> bool {
        self.look();
        let up_to = self.truth.recorded.len();
        let path = format!("/devices/{}/collection/read?timeout=3", self.id);
        let answer = self.gateway.ask("POST", &path, Some(&json!({})));
        let proved = answer.is_some_and(|(status, read)| {
            status == 200 && (read["result"] == "complete" || read["result"] == "nothing_new")
        });
        if proved {
            self.truth.proved(up_to);
            self.rooted |= up_to > self.truth.begin;
            self.see(up_to);
        }
        proved
    }

    /// Whoever was told that the journal has everything finds it there at once.
    fn see(&mut self, up_to: usize) {
        let (mut after, mut rows) = (0, 0);
        while self.is_exact() {
            let path = format!("/punches?after={after}&limit=1000&device={}", self.id);
            let Some((200, page)) = self.gateway.ask("GET", &path, None) else { return };
            rows += page["data"].as_array().unwrap().len();
            after = page["next_after"].as_u64().unwrap();
            if !page["more"].as_bool().unwrap() {
                if rows < up_to {
                    self.lie =
                        Some(format!("of {up_to} punches only {rows} were there when all were said to be"));
                }
                return;
            }
        }
    }

    /// What comes is of another second than what was there.
    fn next_second(&self) {
        let now = self.device.clock();
        while self.device.clock() == now {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether its journal must have everything.
    pub fn is_exact(&self) -> bool {
        self.script.life != Life::Lossy
    }
}

fn datetime(time: zkgate::wire::clock_word::CivilTime) -> jiff::civil::DateTime {
    time.to_string().parse().unwrap()
}

/// Registers a device.
pub fn add(gateway: &Gateway, device: &DeviceHandle) -> String {
    add_as(gateway, device, &json!({}))
}

/// Registers a device, once: whoever was not answered is told that it is there.
fn add_as(gateway: &Gateway, device: &DeviceHandle, more: &Value) -> String {
    let address = device.address();
    let mut body = json!({ "ip_address": address.ip().to_string(), "port": address.port() });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = gateway.until("POST", "/devices", Some(&body), |status, _| matches!(status, 201 | 409));
    let id = if made["id"].is_null() { &made["other_device"] } else { &made["id"] };
    id.as_str().unwrap().to_owned()
}

/// A time of day in July, at which all devices begin: nothing happens at midnight by chance.
pub fn noon() -> PossibleTime {
    ClockWord((((26 * 12) + 6) * 31 + 13) * 86_400 + 12 * 3600).time().unwrap()
}

/// What a clock shows soon after the battery was flat.
fn after_start() -> PossibleTime {
    ClockWord(40).time().unwrap()
}

/// The day of [`noon`].
pub const DAY: &str = "2026-07-14";
