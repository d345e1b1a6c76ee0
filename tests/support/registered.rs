//! A registry with simulated devices in it, named "0", "1", "2" …

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zkgate::base::clock::SystemClock;
use zkgate::base::ids::DeviceId;
use zkgate::base::liveness::Liveness;
use zkgate::device::{SessionSettings, Target};
use zkgate::registry::Recorder;
use zkgate::registry::{Registry, RegistrySettings, SlotStatus, StateName};
use zkgate::simulator::{Config, DeviceHandle, Simulator};
use zkgate::store::device::{Device, Endpoint, Facts, Observation, SessionMode, Status, TransportChoice};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::comm_key::CommKey;

use crate::site::{soon, until};

/// Everything that was observed, in order.
type Observed = Arc<Mutex<Vec<(DeviceId, Observation)>>>;

pub(crate) struct Site {
    pub(crate) simulator: Simulator,
    pub(crate) registry: Arc<Registry>,
    pub(crate) liveness: Liveness,
    observed: Observed,
}

/// Patience for devices on loopback on a machine that does other things too.
pub(crate) fn patient() -> SessionSettings {
    SessionSettings {
        connect: Duration::from_secs(2),
        reply: Duration::from_secs(2),
        progress: Duration::from_secs(2),
        farewell: Duration::from_millis(500),
        ..SessionSettings::default()
    }
}

pub(crate) fn settings() -> RegistrySettings {
    let session = SessionSettings { reply: Duration::from_millis(900), ..patient() };
    RegistrySettings { session, workers: 8, suspect_workers: 2, ..RegistrySettings::default() }
}

pub(crate) fn id(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

impl Site {
    pub(crate) fn of(config: Config) -> Self {
        Self::with(config, settings(), |device| device, |_| {})
    }

    /// Devices as they are recorded and simulated.
    pub(crate) fn with(
        config: Config,
        settings: RegistrySettings,
        record: impl Fn(Device) -> Device,
        prepare: impl Fn(&DeviceHandle),
    ) -> Self {
        let observed = Observed::default();
        let told = Arc::clone(&observed);
        let recorder = move |id: &DeviceId, observation: Observation| {
            told.lock().unwrap().push((id.clone(), observation));
        };
        Self::start(config, settings, record, prepare, Box::new(recorder), observed)
    }

    /// Somebody else observes.
    pub(crate) fn observed(
        config: Config,
        settings: RegistrySettings,
        recorder: impl Fn(&DeviceId, Observation) + Send + Sync + 'static,
    ) -> Self {
        Self::start(config, settings, |device| device, |_| {}, Box::new(recorder), Observed::default())
    }

    fn start(
        config: Config,
        settings: RegistrySettings,
        record: impl Fn(Device) -> Device,
        prepare: impl Fn(&DeviceHandle),
        recorder: Recorder,
        observed: Observed,
    ) -> Self {
        let key = config.comm_key.clone();
        let simulator = Simulator::start(config).unwrap();
        simulator.devices().iter().for_each(prepare);
        let liveness = Liveness::new(Instant::now());
        let registry = Registry::start(settings, Arc::new(SystemClock), recorder, &liveness).unwrap();
        let devices: Vec<Arc<Device>> = simulator
            .devices()
            .iter()
            .enumerate()
            .map(|(number, device)| Arc::new(record(recorded(number, device, key.clone()))))
            .collect();
        registry.configure(devices.iter());
        Self { simulator, registry, liveness, observed }
    }

    pub(crate) fn device(&self, number: usize) -> &DeviceHandle {
        self.simulator.device(number).unwrap()
    }

    pub(crate) fn status(&self, name: &str) -> SlotStatus {
        self.registry.status(&id(name)).unwrap()
    }

    pub(crate) fn all_up(&self) {
        until("all are up", || self.registry.statuses().iter().all(|slot| slot.state == StateName::Idle));
    }

    pub(crate) fn target(&self, number: usize, key: u64) -> Target {
        Target {
            address: self.device(number).address(),
            comm_key: CommKey::new(key).unwrap(),
            carriers: vec![Carrier::Tcp],
        }
    }

    pub(crate) fn statuses_told(&self, name: &str) -> Vec<Status> {
        self.told(name, |observation| observation.status)
    }

    pub(crate) fn transports_told(&self, name: &str) -> Vec<TransportChoice> {
        self.told(name, |observation| observation.facts.transport_used)
    }

    fn told<T>(&self, name: &str, what: impl Fn(&Observation) -> Option<T>) -> Vec<T> {
        let observed = self.observed.lock().unwrap();
        observed.iter().filter(|(of, _)| *of == id(name)).filter_map(|(_, seen)| what(seen)).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.registry.stop(soon());
    }
}

/// The record of a simulated device.
fn recorded(number: usize, device: &DeviceHandle, comm_key: CommKey) -> Device {
    let address = device.address();
    Device {
        id: id(&number.to_string()),
        name: format!("device {number}"),
        ip_address: address.ip().to_string(),
        port: i64::from(address.port()),
        endpoint: Ok(Endpoint { address, comm_key, transport: TransportChoice::Auto }),
        mode: SessionMode::Persistent,
        timezone: None,
        enabled: true,
        facts: Facts::default(),
        status: Status::Unknown,
        last_seen: None,
        created_at: None,
        updated_at: None,
    }
}
