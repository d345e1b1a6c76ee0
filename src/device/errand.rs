//! Small conversations that nobody waits for: is the device still there, and goodbye.
//!
//! Driven by readiness like a [`Dial`](super::Dial), so that a device that does not answer costs a socket and a
//! timer, but no thread.

use std::sync::Arc;
use std::time::Instant;

use super::error::DeviceError;
use super::session::Session;
use crate::dialog::exchange::{Exchange, Reply};
use crate::dialog::talk::Talk;
use crate::dialog::{Phase, Request};
use crate::transport::Socket;
use crate::wire::command::Command;

/// A conversation under way, with the session that it is held over.
#[derive(Debug)]
pub struct Errand {
    session: Box<Session>,
    talk: Talk<Exchange>,
}

/// How far it has got.
#[derive(Debug)]
pub enum ErrandStep {
    /// Wait on the socket for something to read, at most until [`Errand::due`].
    Wait(Errand),
    /// The device answered; here is the session, to be used again.
    Done(Box<Session>),
    /// It did not, or not as it should: the session is gone.
    Failed(DeviceError),
}

impl Errand {
    /// Asks the device for its time: the cheapest command that every firmware answers.
    #[must_use]
    pub fn keep_alive(session: Box<Session>, now: Instant) -> ErrandStep {
        let ask = Exchange::harmless(Request::bare(Command::GET_TIME), Phase::Reply, &session.manners());
        Self::begin(session, ask, now)
    }

    /// Says goodbye. Whatever comes of it, the session is to be dropped afterwards.
    #[must_use]
    pub fn farewell(session: Box<Session>, now: Instant) -> ErrandStep {
        let goodbye = Exchange::farewell(session.settings.farewell);
        Self::begin(session, goodbye, now)
    }

    /// The socket to wait on.
    #[must_use]
    pub fn socket(&self) -> Arc<Socket> {
        self.session.socket()
    }

    /// Until when to wait.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.talk.due()
    }

    /// Goes on: the socket is ready, or the time has come.
    #[must_use]
    pub fn advance(mut self, now: Instant) -> ErrandStep {
        match self.session.link.pump(&mut self.talk, now) {
            Ok(None) => ErrandStep::Wait(self),
            Ok(Some(reply)) => self.finish(&reply),
            Err(error) => ErrandStep::Failed(error),
        }
    }

    fn begin(mut session: Box<Session>, exchange: Exchange, now: Instant) -> ErrandStep {
        let prepared = session.socket().set_blocking(false).map_err(DeviceError::from_transport);
        match prepared.and_then(|()| session.link.open(exchange, now)) {
            Ok(talk) => ErrandStep::Wait(Self { session, talk }),
            Err(error) => ErrandStep::Failed(error),
        }
    }

    fn finish(self, _reply: &Reply) -> ErrandStep {
        // Any answer at all shows that the session lives.
        match self.session.socket().set_blocking(true) {
            Ok(()) => ErrandStep::Done(self.session),
            Err(error) => ErrandStep::Failed(DeviceError::from_transport(error)),
        }
    }
}
