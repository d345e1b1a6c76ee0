//! What is noted in the audit log of a request that does something.

use std::sync::Arc;

use super::gateway::Gateway;
use super::route::{Route, Segments};
use super::tokens::Who;
use crate::base::clock::millis;
use crate::base::deadline::Deadline;
use crate::base::scope::Scope;
use crate::store::ledger::NewAudit;

/// A row of the audit log that lacks only how it ended.
pub(super) struct Note {
    gateway: Arc<Gateway>,
    row: NewAudit,
}

impl Note {
    /// The note that this request needs: everything does that is no plain reading, and every look at templates.
    pub(super) fn of(
        gateway: &Arc<Gateway>,
        route: &Route,
        who: &Who,
        path: &str,
        segments: &Segments<'_>,
    ) -> Option<Self> {
        if route.method == "GET" && route.scope != Some(Scope::Biometric) || route.scope.is_none() {
            return None;
        }
        let shown = |text: &str| text.chars().take(PATH_CEILING).collect::<String>();
        let device = segments.iter().find(|(name, _)| *name == "id" && route.path.contains("/devices/"));
        let row = NewAudit {
            token: who.name.to_string(),
            token_id: Some(who.id),
            action: format!("{} {}", route.method, route.path),
            path: Some(shown(path)),
            device_id: device.map(|(_, id)| shown(id)),
            ..NewAudit::default()
        };
        Some(Self { gateway: Arc::clone(gateway), row })
    }

    /// Notes how it ended. Nobody waits for that.
    pub(super) fn write(self, status: u16, code: Option<&'static str>) {
        let Self { gateway, mut row } = self;
        row.at = millis(gateway.clock.wall());
        row.status = Some(status);
        row.result = code.unwrap_or("ok").to_owned();
        let deadline = Deadline::after(gateway.clock.now(), Deadline::CEILING);
        gateway.operations.ledger().then(
            deadline,
            move |book| book.audit(&row),
            |noted| {
                if let Err(error) = noted {
                    log::error!("the audit log could not be written: {error}");
                }
            },
        );
    }
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Note")
    }
}

/// The longest path that is noted, in characters.
const PATH_CEILING: usize = 300;
