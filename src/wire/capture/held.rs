//! A table with secrets in it, while it comes: its packets are held until all of it is here, because only then it
//! is known which bytes are the secrets. What cannot be proved complete is hidden whole.

use std::collections::{BTreeMap, HashMap};

use super::Frame;
use super::classes::Kind;
use super::secrets::{Secret, secrets_of_templates, secrets_of_users};
use crate::wire::carrier::Carrier;

/// A table that is being read.
#[derive(Debug)]
pub(super) struct TableRead {
    pub(super) kind: Kind,
    /// What the device said that it has in its transfer buffer, in bytes.
    pub(super) total: Option<u32>,
    /// The answers that brought it.
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    /// Where in the table its first byte belongs.
    start: u32,
    /// How many bytes it has, if that was announced or asked for.
    size: Option<u32>,
    /// Its data packets, by their place among the packets held.
    parts: Vec<usize>,
}

impl TableRead {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind, total: None, answers: Vec::new() }
    }

    /// Something is asked for that belongs here in the table.
    pub(super) fn ask(&mut self, start: u32, size: Option<u32>) {
        self.answers.push(Answer { start, size, parts: Vec::new() });
    }

    /// The answer is announced to have this size. Over a stream a second announcement counts instead of the first
    /// and of what came after it.
    pub(super) fn announce(&mut self, total: u32, carrier: Carrier) {
        if let Some(answer) = self.answers.last_mut() {
            answer.size = Some(total);
            if carrier == Carrier::Tcp {
                answer.parts.clear();
            }
        }
    }

    /// A data packet came, which is held in this place.
    pub(super) fn take(&mut self, place: usize) {
        if let Some(answer) = self.answers.last_mut() {
            answer.parts.push(place);
        }
    }

    /// Where the packets belong in the table, and where its secrets are; `None` when it is not proved complete.
    pub(super) fn settle<'f>(
        &self,
        frame: impl Fn(usize) -> Option<&'f Frame>,
        carrier: Carrier,
        users: Option<u32>,
    ) -> Option<(HashMap<usize, usize>, Vec<Secret>)> {
        let mut places: HashMap<usize, usize> = HashMap::new();
        let mut covered: Vec<(usize, Vec<usize>)> = Vec::new();
        for answer in &self.answers {
            let Some((start, parts, copies)) = answer.order(&frame, carrier) else { continue };
            let mut at = start;
            for part in &parts {
                places.insert(*part, at);
                at += frame(*part)?.payload.len();
            }
            for (copy, of) in copies {
                places.insert(copy, *places.get(&of)?);
            }
            covered.push((start, parts));
        }
        covered.sort_by_key(|(start, _)| *start);
        let mut image = Vec::new();
        for (start, parts) in covered {
            if start > image.len() {
                return None;
            }
            // The same bytes asked for once more.
            image.truncate(start);
            for part in parts {
                image.extend_from_slice(&frame(part)?.payload);
            }
        }
        let whole = self.total.is_none_or(|total| usize::try_from(total) == Ok(image.len()));
        if !whole {
            return None;
        }
        let secrets = match self.kind {
            Kind::Users => secrets_of_users(&image, users)?,
            Kind::Templates => secrets_of_templates(&image)?,
            Kind::Harmless | Kind::Unknown => return None,
        };
        Some((places, secrets))
    }
}

impl Answer {
    /// Where it begins, its parts in order, and which others are copies of one of them; `None` when it is not whole.
    #[expect(clippy::type_complexity, reason = "it is named where it is used, three lines up")]
    fn order<'f>(
        &self,
        frame: &impl Fn(usize) -> Option<&'f Frame>,
        carrier: Carrier,
    ) -> Option<(usize, Vec<usize>, Vec<(usize, usize)>)> {
        let (mut parts, mut copies) = (self.parts.clone(), Vec::new());
        if carrier == Carrier::Udp {
            // Datagrams carry their number; they come doubled and out of order.
            let mut numbered: BTreeMap<u16, usize> = BTreeMap::new();
            for part in &self.parts {
                let this = frame(*part)?;
                match numbered.get(&this.session) {
                    Some(first) if frame(*first)?.payload == this.payload => copies.push((*part, *first)),
                    Some(_) => return None,
                    None => drop(numbered.insert(this.session, *part)),
                }
            }
            parts = numbered.into_values().collect();
        }
        let mut sum = 0;
        for part in &parts {
            sum += frame(*part)?.payload.len();
        }
        let whole = self.size.is_none_or(|size| usize::try_from(size) == Ok(sum)) && sum > 0;
        whole.then_some((usize::try_from(self.start).ok()?, parts, copies))
    }
}

/// Hides what is secret in a packet that begins at `at` in its table.
pub(super) fn hide_part(frame: &mut Frame, at: usize, secrets: &[Secret]) {
    let end = at + frame.payload.len();
    let first = secrets.partition_point(|secret| secret.range.end <= at);
    for Secret { range, with } in secrets.iter().skip(first).take_while(|secret| secret.range.start < end) {
        frame.overwrite(range.start.saturating_sub(at)..range.end.min(end) - at, *with);
    }
}
