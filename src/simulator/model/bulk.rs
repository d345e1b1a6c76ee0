//! Tables as they travel: reads through the transfer buffer or directly, and uploads.
//!
//! A buffer is a snapshot of the image when it was asked for; what changes afterwards is in the next one.

use std::sync::Arc;

use super::{DeviceModel, Exchange, Session};
use crate::simulator::fault::warp;
use crate::simulator::outgoing::{Body, Outgoing, Role};
use crate::simulator::tables::{Person, Template};
use crate::wire::bulk::{self, Announcement, Chunk, FRAGMENT_UDP};
use crate::wire::bytes::Reader;
use crate::wire::checksum::folded_sum;
use crate::wire::command::Command;
use crate::wire::record::user::UserLayout;

/// The most bytes taken in one upload.
const UPLOAD_CEILING: usize = 16 << 20;

/// What a client is sending.
#[derive(Debug)]
pub(super) enum Upload {
    /// Nothing.
    None,
    /// This much of `total` has come.
    Running { total: usize, bytes: Vec<u8> },
    /// All of it.
    Whole(Vec<u8>),
}

impl DeviceModel {
    /// `CMD_DATA_WRRQ`: small tables at once, others into the buffer.
    pub(super) fn prepare(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let table = bulk::Table::parse(payload).ok();
        let Some(image) = table.and_then(|table| self.image(table)) else {
            ex.say(Command::ACK_ERROR, out);
            return;
        };
        if image.len() <= 4 && table == Some(bulk::Table::ATTENDANCE) {
            self.empty_log(ex, out);
        } else if image.len() <= self.direct_limit {
            let to = image.len();
            out.push(Outgoing {
                role: Role::Data,
                ..ex.packet(Command::DATA, ex.session, Body::Image { image, from: 0, to })
            });
        } else {
            let size = u32::try_from(image.len()).unwrap_or(u32::MAX);
            ex.give(bulk::buffered_reply(size, size ^ 0x5a5a_0000).to_vec(), out);
            if let Some(session) = self.sessions.get_mut(&ex.peer) {
                session.buffer = Some(image);
            }
        }
    }

    /// `CMD_DATA_RDY`: a part of the buffer.
    pub(super) fn read_chunk(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let buffer = self.sessions.get(&ex.peer).and_then(|session| session.buffer.clone());
        let inside = buffer.zip(Chunk::parse(payload).ok()).and_then(|(image, Chunk { start, size })| {
            let from = usize::try_from(start).ok()?;
            let to = from.checked_add(usize::try_from(size).ok()?)?;
            (from < to && to <= image.len()).then_some((image, from, to))
        });
        match inside {
            Some((image, from, to)) => self.transfer(ex, &image, from, to, out),
            None => ex.say(Command::ACK_ERROR, out),
        }
    }

    pub(super) fn free(&mut self, ex: Exchange, out: &mut Vec<Outgoing>) {
        if let Some(session) = self.sessions.get_mut(&ex.peer) {
            session.buffer = None;
            session.upload = Upload::None;
        }
        ex.say(Command::ACK_OK, out);
    }

    /// The direct forms: a whole table, or one template, without the buffer.
    pub(super) fn read_direct(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        if ex.request == Command::TEMPLATE_RRQ || (ex.request == Command::USERTEMP_RRQ && payload.len() >= 3)
        {
            self.read_template(ex, payload, out);
            return;
        }
        let fct = payload.first().copied().map_or(0, i32::from);
        let table = match ex.request {
            Command::USERTEMP_RRQ => bulk::Table::USERS,
            Command::ATTLOG_RRQ => bulk::Table::ATTENDANCE,
            Command::OPLOG_RRQ => bulk::Table::OPERATIONS,
            _ => bulk::Table { command: ex.request, fct },
        };
        let Some(mut image) = self.image(table) else {
            ex.say(Command::ACK_ERROR, out);
            return;
        };
        if table == bulk::Table::ATTENDANCE {
            if image.len() <= 4 {
                self.empty_log(ex, out);
                return;
            }
            if self.traits.stale_direct_log && !ex.peer.is_udp() {
                image = Arc::new(warp::stale(&image));
            }
        }
        self.transfer(ex, &image, 0, image.len(), out);
    }

