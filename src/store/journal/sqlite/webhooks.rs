//! Webhook subscriptions and the attempts to deliver.

use rusqlite::{Connection, Transaction, params};

use crate::base::secret::Secret;
use crate::store::embedded::failed;
use crate::store::error::StoreError;
use crate::store::journal::columns::{filter, filter_text, number, signed};
use crate::store::journal::delivery::{ATTEMPTS_KEPT, Attempt, NewWebhook, Webhook, WebhookPatch};

pub(super) fn all(connection: &Connection) -> Result<Vec<Webhook>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("select {COLUMNS} from webhook order by id")).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(from_sql(row)?);
    }
    Ok(found)
}

pub(super) fn create(
    transaction: &Transaction<'_>,
    new: &NewWebhook,
    now: i64,
) -> Result<Webhook, StoreError> {
    let NewWebhook { name, url, secret, filter, batch, enabled, cursor } = new;
    transaction
        .prepare_cached(
            "insert into webhook (name, url, secret, filter, batch, enabled, cursor, created_at, updated_at) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        )
        .map_err(failed)?
        .execute(params![
            name,
            url,
            secret.expose(),
            filter_text(filter)?,
            batch,
            enabled,
            signed(*cursor),
            now
        ])
        .map_err(failed)?;
    let id = number("id", transaction.last_insert_rowid())?;
    find(transaction, id)?.ok_or(StoreError::Internal { outcome_unknown: false })
}

pub(super) fn update(
    transaction: &Transaction<'_>,
    id: u64,
    patch: &WebhookPatch,
    now: i64,
) -> Result<Option<Webhook>, StoreError> {
    let Some(webhook) = find(transaction, id)? else { return Ok(None) };
    let webhook = webhook.patched(patch, now);
    let Webhook { name, url, secret, filter, batch, enabled, disabled_because, cursor, failures, .. } =
        webhook;
    transaction
        .prepare_cached(
            "update webhook set name = ?2, url = ?3, secret = ?4, filter = ?5, batch = ?6, enabled = ?7, \
             disabled_because = ?8, cursor = ?9, failures = ?10, updated_at = ?11 where id = ?1",
        )
        .map_err(failed)?
        .execute(params![
            signed(id),
            name,
            url,
            secret.expose(),
            filter_text(&filter)?,
            batch,
            enabled,
            disabled_because,
            signed(cursor),
            failures,
            now,
        ])
        .map_err(failed)?;
    find(transaction, id)
}

pub(super) fn delete(connection: &Connection, id: u64) -> Result<bool, StoreError> {
    connection
        .prepare_cached("delete from webhook where id = ?1")
        .and_then(|mut statement| statement.execute([signed(id)]))
        .map(|count| count > 0)
        .map_err(failed)
}

pub(super) fn claim(
    connection: &Connection,
    id: u64,
    owner: &str,
    until: i64,
    now: i64,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "update webhook set owner = ?2, lease_until = ?3 \
             where id = ?1 and (owner is null or owner = ?2 or lease_until <= ?4)",
        )
        .and_then(|mut statement| statement.execute(params![signed(id), owner, until, now]))
        .map(|count| count > 0)
        .map_err(failed)
}

