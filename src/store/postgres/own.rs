//! Our own schema, `zkgate`, shared by every gateway and tool that uses the same database.
//!
//! Writers take turns by a table lock that readers do not notice, so that "is this address taken" and "take it"
//! are one step; a unique index is the net below.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use postgres::Transaction;

use super::ledger::Ledger;
use super::link::{Borrowed, Link, failed};
use super::unseen::Unseen;
use crate::base::ids::DeviceId;
use crate::store::backend::{Backend, Saved};
use crate::store::desk::Permit;
use crate::store::device::{Device, DevicePatch, Facts, NewDevice, Observation, Status};
use crate::store::error::StoreError;
use crate::store::migrate;
use crate::store::row::{self, Row, Word};
use crate::store::rules::{from_millis, millis};

/// The channel on which our schema tells changes.
pub(in crate::store) const CHANNEL: &str = "zkgate_devices";

/// Our own schema in PostgreSQL.
pub(in crate::store) struct Own {
    link: Link,
    poll: Duration,
    /// Whether the schema was brought up to date in this run. Done once: a schema that vanishes later is a
    /// fault to be shown, not an empty one to be made.
    migrated: bool,
}

/// How long a call without a caller waits for a connection.
const NO_HURRY: Duration = Duration::from_secs(60);
/// The steps of our schema.
const LEDGER: Ledger = Ledger { table: "zkgate.migration", steps: migrate::POSTGRES };

impl Own {
    pub(in crate::store) fn new(link: Link, poll: Duration) -> Self {
        Self { link, poll, migrated: false }
    }

    fn client(&mut self, limit: Duration) -> Result<Borrowed, StoreError> {
        let mut client = self.link.borrow(limit)?;
        if !self.migrated {
            LEDGER.bring_up_to_date(&mut client)?;
            self.migrated = true;
        }
        Ok(client)
    }

    /// Runs one change alone; commits it only with the permit.
    fn change<T>(
        &mut self,
        permit: &Permit<'_>,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut client = self.client(permit.remaining())?;
        let mut transaction = client.transaction().map_err(failed)?;
        transaction.batch_execute("lock table zkgate.device in share row exclusive mode").map_err(failed)?;
        let done = body(&mut transaction)?;
        permit.commit()?;
        transaction.commit().map_err(|error| failed(error).during_commit())?;
        Ok(done)
    }
}

impl Backend for Own {
    fn changed(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn poll_interval(&self) -> Duration {
        self.poll
    }

    fn load(&mut self) -> Result<Vec<Device>, StoreError> {
        let mut client = self.client(NO_HURRY)?;
        let rows = client.query(&format!("select {COLUMNS} from zkgate.device"), &[]).map_err(failed)?;
        rows.iter().map(|row| from_sql(row).map(Row::into_device)).collect()
    }

    fn create(
        &mut self,
        new: &NewDevice,
        now: SystemTime,
        permit: &Permit<'_>,
    ) -> Result<Device, StoreError> {
        let mut row = Row::new(new, now)?;
        let key = Unseen(row.key()?);
        self.change(permit, |transaction| {
            refuse_conflict(transaction, &row)?;
            let facts = &row.facts;
            let inserted = transaction
                .query_one(
                    "insert into zkgate.device (name, ip_address, port, comm_key, transport, mode, timezone, \
                     enabled, serial_number, device_name, firmware_version, platform, mac_address, \
                     fingerprint_version, face_version, user_capacity, attendance_capacity, \
                     fingerprint_capacity, face_capacity, transport_used, status, created_at, updated_at) \
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
                     $19, $20, $21, $22, $23) returning id",
                    &[
                        &row.name,
                        &row.ip_address,
                        &row.port,
                        &key,
                        &row.transport.word(),
                        &row.mode.word(),
                        &row.timezone,
                        &row.enabled,
                        &facts.serial_number,
                        &facts.device_name,
                        &facts.firmware_version,
                        &facts.platform,
                        &facts.mac_address,
                        &facts.fingerprint_version,
                        &facts.face_version,
                        &facts.user_capacity.map(i64::from),
                        &facts.attendance_capacity.map(i64::from),
                        &facts.fingerprint_capacity.map(i64::from),
                        &facts.face_capacity.map(i64::from),
                        &facts.transport_used.map(Word::word),
                        &row.status.word(),
                        &row.created_at,
                        &row.updated_at,
                    ],
                )
                .map_err(failed)?;
            row.id = inserted.try_get(0).map_err(failed)?;
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
            let key = Unseen(row.key()?);
            refuse_conflict(transaction, &row)?;
            transaction
                .execute(
                    "update zkgate.device set name = $2, ip_address = $3, port = $4, comm_key = $5, \
                     transport = $6, mode = $7, timezone = $8, enabled = $9, updated_at = $10 where id = $1",
                    &[
                        &number,
                        &row.name,
                        &row.ip_address,
                        &row.port,
                        &key,
                        &row.transport.word(),
                        &row.mode.word(),
                        &row.timezone,
                        &row.enabled,
                        &row.updated_at,
                    ],
                )
                .map_err(failed)?;
            Ok(row.into_device())
        })
    }

    fn delete(&mut self, id: &DeviceId, permit: &Permit<'_>) -> Result<Device, StoreError> {
        let number = row::number(id)?;
        self.change(permit, |transaction| {
            let row = find(transaction, number, id)?;
            transaction.execute("delete from zkgate.device where id = $1", &[&number]).map_err(failed)?;
            Ok(row.into_device())
        })
    }

