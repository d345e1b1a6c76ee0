//! Builds everything, starts the threads, stops them in order: the only room that knows all others.

mod health;
mod translate;

use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::alarm::Alarms;
use crate::base::clock::{Clock, SystemClock, millis};
use crate::base::confirmations::Confirmations;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::liveness::Liveness;
use crate::base::secret::Secret;
use crate::config::{Settings, Token};
use crate::delivery::Deliveries;
use crate::device::amends::Owed;
use crate::discovery::Discovery;
use crate::fleet::Fleet;
use crate::http::acceptor::{self, Acceptor};
use crate::http::device_settings::AllDeviceSettings;
use crate::http::engine::Engine;
use crate::http::gateway::Gateway;
use crate::http::openapi;
use crate::http::stream::Streams;
use crate::http::token::{self, TokenCheck};
use crate::http::tokens::Tokens;
use crate::http::workers;
use crate::journal::Collector;
use crate::operations::Operations;
use crate::ops::limits::{FixedNumbers, allow_open_files};
use crate::registry::recent::RecentEvents;
use crate::registry::trace::Tracer;
use crate::registry::{Listener, Registry};
use crate::store::backups::Backups;
use crate::store::device::{Facts, NewDevice, SessionMode, TransportChoice};
use crate::store::journal::Journal;
use crate::store::ledger::{Book, Ledger};
use crate::store::sealer::Sealer;
use crate::store::{Store, StoreError};
use crate::wire::comm_key::CommKey;

