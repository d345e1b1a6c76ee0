//! Putting a backup back: onto the device that it is of, or onto another one if that is said. Nobody is removed.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::backups::{WITH_TEMPLATES, may_touch_templates, named, of_backup};
use super::clearing::untouched;
use super::effect::{Act, long};
use super::restore_settings::{Aim, Outcome, Settings};
use super::users_bulk::{broken_off, pause, shown, tell_disturbed};
use crate::base::deadline::Deadline;
use crate::device::templates::{Fingerprint, PersonWrite};
use crate::device::users::{Mode, Progress, Report, UserChange, UserError};
use crate::device::{DeviceError, Fault, Session};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::registry::Between;
use crate::store::backups::{BackupError, Content, Label};
use crate::store::sealer::{SealError, Sealed};
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;
use crate::wire::record::template::Validity;
use crate::wire::record::user::UserLayout;
use crate::wire::record::user_record::UserRecord;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    backup: String,
    #[serde(default = "yes")]
    dry_run: bool,
    #[serde(default)]
    templates: bool,
    #[serde(default)]
    settings: bool,
    #[serde(default)]
    allow_other_device: bool,
}

/// Nothing is written unless that is said.
const fn yes() -> bool {
    true
}

/// `POST /devices/{id}/restore`
pub fn restore(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let Wanted { backup, dry_run, templates, settings, allow_other_device } = call.body()?;
    if templates {
        may_touch_templates(call)?;
    }
    let (label, content) = named(&call.gateway, &backup)?;
    if templates && label.templates.is_none() {
        let detail = "This backup was made without templates.";
        return Err(Problem::new(422, "invalid_value", detail).with("field", "templates"));
    }
    if settings && label.settings.is_none() {
        let detail = "This backup was made without settings.";
        return Err(Problem::new(422, "invalid_value", detail).with("field", "settings"));
    }
    let encoding = call.gateway.device_settings.encoding(&device.id);
    let people = people(&content, encoding_of(&label)?, templates);
    let settings = settings.then(|| Settings::of(&content));
    let mut work = Work { label, people, templates, settings, dry_run, allow_other_device };
    let deadline = call.deadline_or(call.gateway.max_timeout)?;
    let with = if templates { WITH_TEMPLATES } else { "" };
    let act = Act { kind: "restore", subject: Some(backup + with), deadline };
    long(call, act, move |session, deadline, between, ticket| {
        work.run(session, encoding, deadline, between, ticket)
    })
}

struct Work {
    label: Label,
    people: Vec<PersonWrite>,
    templates: bool,
    /// What the device is to be set to, if it is.
    settings: Option<Settings>,
    dry_run: bool,
    allow_other_device: bool,
}

/// In which encoding the names of a backup are: as its device was set when it was made, not as the other one is.
fn encoding_of(label: &Label) -> Result<NameEncoding, Problem> {
    let other_version = BackupError::Seal(SealError::Sealed(Sealed::OtherVersion));
    NameEncoding::parse(&label.name_encoding).map_err(|_| of_backup(&other_version))
}

/// The people of a backup.
fn people(content: &Content, encoding: NameEncoding, templates: bool) -> Vec<PersonWrite> {
    let Some(layout) = UserLayout::for_stride(usize::from(content.stride)) else { return Vec::new() };
    let mut prints: HashMap<u16, Vec<Fingerprint>> = HashMap::new();
    for print in content.prints.iter().filter(|_| templates) {
        let validity = Validity::from_byte(print.validity);
        if let Ok(made) = Fingerprint::new(print.finger, validity, print.bytes.expose().clone()) {
            prints.entry(print.uid).or_default().push(made);
        }
    }
    let records = content.records.expose().chunks_exact(usize::from(content.stride));
    records
        .filter_map(|record| UserRecord::new(record, layout).ok())
        .map(|record| {
            let fingerprints = prints.remove(&record.user().uid).unwrap_or_default();
            PersonWrite { user: UserChange::like(record, encoding), fingerprints }
        })
        .collect()
}

impl Work {
    fn run(
        &mut self,
        session: &mut Session,
        encoding: NameEncoding,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        if let Some(problem) = self.refusal(session, deadline).map_err(untouched)? {
            return Ok(Ending::failed(problem.to_json()).before_it_began());
        }
        if self.dry_run {
            return self.plan(session, deadline, between, ticket).map_err(untouched);
        }
        // First, so that there are the groups and time zones that people have.
        let mut set = self.go_through(Aim::Set, session, deadline, between, ticket);
        let report = match set.as_mut().and_then(|set| set.broke.take()) {
            Some(error) => Err(error),
            None => self.write(session, encoding, deadline, between, ticket),
        };
        // Nothing was written of anybody.
        let not_tried = || vec![Err(UserError::NotTried); self.people.len()];
        let report = report.unwrap_or_else(|error| Report {
            rows: not_tried(),
            broke: Some(error),
            disturbed: Vec::new(),
        });
        self.told(report, set.as_ref(), ticket)
    }

