//! The journal in an embedded database of its own, `journal.db`: one connection that writes, one that only reads.

mod aside;
mod placing;
mod purge;
mod reading;
mod settings;
mod survey;
mod terminal;
mod webhooks;

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::backend::Backend;
use super::cursor::{Cursor, Gap};
use super::delivery::{Attempt, NewWebhook, Webhook, WebhookPatch};
use super::handle::Opened;
use super::placing::{LivePlaced, LiveRecord, LogBatch, LogOutcome};
use super::purge::Round;
use super::quarantine::{Quarantined, Strange};
use super::query::{Filter, Page, PageQuery, Survey};
use super::row::Row;
use crate::base::ids::DeviceId;
use crate::store::embedded::{self, failed};
use crate::store::error::StoreError;
use crate::store::health::StoreKind;
use crate::store::migrate;
use crate::wire::clock_word::ClockWord;

/// One connection to the file.
struct Sqlite {
    connection: Connection,
    purge: Round,
}

/// Memory for pages of the file, in KiB: what the ends of all indexes need while rows are added.
const WRITER_CACHE: i64 = 16 * 1024;
const READER_CACHE: i64 = 8 * 1024;
/// Pages that are appended to the side file before they are taken into the file itself, 16 MB of them: a log that
/// comes in touches the same pages of the indexes in every batch, and each is to be written once.
const AUTO_CHECKPOINT: i64 = 4000;
/// How many bytes there has to be room for before all is well again: what a batch of the log may take.
const ROOM: i64 = 1024 * 1024;
/// Prepared statements that are kept.
const STATEMENTS: usize = 64;

pub(super) fn open(path: &Path) -> Result<Opened, StoreError> {
    let connection = |cache: i64| {
        let connection = embedded::open(path, migrate::JOURNAL_SQLITE)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "cache_size", -cache).map_err(failed)?;
        Ok(Sqlite { connection, purge: Round::default() })
    };
    let writer = connection(WRITER_CACHE)?;
    writer.connection.pragma_update(None, "wal_autocheckpoint", AUTO_CHECKPOINT).map_err(failed)?;
    let reader = connection(READER_CACHE)?;
    reader.connection.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(Opened {
        kind: StoreKind::Sqlite,
        place: path.display().to_string(),
        writer: Box::new(writer),
        reader: Box::new(reader),
    })
}

