//! Enrolling a finger at a device from afar: started here, done by the person who stands there, told by events.
//! Many newer devices cannot do it, and say so or say nothing.
//!
//! However it ends, the device verifies people again as long as the session lasts. If the session breaks in the
//! middle, the next one begins with ending it ([`super::amends`]).

use std::time::{Duration, Instant};

use super::amends::Owed;
use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::wire::command::Command;
use crate::wire::enrolment::EnrolmentRequest;
use crate::wire::event::{ENROLL_FINGER, Enrolment, Event, FINGER, SCORE};
use crate::wire::record::UserId;
use crate::wire::record::template::Validity;
use crate::wire::record::user_record::UserRecord;

/// An enrolment under way. It belongs to the session that began it and does not borrow it, so that other commands
/// can be said in between. It must be ended.
#[derive(Debug)]
#[must_use = "the device enrols until it is told to end that"]
pub struct Enrolling {
    user_id: UserId,
    uid: u16,
    finger: u8,
    /// What the session had registered for before.
    events: Option<u32>,
    over: Option<Outcome>,
}

/// How an enrolment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device has the finger.
    Done {
        /// Bytes of its template.
        template_size: u16,
    },
    /// The device says so, and has no template of the finger.
    NotStored,
    /// The samples were not good enough, or nobody came.
    Failed {
        /// The device's number for the reason.
        result: u16,
    },
    /// The finger, or the same finger of somebody else, is enrolled already.
    AlreadyEnrolled,
    /// Whoever asked for it did not want it any more.
    Cancelled,
    /// Its time was over.
    TimedOut,
}

/// What happens at the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A finger was placed.
    FingerPlaced,
    /// Its sample was judged, from 0 to 100.
    Score(u8),
    /// It is over.
    Over(Outcome),
}

/// Whether an enrolment goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoOn {
    /// It does.
    Yes,
    /// It is cancelled.
    Cancel,
}

/// The device's number for "enrolled already".
const ALREADY: u16 = 5;
/// How long an enrolment may wait for news before it is asked whether it goes on.
const GLANCE: Duration = Duration::from_millis(250);