    /// What it would be. Nothing is written.
    fn plan(
        &self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        let table = session.users(deadline)?;
        let known = |id: &UserId| table.iter().any(|user| user.user_id == *id);
        let there = self.people.iter().filter(|person| known(&person.user.user_id)).count();
        drop(table);
        let mut settings = self.go_through(Aim::Look, session, deadline, between, ticket);
        match settings.as_mut().and_then(|settings| settings.broke.take()) {
            Some(error) if matches!(error.fault, Fault::Stopped) && ticket.is_cancelled() => {
                return Ok(Ending::cancelled(None));
            }
            Some(error) => return Err(error),
            None => {}
        }
        Ok(Ending::done(json!({
            "dry_run": true,
            "people": self.people.len(),
            "new": self.people.len() - there,
            "known": there,
            "templates": self.templates.then_some(self.label.templates),
            "settings": settings.map(|settings| settings.told(Aim::Look)),
        })))
    }

    /// Compares the settings with the device, or sets it to them.
    fn go_through(
        &self,
        aim: Aim,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Option<Outcome> {
        let settings = self.settings.as_ref()?;
        let total = self.total();
        ticket.progress(0, total);
        let mut progress = |done| ticket.progress(done as u64, total);
        Some(settings.go_through(session, aim, &mut pause(between, ticket), &mut progress, deadline))
    }

    /// The parts of it, for whoever watches.
    fn total(&self) -> u64 {
        let people = if self.dry_run { 0 } else { self.people.len() };
        (people + self.settings.as_ref().map_or(0, Settings::len)) as u64
    }

    fn write(
        &self,
        session: &mut Session,
        encoding: NameEncoding,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Report, DeviceError> {
        let (total, people) = (self.total(), self.people.len() as u64);
        let before = total - people;
        ticket.progress(before, total);
        let pause = &mut pause(between, ticket);
        let mut progress = |now: Progress| ticket.progress(before + now.done as u64, total);
        if self.templates {
            return session.write_people(
                &self.people,
                Mode::Upsert,
                encoding,
                pause,
                &mut progress,
                deadline,
            );
        }
        let changes: Vec<_> = self.people.iter().map(|person| person.user.clone()).collect();
        session.write_users(&changes, Mode::Upsert, encoding, pause, &mut progress, deadline)
    }

    /// Why this backup is not for this device.
    fn refusal(&mut self, session: &mut Session, deadline: Deadline) -> Result<Option<Problem>, DeviceError> {
        let info = session.info(deadline)?;
        // Two that tell no serial number are not the same for that.
        let own = info.serial_number.is_some() && info.serial_number == self.label.serial_number;
        if let Some(settings) = &mut self.settings {
            settings.for_own(own);
        }
        if !own && !self.allow_other_device {
            let detail = match (&info.serial_number, &self.label.serial_number) {
                (Some(_), Some(_)) => {
                    "The backup is of another device; say allow_other_device if that is meant."
                }
                _ => {
                    "Without both serial numbers nobody can tell whether the backup is of this device; say \
                     allow_other_device if it is to be put there."
                }
            };
            return Ok(Some(Problem::new(409, "other_device", detail)));
        }
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".to_owned());
        let (here, there) = (version(&info.fingerprint_version), version(&self.label.fingerprint_version));
        if self.templates && (here != there || here == "unknown") {
            let detail = format!(
                "The templates are of version {there}, and the device has version {here}: it could not read them."
            );
            return Ok(Some(Problem::new(409, "other_algorithm", detail)));
        }
        Ok(None)
    }

    fn told(&self, report: Report, set: Option<&Outcome>, ticket: &Ticket) -> Result<Ending, DeviceError> {
        let Report { rows, broke, disturbed } = report;
        let mut told: Vec<Value> = Vec::with_capacity(self.people.len());
        let mut failed = 0;
        let mut unknown = set.is_some_and(|set| set.is_unknown);
        for (person, row) in self.people.iter().zip(rows) {
            failed += usize::from(row.is_err());
            unknown |= row == Err(UserError::OutcomeUnknown);
            told.push(shown(&person.user.user_id.to_text(), row));
        }
        let total = self.people.len();
        let mut result = json!({
            "dry_run": false, "people": total, "failed": failed, "rows": told,
            "settings": set.map(|set| set.told(Aim::Set)),
        });
        tell_disturbed(&mut result, &disturbed);
        if let Some(error) = broke {
            return Err(broken_off(error, unknown, result, ticket));
        }
        let amiss = set.map_or(0, Outcome::amiss);
        if failed == 0 && amiss == 0 {
            return Ok(Ending::done(result));
        }
        let detail = format!(
            "{failed} of {total} people and {amiss} settings are not as in the backup; the result says which."
        );
        let problem = Problem::new(502, "rows_failed", detail).to_json();
        let ending = if unknown { Ending::unknown(problem) } else { Ending::failed(problem) };
        Ok(ending.with_result(result))
    }
}
