//! What is noted in the audit log of a request that does something, or looks at what nobody may look at unseen.

use std::sync::Arc;

use super::call::percent_decoded;
use super::gateway::Gateway;
use super::response::Answer;
use super::route::{Route, Segments};
use super::tokens::Who;
use crate::base::clock::millis;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::store::StoreError;
use crate::store::ledger::NewAudit;

/// A row of the audit log that lacks only how it ended.
pub(super) struct Note {
    gateway: Arc<Gateway>,
    row: NewAudit,
    /// What it looks at is handed out only if that can be noted.
    is_look: bool,
}

/// How a request ended: the status, and the code of the problem.
type Ended = (u16, Option<&'static str>);

impl Note {
    /// The note that this request needs: everything does that is no plain reading, and every look at templates, open or
    /// sealed.
    pub(super) fn of(
        gateway: &Arc<Gateway>,
        route: &Route,
        who: &Who,
        path: &str,
        segments: &Segments<'_>,
    ) -> Option<Self> {
        if route.method == "GET" && !route.noted || route.scope.is_none() {
            return None;
        }
        let shown = |text: &str| text.chars().take(PATH_CEILING).collect::<String>();
        // As the handler reads it: whoever asks for what was done to a device finds it however the path was written.
        let device = segments.iter().find(|(name, _)| *name == "id" && route.path.contains("/devices/"));
        let device = device.and_then(|(_, text)| percent_decoded(text)).and_then(|id| DeviceId::parse(&id));
        let row = NewAudit {
            token: who.name.to_string(),
            token_id: Some(who.id),
            action: format!("{} {}", route.method, route.path),
            path: Some(shown(path)),
            device_id: device.map(|id| id.to_string()),
            ..NewAudit::default()
        };
        Some(Self { gateway: Arc::clone(gateway), row, is_look: route.method == "GET" })
    }

    /// About which device it is, and what of it.
    pub(super) fn about(&mut self, device_id: Option<String>, subject: Option<String>) {
        (self.row.device_id, self.row.subject) = (device_id, subject);
    }

    /// Whether an answer has to wait until it is noted: one that hands something out. What is refused shows nothing,
    /// and what has an effect was noted as an operation before.
    pub(super) const fn comes_first(&self, answer: &Answer) -> bool {
        self.is_look && answer.status < 300
    }

    /// Notes how it ended. Nobody waits for that.
    pub(super) fn write(self, ended: Ended) {
        let deadline = Deadline::after(self.gateway.clock.now(), Deadline::CEILING);
        self.write_then(ended, deadline, drop);
    }

    /// Notes how it ended, and says whether that is noted.
    pub(super) fn write_before(
        self,
        ended: Ended,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let deadline = Deadline::after(self.gateway.clock.now(), self.gateway.default_timeout);
        self.write_then(ended, deadline, then);
    }

    fn write_then(
        self,
        ended: Ended,
        deadline: Deadline,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let Self { gateway, mut row, is_look } = self;
        row.at = millis(gateway.clock.wall());
        row.status = Some(ended.0);
        row.result = ended.1.unwrap_or("ok").to_owned();
        let told = told(&row, is_look && ended.0 < 300);
        gateway.operations.ledger().then(
            deadline,
            move |book| book.audit(&row),
            move |noted| {
                if let Err(error) = &noted {
                    log::error!("the audit log could not be written: {error}; what it lacks: {told}");
                }
                then(noted);
            },
        );
    }
}

/// A row in a line of the service's log, which is then the only place that has it.
fn told(row: &NewAudit, is_held: bool) -> String {
    let NewAudit { token, action, path, device_id, result, .. } = row;
    let result = if is_held { "not handed out" } else { result };
    let path = path.as_deref().unwrap_or_default();
    let device = device_id.as_deref().unwrap_or("none");
    format!("token {token:?}, {action}, path {path:?}, device {device:?}, {result}")
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Note")
    }
}

/// The longest path that is noted, in characters.
const PATH_CEILING: usize = 300;
