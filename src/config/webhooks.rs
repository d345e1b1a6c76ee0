//! Webhooks: where they may go, and how long is waited for whom.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;

/// Section `[webhooks]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhooks {
    /// Whether receivers may be at private, loopback and other addresses that are not of the public internet.
    pub allow_private_addresses: bool,
    /// Authorities besides the system's that vouch for receivers: PEM.
    pub ca_file: Option<PathBuf>,
    /// For one attempt, from the look-up of the name to the end of the answer.
    pub timeout: Duration,
    /// The longest wait after a first failure; doubled with each further one, full jitter.
    pub back_off_first: Duration,
    /// The longest wait of all, also where a receiver asks for a longer one.
    pub back_off_cap: Duration,
}

impl Webhooks {
    pub(super) fn read(from: &mut Reader) -> Self {
        let (ms, s, h) = (Duration::from_millis, Duration::from_secs, |h: u64| Duration::from_secs(h * 3600));
        let webhooks = Self {
            allow_private_addresses: from.switch("webhooks.allow_private_addresses", false),
            ca_file: from.path("webhooks.ca_file", None).map(|found| found.value),
            timeout: from.duration("webhooks.timeout", s(10), ms(100)..=s(60)),
            back_off_first: from.duration("webhooks.back_off_first", s(1), ms(10)..=s(60)),
            back_off_cap: from.duration("webhooks.back_off_cap", s(300), ms(100)..=h(1)),
        };
        let grows = webhooks.back_off_first <= webhooks.back_off_cap;
        from.rule(&["webhooks.back_off_first", "webhooks.back_off_cap"], grows, || {
            "must not be longer than webhooks.back_off_cap".into()
        });
        webhooks
    }
}
