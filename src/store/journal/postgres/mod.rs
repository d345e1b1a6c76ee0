//! The journal in PostgreSQL, in the schema `zkgate`, beside the devices or without them. Several gateways may write
//! to it at the same time.
//!
//! Who writes locks first the terminals that it is about, in the order of their serial numbers, then, as late as
//! possible, the head of the journal: nobody waits in a circle, and numbers come in the order of the commits.

mod aside;
mod placing;
mod purge;
mod reading;
mod settings;
mod survey;
mod terminal;
mod webhooks;

use std::time::Duration;

use postgres::{IsolationLevel, Transaction};

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
use crate::base::secret::Secret;
use crate::store::error::StoreError;
use crate::store::health::StoreKind;
use crate::store::migrate;
use crate::store::postgres::{Borrowed, Ledger, Link, failed};
use crate::wire::clock_word::ClockWord;

/// One user of the connections to a database.
struct Postgres {
    link: Link,
    /// Whether the schema was brought up to date in this run. Done once: a schema that vanishes later is a fault to
    /// be shown, not an empty one to be made.
    migrated: bool,
    purge: Round,
}

/// The steps of the journal's schema.
const LEDGER: Ledger = Ledger { table: "zkgate.journal_migration", steps: migrate::JOURNAL_POSTGRES };
/// How long to wait for a connection; callers keep their own deadlines.
const NO_HURRY: Duration = Duration::from_secs(60);
/// A journal is searched by its indexes only, in their order. A server that has no statistics of it yet might think
/// that reading all of it, or sorting, is cheaper, or that so much work is worth compiling.
const MANNERS: &str = "set local enable_seqscan = off; set local enable_bitmapscan = off; \
     set local enable_sort = off; set local jit = off";

pub(super) fn open(url: &Secret<String>) -> Result<Opened, StoreError> {
    let link = Link::new(url)?;
    let place = link.place().to_owned();
    let user = || Box::new(Postgres { link: link.clone(), migrated: false, purge: Round::default() });
    Ok(Opened { kind: StoreKind::Postgres, place, writer: user(), reader: user() })
}

impl Postgres {
    fn client(&mut self) -> Result<Borrowed, StoreError> {
        let mut client = self.link.borrow(NO_HURRY)?;
        if !self.migrated {
            let encoding = client.query_one("show server_encoding", &[]).map_err(failed)?;
            let encoding: String = encoding.try_get(0).map_err(failed)?;
            if encoding != "UTF8" {
                let cause = format!("its encoding is {encoding}; user ids need UTF8");
                return Err(StoreError::Unusable { cause });
            }
            LEDGER.bring_up_to_date(&mut client)?;
            self.migrated = true;
        }
        Ok(client)
    }

    /// One change, whole or not at all.
    fn change<T>(
        &mut self,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut client = self.client()?;
        let mut transaction = client.transaction().map_err(failed)?;
        transaction.batch_execute(MANNERS).map_err(failed)?;
        let done = body(&mut transaction)?;
        transaction.commit().map_err(|error| failed(error).during_commit())?;
        Ok(done)
    }

    /// Reads that belong to one moment.
    fn look<T>(
        &mut self,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut client = self.client()?;
        let transaction = client.build_transaction().read_only(true);
        let mut transaction =
            transaction.isolation_level(IsolationLevel::RepeatableRead).start().map_err(failed)?;
        transaction.batch_execute(MANNERS).map_err(failed)?;
        let done = body(&mut transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }
}

impl Backend for Postgres {
    fn place_log(&mut self, batch: &LogBatch) -> Result<LogOutcome, StoreError> {
        self.change(|transaction| placing::place_log(transaction, batch))
    }

    fn place_live(&mut self, events: &[LiveRecord]) -> Result<LivePlaced, StoreError> {
        self.change(|transaction| placing::place_live(transaction, events))
    }

    fn cursor(&mut self, serial_number: &str) -> Result<Option<Cursor>, StoreError> {
        terminal::cursor(&mut *self.client()?, serial_number)
    }

    fn head(&mut self) -> Result<u64, StoreError> {
        reading::head(&mut *self.client()?)
    }

    fn page(&mut self, query: &PageQuery) -> Result<Page, StoreError> {
        self.look(|transaction| reading::page(transaction, query))
    }

    fn first(&mut self) -> Result<Option<u64>, StoreError> {
        self.look(reading::first)
    }

    fn below(&mut self, before: u64, limit: u32) -> Result<Vec<u64>, StoreError> {
        self.look(|transaction| reading::below(transaction, before, limit))
    }

    fn rows(&mut self, numbers: &[u64]) -> Result<Vec<Row>, StoreError> {
        self.look(|transaction| reading::rows_of(transaction, numbers))
    }

    fn survey(&mut self, filter: &Filter, after: u64) -> Result<Survey, StoreError> {
        self.look(|transaction| survey::survey(transaction, filter, after))
    }

    fn met_by(&mut self, serial_number: &str, pass: u64) -> Result<u64, StoreError> {
        self.look(|transaction| reading::met_by(transaction, serial_number, pass))
    }

    fn purge(&mut self, received_before: i64, up_to: u64, limit: u32) -> Result<u64, StoreError> {
        let round = self.purge;
        let (count, round) =
            self.change(|transaction| purge::purge(transaction, round, received_before, up_to, limit))?;
        self.purge = round;
        Ok(count)
    }

    fn gaps(&mut self, device: &DeviceId) -> Result<Vec<Gap>, StoreError> {
        aside::gaps(&mut *self.client()?, device)
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
        aside::quarantined(&mut *self.client()?, after, limit, device, settled)
    }

    fn quarantine_size(&mut self) -> Result<u64, StoreError> {
        aside::size(&mut *self.client()?)
    }

    fn settle(&mut self, id: u64, settled_as: &str, now: i64) -> Result<bool, StoreError> {
        self.change(|transaction| aside::settle(transaction, id, settled_as, now))
    }

    fn settle_live(&mut self, serial_number: &str, noticed_before: i64, now: i64) -> Result<u64, StoreError> {
        self.change(|transaction| aside::settle_live(transaction, serial_number, noticed_before, now))
    }

    fn tried(&mut self, id: u64, version: &str) -> Result<(), StoreError> {
        self.change(|transaction| aside::tried(transaction, id, version))
    }

    fn settings(&mut self) -> Result<Vec<(DeviceId, String)>, StoreError> {
        settings::all(&mut *self.client()?)
    }

    fn set_settings(&mut self, device: &DeviceId, settings: Option<&str>) -> Result<(), StoreError> {
        self.change(|transaction| settings::set(transaction, device, settings))
    }

    fn webhooks(&mut self) -> Result<Vec<Webhook>, StoreError> {
        webhooks::all(&mut *self.client()?)
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
        self.change(|transaction| webhooks::delete(transaction, id))
    }

    fn claim_webhook(&mut self, id: u64, owner: &str, until: i64, now: i64) -> Result<bool, StoreError> {
        self.change(|transaction| webhooks::claim(transaction, id, owner, until, now))
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
        webhooks::attempts(&mut *self.client()?, webhook, limit)
    }

    fn delivered_up_to(&mut self) -> Result<Option<u64>, StoreError> {
        webhooks::delivered_up_to(&mut *self.client()?)
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        // Changes nothing, and is refused where nothing can be changed.
        let probe = "update zkgate.journal_head set last_seq = last_seq where false";
        self.client()?.batch_execute(probe).map_err(failed)
    }

    fn newest(&mut self, serial_number: &str) -> Result<Option<ClockWord>, StoreError> {
        terminal::newest(&mut *self.client()?, serial_number)
    }
}
