//! One command and its one reply.

use std::time::{Duration, Instant};

use super::error::DialogError;
use super::{Dialog, Manners, Patience, Phase, Request, Step};
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// What a device answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The reply code.
    pub code: Command,
    /// The session field, which carries the answer of some commands.
    pub word: u16,
    /// What came with it.
    pub payload: Vec<u8>,
}

impl Reply {
    /// Whether the device did what was asked.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.code, Command::ACK_OK | Command::ACK_DATA)
    }
}

/// A command on its way.
#[derive(Debug)]
pub struct Exchange {
    request: Request,
    patience: Patience,
    /// How often it may still be said because nothing came; above 1 only for what is harmless to repeat.
    tries: u32,
    /// Whether it may be said again if the device asks for that.
    again: bool,
    pausing: bool,
    began: Option<Instant>,
}

/// How long a device that says "again" is left alone.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

impl Exchange {
    /// A command that is harmless to say twice: it only asks, or sets something to a stated value.
    #[must_use]
    pub fn harmless(request: Request, phase: Phase, manners: &Manners) -> Self {
        let patience = manners.patience(phase);
        Self { request, patience, tries: manners.tries(), again: true, pausing: false, began: None }
    }

    /// A command with an effect: said once, whatever happens.
    #[must_use]
    pub fn effect(request: Request, phase: Phase, manners: &Manners) -> Self {
        let patience = Patience { phase, limit: manners.reply };
        Self { request, patience, tries: 1, again: false, pausing: false, began: None }
    }

    /// A goodbye: the answer is awaited for at most `limit`.
    #[must_use]
    pub const fn farewell(limit: Duration) -> Self {
        let patience = Patience { phase: Phase::Farewell, limit };
        let request = Request::bare(Command::EXIT);
        Self { request, patience, tries: 1, again: false, pausing: false, began: None }
    }

    fn say(&self) -> Step<Reply> {
        Step::Ask(self.request.clone(), self.patience)
    }

    const fn pause(&self) -> Step<Reply> {
        Step::Wait(Patience { phase: self.patience.phase, limit: PAUSE })
    }
}

impl Dialog for Exchange {
    type Outcome = Reply;

    fn open(&mut self, now: Instant) -> Step<Reply> {
        self.began = Some(now);
        self.tries -= 1;
        self.say()
    }

    fn hear(&mut self, packet: &Packet<'_>, _now: Instant) -> Step<Reply> {
        match packet.command {
            Command::ACK_UNAUTH => Step::Done(Err(DialogError::SessionLost)),
            // A device that wants to be asked again gets one chance, and only for what is harmless anyway.
            Command::ACK_RETRY | Command::ACK_REPEAT if self.again => {
                (self.again, self.pausing) = (false, true);
                self.pause()
            }
            // The same answer once more, as datagrams do.
            _ if self.pausing => self.pause(),
            code => Step::Done(Ok(Reply { code, word: packet.session, payload: packet.payload.to_vec() })),
        }
    }

