//! What a client may change: users, templates, whole tables, the clock.

use std::sync::Arc;
use std::time::Instant;

use super::options::{TEMPLATE_CAPACITY, USER_CAPACITY};
use super::{DeviceModel, Exchange};
use crate::simulator::config::Config;
use crate::simulator::device_clock::{DeviceClock, date_time};
use crate::simulator::outgoing::Outgoing;
use crate::simulator::punch_log::Log;
use crate::simulator::tables::{Operation, Person, Template};
use crate::wire::bytes::Reader;
use crate::wire::clock_word::ClockWord;
use crate::wire::command::Command;
use crate::wire::record::UserId;
use crate::wire::record::punch::Punch;
use crate::wire::record::user::User;

/// The types that `CMD_CLEAR_DATA` names.
pub(super) const ATTENDANCE: u8 = 1;
const TEMPLATES: u8 = 2;
const NOTHING: u8 = 3;
pub(super) const OPERATIONS: u8 = 4;
const USERS: u8 = 5;

impl DeviceModel {
    pub(super) fn write_user(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let person = Person::read(payload, self.traits.users).filter(|person| person.uid != 0);
        let done = person.is_some_and(|person| self.put_person(person));
        ex.done(done, out);
    }

    /// Creates or overwrites by uid; `false` when the table is full.
    pub(crate) fn put_user(&mut self, user: &User) -> bool {
        self.put_person(Person::of(user, self.traits.users))
    }

    /// The same for a record as it is sent, of the length that the device has.
    pub(crate) fn put_record(&mut self, record: &[u8]) -> bool {
        Person::read(record, self.traits.users).is_some_and(|person| self.put_person(person))
    }

    pub(super) fn put_person(&mut self, user: Person) -> bool {
        let position = self.users.rows().iter().position(|known| known.uid == user.uid);
        let capacity = usize::try_from(USER_CAPACITY).unwrap_or(usize::MAX);
        match position {
            None if self.users.rows().len() >= capacity.min(Config::USERS_CEILING) => return false,
            None => Arc::make_mut(&mut self.users).push(user),
            Some(position) => {
                if let Some(known) = Arc::make_mut(&mut self.users).rows_mut().get_mut(position) {
                    *known = user;
                }
            }
        }
        true
    }

    /// Replaces all users.
    pub(crate) fn set_users(&mut self, users: &[User]) {
        let layout = self.traits.users;
        let kept = users.iter().take(Config::USERS_CEILING);
        *Arc::make_mut(&mut self.users).rows_mut() = kept.map(|user| Person::of(user, layout)).collect();
    }

    /// Replaces the whole log; of more than it can hold, the last ones.
    pub(crate) fn set_punches(&mut self, punches: &[Punch]) {
        let kept = punches.iter().skip(punches.len().saturating_sub(self.log_capacity));
        self.punches = Log::new(self.traits.punches, kept.copied());
    }

    /// How many records the log can hold, and how many of the oldest give way at once when it is full.
    pub(crate) fn set_log_capacity(&mut self, records: usize, block: usize) {
        (self.log_capacity, self.wrap_block) = (records.max(1), block);
        self.wrap(self.punches.len().saturating_sub(self.log_capacity));
    }

    /// The oldest records give way.
    pub(crate) fn wrap(&mut self, records: usize) {
        self.punches.drop_oldest(records);
    }

    /// Somebody clears the log in the device's menu.
    pub(crate) fn clear_log(&mut self, now: Instant) {
        self.punches.clear();
        self.counters.clears += 1;
        self.log_operation(Operation::CLEAR_LOG, now);
    }

    pub(crate) fn damage_record(&mut self, index: usize, bytes: &[u8]) -> bool {
        self.punches.damage(index, bytes)
    }

    pub(super) fn delete_user(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let uid = Reader::new(payload).u16().ok();
        let known = self.users.rows().iter().any(|user| Some(user.uid) == uid);
        if known {
            Arc::make_mut(&mut self.users).rows_mut().retain(|user| Some(user.uid) != uid);
            self.drop_templates(|template| Some(template.uid) == uid);
        }
        ex.done(known, out);
    }

