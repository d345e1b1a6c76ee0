//! Typed settings: file → environment → flags, each overriding the one before.
//!
//! What [`Settings::load`] returns is whole and within its ceilings, or there is an error that names every
//! setting that is not, with its range and where the value came from. This room uses no other one but
//! [`crate::base`]; the app translates its structs into those of the rooms that need them.

mod attach;
mod error;
mod explain;
mod file;
mod http;
mod journal;
mod layers;
mod paths;
mod reader;
mod sessions;
mod sources;
mod top;
mod value;
mod webhooks;

pub use attach::{Attach, AttachSource, Columns, WriteBack};
pub use error::{ConfigError, Problem};
pub use explain::{Explained, Explanation};
pub use http::Http;
pub use journal::Journal;
pub use sessions::Sessions;
pub use sources::{DEFAULT_FILE, Environment, Flags, Origin, Sources};
pub use top::{Settings, Token};
pub use webhooks::Webhooks;
