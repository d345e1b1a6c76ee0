//! The way to the database: a small pool whose check has a deadline and whose dead connections are buried by
//! another thread, because closing one waits for a server that may be frozen.
//!
//! Nothing here shows the database's URL or password; [`Link::place`] is what may be shown.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use r2d2::{CustomizeConnection, HandleError, ManageConnection, Pool, PooledConnection};
use r2d2_postgres::PostgresConnectionManager;

use crate::base::lock::lock;
use crate::base::secret::Secret;
use crate::base::threads;
use crate::store::error::StoreError;

/// A connection borrowed from the pool.
pub(in crate::store) type Borrowed = PooledConnection<Manager>;

/// The way to one database; clones share it.
#[derive(Clone)]
pub(in crate::store) struct Link {
    config: Config,
    place: String,
    pool: Pool<Manager>,
    trouble: Arc<Mutex<Trouble>>,
}

/// Why there is no connection, as far as it is known.
#[derive(Debug, Default)]
struct Trouble {
    cause: Option<String>,
    /// How often there was no connection since; an old cause is not a cause.
    failures: u32,
}

/// The most connections, besides the listener's.
const CONNECTIONS: u32 = 2;
/// How long to wait for a connection while all is well.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait for one while the database is known to be in trouble.
const LITTLE_PATIENCE: Duration = Duration::from_millis(600);
/// How long a server may take to answer nothing.
const CHECK: Duration = Duration::from_millis(400);
/// How many closed connections may wait to be buried.
const GRAVES: usize = 32;
/// What every connection is told. The server's own limits: useless when it is frozen, good when it is slow.
const MANNERS: &str = "set statement_timeout = '5s'; set lock_timeout = '3s'; \
     set idle_in_transaction_session_timeout = '10s'";

impl Link {
    /// Reads the URL; connects to nothing.
    ///
    /// # Errors
    /// [`StoreError::Settings`] when the URL cannot work here.
    pub(in crate::store) fn new(url: &Secret<String>) -> Result<Self, StoreError> {
        let mut config = parse(url)?;
        if config.get_application_name().is_none() {
            config.application_name("zkgate");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(3));
        }
        config
            .tcp_user_timeout(Duration::from_secs(10))
            .keepalives_idle(Duration::from_secs(20))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .notice_callback(|notice| log::debug!("PostgreSQL: {}", notice.message()));
        let place = describe(&config)?;
        let trouble = Arc::new(Mutex::new(Trouble::default()));
        let (bury, dead) = bounded(GRAVES);
        threads::spawn("store-burial", threads::SMALL_STACK, move || bury_all(&dead))
            .map_err(|error| StoreError::Unusable { cause: format!("thread store-burial: {error}") })?;
        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(Some(0))
            // Half of it is also the longest pause between two attempts to connect.
            .connection_timeout(PATIENCE)
            .error_handler(Box::new(Remember(Arc::clone(&trouble))))
            .connection_customizer(Box::new(Burial(bury)))
            .build_unchecked(Manager(PostgresConnectionManager::new(config.clone(), NoTls)));
        Ok(Self { config, place, pool, trouble })
    }

    /// Host and database, for people.
    pub(in crate::store) fn place(&self) -> &str {
        &self.place
    }

    /// A connection that answered a moment ago.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] after at most `limit`, and soon when there was none last time either.
    pub(in crate::store) fn borrow(&self, limit: Duration) -> Result<Borrowed, StoreError> {
        let patience = if lock(&self.trouble).failures > 0 { LITTLE_PATIENCE } else { PATIENCE };
        match self.pool.get_timeout(patience.min(limit)) {
            Ok(client) => {
                *lock(&self.trouble) = Trouble::default();
                Ok(client)
            }
            Err(_) => {
                let mut trouble = lock(&self.trouble);
                trouble.failures = trouble.failures.saturating_add(1);
                if trouble.failures > 5 {
                    trouble.cause = None;
                    trouble.failures = 1;
                }
                let cause = trouble.cause.clone();
                let cause = cause.unwrap_or_else(|| "the server does not answer".to_owned());
                Err(StoreError::Unavailable { cause, outcome_unknown: false })
            }
        }
    }

    /// A connection outside the pool. Waits as long as the server likes.
    pub(super) fn connect(&self) -> Result<Client, postgres::Error> {
        self.config.connect(NoTls)
    }
}

/// r2d2_postgres's manager, with a check that ends.
pub(in crate::store) struct Manager(PostgresConnectionManager<NoTls>);

impl ManageConnection for Manager {
    type Connection = Client;
    type Error = postgres::Error;

    fn connect(&self) -> Result<Client, postgres::Error> {
        let mut client = self.0.connect()?;
        client.batch_execute(MANNERS)?;
        Ok(client)
    }

    fn is_valid(&self, client: &mut Client) -> Result<(), postgres::Error> {
        client.is_valid(CHECK)
    }

    fn has_broken(&self, client: &mut Client) -> bool {
        self.0.has_broken(client)
    }
}

/// Keeps the latest cause; the store says it once when it matters.
#[derive(Debug)]
struct Remember(Arc<Mutex<Trouble>>);

