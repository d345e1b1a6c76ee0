//! What is set for a device's log.

use rusqlite::Connection;

use crate::base::ids::DeviceId;
use crate::store::embedded::failed;
use crate::store::error::StoreError;
use crate::store::journal::columns::device_id;

pub(super) fn all(connection: &Connection) -> Result<Vec<(DeviceId, String)>, StoreError> {
    let mut statement = connection
        .prepare_cached("select device_id, settings from collection_setting order by device_id")
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let device: String = row.get(0).map_err(failed)?;
        found.push((device_id(&device)?, row.get(1).map_err(failed)?));
    }
    Ok(found)
}

pub(super) fn set(
    connection: &Connection,
    device: &DeviceId,
    settings: Option<&str>,
) -> Result<(), StoreError> {
    let done = match settings {
        Some(settings) => connection
            .prepare_cached(
                "insert into collection_setting (device_id, settings) values (?1, ?2) \
                 on conflict (device_id) do update set settings = excluded.settings",
            )
            .and_then(|mut statement| statement.execute([device.as_str(), settings])),
        None => connection
            .prepare_cached("delete from collection_setting where device_id = ?1")
            .and_then(|mut statement| statement.execute([device.as_str()])),
    };
    done.map(drop).map_err(failed)
}
