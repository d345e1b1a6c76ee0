//! Several devices, a few at a time: the next one begins when one has been told of.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::errand::{Errand, Told, Trouble, trouble};
use super::{Aim, Fleet, Target, Then, Wanted};
use crate::base::deadline::Deadline;
use crate::base::lock::lock;
use crate::operations::Ticket;
use crate::registry::Terms;

/// The most lines that are kept of all devices together, because the result of an operation is kept.
const LINES: usize = 5000;
/// The fewest lines that a device gets of them.
const FEWEST: usize = 20;
/// Devices that are worked on at a time: all the others find free workers meanwhile.
const AT_ONCE: usize = 4;

pub(super) struct Convoy {
    fleet: Arc<Fleet>,
    aim: Aim,
    deadline: Deadline,
    ticket: Ticket,
    /// The most lines that are kept of each device: all together they would be millions.
    lines: usize,
    /// People of all devices that are done with.
    done: AtomicU64,
    total: u64,
    state: Mutex<State>,
}

struct State {
    /// With their place in what is told at the end.
    waiting: VecDeque<(usize, Target)>,
    under_way: usize,
    told: Vec<(usize, Told)>,
    /// Somebody is beginning devices; whoever else would leaves it to them.
    is_beginning: bool,
    then: Option<Then>,
}

impl Convoy {
    pub(super) fn start(
        fleet: Arc<Fleet>,
        targets: Vec<Target>,
        aim: Aim,
        deadline: Deadline,
        ticket: Ticket,
        then: Then,
    ) {
        ticket.started();
        let (total, targets_count) = (targets.iter().map(people).sum(), targets.len());
        ticket.progress(0, total);
        let waiting = targets.into_iter().enumerate().collect();
        let state = State { waiting, under_way: 0, told: Vec::new(), is_beginning: false, then: Some(then) };
        let lines = (LINES / targets_count.max(1)).max(FEWEST);
        let (done, state) = (AtomicU64::new(0), Mutex::new(state));
        Arc::new(Self { fleet, aim, deadline, ticket, lines, done, total, state }).go_on();
    }

    /// Begins as many devices as may be under way. The registry may answer at once, on this thread: that answer
    /// comes back here, and must not begin the next one inside the first.
    fn go_on(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.is_beginning {
            return;
        }
        state.is_beginning = true;
        while state.under_way < AT_ONCE {
            let Some((place, target)) = state.waiting.pop_front() else { break };
            state.under_way += 1;
            drop(state);
            self.begin(place, target);
            state = lock(&self.state);
        }
        state.is_beginning = false;
        if state.under_way > 0 || !state.waiting.is_empty() {
            return;
        }
        let (mut told, then) = (std::mem::take(&mut state.told), state.then.take());
        drop(state);
        if let Some(then) = then {
            told.sort_by_key(|(place, _)| *place);
            then(&self.ticket, told.into_iter().map(|(_, told)| told).collect());
        }
    }

    fn begin(self: &Arc<Self>, place: usize, target: Target) {
        let nothing = Told::nothing(target.id.clone());
        if self.ticket.is_cancelled() {
            let detail = "It was cancelled before this device was begun.".to_owned();
            let problem = Some(Trouble { code: "cancelled", detail });
            return self.told(place, &target, Told { problem, ..nothing });
        }
        let told = Arc::new(Mutex::new(nothing));
        let (this, mine) = (Arc::clone(self), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&mine);
        let errand = Errand {
            fleet: Arc::clone(&self.fleet),
            wanted: target.wanted.clone(),
            aim: self.aim,
            encoding: target.encoding,
            ticket: self.ticket.clone(),
            advance: Box::new(move |more| {
                counted.fetch_add(more as u64, Ordering::Relaxed);
                this.advance(more as u64);
            }),
            told: Arc::clone(&told),
        };
        let terms = match self.aim {
            Aim::Compare => Terms::read(self.deadline),
            Aim::Apply => Terms::effect(self.deadline),
        };
        let (this, id) = (Arc::clone(self), target.id.clone());
        self.fleet.registry.submit_long(
            &id,
            terms,
            move |session, deadline, between| errand.run(session, deadline, between),
            move |result| {
                let mut told = lock(&told).clone();
                if let Err(refusal) = result {
                    told.problem = Some(trouble(&refusal));
                }
                this.advance(people(&target).saturating_sub(mine.load(Ordering::Relaxed)));
                this.told(place, &target, told);
                this.go_on();
            },
        );
    }

    fn advance(&self, more: u64) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        self.ticket.progress(done.min(self.total), self.total);
    }

    fn told(&self, place: usize, target: &Target, told: Told) {
        let mut told = told;
        told.lines_left_out = told.lines.len().saturating_sub(self.lines);
        told.lines.truncate(self.lines);
        told.lines.shrink_to_fit();
        if let Wanted::Kept(list) = &target.wanted {
            self.fleet.note(list, &told, self.aim, self.ticket.id());
        }
        let mut state = lock(&self.state);
        state.told.push((place, told));
        state.under_way -= 1;
    }
}

/// How many people should be on a device.
fn people(target: &Target) -> u64 {
    match &target.wanted {
        Wanted::Asked(wish) => wish.people.len() as u64,
        Wanted::Kept(list) => list.people.into(),
        Wanted::Copied(_) => 1,
    }
}
