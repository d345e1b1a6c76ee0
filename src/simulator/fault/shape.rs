//! Faults in the order, number and size of an answer's packets.

use std::sync::Arc;

use super::{Kind, Lie, Place};
use crate::simulator::outgoing::{Body, Outgoing, Role};
use crate::wire::bulk::Announcement;
use crate::wire::command::Command;

/// By how much a wrong total is wrong, in bytes.
const TOTAL_LIE: u32 = 40;
/// By how much a wrong count is wrong, in records.
const COUNT_LIE: u32 = 7;
/// The four-byte words of the free sizes that count records: users, templates, punches.
const COUNTS: [usize; 3] = [4, 6, 8];

/// Changes the packets as the fault says; kinds that are about something else change nothing.
pub(super) fn shape(kind: Kind, packets: &mut Vec<Outgoing>) {
    match kind {
        Kind::Truncate(missing) => truncate(packets, missing),
        Kind::MissingFragment => {
            let data: Vec<usize> = positions(packets, Role::Data);
            if let Some(position) = data.get(data.len() / 2) {
                packets.remove(*position);
            }
        }
        Kind::MissingAck => packets.retain(|packet| packet.role != Role::Closing),
        Kind::WrongTotal(lie) => announce(packets, |Announcement { total, fragment }| Announcement {
            total: lie.about(total, TOTAL_LIE),
            fragment,
        }),
        Kind::Fragments(most) => fragments(packets, most),
        Kind::BareData => {
            let bytes = data(packets);
            packets.retain(|packet| packet.role == Role::Announce);
            packets.truncate(1);
            for packet in packets {
                packet.role = Role::Data;
                packet.command = Command::DATA;
                packet.body = Body::Bytes(bytes.clone());
            }
        }
        Kind::DoublePrepare => {
            if let Some(position) = positions(packets, Role::Announce).first()
                && let Some(announcement) = packets.get(*position).cloned()
            {
                packets.insert(*position, announcement);
            }
        }
        Kind::EarlyAck => {
            let closing = positions(packets, Role::Closing);
            if let (Some(closing), Some(data)) = (closing.last(), positions(packets, Role::Data).last()) {
                let packet = packets.remove(*closing);
                packets.insert(*data, packet);
            }
        }
        Kind::LyingCounts(lie) => packets.iter_mut().for_each(|packet| lie_about_counts(packet, lie)),
        _ => {}
    }
}

/// Puts an event wherever the place says.
pub(super) fn stray_events(packets: &mut Vec<Outgoing>, place: Place, event: &Outgoing) {
    let answer = std::mem::take(packets);
    for (packet, index) in answer.into_iter().zip(0..) {
        let here = match packet.role {
            Role::Announce => matches!(place, Place::BeforeAnnounce | Place::BeforeReply),
            Role::Data => place == Place::BetweenData || (index == 0 && place == Place::BeforeReply),
            Role::Closing => place == Place::BeforeClosing,
            Role::Reply => place == Place::BeforeReply,
            Role::Event => continue,
        };
        if here || place == Place::Everywhere {
            packets.push(event.clone());
        }
        packets.push(packet);
    }
}

fn positions(packets: &[Outgoing], role: Role) -> Vec<usize> {
    packets.iter().zip(0..).filter(|(packet, _)| packet.role == role).map(|(_, index)| index).collect()
}

/// The bytes of all data packets.
fn data(packets: &[Outgoing]) -> Vec<u8> {
    let data = packets.iter().filter(|packet| packet.role == Role::Data);
    data.flat_map(|packet| packet.body.bytes().iter().copied()).collect()
}

fn announce(packets: &mut [Outgoing], change: impl Fn(Announcement) -> Announcement) {
    for packet in packets.iter_mut().filter(|packet| packet.role == Role::Announce) {
        if let Ok(announcement) = Announcement::parse(packet.body.bytes()) {
            let Announcement { total, fragment } = change(announcement);
            packet.body = Body::Bytes(Announcement::emit(total, fragment.unwrap_or_default()).to_vec());
        }
    }
}

/// Cuts the last bytes of a transfer off; its end tells how many really came.
fn truncate(packets: &mut Vec<Outgoing>, missing: usize) {
    let mut bytes = data(packets);
    bytes.truncate(bytes.len().saturating_sub(missing));
    let sent = (bytes.len() & 0xffff) as u16;
    let mut from = 0;
    packets.retain_mut(|packet| match packet.role {
        Role::Data => {
            let to = bytes.len().min(from + packet.body.bytes().len());
            packet.body = Body::Bytes(bytes.get(from..to).unwrap_or_default().to_vec());
            let keeps = to > from;
            from = to;
            keeps
        }
        Role::Closing => {
            packet.session = sent;
            true
        }
        _ => true,
    });
}

/// Cuts the data into smaller packets, and says so in the announcement.
fn fragments(packets: &mut Vec<Outgoing>, most: usize) {
    let image = Arc::new(data(packets));
    let Some(first) = packets.iter().find(|packet| packet.role == Role::Data).cloned() else { return };
    let Some(position) = positions(packets, Role::Data).first().copied() else { return };
    packets.retain(|packet| packet.role != Role::Data);
    let starts = (0..image.len()).step_by(most.max(1));
    let data = starts.zip(0u32..).map(|(from, index)| Outgoing {
        session: (index & 0xffff) as u16,
        body: Body::Image { image: Arc::clone(&image), from, to: image.len().min(from.saturating_add(most)) },
        ..first.clone()
    });
    packets.splice(position..position, data);
    let fragment = u32::try_from(most).ok();
    announce(packets, |Announcement { total, .. }| Announcement { total, fragment });
}

fn lie_about_counts(packet: &mut Outgoing, lie: Lie) {
    let mut payload = packet.body.bytes().to_vec();
    let (words, _) = payload.as_chunks_mut::<4>();
    for index in COUNTS {
        if let Some(word) = words.get_mut(index) {
            *word = lie.about(u32::from_le_bytes(*word), COUNT_LIE).to_le_bytes();
        }
    }
    packet.body = Body::Bytes(payload);
}
