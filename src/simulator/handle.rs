//! One simulated device as the program that runs it sees it: the truth to compare with, and the hands to
//! intervene.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::device_clock::{DeviceClock, date_time};
use super::fault::Fault;
use super::lock;
use super::model::{Sensor, Verified};
use super::net::{How, Order, ShardLink, Shared, State};
use super::{Counters, profile::Answering};
use crate::wire::clock_word::{CivilTime, PossibleTime};
use crate::wire::record::UserId;
use crate::wire::record::punch::Punch;
use crate::wire::record::user::User;

/// A running device. Cheap to clone; it outlives its simulator as a memory of it.
#[derive(Clone, Debug)]
pub struct DeviceHandle {
    shared: Arc<Shared>,
    link: Arc<ShardLink>,
}

impl DeviceHandle {
    pub(super) fn new(shared: Arc<Shared>, link: Arc<ShardLink>) -> Self {
        Self { shared, link }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Whether it answers over TCP as a device does.
    #[must_use]
    pub fn speaks_tcp(&self) -> bool {
        lock(&self.shared.state).model.traits().tcp == Answering::Device
    }

    /// Whether it answers over UDP.
    #[must_use]
    pub fn speaks_udp(&self) -> bool {
        self.shared.udp
    }

    /// `SIM0000000001` and counting.
    #[must_use]
    pub fn serial_number(&self) -> String {
        lock(&self.shared.state).model.serial_number().to_owned()
    }

    /// Makes something go wrong from now on, in addition to what already does.
    pub fn set_fault(&self, fault: Fault) {
        lock(&self.shared.state).faults.add(fault);
        self.link.order_and_wait(Order::Settle(self.shared.place));
    }

    /// Makes everything right again, except for connections that are already lost.
    pub fn clear_faults(&self) {
        {
            let mut state = lock(&self.shared.state);
            state.faults.clear();
            state.model.heal();
            state.model.answers_strangers = false;
        }
        self.link.order_and_wait(Order::Settle(self.shared.place));
    }

    /// Restarts the device: all connections are reset, new ones are refused for `away`, all sessions are
    /// forgotten.
    pub fn reboot(&self, away: Duration) {
        self.link.order_and_wait(Order::Reboot(self.shared.place, away));
    }

    /// Closes all connections and listens on.
    pub fn drop_connections(&self, how: How) {
        self.link.order_and_wait(Order::Drop(self.shared.place, how));
    }

    /// Somebody is verified at the device: a record at its present, and an event to every session that
    /// registered. `None` while the device is disabled, or its sensor busy.
    #[must_use = "nobody can punch at a disabled device"]
    pub fn punch(&self, user_id: UserId, punch_state: u8, verify_mode: u8) -> Option<Punch> {
        let who = Verified { user_id, punch_state, verify_mode };
        self.change(|State { model, faults }, now| {
            if !model.is_usable(now) {
                return None;
            }
            faults.punch(who, model, now);
            model.last_punch()
        })
    }

    /// So many people punch, one user after the other, all in the same moment; gives how many of them could: none
    /// while the device is disabled.
    pub fn punch_many(&self, count: usize) -> usize {
        self.change(|State { model, faults }, now| {
            if !model.is_usable(now) {
                return 0;
            }
            let users: Vec<_> = model.users().iter().map(|user| user.user_id).collect();
            let nobody = [UserId::from_number(1001)];
            let users = if users.is_empty() { &nobody[..] } else { &users };
            for (user_id, number) in users.iter().cycle().copied().zip(0..count) {
                let punch_state = u8::from(number % 2 == 1);
                faults.punch(Verified { user_id, punch_state, verify_mode: 1 }, model, now);
            }
            count
        })
    }

    /// The device tells this event, a code of [`event`](crate::wire::event) with what comes with it, to every session
    /// that registered for it: somebody presses the exit button, opens its case, or knocks.
    pub fn tell(&self, code: u16, payload: &[u8]) {
        self.change(|state, now| state.model.tell(code, payload, Duration::ZERO, now));
    }

    /// The log's oldest records give way, as if it were full.
    pub fn wrap(&self, records: usize) {
        self.change(|state, _| state.model.wrap(records));
    }

    /// How many records the log can hold from now on, and how many of the oldest give way at once when it is full.
    pub fn set_log_capacity(&self, records: usize, block: usize) {
        self.change(|state, _| state.model.set_log_capacity(records, block));
    }

    /// Somebody clears the log in the device's menu.
    pub fn clear_log(&self) {
        self.change(|state, now| state.model.clear_log(now));
    }

    /// Puts these bytes over a record of the log, counted from 0, up to its end; `false` when there is no such
    /// record.
    pub fn damage_record(&self, index: usize, bytes: &[u8]) -> bool {
        self.change(|state, _| state.model.damage_record(index, bytes))
    }

    /// Another device answers at this address from now on. Connections stay as they are: whoever takes a device
    /// off the wall drops them too ([`DeviceHandle::reboot`]).
    pub fn set_serial(&self, serial_number: impl Into<String>) {
        let serial_number = serial_number.into();
        self.change(|state, _| state.model.set_serial_number(serial_number));
    }

    /// Changes the device, and has the events sent that come of it.
    fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let (changed, tells) = {
            let mut state = lock(&self.shared.state);
            let changed = change(&mut state, Instant::now());
            (changed, state.model.next_event().is_some())
        };
        if tells {
            self.link.order(Order::Tell(self.shared.place));
        }
        changed
    }

