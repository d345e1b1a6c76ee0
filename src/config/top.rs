//! The settings as a whole, and the rules that hold between them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use postgres::config::SslMode;

use super::attach::Attach;
use super::error::ConfigError;
use super::explain::Explained;
use super::http::Http;
use super::journal::Journal;
use super::layers::{Layers, read_secret};
use super::paths;
use super::reader::{Found, Reader};
use super::sessions::Sessions;
use super::sources::{Origin, Sources};
use super::webhooks::Webhooks;
use crate::base::secret::Secret;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where HTTP clients find the service.
    pub listen: SocketAddr,
    /// For what must outlive the process: the database, the token, the last known devices.
    pub state_dir: PathBuf,
    /// For sockets; short enough that a socket's path fits below it.
    pub runtime_dir: PathBuf,
    /// What a client must show.
    pub token: Token,
    /// The file with the key that seals backups; made when it is needed first.
    pub backup_key_file: PathBuf,
    /// PostgreSQL, or `None` for the embedded store.
    pub database_url: Option<Secret<String>>,
    /// Which log lines are written, in `env_logger`'s words.
    pub log: String,
    /// Section `[http]`.
    pub http: Http,
    /// Section `[sessions]`.
    pub sessions: Sessions,
    /// Section `[webhooks]`.
    pub webhooks: Webhooks,
    /// Section `[journal]`.
    pub journal: Journal,
    /// Section `[attach]`: somebody else's table instead of our own. Only with PostgreSQL.
    pub attach: Option<Attach>,
}

/// What a client must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Nothing: whoever reaches the loopback address may do everything.
    NotRequired,
    /// The token in this file, which is made at first start.
    File(PathBuf),
    /// This token, which systemd passed as a credential.
    Given(Secret<String>),
}

impl Settings {
    /// Reads all sources.
    ///
    /// # Errors
    /// Everything that is wrong in any of them, at once.
    pub fn load(sources: &Sources) -> Result<(Self, Explained), ConfigError> {
        let (layers, problems) = Layers::gather(sources);
        let mut from = Reader::new(layers, problems);
        let listen = from.address("listen", DEFAULT_LISTEN);
        let state_dir = read_state_dir(&mut from);
        let runtime_dir = read_runtime_dir(&mut from, &state_dir);
        let token = read_token(&mut from, listen, &state_dir);
        let key = Found { value: state_dir.join("backup.key"), origin: Origin::Default };
        let backup_key_file = from.path("backup_key_file", Some(key.clone())).unwrap_or(key).value;
        let database_url = read_database_url(&mut from);
        let log =
            from.text("log", Some("info"), "a log filter, such as info,zkgate::registry=debug", |_| Ok(()));
        let http = Http::read(&mut from);
        let sessions = Sessions::read(&mut from);
        let attach = Attach::read(&mut from);
        let webhooks = Webhooks::read(&mut from);
        let journal = Journal::read(&mut from, database_url.is_some(), attach.is_some());
        if attach.is_some() && database_url.is_none() {
            let setting = "database_url";
            from.rule(&[setting], false, || "is missing: [attach] works on a PostgreSQL table".into());
        }
        let settings = Self {
            listen,
            state_dir,
            runtime_dir,
            token,
            backup_key_file,
            database_url,
            log: log.map(|found| found.value).unwrap_or_default(),
            http,
            sessions,
            webhooks,
            journal,
            attach,
        };
        from.finish(Some(settings))
    }
}

fn read_state_dir(from: &mut Reader) -> PathBuf {
    let default = paths::state_dir(&from.layers.environment);
    match from.path("state_dir", default) {
        Some(found) => found.value,
        None => {
            from.rule(&["state_dir"], false, || "is not set, and there is no HOME to derive it from".into());
            PathBuf::new()
        }
    }
}

