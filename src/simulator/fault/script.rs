//! What a connection is told to do: packets and faults made into bytes, pauses and ends.

use std::time::Duration;

use fastrand::Rng;

use super::Kind;
use crate::simulator::outgoing::Outgoing;

/// One step of a script.
#[derive(Debug)]
pub(crate) enum Step {
    /// Bytes, in one piece.
    Send(Vec<u8>),
    /// Bytes in pieces: of exactly `most` bytes or of 1 to `most`, with a pause after each.
    Pieces { bytes: Vec<u8>, at: usize, most: usize, exact: bool, pause: Duration, rng: Rng },
    /// A pause.
    Wait(Duration),
    /// The end of the stream, in order.
    Fin,
    /// A reset.
    Rst,
    /// Silence from here on.
    Mute,
    /// The device restarts.
    Reboot(Duration),
}

impl Step {
    /// Bytes that it sends.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Send(bytes) | Self::Pieces { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

/// A packet and what strikes at it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) packet: Outgoing,
    pub(super) faults: Vec<Kind>,
}

/// How the bytes of an answer are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// As much at once as possible.
    Whole,
    /// Into pieces of at most so many bytes.
    Split(usize),
    /// Into single bytes with a pause after each.
    Drip(Duration),
}

/// How an answer ends before its end.
#[derive(Clone, Copy, Debug)]
enum End {
    Fin,
    Rst,
    Reboot(Duration),
}

/// Bytes at both ends of a split answer between whose pieces the sender pauses, so that the pieces arrive apart:
/// the headers are there.
const APART: usize = 40;
const PAUSE: Duration = Duration::from_millis(1);

/// Makes the script.
pub(super) fn assemble(
    frames: Vec<Frame>,
    stream: Stream,
    datagrams: &[Kind],
    udp: bool,
    rng: &mut Rng,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut end: Option<(Option<usize>, End)> = None;
    // From the packet at which the end struck on, bytes are held back until it is known how many of them go out.
    let mut held: Vec<Vec<u8>> = Vec::new();
    for frame in frames {
        if frame.faults.contains(&Kind::Silent) {
            steps.push(Step::Mute);
            break;
        }
        if frame.faults.contains(&Kind::Swallow) {
            continue;
        }
        for fault in &frame.faults {
            match *fault {
                Kind::Delay(pause) => steps.push(Step::Wait(pause)),
                Kind::Close(after) => end = end.or(Some((after, End::Fin))),
                Kind::Rst(after) => end = end.or(Some((after, End::Rst))),
                Kind::Reboot(away) => end = end.or(Some((None, End::Reboot(away)))),
                _ => {}
            }
        }
        let bytes = bytes_of(&frame, udp);
        if end.is_some() { held.push(bytes) } else { steps.push(Step::Send(bytes)) }
    }
    if let Some((after, end)) = end {
        cut(&mut steps, held, after, udp);
        steps.push(match end {
            End::Fin => Step::Fin,
            End::Rst => Step::Rst,
            End::Reboot(away) => Step::Reboot(away),
        });
    }
    if udp { disturb(steps, stream, datagrams, rng) } else { cut_stream(join(steps), stream, rng) }
}

/// The packet's bytes, with whatever is wrong with its header.
fn bytes_of(frame: &Frame, udp: bool) -> Vec<u8> {
    let wrong = |kind| frame.faults.contains(&kind);
    let mut packet = frame.packet.clone();
    if wrong(Kind::WrongReply) {
        packet.reply = packet.reply.wrapping_add(1000);
    }
    let mut bytes = packet.to_bytes();
    let header = if udp { 0 } else { crate::wire::frame::PREFIX };
    if wrong(Kind::WrongChecksum)
        && let Some(byte) = bytes.get_mut(header + 2)
    {
        *byte ^= 0x55;
    }
    for (kind, declared) in
        [(Kind::Oversize { tiny: false }, 0x8000_0000u32), (Kind::Oversize { tiny: true }, 7)]
    {
        if wrong(kind) {
            for (to, from) in bytes.iter_mut().skip(4).zip(declared.to_le_bytes()) {
                *to = from;
            }
        }
    }
    bytes
}

/// Sends the first `after` bytes of what was held back, or half of it; over UDP, whole datagrams only.
fn cut(steps: &mut Vec<Step>, held: Vec<Vec<u8>>, after: Option<usize>, udp: bool) {
    let total: usize = held.iter().map(Vec::len).sum();
    let mut left = after.unwrap_or(total / 2);
    for mut bytes in held {
        if bytes.len() > left && udp {
            return;
        }
        bytes.truncate(left);
        left -= bytes.len();
        if !bytes.is_empty() {
            steps.push(Step::Send(bytes));
        }
    }
}

/// Neighbouring sends become one.
fn join(steps: Vec<Step>) -> Vec<Step> {
    let mut joined: Vec<Step> = Vec::new();
    for step in steps {
        match (joined.last_mut(), step) {
            (Some(Step::Send(before)), Step::Send(bytes)) => before.extend_from_slice(&bytes),
            (_, step) => joined.push(step),
        }
    }
    joined
}

fn cut_stream(steps: Vec<Step>, stream: Stream, rng: &mut Rng) -> Vec<Step> {
    let mut pieces = |bytes: Vec<u8>, most, exact, pause| Step::Pieces {
        bytes,
        at: 0,
        most,
        exact,
        pause,
        rng: rng.fork(),
    };
    let mut cut = Vec::new();
    for step in steps {
        match (step, stream) {
            (Step::Send(bytes), Stream::Drip(pause)) => cut.push(pieces(bytes, 1, true, pause)),
            (Step::Send(mut head), Stream::Split(most)) => {
                let mut middle = head.split_off(APART.min(head.len()));
                let tail = middle.split_off(middle.len().saturating_sub(APART));
                cut.push(pieces(head, most, false, PAUSE));
                for (bytes, pause) in [(middle, Duration::ZERO), (tail, PAUSE)] {
                    if !bytes.is_empty() {
                        cut.push(pieces(bytes, most, false, pause));
                    }
                }
            }
            (step, _) => cut.push(step),
        }
    }
    cut
}

/// What happens to datagrams on the way.
fn disturb(steps: Vec<Step>, stream: Stream, datagrams: &[Kind], rng: &mut Rng) -> Vec<Step> {
    let mut steps = steps;
    for kind in datagrams {
        match *kind {
            Kind::UdpDrop(percent) => {
                steps.retain(|step| !matches!(step, Step::Send(_)) || rng.u8(0..100) >= percent);
            }
            Kind::UdpDuplicate => {
                steps = steps
                    .into_iter()
                    .flat_map(|step| match step {
                        Step::Send(bytes) => vec![Step::Send(bytes.clone()), Step::Send(bytes)],
                        step => vec![step],
                    })
                    .collect();
            }
            Kind::UdpReorder => {
                // Only datagrams change places: pauses and ends stay where they are.
                let mut order: Vec<Vec<u8>> = Vec::new();
                for step in &mut steps {
                    if let Step::Send(bytes) = step {
                        order.push(std::mem::take(bytes));
                    }
                }
                let before = order.clone();
                rng.shuffle(&mut order);
                if order == before {
                    order.reverse();
                }
                let mut order = order.into_iter();
                for step in &mut steps {
                    if let Step::Send(bytes) = step {
                        *bytes = order.next().unwrap_or_default();
                    }
                }
            }
            _ => {}
        }
    }
    match stream {
        Stream::Drip(pause) => steps.into_iter().flat_map(|step| [Step::Wait(pause), step]).collect(),
        Stream::Whole | Stream::Split(_) => steps,
    }
}