/// The service, running.
pub struct App {
    address: SocketAddr,
    token: Option<Secret<String>>,
    gateway: Arc<Gateway>,
    engine: Arc<Engine>,
    acceptor: Acceptor,
    http_workers: Vec<JoinHandle<()>>,
    liveness: Liveness,
    socket: PathBuf,
    stop_timeout: Duration,
    died: Receiver<()>,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address to listen on cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A directory or file of the service's own.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What it is for.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token that was given is none.
    #[error("the token: {0}")]
    Token(&'static str),
    /// The store.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The authorities that vouch for receivers of webhooks.
    #[error("webhooks.ca_file: {source}")]
    Webhooks {
        /// What is wrong with them.
        source: io::Error,
    },
    /// The operating system refuses a thread or a socket.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
}

/// What was under way longer ago has been mended by now, in milliseconds: a day.
const LEFT_LONG_AGO: i64 = 24 * 3600 * 1000;
/// For how long the ledger may take for its first question.
const OPENING: Duration = Duration::from_secs(30);
/// The API description: OpenAPI 3.1, or the reference page for people in Markdown.
#[must_use]
pub fn description(for_people: bool) -> String {
    if for_people { openapi::page() } else { openapi::text().to_owned() }
}

/// For how long the demonstration waits for its own store.
const REGISTERING: Duration = Duration::from_secs(10);

impl App {
    /// Starts the service. It answers requests when this returns.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: &Settings, numbers: &FixedNumbers) -> Result<Self, StartError> {
        let files = allow_open_files(numbers.needs().file_count())?;
        if !files.enough {
            log::warn!(
                "the limit on open files is lower than these settings can need; fewer clients are served"
            );
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let liveness = Liveness::new(clock.now());
        let listener = acceptor::listen(settings.listen)
            .map_err(|source| StartError::Listen { address: settings.listen, source })?;
        let address = listener.local_addr()?;
        private_directory("the state directory", &settings.state_dir)?;
        private_directory("the runtime directory", &settings.runtime_dir)?;
        let (token, check) = token_of(settings)?;

        let alarms = Alarms::start(&liveness)?;
        let streams = Streams::start(settings.http.streams)?;
        let store = Store::open(translate::store(settings), Arc::clone(&clock), &liveness)?;
        let ledger = Ledger::open(&settings.state_dir, Arc::clone(&clock), &liveness)?;
        let opening = Deadline::after(clock.now(), OPENING);
        let made = ledger.ask(opening, Book::tokens)?;
        let device_settings = ledger.ask(opening, Book::device_settings)?;
        let day_ago = millis(clock.wall()) - LEFT_LONG_AGO;
        let left = |kind: &'static str| ledger.ask(opening, move |book| book.interrupted(kind, day_ago));
        let (enrolling, disabled) = (left("enrol")?, left("clear")?);
        let sealer = Arc::new(Sealer::new(settings.backup_key_file.clone()));
        let operations = Operations::new(ledger, Arc::clone(&clock));
        let journal = Journal::open(&translate::journal(settings), Arc::clone(&clock), &liveness)?;
        let told = translate::deliveries(settings);
        let deliveries = Deliveries::start(Arc::clone(&journal), told, Arc::clone(&clock), &liveness)
            .map_err(|source| StartError::Webhooks { source })?;
        let recorded = Arc::clone(&store);
        let registry = Registry::start(
            translate::registry(settings),
            Arc::clone(&clock),
            Box::new(move |id, observation| recorded.record(id, observation)),
            &liveness,
        )?;
        for (devices, owed) in [(enrolling, Owed::EndOfEnrolment), (disabled, Owed::Enabling)] {
            for id in devices.iter().filter_map(|id| DeviceId::parse(id)) {
                registry.owe(&id, owed);
            }
        }
        registry.trace_with(Tracer::start(settings.state_dir.join("traces"), Arc::clone(&clock))?);
        let configured = Arc::clone(&registry);
        // Before there is a device that they could miss.
        let recent = RecentEvents::new(Arc::clone(&clock));
        registry.listen(Arc::clone(&recent) as Arc<dyn Listener>);
        let collector = Collector::start(
            Arc::clone(&registry),
            Arc::clone(&store),
            Arc::clone(&journal),
            Arc::clone(&clock),
            translate::collector(settings),
            &liveness,
        )?;
        store.subscribe(Box::new(move |devices| configured.configure(devices.iter())));

        let socket = engine_socket(&settings.runtime_dir)?;
        let engine = Arc::new(Engine::start(&socket)?);
        let (alive, ready) = health::views(&liveness, &store, &journal, operations.ledger(), &clock);
        let discovery = Discovery::new(Arc::clone(&registry));
        let ledger = Arc::clone(operations.ledger());
        let fleet = Fleet::new(Arc::clone(&registry), ledger, Arc::clone(&sealer), Arc::clone(&clock));
        let gateway = Arc::new(Gateway {
            registry,
            recent,
            store,
            journal,
            collector,
            deliveries,
            clock,
            alarms,
            followers: translate::followers(settings),
            streams,
            backups: Backups::new(&settings.state_dir, sealer),
            confirmations: Confirmations::default(),
            discovery,
            fleet: Arc::new(fleet),
            device_settings: AllDeviceSettings::new(device_settings),
            tokens: Tokens::new(check, made),
            operations,
            default_timeout: settings.http.default_timeout,
            max_timeout: settings.http.max_timeout,
            table_timeout: settings.sessions.transfer_timeout.min(settings.http.max_timeout),
            biotime: settings.http.biotime,
            alive,
            ready,
        });
        let (died, dead): (Sender<()>, Receiver<()>) = bounded(1);
        let http_workers = workers::start(settings.http.workers, &engine, &gateway, move || {
            // One word is enough, whoever says it first.
            let _ = died.try_send(());
        })?;
        let limits = translate::acceptor(settings, files.allowed);
        let acceptor = Acceptor::start(listener, socket.clone(), limits, &liveness)?;
        Ok(Self {
            address,
            token,
            gateway,
            engine,
            acceptor,
            http_workers,
            liveness,
            socket,
            stop_timeout: settings.sessions.stop_timeout,
            died: dead,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients must present, if anything.
    #[must_use]
    pub const fn token(&self) -> Option<&Secret<String>> {
        self.token.as_ref()
    }

    /// The rooms behind the API.
    #[must_use]
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Registers a device that anybody can see and change, as the demonstration needs it.
    ///
    /// # Errors
    /// Why the store does not take it.
    pub fn register(&self, name: String, address: SocketAddr) -> Result<(), StoreError> {
        let new = NewDevice {
            name: Some(name),
            ip_address: address.ip(),
            port: address.port(),
            comm_key: CommKey::default(),
            transport: TransportChoice::default(),
            mode: SessionMode::default(),
            timezone: None,
            enabled: true,
            facts: Facts::default(),
        };
        let deadline = Deadline::after(Instant::now(), REGISTERING);
        self.gateway.store.create_wait(new, deadline).map(drop)
    }

    /// One line that says how the service is: `12/14 devices up`.
    pub fn status(&self) -> impl Fn() -> String + Send + 'static {
        let registry = Arc::clone(&self.gateway.registry);
        move || {
            let (up, all) = registry.up();
            format!("{up}/{all} devices up")
        }
    }

    /// Whether every loop turns.
    #[must_use]
    pub const fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// Says when the service cannot go on.
    #[must_use]
    pub const fn died(&self) -> &Receiver<()> {
        &self.died
    }

    /// Takes no more requests, finishes those under way, says goodbye to every device and ends the threads, all
    /// within the stop time.
    pub fn stop(self) {
        let deadline = Deadline::after(Instant::now(), self.stop_timeout);
        self.acceptor.stop_accepting();
        self.gateway.collector.stop();
        self.gateway.operations.cancel_all();
        self.gateway.registry.stop(deadline);
        if let Some(tracer) = self.gateway.registry.tracer() {
            tracer.close(deadline);
        }
        // Nothing more will come; whoever follows or waits would keep the acceptor from ending.
        self.gateway.journal.feed().close();
        self.gateway.recent.close();
        self.gateway.deliveries.stop(deadline);
        self.acceptor.stop(deadline);
        self.engine.stop();
        for worker in self.http_workers {
            if worker.join().is_err() {
                log::error!("an HTTP worker had ended in a panic");
            }
        }
        // The last endings are noted before it closes.
        self.gateway.operations.ledger().close();
        if let Err(error) = self.gateway.store.close(deadline) {
            log::warn!("the store was not closed in order: {error}");
        }
        if let Err(error) = self.gateway.journal.close(deadline) {
            log::warn!("the journal was not closed in order: {error}");
        }
        // It was ours alone.
        let _ = fs::remove_file(&self.socket);
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({})", self.address)
    }
}

fn token_of(settings: &Settings) -> Result<(Option<Secret<String>>, TokenCheck), StartError> {
    let token = match &settings.token {
        Token::NotRequired => return Ok((None, TokenCheck::none())),
        Token::Given(token) => token::checked(token.expose().trim()).map_err(StartError::Token)?,
        Token::File(path) => token::read_or_create(path).map_err(|source| StartError::File {
            what: "the token file",
            path: path.clone(),
            source,
        })?,
    };
    let check = TokenCheck::new(token.expose());
    Ok((Some(token), check))
}

fn private_directory(what: &'static str, path: &Path) -> Result<(), StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::File { what, path: path.to_owned(), source })
}

/// Where the engine listens: a name of our own, after those of processes that have gone were cleared away.
fn engine_socket(directory: &Path) -> io::Result<PathBuf> {
    for entry in fs::read_dir(directory)?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let owner = name.strip_prefix("engine-").and_then(|rest| rest.strip_suffix(".sock"));
        let gone = |pid: &str| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists();
        if owner.is_some_and(gone) {
            // Somebody else may have cleared it away already.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(directory.join(format!("engine-{}.sock", std::process::id())))
}
