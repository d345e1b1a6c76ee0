//! The devices' side: how long to wait for one, how long to leave one alone, how many at a time.

use std::time::Duration;

use super::reader::Reader;

/// Section `[sessions]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// For a device to take a connection.
    pub connect_timeout: Duration,
    /// For the first reply to a command.
    pub reply_timeout: Duration,
    /// The longest silence inside a transfer.
    pub progress_timeout: Duration,
    /// For a whole transfer, however steadily it drips.
    pub transfer_timeout: Duration,
    /// How long a session may be silent before it is asked for a sign of life.
    pub keep_alive: Duration,
    /// How long a session on demand is kept after its last call.
    pub on_demand_idle: Duration,
    /// How long a session is used before a new one is made; shortened by up to a tenth, at random.
    pub lifetime: Duration,
    /// The first wait after a failure; doubled with each further one, full jitter.
    pub back_off_first: Duration,
    /// The longest wait after a failure.
    pub back_off_cap: Duration,
    /// The wait after a device that answered and refused: wrong comm key, unknown handshake.
    pub refused_retry: Duration,
    /// Jobs that may wait for one device.
    pub queue_limit: usize,
    /// Threads that talk to devices.
    pub workers: usize,
    /// How many of them may be with devices that are not known to be healthy.
    pub suspect_workers: usize,
    /// Connection attempts at a time.
    pub dials: usize,
    /// Whether a packet over UDP or TCP with a wrong checksum ends the session.
    pub strict_checksum: bool,
    /// Whether a reply with another's reply id ends the session.
    pub strict_reply_id: bool,
    /// The longest time for which a device can be lent.
    pub lend_max: Duration,
    /// For closing all sessions when the service stops.
    pub stop_timeout: Duration,
}

impl Sessions {
    pub(super) fn read(from: &mut Reader) -> Self {
        let (ms, s, h) = (Duration::from_millis, Duration::from_secs, |h: u64| Duration::from_secs(h * 3600));
        let sessions = Self {
            connect_timeout: from.duration("sessions.connect_timeout", s(3), ms(50)..=s(60)),
            reply_timeout: from.duration("sessions.reply_timeout", s(5), ms(50)..=s(60)),
            progress_timeout: from.duration("sessions.progress_timeout", s(10), ms(50)..=s(120)),
            transfer_timeout: from.duration("sessions.transfer_timeout", s(300), s(1)..=h(1)),
            keep_alive: from.duration("sessions.keep_alive", s(45), s(1)..=h(1)),
            on_demand_idle: from.duration("sessions.on_demand_idle", s(60), s(1)..=h(24)),
            lifetime: from.duration("sessions.lifetime", h(12), s(10)..=h(168)),
            back_off_first: from.duration("sessions.back_off_first", ms(250), ms(10)..=s(60)),
            back_off_cap: from.duration("sessions.back_off_cap", s(60), ms(100)..=h(1)),
            refused_retry: from.duration("sessions.refused_retry", s(600), s(1)..=h(24)),
            queue_limit: from.count("sessions.queue_limit", "jobs per device", 32, 1..=1024),
            workers: from.count("sessions.workers", "threads", 64, 2..=512),
            suspect_workers: from.count("sessions.suspect_workers", "threads", 16, 1..=511),
            dials: from.count("sessions.dials", "connection attempts", 256, 1..=1024),
            strict_checksum: from.switch("sessions.strict_checksum", true),
            strict_reply_id: from.switch("sessions.strict_reply_id", true),
            lend_max: from.duration("sessions.lend_max", h(24), s(60)..=h(168)),
            stop_timeout: from.duration("sessions.stop_timeout", s(10), ms(100)..=s(60)),
        };
        let fewer = sessions.suspect_workers < sessions.workers;
        from.rule(&["sessions.suspect_workers", "sessions.workers"], fewer, || {
            format!(
                "{} must be less than sessions.workers, which is {}",
                sessions.suspect_workers, sessions.workers
            )
        });
        let grows = sessions.back_off_first <= sessions.back_off_cap;
        from.rule(&["sessions.back_off_first", "sessions.back_off_cap"], grows, || {
            "must not be longer than sessions.back_off_cap".into()
        });
        sessions
    }
}
