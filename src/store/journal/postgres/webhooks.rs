//! Webhook subscriptions and the attempts to deliver.

use postgres::{GenericClient, Transaction};

use crate::base::secret::Secret;
use crate::store::error::StoreError;
use crate::store::journal::columns::{filter, filter_text, number, signed};
use crate::store::journal::delivery::{ATTEMPTS_KEPT, Attempt, NewWebhook, Webhook, WebhookPatch};
use crate::store::postgres::{Unseen, failed};

pub(super) fn all(client: &mut impl GenericClient) -> Result<Vec<Webhook>, StoreError> {
    let rows = client.query(&format!("select {COLUMNS} from zkgate.webhook order by id"), &[]);
    rows.map_err(failed)?.iter().map(from_sql).collect()
}

pub(super) fn create(
    transaction: &mut Transaction<'_>,
    new: &NewWebhook,
    now: i64,
) -> Result<Webhook, StoreError> {
    let row = transaction
        .query_one(
            &format!(
                "insert into zkgate.webhook \
                 (name, url, secret, filter, batch, enabled, cursor, created_at, updated_at) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $8) returning {COLUMNS}"
            ),
            &[
                &new.name,
                &new.url,
                &Unseen(new.secret.expose()),
                &filter_text(&new.filter)?,
                &i64::from(new.batch),
                &new.enabled,
                &signed(new.cursor),
                &now,
            ],
        )
        .map_err(failed)?;
    from_sql(&row)
}

pub(super) fn update(
    transaction: &mut Transaction<'_>,
    id: u64,
    patch: &WebhookPatch,
    now: i64,
) -> Result<Option<Webhook>, StoreError> {
    let found = transaction
        .query_opt(&format!("select {COLUMNS} from zkgate.webhook where id = $1 for update"), &[&signed(id)])
        .map_err(failed)?;
    let Some(found) = found else { return Ok(None) };
    let webhook = from_sql(&found)?.patched(patch, now);
    let row = transaction
        .query_one(
            &format!(
                "update zkgate.webhook set name = $2, url = $3, secret = $4, filter = $5, batch = $6, \
                 enabled = $7, disabled_because = $8, cursor = $9, failures = $10, updated_at = $11 \
                 where id = $1 returning {COLUMNS}"
            ),
            &[
                &signed(id),
                &webhook.name,
                &webhook.url,
                &Unseen(webhook.secret.expose()),
                &filter_text(&webhook.filter)?,
                &i64::from(webhook.batch),
                &webhook.enabled,
                &webhook.disabled_because,
                &signed(webhook.cursor),
                &i64::from(webhook.failures),
                &now,
            ],
        )
        .map_err(failed)?;
    from_sql(&row).map(Some)
}

pub(super) fn delete(transaction: &mut Transaction<'_>, id: u64) -> Result<bool, StoreError> {
    let count = transaction.execute("delete from zkgate.webhook where id = $1", &[&signed(id)]);
    count.map(|count| count > 0).map_err(failed)
}

pub(super) fn claim(
    transaction: &mut Transaction<'_>,
    id: u64,
    owner: &str,
    until: i64,
    now: i64,
) -> Result<bool, StoreError> {
    transaction
        .execute(
            "update zkgate.webhook set owner = $2, lease_until = $3 \
             where id = $1 and (owner is null or owner = $2 or lease_until <= $4)",
            &[&signed(id), &owner, &until, &now],
        )
        .map(|count| count > 0)
        .map_err(failed)
}

