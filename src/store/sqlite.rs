//! The devices in the embedded database: one connection on the store's thread. Another process may use the same
//! file; its changes are noticed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::backend::{Backend, Saved};
use super::desk::Permit;
use super::device::{Device, DevicePatch, Facts, NewDevice, Observation, Status};
use super::embedded::{self, failed};
use super::error::StoreError;
use super::migrate;
use super::row::{self, Row, Word};
use super::rules::{from_millis, millis};
use crate::base::ids::DeviceId;

/// The embedded database.
pub(super) struct Sqlite {
    connection: Connection,
    /// SQLite's own count of other connections' changes, as it was at the last load.
    seen_version: i64,
}

impl Sqlite {
    /// Opens the file, makes it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be used, or is newer than this program.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: embedded::open(path, migrate::SQLITE)?, seen_version: -1 })
    }

    fn data_version(&self) -> Result<i64, StoreError> {
        self.connection.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(failed)
    }

    /// Runs one change; commits it only with the permit.
    fn change<T>(
        &mut self,
        permit: &Permit<'_>,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let done = body(&transaction)?;
        permit.commit()?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }
}

impl Backend for Sqlite {
    fn changed(&mut self) -> Result<bool, StoreError> {
        Ok(self.data_version()? != self.seen_version)
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn load(&mut self) -> Result<Vec<Device>, StoreError> {
        // Asked first: a change that comes in between is loaded twice rather than missed.
        let version = self.data_version()?;
        let mut statement =
            self.connection.prepare_cached(&format!("select {COLUMNS} from device")).map_err(failed)?;
        let rows = statement.query_map([], from_sql).map_err(failed)?;
        let devices = rows.map(|row| row.map(Row::into_device)).collect::<Result<_, _>>().map_err(failed)?;
        self.seen_version = version;
        Ok(devices)
    }

    fn create(
        &mut self,
        new: &NewDevice,
        now: SystemTime,
        permit: &Permit<'_>,
    ) -> Result<Device, StoreError> {
        let mut row = Row::new(new, now)?;
        let key = row.key()?;
        self.change(permit, |transaction| {
            refuse_conflict(transaction, &row)?;
            transaction
                .prepare_cached(
                    "insert into device (name, ip_address, port, comm_key, transport, mode, timezone, enabled, \
                     serial_number, device_name, firmware_version, platform, mac_address, fingerprint_version, \
                     face_version, user_capacity, attendance_capacity, fingerprint_capacity, face_capacity, \
                     transport_used, status, created_at, updated_at) \
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
                     ?19, ?20, ?21, ?22, ?23)",
                )
                .and_then(|mut statement| {
                    statement.execute(params![
                        row.name,
                        row.ip_address,
                        row.port,
                        key,
                        row.transport.word(),
                        row.mode.word(),
                        row.timezone,
                        row.enabled,
                        row.facts.serial_number,
                        row.facts.device_name,
                        row.facts.firmware_version,
                        row.facts.platform,
                        row.facts.mac_address,
                        row.facts.fingerprint_version,
                        row.facts.face_version,
                        row.facts.user_capacity,
                        row.facts.attendance_capacity,
                        row.facts.fingerprint_capacity,
                        row.facts.face_capacity,
                        row.facts.transport_used.map(Word::word),
                        row.status.word(),
                        millis(row.created_at),
                        millis(row.updated_at),
                    ])
                })
                .map_err(failed)?;
            row.id = transaction.last_insert_rowid();
            Ok(row.into_device())
        })
    }

    fn update(
        &mut self,
        id: &DeviceId,
        patch: &DevicePatch,
        now: SystemTime,
        permit: &Permit<'_>,
    ) -> Result<Device, StoreError> {
        let number = row::number(id)?;
        self.change(permit, |transaction| {
            let row = find(transaction, number, id)?.patched(patch, now)?;
            let key = row.key()?;
            refuse_conflict(transaction, &row)?;
            transaction
                .prepare_cached(
                    "update device set name = ?2, ip_address = ?3, port = ?4, comm_key = ?5, transport = ?6, \
                     mode = ?7, timezone = ?8, enabled = ?9, updated_at = ?10 where id = ?1",
                )
                .and_then(|mut statement| {
                    statement.execute(params![
                        number,
                        row.name,
                        row.ip_address,
                        row.port,
                        key,
                        row.transport.word(),
                        row.mode.word(),
                        row.timezone,
                        row.enabled,
                        millis(row.updated_at),
                    ])
                })
                .map_err(failed)?;
            Ok(row.into_device())
        })
    }

    fn delete(&mut self, id: &DeviceId, permit: &Permit<'_>) -> Result<Device, StoreError> {
        let number = row::number(id)?;
        self.change(permit, |transaction| {
            let row = find(transaction, number, id)?;
            transaction.execute("delete from device where id = ?1", [number]).map_err(failed)?;
            Ok(row.into_device())
        })
    }