    fn read_template(&self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let mut reader = Reader::new(payload);
        let (uid, finger) = (reader.u16().ok(), reader.u8().ok());
        let known = |template: &&Template| Some(template.uid) == uid && Some(template.finger) == finger;
        let Some(template) = self.templates.rows().iter().find(known) else {
            ex.say(if self.traits.counts { Command::ACK_ERROR } else { Command::ERR_READ }, out);
            return;
        };
        let mut bytes = template.bytes.clone();
        if ex.request == Command::TEMPLATE_RRQ {
            // One byte more than the template; clients cut it off.
            bytes.push(template.flag);
        }
        let length = bytes.len();
        self.transfer(ex, &Arc::new(bytes), 0, length, out);
    }

    /// Announcement, fragments, closing acknowledgement.
    fn transfer(&self, ex: Exchange, image: &Arc<Vec<u8>>, from: usize, to: usize, out: &mut Vec<Outgoing>) {
        let udp = usize::try_from(FRAGMENT_UDP).unwrap_or(usize::MAX);
        let fragment = match ex.request {
            _ if ex.peer.is_udp() => udp,
            Command::DATA_RDY => self.traits.chunk_fragment,
            _ => self.traits.fragment,
        };
        let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let announcement = Announcement::emit(word(to - from), word(fragment)).to_vec();
        let announcement = Outgoing {
            role: Role::Announce,
            ..ex.packet(Command::PREPARE_DATA, ex.session, Body::Bytes(announcement))
        };
        if self.traits.double_announcement {
            out.push(announcement.clone());
        }
        out.push(announcement);
        let starts = (from..to).step_by(fragment.max(1));
        out.extend(starts.zip(0u32..).map(|(start, index)| {
            let part = Body::Image {
                image: Arc::clone(image),
                from: start,
                to: to.min(start.saturating_add(fragment)),
            };
            // The index has sixteen bits and starts again.
            Outgoing { role: Role::Data, ..ex.packet(Command::DATA, (index & 0xffff) as u16, part) }
        }));
        let sent = ((to - from) & 0xffff) as u16;
        out.push(Outgoing {
            role: Role::Closing,
            ..ex.packet(Command::ACK_OK, sent, Body::Bytes(Vec::new()))
        });
    }

    fn empty_log(&self, ex: Exchange, out: &mut Vec<Outgoing>) {
        // Captured: an empty log is answered with session 0.
        out.push(ex.packet(self.traits.empty_log, 0, Body::Bytes(Vec::new())));
    }

    /// The image of a table, or `None` when there is no such table.
    fn image(&self, table: bulk::Table) -> Option<Arc<Vec<u8>>> {
        let (image, stride) = match (table.command, table.fct) {
            (Command::USERTEMP_RRQ, _) | (Command::DB_RRQ, 5) => {
                (self.users.image(), self.traits.users.stride())
            }
            (Command::ATTLOG_RRQ, _) | (Command::DB_RRQ, 1) => {
                (self.punches.image(), self.traits.punches.stride())
            }
            (Command::DB_RRQ, 2) => (self.templates.image(), 0),
            (Command::OPLOG_RRQ, _) | (Command::DB_RRQ, 4) => (self.operations.image(), 16),
            (Command::DB_RRQ, 6..=8) => (Arc::new(vec![0; 4]), 0),
            _ => return None,
        };
        if self.warps.is_empty() {
            return Some(image);
        }
        let kind = match table.command {
            Command::USERTEMP_RRQ => warp::Kind::Users,
            Command::ATTLOG_RRQ => warp::Kind::Punches,
            _ => warp::Kind::Other,
        };
        Some(Arc::new(warp::apply(&self.warps, kind, stride, image.to_vec())))
    }

    pub(super) fn begin_upload(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let total = Reader::new(payload).u32().ok().and_then(|total| usize::try_from(total).ok());
        let total = total.filter(|total| (1..=UPLOAD_CEILING).contains(total));
        if let (Some(total), Some(session)) = (total, self.sessions.get_mut(&ex.peer)) {
            // The memory grows with what comes, not with what is announced.
            session.upload = Upload::Running { total, bytes: Vec::new() };
        }
        ex.done(total.is_some(), out);
    }

