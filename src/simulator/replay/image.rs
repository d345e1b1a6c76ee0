//! A table as it was captured, put together from its chunks, for a client that asks for other chunks.

use std::collections::BTreeMap;

use super::{Exchange, Replay};
use crate::wire::bulk::Chunk;
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;

impl Replay {
    /// These bytes of what one request had prepared, as far as they were captured.
    pub(super) fn part_of(&self, prepared: usize, part: Chunk) -> Option<Vec<u8>> {
        let mut chunks: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for (_, exchange) in self.of_command(Command::DATA_RDY) {
            if exchange.prepared != Some(prepared) {
                continue;
            }
            let Ok(chunk) = Chunk::parse(&exchange.request.payload) else { continue };
            let bytes = exchange.data();
            if u32::try_from(bytes.len()) == Ok(chunk.size) {
                chunks.insert(chunk.start, bytes);
            }
        }
        let end = part.start.checked_add(part.size)?;
        let mut bytes = Vec::new();
        let mut at = part.start;
        while at < end {
            let (start, chunk) = chunks.range(..=at).next_back()?;
            let rest = chunk.get(usize::try_from(at - start).ok()?..).filter(|rest| !rest.is_empty())?;
            let wanted = usize::try_from(end - at).ok()?;
            let rest = rest.get(..wanted).unwrap_or(rest);
            bytes.extend_from_slice(rest);
            at += u32::try_from(rest.len()).ok()?;
        }
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }
}

impl Exchange {
    /// What its data packets carried.
    fn data(&self) -> Vec<u8> {
        let packets = self.answers.iter().filter(|answer| answer.command == Command::DATA);
        match self.carrier {
            Carrier::Tcp => packets.flat_map(|packet| packet.payload.iter().copied()).collect(),
            Carrier::Udp => {
                let numbered: BTreeMap<u16, _> =
                    packets.map(|packet| (packet.session, &packet.payload)).collect();
                numbered.into_values().flatten().copied().collect()
            }
        }
    }
}