impl HandleError<postgres::Error> for Remember {
    fn handle_error(&self, error: postgres::Error) {
        let cause = explain(&error);
        log::debug!("PostgreSQL: {cause}");
        let mut trouble = lock(&self.0);
        trouble.cause = Some(cause);
        trouble.failures = trouble.failures.max(1);
    }
}

/// Hands dead connections to the thread that closes them.
#[derive(Debug)]
struct Burial(Sender<Client>);

impl CustomizeConnection<Client, postgres::Error> for Burial {
    fn on_release(&self, client: Client) {
        if let Err(TrySendError::Full(client) | TrySendError::Disconnected(client)) = self.0.try_send(client)
        {
            log::error!("PostgreSQL: too many connections that do not close; one is left open");
            std::mem::forget(client);
        }
    }
}

fn bury_all(dead: &Receiver<Client>) {
    for client in dead {
        threads::contained("store-burial", move || drop(client));
    }
}

fn parse(url: &Secret<String>) -> Result<Config, StoreError> {
    let unreadable = || {
        settings(
            "the database URL cannot be read; it looks like postgres://user:password@host:5432/database, \
             with special characters in the password written as %40 and so on",
        )
    };
    // A second @ is one in the password, whose rest would be taken for a host and shown.
    if url.expose().contains("://") && url.expose().matches('@').count() > 1 {
        return Err(unreadable());
    }
    // The parser's own words could quote a piece of the password.
    let config = Config::from_str(url.expose()).map_err(|_| unreadable())?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(settings(
            "sslmode=require needs TLS, which this program does not speak to PostgreSQL; use a Unix socket, \
             loopback or a tunnel",
        ));
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(settings("the database URL names no host"));
    }
    Ok(config)
}

fn describe(config: &Config) -> Result<String, StoreError> {
    let mut place = String::from("postgres ");
    let ports = config.get_ports();
    for (index, host) in config.get_hosts().iter().enumerate() {
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        let comma = if index > 0 { "," } else { "" };
        let written = match host {
            Host::Tcp(name) => {
                // A password with an unescaped @ or / would end up here.
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:%".contains(&b);
                if !name.bytes().all(plain) {
                    return Err(settings(
                        "the database URL's host is no host name; special characters in the password are written \
                         as %40 and so on",
                    ));
                }
                write!(place, "{comma}{name}:{port}")
            }
            Host::Unix(path) => write!(place, "{comma}{}:{port}", path.display()),
        };
        debug_assert!(written.is_ok(), "text grows");
    }
    if config.get_hosts().is_empty() {
        let addresses: Vec<_> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
        place.push_str(&addresses.join(","));
    }
    let database = config.get_dbname().or(config.get_user()).unwrap_or("?");
    place.push('/');
    place.push_str(database);
    Ok(place)
}

/// What PostgreSQL or the way to it says, without anything that could be a value from a row.
pub(super) fn explain(error: &postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        let code = db.code().code();
        // Class 22, "data exception": the message quotes the datum.
        return if code.starts_with("22") {
            format!("a value has the wrong form (SQLSTATE {code}; the server's log has it)")
        } else {
            format!("{} (SQLSTATE {code})", db.message())
        };
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The store's word for PostgreSQL's error.
pub(in crate::store) fn failed(error: postgres::Error) -> StoreError {
    let cause = explain(&error);
    let Some(code) = error.code() else {
        return StoreError::Unavailable { cause, outcome_unknown: false };
    };
    let class = code.code().get(..2).unwrap_or_default();
    if *code == SqlState::DISK_FULL || *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        StoreError::NotWritable { cause }
    } else if matches!(class, "08" | "28" | "40" | "53" | "55" | "57" | "58" | "3D") {
        StoreError::Unavailable { cause, outcome_unknown: false }
    } else {
        StoreError::Unusable { cause }
    }
}

fn settings(reason: &str) -> StoreError {
    StoreError::Settings { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Result<String, StoreError> {
        parse(&Secret::new(url.to_owned())).and_then(|config| describe(&config))
    }

    #[test]
    fn a_database_is_named_without_its_password() {
        for (url, expected) in [
            ("postgres://ann:pw7@db.site:6432/gate", "postgres db.site:6432/gate"),
            ("postgres://ann:pw7@/gate?host=/run/postgresql", "postgres /run/postgresql:5432/gate"),
            ("host=127.0.0.1 user=ann password=pw7 dbname=gate", "postgres 127.0.0.1:5432/gate"),
        ] {
            assert_eq!(place(url).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn urls_that_cannot_work_are_settings_errors_and_give_no_secret_away() {
        for url in [
            "mysql://ann:pw7@host/gate",
            "postgres://ann:pw7@host/gate?sslmode=require",
            "postgres://ann:pw7@host/gate?sslmode=verify-full",
            "postgres://ann:a@pw7/b@host/gate",
            "postgres://ann:pw7@host/gate?pw7=1",
            "postgres://ann:pw7@host:pw7/gate",
            "dbname=gate password=pw7",
            "",
        ] {
            let error = place(url).unwrap_err();
            assert!(matches!(error, StoreError::Settings { .. }), "{url}");
            assert!(!format!("{error} {error:?}").contains("pw7"), "{url}: {error}");
        }
    }
}
