//! What a worker does with a device's session for the journal: have its punches told at once, look up its people,
//! read its log, and set its clock right where that is wanted.

use std::collections::HashMap;
use std::sync::Arc;

use super::civil::{civil_now, possible};
use super::correction::{Correction, Verdict};
use super::decode::People;
use super::reading::{Effort, End, Reading, Report};
use super::status::Live;
use crate::base::deadline::Deadline;
use crate::device::{DeviceError, Session};
use crate::registry::Between;
use crate::wire::event::{ALARM, ATTLOG, BUTTON, ENROLL_FINGER, ENROLL_USER, UNLOCK, VERIFY};
use crate::wire::record::punch::PunchLayout;

/// What is to be done.
pub(super) struct Errand {
    pub(super) reading: Reading,
    /// Whether the session is to tell of punches.
    pub(super) live: bool,
    /// Whether the people are to be looked up first, whatever the log says.
    pub(super) people: bool,
    pub(super) correction: Correction,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) report: Report,
    pub(super) live: Live,
    pub(super) people: Option<People>,
    /// What the clock was set to.
    pub(super) corrected: Option<String>,
    /// Whether it should be set back later.
    pub(super) correct_later: bool,
}

impl Errand {
    pub(super) fn run(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<Fetched, DeviceError> {
        // Before it says anything: events belong to whoever answered.
        session.who_is_there(deadline)?;
        session.make_sure_enabled(deadline)?;
        let live = if self.live { listen(session, deadline)? } else { hush(session, deadline)? };
        let mut people = None;
        if self.people {
            people = look_up(session, deadline)?;
            if let Some(people) = &people {
                self.reading.decoder.people = Arc::clone(people);
            }
        }
        self.reading.people_are_fresh = people.is_some();
        let mut report = self.reading.run(session, deadline, between)?;
        people = report.people.take().or(people);
        // A log that names people by index, met for the first time: once more, with the people.
        let first = report.layout == Some(PunchLayout::Short) && report.added > 0 && people.is_none();
        if first && self.reading.decoder.people.is_empty() && matches!(report.end, End::Complete) {
            people = look_up(session, deadline)?;
            if let Some(people) = people.as_ref().filter(|people| !people.is_empty()) {
                self.reading.decoder.people = Arc::clone(people);
                self.reading.cursor = report.cursor.clone();
                self.reading.effort = Effort::Everything;
                let first = report;
                report = self.reading.run(session, deadline, between)?;
                report.added += first.added;
                report.fetched += first.fetched;
            }
        }
        let (corrected, correct_later) = self.correct(session, &report, deadline)?;
        Ok(Fetched { report, live, people, corrected, correct_later })
    }

    fn correct(
        &self,
        session: &mut Session,
        report: &Report,
        deadline: Deadline,
    ) -> Result<(Option<String>, bool), DeviceError> {
        // A stranger's clock is judged once it is known whose it is.
        let drift = report.drift.filter(|_| !matches!(report.end, End::Another(_) | End::Nameless));
        let Some(drift) = drift else { return Ok((None, false)) };
        let now = civil_now(self.reading.clock.wall(), &self.reading.decoder.zone);
        match self.correction.judge(drift, now.time()) {
            Verdict::Leave => Ok((None, false)),
            Verdict::Later => Ok((None, true)),
            Verdict::Set => {
                let time = possible(civil_now(self.reading.clock.wall(), &self.reading.decoder.zone));
                match session.set_time(time, deadline) {
                    Ok(()) => Ok((Some(time.to_string()), false)),
                    // What the journal has is not undone by a clock that could not be set.
                    Err(error) if error.keeps_session() => {
                        log::warn!("device {}: its clock was not set: {error}", self.reading.device_id);
                        Ok((None, false))
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }
}

/// What devices are asked to tell besides punches: doors, keys, alarms, who was verified or enrolled. Each finger that
/// is placed and how well is nothing to anybody but an enrolment, which asks for it itself.
const BESIDES: u16 = ENROLL_USER | ENROLL_FINGER | BUTTON | UNLOCK | VERIFY | ALARM;

/// Has the device tell of punches and of what else it can tell, once per session. One that refuses to tell so much
/// tells punches.
pub(super) fn listen(session: &mut Session, deadline: Deadline) -> Result<Live, DeviceError> {
    if session.registered_events().is_some_and(|mask| mask & u32::from(ATTLOG) != 0) {
        return Ok(Live::On);
    }
    for mask in [ATTLOG | BESIDES, ATTLOG] {
        match session.register_events(mask.into(), deadline) {
            Ok(()) => return Ok(Live::On),
            Err(error) if error.keeps_session() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Live::Refused)
}

/// Has the device tell nothing any more, if this session asked it to.
fn hush(session: &mut Session, deadline: Deadline) -> Result<Live, DeviceError> {
    if session.registered_events().is_some_and(|mask| mask != 0) {
        match session.unregister_events(deadline) {
            Err(error) if !error.keeps_session() => return Err(error),
            _ => {}
        }
    }
    Ok(Live::Off)
}

/// The device's users by index; `None` when it does not hand them out.
pub(super) fn look_up(session: &mut Session, deadline: Deadline) -> Result<Option<People>, DeviceError> {
    match session.users(deadline) {
        Ok(users) => {
            let people: HashMap<_, _> = users.iter().map(|user| (user.uid, user.user_id)).collect();
            Ok(Some(Arc::new(people)))
        }
        Err(error) if error.keeps_session() => Ok(None),
        Err(error) => Err(error),
    }
}
