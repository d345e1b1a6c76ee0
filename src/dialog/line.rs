//! The numbering of one session: which reply belongs to which request, and what belongs to none.
//!
//! Replies are matched by the reply field alone; the session field of a packet from a device is often something
//! else. Reply ids run 0 to 65534 and then start again at 0; 65535 is never sent.

use std::collections::VecDeque;

use super::Request;
use crate::wire::command::Command;
use crate::wire::event::Event;
use crate::wire::packet::Packet;

/// How many events are set aside for whoever is interested; older ones give way and are counted.
pub const EVENTS_KEPT: usize = 64;
/// How many consecutive packets may belong to no request before a stream counts as out of step.
const STRAYS_ALLOWED: u32 = 3;

/// One session's side of the line.
#[derive(Debug)]
pub struct Line {
    session: u16,
    /// The number of the next request.
    next: u16,
    /// The number of the last request, if one was made.
    asked: Option<u16>,
    matching: Matching,
    strays: u32,
    events: VecDeque<Event>,
    events_lost: u64,
}

/// Whether a reply must carry the number of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// It must.
    #[default]
    Strict,
    /// The next packet that is no event counts, for firmware that echoes wrongly.
    Lenient,
}

/// What a packet is to this session.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Part of the answer to the last request.
    Reply,
    /// An event: set aside, and to be acknowledged.
    Event,
    /// An answer to something else, to be ignored.
    Stray,
    /// One stray too many.
    OutOfStep,
}

impl Line {
    /// A line without a session yet.
    #[must_use]
    pub fn new(matching: Matching) -> Self {
        Self {
            session: 0,
            next: 0,
            asked: None,
            matching,
            strays: 0,
            events: VecDeque::new(),
            events_lost: 0,
        }
    }

    /// The session id that the device assigned; 0 before.
    #[must_use]
    pub const fn session(&self) -> u16 {
        self.session
    }

    /// Numbers a request.
    pub fn number<'r>(&mut self, request: &'r Request) -> Packet<'r> {
        if request.command == Command::CONNECT {
            // A new session begins with number 0, and so does a repetition of a CMD_CONNECT that was lost.
            (self.session, self.next) = (0, 0);
        }
        let reply = self.next;
        self.next = if reply == u16::MAX - 1 { 0 } else { reply + 1 };
        self.asked = Some(reply);
        self.strays = 0;
        Packet { command: request.command, session: self.session, reply, payload: &request.payload }
    }

    /// Says what a packet is. The answer to `CMD_CONNECT` brings the session id.
    pub fn hear(&mut self, packet: &Packet<'_>) -> Heard {
        if packet.command == Command::REG_EVENT {
            Event::each(packet).for_each(|event| self.set_aside(event));
            return Heard::Event;
        }
        let belongs = match self.matching {
            Matching::Strict => self.asked == Some(packet.reply),
            Matching::Lenient => self.asked.is_some(),
        };
        if belongs {
            self.strays = 0;
            return Heard::Reply;
        }
        self.strays += 1;
        if self.strays > STRAYS_ALLOWED { Heard::OutOfStep } else { Heard::Stray }
    }

    /// Takes over the session id from the answer to `CMD_CONNECT`.
    pub fn assign(&mut self, session: u16) {
        self.session = session;
    }

    /// What acknowledges an event.
    #[must_use]
    pub const fn acknowledgement(&self) -> Packet<'static> {
        Packet { command: Command::ACK_OK, session: self.session, reply: 0, payload: &[] }
    }

    /// The events set aside since the last call, oldest first, and how many had to give way.
    pub fn take_events(&mut self) -> (Vec<Event>, u64) {
        (self.events.drain(..).collect(), std::mem::take(&mut self.events_lost))
    }

    /// Those of the events set aside that are wanted here, oldest first; the others stay.
    pub fn take_events_that(&mut self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let (taken, left): (Vec<_>, Vec<_>) = self.events.drain(..).partition(|event| wanted(event));
        self.events.extend(left);
        taken
    }

    fn set_aside(&mut self, event: Event) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
            self.events_lost += 1;
        }
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(number: u16) -> Packet<'static> {
        Packet { command: Command::ACK_OK, session: 0x1234, reply: number, payload: &[] }
    }

    #[test]
    fn numbers_skip_65535_and_start_again_at_0() {
        let mut line = Line::new(Matching::Strict);
        let ask = Request::bare(Command::GET_TIME);
        line.next = u16::MAX - 1;
        assert_eq!(line.number(&ask).reply, 65534);
        assert_eq!(line.number(&ask).reply, 0);
        assert_eq!(line.number(&ask).reply, 1);
    }

    #[test]
    fn a_reply_is_matched_by_its_number_and_by_nothing_else() {
        let mut line = Line::new(Matching::Strict);
        line.number(&Request::bare(Command::CONNECT));
        line.assign(7);
        line.number(&Request::bare(Command::GET_TIME));
        assert_eq!(line.hear(&reply(0)), Heard::Stray, "a late answer to the request before");
        assert_eq!(line.hear(&reply(1)), Heard::Reply, "whatever its session field says");
    }

    #[test]
    fn after_three_strays_the_stream_is_out_of_step() {
        let mut line = Line::new(Matching::Strict);
        line.number(&Request::bare(Command::CONNECT));
        for _ in 0..3 {
            assert_eq!(line.hear(&reply(9)), Heard::Stray);
        }
        assert_eq!(line.hear(&reply(9)), Heard::OutOfStep);
    }

    #[test]
    fn a_lenient_line_takes_the_next_packet_that_is_no_event() {
        let mut line = Line::new(Matching::Lenient);
        line.number(&Request::bare(Command::CONNECT));
        let event = Packet { command: Command::REG_EVENT, session: 2, reply: 0, payload: &[] };
        assert_eq!(line.hear(&event), Heard::Event);
        assert_eq!(line.hear(&reply(99)), Heard::Reply);
    }

    #[test]
    fn several_punches_in_one_packet_are_as_many_events() {
        let mut line = Line::new(Matching::Strict);
        let one = [&b"1001"[..], &[0; 20], &[1, 0, 26, 7, 14, 8, 0, 0]].concat();
        let payload = one.repeat(3);
        let packet = Packet { command: Command::REG_EVENT, session: 1, reply: 0, payload: &payload };
        assert_eq!(line.hear(&packet), Heard::Event);
        assert_eq!(line.take_events().0.len(), 3);
    }

    #[test]
    fn events_are_kept_up_to_a_bound_and_the_rest_is_counted() {
        let mut line = Line::new(Matching::Strict);
        for code in 0..100 {
            line.hear(&Packet { command: Command::REG_EVENT, session: code, reply: 0, payload: &[1, 2, 3] });
        }
        let (events, lost) = line.take_events();
        assert_eq!((events.len(), lost), (EVENTS_KEPT, 36));
        assert_eq!(events.last(), Some(&Event::Other { code: 99, length: 3 }));
    }
}
