//! The people that should be on several devices: compared, brought there, and kept so that somebody can ask later
//! whether they still are.
//!
//! Devices are gone through a few at a time, so that work on all of them never takes all of the workers; one that
//! cannot be reached is told of at once, and holds up nobody.

mod convoy;
mod errand;
mod list;
mod transfer;

use std::sync::Arc;

use crate::base::clock::{Clock, millis};
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::device::users::UserChange;
use crate::operations::Ticket;
use crate::registry::Registry;
use crate::store::ledger::{Ledger, NewPeopleList, PeopleList, Standing, StandingState};
use crate::store::sealer::{SealError, Sealed, Sealer};
use crate::wire::encoding::NameEncoding;

use convoy::Convoy;
pub use errand::{Counts, Line, Told, Trouble, What};
pub use transfer::{Copy, Moved, ThenMoved, Transfer};

/// The rooms that are needed for it.
pub struct Fleet {
    registry: Arc<Registry>,
    ledger: Arc<Ledger>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
}

/// Who should be on a device.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Everybody, each once.
    pub people: Vec<UserChange>,
    /// Who is allowed to go.
    pub removal: Removal,
}

/// Who may be removed because they are not on the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// So many people of one device; if there are more, nothing is done with that device. 0 for nobody.
    pub at_most: usize,
    /// Also people who may do more than others: without one of them a device's menu is open to everybody.
    pub privileged: bool,
}

/// A device, the encoding of its names, and who should be on it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub id: DeviceId,
    /// In which encoding it has names.
    pub encoding: NameEncoding,
    /// Who.
    pub wanted: Wanted,
}

/// Who should be on a device.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// These, which is only a question.
    Asked(Arc<Wish>),
    /// Those on the list that counts for it.
    Kept(PeopleList),
    /// Somebody from another device, besides whoever is there.
    Copied(Arc<Copy>),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Only to say what would be done.
    Compare,
    /// To do it.
    Apply,
}

/// How long a device's session is held while its list is read.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Whatever is done at the end with what is told of all devices.
pub type Then = Box<dyn FnOnce(&Ticket, Vec<Told>) + Send>;

impl Fleet {
    /// With these.
    #[must_use]
    pub const fn new(
        registry: Arc<Registry>,
        ledger: Arc<Ledger>,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { registry, ledger, sealer, clock }
    }

    /// Compares devices with whom they should have, or brings them there. Nobody waits: `then` is called once all
    /// have been told of, and ends the operation.
    pub fn go(
        self: &Arc<Self>,
        targets: Vec<Target>,
        aim: Aim,
        deadline: Deadline,
        ticket: Ticket,
        then: Then,
    ) {
        Convoy::start(Arc::clone(self), targets, aim, deadline, ticket, then);
    }

    /// A list as it is kept: sealed.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn sealed(&self, wish: &Wish, token: &str) -> Result<NewPeopleList, SealError> {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(NewPeopleList {
            put_at: millis(self.clock.wall()),
            token: token.to_owned(),
            people: count(wish.people.len()),
            remove_at_most: count(wish.removal.at_most),
            remove_administrators: wish.removal.privileged,
            content: self.sealer.seal(list::LABEL, &list::emit(&wish.people))?,
        })
    }

    /// The people of a list that was kept.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn opened(&self, list: &PeopleList, content: &[u8]) -> Result<Wish, SealError> {
        let (_, content) = self.sealer.open(content)?;
        let people = list::parse(&content).ok_or(SealError::Sealed(Sealed::NoBackup))?;
        let at_most = usize::try_from(list.remove_at_most).unwrap_or(usize::MAX);
        Ok(Wish { people, removal: Removal { at_most, privileged: list.remove_administrators } })
    }

    /// Where the lists are kept.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The people of a list that counts for a device, read when it is its turn.
    fn read(&self, list: &PeopleList, deadline: Deadline) -> Result<Wish, Trouble> {
        let device_id = list.device_id.clone();
        let deadline = deadline.min(Deadline::after(self.clock.now(), PATIENCE));
        let found = self.ledger.ask(deadline, move |book| book.people_list(&device_id));
        let found =
            found.map_err(|error| Trouble { code: "store_unavailable", detail: error.to_string() })?;
        let (now, content) = found.filter(|(now, _)| now.list_id == list.list_id).ok_or_else(|| {
            let detail = "Another list counts for this device by now.".to_owned();
            Trouble { code: "list_replaced", detail }
        })?;
        self.opened(&now, &content).map_err(|error| {
            let code = if matches!(error, SealError::Io(_)) { "store_unavailable" } else { "backup_locked" };
            Trouble { code, detail: error.to_string() }
        })
    }

    /// Notes how a device stands to its list.
    fn note(&self, list: &PeopleList, told: &Told, aim: Aim, operation_id: u64) {
        let standing = standing(told, aim, millis(self.clock.wall()), operation_id);
        let (device_id, list_id, serial) = (list.device_id.clone(), list.list_id, told.serial_number.clone());
        self.ledger.then(
            Deadline::after(self.clock.now(), Deadline::CEILING),
            move |book| book.set_standing(&device_id, list_id, serial.as_deref(), &standing),
            |noted| {
                if let Err(error) = noted {
                    log::warn!("how a device stands to its list of people could not be noted: {error}");
                }
            },
        );
    }
}

/// How a device stands to its list after it was looked at or worked on.
fn standing(told: &Told, aim: Aim, looked_at: i64, operation_id: u64) -> Standing {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let Counts { add, change, remove, failed, .. } = told.counts;
    // After it was applied, what was to be done is done, or has failed.
    let open =
        |planned: usize| if aim == Aim::Compare || told.problem.is_some() { count(planned) } else { 0 };
    let standing = Standing {
        looked_at,
        operation_id,
        state: StandingState::Failed,
        missing: open(add),
        different: open(change),
        extra: open(remove),
        failed: count(failed),
        problem: told.problem.as_ref().map(|problem| problem.code.to_owned()),
    };
    let state = if standing.problem.is_some() || failed > 0 {
        StandingState::Failed
    } else if standing.missing + standing.different + standing.extra > 0 {
        StandingState::Different
    } else {
        StandingState::AsWanted
    };
    Standing { state, ..standing }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fleet")
    }
}
