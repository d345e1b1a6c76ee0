//! An authenticated session, between its greeting and its goodbye.
//!
//! A `Session` exists only while it can be used: making one is [`Dial`](super::Dial)'s business, and dropping it
//! closes the connection. Saying goodbye first is [`errand`](super::errand)'s, because a goodbye must not make
//! anybody wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::amends::Amends;
use super::error::{DeviceError, Fault, Reached};
use super::link::Link;
use super::log::Tenancy;
use crate::base::deadline::Deadline;
use crate::dialog::bulk_read::Method;
use crate::dialog::error::DialogError;
use crate::dialog::exchange::{Exchange, Reply};
use crate::dialog::hello::SERIAL_NUMBER;
use crate::dialog::line::Matching;
use crate::dialog::{Manners, Phase, Request};
use crate::transport::{Socket, TransportError};
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;
use crate::wire::event::Event;
use crate::wire::packet::Checksums;

/// How long everything may take, and how strictly packets are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// For the connection to open.
    pub connect: Duration,
    /// For the first reply to a request.
    pub reply: Duration,
    /// For the next packet of a transfer.
    pub progress: Duration,
    /// For the answer to a goodbye.
    pub farewell: Duration,
    /// Whether checksums must be right.
    pub checksums: Checksums,
    /// Whether replies must carry the number of their request.
    pub matching: Matching,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            reply: Duration::from_secs(5),
            progress: Duration::from_secs(10),
            farewell: Duration::from_secs(2),
            checksums: Checksums::Strict,
            matching: Matching::Strict,
        }
    }
}

impl SessionSettings {
    /// What the dialogs need of it.
    #[must_use]
    pub const fn manners(&self, carrier: Carrier) -> Manners {
        Manners { carrier, reply: self.reply, progress: self.progress }
    }
}

/// One authenticated conversation with one device. One command at a time, by construction.
#[derive(Debug)]
pub struct Session {
    pub(super) link: Link,
    pub(super) settings: SessionSettings,
    /// How tables are read from this device.
    pub(super) method: Method,
    /// Something was left unanswered that does no harm now but may answer the next request.
    pub(super) doubtful: bool,
    /// Whose table stands in the device's transfer buffer.
    pub(super) tenancy: Tenancy,
    /// The events that it registered for; `None` when it has not.
    pub(super) events: Option<u32>,
    /// Whether it made sure that people can use the device.
    pub(super) enabled: bool,
    /// What the device is still to be told if this session breaks.
    pub(super) amends: Amends,
    /// Another one whenever this session changes the table of users.
    pub(super) people_edition: u64,
    /// The highest index that somebody had in this session.
    pub(super) last_index: u16,
    serial_number: Option<String>,
}

impl Session {
    pub(super) fn new(link: Link, settings: SessionSettings, serial_number: Option<String>) -> Self {
        let (method, tenancy) = (Method::Buffered, Tenancy::default());
        Self {
            link,
            settings,
            method,
            doubtful: false,
            tenancy,
            events: None,
            enabled: false,
            amends: Amends::default(),
            people_edition: 0,
            last_index: 0,
            serial_number,
        }
    }

    /// Who answered: option `~SerialNumber`, if the device has one.
    #[must_use]
    pub fn serial_number(&self) -> Option<&str> {
        self.serial_number.as_deref()
    }

    /// Who is there, asked once more if the greeting did not tell: an answer can be missing where a serial number is
    /// not.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails.
    pub fn who_is_there(&mut self, deadline: Deadline) -> Result<Option<&str>, DeviceError> {
        if self.serial_number.is_none() {
            self.serial_number = self.option(SERIAL_NUMBER, deadline)?;
        }
        Ok(self.serial_number.as_deref())
    }

