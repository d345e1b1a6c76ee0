//! From a receiver's name to the addresses that may be connected to, at every attempt anew. The connection goes to
//! exactly the addresses that were checked here, so a name that changes its mind in between gains nothing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::address::is_public;
use super::target::bare;
use crate::base::lock::{lock, wait_for};
use crate::base::threads::{SMALL_STACK, spawn};

/// Why there is no address to connect to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nowhere {
    /// None of the addresses is allowed.
    #[error(
        "the receiver's address {0} is not one of the public internet, which webhooks.allow_private_addresses would permit"
    )]
    NotPublic(IpAddr),
    /// The name means nothing.
    #[error("the receiver's name cannot be looked up: {0}")]
    Name(String),
    /// Nobody says what the name means.
    #[error("looking the receiver's name up took too long")]
    Late,
}

/// Looks names up. A look-up has no deadline of its own, so it has a thread; at most one for a name.
#[derive(Debug)]
pub(super) struct Lookup {
    allow_private: bool,
    /// guards: the look-ups under way, by `name:port`
    running: Arc<Mutex<HashMap<String, Arc<Pending>>>>,
}

#[derive(Debug, Default)]
struct Pending {
    /// guards: the result, once it is there
    found: Mutex<Option<Found>>,
    over: Condvar,
}

type Found = Result<Vec<SocketAddr>, String>;

/// The longest that anybody waits when the caller sets no limit.
const LIMIT: Duration = Duration::from_secs(60);
/// The most addresses of a name that are tried.
const ADDRESSES: usize = 8;

impl Lookup {
    pub(super) fn new(allow_private: bool) -> Self {
        Self { allow_private, running: Arc::default() }
    }

    fn addresses(&self, uri: &Uri, limit: Duration) -> Result<Vec<SocketAddr>, Nowhere> {
        let host = bare(uri.host().unwrap_or_default());
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.named(host, port, limit)?,
        };
        self.allowed(&found)
    }

    /// Those of the addresses that may be connected to.
    fn allowed(&self, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Nowhere> {
        let fits = |address: &&SocketAddr| self.allow_private || is_public(address.ip());
        let allowed: Vec<_> = found.iter().filter(fits).take(ADDRESSES).copied().collect();
        match (allowed.is_empty(), found.first()) {
            (false, _) => Ok(allowed),
            (true, Some(address)) => Err(Nowhere::NotPublic(address.ip())),
            (true, None) => Err(Nowhere::Name("it has no address".into())),
        }
    }

    fn named(&self, host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, Nowhere> {
        let pending = self.pending(host, port).map_err(|error| Nowhere::Name(error.to_string()))?;
        let until = Instant::now() + limit.min(LIMIT);
        let mut found = lock(&pending.found);
        loop {
            if let Some(found) = &*found {
                return found.clone().map_err(Nowhere::Name);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Nowhere::Late);
            }
            found = wait_for(&pending.over, found, left);
        }
    }

    /// The look-up of this name that is under way, or a new one.
    fn pending(&self, host: &str, port: u16) -> std::io::Result<Arc<Pending>> {
        let key = format!("{host}:{port}");
        let mut running = lock(&self.running);
        if let Some(pending) = running.get(&key) {
            return Ok(Arc::clone(pending));
        }
        let pending = Arc::new(Pending::default());
        running.insert(key.clone(), Arc::clone(&pending));
        drop(running);
        let (table, told, name) = (Arc::clone(&self.running), Arc::clone(&pending), key.clone());
        let started = spawn("webhook-name", SMALL_STACK, move || {
            let found = name.to_socket_addrs().map(Iterator::collect).map_err(|error| error.to_string());
            lock(&table).remove(&name);
            *lock(&told.found) = Some(found);
            told.over.notify_all();
        });
        if let Err(error) = started {
            lock(&self.running).remove(&key);
            *lock(&pending.found) = Some(Err(error.to_string()));
            pending.over.notify_all();
        }
        Ok(pending)
    }
}

impl Resolver for Lookup {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses =
            self.addresses(uri, *timeout.after).map_err(|nowhere| ureq::Error::Other(Box::new(nowhere)))?;
        let mut resolved = self.empty();
        for address in addresses {
            resolved.push(address);
        }
        Ok(resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_up(allow_private: bool, url: &str) -> Result<Vec<SocketAddr>, Nowhere> {
        Lookup::new(allow_private).addresses(&url.parse().unwrap(), Duration::from_secs(20))
    }

    #[test]
    fn an_address_in_a_url_is_checked_in_whatever_form_it_is_written() {
        for (url, address) in [
            ("http://127.0.0.1/", "127.0.0.1"),
            ("http://[::1]:8080/", "::1"),
            ("http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1"),
            ("http://[::ffff:a9fe:a9fe]/", "::ffff:169.254.169.254"),
            ("http://0.0.0.0/", "0.0.0.0"),
            // What the system's look-up makes an address of.
            ("http://127.1/", "127.0.0.1"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://0x7f.0.0.1/", "127.0.0.1"),
        ] {
            assert_eq!(
                looked_up(false, url),
                Err(Nowhere::NotPublic(address.parse().unwrap())),
                "{url} is refused"
            );
            assert!(looked_up(true, url).is_ok(), "{url} is allowed where it is configured");
        }
        assert_eq!(looked_up(false, "https://1.1.1.1/"), Ok(vec!["1.1.1.1:443".parse().unwrap()]));
        assert_eq!(
            looked_up(false, "http://[2606:4700::1]/"),
            Ok(vec!["[2606:4700::1]:80".parse().unwrap()])
        );
    }

    #[test]
    fn a_name_that_means_this_machine_is_refused_and_one_that_means_nothing_too() {
        assert!(matches!(looked_up(false, "http://localhost:1/"), Err(Nowhere::NotPublic(_))));
        assert!(looked_up(true, "http://localhost:1/").unwrap().iter().all(|found| found.port() == 1));
        assert!(matches!(looked_up(true, "http://nobody.invalid/"), Err(Nowhere::Name(_))));
    }

    #[test]
    fn of_several_addresses_only_the_public_ones_are_connected_to() {
        let found: Vec<SocketAddr> =
            ["10.0.0.1:443", "1.1.1.1:443", "[::1]:443"].map(|text| text.parse().unwrap()).into();
        assert_eq!(Lookup::new(false).allowed(&found), Ok(vec!["1.1.1.1:443".parse().unwrap()]));
        assert_eq!(Lookup::new(true).allowed(&found).map(|found| found.len()), Ok(3));
    }
}
