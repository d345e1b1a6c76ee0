//! Operations: what is asked of devices that has an effect. Each is noted in the ledger before anything is sent, can
//! be looked at while it runs, can be cancelled, and ends with a word on what became of it.
//!
//! This room only keeps the books. What is done, and with which device, is the business of whoever holds the
//! [`Ticket`].

mod live;
mod ticket;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::base::clock::{Clock, millis};
use crate::base::deadline::Deadline;
use crate::base::lock::lock;
use crate::base::scope::{Scope, Scopes};
use crate::store::StoreError;
use crate::store::ledger::{Begun, Ledger, NewOperation, Operation, State};

use live::Live;
pub use live::{Event, Watched};
pub use ticket::{Ending, Ticket};

/// The operations that are under way.
pub struct Operations {
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    /// guards: those under way, and those whose end could not be noted
    live: Mutex<BTreeMap<u64, Arc<Live>>>,
}

/// What came of asking for an operation.
#[derive(Debug)]
pub enum Opened {
    /// It is to be done now.
    New(Ticket),
    /// It was asked for before, under the same key; this is how far it is.
    Earlier(Box<Shown>),
    /// The key was used for another operation: this one.
    KeyTaken(u64),
}

/// An operation as it is now.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is kept of it.
    pub operation: Operation,
    /// What has happened so far; only while it is under way.
    pub events: Vec<Event>,
    /// Whether it was asked to end early.
    pub cancelling: bool,
}

/// Operations whose end could not be noted that are kept in memory.
const UNNOTED: usize = 256;

impl Operations {
    /// With this ledger.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { ledger, clock, live: Mutex::default() })
    }

    /// Where they are kept.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Notes an operation and hands out its ticket; `then` is called in any case, and must be quick.
    pub fn begin(
        self: &Arc<Self>,
        new: NewOperation,
        deadline: Deadline,
        then: impl FnOnce(Result<Opened, StoreError>) + Send + 'static,
    ) {
        let (this, now) = (Arc::clone(self), self.now());
        let noted = new.clone();
        self.ledger.then(
            deadline,
            move |book| book.begin(&noted, now),
            move |begun| {
                then(begun.map(|begun| match begun {
                    Begun::New(id) => Opened::New(this.ticket(id, new, now)),
                    Begun::Earlier(earlier) => Opened::Earlier(Box::new(this.shown(*earlier))),
                    Begun::KeyTaken(id) => Opened::KeyTaken(id),
                }));
            },
        );
    }

    /// A ticket for something that could not be noted and is to be done all the same. It has no number.
    #[must_use]
    pub fn unrecorded(self: &Arc<Self>, new: NewOperation) -> Ticket {
        Ticket::new(Arc::clone(self), Live::new(0, new, self.now()))
    }

    fn ticket(self: &Arc<Self>, id: u64, new: NewOperation, now: i64) -> Ticket {
        let live = Live::new(id, new, now);
        lock(&self.live).insert(id, Arc::clone(&live));
        Ticket::new(Arc::clone(self), live)
    }

    /// How an operation is, given what the ledger has of it.
    #[must_use]
    pub fn shown(&self, operation: Operation) -> Shown {
        let live = lock(&self.live).get(&operation.id).cloned();
        match live {
            Some(live) if !operation.state.is_over() => live.show(operation),
            _ => Shown { operation, events: Vec::new(), cancelling: false },
        }
    }

    /// Asks one that is under way to end early, if whoever asks has what was needed to begin it. One that has ended
    /// stays as it is.
    ///
    /// # Errors
    /// The scope that is needed.
    pub fn cancel(&self, id: u64, scopes: Scopes) -> Result<(), Scope> {
        let live = lock(&self.live).get(&id).cloned();
        let Some(live) = live.filter(|live| !live.is_over()) else { return Ok(()) };
        if !scopes.allow(live.scope()) {
            return Err(live.scope());
        }
        live.cancel();
        Ok(())
    }

    /// Calls back once, as soon as something happens with this operation after its event number `after`, or it ends;
    /// [`Watched::Over`] when there is nothing to wait for.
    pub fn watch(&self, id: u64, after: u64, told: impl FnOnce() + Send + 'static) -> Watched {
        let live = lock(&self.live).get(&id).cloned();
        live.map_or(Watched::Over, |live| live.watch(after, Box::new(told)))
    }

    /// Asks all to end.
    pub fn cancel_all(&self) {
        let all: Vec<_> = lock(&self.live).values().cloned().collect();
        for live in all {
            live.cancel();
        }
    }

    /// How many are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        lock(&self.live).values().filter(|live| !live.is_over()).count()
    }

    fn now(&self) -> i64 {
        millis(self.clock.wall())
    }

    /// Notes how one ended. What cannot be noted is remembered as long as there is room.
    fn ended(self: &Arc<Self>, live: &Arc<Live>, ending: Ending) {
        let now = self.now();
        let Some(finished) = live.finish(ending, now).filter(|_| live.id() != 0) else { return };
        let (id, this, state) = (live.id(), Arc::clone(self), finished.state);
        self.ledger.then(
            Deadline::after(self.clock.now(), Deadline::CEILING),
            move |book| book.finish(id, &finished, now),
            move |noted| this.noted(id, state, noted),
        );
    }

    /// Notes what one did to several devices. Nobody waits for that.
    fn touched(&self, live: &Live, devices: Vec<(String, &str)>) {
        let now = self.now();
        let row = |(device, result): (String, &str)| live.audit(Some(device), result, now);
        let rows: Vec<_> = devices.into_iter().map(row).collect();
        let id = live.id();
        self.ledger.then(
            Deadline::after(self.clock.now(), Deadline::CEILING),
            move |book| book.audit_all(&rows),
            move |noted| {
                if let Err(error) = noted {
                    log::error!("which devices operation {id} touched could not be noted: {error}");
                }
            },
        );
    }

    fn noted(&self, id: u64, state: State, noted: Result<(), StoreError>) {
        let mut live = lock(&self.live);
        let Err(error) = noted else {
            live.remove(&id);
            return;
        };
        log::error!("operation {id} ended ({}), which could not be noted: {error}", state.name());
        let over: Vec<u64> = live.iter().filter(|(_, live)| live.is_over()).map(|(id, _)| *id).collect();
        for id in over.iter().rev().skip(UNNOTED) {
            live.remove(id);
        }
    }
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Operations({} under way)", self.under_way())
    }
}