    pub(super) fn continue_upload(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let Some(session) = self.sessions.get_mut(&ex.peer) else { return };
        let mut done = false;
        if let Upload::Running { total, bytes } = &mut session.upload
            && bytes.len() + payload.len() <= *total
        {
            bytes.extend_from_slice(payload);
            done = true;
            if bytes.len() == *total {
                session.upload = Upload::Whole(std::mem::take(bytes));
            }
        }
        ex.done(done, out);
    }

    pub(super) fn upload_checksum(&self, ex: Exchange, out: &mut Vec<Outgoing>) {
        match self.sessions.get(&ex.peer).map(|session| &session.upload) {
            Some(Upload::Whole(bytes)) => ex.give(u32::from(folded_sum(bytes)).to_le_bytes().to_vec(), out),
            _ => ex.say(Command::ACK_ERROR, out),
        }
    }

    /// `CMD_TMP_WRITE`: what was uploaded is one template.
    pub(super) fn store_template(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let mut reader = Reader::new(payload);
        let named = (reader.u16(), reader.u8(), reader.u8(), reader.u16());
        let done = match (named, self.uploaded(ex)) {
            ((Ok(uid), Ok(finger @ 0..=9), Ok(flag), Ok(size)), Some(mut bytes)) => {
                bytes.truncate(usize::from(size));
                let known = self.users.rows().iter().any(|user| user.uid == uid);
                known && self.put_template(Template { uid, finger, flag, bytes })
            }
            _ => false,
        };
        ex.done(done, out);
    }

    /// What was uploaded is a block of users with their templates.
    pub(super) fn store_users(&mut self, ex: Exchange, out: &mut Vec<Outgoing>) {
        let block = self.uploaded(ex).and_then(|bytes| Block::parse(&bytes, self.traits.users));
        let done = block.is_some_and(|block| {
            block.users.into_iter().all(|user| self.put_person(user))
                && block.templates.into_iter().all(|template| self.put_template(template))
        });
        ex.done(done, out);
    }

    /// The last byte of what was uploaded becomes another one.
    pub(super) fn spoil_upload(&mut self, ex: Exchange) {
        if let Some(Session { upload: Upload::Whole(bytes), .. }) = self.sessions.get_mut(&ex.peer)
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
        }
    }

    fn uploaded(&mut self, ex: Exchange) -> Option<Vec<u8>> {
        let session = self.sessions.get_mut(&ex.peer)?;
        match &session.upload {
            Upload::Whole(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

/// Users and templates in one upload.
struct Block {
    users: Vec<Person>,
    templates: Vec<Template>,
}

impl Block {
    /// What stands before each user and each entry of the table.
    const MARK: u8 = 2;

    fn parse(bytes: &[u8], layout: UserLayout) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut length = || reader.u32().ok().and_then(|length| usize::try_from(length).ok());
        let (users, table, templates) = (length()?, length()?, length()?);
        let users = reader.take(users).ok()?;
        let table = reader.take(table).ok()?;
        let templates = reader.take(templates).ok()?;
        let users = marked(users, layout.stride())?
            .map(|record| Person::read(record, layout).filter(|person| person.uid != 0))
            .collect::<Option<Vec<_>>>()?;
        let templates = marked(table, 7)?
            .map(|entry| {
                let mut entry = Reader::new(entry);
                let uid = entry.u16().ok()?;
                let finger = entry.u8().ok()?.checked_sub(0x10).filter(|finger| *finger <= 9)?;
                let offset = usize::try_from(entry.u32().ok()?).ok()?;
                let mut from = Reader::new(templates.get(offset..)?);
                let size = usize::from(from.u16().ok()?);
                Some(Template { uid, finger, flag: 1, bytes: from.take(size).ok()?.to_vec() })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { users, templates })
    }
}

/// The entries of `size` bytes, each behind its mark; `None` when they are not that.
fn marked(bytes: &[u8], size: usize) -> Option<impl Iterator<Item = &[u8]>> {
    let entries = bytes.chunks_exact(size + 1);
    let whole = entries.remainder().is_empty();
    let good = entries.clone().all(|entry| entry.first() == Some(&Block::MARK));
    (whole && good).then(|| entries.filter_map(|entry| entry.get(1..)))
}