impl Sqlite {
    /// One change, whole or not at all.
    fn change<T>(
        &mut self,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let done = body(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    /// Reads that belong to one moment.
    fn look<T>(
        &mut self,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(failed)?;
        body(&transaction)
    }
}

impl Backend for Sqlite {
    fn place_log(&mut self, batch: &LogBatch) -> Result<LogOutcome, StoreError> {
        self.change(|transaction| placing::place_log(transaction, batch))
    }

    fn place_live(&mut self, events: &[LiveRecord]) -> Result<LivePlaced, StoreError> {
        self.change(|transaction| placing::place_live(transaction, events))
    }

    fn cursor(&mut self, serial_number: &str) -> Result<Option<Cursor>, StoreError> {
        terminal::cursor(&self.connection, serial_number)
    }

    fn head(&mut self) -> Result<u64, StoreError> {
        reading::head(&self.connection)
    }

    fn page(&mut self, query: &PageQuery) -> Result<Page, StoreError> {
        self.look(|transaction| reading::page(transaction, query))
    }

    fn first(&mut self) -> Result<Option<u64>, StoreError> {
        reading::first(&self.connection)
    }

    fn below(&mut self, before: u64, limit: u32) -> Result<Vec<u64>, StoreError> {
        self.look(|transaction| reading::below(transaction, before, limit))
    }

    fn rows(&mut self, numbers: &[u64]) -> Result<Vec<Row>, StoreError> {
        self.look(|transaction| reading::rows(transaction, numbers))
    }

    fn survey(&mut self, filter: &Filter, after: u64) -> Result<Survey, StoreError> {
        self.look(|transaction| survey::survey(transaction, filter, after))
    }

    fn met_by(&mut self, serial_number: &str, pass: u64) -> Result<u64, StoreError> {
        reading::met_by(&self.connection, serial_number, pass)
    }

    fn purge(&mut self, received_before: i64, up_to: u64, limit: u32) -> Result<u64, StoreError> {
        let round = self.purge;
        let (count, round) =
            self.change(|transaction| purge::purge(transaction, round, received_before, up_to, limit))?;
        self.purge = round;
        Ok(count)
    }

    fn gaps(&mut self, device: &DeviceId) -> Result<Vec<Gap>, StoreError> {
        aside::gaps(&self.connection, device)
    }

    fn quarantine(
        &mut self,
        device: &DeviceId,
        serial_number: &str,
        strange: &Strange,
        now: i64,
    ) -> Result<(), StoreError> {
        self.change(|transaction| {
            let terminal = terminal::find_or_make(transaction, serial_number, device)?.id;
            aside::put(transaction, terminal, device, strange, now)
        })
    }

    fn quarantined(
        &mut self,
        after: u64,
        limit: u32,
        device: Option<&DeviceId>,
        settled: Option<bool>,
    ) -> Result<Vec<Quarantined>, StoreError> {
        aside::quarantined(&self.connection, after, limit, device, settled)
    }

    fn quarantine_size(&mut self) -> Result<u64, StoreError> {
        aside::size(&self.connection)
    }

    fn settle(&mut self, id: u64, settled_as: &str, now: i64) -> Result<bool, StoreError> {
        aside::settle(&self.connection, id, settled_as, now)
    }

    fn settle_live(&mut self, serial_number: &str, noticed_before: i64, now: i64) -> Result<u64, StoreError> {
        aside::settle_live(&self.connection, serial_number, noticed_before, now)
    }

    fn tried(&mut self, id: u64, version: &str) -> Result<(), StoreError> {
        aside::tried(&self.connection, id, version)
    }

    fn settings(&mut self) -> Result<Vec<(DeviceId, String)>, StoreError> {
        settings::all(&self.connection)
    }

    fn set_settings(&mut self, device: &DeviceId, settings: Option<&str>) -> Result<(), StoreError> {
        settings::set(&self.connection, device, settings)
    }

    fn webhooks(&mut self) -> Result<Vec<Webhook>, StoreError> {
        webhooks::all(&self.connection)
    }

    fn create_webhook(&mut self, new: &NewWebhook, now: i64) -> Result<Webhook, StoreError> {
        self.change(|transaction| webhooks::create(transaction, new, now))
    }

    fn update_webhook(
        &mut self,
        id: u64,
        patch: &WebhookPatch,
        now: i64,
    ) -> Result<Option<Webhook>, StoreError> {
        self.change(|transaction| webhooks::update(transaction, id, patch, now))
    }

    fn delete_webhook(&mut self, id: u64) -> Result<bool, StoreError> {
        webhooks::delete(&self.connection, id)
    }

    fn claim_webhook(&mut self, id: u64, owner: &str, until: i64, now: i64) -> Result<bool, StoreError> {
        webhooks::claim(&self.connection, id, owner, until, now)
    }

    fn note_attempt(
        &mut self,
        attempt: &Attempt,
        moved: Option<(u64, u64)>,
        disable: Option<&str>,
    ) -> Result<(), StoreError> {
        self.change(|transaction| webhooks::note_attempt(transaction, attempt, moved, disable))
    }

    fn move_cursor(&mut self, webhook: u64, from: u64, to: u64) -> Result<(), StoreError> {
        self.change(|transaction| webhooks::move_cursor(transaction, webhook, from, to))
    }

    fn attempts(&mut self, webhook: u64, limit: u32) -> Result<Vec<Attempt>, StoreError> {
        webhooks::attempts(&self.connection, webhook, limit)
    }

    fn delivered_up_to(&mut self) -> Result<Option<u64>, StoreError> {
        webhooks::delivered_up_to(&self.connection)
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        // A little always fits where a little has just been refused.
        self.change(|transaction| {
            let fill = "insert or replace into room (id, bytes) values (1, zeroblob(?1))";
            transaction.execute(fill, [ROOM]).map(drop).map_err(failed)
        })?;
        self.connection.execute("delete from room", []).map(drop).map_err(failed)
    }

    fn newest(&mut self, serial_number: &str) -> Result<Option<ClockWord>, StoreError> {
        Ok(terminal::find(&self.connection, serial_number)?.and_then(|terminal| terminal.newest))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
