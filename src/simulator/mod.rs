//! Simulated devices: honest by default, misbehaving on request.
//!
//! A [`Simulator`] plays any number of terminals of one [`Profile`] in this process, each with a TCP listener and
//! a UDP socket of its own, on a fixed number of threads. It speaks the device's side of the protocol only and
//! shares nothing with the client of this crate but the wire format, so that it cannot share its mistakes.
//!
//! ```no_run
//! use zkgate::simulator::{Config, Fault, Simulator};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let simulator = Simulator::start(Config { users: 20, punches: 500, ..Config::default() })?;
//! for device in simulator.devices() {
//!     println!("{} at {}", device.serial_number(), device.address());
//!     device.set_fault(Fault::parse("silent@chunk*1")?);
//! }
//! # Ok(())
//! # }
//! ```

mod config;
pub mod control;
mod counters;
mod device_clock;
mod fault;
mod handle;

mod model;
mod net;
mod outgoing;
mod population;
mod profile;
mod punch_log;
mod replay;
mod tables;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

pub use config::{Concurrency, Config};
pub use counters::Counters;
pub use fault::{Fault, FaultError};
pub use handle::DeviceHandle;
pub use model::Sensor;
pub use net::How;
pub use profile::{Profile, UnknownProfile};
pub use replay::Replay;

use crate::base::lock::lock;
use crate::base::readiness::Readiness;
use crate::base::threads::{SMALL_STACK, spawn};
use device_clock::{DeviceClock, date_time, host_time};
use fault::Faults;
use model::{DeviceModel, Identity};
use net::{Order, Shard, ShardLink, Shared, State};
use population::Population;

/// Running devices; dropping it stops them and frees their ports.
#[derive(Debug)]
pub struct Simulator {
    devices: Vec<DeviceHandle>,
    links: Vec<Arc<ShardLink>>,
    threads: Vec<JoinHandle<()>>,
}

impl Simulator {
    /// Binds all ports and starts the threads; when this returns, the devices answer.
    ///
    /// # Errors
    /// When a port is taken or does not exist, the settings exceed their ceilings, or the operating system
    /// grants no further socket or thread.
    pub fn start(config: Config) -> io::Result<Self> {
        let within = config.devices <= Config::DEVICES_CEILING
            && config.users <= Config::USERS_CEILING
            && config.punches <= Config::PUNCHES_CEILING;
        if !within {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "more than a simulator can hold"));
        }
        let now = Instant::now();
        let present = match config.clock {
            Some(time) => date_time(time).saturating_add(config.clock_offset),
            None => host_time(config.clock_offset),
        };
        let clock = DeviceClock::showing(present, now);
        let population = Population::generate(&config, present);
        let mut shards = Vec::new();
        for _ in 0..config.threads.clamp(1, Self::THREADS_CEILING) {
            let readiness = Readiness::new()?;
            let link = Arc::new(ShardLink::new(readiness.clone()));
            shards.push((Shard::new(readiness, Arc::clone(&link)), link));
        }
        let count = shards.len();
        let mut devices = Vec::with_capacity(config.devices);
        for index in 0..config.devices {
            let Some((shard, link)) = shards.get_mut(index % count) else { continue };
            let bound = net::bind(config.listen, port_of(&config, index)?, config.traits().udp)?;
            let mut identity = Identity::new(index + 1, bound.address);
            if let Some(serial_number) = config.replay.as_ref().and_then(|replay| replay.serial_number()) {
                identity.serial_number = serial_number.to_owned();
            }
            let model = DeviceModel::new(&config, identity, &population, clock, now);
            let number = u64::try_from(index).unwrap_or_default();
            let faults = Faults::new(&config.faults, config.seed ^ number.rotate_left(32));
            let shared = Shared::new(&config, index / count, &bound, State { model, faults });
            let shared = Arc::new(shared);
            shard.adopt(Arc::clone(&shared), bound)?;
            devices.push(DeviceHandle::new(shared, Arc::clone(link)));
        }
        let mut simulator = Self { devices, links: Vec::new(), threads: Vec::new() };
        for (number, (shard, link)) in shards.into_iter().enumerate() {
            simulator.links.push(link);
            simulator.threads.push(spawn(format!("{}-{number}", config.name), SMALL_STACK, || shard.run())?);
        }
        Ok(simulator)
    }

    /// The devices, in the order of their ports.
    #[must_use]
    pub fn devices(&self) -> &[DeviceHandle] {
        &self.devices
    }

    /// One device, counted from 0.
    #[must_use]
    pub fn device(&self, index: usize) -> Option<&DeviceHandle> {
        self.devices.get(index)
    }

    /// Stops all devices and waits until their threads have ended.
    pub fn stop(self) {
        drop(self);
    }

    const THREADS_CEILING: usize = 8;
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.links.iter().for_each(|link| link.order(Order::Stop));
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a simulator thread had panicked");
            }
        }
    }
}

fn port_of(config: &Config, index: usize) -> io::Result<u16> {
    if config.first_port == 0 {
        return Ok(0);
    }
    let port = u16::try_from(index).ok().and_then(|index| config.first_port.checked_add(index));
    port.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there are not that many ports"))
}
