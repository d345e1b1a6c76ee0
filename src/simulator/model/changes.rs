//! Commands that change what a device keeps: what a fault does to them, and whether they were made effective.

use std::time::Instant;

use super::{DeviceModel, Effect, Exchange};
use crate::simulator::outgoing::Outgoing;
use crate::wire::command::Command;
use crate::wire::record::user::UserLayout;

/// What becomes of the next command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spoiled {
    /// It is carried out.
    #[default]
    No,
    /// It is acknowledged, and nothing happens.
    NotKept,
    /// Something else is kept than what was sent.
    KeptOtherwise,
    /// It is answered with this code, and nothing happens.
    Rejected(Command),
}

/// Whether a command changes what the device keeps.
pub(crate) fn is_change(request: Command) -> bool {
    is_of_data(request) || matches!(request, Command::OPTIONS_WRQ | Command::SET_TIME | Command::CLEAR_ATTLOG)
}

/// Whether a change becomes effective with `CMD_REFRESHDATA` only.
fn is_of_data(request: Command) -> bool {
    matches!(
        request,
        Command::USER_WRQ
            | Command::DELETE_USER
            | Command::DELETE_USERTEMP
            | Command::DELETE_FINGER
            | Command::CLEAR_ADMIN
            | Command::CLEAR_DATA
            | Command::USERGRP_WRQ
            | Command::USERTZ_WRQ
            | Command::GRPTZ_WRQ
            | Command::TZ_WRQ
            | Command::ULG_WRQ
            | Command::CLEAR_ACC
            | Command::VERIFY_WRQ
            | Command::SMS_WRQ
            | Command::DELETE_SMS
            | Command::UDATA_WRQ
            | Command::DELETE_UDATA
            | Command::TMP_WRITE
            | Command::SAVE_USERTEMPS
    )
}

impl DeviceModel {
    /// Answers a command of an authenticated session, unless a fault has other plans with it.
    pub(super) fn carry_out(
        &mut self,
        ex: Exchange,
        payload: &[u8],
        now: Instant,
        out: &mut Vec<Outgoing>,
    ) -> Effect {
        let changes = is_change(ex.request);
        match self.spoiled {
            Spoiled::Rejected(code) => {
                ex.say(code, out);
                return Effect::Nothing;
            }
            Spoiled::NotKept if changes => {
                ex.say(Command::ACK_OK, out);
                return Effect::Nothing;
            }
            Spoiled::KeptOtherwise if changes => {
                self.spoil_upload(ex);
                let payload = otherwise(ex.request, payload, self.traits.users);
                return self.answer(ex, &payload, now, out);
            }
            _ => {}
        }
        let effect = self.answer(ex, payload, now, out);
        let done = out.last().is_some_and(|answer| answer.command == Command::ACK_OK);
        self.unrefreshed += u64::from(done && is_of_data(ex.request));
        effect
    }
}

/// What is kept instead.
fn otherwise(request: Command, payload: &[u8], users: UserLayout) -> Vec<u8> {
    let mut kept = payload.to_vec();
    let at = match request {
        // The first letter of the name.
        Command::USER_WRQ if users == UserLayout::Compact => 8,
        Command::USER_WRQ => 11,
        // A group, a zone, the first digit of a text.
        Command::USERGRP_WRQ => 4,
        Command::USERTZ_WRQ => 8,
        Command::TZ_WRQ => 5,
        Command::SMS_WRQ => 11,
        Command::VERIFY_WRQ => 2,
        Command::OPTIONS_WRQ => payload.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1),
        Command::GRPTZ_WRQ | Command::ULG_WRQ => 1,
        // Some firmware knows one way to clear only: all of it.
        Command::CLEAR_DATA => return Vec::new(),
        // What was uploaded is spoiled, not what it is called; and half a deletion is none.
        _ => return kept,
    };
    if let Some(byte) = kept.get_mut(at) {
        *byte ^= 1;
    }
    kept
}
