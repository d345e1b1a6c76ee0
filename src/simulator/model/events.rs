//! What a device says unasked: what happens as it happens, to every session that registered for it.
//!
//! An event that is not acknowledged is sent once more, then given up. Events are never a substitute for the
//! log: every punch is in the log first.

use std::time::{Duration, Instant};

use super::{DeviceModel, Exchange, Player};
use crate::simulator::outgoing::{Body, Outgoing, Peer, Role};
use crate::wire::bytes::Reader;
use crate::wire::clock_word::PossibleTime;
use crate::wire::command::Command;
use crate::wire::event::{ATTLOG, FINGER};
use crate::wire::record::UserId;
use crate::wire::record::punch::Punch;

/// The most events waiting for an acknowledgement in one session; the oldest give way.
const PENDING_CEILING: usize = 32;

/// An event that was sent and may have to be sent again.
#[derive(Debug)]
pub(super) struct Pending {
    event: Outgoing,
    /// When it is sent again.
    due: Instant,
}

/// Somebody at the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified {
    pub(crate) user_id: UserId,
    pub(crate) punch_state: u8,
    pub(crate) verify_mode: u8,
}

impl DeviceModel {
    pub(super) fn register(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let mask = Reader::new(payload).u32().ok();
        if let (Some(mask), Some(session)) = (mask, self.sessions.get_mut(&ex.peer)) {
            session.mask = mask;
            if mask == 0 {
                session.unacknowledged.clear();
            }
        }
        ex.done(mask.is_some(), out);
    }

    pub(super) fn acknowledged(&mut self, peer: Peer) {
        let acknowledged = self.sessions.get_mut(&peer).and_then(|s| s.unacknowledged.pop_front());
        self.counters.event_acks += u64::from(acknowledged.is_some());
    }

    /// Somebody stands before the device and is verified: a record at the device's present. A full log loses its
    /// oldest records.
    pub(crate) fn record(&mut self, who: Verified, now: Instant) -> Punch {
        let Verified { user_id, punch_state, verify_mode } = who;
        let uid = self.uid_of(&user_id);
        let punch =
            Punch { user_id, uid, time: self.clock.word(now), punch_state, verify_mode, work_code: 0 };
        if self.punches.len() >= self.log_capacity {
            self.punches.drop_oldest(self.wrap_block.max(1));
        }
        self.punches.push(&punch);
        self.counters.punches += 1;
        punch
    }

    /// The payload that tells of a punch.
    pub(crate) fn told(&self, punch: &Punch) -> Vec<u8> {
        event_payload(self.traits.event, &self.named(punch))
    }

    /// Tells every session that registered for such events, after this long.
    pub(crate) fn tell(&mut self, code: u16, payload: &[u8], after: Duration, now: Instant) {
        for (peer, session) in &mut self.sessions {
            if session.mask & u32::from(code) == 0 {
                continue;
            }
            let (event, due) = (event(*peer, code, payload.to_vec()), now + after);
            if let Some(repeat) = self.event_repeat {
                if session.unacknowledged.len() >= PENDING_CEILING {
                    session.unacknowledged.pop_front();
                }
                session.unacknowledged.push_back(Pending { event: event.clone(), due: due + repeat });
            }
            self.untold.push(Pending { event, due });
        }
    }

    /// The events that are due: those not sent yet, and those that were not acknowledged in time.
    pub(crate) fn due_events(&mut self, now: Instant, out: &mut Vec<Outgoing>) {
        let before = out.len();
        if let Some(player) = &mut self.player {
            player.due_events(now, out);
        }
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.untold).into_iter().partition(|pending| pending.due <= now);
        self.untold = later;
        due.sort_by_key(|pending| pending.due);
        out.extend(due.into_iter().map(|pending| pending.event));
        for session in self.sessions.values_mut() {
            while session.unacknowledged.front().is_some_and(|pending| pending.due <= now) {
                out.extend(session.unacknowledged.pop_front().map(|pending| pending.event));
            }
        }
        for event in out.iter().skip(before) {
            self.counters.events += 1;
            self.counters.sent(Command::REG_EVENT, event.length());
        }
    }

    /// When [`DeviceModel::due_events`] has something to do.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        let waiting = self.sessions.values().filter_map(|session| session.unacknowledged.front());
        let own = waiting.chain(&self.untold).map(|pending| pending.due);
        own.chain(self.player.as_ref().and_then(Player::next_event)).min()
    }

    /// An event that tells nothing new: the last punch once more, or a finger if there is none.
    pub(crate) fn stray_event(&self, peer: Peer) -> Outgoing {
        match self.punches.last() {
            Some(punch) => event(peer, ATTLOG, self.told(&punch)),
            None => event(peer, FINGER, Vec::new()),
        }
    }

    /// The punch with both user id and uid, as far as the user table knows them.
    fn named(&self, punch: &Punch) -> Punch {
        let by_uid = |uid| self.users.rows().iter().find(|user| user.uid == uid).map(|user| user.user_id);
        match punch.uid {
            Some(uid) if punch.user_id.is_empty() => {
                Punch { user_id: by_uid(uid).unwrap_or_else(|| UserId::from_number(uid.into())), ..*punch }
            }
            None => Punch { uid: self.uid_of(&punch.user_id), ..*punch },
            Some(_) => *punch,
        }
    }

    fn uid_of(&self, user_id: &UserId) -> Option<u16> {
        self.users.rows().iter().find(|user| user.user_id == *user_id).map(|user| user.uid)
    }
}

fn event(peer: Peer, code: u16, payload: Vec<u8>) -> Outgoing {
    Outgoing {
        peer,
        role: Role::Event,
        command: Command::REG_EVENT,
        session: code,
        reply: 0,
        body: Body::Bytes(payload),
    }
}

/// A punch in the event layout of this many bytes.
fn event_payload(length: usize, punch: &Punch) -> Vec<u8> {
    let mut payload = match length {
        10 | 14 => punch.uid.unwrap_or_default().to_le_bytes().to_vec(),
        12 => punch.user_id.to_number().unwrap_or_default().to_le_bytes().to_vec(),
        _ => punch.user_id.field().to_vec(),
    };
    payload.extend_from_slice(&[punch.verify_mode, punch.punch_state]);
    payload.extend_from_slice(&punch.time.time().map_or([0, 1, 1, 0, 0, 0], PossibleTime::to_six));
    payload.resize(length, 0);
    payload
}
