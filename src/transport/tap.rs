//! Where the packets of a device's sessions can be heard: nobody listens as a rule, and that costs one look at a
//! switch for each packet.
//!
//! A [`Tap`] belongs to a device and outlives its sessions, so whoever listens hears the next session too.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::base::lock::lock;
use crate::wire::capture::Direction;
use crate::wire::carrier::{Carrier, Outbox};
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// Where a device's packets can be heard. A clone is the same tap.
#[derive(Clone, Debug, Default)]
pub struct Tap(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    on: AtomicBool,
    sessions: AtomicU32,
    /// guards: who listens
    ear: Mutex<Option<Arc<dyn Ear>>>,
}

/// Who listens. It is called by threads that talk to devices, so it must not wait.
pub trait Ear: Send + Sync + fmt::Debug {
    /// A session begins.
    fn begins(&self, session: SessionKey);
    /// A packet is about to be sent, or has come.
    fn hears(&self, session: SessionKey, direction: Direction, packet: &Packet<'_>);
    /// A session has ended.
    fn ends(&self, session: SessionKey, how: &'static str);
}

/// One session of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey {
    /// Counts the sessions of a tap, from 0.
    pub number: u32,
    /// Over what it runs.
    pub carrier: Carrier,
}

/// A session that can be heard; dropping it is its end.
#[derive(Debug)]
pub struct TappedSession {
    tap: Tap,
    key: SessionKey,
    /// How it ends, as far as that is known.
    how: OnceLock<&'static str>,
}

impl Tap {
    /// Has somebody listen from now on, instead of whoever did.
    pub fn attach(&self, ear: Arc<dyn Ear>) {
        *lock(&self.0.ear) = Some(ear);
        self.0.on.store(true, Ordering::Release);
    }

    /// Has nobody listen any more.
    pub fn detach(&self) {
        self.0.on.store(false, Ordering::Release);
        *lock(&self.0.ear) = None;
    }

    /// Whether somebody listens.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.on.load(Ordering::Acquire)
    }

    /// A session begins.
    #[must_use]
    pub fn session(&self, carrier: Carrier) -> TappedSession {
        let key = SessionKey { number: self.0.sessions.fetch_add(1, Ordering::Relaxed), carrier };
        self.tell(|ear| ear.begins(key));
        TappedSession { tap: self.clone(), key, how: OnceLock::new() }
    }

    fn tell(&self, what: impl FnOnce(&dyn Ear)) {
        if self.is_on() {
            let ear = lock(&self.0.ear).clone();
            if let Some(ear) = ear {
                what(&*ear);
            }
        }
    }
}

impl TappedSession {
    /// These packets are about to be sent.
    pub fn sending(&self, out: &Outbox) {
        self.tap.tell(|ear| {
            for packet in out.packets() {
                if packet.command == Command::EXIT {
                    self.how.get_or_init(|| "exit");
                }
                ear.hears(self.key, Direction::Out, &packet);
            }
        });
    }

    /// This packet has come.
    pub fn heard(&self, packet: &Packet<'_>) {
        self.tap.tell(|ear| ear.hears(self.key, Direction::In, packet));
    }

    /// The session comes to its end in this way, unless it was over already.
    pub fn fails(&self, how: &'static str) {
        self.how.get_or_init(|| how);
    }
}

impl Drop for TappedSession {
    fn drop(&mut self) {
        let how = self.how.get().copied().unwrap_or("dropped");
        self.tap.tell(|ear| ear.ends(self.key, how));
    }
}
