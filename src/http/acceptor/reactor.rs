//! The acceptor's loop: waits, accepts, hands each event to its connection, keeps time, stops in order.
//!
//! One thread owns everything here. It never blocks but in its wait, and wakes at least once a second.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::base::liveness::Pulse;
use crate::base::lock::lock;
use crate::base::readiness::{Interest, Readiness, Ready, ReadyList, Watched};
use crate::base::threads::contained;

use super::client::{Client, Phase};
use super::clients::Clients;
use super::head::is_near;
use super::intake::Expiry;
use super::limits::Limits;
use super::links::Links;
use super::refusal::Refusal;
use super::standing::{Deadlines, Standings};
use super::stats::Counters;
use super::{Control, Order};

pub(super) struct Reactor {
    pub(super) readiness: Readiness,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
    control: Arc<Control>,
    /// The time of the present batch of events.
    pub(super) now: Instant,
    listener: Option<Watched<TcpListener>>,
    /// After a failure to accept: when to try again.
    accept_at: Option<Instant>,
    /// The last failure to accept in the present series of them.
    accept_failed_at: Option<Instant>,
    pub(super) clients: Clients,
    pub(super) client_deadlines: Deadlines,
    pub(super) standings: Standings,
    pub(super) links: Links,
    pub(super) link_deadlines: Deadlines,
    /// Clients whose request waits for a link: health requests from this host, and all others.
    waiting_health: VecDeque<usize>,
    waiting_others: VecDeque<usize>,
    /// Bytes of bodies that are not with the engine yet.
    pub(super) bodies: usize,
    /// Bytes of answers that are not with the clients yet.
    pub(super) answers: usize,
    pub(super) scratch: Vec<u8>,
    pub(super) staging: Vec<u8>,
    stop_at: Option<Instant>,
    /// No further request is taken.
    pub(super) draining: bool,
}

impl Reactor {
    pub(super) fn new(
        readiness: Readiness,
        listener: TcpListener,
        upstream: &Path,
        limits: Limits,
        counters: Arc<Counters>,
        control: Arc<Control>,
    ) -> io::Result<Self> {
        let now = Instant::now();
        let links = Links::new(upstream, limits.links(), limits.health_reserve, now)?;
        counters.links_wanted.set(links.count());
        let listener = readiness.watch(listener, LISTENER, Interest::Read)?;
        Ok(Self {
            readiness,
            counters,
            control,
            now,
            listener: Some(listener),
            accept_at: None,
            accept_failed_at: None,
            clients: Clients::default(),
            client_deadlines: Deadlines::default(),
            standings: Standings::default(),
            links,
            link_deadlines: Deadlines::default(),
            waiting_health: VecDeque::new(),
            waiting_others: VecDeque::new(),
            bodies: 0,
            answers: 0,
            scratch: vec![0; SCRATCH],
            staging: Vec::with_capacity(SCRATCH + 1024),
            limits,
            stop_at: None,
            draining: false,
        })
    }

    /// Serves until it is told to stop.
    pub(super) fn run(mut self, pulse: &Pulse) {
        let mut ready = ReadyList::new();
        let mut due = Vec::new();
        loop {
            self.now = Instant::now();
            pulse.beat(self.now);
            if self.obey() {
                return;
            }
            contained("the acceptor", || self.open_next());
            self.count();
            if let Err(error) = self.readiness.wait(&mut ready, Some(self.quiet())) {
                log::error!("the acceptor cannot wait for its connections: {error}");
                std::thread::sleep(FIRST_PAUSE);
            }
            self.now = Instant::now();
            for event in ready.iter() {
                if !contained("the acceptor", || self.on_ready(event)) {
                    self.discard(event.key);
                }
            }
            self.client_deadlines.expired(self.now, &mut due);
            for key in due.drain(..) {
                if !contained("the acceptor", || self.on_client_due(key)) {
                    self.discard(self.client_key(key));
                }
            }
            self.link_deadlines.expired(self.now, &mut due);
            for link in due.drain(..) {
                if !contained("the acceptor", || self.on_link_due(link)) {
                    self.discard(self.link_key(link));
                }
            }
            if self.accept_at.is_some_and(|at| at <= self.now) {
                self.accept_at = None;
                self.accept();
            }
            self.clients.recycle();
        }
    }

    pub(super) fn link_key(&self, link: usize) -> usize {
        FIRST_LINK + link
    }

    fn client_key(&self, key: usize) -> usize {
        FIRST_LINK + self.links.count() + key
    }

    /// The clients whose request waits for a link.
    pub(super) fn waiting(&mut self, health: bool) -> &mut VecDeque<usize> {
        if health { &mut self.waiting_health } else { &mut self.waiting_others }
    }

    fn on_ready(&mut self, ready: Ready) {
        match ready.key.checked_sub(FIRST_LINK) {
            None => self.accept(),
            Some(link) if link < self.links.count() => self.on_link(link, ready),
            Some(key) => self.on_client(key - self.links.count(), ready),
        }
    }

