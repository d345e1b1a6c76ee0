//! Clearing whole tables of a device, but for the attendance log: a dry run first, and then with the value that it
//! gave. What the dry run showed is all that may be lost.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::backups::may_touch_templates;
use super::clearing::{Confirmed, untouched};
use super::effect::{Act, long};
use super::input::given;
use crate::base::confirmations::CONFIRMABLE;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::device::clearing::{Clearing, Stock};
use crate::device::upkeep::DataKind;
use crate::device::{DeviceError, Session};
use crate::http::call::{Call, Handled};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::registry::Between;

/// What can be cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The rights of all administrators.
    Administrators,
    /// All fingerprint templates.
    Templates,
    /// All people, with their fingerprints.
    Users,
    /// The operation log.
    OperationLog,
    /// People, fingerprints and all logs.
    Everything,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    what: What,
    #[serde(default)]
    dry_run: bool,
    #[serde(default, deserialize_with = "given")]
    confirmation: Option<String>,
    #[serde(default = "yes")]
    backup: bool,
}

/// Nothing is cleared without a backup unless that is said.
const fn yes() -> bool {
    true
}

/// `POST /devices/{id}/clear`
pub fn clear(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let Wanted { what, dry_run, confirmation, backup } = call.body()?;
    let may_read_templates = may_touch_templates(call).is_ok();
    let deadline = call.deadline_or(call.gateway.max_timeout)?;
    let address = format!("{}:{}", device.ip_address, device.port);
    let (gateway, id) = (Arc::clone(&call.gateway), device.id.clone());
    let place = Place { gateway, id, address, what, may_read_templates };
    match (dry_run, confirmation) {
        (true, None) => {
            let subject = Some(format!("{}, dry run", what.name()));
            long(call, Act { kind: "clear", subject, deadline }, move |session, deadline, between, _| {
                place.dry_run(session, deadline, between).map_err(untouched)
            })
        }
        (false, Some(value)) => {
            let mut work = Confirmed::new(place, value, backup);
            let act = Act { kind: "clear", subject: Some(what.name().to_owned()), deadline };
            long(call, act, move |session, deadline, between, ticket: &Ticket| {
                work.run(session, deadline, between, ticket)
            })
        }
        _ => {
            let detail = "Ask for \"dry_run\": true first, and then send the confirmation that it gives.";
            Err(Problem::bad_request("invalid_body", detail))
        }
    }
}

/// What is to be cleared where, and what may be read for it.
pub(super) struct Place {
    pub(super) gateway: Arc<Gateway>,
    pub(super) id: DeviceId,
    pub(super) address: String,
    pub(super) what: What,
    pub(super) may_read_templates: bool,
}

impl What {
    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Administrators => "administrators",
            Self::Templates => "templates",
            Self::Users => "users",
            Self::OperationLog => "operation_log",
            Self::Everything => "everything",
        }
    }

    pub(super) const fn clearing(self) -> Clearing {
        match self {
            Self::Administrators => Clearing::Administrators,
            Self::Templates => Clearing::Data(DataKind::Templates),
            Self::Users => Clearing::Data(DataKind::Users),
            Self::OperationLog => Clearing::Data(DataKind::Operations),
            Self::Everything => Clearing::Everything,
        }
    }

    /// Whether a backup can bring back anything of it.
    pub(super) const fn is_in_backups(self) -> bool {
        !matches!(self, Self::OperationLog)
    }
}

impl Place {
    /// What a confirmation is about. Its address is in it for the devices that tell no serial number: two of them are
    /// alike, and what is left to tell that it is the one that was shown is that its record and its address are the
    /// same, within ten minutes, and that it has no more than was shown.
    pub(super) fn about(&self) -> (DeviceId, String, &'static str) {
        (self.id.clone(), self.address.clone(), self.what.name())
    }

    fn dry_run(
        &self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<Ending, DeviceError> {
        let stock = self.stock(session, between, deadline)?;
        let mut result = self.told(&stock, true);
        if let Some(problem) = self.log_problem(session, &stock, deadline)? {
            let ending = Ending::failed(problem.to_json()).with_result(Value::Object(result));
            return Ok(ending.before_it_began());
        }
        result.insert("not_in_backup".to_owned(), Value::Object(self.not_in_backup(&stock)));
        let value = self.gateway.confirmations.show(self.about(), stock, self.gateway.clock.now());
        let Ok(value) = value else {
            let problem = Problem::new(500, "internal", "The system gives no random numbers.");
            return Ok(Ending::failed(problem.to_json()).before_it_began());
        };
        result.insert("confirmation".to_owned(), value.into());
        result.insert("confirm_within_seconds".to_owned(), CONFIRMABLE.as_secs().into());
        Ok(Ending::done(Value::Object(result)))
    }

    /// What there is now.
    pub(super) fn stock(
        &self,
        session: &mut Session,
        between: &mut Between<'_>,
        deadline: Deadline,
    ) -> Result<Stock, DeviceError> {
        session.stock(self.may_read_templates, &mut |session| between.pause(session), deadline)
    }

    /// Everything is the attendance log too. That only the journal can prove to be kept, so it is to be cleared first
    /// in the way that proves it.
    pub(super) fn log_problem(
        &self,
        session: &mut Session,
        stock: &Stock,
        deadline: Deadline,
    ) -> Result<Option<Problem>, DeviceError> {
        if self.what != What::Everything {
            return Ok(None);
        }
        let counted = stock.records.unwrap_or_default();
        if counted == 0 && session.log_is_empty(deadline)? {
            return Ok(None);
        }
        let there = if counted > 0 { counted.to_string() } else { "some".to_owned() };
        let detail = format!(
            "Nothing was cleared: the attendance log has {there} records. Clear it first, with attendance/clear."
        );
        Ok(Some(Problem::new(409, "log_not_empty", detail).about(&self.id)))
    }

    /// What would be lost with a backup too: how many, or `null` where nobody can know that.
    pub(super) fn not_in_backup(&self, stock: &Stock) -> Map<String, Value> {
        let mut lost = Map::new();
        let mut lose = |name: &str, count: Option<u32>| {
            if count != Some(0) {
                lost.insert(name.to_owned(), count.map_or(Value::Null, Value::from));
            }
        };
        if matches!(self.what, What::Templates | What::Users | What::Everything) && !self.may_read_templates {
            lose("templates", stock.templates);
        }
        if matches!(self.what, What::Users | What::Everything) {
            lose("faces", stock.faces);
        }
        lost
    }

    /// What a result says in any case.
    pub(super) fn told(&self, before: &Stock, dry_run: bool) -> Map<String, Value> {
        let told = json!({
            "what": self.what.name(),
            "dry_run": dry_run,
            "serial_number": before.serial_number,
            "before": counts(before),
        });
        told.as_object().cloned().unwrap_or_default()
    }
}

pub(super) fn counts(stock: &Stock) -> Value {
    let Stock { serial_number: _, users, administrators, templates, faces, records, operations } = stock;
    json!({
        "users": users,
        "administrators": administrators,
        "templates": templates,
        "faces": faces,
        "records": records,
        "operations": operations,
    })
}
