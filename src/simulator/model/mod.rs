//! A device without sockets: packets in, packets out, the time as an argument.
//!
//! The model is honest: it follows the protocol as its profile speaks it, checks session ids and comm keys, and
//! never misbehaves. What goes wrong is put on top of its answers by [`fault`](super::fault). Connections are
//! known to it as peers, nothing more.

mod access;
mod bulk;
mod changes;
mod edit;
mod enrolment;
mod events;
mod messages;
mod options;
mod panel;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use changes::{Spoiled, is_change};
pub(crate) use events::Verified;
pub use panel::Sensor;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::{Concurrency, Config};
use super::counters::Counters;
use super::device_clock::DeviceClock;
use super::fault::Warp;
use super::net::How;
use super::outgoing::{Body, Outgoing, Peer, Role};
use super::population::Population;
use super::profile::Traits;
use super::punch_log::Log;
use super::replay::Player;
use super::tables::{Operation, Person, Table, Template};
use crate::wire::bytes::Reader;
use crate::wire::comm_key::CommKey;
use crate::wire::command::Command;
use crate::wire::packet::Packet;
use crate::wire::record::punch::Punch;

/// One simulated device.
#[derive(Debug)]
pub(crate) struct DeviceModel {
    traits: Traits,
    /// A capture that is played instead of everything else here.
    player: Option<Player>,
    identity: Identity,
    key: CommKey,
    concurrency: Concurrency,
    direct_limit: usize,
    event_repeat: Option<Duration>,
    clock: DeviceClock,
    users: Arc<Table<Person>>,
    punches: Log,
    log_capacity: usize,
    wrap_block: usize,
    templates: Arc<Table<Template>>,
    operations: Table<Operation>,
    options: BTreeMap<String, String>,
    sessions: HashMap<Peer, Session>,
    next_session: u16,
    disabled: Disabled,
    counters: Counters,
    /// Events that are not sent yet.
    untold: Vec<events::Pending>,
    /// What a fault does to the images of tables; empty on an honest device.
    pub(crate) warps: Vec<Warp>,
    /// Whether a packet of an unknown session is answered with 2005 instead of silence.
    pub(crate) answers_strangers: bool,
    /// Whether disabling is acknowledged and has no effect this time.
    pub(crate) ignores_disabling: bool,
    /// What is answered to the request that prepares a table, if that is refused.
    pub(crate) refuses_buffer: Option<Command>,
    /// What a fault does to the next change.
    pub(crate) spoiled: Spoiled,
    /// Changes that have not been made effective yet.
    unrefreshed: u64,
    access: access::Access,
    messages: messages::Messages,
    panel: panel::Panel,
    capture: enrolment::Capture,
}

/// What is the same for the whole life of a device and different for each.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Counts from 1.
    pub(crate) number: usize,
    pub(crate) serial_number: String,
    pub(crate) address: std::net::SocketAddr,
}

impl Identity {
    pub(crate) fn new(number: usize, address: std::net::SocketAddr) -> Self {
        Self { number, serial_number: format!("SIM{number:010}"), address }
    }
}

/// What a device does beyond answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// It restarts after the answer.
    Restart,
    /// It goes off after the answer.
    PowerOff,
}

#[derive(Clone, Copy, Debug)]
enum Disabled {
    No,
    Yes,
    Until(Instant),
}

/// One conversation after `CMD_CONNECT`.
#[derive(Debug)]
struct Session {
    id: u16,
    authenticated: bool,
    last_heard: Instant,
    /// Which events it wants.
    mask: u32,
    unacknowledged: VecDeque<events::Pending>,
    buffer: Option<Arc<Vec<u8>>>,
    upload: bulk::Upload,
}

/// The request being answered.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    peer: Peer,
    session: u16,
    request: Command,
    reply: u16,
}

impl DeviceModel {
    pub(crate) fn new(
        config: &Config,
        identity: Identity,
        population: &Population,
        clock: DeviceClock,
        now: Instant,
    ) -> Self {
        let number = u64::try_from(identity.number).unwrap_or_default();
        let first = fastrand::Rng::with_seed(config.seed.wrapping_add(number)).u16(1..);
        let first = config.first_session.unwrap_or(first);
        Self {
            traits: config.traits(),
            player: config.replay.clone().map(|replay| Player::new(replay, first)),
            key: config.comm_key.clone(),
            concurrency: config.concurrency,
            direct_limit: config.direct_limit,
            event_repeat: config.event_repeat,
            clock,
            users: Arc::clone(&population.users),
            punches: population.punches.clone(),
            log_capacity: config.log_capacity.max(population.punches.len()),
            wrap_block: config.wrap_block,
            templates: Arc::clone(&population.templates),
            operations: Table::new((), vec![Operation { code: Operation::POWER_ON, time: clock.word(now) }]),
            options: BTreeMap::new(),
            sessions: HashMap::new(),
            next_session: first,
            disabled: Disabled::No,
            counters: Counters::default(),
            untold: Vec::new(),
            warps: Vec::new(),
            answers_strangers: false,
            ignores_disabling: false,
            refuses_buffer: None,
            spoiled: Spoiled::default(),
            unrefreshed: 0,
            access: access::Access::default(),
            messages: messages::Messages::default(),
            panel: panel::Panel::default(),
            capture: enrolment::Capture::default(),
            identity,
        }
    }

