//! Bringing a schema of ours up to date. Several things of ours may live in one database, each with its own
//! numbered steps and its own table of those that were taken.

use postgres::Client;

use super::link::failed;
use crate::store::error::StoreError;
use crate::store::migrate::{self, Migration};

/// The steps of one thing of ours.
pub(in crate::store) struct Ledger {
    /// The table of the steps that were taken, in the schema `zkgate`.
    pub(in crate::store) table: &'static str,
    /// All steps.
    pub(in crate::store) steps: &'static [Migration],
}

/// Which advisory lock guards all of them, for they share the making of the schema: "zkgate" in ASCII.
const MIGRATION_LOCK: i64 = 0x7a6b_6761_7465;

impl Ledger {
    /// Takes the steps that are missing.
    ///
    /// # Errors
    /// Whatever the database says, and [`StoreError::TooNew`].
    pub(in crate::store) fn bring_up_to_date(&self, client: &mut Client) -> Result<(), StoreError> {
        let Self { table, steps } = self;
        let mut transaction = client.transaction().map_err(failed)?;
        transaction.execute("select pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).map_err(failed)?;
        let there: Option<String> = transaction
            .query_one("select to_regclass($1)::text", &[table])
            .and_then(|row| row.try_get(0))
            .map_err(failed)?;
        let found = if there.is_some() {
            let newest =
                transaction.query_one(&format!("select coalesce(max(version), 0) from {table}"), &[]);
            newest.and_then(|row| row.try_get(0)).map_err(failed)?
        } else {
            0
        };
        // A role that may only use a finished schema must get by without the right to make one.
        let mut steps = migrate::missing(steps, found)?.peekable();
        if steps.peek().is_some() && there.is_none() {
            transaction
                .batch_execute(&format!(
                    "create schema if not exists zkgate; \
                     create table {table} (version bigint primary key, name text not null, \
                     applied_at timestamptz not null default now())"
                ))
                .map_err(failed)?;
        }
        for step in steps {
            log::info!("the database gets schema version {} ({})", step.version, step.name);
            transaction.batch_execute(step.sql).map_err(failed)?;
            transaction
                .execute(
                    &format!("insert into {table} (version, name) values ($1, $2)"),
                    &[&step.version, &step.name],
                )
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }
}
