//! Restarting and switching off, the voice, and keeping people away from the keypad for a while.

use std::time::Duration;

use super::amends::Owed;
use super::error::{DeviceError, Fault, Reached};
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::error::DialogError;
use crate::dialog::exchange::{Exchange, Reply};
use crate::dialog::{Manners, Phase, Request};
use crate::transport::TransportError;
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;

/// In what state a device was left that was disabled for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a device that is left disabled takes no input until it is enabled"]
pub enum Left {
    /// People can use it.
    Enabled,
    /// Perhaps they cannot.
    Disabled,
}

impl Session {
    /// Restarts the device. Some firmware answers first, and some ends the connection or forgets the session without a
    /// word; all of that counts as done, and silence alone does not. The session is over in any case, and doubtful from
    /// then on.
    ///
    /// # Errors
    /// [`DeviceError`] when the command did not leave, the device refused it, or nobody can tell whether it came.
    pub fn restart(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        match self.last_command(Command::RESTART, deadline) {
            Err(silent @ DeviceError { fault: Fault::Dialog(DialogError::Silent { .. }), .. }) => {
                self.unless_forgotten(silent, deadline)
            }
            other => other,
        }
    }

    /// Switches the device off; the session is over in any case, and doubtful from then on. A device that says nothing
    /// may be off, or may not have heard it.
    ///
    /// # Errors
    /// [`DeviceError`] when the command did not leave, the device refused it, or nobody can tell whether it came.
    pub fn power_off(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.last_command(Command::POWEROFF, deadline)
    }

    fn last_command(&mut self, command: Command, deadline: Deadline) -> Result<(), DeviceError> {
        self.doubtful = true;
        match self.effect(Request::bare(command), deadline) {
            Err(error) if error.reached != Reached::No && has_ended(&error.fault) => Ok(()),
            other => other,
        }
    }

    /// After a restart that was not answered: a device that has forgotten the session has restarted, one that answers in
    /// it has not, and one that does not answer at all is `silent`.
    fn unless_forgotten(&mut self, silent: DeviceError, deadline: Deadline) -> Result<(), DeviceError> {
        match self.look(Command::GET_TIME, deadline) {
            Ok(reply) if reply.is_ok() => return Err(DeviceError { reached: Reached::Yes, ..silent }),
            Err(error) if !has_forgotten(&error.fault) => {}
            _ => return Ok(()),
        }
        if self.carrier() == Carrier::Tcp {
            return Err(silent);
        }
        // Some firmware does not answer strangers. If it takes a new session instead, it has no other.
        let greeted = match self.look(Command::CONNECT, deadline) {
            Ok(reply) => reply.is_ok(),
            // It may want the comm key.
            Err(error) => has_forgotten(&error.fault),
        };
        if greeted {
            // Whatever comes of it, nobody needs that session.
            let goodbye = Exchange::farewell(self.settings.farewell.min(LOOK));
            let _ = self.link.converse(goodbye, deadline);
        }
        if greeted { Ok(()) } else { Err(silent) }
    }

    /// A short question, for whether there is an answer.
    fn look(&mut self, command: Command, deadline: Deadline) -> Result<Reply, DeviceError> {
        let manners = self.manners();
        let manners = Manners { reply: manners.reply.min(LOOK), ..manners };
        let question = Exchange::harmless(Request::bare(command), Phase::Reply, &manners);
        self.link.converse(question, deadline)
    }

    /// Plays a voice prompt; 0 says "thank you", 10 beeps.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn test_voice(&mut self, index: u32, deadline: Deadline) -> Result<(), DeviceError> {
        self.effect(Request::new(Command::TESTVOICE, index.to_le_bytes()), deadline)
    }

    /// Lets people use the device again.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn enable(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        let reply = self.ask(Request::bare(Command::ENABLEDEVICE), deadline)?;
        Self::accepted(Command::ENABLEDEVICE, &reply)?;
        self.enabled = true;
        self.amends.settle(Owed::Enabling);
        Ok(())
    }

    /// Lets people use the device, once in a session: whoever was there before may have left it disabled.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails; a device that refuses is left as it is.
    pub fn make_sure_enabled(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        if self.enabled {
            return Ok(());
        }
        match self.enable(deadline) {
            Err(error) if !error.keeps_session() => Err(error),
            _ => {
                self.enabled = true;
                Ok(())
            }
        }
    }

    /// Runs something while the device takes no input, and lets people use it again on every way out that the
    /// session allows. Newer firmware acknowledges the disabling and ignores it.
    ///
    /// Gives what came of it (an error of the work, or else of either switch), and in what state the device is
    /// left. If it is [`Left::Disabled`], people may be standing before a device that takes no input: the next
    /// session is to begin with [`Session::make_amends`]. The same goes for work that panics.
    pub fn while_disabled<T>(
        &mut self,
        deadline: Deadline,
        work: impl FnOnce(&mut Self) -> Result<T, DeviceError>,
    ) -> (Result<T, DeviceError>, Left) {
        self.amends.owe(Owed::Enabling);
        let disabled = self
            .ask(Request::bare(Command::DISABLEDEVICE), deadline)
            .and_then(|reply| Self::accepted(Command::DISABLEDEVICE, &reply));
        if let Err(error) = disabled {
            // What was refused, or never left, changed nothing.
            let unchanged = error.keeps_session() || error.reached == Reached::No;
            if unchanged {
                self.amends.settle(Owed::Enabling);
            }
            return (Err(error), if unchanged { Left::Enabled } else { Left::Disabled });
        }
        self.enabled = false;
        let done = work(self);
        if done.as_ref().is_err_and(|error| !error.keeps_session()) {
            return (done, Left::Disabled);
        }
        // A deadline that has passed must not leave the device disabled: a moment is always left for this.
        match self.enable(deadline.max(self.shortly())) {
            Ok(()) => (done, Left::Enabled),
            Err(error) => {
                // Even if what was to be done is done, the next session is to be a new one, which enables the device.
                self.doubtful = true;
                (done.and(Err(error)), Left::Disabled)
            }
        }
    }

    /// A moment that is left even when a deadline has passed, for what must not stay undone.
    pub(super) fn shortly(&self) -> Deadline {
        Deadline::after(std::time::Instant::now(), self.settings.reply)
    }
}

/// The longest that a device is asked whether it still knows the session.
const LOOK: Duration = Duration::from_secs(2);

/// Whether the other end is gone; of a port without a connection, that nobody listens there any more.
const fn has_ended(fault: &Fault) -> bool {
    use TransportError::{Closed, Refused, Reset};
    matches!(fault, Fault::Transport(Closed | Reset(_) | Refused(_)))
}

const fn has_forgotten(fault: &Fault) -> bool {
    matches!(fault, Fault::Dialog(DialogError::SessionLost)) || has_ended(fault)
}
