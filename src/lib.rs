//! **zkgate** owns the connections to a site's ZKTeco terminals (*devices*): one healthy session per device,
//! every call queued, bounded and answered, and a plain HTTP/JSON API for every other program on the site.
//!
//! The crate is the service and, for Rust programs that want to embed it, the library behind it.
//! The rooms, from the roof to the ground; each uses only rooms below it:
//!
//! | room | what it is |
//! |---|---|
//! | [`cli`] | arguments → settings → [`app`], one device, or the running service → exit code |
//! | [`app`] | builds everything, starts the threads, stops them in order: the only file that knows all rooms |
//! | [`config`] | typed settings: file → environment → flags, each with its default and its ceiling |
//! | [`http`] | requests in, answers out |
//! | [`ops`] | health verdict, systemd, signals, logging |
//! | [`delivery`] | webhooks: the journal plus a cursor for each subscription |
//! | [`journal`] | no punch lost, none twice: reading logs, hearing events |
//! | [`discovery`] | looking for devices on the network |
//! | [`operations`] | what is asked that has an effect: noted, watched, ended |
//! | [`registry`] | who may talk to which device, now |
//! | [`store`] | what is remembered: SQLite, PostgreSQL, somebody else's table |
//! | [`device`] | one device, one session, blocking calls with a deadline |
//! | [`transport`] | the only room that opens sockets to devices |
//! | [`dialog`] | conversations as machines: no socket, no clock |
//! | [`wire`] | bytes ⇄ meaning, nothing else |
//! | [`simulator`] | a device that is honest by default and misbehaves on request |
//! | [`base`] | leaves: deadlines, clocks, secrets, ids |
//!
//! Embedded, without the HTTP side: a [`Store`](store::Store) knows the devices, a [`Registry`](registry::Registry)
//! owns their sessions and follows the store's list. `examples/embedded.rs` is a whole program; in short:
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//!
//! use zkgate::base::{clock::SystemClock, deadline::Deadline, ids::DeviceId, liveness::Liveness};
//! use zkgate::registry::{Registry, RegistrySettings, Terms};
//! use zkgate::store::{Place, Store, StoreSettings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (clock, liveness) = (Arc::new(SystemClock), Liveness::new(Instant::now()));
//! let store = Store::open(StoreSettings::new("state", Place::Sqlite), clock.clone(), &liveness)?;
//! let remembered = Arc::clone(&store);
//! let record = Box::new(move |id: &DeviceId, noticed| remembered.record(id, noticed));
//! let registry = Registry::start(RegistrySettings::default(), clock, record, &liveness)?;
//! let following = Arc::clone(&registry);
//! store.subscribe(Box::new(move |devices| following.configure(devices.iter())));
//!
//! let deadline = Deadline::after(Instant::now(), Duration::from_secs(5));
//! for device in store.devices().iter() {
//!     match registry.call(&device.id, Terms::read(deadline), |session, deadline| session.time(deadline)) {
//!         Ok(time) => println!("{}: {}", device.name, time.fields()),
//!         Err(refusal) => println!("{}: {refusal} ({})", device.name, refusal.code()),
//!     }
//! }
//! registry.stop(Deadline::after(Instant::now(), Duration::from_secs(10)));
//! # Ok(())
//! # }
//! ```

pub mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod device;
pub mod dialog;
pub mod discovery;
pub mod fleet;
pub mod http;
pub mod journal;
pub mod operations;
pub mod ops;
pub mod registry;
pub mod simulator;
pub mod store;
pub mod transport;
pub mod wire;