    fn save(&mut self, batch: &BTreeMap<DeviceId, Observation>) -> Saved {
        let result = self.client(NO_HURRY).and_then(|mut client| {
            let mut transaction = client.transaction().map_err(failed)?;
            let statement = transaction.prepare(SAVE).map_err(failed)?;
            for (id, observation) in batch {
                let Ok(number) = row::number(id) else { continue };
                let facts = &observation.facts;
                transaction
                    .execute(
                        &statement,
                        &[
                            &number,
                            &facts.serial_number,
                            &facts.device_name,
                            &facts.firmware_version,
                            &facts.platform,
                            &facts.mac_address,
                            &facts.fingerprint_version,
                            &facts.face_version,
                            &facts.user_capacity.map(i64::from),
                            &facts.attendance_capacity.map(i64::from),
                            &facts.fingerprint_capacity.map(i64::from),
                            &facts.face_capacity.map(i64::from),
                            &facts.transport_used.map(Word::word),
                            &observation.status.map(Word::word),
                            &observation.seen,
                        ],
                    )
                    .map_err(failed)?;
            }
            transaction.commit().map_err(failed)
        });
        Saved::whole(batch, result)
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        let mut client = self.client(NO_HURRY)?;
        // Changes nothing, and is refused where nothing can be changed.
        client.batch_execute("update zkgate.device set name = name where false").map_err(failed)
    }
}

const COLUMNS: &str = "id, name, ip_address, port, comm_key, transport, mode, timezone, enabled, serial_number, \
     device_name, firmware_version, platform, mac_address, fingerprint_version, face_version, user_capacity, \
     attendance_capacity, fingerprint_capacity, face_capacity, transport_used, status, last_seen, created_at, \
     updated_at";

const SAVE: &str = "update zkgate.device set serial_number = coalesce($2, serial_number), \
     device_name = coalesce($3, device_name), firmware_version = coalesce($4, firmware_version), \
     platform = coalesce($5, platform), mac_address = coalesce($6, mac_address), \
     fingerprint_version = coalesce($7, fingerprint_version), face_version = coalesce($8, face_version), \
     user_capacity = coalesce($9, user_capacity), attendance_capacity = coalesce($10, attendance_capacity), \
     fingerprint_capacity = coalesce($11, fingerprint_capacity), face_capacity = coalesce($12, face_capacity), \
     transport_used = coalesce($13, transport_used), status = coalesce($14, status), \
     last_seen = greatest(last_seen, $15) where id = $1";

fn from_sql(row: &postgres::Row) -> Result<Row, StoreError> {
    let read = || -> Result<Row, postgres::Error> {
        let number = |column: &str| {
            let number: Option<i64> = row.try_get(column)?;
            Ok::<_, postgres::Error>(number.and_then(|number| u32::try_from(number).ok()))
        };
        let time = |column: &str| row.try_get(column).map(|time: SystemTime| from_millis(millis(time)));
        let transport_used: Option<&str> = row.try_get("transport_used")?;
        let last_seen: Option<SystemTime> = row.try_get("last_seen")?;
        Ok(Row {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            ip_address: row.try_get("ip_address")?,
            port: row.try_get("port")?,
            comm_key: row::comm_key(row.try_get("comm_key")?),
            transport: Word::from_word(row.try_get("transport")?).unwrap_or_default(),
            mode: Word::from_word(row.try_get("mode")?).unwrap_or_default(),
            timezone: row.try_get("timezone")?,
            enabled: row.try_get("enabled")?,
            facts: Facts {
                serial_number: row.try_get("serial_number")?,
                device_name: row.try_get("device_name")?,
                firmware_version: row.try_get("firmware_version")?,
                platform: row.try_get("platform")?,
                mac_address: row.try_get("mac_address")?,
                fingerprint_version: row.try_get("fingerprint_version")?,
                face_version: row.try_get("face_version")?,
                user_capacity: number("user_capacity")?,
                attendance_capacity: number("attendance_capacity")?,
                fingerprint_capacity: number("fingerprint_capacity")?,
                face_capacity: number("face_capacity")?,
                transport_used: transport_used.and_then(Word::from_word),
            },
            status: Status::from_word(row.try_get("status")?).unwrap_or_default(),
            last_seen: last_seen.map(|time| from_millis(millis(time))),
            created_at: time("created_at")?,
            updated_at: time("updated_at")?,
        })
    };
    // What cannot be read is the shape of the table; there is no value in such an error.
    read().map_err(|error| StoreError::Unusable { cause: error.to_string() })
}

fn find(transaction: &mut Transaction<'_>, number: i64, id: &DeviceId) -> Result<Row, StoreError> {
    let found = transaction
        .query_opt(&format!("select {COLUMNS} from zkgate.device where id = $1"), &[&number])
        .map_err(failed)?;
    from_sql(&found.ok_or_else(|| StoreError::NotFound { id: id.clone() })?)
}

fn refuse_conflict(transaction: &mut Transaction<'_>, row: &Row) -> Result<(), StoreError> {
    let Ok(address) = row.address() else { return Ok(()) };
    if !row.enabled {
        return Ok(());
    }
    let other = transaction
        .query_opt(
            "select id, name from zkgate.device where enabled and ip_address = $1 and port = $2 and id <> $3",
            &[&row.ip_address, &row.port, &row.id],
        )
        .map_err(failed)?;
    let Some(other) = other else { return Ok(()) };
    let id = other.try_get(0).map_err(failed)?;
    let name = other.try_get(1).map_err(failed)?;
    Err(row::conflict(id, name, address))
}
