//! Who may talk to which device, now.
//!
//! Every device has a *slot* with at most one session, a bounded queue of *jobs* and a record of what went wrong.
//! The rules are in [`core`]: a machine without sockets, threads or clock, so that ten minutes of back-off can be
//! tested in no time. [`Registry`] is the machine behind a mutex, with a fixed number of workers that run jobs and
//! one *watcher* that waits on everything else: attempts to connect, idle sessions, keep-alives, goodbyes, timers.
//! A thousand dead devices cost sockets and timers, never a thread.

mod amends;
pub mod between;
pub mod core;
pub mod error;
mod held;
pub mod inbox;
pub mod inner;
pub mod job;
pub mod lease;
pub mod listener;
mod observe;
pub mod outage;
pub mod queue;
pub mod recent;
pub mod settings;
pub mod shell;
pub mod slot;
pub mod status;
pub mod trace;
mod watcher;
mod workers;

pub use between::Between;
pub use error::Refusal;
pub use inbox::{TestReport, Tester, carriers};
pub use inner::Recorder;
pub use job::{Priority, Repeat, Terms};
pub use lease::Lease;
pub use listener::Listener;
pub use settings::RegistrySettings;
pub use shell::Registry;
pub use status::{SlotStatus, StateName};