    /// `CMD_DELETE_USERTEMP`: uid and finger.
    pub(super) fn delete_template(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let mut reader = Reader::new(payload);
        let done = match (reader.u16(), reader.u8()) {
            (Ok(uid), Ok(finger)) => self.drop_templates(|t| t.uid == uid && t.finger == finger),
            _ => false,
        };
        ex.done(done, out);
    }

    /// The newer form: user id and finger.
    pub(super) fn delete_finger(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let mut reader = Reader::new(payload);
        let done = match (reader.array::<24>(), reader.u8()) {
            (Ok(field), Ok(finger)) => {
                let user_id = UserId::from_field(&field);
                let uid = self.users.rows().iter().find(|user| user.user_id == user_id).map(|user| user.uid);
                self.drop_templates(|t| Some(t.uid) == uid && t.finger == finger)
            }
            _ => false,
        };
        ex.done(done, out);
    }

    /// Whether there was one to drop.
    fn drop_templates(&mut self, doomed: impl Fn(&Template) -> bool) -> bool {
        let any = self.templates.rows().iter().any(&doomed);
        if any {
            Arc::make_mut(&mut self.templates).rows_mut().retain(|template| !doomed(template));
        }
        any
    }

    /// Replaces the template of the same finger; `false` when there is no room.
    pub(super) fn put_template(&mut self, template: Template) -> bool {
        self.drop_templates(|known| known.uid == template.uid && known.finger == template.finger);
        let capacity = usize::try_from(TEMPLATE_CAPACITY).unwrap_or(usize::MAX);
        let fits = self.templates.rows().len() < capacity && template.bytes.len() <= Template::CEILING;
        if fits {
            Arc::make_mut(&mut self.templates).push(template);
        }
        fits
    }

    pub(super) fn clear_administrators(&mut self, ex: Exchange, out: &mut Vec<Outgoing>) {
        let layout = self.traits.users;
        for user in Arc::make_mut(&mut self.users).rows_mut() {
            user.change(layout, 2, &[user.privilege.0 & !0x0e]);
        }
        ex.say(Command::ACK_OK, out);
    }

    /// Clears the table that the first byte names; without one, all of them.
    pub(super) fn clear(&mut self, ex: Exchange, payload: &[u8], now: Instant, out: &mut Vec<Outgoing>) {
        let kind = payload.first().copied();
        if !matches!(kind, None | Some(ATTENDANCE | TEMPLATES | NOTHING | OPERATIONS | USERS)) {
            ex.say(Command::ACK_ERROR, out);
            return;
        }
        let clears = |table: u8| kind.is_none() || kind == Some(table);
        if clears(ATTENDANCE) {
            self.punches.clear();
        }
        if clears(TEMPLATES) || clears(USERS) {
            Arc::make_mut(&mut self.templates).rows_mut().clear();
        }
        if clears(USERS) {
            Arc::make_mut(&mut self.users).rows_mut().clear();
        }
        if clears(OPERATIONS) {
            self.operations.rows_mut().clear();
        }
        self.counters.clears += u64::from(kind != Some(NOTHING));
        let code = if kind == Some(ATTENDANCE) { Operation::CLEAR_LOG } else { Operation::CLEAR_DATA };
        if kind != Some(OPERATIONS) {
            self.log_operation(code, now);
        }
        ex.say(Command::ACK_OK, out);
    }

    pub(super) fn set_time(&mut self, ex: Exchange, payload: &[u8], now: Instant, out: &mut Vec<Outgoing>) {
        let time = Reader::new(payload).u32().ok().and_then(|word| ClockWord(word).time().ok());
        if let Some(time) = time {
            self.clock = DeviceClock::showing(date_time(time), now);
            self.log_operation(Operation::SET_TIME, now);
        }
        ex.done(time.is_some(), out);
    }

    pub(super) fn log_operation(&mut self, code: u8, now: Instant) {
        // Old entries give way, as they do in a device's memory.
        if self.operations.rows().len() >= OPERATIONS_CEILING {
            self.operations.rows_mut().remove(0);
        }
        self.operations.push(Operation { code, time: self.clock.word(now) });
    }
}

/// The most entries of the operation log.
const OPERATIONS_CEILING: usize = 10_000;

impl Exchange {
    /// Done or failed.
    pub(super) fn done(self, done: bool, out: &mut Vec<Outgoing>) {
        self.say(if done { Command::ACK_OK } else { Command::ACK_ERROR }, out);
    }
}