pub(super) fn note_attempt(
    transaction: &mut Transaction<'_>,
    attempt: &Attempt,
    moved: Option<(u64, u64)>,
    disable: Option<&str>,
) -> Result<(), StoreError> {
    let id = signed(attempt.webhook);
    let there = transaction
        .query_opt("select from zkgate.webhook where id = $1 for update", &[&id])
        .map_err(failed)?;
    if there.is_none() {
        // Deleted meanwhile.
        return Ok(());
    }
    transaction
        .execute(
            "insert into zkgate.webhook_attempt (webhook, at, took, first_seq, last_seq, count, status, error) \
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                &id,
                &attempt.at,
                &i64::from(attempt.took),
                &attempt.rows.map(|(first, _)| signed(first)),
                &attempt.rows.map(|(_, last)| signed(last)),
                &i64::from(attempt.count),
                &attempt.status.map(i32::from),
                &attempt.error,
            ],
        )
        .map_err(failed)?;
    transaction
        .execute(
            "delete from zkgate.webhook_attempt where webhook = $1 and id <= \
             (select id from zkgate.webhook_attempt where webhook = $1 order by id desc limit 1 offset $2)",
            &[&id, &i64::from(ATTEMPTS_KEPT)],
        )
        .map_err(failed)?;
    if attempt.rows.is_some() {
        transaction
            .execute(
                "update zkgate.webhook set failures = case when $2 then 0 else failures + 1 end where id = $1",
                &[&id, &attempt.error.is_none()],
            )
            .map_err(failed)?;
    }
    if let Some((from, to)) = moved {
        move_cursor(transaction, attempt.webhook, from, to)?;
    }
    if let Some(reason) = disable {
        transaction
            .execute(
                "update zkgate.webhook set enabled = false, disabled_because = $2 where id = $1",
                &[&id, &reason],
            )
            .map_err(failed)?;
    }
    Ok(())
}

pub(super) fn move_cursor(
    client: &mut impl GenericClient,
    webhook: u64,
    from: u64,
    to: u64,
) -> Result<(), StoreError> {
    client
        .execute(
            "update zkgate.webhook set cursor = $3 where id = $1 and cursor = $2 and cursor < $3",
            &[&signed(webhook), &signed(from), &signed(to)],
        )
        .map(drop)
        .map_err(failed)
}

pub(super) fn attempts(
    client: &mut impl GenericClient,
    webhook: u64,
    limit: u32,
) -> Result<Vec<Attempt>, StoreError> {
    let rows = client
        .query(
            "select id, at, took, first_seq, last_seq, count, status, error from zkgate.webhook_attempt \
             where webhook = $1 order by id desc limit $2",
            &[&signed(webhook), &i64::from(limit)],
        )
        .map_err(failed)?;
    let one = |row: &postgres::Row| {
        let column = |index: usize| row.try_get::<_, i64>(index).map_err(failed);
        let seq = |index: usize| {
            let seq: Option<i64> = row.try_get(index).map_err(failed)?;
            seq.map(|seq| number::<u64>("seq", seq)).transpose()
        };
        let status: Option<i32> = row.try_get(6).map_err(failed)?;
        Ok(Attempt {
            id: number("id", column(0)?)?,
            webhook,
            at: column(1)?,
            took: number("took", column(2)?)?,
            rows: seq(3)?.zip(seq(4)?),
            count: number("count", column(5)?)?,
            status: status.map(|status| number("status", status.into())).transpose()?,
            error: row.try_get(7).map_err(failed)?,
        })
    };
    rows.iter().map(one).collect()
}

pub(super) fn delivered_up_to(client: &mut impl GenericClient) -> Result<Option<u64>, StoreError> {
    let smallest: Option<i64> = client
        .query_one("select min(cursor) from zkgate.webhook where disabled_because is null", &[])
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    smallest.map(|cursor| number("cursor", cursor)).transpose()
}

const COLUMNS: &str = "id, name, url, secret, filter, batch, enabled, disabled_because, cursor, failures, \
     created_at, updated_at";

fn from_sql(row: &postgres::Row) -> Result<Webhook, StoreError> {
    let column = |index: usize| row.try_get::<_, i64>(index).map_err(failed);
    let word = |index: usize| row.try_get::<_, String>(index).map_err(failed);
    Ok(Webhook {
        id: number("id", column(0)?)?,
        name: word(1)?,
        url: word(2)?,
        secret: Secret::new(word(3)?),
        filter: filter(&word(4)?)?,
        batch: number("batch", column(5)?)?,
        enabled: row.try_get(6).map_err(failed)?,
        disabled_because: row.try_get(7).map_err(failed)?,
        cursor: number("cursor", column(8)?)?,
        failures: number("failures", column(9)?)?,
        created_at: column(10)?,
        updated_at: column(11)?,
    })
}
