//! What is to be simulated: how many devices, of which kind, with what in them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::fault::Fault;
use super::profile::{Answering, Profile, Traits};
use super::replay::Replay;
use crate::wire::carrier::Carrier;
use crate::wire::clock_word::PossibleTime;
use crate::wire::comm_key::CommKey;
use crate::wire::record::user::UserLayout;

/// The settings of a [`Simulator`](super::Simulator); the default is one honest, empty device on loopback.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: IpAddr,
    /// The first of the consecutive ports; 0 lets the operating system choose each.
    pub first_port: u16,
    /// How many devices, at most [`Config::DEVICES_CEILING`].
    pub devices: usize,
    /// Which kind of device they are.
    pub profile: Profile,
    /// Users generated on each, at most 65,535. Ids count up from 1001.
    pub users: usize,
    /// Bytes in a user record, for profiles with 72 of them: newer firmware may have more.
    pub user_record: u16,
    /// Punches generated on each, in time order up to the device's present.
    pub punches: usize,
    /// Records that the log can hold; when it is full, the oldest give way. A device that begins with more holds
    /// those.
    pub log_capacity: usize,
    /// How many of the oldest records give way at once.
    pub wrap_block: usize,
    /// Fingerprint templates generated on each: one for each of the first users.
    pub templates: usize,
    /// The comm key; 0 for none.
    pub comm_key: CommKey,
    /// What happens to a second client.
    pub concurrency: Concurrency,
    /// How long each answer takes.
    pub latency: Duration,
    /// What the clocks show at the start; the host's civil time if not given.
    pub clock: Option<PossibleTime>,
    /// How far the clocks are ahead of [`Config::clock`].
    pub clock_offset: SignedDuration,
    /// What goes wrong from the start, on every device.
    pub faults: Vec<Fault>,
    /// Where all randomness comes from: the same seed gives the same tables and the same misfortune.
    pub seed: u64,
    /// The id of the first session of each device; chosen from the seed if not given.
    pub first_session: Option<u16>,
    /// A table up to this size, its leading word included, is answered at once instead of through the transfer
    /// buffer. In bytes.
    pub direct_limit: usize,
    /// How long a device is away after a restart command.
    pub restart_time: Duration,
    /// After how long an unacknowledged event is sent once more; `None` for never.
    pub event_repeat: Option<Duration>,
    /// What the devices answer, instead of playing the profile: a capture. Profile, users, punches and comm key are of
    /// no account then.
    pub replay: Option<Arc<Replay>>,
    /// Threads for all devices together, 1 to 8.
    pub threads: usize,
    /// What the threads are called, a number behind it.
    pub name: String,
}

/// What happens to a client that comes while another one has a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// Both are served.
    #[default]
    Unlimited,
    /// Its connection is refused.
    RefuseSecond,
    /// Its connection is accepted and never answered.
    IgnoreSecond,
    /// It is served and the first one is dropped.
    DropFirst,
}

impl Config {
    /// The most devices in one simulator.
    pub const DEVICES_CEILING: usize = 10_000;
    /// The most users on a device: their index has sixteen bits.
    pub const USERS_CEILING: usize = 65_535;
    /// The most punches generated on a device.
    pub const PUNCHES_CEILING: usize = 1_000_000;

    /// The profile's row of settings, with what is set beside it.
    pub(super) fn traits(&self) -> Traits {
        let traits = Traits { users: self.user_layout(), ..self.profile.traits() };
        let Some(replay) = &self.replay else { return traits };
        let tcp = if replay.speaks(Carrier::Tcp) { Answering::Device } else { Answering::Nobody };
        Traits { tcp, udp: replay.speaks(Carrier::Udp), ..traits }
    }

    /// The layout of the user table.
    pub(super) fn user_layout(&self) -> UserLayout {
        match self.profile.layouts().0 {
            UserLayout::Full { .. } => UserLayout::Full { stride: self.user_record.max(72) },
            compact => compact,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            first_port: 0,
            devices: 1,
            profile: Profile::default(),
            users: 0,
            user_record: 72,
            punches: 0,
            log_capacity: 200_000,
            wrap_block: 1,
            templates: 3,
            comm_key: CommKey::default(),
            concurrency: Concurrency::default(),
            latency: Duration::ZERO,
            clock: None,
            clock_offset: SignedDuration::ZERO,
            faults: Vec::new(),
            seed: 1,
            first_session: None,
            direct_limit: 1024,
            restart_time: Duration::from_secs(5),
            event_repeat: Some(Duration::from_secs(5)),
            replay: None,
            threads: 2,
            name: "simulator".to_owned(),
        }
    }
}
