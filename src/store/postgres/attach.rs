//! An existing backend's table, used as it is. It is read in a read-only transaction; what may be written back
//! is in its neighbour, and touches only the columns that the operator named.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use postgres::Transaction;
use sha2::{Digest, Sha256};

use super::attach_rows::{AttachRow, devices, quoted, quoted_table};
use super::link::{Link, failed};
use super::write_back::Writer;
use crate::base::ids::DeviceId;
use crate::store::backend::{Backend, Saved};
use crate::store::desk::Permit;
use crate::store::device::{Device, DevicePatch, NewDevice, Observation};
use crate::store::error::StoreError;
use crate::store::list::DeviceList;
use crate::store::settings::{AttachSettings, AttachSource, Columns};

/// An attached table or query.
pub(in crate::store) struct Attached {
    link: Link,
    source: Source,
    writer: Option<Writer>,
    poll: Duration,
}

enum Source {
    /// The finished statement.
    Table(String),
    /// The operator's query; which columns it has is seen when it runs.
    Query(String),
}

/// The longest text taken from a column, in characters. What is longer cannot be right anyway.
const TEXT_CEILING: usize = 256;
/// How long to wait for a connection.
const NO_HURRY: Duration = Duration::from_secs(60);

impl Attached {
    /// Reads the settings; connects to nothing.
    ///
    /// # Errors
    /// [`StoreError::Settings`] when they cannot work.
    pub(in crate::store) fn new(
        link: Link,
        settings: &AttachSettings,
        safety_poll: Duration,
    ) -> Result<Self, StoreError> {
        let source = match &settings.source {
            AttachSource::Table { table, columns } => {
                Source::Table(select(&format!("{} q", quoted_table(table)?), columns))
            }
            AttachSource::Query(query) => {
                let query = query.trim().trim_end_matches(';').trim_end();
                if query.is_empty() {
                    return Err(StoreError::Settings { reason: "attach: the query is empty".into() });
                }
                // On its own lines, so that a comment at its end stays one.
                Source::Query(format!("(\n{query}\n) q"))
            }
        };
        let writer =
            settings.write_back.as_ref().map(|back| Writer::new(back, &settings.source)).transpose()?;
        let poll = if settings.notify_channel.is_some() { safety_poll } else { settings.poll_interval };
        Ok(Self { link, source, writer: writer.flatten(), poll })
    }

    /// Which devices these are, to be told from others: the database and a digest of the statement.
    pub(in crate::store) fn source(&self) -> String {
        let (Source::Table(text) | Source::Query(text)) = &self.source;
        let digest = Sha256::digest(text.as_bytes());
        let mark: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{} (attached, {mark})", self.link.place())
    }
}

