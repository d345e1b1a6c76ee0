//! Putting a backup back: onto the device that it is of, or onto another one if that is said. Nobody is removed.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::backups::{WITH_TEMPLATES, may_touch_templates, named};
use super::effect::{Act, long};
use super::user_view::written;
use super::users_bulk::{pause, told_already};
use crate::base::deadline::Deadline;
use crate::device::configuration::Configured;
use crate::device::templates::{Fingerprint, PersonWrite};
use crate::device::users::{Mode, Progress, Report, UserChange};
use crate::device::{DeviceError, Fault, Session};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::registry::Between;
use crate::store::backups::{Content, Label};
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
    let people = people(&content, encoding, templates);
    let kept = content.settings.iter().filter(|_| settings);
    let settings =
        settings.then(|| kept.filter_map(|(kind, bytes)| Configured::kept(*kind, bytes)).collect());
    let work = Work { label, people, templates, settings, dry_run, allow_other_device };
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
    settings: Option<Vec<Configured>>,
    dry_run: bool,
    allow_other_device: bool,
}

/// What came of the settings.
#[derive(Default)]
struct Set {
    well: usize,
    failed: Vec<Value>,
    left_out: Vec<String>,
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
        &self,
        session: &mut Session,
        encoding: NameEncoding,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        if let Some(problem) = self.refusal(session, deadline)? {
            return Ok(Ending::failed(problem.to_json()).before_it_began());
        }
        let table = session.users(deadline)?;
        let known = |id: &UserId| table.iter().any(|user| user.user_id == *id);
        if self.dry_run {
            let there = self.people.iter().filter(|person| known(&person.user.user_id)).count();
            return Ok(Ending::done(json!({
                "dry_run": true,
                "people": self.people.len(),
                "new": self.people.len() - there,
                "known": there,
                "templates": self.templates.then_some(self.label.templates),
                "settings": self.settings.as_ref().map(Vec::len),
            })));
        }
        drop(table);
        // First, so that there are the groups and time zones that people have.
        let set = self.configure(session, deadline, between)?;
        let total = self.people.len() as u64;
        ticket.progress(0, total);
        let pause = &mut pause(between, ticket);
        let mut progress = |now: Progress| ticket.progress(now.done as u64, total);
        let report = match self.templates {
            true => {
                session.write_people(&self.people, Mode::Upsert, encoding, pause, &mut progress, deadline)?
            }
            false => {
                let changes: Vec<_> = self.people.iter().map(|person| person.user.clone()).collect();
                session.write_users(&changes, Mode::Upsert, encoding, pause, &mut progress, deadline)?
            }
        };
        self.told(report, &set, ticket)
    }

    /// Sets the device to what it was set to. A network setting would cut it off, or give two devices one address.
    fn configure(
        &self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<Set, DeviceError> {
        let mut set = Set::default();
        for configured in self.settings.iter().flatten() {
            if configured.may_cut_off() {
                set.left_out.push(configured.name());
                continue;
            }
            match session.configure(configured, deadline) {
                Ok(()) => set.well += 1,
                Err(error) if error.keeps_session() => set.failed.push(json!({
                    "name": configured.name(), "code": error.code(), "detail": error.to_string(),
                })),
                Err(error) => return Err(error),
            }
            between.pause(session)?;
        }
        Ok(set)
    }

    /// Why this backup is not for this device.
    fn refusal(&self, session: &mut Session, deadline: Deadline) -> Result<Option<Problem>, DeviceError> {
        let info = session.info(deadline)?;
        if info.serial_number != self.label.serial_number && !self.allow_other_device {
            let detail = "The backup is of another device; say allow_other_device if that is meant.";
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

    fn told(&self, report: Report, set: &Set, ticket: &Ticket) -> Result<Ending, DeviceError> {
        let Report { rows, broke } = report;
        let mut told: Vec<Value> = Vec::with_capacity(self.people.len());
        let mut failed = 0;
        for (person, row) in self.people.iter().zip(rows) {
            let id = person.user.user_id.to_text();
            told.push(match row {
                Ok(done) => written(&id, done),
                Err(error) => {
                    failed += 1;
                    json!({ "user_id": id, "code": error.code(), "detail": error.to_string() })
                }
            });
        }
        let total = self.people.len();
        let settings = self
            .settings
            .as_ref()
            .map(|_| json!({ "as_wanted": set.well, "failed": set.failed, "left_out": set.left_out }));
        let result = json!({
            "dry_run": false, "people": total, "failed": failed, "rows": told, "settings": settings,
        });
        if let Some(error) = broke {
            let detail = format!(
                "The session with the device broke: {error}. Ask for the same once more: what is done is not done again."
            );
            let problem = Problem::new(502, error.code(), detail).to_json();
            let ending = match error.fault {
                Fault::Stopped if ticket.is_cancelled() => Ending::cancelled(Some(result)),
                _ => Ending::failed(problem).with_result(result),
            };
            ticket.end(ending);
            return Err(told_already(error));
        }
        if failed == 0 && set.failed.is_empty() {
            return Ok(Ending::done(result));
        }
        let detail = format!(
            "{failed} of {total} people and {} settings are not as in the backup; the result says which.",
            set.failed.len()
        );
        Ok(Ending::failed(Problem::new(502, "rows_failed", detail).to_json()).with_result(result))
    }
}