    /// A panic left this connection in an unknown state.
    fn discard(&mut self, key: usize) {
        contained("the acceptor", || match key.checked_sub(FIRST_LINK) {
            None => self.accept_at = Some(self.now + FIRST_PAUSE),
            Some(link) if link < self.links.count() => self.replace_link(link),
            Some(key) => self.close(key - self.links.count()),
        });
    }

    fn accept(&mut self) {
        let mut made_room = false;
        for _ in 0..BATCH {
            let Some(listener) = &self.listener else { return };
            match listener.socket().accept() {
                Ok((stream, peer)) => {
                    made_room = false;
                    self.admit(stream, peer);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => {
                    self.accept_failed(&error);
                    // With somebody gone there is a descriptor, and a newcomer is worth more than an idle
                    // connection. Whom that does not help, it must not cost everybody.
                    let full = error.raw_os_error() == Some(Errno::MFILE.raw_os_error());
                    if made_room || !full || !self.evict() {
                        self.accept_at = Some(self.now + FIRST_PAUSE);
                        return;
                    }
                    made_room = true;
                }
            }
        }
        let refused = self.listener.as_ref().is_some_and(|listener| listener.want(Interest::Read).is_err());
        if refused {
            self.accept_at = Some(self.now + FIRST_PAUSE);
        }
    }

    /// Counts a failure to accept, and says so when it is the first of a series.
    fn accept_failed(&mut self, error: &io::Error) {
        self.counters.accept_errors.up();
        if self.accept_failed_at.replace(self.now).is_none() {
            log::warn!("a connection could not be accepted: {error}");
        }
    }

    /// Whether descriptors are short, so that none should be used that can wait; says when a shortage is over.
    pub(super) fn is_short(&mut self) -> bool {
        let Some(since) = self.accept_failed_at.map(|at| self.now.saturating_duration_since(at)) else {
            return false;
        };
        if since >= SERIES {
            self.accept_failed_at = None;
            log::info!("connections are accepted again");
        }
        since < SHORTAGE
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        if self.clients.count() >= self.limits.max_connections && !self.evict() {
            self.counters.turned_away.up();
            return;
        }
        let key = self.clients.next_key();
        let watched = stream
            .set_nonblocking(true)
            .and_then(|()| self.readiness.watch(stream, self.client_key(key), Interest::Read));
        match watched {
            Ok(socket) => {
                self.clients.insert(Client::new(socket, peer, is_near(peer.ip(), &self.limits), self.now));
                self.counters.accepted.up();
                self.settle(key);
            }
            Err(error) => log::debug!("a connection could not be watched: {error}"),
        }
    }

    /// Closes the connection that can best be spared; `false` when none can.
    fn evict(&mut self) -> bool {
        let Some(key) = self.standings.first_to_go() else { return false };
        self.counters.evicted.up();
        self.close(key);
        true
    }

    /// Does what it has been told; `true` when it is to end.
    fn obey(&mut self) -> bool {
        let order = *lock(&self.control.order);
        if order != Order::Serve && self.listener.take().is_some() {
            self.accept_at = None;
        }
        if let Order::Stop(at) = order {
            self.stop_at = Some(at);
            if !std::mem::replace(&mut self.draining, true) {
                self.turn_away();
            }
            return self.clients.count() == 0 || at <= self.now;
        }
        false
    }

    /// Closes what is idle and refuses what has only begun; a request that is here already is still served.
    fn turn_away(&mut self) {
        for key in self.clients.keys() {
            if self.is_reading(key) {
                self.listen(key);
            }
            if self.is_reading(key) {
                match self.clients.at(key).map(|client| client.intake.expiry()) {
                    Some(Expiry::Refuse(_)) => self.refuse(key, Refusal::ShuttingDown),
                    _ => self.close(key),
                }
            }
            self.settle(key);
        }
    }

    fn is_reading(&mut self, key: usize) -> bool {
        self.clients.at(key).is_some_and(|client| matches!(client.phase, Phase::Reading))
    }

    /// How long nothing is due.
    fn quiet(&self) -> Duration {
        let until = |at: Instant| at.saturating_duration_since(self.now);
        let times = [
            self.client_deadlines.quiet(self.now),
            self.link_deadlines.quiet(self.now),
            self.links
                .opens_at()
                .map(|at| until(at.max(self.accept_failed_at.map_or(at, |at| at + SHORTAGE)))),
            self.accept_at.map(until),
            self.stop_at.map(until),
        ];
        times.into_iter().flatten().min().unwrap_or(BEAT).min(BEAT)
    }

    fn count(&self) {
        self.counters.open.set(self.clients.count());
        self.counters.in_flight.set(self.links.busy());
        self.counters.links_up.set(self.links.up());
        self.counters.waiting.set(self.waiting_health.len() + self.waiting_others.len());
    }
}

const LISTENER: usize = 0;
const FIRST_LINK: usize = 1;
/// Connections accepted before the others have their turn.
const BATCH: u32 = 64;
const SCRATCH: usize = 64 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// How long after a failure to accept no link is opened: tiny_http dies where we only wait.
const SHORTAGE: Duration = Duration::from_secs(1);
/// Failures to accept that are no further apart are one series, said once.
const SERIES: Duration = Duration::from_secs(10);
const BEAT: Duration = Duration::from_secs(1);
