//! What an attached backend's own table is told: the columns that the operator named, and only when their value
//! differs. The types of those columns are looked up each time, so a changed table needs no restart.

use std::collections::BTreeMap;
use std::time::SystemTime;

use postgres::Client;
use postgres::types::ToSql;

use super::attach_rows::{quoted, quoted_table};
use super::link::failed;
use crate::base::ids::DeviceId;
use crate::store::backend::Saved;
use crate::store::device::{Observation, Status};
use crate::store::error::StoreError;
use crate::store::rules::millis;
use crate::store::settings::{AttachSource, StatusWords, WriteBack};

/// Writes to the named columns of one table.
#[derive(Debug)]
pub(super) struct Writer {
    /// Quoted.
    table: String,
    id: String,
    columns: Vec<(Told, String)>,
    words: Option<StatusWords>,
}

/// What a column is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Status,
    LastSeen,
    SerialNumber,
    MaxUsers,
}

/// A column's type, as PostgreSQL knows it.
#[derive(Clone, Debug)]
struct ColumnType {
    /// Fit for a cast, without length: a text that is too long is then an error and never cut in silence.
    name: String,
    /// `B` boolean, `N` number, `D` date or time, and others.
    category: u8,
}

impl Writer {
    /// `None` when no column is named.
    ///
    /// # Errors
    /// [`StoreError::Settings`] when it is not said where to write.
    pub(super) fn new(back: &WriteBack, source: &AttachSource) -> Result<Option<Self>, StoreError> {
        let (source_table, source_id) = match source {
            AttachSource::Table { table, columns } => (Some(table), Some(&columns.id)),
            AttachSource::Query(_) => (None, None),
        };
        let missing = |what: &str| StoreError::Settings {
            reason: format!("attach: write_back needs its {what} when the devices come from a query"),
        };
        let table = back.table.as_ref().or(source_table).ok_or_else(|| missing("table"))?;
        let id = back.id.as_ref().or(source_id).ok_or_else(|| missing("id"))?;
        let columns: Vec<_> = [
            (Told::Status, &back.status),
            (Told::LastSeen, &back.last_seen),
            (Told::SerialNumber, &back.serial_number),
            (Told::MaxUsers, &back.max_users),
        ]
        .into_iter()
        .filter_map(|(told, column)| Some((told, column.clone()?)))
        .collect();
        let table = quoted_table(table)?;
        let writer = Self { table, id: id.clone(), columns, words: back.status_words.clone() };
        Ok((!writer.columns.is_empty()).then_some(writer))
    }

    pub(super) fn save(&self, client: &mut Client, batch: &BTreeMap<DeviceId, Observation>) -> Saved {
        let types = match self.types(client) {
            Ok(types) => types,
            Err(error) => return Saved { done: Vec::new(), error: Some(error) },
        };
        let mut saved = Saved::default();
        for (id, observation) in batch {
            match self.save_one(client, &types, id, observation) {
                Ok(()) => saved.done.push(id.clone()),
                Err(error) => {
                    let hopeless = matches!(error, StoreError::Unavailable { .. });
                    saved.error = Some(error);
                    if hopeless {
                        break;
                    }
                }
            }
        }
        saved
    }

    /// Whether the table can be written, without writing.
    pub(super) fn probe(&self, client: &mut Client) -> Result<(), StoreError> {
        self.types(client)?;
        let sets: Vec<_> =
            self.columns.iter().map(|(_, column)| format!("{0} = {0}", quoted(column))).collect();
        let statement = format!("update {} set {} where false", self.table, sets.join(", "));
        client.batch_execute(&statement).map_err(failed)
    }

    fn save_one(
        &self,
        client: &mut Client,
        types: &BTreeMap<String, ColumnType>,
        id: &DeviceId,
        observation: &Observation,
    ) -> Result<(), StoreError> {
        let mut values = vec![id.as_str().to_owned()];
        let (mut sets, mut differs) = (Vec::new(), Vec::new());
        let cast = |column: &str, place: usize| {
            let known = types.get(column);
            known.map(|column_type| format!("${place}::text::{}", column_type.name)).ok_or_else(|| {
                StoreError::Unusable { cause: format!("{} has no column {}", self.table, quoted(column)) }
            })
        };
        for (told, column) in &self.columns {
            let category = types.get(column).map_or(0, |column_type| column_type.category);
            let Some(value) = self.value(*told, observation, category) else { continue };
            values.push(value);
            let (name, value) = (quoted(column), cast(column, values.len())?);
            sets.push(format!("{name} = {value}"));
            differs.push(format!("{name} is distinct from {value}"));
        }
        if sets.is_empty() {
            return Ok(());
        }
        let statement = format!(
            "update {} set {} where {} = {} and ({})",
            self.table,
            sets.join(", "),
            quoted(&self.id),
            cast(&self.id, 1)?,
            differs.join(" or ")
        );
        let parameters: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        client.execute(&statement, &parameters).map(drop).map_err(failed)
    }