    /// Answers one packet.
    pub(crate) fn handle(
        &mut self,
        peer: Peer,
        packet: &Packet<'_>,
        now: Instant,
        out: &mut Vec<Outgoing>,
    ) -> Effect {
        *self.counters.commands.entry(packet.command.0).or_default() += 1;
        if let Some(player) = &mut self.player {
            player.handle(peer, packet, now, out);
            return Effect::Nothing;
        }
        let ex = Exchange { peer, session: packet.session, request: packet.command, reply: packet.reply };
        if packet.command == Command::CONNECT {
            self.connect(ex, now, out);
            return Effect::Nothing;
        }
        let Some(session) = self.sessions.get_mut(&peer) else {
            self.stranger(ex, out);
            return Effect::Nothing;
        };
        if session.id != packet.session {
            self.stranger(ex, out);
            return Effect::Nothing;
        }
        session.last_heard = now;
        if !session.authenticated && packet.command != Command::AUTH {
            ex.say(Command::ACK_UNAUTH, out);
            return Effect::Nothing;
        }
        self.carry_out(ex, packet.payload, now, out)
    }

    /// The table of what can be asked.
    fn answer(&mut self, ex: Exchange, payload: &[u8], now: Instant, out: &mut Vec<Outgoing>) -> Effect {
        match ex.request {
            Command::AUTH => self.authenticate(ex, payload, out),
            Command::EXIT => {
                self.sessions.remove(&ex.peer);
                self.counters.exits += 1;
                ex.say(Command::ACK_OK, out);
            }
            Command::ENABLEDEVICE => {
                self.disabled = Disabled::No;
                ex.say(Command::ACK_OK, out);
            }
            Command::DISABLEDEVICE if self.ignores_disabling || !self.traits.heeds_disabling => {
                ex.say(Command::ACK_OK, out);
            }
            Command::DISABLEDEVICE => {
                let seconds = Reader::new(payload).u32().ok().filter(|seconds| *seconds > 0);
                self.disabled = seconds.map_or(Disabled::Yes, |seconds| {
                    Disabled::Until(now + Duration::from_secs(seconds.min(86_400).into()))
                });
                ex.say(Command::ACK_OK, out);
            }
            Command::RESTART => {
                ex.say(Command::ACK_OK, out);
                return Effect::Restart;
            }
            Command::POWEROFF => {
                ex.say(Command::ACK_OK, out);
                return Effect::PowerOff;
            }
            Command::REFRESHDATA => {
                self.unrefreshed = 0;
                ex.say(Command::ACK_OK, out);
            }
            Command::REFRESHOPTION | Command::TESTVOICE | SLEEP | RESUME | ENABLE_CLOCK => {
                ex.say(Command::ACK_OK, out);
            }
            Command::STARTVERIFY | Command::CANCELCAPTURE | Command::STARTENROLL => {
                self.capture(ex, payload, out);
            }
            Command::UNLOCK => self.unlock(ex, payload, now, out),
            Command::DOORSTATE_RRQ => self.tell_door(ex, out),
            Command::WRITE_LCD | Command::CLEAR_LCD => self.show(ex, payload, out),
            Command::STATE_RRQ => {
                out.push(ex.packet(Command::ACK_OK, self.capture.state(), Body::Bytes(Vec::new())));
            }
            Command(21..=30) | Command::CLEAR_ACC | Command::VERIFY_WRQ | Command::VERIFY_RRQ => {
                self.access(ex, payload, out);
            }
            Command(70..=74) => self.messages(ex, payload, out),
            Command::GET_VERSION => {
                ex.give([self.traits.version.as_bytes(), &[0]].concat(), out);
            }
            Command::GET_PINWIDTH => ex.give(vec![9], out),
            Command::GET_FREE_SIZES => ex.give(self.sizes().emit(self.traits.size_words), out),
            Command::OPTIONS_RRQ => self.read_option(ex, payload, out),
            Command::OPTIONS_WRQ => self.write_option(ex, payload, out),
            Command::GET_TIME => ex.give(self.clock.word(now).0.to_le_bytes().to_vec(), out),
            Command::SET_TIME => self.set_time(ex, payload, now, out),
            Command::REG_EVENT => self.register(ex, payload, out),
            Command::ACK_OK => self.acknowledged(ex.peer),
            Command::USER_WRQ => self.write_user(ex, payload, out),
            Command::DELETE_USER => self.delete_user(ex, payload, out),
            Command::DELETE_USERTEMP => self.delete_template(ex, payload, out),
            Command::DELETE_FINGER => self.delete_finger(ex, payload, out),
            Command::CLEAR_ADMIN => self.clear_administrators(ex, out),
            Command::CLEAR_ATTLOG => self.clear(ex, &[edit::ATTENDANCE], now, out),
            Command::CLEAR_OPLOG => self.clear(ex, &[edit::OPERATIONS], now, out),
            Command::CLEAR_DATA => self.clear(ex, payload, now, out),
            Command::DATA_WRRQ if self.traits.buffered => match self.refuses_buffer {
                Some(code) => ex.say(code, out),
                None => self.prepare(ex, payload, out),
            },
            Command::DATA_RDY if self.traits.buffered => self.read_chunk(ex, payload, out),
            Command::FREE_DATA => self.free(ex, out),
            Command::USERTEMP_RRQ
            | Command::ATTLOG_RRQ
            | Command::OPLOG_RRQ
            | Command::DB_RRQ
            | Command::TEMPLATE_RRQ => self.read_direct(ex, payload, out),
            Command::PREPARE_DATA => self.begin_upload(ex, payload, out),
            Command::DATA => self.continue_upload(ex, payload, out),
            Command::CHECKSUM_BUFFER => self.upload_checksum(ex, out),
            Command::TMP_WRITE => self.store_template(ex, payload, out),
            Command::SAVE_USERTEMPS => self.store_users(ex, out),
            _ => ex.say(Command::ACK_UNKNOWN, out),
        }
        Effect::Nothing
    }

