//! What keeps the service in the hands of those who run it: logs, signals, systemd, limits, the health verdict.
//!
//! This room knows no other one: what it looks at is handed in as values and closures by the app.

pub mod health;
pub mod limits;
pub mod logging;
pub mod probe;
pub mod signals;
pub mod systemd;
pub mod watchdog;