    /// Creates a user or overwrites the one with the same uid; `false` when the table is full.
    pub fn add_user(&self, user: User) -> bool {
        lock(&self.shared.state).model.put_user(&user)
    }

    /// Replaces all users.
    pub fn set_users(&self, users: &[User]) {
        lock(&self.shared.state).model.set_users(users);
    }

    /// Replaces the whole log.
    pub fn set_punches(&self, punches: &[Punch]) {
        lock(&self.shared.state).model.set_punches(punches);
    }

    /// The users as a client should read them.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        lock(&self.shared.state).model.users().iter().map(|person| (**person).clone()).collect()
    }

    /// The punches as a client should read them, in the order of the log.
    #[must_use]
    pub fn punches(&self) -> Vec<Punch> {
        lock(&self.shared.state).model.punches().collect()
    }

    /// What the device's clock shows.
    #[must_use]
    pub fn clock(&self) -> CivilTime {
        lock(&self.shared.state).model.clock().word(Instant::now()).fields()
    }

    /// Sets the device's clock, which runs on from there.
    pub fn set_clock(&self, time: PossibleTime) {
        let clock = DeviceClock::showing(date_time(time), Instant::now());
        lock(&self.shared.state).model.set_clock(clock);
    }

    /// Creates or overwrites a user by a record as clients send it, of exactly the length that the device has;
    /// `false` when it is not that, or the table is full.
    pub fn add_record(&self, record: &[u8]) -> bool {
        lock(&self.shared.state).model.put_record(record)
    }

    /// Every user's record, byte for byte.
    #[must_use]
    pub fn records(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.state).model.records()
    }

    /// Every template as a client should read it: uid, finger, flag, bytes.
    #[must_use]
    pub fn templates(&self) -> Vec<(u16, u8, u8, Vec<u8>)> {
        let state = lock(&self.shared.state);
        state.model.templates().iter().map(|t| (t.uid, t.finger, t.flag, t.bytes.clone())).collect()
    }

    /// Changes of its data that no client has made effective yet.
    #[must_use]
    pub fn unrefreshed(&self) -> u64 {
        lock(&self.shared.state).model.unrefreshed()
    }

    /// What the door's sensor says from now on.
    pub fn set_sensor(&self, sensor: Sensor) {
        lock(&self.shared.state).model.set_sensor(sensor);
    }

    /// The number in the last command to open the door, in whatever unit it was meant.
    #[must_use]
    pub fn opened_for(&self) -> Option<u32> {
        lock(&self.shared.state).model.opened_for()
    }

    /// What clients wrote on the display, by line.
    #[must_use]
    pub fn lines(&self) -> BTreeMap<u16, Vec<u8>> {
        lock(&self.shared.state).model.lines()
    }

    /// Which person has which short message: uid and message.
    #[must_use]
    pub fn given_messages(&self) -> Vec<(u16, u16)> {
        lock(&self.shared.state).model.given_messages()
    }

    /// Somebody places a finger to be enrolled, and the sample gets this score, of which 100 is good; three good
    /// ones make a template. `false` when no finger is being enrolled.
    pub fn place_finger(&self, score: u8) -> bool {
        self.change(|state, now| state.model.place_finger(score, now))
    }

    /// The enrolment comes to nothing: 4 and 6 for a failure, 5 for a finger that is there already. `false` when
    /// there is none.
    pub fn fail_enrolment(&self, result: u16) -> bool {
        self.change(|state, now| state.model.fail_enrolment(result, now))
    }

    /// Whether somebody who comes to the device can be verified: it is neither disabled nor busy with something
    /// else.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        lock(&self.shared.state).model.is_usable(Instant::now())
    }

    /// Whether people cannot use the device: it was disabled and not enabled again.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        lock(&self.shared.state).model.is_disabled(Instant::now())
    }

    /// How many sessions the device knows of now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        lock(&self.shared.state).model.session_count()
    }

    /// What it has been through.
    #[must_use]
    pub fn counters(&self) -> Counters {
        lock(&self.shared.state).model.counters().clone()
    }
}