pub(super) fn note_attempt(
    transaction: &Transaction<'_>,
    attempt: &Attempt,
    moved: Option<(u64, u64)>,
    disable: Option<&str>,
) -> Result<(), StoreError> {
    let Attempt { webhook, at, took, rows, count, status, error, .. } = attempt;
    let id = signed(*webhook);
    let (first, last) = rows.map_or((None, None), |(first, last)| (Some(signed(first)), Some(signed(last))));
    // It may have been deleted meanwhile.
    transaction
        .prepare_cached(
            "insert into webhook_attempt (webhook, at, took, first_seq, last_seq, count, status, error) \
             select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 where exists (select 1 from webhook where id = ?1)",
        )
        .and_then(|mut statement| statement.execute(params![id, at, took, first, last, count, status, error]))
        .map_err(failed)?;
    transaction
        .prepare_cached(
            "delete from webhook_attempt where webhook = ?1 and id <= \
             (select id from webhook_attempt where webhook = ?1 order by id desc limit 1 offset ?2)",
        )
        .and_then(|mut statement| statement.execute(params![id, ATTEMPTS_KEPT]))
        .map_err(failed)?;
    if rows.is_some() {
        transaction
            .prepare_cached("update webhook set failures = iif(?2, 0, failures + 1) where id = ?1")
            .and_then(|mut statement| statement.execute(params![id, error.is_none()]))
            .map_err(failed)?;
    }
    if let Some((from, to)) = moved {
        move_cursor(transaction, *webhook, from, to)?;
    }
    if let Some(reason) = disable {
        transaction
            .prepare_cached("update webhook set enabled = 0, disabled_because = ?2 where id = ?1")
            .and_then(|mut statement| statement.execute(params![id, reason]))
            .map_err(failed)?;
    }
    Ok(())
}

pub(super) fn move_cursor(connection: &Connection, id: u64, from: u64, to: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached("update webhook set cursor = ?3 where id = ?1 and cursor = ?2 and cursor < ?3")
        .and_then(|mut statement| statement.execute([signed(id), signed(from), signed(to)]))
        .map(drop)
        .map_err(failed)
}

pub(super) fn attempts(
    connection: &Connection,
    webhook: u64,
    limit: u32,
) -> Result<Vec<Attempt>, StoreError> {
    let mut statement = connection
        .prepare_cached(
            "select id, at, took, first_seq, last_seq, count, status, error from webhook_attempt \
             where webhook = ?1 order by id desc limit ?2",
        )
        .map_err(failed)?;
    let mut rows = statement.query(params![signed(webhook), limit]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let column = |index: usize| row.get::<_, i64>(index).map_err(failed);
        let seq = |index: usize| {
            let seq: Option<i64> = row.get(index).map_err(failed)?;
            seq.map(|seq| number::<u64>("seq", seq)).transpose()
        };
        let status: Option<i64> = row.get(6).map_err(failed)?;
        found.push(Attempt {
            id: number("id", column(0)?)?,
            webhook,
            at: column(1)?,
            took: number("took", column(2)?)?,
            rows: seq(3)?.zip(seq(4)?),
            count: number("count", column(5)?)?,
            status: status.map(|status| number("status", status)).transpose()?,
            error: row.get(7).map_err(failed)?,
        });
    }
    Ok(found)
}

pub(super) fn delivered_up_to(connection: &Connection) -> Result<Option<u64>, StoreError> {
    let smallest: Option<i64> = connection
        .prepare_cached("select min(cursor) from webhook where disabled_because is null")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed)?;
    smallest.map(|cursor| number("cursor", cursor)).transpose()
}

const COLUMNS: &str = "id, name, url, secret, filter, batch, enabled, disabled_because, cursor, failures, \
     created_at, updated_at";

fn find(connection: &Connection, id: u64) -> Result<Option<Webhook>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("select {COLUMNS} from webhook where id = ?1")).map_err(failed)?;
    let mut rows = statement.query([signed(id)]).map_err(failed)?;
    rows.next().map_err(failed)?.map(from_sql).transpose()
}

fn from_sql(row: &rusqlite::Row<'_>) -> Result<Webhook, StoreError> {
    let column = |index: usize| row.get::<_, i64>(index).map_err(failed);
    let word = |index: usize| row.get::<_, String>(index).map_err(failed);
    Ok(Webhook {
        id: number("id", column(0)?)?,
        name: word(1)?,
        url: word(2)?,
        secret: Secret::new(word(3)?),
        filter: filter(&word(4)?)?,
        batch: number("batch", column(5)?)?,
        enabled: row.get(6).map_err(failed)?,
        disabled_because: row.get(7).map_err(failed)?,
        cursor: number("cursor", column(8)?)?,
        failures: number("failures", column(9)?)?,
        created_at: column(10)?,
        updated_at: column(11)?,
    })
}
