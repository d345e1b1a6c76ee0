//! Somebody punches: the record that is made of it, and what goes wrong with the news.

use std::time::{Duration, Instant};

use super::armed::{Faults, reaches};
use super::{Fault, Kind};
use crate::simulator::model::{DeviceModel, Verified};
use crate::wire::command::Command;
use crate::wire::event::ATTLOG;
use crate::wire::record::UserId;
use crate::wire::record::punch::Punch;

/// A payload of a length that no firmware is known to send.
const GARBAGE: [u8; 21] = *b"\xfe\xed\x00\x01garbage\x00\xff\xff\x00\x00garb\x00";

impl Faults {
    /// Somebody is verified. The record is made in any case; what is told of it is another matter.
    pub(crate) fn punch(&mut self, who: Verified, model: &mut DeviceModel, now: Instant) -> Punch {
        let punch = model.record(who, now);
        let (mut told, mut lost, mut garbage) = (punch, false, false);
        let (mut times, mut after, mut together) = (1, Duration::ZERO, 0);
        for armed in &mut self.armed {
            let kind = armed.fault.kind;
            if !kind.is_about_events() || !reaches(armed.fault.scope, Command::REG_EVENT) || !armed.strikes()
            {
                continue;
            }
            model.counters_mut().faults += 1;
            match kind {
                Kind::EventLost => lost = true,
                Kind::EventTwice => times = 2,
                Kind::EventLate(time) => after = time,
                Kind::EventGarbage => garbage = true,
                Kind::EventAbbreviated => {
                    told = Punch { verify_mode: 0, punch_state: u8::MAX, ..told };
                }
                Kind::EventBatch(count) => together = count,
                _ => {}
            }
        }
        if lost {
            return punch;
        }
        let payload = if garbage { GARBAGE.to_vec() } else { model.told(&told) };
        self.batch.push(payload);
        if self.batch.len() >= together {
            let payload = std::mem::take(&mut self.batch).concat();
            (0..times).for_each(|_| model.tell(ATTLOG, &payload, after, now));
        }
        punch
    }

    /// People who punch in the moment of a request, before or after it is carried out. They had begun, so that a
    /// disabled device records them too.
    pub(crate) fn intrude(&mut self, request: Command, after: bool, model: &mut DeviceModel, now: Instant) {
        let here =
            |Fault { kind, scope, .. }: &Fault| *kind == Kind::Punch { after } && reaches(*scope, request);
        let people = self
            .armed
            .iter_mut()
            .filter(|armed| here(&armed.fault))
            .filter_map(|armed| armed.strikes().then_some(()));
        for () in people.collect::<Vec<_>>() {
            let users = model.users();
            let somebody = users.get(self.rng.usize(0..users.len().max(1))).map(|user| user.user_id);
            let user_id = somebody.unwrap_or_else(|| UserId::from_number(1001));
            model.counters_mut().faults += 1;
            self.punch(Verified { user_id, punch_state: 0, verify_mode: 1 }, model, now);
        }
    }
}
