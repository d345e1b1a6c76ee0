//! No punch lost, none twice: from what devices have and say to the journal.
//!
//! The [`Collector`] knows which device's log is due and hears live events. A
//! read fetches what is new of a log and proves that it is all; what a device says becomes
//! [records](decode), whose place in the journal the store decides. The log is the truth, and events only make it
//! fast.

mod body;
pub mod civil;
pub mod clear;
pub mod collector;
pub mod completeness;
pub mod correction;
pub mod decode;
mod dispatch;
mod errand;
mod hearing;
mod keeping;
mod overlap;
mod reading;
mod run;
pub mod settings;
pub mod status;
mod upkeep;
mod watched;

pub use collector::Collector;
pub use settings::{CollectorSettings, DeviceSettings};
pub use status::{CollectionStatus, LastRead};
