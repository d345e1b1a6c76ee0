//! One device, one session: operations as blocking calls, each with a deadline.
//!
//! [`dial::Dial`] makes a session, by readiness and without blocking; [`Session`] is used from then on. After an
//! error whose [`DeviceError::keeps_session`] is false the session must be dropped: nothing that was on its line
//! can be trusted any more.

pub mod access;
pub mod amends;
pub mod clearing;
pub mod clock;
pub mod configuration;
pub mod dial;
pub mod door;
pub mod enrolment;
pub mod errand;
pub mod error;
pub mod info;
mod link;
pub mod live;
pub mod log;
pub mod messages;
pub mod options;
pub mod power;
pub mod punches;
pub mod raw;
pub mod screen;
pub mod session;
pub mod templates;
pub mod upkeep;
pub mod users;

pub use dial::{Dial, Target};
pub use error::{DeviceError, Fault, Reached};
pub use log::{LogBuffer, OpenLog};
pub use session::{Session, SessionSettings};