    fn value(&self, told: Told, observation: &Observation, category: u8) -> Option<String> {
        match told {
            Told::Status => {
                let up = match observation.status? {
                    Status::Up => true,
                    Status::Down => false,
                    Status::Unknown => return None,
                };
                Some(match (&self.words, category) {
                    (Some(words), _) => if up { &words.up } else { &words.down }.clone(),
                    (None, b'B') => up.to_string(),
                    (None, b'N') => u8::from(up).to_string(),
                    (None, _) => if up { "up" } else { "down" }.to_owned(),
                })
            }
            Told::LastSeen => observation.seen.map(|seen| match category {
                b'N' => (millis(seen) / 1000).to_string(),
                _ => written(seen),
            }),
            Told::SerialNumber => observation.facts.serial_number.clone(),
            Told::MaxUsers => observation.facts.user_capacity.map(|users| users.to_string()),
        }
    }

    fn types(&self, client: &mut Client) -> Result<BTreeMap<String, ColumnType>, StoreError> {
        let rows = client
            .query(
                "select a.attname::text, format_type(a.atttypid, -1), t.typcategory::text \
                 from pg_attribute a join pg_type t on t.oid = a.atttypid \
                 where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped",
                &[&self.table],
            )
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let category: String = row.try_get(2)?;
                let category = category.bytes().next().unwrap_or_default();
                Ok((row.try_get(0)?, ColumnType { name: row.try_get(1)?, category }))
            })
            .collect::<Result<_, _>>()
            .map_err(failed)
    }
}

/// RFC 3339 in UTC; a column without a zone keeps the UTC reading.
fn written(time: SystemTime) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(millis(time)).unwrap_or_default();
    format!("{timestamp:.3}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::device::Facts;
    use crate::store::settings::Columns;

    fn writer(words: Option<StatusWords>) -> Writer {
        let back = WriteBack { status: Some("state".into()), status_words: words, ..WriteBack::default() };
        let table = AttachSource::Table { table: "devices".into(), columns: Box::new(Columns::default()) };
        Writer::new(&back, &table).unwrap().unwrap()
    }

    #[test]
    fn a_value_takes_the_form_of_its_column() {
        let seen = SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_000_000_123);
        let up = Observation {
            status: Some(Status::Up),
            seen: Some(seen),
            facts: Facts { user_capacity: Some(3000), ..Facts::default() },
        };
        let words = StatusWords { up: "ONLINE".into(), down: "OFFLINE".into() };
        for (name, words, told, category, expected) in [
            ("status as text", None, Told::Status, b'S', Some("up")),
            ("status as boolean", None, Told::Status, b'B', Some("true")),
            ("status as number", None, Told::Status, b'N', Some("1")),
            ("status in their words", Some(words), Told::Status, b'E', Some("ONLINE")),
            ("time as timestamp", None, Told::LastSeen, b'D', Some("2025-11-24T16:00:00.123Z")),
            ("time as number", None, Told::LastSeen, b'N', Some("1764000000")),
            ("capacity", None, Told::MaxUsers, b'N', Some("3000")),
            ("nothing known", None, Told::SerialNumber, b'S', None),
        ] {
            assert_eq!(writer(words).value(told, &up, category).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_query_must_say_where_to_write() {
        let query = AttachSource::Query("select 1".into());
        let mut back = WriteBack { status: Some("state".into()), ..WriteBack::default() };
        assert!(matches!(Writer::new(&back, &query), Err(StoreError::Settings { .. })));
        back.table = Some("hr.devices".into());
        back.id = Some("id".into());
        assert_eq!(Writer::new(&back, &query).unwrap().unwrap().table, "\"hr\".\"devices\"");
        assert!(Writer::new(&WriteBack { status: None, ..back }, &query).unwrap().is_none());
    }
}