impl Backend for Attached {
    fn changed(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn poll_interval(&self) -> Duration {
        self.poll
    }

    fn load(&mut self) -> Result<Vec<Device>, StoreError> {
        let mut client = self.link.borrow(NO_HURRY)?;
        let mut transaction = client.build_transaction().read_only(true).start().map_err(failed)?;
        let statement = match &self.source {
            Source::Table(statement) => statement.clone(),
            Source::Query(query) => select(query, &columns_of(&mut transaction, query)?),
        };
        let rows = transaction.query(&statement, &[]).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        if rows.len() > DeviceList::CEILING {
            let cause = format!("the attached table has more than {} devices", DeviceList::CEILING);
            return Err(StoreError::Unusable { cause });
        }
        rows.iter().map(from_sql).collect::<Result<_, _>>().map(devices).map_err(failed)
    }

    fn create(&mut self, _: &NewDevice, _: SystemTime, _: &Permit<'_>) -> Result<Device, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn update(
        &mut self,
        _: &DeviceId,
        _: &DevicePatch,
        _: SystemTime,
        _: &Permit<'_>,
    ) -> Result<Device, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn delete(&mut self, _: &DeviceId, _: &Permit<'_>) -> Result<Device, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn save(&mut self, batch: &BTreeMap<DeviceId, Observation>) -> Saved {
        let Some(writer) = &self.writer else { return Saved::whole(batch, Ok(())) };
        match self.link.borrow(NO_HURRY) {
            Ok(mut client) => writer.save(&mut client, batch),
            Err(error) => Saved { done: Vec::new(), error: Some(error) },
        }
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        match &self.writer {
            Some(writer) => writer.probe(&mut *self.link.borrow(NO_HURRY)?),
            None => Ok(()),
        }
    }

    fn remembers(&self) -> bool {
        false
    }
}

/// The statement that reads every column as text, in the order of [`from_sql`].
fn select(from: &str, columns: &Columns) -> String {
    let text = |name: &str| format!("left(q.{}::text, {TEXT_CEILING})", quoted(name));
    let perhaps = |name: &Option<String>| name.as_deref().map_or_else(|| "null::text".to_owned(), text);
    let fields = [
        text(&columns.id),
        text(&columns.ip_address),
        text(&columns.port),
        text(&columns.com_password),
        perhaps(&columns.name),
        perhaps(&columns.serial_number),
        perhaps(&columns.timezone),
        perhaps(&columns.enabled),
        perhaps(&columns.transport),
        perhaps(&columns.mode),
        if columns.enabled.is_some() { "true".to_owned() } else { "false".to_owned() },
    ];
    let alive = match &columns.deleted_at {
        Some(name) => {
            let gone = quoted(name);
            format!(" where q.{gone} is null or lower(q.{gone}::text) in ('f', 'false', '0', '')")
        }
        None => String::new(),
    };
    format!("select {} from {from}{alive} limit {}", fields.join(", "), DeviceList::CEILING + 1)
}

/// The columns that a query has, by their fixed names.
fn columns_of(transaction: &mut Transaction<'_>, query: &str) -> Result<Columns, StoreError> {
    let statement = transaction.prepare(&format!("select * from {query}")).map_err(failed)?;
    let has = |name: &str| statement.columns().iter().any(|column| column.name() == name);
    let required = Columns::default();
    let lacking: Vec<&str> = [&required.id, &required.ip_address, &required.port, &required.com_password]
        .into_iter()
        .map(String::as_str)
        .filter(|name| !has(name))
        .collect();
    if !lacking.is_empty() {
        let cause = format!("the attached query has no column named {}", lacking.join(", "));
        return Err(StoreError::Unusable { cause });
    }
    let perhaps = |name: &str| has(name).then(|| name.to_owned());
    Ok(Columns {
        name: perhaps("name"),
        serial_number: perhaps("serial_number"),
        timezone: perhaps("timezone"),
        enabled: perhaps("enabled"),
        deleted_at: perhaps("deleted_at"),
        transport: perhaps("transport"),
        mode: perhaps("mode"),
        ..required
    })
}

fn from_sql(row: &postgres::Row) -> Result<AttachRow, postgres::Error> {
    let flagged: bool = row.try_get(10)?;
    let enabled: Option<String> = row.try_get(7)?;
    Ok(AttachRow {
        id: row.try_get(0)?,
        ip_address: row.try_get(1)?,
        port: row.try_get(2)?,
        com_password: row.try_get(3)?,
        name: row.try_get(4)?,
        serial_number: row.try_get(5)?,
        timezone: row.try_get(6)?,
        enabled: flagged.then_some(enabled),
        transport: row.try_get(8)?,
        mode: row.try_get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_read_as_text_and_every_name_is_quoted() {
        let columns = Columns {
            ip_address: "IP\"x".into(),
            deleted_at: Some("deletedAt".into()),
            enabled: Some("is_active".into()),
            ..Columns::default()
        };
        let statement = select("\"Device\" q", &columns);
        assert!(statement.starts_with("select left(q.\"id\"::text, 256), left(q.\"IP\"\"x\"::text, 256), "));
        assert!(statement.contains("left(q.\"is_active\"::text, 256), null::text, null::text, true from "));
        assert!(statement.contains(" where q.\"deletedAt\" is null or "));
        assert!(statement.ends_with(" limit 10001"));
    }
}
