//! What is remembered: the devices of the site, and what was found out about each.
//!
//! One thread, "store", owns the database, and nobody else ever waits for it: reads are answered from the last
//! good list in memory, writes wait at a desk that keeps every caller's deadline even when the database is
//! frozen. What a device is doing now is not here; the registry knows.

mod backend;
pub mod backups;
mod desk;
pub mod device;
mod embedded;
mod error;
mod handle;
mod health;
pub mod journal;
pub mod ledger;
mod list;
mod migrate;
mod observations;
mod owner;
mod postgres;
mod row;
mod rules;
pub mod sealer;
mod settings;
mod snapshot;
mod sqlite;

pub use error::StoreError;
pub use handle::{Store, Subscriber};
pub use health::{Condition, StoreHealth, StoreKind};
pub use list::DeviceList;
pub use settings::{AttachSettings, AttachSource, Columns, Place, StatusWords, StoreSettings, WriteBack};
