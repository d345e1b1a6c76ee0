//! The session of one command: made for it, and ended politely.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::grammar::{Direct, Transport};
use crate::base::deadline::Deadline;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::Output;
use crate::cli::secrets;
use crate::config::Environment;
use crate::device::amends::Amends;
use crate::device::users::Report;
use crate::device::{DeviceError, Session, SessionSettings, Target};
use crate::wire::carrier::Carrier;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;
use crate::wire::record::user_record::UserRecord;

/// How long it may take to mend what a broken session left.
const MENDING: Duration = Duration::from_secs(10);

/// A session with one device, for as long as one command lasts.
pub(super) struct Line {
    session: Session,
    target: Target,
    deadline: Deadline,
    /// The session failed: nobody is there to say goodbye to.
    broken: bool,
    /// The encoding of names on the device.
    pub(super) encoding: NameEncoding,
}

impl Line {
    /// Connects; both attempts and everything after them share the limit.
    pub(super) fn connect(address: SocketAddr, direct: &Direct, limit: Duration) -> Done<Self> {
        let comm_key = secrets::comm_key(
            direct.comm_key_file.as_deref(),
            direct.comm_key_stdin,
            &Environment::of_process(),
        )?;
        let carriers = match direct.transport {
            Transport::Auto => vec![Carrier::Tcp, Carrier::Udp],
            Transport::Tcp => vec![Carrier::Tcp],
            Transport::Udp => vec![Carrier::Udp],
        };
        let deadline = Deadline::after(Instant::now(), limit);
        let target = Target { address, comm_key, carriers };
        let session = Session::connect(target.clone(), SessionSettings::default(), deadline)
            .map_err(|error| Failure::of_device(&error))?;
        Ok(Self { session, target, deadline, broken: false, encoding: direct.encoding })
    }

    /// Asks the device something that changes nothing.
    pub(super) fn read<T>(
        &mut self,
        ask: impl FnOnce(&mut Session, Deadline) -> Result<T, DeviceError>,
    ) -> Done<T> {
        ask(&mut self.session, self.deadline).map_err(|error| {
            self.note(&error);
            Failure::of_device(&error)
        })
    }

    /// Says something that has an effect: an answer that does not come leaves the outcome unknown.
    pub(super) fn effect<T>(
        &mut self,
        say: impl FnOnce(&mut Session, Deadline) -> Result<T, DeviceError>,
    ) -> Done<T> {
        say(&mut self.session, self.deadline).map_err(|error| {
            self.note(&error);
            Failure::of_effect(&error)
        })
    }

    /// Does something to many people. What ended it before its end is in its report; an error is one of before its
    /// beginning.
    pub(super) fn many(
        &mut self,
        work: impl FnOnce(&mut Session, Deadline) -> Result<Report, DeviceError>,
    ) -> Done<Report> {
        let report = self.read(work)?;
        report.broke.as_ref().inspect(|error| self.note(error));
        Ok(report)
    }

    fn note(&mut self, error: &DeviceError) {
        self.broken |= !error.keeps_session();
    }

    /// A person whom the device knows.
    pub(super) fn person(&mut self, text: &str) -> Done<UserRecord> {
        let user_id = user_id(text)?;
        let found = self.read(|session, deadline| session.user(&user_id, deadline))?;
        found.ok_or_else(|| unknown(text))
    }

    /// Says goodbye, unless the session is not worth it any more. A device that was left disabled, or waiting for a
    /// finger, is told to stop that.
    pub(super) fn end(self, out: Output) {
        let amends = self.session.amends().clone();
        if !self.broken && !self.session.is_doubtful() {
            self.session.exit();
        }
        if amends.is_urgent() && !mend(self.target, amends) {
            out.note("zkgate: the device may be left disabled, or waiting for a finger: it could not be reached again");
        }
    }
}

/// Makes a session of its own for it; whether the device was told.
fn mend(target: Target, amends: Amends) -> bool {
    let deadline = Deadline::after(Instant::now(), MENDING);
    let session = Session::connect(target, SessionSettings::default(), deadline);
    session.is_ok_and(|mut session| {
        session.share_amends(amends);
        let told = session.make_amends(deadline).is_ok();
        session.exit();
        told
    })
}

/// A user id that a record can hold.
pub(super) fn user_id(text: &str) -> Done<UserId> {
    let id = UserId::new(text.as_bytes()).ok().filter(UserId::is_plausible);
    id.ok_or_else(|| Failure::misused("a user id is 1 to 24 letters, digits and signs, without blanks"))
}

/// Nobody has this user id.
pub(super) fn unknown(user_id: &str) -> Failure {
    Failure::new("unknown_user", format!("the device does not know the user id {user_id}"))
}
