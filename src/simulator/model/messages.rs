//! Short messages and whom they are for.

use std::collections::{BTreeMap, BTreeSet};

use super::{DeviceModel, Exchange};
use crate::simulator::outgoing::Outgoing;
use crate::wire::bytes::Reader;
use crate::wire::command::Command;
use crate::wire::message::ShortMessage;

#[derive(Debug, Default)]
pub(super) struct Messages {
    by_id: BTreeMap<u16, ShortMessage>,
    /// Person and message.
    given: BTreeSet<(u16, u16)>,
}

/// The most messages on a device.
const ROOM: usize = 1024;

impl DeviceModel {
    pub(super) fn messages(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let Messages { by_id, given } = &mut self.messages;
        let mut reader = Reader::new(payload);
        let first = reader.u16().unwrap_or_default();
        let done = match ex.request {
            Command::SMS_WRQ => match ShortMessage::parse(payload) {
                Ok(message) if by_id.len() < ROOM => {
                    by_id.insert(message.id, message);
                    true
                }
                _ => false,
            },
            Command::SMS_RRQ => match by_id.get(&first) {
                Some(message) => return ex.give(message.emit(), out),
                None => false,
            },
            Command::DELETE_SMS => {
                given.retain(|(_, message)| *message != first);
                by_id.remove(&first).is_some()
            }
            Command::UDATA_WRQ => match reader.u16() {
                Ok(id) if by_id.contains_key(&id) && given.len() < ROOM => {
                    given.insert((first, id));
                    true
                }
                _ => false,
            },
            _ => reader.u16().is_ok_and(|id| given.remove(&(first, id))),
        };
        ex.done(done, out);
    }

    pub(crate) fn given_messages(&self) -> Vec<(u16, u16)> {
        self.messages.given.iter().copied().collect()
    }
}