impl Session {
    /// Starts an enrolment. A template that the finger has already must be deleted first.
    ///
    /// # Errors
    /// [`DeviceError`]; a device that refuses is left as it was.
    pub fn begin_enrolment(
        &mut self,
        person: &UserRecord,
        finger: u8,
        validity: Validity,
        deadline: Deadline,
    ) -> Result<Enrolling, DeviceError> {
        let request = EnrolmentRequest { user_id: person.user().user_id, finger, validity };
        let payload = request.emit(person.layout()).filter(|_| finger <= 9);
        let payload = payload.ok_or_else(|| DeviceError::no_such("finger"))?;
        let events = self.events;
        let wanted = [FINGER, ENROLL_FINGER, SCORE].map(u32::from).iter().sum::<u32>();
        self.register_events(events.unwrap_or_default() | wanted, deadline)?;
        self.take_enrolment_events();
        let enrolling =
            Enrolling { user_id: person.user().user_id, uid: person.user().uid, finger, events, over: None };
        let begun = self.capture(Command::CANCELCAPTURE, deadline).and_then(|()| {
            self.amends.owe(Owed::EndOfEnrolment);
            self.effect(Request::new(Command::STARTENROLL, payload), deadline)?;
            self.capture(Command::STARTVERIFY, deadline).map_err(DeviceError::after_effects)
        });
        match begun {
            Ok(()) => Ok(enrolling),
            Err(error) if error.keeps_session() => {
                self.end_whatever(enrolling, deadline)?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Enrols a finger from beginning to end. `told` hears what happens, and is asked now and then, with `None`,
    /// whether to go on; between two calls others may be served through `pause`.
    ///
    /// # Errors
    /// [`DeviceError`] when the device refused or the session failed. However it ends, the device verifies people
    /// again if the session lasted.
    pub fn enrol(
        &mut self,
        person: &UserRecord,
        finger: u8,
        validity: Validity,
        told: &mut dyn FnMut(Option<Happening>) -> GoOn,
        pause: super::users::Pause<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, DeviceError> {
        let mut enrolling = self.begin_enrolment(person, finger, validity, deadline)?;
        // From here on the device has begun: whatever breaks, it is not begun once more.
        let done = enrolling.follow(self, told, pause, deadline).map_err(DeviceError::after_effects);
        match done {
            Err(error) if !error.keeps_session() => Err(error),
            done => {
                self.end_whatever(enrolling, deadline).map_err(DeviceError::after_effects)?;
                match done? {
                    Outcome::Done { .. } if !self.has_template(person, finger, deadline)? => {
                        Ok(Outcome::NotStored)
                    }
                    outcome => Ok(outcome),
                }
            }
        }
    }

    /// Whether the device really has what it says that it has got.
    fn has_template(
        &mut self,
        person: &UserRecord,
        finger: u8,
        deadline: Deadline,
    ) -> Result<bool, DeviceError> {
        let deadline = deadline.max(self.shortly());
        let found = match self.template(person, finger, deadline) {
            Ok(None) => self.lists_template(person, finger, deadline),
            found => found.map(|found| found.is_some()),
        };
        found.map_err(DeviceError::after_effects)
    }

    /// Ends an enrolment of which something else is to be told than how that went. What the device refuses is
    /// mended by the next session, if by anything.
    fn end_whatever(&mut self, enrolling: Enrolling, deadline: Deadline) -> Result<(), DeviceError> {
        match enrolling.end(self, deadline) {
            Err(error) if !error.keeps_session() => Err(error),
            refused => {
                self.doubtful |= refused.is_err();
                Ok(())
            }
        }
    }

    /// Whether the sensor verifies people, or does something else.
    fn capture(&mut self, command: Command, deadline: Deadline) -> Result<(), DeviceError> {
        let reply = self.ask(Request::bare(command), deadline)?;
        Self::accepted(command, &reply)
    }

    /// What has been told of an enrolment; other events stay where they are.
    fn take_enrolment_events(&mut self) -> Vec<Event> {
        self.link
            .line()
            .take_events_that(|event| matches!(event, Event::Finger | Event::Score(_) | Event::Enrolment(_)))
    }
}

impl Enrolling {
    /// What has happened since the last call; waits for it at most until `until`.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed.
    pub fn next(&mut self, session: &mut Session, until: Deadline) -> Result<Vec<Happening>, DeviceError> {
        let mut told = session.take_enrolment_events();
        while told.is_empty() && self.over.is_none() {
            if !session.link.listen(until)? {
                break;
            }
            told = session.take_enrolment_events();
        }
        let happenings: Vec<_> = told.into_iter().filter_map(|event| self.understand(&event)).collect();
        for happening in &happenings {
            if let Happening::Over(outcome) = happening {
                self.over = Some(*outcome);
            }
        }
        Ok(happenings)
    }

    /// How it ended, once it has.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        self.over
    }

    /// Ends it, whether it is over or not: the device verifies people again, and tells what it told before.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed.
    pub fn end(self, session: &mut Session, deadline: Deadline) -> Result<(), DeviceError> {
        // Each of these is tried, also after the deadline and after a refusal: a device must not stay like this.
        let deadline = deadline.max(session.shortly());
        let mut first = Ok(());
        for command in [Command::CANCELCAPTURE, Command::STARTVERIFY] {
            match session.capture(command, deadline) {
                Err(error) if !error.keeps_session() => return Err(error),
                other => first = first.and(other),
            }
        }
        session.amends.settle(Owed::EndOfEnrolment);
        match session.register_events(self.events.unwrap_or_default(), deadline) {
            Err(error) if !error.keeps_session() => return Err(error),
            other => first = first.and(other),
        }
        session.events = self.events;
        session.refresh(deadline);
        first
    }

    fn follow(
        &mut self,
        session: &mut Session,
        told: &mut dyn FnMut(Option<Happening>) -> GoOn,
        pause: super::users::Pause<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, DeviceError> {
        loop {
            let now = Instant::now();
            if deadline.passed(now) {
                return Ok(Outcome::TimedOut);
            }
            let happenings = self.next(session, deadline.min(Deadline::after(now, GLANCE)))?;
            let quiet = happenings.is_empty().then_some(None);
            for happening in happenings.into_iter().map(Some).chain(quiet) {
                let goes_on = told(happening);
                if let Some(Happening::Over(outcome)) = happening {
                    return Ok(outcome);
                }
                if goes_on == GoOn::Cancel {
                    return Ok(Outcome::Cancelled);
                }
            }
            pause(session)?;
        }
    }

    /// Whether it is about the person who is enrolled here: firmware that knows people by index may say that.
    fn is_about(&self, user_id: &UserId) -> bool {
        *user_id == self.user_id || user_id.to_number() == Some(u32::from(self.uid))
    }

    fn understand(&self, event: &Event) -> Option<Happening> {
        Some(match event {
            Event::Finger => Happening::FingerPlaced,
            Event::Score(score) => Happening::Score(*score),
            // Somebody else's finger, enrolled at the keypad meanwhile, is no news of ours.
            Event::Enrolment(Enrolment::Done { user_id, finger, .. })
                if *finger != self.finger || !self.is_about(user_id) =>
            {
                return None;
            }
            Event::Enrolment(Enrolment::Done { template_size, .. }) => {
                Happening::Over(Outcome::Done { template_size: *template_size })
            }
            Event::Enrolment(Enrolment::Failed { result: ALREADY }) => {
                Happening::Over(Outcome::AlreadyEnrolled)
            }
            Event::Enrolment(Enrolment::Failed { result }) => {
                Happening::Over(Outcome::Failed { result: *result })
            }
            _ => return None,
        })
    }
}
