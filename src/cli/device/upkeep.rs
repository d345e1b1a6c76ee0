//! Restarting, switching off, making changes effective, and clearing whole tables.

use serde_json::json;

use super::Caller;
use super::grammar::Kind;
use super::line::Line;
use crate::cli::failure::{Done, Failure};
use crate::device::upkeep::DataKind;

pub(super) fn refresh(caller: Caller<'_>) -> Done {
    caller.work(|line| line.read(|session, deadline| session.refresh_data(deadline)))?;
    caller.out.done(&json!({ "refreshed": true }), "refreshed")
}

pub(super) fn free_buffer(caller: Caller<'_>) -> Done {
    caller.work(|line| line.read(|session, deadline| session.free_buffer(deadline)))?;
    caller.out.done(&json!({ "freed": true }), "freed")
}

pub(super) fn restart(caller: Caller<'_>) -> Done {
    caller.work(|line| line.effect(|session, deadline| session.restart(deadline)))?;
    caller.out.done(&json!({ "restarted": true }), "it restarts")
}

pub(super) fn power_off(caller: Caller<'_>) -> Done {
    caller.confirm("the device will be switched off, and somebody has to go there to switch it on.")?;
    caller.work(|line| line.effect(|session, deadline| session.power_off(deadline)))?;
    caller.out.done(&json!({ "switched_off": true }), "it is switched off")
}

pub(super) fn clear(caller: Caller<'_>, what: Kind) -> Done {
    let name = what.name();
    caller.confirm(what.warning())?;
    caller.work(|line| {
        if what == Kind::Attendance {
            return clear_attendance(line);
        }
        line.effect(|session, deadline| match what {
            Kind::Attendance => Ok(()),
            Kind::Templates => session.clear_data(DataKind::Templates, deadline),
            Kind::Users => session.clear_data(DataKind::Users, deadline),
            Kind::Administrators => session.clear_administrators(deadline),
            Kind::OperationLog => session.clear_data(DataKind::Operations, deadline),
            Kind::Everything => session.clear_everything(deadline),
        })
    })?;
    caller.out.done(&json!({ "cleared": name }), &format!("{name} cleared"))
}

/// Clears the log, and looks whether the device counts fewer records than before: one that came in that moment is
/// none of what was to be cleared.
fn clear_attendance(line: &mut Line) -> Done {
    let before = line.read(|session, deadline| session.free_sizes(deadline))?.punches.unwrap_or_default();
    line.effect(|session, deadline| session.clear_punches(deadline))?;
    let after = line.read(|session, deadline| session.free_sizes(deadline))?.punches.unwrap_or_default();
    match before > 0 && after >= before {
        false => Ok(()),
        true => Err(Failure::new(
            "not_stored",
            format!("the device acknowledged it and still counts {after} records"),
        )),
    }
}

impl Kind {
    /// How it is written.
    pub(in crate::cli) const fn name(self) -> &'static str {
        match self {
            Self::Attendance => "attendance",
            Self::Templates => "templates",
            Self::Users => "users",
            Self::Administrators => "administrators",
            Self::OperationLog => "operation-log",
            Self::Everything => "everything",
        }
    }

    /// What will be lost.
    pub(in crate::cli) const fn warning(self) -> &'static str {
        match self {
            Self::Attendance => {
                "the attendance log will be deleted. What no journal holds is lost; the service, asked to clear it, \
                 does so only when its own journal has all of it."
            }
            Self::Templates => "all fingerprints will be deleted.",
            Self::Users => "all people and their fingerprints will be deleted.",
            Self::Administrators => "all administrators will become common users.",
            Self::OperationLog => "the operation log will be deleted.",
            Self::Everything => {
                "all people, all fingerprints and all logs will be deleted. What no journal holds is lost."
            }
        }
    }
}