    fn lapse(&mut self, now: Instant) -> Step<Reply> {
        if std::mem::take(&mut self.pausing) {
            return self.say();
        }
        if self.tries > 0 {
            self.tries -= 1;
            return self.say();
        }
        let waited = self.began.map_or(Duration::ZERO, |began| now.duration_since(began));
        Step::Done(Err(DialogError::Silent { phase: self.patience.phase, waited }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{REPLY, SESSION, Stage, manners};
    use super::*;
    use crate::wire::carrier::Carrier::{self, Tcp, Udp};

    fn asking(carrier: Carrier) -> Stage<Exchange> {
        let time = Request::bare(Command::GET_TIME);
        Stage::open(carrier, Exchange::harmless(time, Phase::Reply, &manners(carrier)))
    }

    fn unlocking(carrier: Carrier) -> Stage<Exchange> {
        let unlock = Request::new(Command::UNLOCK, [5, 0, 0, 0]);
        Stage::open(carrier, Exchange::effect(unlock, Phase::Reply, &manners(carrier)))
    }

    #[test]
    fn a_reply_is_handed_on_with_its_word_and_payload() {
        let mut stage = asking(Tcp);
        stage.say(Command::ACK_OK, 7, &[1, 2, 3, 4]);
        let reply = stage.done.unwrap().unwrap();
        assert_eq!(reply, Reply { code: Command::ACK_OK, word: 7, payload: vec![1, 2, 3, 4] });
        assert!(reply.is_ok());
    }

    #[test]
    fn unknown_codes_are_answers_too() {
        let mut stage = asking(Tcp);
        stage.say(Command(54_321), SESSION, &[]);
        let reply = stage.done.unwrap().unwrap();
        assert!(!reply.is_ok() && reply.code == Command(54_321));
    }

    #[test]
    fn not_authenticated_means_that_the_session_is_lost() {
        let mut stage = asking(Tcp);
        stage.say(Command::ACK_UNAUTH, SESSION, &[]);
        assert_eq!(stage.done.unwrap(), Err(DialogError::SessionLost));
    }

    #[test]
    fn a_device_that_says_again_is_asked_once_more_after_a_pause() {
        for code in [Command::ACK_RETRY, Command::ACK_REPEAT] {
            let mut stage = asking(Udp);
            stage.say(code, SESSION, &[]);
            stage.say(code, SESSION, &[]);
            assert_eq!((stage.wait(), stage.requests().len()), (PAUSE, 2), "doubled answers change nothing");
            stage.say(code, SESSION, &[]);
            assert_eq!(stage.done.unwrap().unwrap().code, code, "twice is an answer");
        }
    }

    #[test]
    fn silence_names_its_phase_and_length() {
        for (carrier, said) in [(Tcp, 1), (Udp, 3)] {
            let mut stage = asking(carrier);
            while stage.done.is_none() {
                stage.wait();
            }
            let silent = DialogError::Silent { phase: Phase::Reply, waited: REPLY };
            assert_eq!(stage.done, Some(Err(silent)), "{carrier:?}");
            assert_eq!(stage.sent.len(), said, "{carrier:?}");
        }
    }

    #[test]
    fn a_late_reply_to_the_first_datagram_is_no_reply_to_the_second() {
        let mut stage = asking(Udp);
        let first = stage.asked().reply;
        stage.wait();
        stage.hear(&Packet { command: Command::ACK_OK, session: SESSION, reply: first, payload: &[1] });
        assert!(stage.done.is_none() && !stage.talk.is_answered());
        stage.say(Command::ACK_OK, SESSION, &[2]);
        assert_eq!(stage.done.unwrap().unwrap().payload, [2]);
    }

    #[test]
    fn an_effect_is_said_once_whatever_happens() {
        for carrier in [Tcp, Udp] {
            let mut silent = unlocking(carrier);
            silent.wait();
            assert!(matches!(silent.done, Some(Err(DialogError::Silent { .. }))), "{carrier:?}");
            let mut again = unlocking(carrier);
            again.say(Command::ACK_RETRY, SESSION, &[]);
            assert_eq!(again.done.unwrap().unwrap().code, Command::ACK_RETRY, "{carrier:?}");
            assert_eq!((silent.sent.len(), again.sent.len()), (1, 1), "{carrier:?}");
        }
    }

    #[test]
    fn an_event_before_the_reply_is_acknowledged_and_is_no_answer() {
        let mut stage = unlocking(Tcp);
        stage.hear(&Packet { command: Command::REG_EVENT, session: 1, reply: 0, payload: &[0; 32] });
        assert!(!stage.talk.is_answered());
        let acknowledgement = stage.sent.last().unwrap();
        assert_eq!(
            (acknowledgement.command, acknowledgement.session, acknowledgement.reply),
            (Command::ACK_OK, SESSION, 0)
        );
        stage.say(Command::ACK_OK, SESSION, &[]);
        assert!(stage.talk.is_answered());
        assert_eq!(stage.line.take_events().0.len(), 1);
    }

    #[test]
    fn a_stream_of_strays_is_out_of_step_and_datagrams_are_not() {
        for (carrier, ends) in [(Tcp, true), (Udp, false)] {
            let mut stage = asking(carrier);
            for _ in 0..4 {
                stage.hear(&Packet { command: Command::ACK_OK, session: SESSION, reply: 999, payload: &[] });
            }
            assert_eq!(stage.done == Some(Err(DialogError::OutOfStep)), ends, "{carrier:?}");
        }
    }
}
