//! One request to a receiver, over HTTP or TLS: signed, bounded in time and size, to checked addresses only. No
//! redirect is followed and no proxy is asked.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::RootCertStore;
use ureq::Agent;
use ureq::config::AutoHeaderValue;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::unversioned::transport::DefaultConnector;

use super::back_off::retry_after;
use super::lookup::{Lookup, Nowhere};
use super::settings::DeliverySettings;
use super::signature::sign;
use super::target::Target;
use crate::base::clock::{Clock, millis};
use crate::base::secret::Secret;
use crate::store::journal::delivery::Attempt;

/// Sends to all receivers; cheap to share.
pub struct Client {
    agent: Agent,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

/// What is sent.
pub(super) struct Parcel<'p> {
    pub(super) webhook: u64,
    /// The same for each attempt with the same body.
    pub(super) delivery: &'p str,
    pub(super) secret: &'p Secret<String>,
    pub(super) body: &'p [u8],
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// When it began, in milliseconds since 1970 (UTC).
    pub(super) at: i64,
    pub(super) took: Duration,
    /// The receiver's status code, if it answered.
    pub(super) status: Option<u16>,
    /// For how long the receiver wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What went wrong, in words that show no secret; `None` when it was taken.
    pub(super) error: Option<String>,
}

/// How much of an answer is read, in bytes; it is thrown away.
const ANSWER: u64 = 64 * 1024;
/// The longest head of an answer, in bytes.
const HEAD: usize = 16 * 1024;
/// The buffers of a connection, in bytes.
const BUFFER: usize = 16 * 1024;
/// The longest error that is kept, in characters.
const ERROR_CEILING: usize = 200;

impl Client {
    /// A client with the system's authorities and those of the settings.
    ///
    /// # Errors
    /// When the file of authorities cannot be read or holds none.
    pub fn new(settings: &DeliverySettings, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(authorities(settings)?)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Each delivery looks the name up and checks what it means, so no connection is kept.
            .max_idle_connections(0)
            .max_response_header_size(HEAD)
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .user_agent(concat!("zkgate/", env!("CARGO_PKG_VERSION")))
            .accept(AutoHeaderValue::None)
            .timeout_global(Some(settings.timeout))
            .build();
        let lookup = Lookup::new(settings.allow_private_addresses);
        let agent = Agent::with_parts(config, DefaultConnector::default(), lookup);
        Ok(Self { agent, clock, timeout: settings.timeout })
    }

    /// Sends a parcel and waits for the answer, at most the time of the settings.
    pub(super) fn send(&self, target: &Target, parcel: &Parcel<'_>) -> Sent {
        let (began, wall) = (self.clock.now(), self.clock.wall());
        let timestamp = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let answer = self
            .agent
            .post(target.uri())
            .header("Connection", "close")
            .header("Content-Type", "application/json")
            .header("X-Zkgate-Timestamp", timestamp.to_string())
            .header("X-Zkgate-Signature", sign(parcel.secret, timestamp, parcel.body))
            .header("X-Zkgate-Delivery", parcel.delivery)
            .header("X-Zkgate-Webhook", parcel.webhook.to_string())
            .send(parcel.body);
        let (status, asked, error) = match answer {
            Ok(mut answer) => {
                let status = answer.status().as_u16();
                let asked = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let asked = asked.and_then(|value| retry_after(value, wall));
                // The status is what counts; whoever is still talking may finish a short sentence.
                let _ = io::copy(&mut answer.body_mut().as_reader().take(ANSWER), &mut io::sink());
                (Some(status), asked, complaint(status))
            }
            Err(error) => (None, None, Some(self.words(&error))),
        };
        let took = self.clock.now().saturating_duration_since(began);
        Sent { at: millis(wall), took, status, retry_after: asked, error }
    }

    /// Breaks off what is under way; what is sent from now on fails.
    pub(super) fn shut_down(&self) {
        self.agent.clone().shutdown();
    }

    /// An error without what may hold a secret of the URL.
    fn words(&self, error: &ureq::Error) -> String {
        let limit = self.timeout.as_secs_f64();
        let text = match error {
            ureq::Error::Timeout(_) => format!("no answer within {limit} s"),
            ureq::Error::Io(error) => error.to_string(),
            ureq::Error::Rustls(error) => error.to_string(),
            ureq::Error::Tls(text) => (*text).to_owned(),
            ureq::Error::Protocol(_) => "what the receiver answers is not HTTP".to_owned(),
            ureq::Error::LargeResponseHeader(..) => format!("the answer's head has more than {HEAD} bytes"),
            ureq::Error::Other(other) => match other.downcast_ref::<Nowhere>() {
                Some(nowhere) => nowhere.to_string(),
                None => "the request failed".to_owned(),
            },
            _ => "the request failed".to_owned(),
        };
        text.chars().take(ERROR_CEILING).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Sent {
    /// The attempt as it is kept; `rows` are the first and the last one, `None` for a test.
    pub(super) fn attempt(&self, webhook: u64, rows: Option<(u64, u64)>, count: u32) -> Attempt {
        let took = u32::try_from(self.took.as_millis()).unwrap_or(u32::MAX);
        let (status, error) = (self.status, self.error.clone());
        Attempt { id: 0, webhook, at: self.at, took, rows, count, status, error }
    }
}

/// What is wrong with an answer of this status; `None` when nothing is.
fn complaint(status: u16) -> Option<String> {
    match status {
        200..300 => None,
        300..400 => Some(format!("the receiver answered {status}; redirects are not followed")),
        410 => Some("the receiver answered 410: it is gone".to_owned()),
        _ => Some(format!("the receiver answered {status}")),
    }
}

/// Whoever may vouch for a receiver.
fn authorities(settings: &DeliverySettings) -> io::Result<RootCerts> {
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        log::debug!("one of the system's certificate authorities cannot be read: {error}");
    }
    let mut all: Vec<Certificate<'static>> =
        system.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    if let Some(path) = &settings.ca_file {
        all.extend(certificates(&std::fs::read(path)?)?);
    }
    if all.is_empty() {
        log::warn!(
            "no certificate authorities were found: no https receiver can be verified without a ca_file"
        );
    }
    Ok(RootCerts::Specific(Arc::new(all)))
}

/// The certificates of a PEM file, each of which can be an authority.
fn certificates(pem: &[u8]) -> io::Result<Vec<Certificate<'static>>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| wrong("it is not PEM"))? {
            let usable = RootCertStore::empty().add(certificate.der().into());
            usable.map_err(|_| wrong("it holds a certificate that cannot be used"))?;
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(wrong("it holds no certificate")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_holds_at_least_one_and_nothing_broken() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a".into()]).unwrap().self_signed(&key).unwrap();
        let pem = certificate.pem();
        assert_eq!(certificates(pem.as_bytes()).unwrap().len(), 1);
        assert_eq!(
            certificates([pem.as_str(), &key.serialize_pem(), &pem].concat().as_bytes()).unwrap().len(),
            2
        );
        let broken = "-----BEGIN CERTIFICATE-----\nMTIzNA==\n-----END CERTIFICATE-----\n";
        for bad in ["", "hello", broken, &key.serialize_pem(), &[&pem, broken].concat()] {
            assert!(certificates(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_status_of_success_is_one() {
        for (status, taken) in
            [(200, true), (204, true), (299, true), (301, false), (404, false), (503, false)]
        {
            assert_eq!(complaint(status).is_none(), taken, "{status}");
        }
    }
}