    /// Takes back what faults have done to the next answers.
    pub(crate) fn heal(&mut self) {
        self.warps.clear();
        self.ignores_disabling = false;
        self.refuses_buffer = None;
        self.spoiled = Spoiled::default();
    }

    /// Whether a capture is played.
    pub(crate) fn is_replaying(&self) -> bool {
        self.player.is_some()
    }

    /// How the connection on which was answered last comes to its end, if it does.
    pub(crate) fn take_ending(&mut self) -> Option<(Duration, How)> {
        self.player.as_mut()?.take_ending()
    }

    /// Forgets a conversation: its connection is gone.
    pub(crate) fn forget(&mut self, peer: Peer) {
        if let Some(player) = &mut self.player {
            player.forget(peer);
        }
        self.sessions.remove(&peer);
    }

    /// Forgets everything that a restart forgets.
    pub(crate) fn restart(&mut self, now: Instant) {
        if let Some(player) = &mut self.player {
            player.restart();
        }
        self.sessions.clear();
        self.untold.clear();
        self.disabled = Disabled::No;
        self.capture = enrolment::Capture::default();
        self.unrefreshed = 0;
        self.counters.restarts += 1;
        self.operations.push(Operation { code: Operation::POWER_ON, time: self.clock.word(now) });
    }

    pub(crate) fn serial_number(&self) -> &str {
        &self.identity.serial_number
    }

    pub(crate) fn set_serial_number(&mut self, serial_number: String) {
        self.identity.serial_number = serial_number;
    }

    pub(crate) fn traits(&self) -> Traits {
        self.traits
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    pub(crate) fn users(&self) -> &[Person] {
        self.users.rows()
    }

    /// Every user's record.
    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        let stride = self.traits.users.stride();
        self.users.image().get(4..).unwrap_or_default().chunks(stride).map(<[u8]>::to_vec).collect()
    }

    pub(crate) fn templates(&self) -> &[Template] {
        self.templates.rows()
    }

    /// Changes of data that no `CMD_REFRESHDATA` has followed yet.
    pub(crate) fn unrefreshed(&self) -> u64 {
        self.unrefreshed
    }

    pub(crate) fn punches(&self) -> impl Iterator<Item = Punch> + '_ {
        self.punches.punches()
    }

    /// The last punch as a client should read it.
    pub(crate) fn last_punch(&self) -> Option<Punch> {
        self.punches.last()
    }

    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len() + self.player.as_ref().map_or(0, Player::session_count)
    }

    /// Whether somebody who comes to the device can be verified.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        !self.is_disabled(now) && self.capture.is_verifying()
    }

    /// Whether the device was disabled and not enabled again.
    pub(crate) fn is_disabled(&self, now: Instant) -> bool {
        match self.disabled {
            Disabled::No => false,
            Disabled::Yes => true,
            Disabled::Until(end) => now < end,
        }
    }

    pub(crate) fn clock(&self) -> DeviceClock {
        self.clock
    }

    pub(crate) fn set_clock(&mut self, clock: DeviceClock) {
        self.clock = clock;
    }
}

impl Exchange {
    fn packet(self, command: Command, session: u16, body: Body) -> Outgoing {
        let (peer, reply) = (self.peer, self.reply);
        Outgoing { peer, role: Role::Reply, command, session, reply, body }
    }

    /// Answers without data.
    fn say(self, command: Command, out: &mut Vec<Outgoing>) {
        out.push(self.packet(command, self.session, Body::Bytes(Vec::new())));
    }

    /// Answers "done" with data.
    fn give(self, payload: Vec<u8>, out: &mut Vec<Outgoing>) {
        out.push(self.packet(Command::ACK_OK, self.session, Body::Bytes(payload)));
    }
}

const ENABLE_CLOCK: Command = Command(57);
const SLEEP: Command = Command(1006);
const RESUME: Command = Command(1007);
