//! The ground floor: small leaves that every room may use and that use no room themselves.

pub mod alarm;
pub mod clock;
pub mod confirmations;
pub mod deadline;
pub mod ids;
pub mod liveness;
pub mod lock;
pub mod networks;
pub mod readiness;
pub mod scope;
pub mod seats;
pub mod secret;
pub mod series;
pub mod threads;
