//! The settings of a backup: how a device differs from them, and setting it to them.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::base::deadline::Deadline;
use crate::device::configuration::{Configured, Place};
use crate::device::users::Pause;
use crate::device::{DeviceError, Reached, Session};
use crate::store::backups::Content;

/// What a device is to be set to.
pub(super) struct Settings {
    /// In the order in which they are written.
    all: Vec<Configured>,
    /// How many of the backup's make no sense to this version.
    strange: usize,
    /// Whether it is the device that they were read from.
    own: bool,
}

/// What is done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// They are only compared.
    Look,
    /// The device is set to them.
    Set,
}

/// What came of them.
#[derive(Default)]
pub(super) struct Outcome {
    /// So they are, or are now.
    as_wanted: usize,
    /// So they were not.
    different: Vec<String>,
    failed: Vec<Value>,
    left_out: Vec<Value>,
    not_tried: Vec<String>,
    /// What ended it early.
    pub(super) broke: Option<DeviceError>,
    /// Whether nobody knows of one of them if it was written.
    pub(super) is_unknown: bool,
}

impl Settings {
    /// Those of a backup.
    pub(super) fn of(content: &Content) -> Self {
        let kept = content.settings.iter().map(|(kind, bytes)| Configured::kept(*kind, bytes));
        let mut all: Vec<_> = kept.flatten().collect();
        all.sort_by_key(Configured::place);
        let strange = content.settings.len() - all.len();
        Self { all, strange, own: false }
    }

    /// Says whether the device is the one that they were read from.
    pub(super) fn for_own(&mut self, own: bool) {
        self.own = own;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Goes through all of them. What breaks the session, or ends the work, is in the outcome.
    pub(super) fn go_through(
        &self,
        session: &mut Session,
        aim: Aim,
        pause: Pause<'_>,
        progress: &mut dyn FnMut(usize),
        deadline: Deadline,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if self.strange > 0 {
            let name = format!("{} settings of another version of zkgate", self.strange);
            outcome.leave_out(&name, "other_version", "This version cannot read them.");
        }
        // What others may refer to: it is as in the backup, or will be.
        let mut sound = HashSet::new();
        for (configured, done) in self.all.iter().zip(1..) {
            let well = match outcome.broke {
                Some(_) => {
                    outcome.not_tried.push(configured.place().name());
                    continue;
                }
                None => self.one(session, configured, aim, &sound, &mut outcome, deadline),
            };
            if well {
                sound.insert(configured.place());
            }
            if outcome.broke.is_none() {
                progress(done);
                outcome.broke = pause(session).err();
            }
        }
        outcome
    }

    /// Looks at one, and writes it if that is the aim and it is different. Whether it is as in the backup now, or would
    /// be.
    fn one(
        &self,
        session: &mut Session,
        configured: &Configured,
        aim: Aim,
        sound: &HashSet<Place>,
        outcome: &mut Outcome,
        deadline: Deadline,
    ) -> bool {
        let name = configured.place().name();
        if configured.may_cut_off() {
            outcome.leave_out(&name, "may_cut_off", "The device could be out of reach.");
            return false;
        }
        if configured.is_its_own() && !self.own {
            outcome.leave_out(&name, "its_own", "It tells the other device from this one.");
            return false;
        }
        if let Some(missing) = configured.refers_to().into_iter().find(|place| !sound.contains(place)) {
            let detail = format!("It refers to {}, which is not as in the backup.", missing.name());
            outcome.leave_out(&name, "depends_on_failed", &detail);
            return false;
        }
        let found = match session.found(configured.place(), deadline) {
            Ok(found) => found,
            Err(error) => {
                // It was only asked for: nothing can have happened.
                outcome.fail(name, error, false);
                return false;
            }
        };
        if found.is(configured) {
            outcome.as_wanted += 1;
            return true;
        }
        if found.is_nothing() {
            outcome.leave_out(&name, "not_there", "The device does not have it.");
            return false;
        }
        if aim == Aim::Look {
            outcome.different.push(name);
            return true;
        }
        match session.configure(configured, &found, deadline) {
            Ok(()) => {
                outcome.as_wanted += 1;
                outcome.different.push(name);
                true
            }
            Err(error) => {
                let perhaps = error.reached != Reached::No;
                outcome.fail(name, error, perhaps);
                false
            }
        }
    }
}

impl Outcome {
    fn leave_out(&mut self, name: &str, code: &str, detail: &str) {
        self.left_out.push(json!({ "name": name, "code": code, "detail": detail }));
    }

    /// Takes what went wrong with one. If it broke the session, it may `perhaps` have been written all the same.
    fn fail(&mut self, name: String, error: DeviceError, perhaps: bool) {
        let is_over = !error.keeps_session();
        if is_over && !perhaps {
            self.not_tried.push(name);
        } else {
            let code = if is_over { "outcome_unknown" } else { error.code() };
            self.failed.push(json!({ "name": name, "code": code, "detail": error.to_string() }));
            self.is_unknown |= is_over;
        }
        if is_over {
            self.broke = Some(error);
        }
    }

    /// How many are not as in the backup although they should be.
    pub(super) fn amiss(&self) -> usize {
        self.failed.len() + self.depending() + self.not_tried.len()
    }

    fn depending(&self) -> usize {
        self.left_out.iter().filter(|row| row.get("code") == Some(&Value::from("depends_on_failed"))).count()
    }

    /// It as the result of an operation.
    pub(super) fn told(&self, aim: Aim) -> Value {
        let Self { as_wanted, different, failed, left_out, not_tried, broke: _, is_unknown: _ } = self;
        match aim {
            Aim::Look => json!({
                "as_wanted": as_wanted, "different": different, "failed": failed, "left_out": left_out,
            }),
            Aim::Set => json!({
                "as_wanted": as_wanted, "changed": different, "failed": failed, "left_out": left_out,
                "not_tried": not_tried,
            }),
        }
    }
}