    fn save(&mut self, batch: &BTreeMap<DeviceId, Observation>) -> Saved {
        let result = (|| {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (id, observation) in batch {
                if let Ok(number) = row::number(id) {
                    save_one(&transaction, number, observation)?;
                }
            }
            transaction.commit()
        })();
        Saved::whole(batch, result.map_err(failed))
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        embedded::probe(&mut self.connection)
    }
}

const COLUMNS: &str = "id, name, ip_address, port, comm_key, transport, mode, timezone, enabled, serial_number, \
     device_name, firmware_version, platform, mac_address, fingerprint_version, face_version, user_capacity, \
     attendance_capacity, fingerprint_capacity, face_capacity, transport_used, status, last_seen, created_at, \
     updated_at";

fn from_sql(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let word = |column: &str| row.get::<_, String>(column);
    let number = |column: &str| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.and_then(|number| number.try_into().ok()))
    };
    let transport_used: Option<String> = row.get("transport_used")?;
    Ok(Row {
        id: row.get("id")?,
        name: row.get("name")?,
        ip_address: row.get("ip_address")?,
        port: row.get("port")?,
        comm_key: row::comm_key(row.get("comm_key")?),
        transport: Word::from_word(&word("transport")?).unwrap_or_default(),
        mode: Word::from_word(&word("mode")?).unwrap_or_default(),
        timezone: row.get("timezone")?,
        enabled: row.get("enabled")?,
        facts: Facts {
            serial_number: row.get("serial_number")?,
            device_name: row.get("device_name")?,
            firmware_version: row.get("firmware_version")?,
            platform: row.get("platform")?,
            mac_address: row.get("mac_address")?,
            fingerprint_version: row.get("fingerprint_version")?,
            face_version: row.get("face_version")?,
            user_capacity: number("user_capacity")?,
            attendance_capacity: number("attendance_capacity")?,
            fingerprint_capacity: number("fingerprint_capacity")?,
            face_capacity: number("face_capacity")?,
            transport_used: transport_used.as_deref().and_then(Word::from_word),
        },
        status: Status::from_word(&word("status")?).unwrap_or_default(),
        last_seen: row.get::<_, Option<i64>>("last_seen")?.map(from_millis),
        created_at: from_millis(row.get("created_at")?),
        updated_at: from_millis(row.get("updated_at")?),
    })
}

fn find(transaction: &Transaction<'_>, number: i64, id: &DeviceId) -> Result<Row, StoreError> {
    transaction
        .prepare_cached(&format!("select {COLUMNS} from device where id = ?1"))
        .and_then(|mut statement| statement.query_row([number], from_sql).optional())
        .map_err(failed)?
        .ok_or_else(|| StoreError::NotFound { id: id.clone() })
}

fn refuse_conflict(transaction: &Transaction<'_>, row: &Row) -> Result<(), StoreError> {
    let Ok(address): Result<SocketAddr, _> = row.address() else { return Ok(()) };
    if !row.enabled {
        return Ok(());
    }
    let other = transaction
        .prepare_cached(
            "select id, name from device where enabled = 1 and ip_address = ?1 and port = ?2 and id <> ?3",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![row.ip_address, row.port, row.id], |other| {
                    Ok((other.get(0)?, other.get(1)?))
                })
                .optional()
        })
        .map_err(failed)?;
    other.map_or(Ok(()), |(other, name)| Err(row::conflict(other, name, address)))
}

fn save_one(transaction: &Transaction<'_>, number: i64, observation: &Observation) -> rusqlite::Result<()> {
    let facts = &observation.facts;
    transaction
        .prepare_cached(
            "update device set serial_number = coalesce(?2, serial_number), \
             device_name = coalesce(?3, device_name), firmware_version = coalesce(?4, firmware_version), \
             platform = coalesce(?5, platform), mac_address = coalesce(?6, mac_address), \
             fingerprint_version = coalesce(?7, fingerprint_version), face_version = coalesce(?8, face_version), \
             user_capacity = coalesce(?9, user_capacity), \
             attendance_capacity = coalesce(?10, attendance_capacity), \
             fingerprint_capacity = coalesce(?11, fingerprint_capacity), \
             face_capacity = coalesce(?12, face_capacity), transport_used = coalesce(?13, transport_used), \
             status = coalesce(?14, status), last_seen = max(coalesce(last_seen, 0), coalesce(?15, last_seen)) \
             where id = ?1",
        )?
        .execute(params![
            number,
            facts.serial_number,
            facts.device_name,
            facts.firmware_version,
            facts.platform,
            facts.mac_address,
            facts.fingerprint_version,
            facts.face_version,
            facts.user_capacity,
            facts.attendance_capacity,
            facts.fingerprint_capacity,
            facts.face_capacity,
            facts.transport_used.map(Word::word),
            observation.status.map(Word::word),
            observation.seen.map(millis),
        ])
        .map(drop)
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