    /// Over what it runs.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        self.link.socket().carrier()
    }

    /// The socket, for a thread that waits on many.
    #[must_use]
    pub fn socket(&self) -> Arc<Socket> {
        Arc::clone(self.link.socket())
    }

    /// How tables are read from this device: known from before, or learned in this session.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Says how tables are read, where that is known from before.
    pub const fn set_method(&mut self, method: Method) {
        self.method = method;
    }

    /// Whether it should be closed although the last call went well.
    #[must_use]
    pub const fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// The events that came in the meantime, and how many more did not fit.
    pub fn take_events(&mut self) -> (Vec<Event>, u64) {
        self.link.line().take_events()
    }

    /// A command that may be said again if it gets lost: it only asks, or sets something to a stated value.
    pub(super) fn ask(&mut self, request: Request, deadline: Deadline) -> Result<Reply, DeviceError> {
        self.ask_in(Phase::Reply, request, deadline)
    }

    pub(super) fn ask_in(
        &mut self,
        phase: Phase,
        request: Request,
        deadline: Deadline,
    ) -> Result<Reply, DeviceError> {
        let exchange = Exchange::harmless(request, phase, &self.manners());
        self.link.converse(exchange, deadline)
    }

    /// A command with an effect: said once, and only on a connection on which nothing but events has come.
    pub(super) fn effect(&mut self, request: Request, deadline: Deadline) -> Result<(), DeviceError> {
        let asked = request.command;
        let exchange = Exchange::effect(request, Phase::Reply, &self.manners());
        let reply = self.said_once(exchange, deadline)?;
        Self::accepted(asked, &reply)
    }

    /// The same with whatever answer.
    pub(super) fn said_once(&mut self, exchange: Exchange, deadline: Deadline) -> Result<Reply, DeviceError> {
        if !self.link.socket().is_quiet() {
            self.catch_up()?;
        }
        self.link.converse(exchange, deadline)
    }

    /// Makes a change effective, as some firmware wants it. Nothing that happens to this undoes the change; but a
    /// session that broke is closed.
    pub(crate) fn refresh(&mut self, deadline: Deadline) {
        self.mention(Phase::Reply, Command::REFRESHDATA, deadline);
    }

    /// Says something of which nobody needs the answer; but a session that broke is closed.
    pub(super) fn mention(&mut self, phase: Phase, command: Command, deadline: Deadline) {
        self.doubtful |=
            self.ask_in(phase, Request::bare(command), deadline).is_err_and(|error| !error.keeps_session());
    }

    /// Takes what has come meanwhile: events are set aside, anything else is a reason not to go on.
    fn catch_up(&mut self) -> Result<(), DeviceError> {
        let switched = |switched: Result<(), TransportError>| switched.map_err(DeviceError::from_transport);
        switched(self.link.socket().set_blocking(false))?;
        self.link.overhear()?;
        switched(self.link.socket().set_blocking(true))
    }

    /// A reply that must be "done".
    pub(super) fn accepted(asked: Command, reply: &Reply) -> Result<(), DeviceError> {
        if reply.is_ok() {
            return Ok(());
        }
        let fault = Fault::Rejected { asked, code: reply.code };
        Err(DeviceError { fault, phase: Phase::Reply, reached: Reached::Yes })
    }

    pub(super) fn malformed(asked: Command) -> DeviceError {
        let fault = Fault::Dialog(DialogError::Malformed { asked });
        DeviceError { fault, phase: Phase::Reply, reached: Reached::Yes }
    }

    pub(super) fn manners(&self) -> Manners {
        self.settings.manners(self.carrier())
    }

    /// Takes what came although nothing was asked. The socket is in non-blocking mode.
    ///
    /// # Errors
    /// When the connection has ended, or the device talks out of turn: the session is of no use any more.
    pub fn overhear(&mut self) -> Result<(), DeviceError> {
        self.link.overhear()
    }

    /// Says goodbye and waits for the answer, for programs that hold a session themselves.
    pub fn exit(mut self) {
        let deadline = Deadline::after(Instant::now(), self.settings.farewell);
        // Whatever comes of it, the connection is closed next.
        let _ = self.link.converse(Exchange::farewell(self.settings.farewell), deadline);
    }
}