fn read_runtime_dir(from: &mut Reader, state_dir: &Path) -> PathBuf {
    let default = paths::runtime_dir(&from.layers.environment, state_dir);
    let directory = from.path("runtime_dir", Some(default.clone())).unwrap_or(default).value;
    let length = directory.as_os_str().len();
    from.rule(&["runtime_dir", "state_dir"], length <= RUNTIME_DIR_CEILING, || {
        format!(
            "is {length} bytes long; a socket's path fits only below one of at most {RUNTIME_DIR_CEILING}"
        )
    });
    directory
}

fn read_token(from: &mut Reader, listen: SocketAddr, state_dir: &Path) -> Token {
    let required = from.switch("require_token", true);
    let default = Found { value: state_dir.join("token"), origin: Origin::Default };
    let file = from.path("token_file", Some(default.clone())).unwrap_or(default);
    let loopback = listen.ip().to_canonical().is_loopback();
    from.rule(&["require_token", "listen"], required || loopback, || {
        format!("may be false only when listen is a loopback address; it is {listen}")
    });
    if !required {
        from.warn("require_token is false: every program on this machine may do everything");
        return Token::NotRequired;
    }
    match from.layers.credential("token") {
        Some(Ok(token)) if file.origin.rank() < Origin::Credential("token").rank() => {
            from.explain("token_file", "***", Origin::Credential("token"));
            if token.len() < TOKEN_FLOOR {
                from.complain(
                    "token_file",
                    format!("holds fewer than {TOKEN_FLOOR} bytes, which can be guessed"),
                );
            }
            Token::Given(Secret::new(token))
        }
        Some(Err(complaint)) => {
            from.complain("token_file", complaint);
            Token::File(file.value)
        }
        _ => Token::File(file.value),
    }
}

fn read_database_url(from: &mut Reader) -> Option<Secret<String>> {
    let url = from.secret("database_url", "postgres://user:password@host/database");
    let file = from.path("database_url_file", None);
    let credential = from.layers.credential("database_url");
    let rank = |origin: Option<&Origin>| origin.map_or(0, Origin::rank);
    let (of_url, of_file) = (rank(url.as_ref().map(|f| &f.origin)), rank(file.as_ref().map(|f| &f.origin)));
    if of_url > 0 && of_url == of_file {
        from.complain("database_url_file", "and database_url exclude each other: keep one");
        return None;
    }
    let credential_counts = of_url.max(of_file) < Origin::Credential("database_url").rank();
    let (text, setting) = match (credential, url, file) {
        (Some(Ok(text)), _, _) if credential_counts => {
            from.explain("database_url", "***", Origin::Credential("database_url"));
            (text, "database_url")
        }
        (Some(Err(complaint)), _, _) if credential_counts => {
            from.complain("database_url", complaint);
            return None;
        }
        (_, Some(url), _) if of_url > of_file => (url.value.expose().clone(), "database_url"),
        (_, _, Some(file)) => match read_secret(&file.value) {
            Ok(text) => (text, "database_url_file"),
            Err(error) => {
                from.complain(
                    "database_url_file",
                    format!("{} cannot be read: {error}", file.value.display()),
                );
                return None;
            }
        },
        _ => return None,
    };
    if let Err(complaint) = postgres_url(&text) {
        from.complain(setting, complaint);
        return None;
    }
    Some(Secret::new(text))
}

// The parser's own error may quote the text, and the text holds a password: it is not passed on.
fn postgres_url(text: &str) -> Result<(), &'static str> {
    let scheme = text.starts_with("postgres://") || text.starts_with("postgresql://");
    match text.parse::<postgres::Config>() {
        Ok(config) if scheme && config.get_ssl_mode() == SslMode::Require => {
            Err("asks for sslmode=require, but this build speaks to PostgreSQL without TLS: \
                 use a Unix socket, the loopback address or a tunnel")
        }
        Ok(_) if scheme => Ok(()),
        _ => Err("is no URL such as postgres://user:password@host/database"),
    }
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8437);
/// A Unix socket's path has at most 107 bytes; this leaves 27 for the file's name.
const RUNTIME_DIR_CEILING: usize = 80;
/// The shortest token that is taken from outside, in bytes.
const TOKEN_FLOOR: usize = 16;
