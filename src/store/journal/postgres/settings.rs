//! What is set for a device's log.

use postgres::{GenericClient, Transaction};

use crate::base::ids::DeviceId;
use crate::store::error::StoreError;
use crate::store::journal::columns::device_id;
use crate::store::postgres::failed;

pub(super) fn all(client: &mut impl GenericClient) -> Result<Vec<(DeviceId, String)>, StoreError> {
    let rows = client
        .query("select device_id, settings from zkgate.collection_setting order by device_id", &[])
        .map_err(failed)?;
    let setting = |row: &postgres::Row| {
        Ok((device_id(row.try_get(0).map_err(failed)?)?, row.try_get(1).map_err(failed)?))
    };
    rows.iter().map(setting).collect()
}

pub(super) fn set(
    transaction: &mut Transaction<'_>,
    device: &DeviceId,
    settings: Option<&str>,
) -> Result<(), StoreError> {
    let done = match settings {
        Some(settings) => transaction.execute(
            "insert into zkgate.collection_setting (device_id, settings) values ($1, $2) \
             on conflict (device_id) do update set settings = excluded.settings",
            &[&device.as_str(), &settings],
        ),
        None => transaction
            .execute("delete from zkgate.collection_setting where device_id = $1", &[&device.as_str()]),
    };
    done.map(drop).map_err(failed)
}
