//! How deliveries are made.

use std::path::PathBuf;
use std::time::Duration;

/// The settings that hold for all subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Whether receivers may be at private, loopback and other addresses that are not of the public internet.
    pub allow_private_addresses: bool,
    /// Authorities besides the system's that vouch for receivers: PEM.
    pub ca_file: Option<PathBuf>,
    /// For one attempt, from the look-up of the name to the end of the answer.
    pub timeout: Duration,
    /// The longest wait after a first failure; doubled with each further one, full jitter.
    pub back_off_first: Duration,
    /// The longest wait of all.
    pub back_off_cap: Duration,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            allow_private_addresses: false,
            ca_file: None,
            timeout: Duration::from_secs(10),
            back_off_first: Duration::from_secs(1),
            back_off_cap: Duration::from_secs(300),
        }
    }
}
