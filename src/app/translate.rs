//! Settings in the words of the rooms that need them.

use std::time::Duration;

use crate::config::{Attach, AttachSource, Settings};
use crate::delivery::DeliverySettings;
use crate::device::SessionSettings;
use crate::dialog::line::Matching;
use crate::http::acceptor::Limits;
use crate::http::followers::{Followers, HEARTBEAT};
use crate::journal::CollectorSettings;
use crate::journal::correction::Correction;
use crate::registry::RegistrySettings;
use crate::store::journal::JournalSettings;
use crate::store::{self, AttachSettings, Place, StoreSettings};
use crate::wire::packet::Checksums;

/// Room that the acceptor leaves for everything else, in open files, when it must do with fewer than it wants.
const FILES_FOR_OTHERS: usize = 256;
/// How soon what was found out about a device is in its record.
const GATHER: Duration = Duration::from_millis(100);
/// How much longer than the longest deadline the acceptor waits for an answer.
const GRACE: Duration = Duration::from_secs(10);

pub(super) fn registry(settings: &Settings) -> RegistrySettings {
    let sessions = &settings.sessions;
    let strict = |strict| if strict { Checksums::Strict } else { Checksums::Lenient };
    let matching = |strict| if strict { Matching::Strict } else { Matching::Lenient };
    RegistrySettings {
        session: SessionSettings {
            connect: sessions.connect_timeout,
            reply: sessions.reply_timeout,
            progress: sessions.progress_timeout,
            checksums: strict(sessions.strict_checksum),
            matching: matching(sessions.strict_reply_id),
            ..SessionSettings::default()
        },
        keep_alive: sessions.keep_alive,
        on_demand_idle: sessions.on_demand_idle,
        lifetime: sessions.lifetime,
        back_off_first: sessions.back_off_first,
        back_off_cap: sessions.back_off_cap,
        refused_retry: sessions.refused_retry,
        queue_limit: sessions.queue_limit,
        workers: sessions.workers,
        suspect_workers: sessions.suspect_workers,
        dials: sessions.dials,
        lend_max: sessions.lend_max,
    }
}

/// The acceptor's limits; `files` is how many open files the process is allowed.
pub(super) fn acceptor(settings: &Settings, files: Option<u64>) -> Limits {
    let http = &settings.http;
    let limits = Limits {
        max_connections: http.max_connections,
        max_in_flight: http.max_in_flight,
        head_time: http.head_timeout,
        idle_time: http.idle_timeout,
        body_bytes: http.max_body,
        body_time: http.body_timeout,
        answer_time: http.answer_timeout,
        // An answer that a deadline ends, and a stream that has nothing to say, are both waited for.
        response_wait: http.max_timeout.max(HEARTBEAT) + GRACE,
        ..Limits::default()
    };
    let wanted = limits.descriptors() + FILES_FOR_OTHERS;
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    let short = wanted.saturating_sub(files);
    Limits { max_connections: limits.max_connections.saturating_sub(short).max(16), ..limits }
}

/// Streams have the places that are set, requests that wait for news half of what remains in flight.
pub(super) fn followers(settings: &Settings) -> Followers {
    let http = &settings.http;
    Followers::new(http.followers, (http.max_in_flight.saturating_sub(http.followers) / 2).max(1))
}

pub(super) fn store(settings: &Settings) -> StoreSettings {
    let place = match (&settings.database_url, &settings.attach) {
        (None, _) => Place::Sqlite,
        (Some(url), None) => Place::Postgres { url: url.clone() },
        (Some(url), Some(attach)) => Place::Attached { url: url.clone(), attach: Box::new(attached(attach)) },
    };
    StoreSettings { gather: GATHER, ..StoreSettings::new(&settings.state_dir, place) }
}

pub(super) fn deliveries(settings: &Settings) -> DeliverySettings {
    let from = settings.webhooks.clone();
    DeliverySettings {
        allow_private_addresses: from.allow_private_addresses,
        ca_file: from.ca_file,
        timeout: from.timeout,
        back_off_first: from.back_off_first,
        back_off_cap: from.back_off_cap,
    }
}

pub(super) fn journal(settings: &Settings) -> JournalSettings {
    let postgres = settings.database_url.clone().filter(|_| settings.journal.in_postgres);
    JournalSettings { state_dir: settings.state_dir.clone(), postgres, queue: 256 }
}

pub(super) fn collector(settings: &Settings) -> CollectorSettings {
    let journal = &settings.journal;
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let correction = Correction {
        on: journal.correct_clocks,
        tolerance: seconds(journal.clock_tolerance),
        quiet: journal.quiet_hours,
    };
    CollectorSettings {
        collect: journal.collect,
        poll_interval: journal.poll_interval,
        compare_interval: journal.compare_interval,
        read_timeout: journal.read_timeout,
        large_reads: journal.large_reads,
        live: journal.live,
        drift_warning: journal.drift_warning,
        correction,
        retention: Some(journal.retention).filter(|age| !age.is_zero()),
    }
}

fn attached(attach: &Attach) -> AttachSettings {
    let source = match &attach.source {
        AttachSource::Query(query) => store::AttachSource::Query(query.clone()),
        AttachSource::Table { table, columns } => {
            let from = (**columns).clone();
            let columns = store::Columns {
                id: from.id,
                ip_address: from.ip_address,
                port: from.port,
                com_password: from.com_password,
                name: from.name,
                serial_number: from.serial_number,
                timezone: from.timezone,
                enabled: from.enabled,
                deleted_at: from.deleted_at,
                transport: from.transport,
                mode: from.mode,
            };
            store::AttachSource::Table { table: table.clone(), columns: Box::new(columns) }
        }
    };
    AttachSettings {
        notify_channel: attach.notify_channel.clone(),
        poll_interval: attach.poll_interval,
        write_back: write_back(attach),
        ..AttachSettings::new(source)
    }
}

fn write_back(attach: &Attach) -> Option<store::WriteBack> {
    let from = attach.write_back.clone();
    let columns = store::WriteBack {
        status: from.status,
        last_seen: from.last_seen,
        serial_number: from.serial_number,
        max_users: from.max_users,
        ..store::WriteBack::default()
    };
    let named = [&columns.status, &columns.last_seen, &columns.serial_number, &columns.max_users];
    named.iter().any(|column| column.is_some()).then_some(columns)
}
