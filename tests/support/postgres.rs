//! A private PostgreSQL for tests: its own data directory, its own Unix socket, no network port, gone when the
//! test process is, however that ends. A machine without PostgreSQL fails these tests and says what to install.

#![allow(dead_code, unreachable_pub)]

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};

/// A running server.
pub struct Cluster {
    dir: PathBuf,
    settings: &'static [&'static str],
    server: Mutex<Option<Child>>,
    databases: AtomicU32,
    /// Its standard input closes when this process ends, and then it clears away what is left.
    janitor: Child,
}

/// Every process of the server stands still for as long as this is held.
pub struct Frozen(Vec<Pid>);

/// The one server that the tests of this binary share; none of them stops it.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

impl Cluster {
    /// Makes and starts a server that would rather be quick than outlive a power cut.
    pub fn start() -> Self {
        Self::start_with(&["fsync=off", "shared_buffers=16MB", "autovacuum=off", "max_connections=60"])
    }

    /// Makes and starts a server with these settings.
    pub fn start_with(settings: &'static [&'static str]) -> Self {
        // initdb takes seconds, a copy of what it made does not.
        static TEMPLATE: OnceLock<(PathBuf, Child)> = OnceLock::new();
        let (template, _) = TEMPLATE.get_or_init(|| {
            let (dir, janitor) = directory();
            let made = command("initdb", &dir)
                .args([
                    "--no-sync",
                    "--auth=trust",
                    "--username=zkgate",
                    "--encoding=UTF8",
                    "--locale=C",
                    "-D",
                ])
                .arg(dir.join("data"))
                .output()
                .unwrap();
            assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
            (dir, janitor)
        });
        let (dir, janitor) = directory();
        let copied = Command::new("cp").arg("-a").arg(template.join("data")).arg(&dir).status().unwrap();
        assert!(copied.success());
        let cluster = Self { dir, settings, server: Mutex::new(None), databases: AtomicU32::new(0), janitor };
        cluster.resume();
        cluster
    }

    /// Starts the server, after [`Cluster::stop`].
    pub fn resume(&self) {
        let log = File::options().create(true).append(true).open(self.dir.join("log")).unwrap();
        let child = command("postgres", &self.dir)
            .arg("-D")
            .arg(self.dir.join("data"))
            .arg("-k")
            .arg(&self.dir)
            .args(["-c", "listen_addresses="])
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.server() = Some(child);
        let give_up = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.try_connect("postgres") {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < give_up, "PostgreSQL does not start: {error}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it at once, as a crash would.
    pub fn stop(&self) {
        if let Some(mut child) = self.server().take() {
            kill_process(Pid::from_child(&child), Signal::QUIT).unwrap();
            child.wait().unwrap();
        }
    }

    /// Freezes the server and every process of it.
    pub fn freeze(&self) -> Frozen {
        let server = self.server();
        let parent = Pid::from_child(server.as_ref().unwrap());
        // The parent first: then there can be no new children.
        kill_process(parent, Signal::STOP).unwrap();
        let mut processes = vec![parent];
        for child in children(parent) {
            if kill_process(child, Signal::STOP).is_ok() {
                processes.push(child);
            }
        }
        Frozen(processes)
    }

    /// Makes an empty database and tells its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.try_connect("postgres").unwrap().batch_execute(&format!("create database {name}")).unwrap();
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("host={} user=zkgate password=pw-not-to-be-seen dbname={database}", self.dir.display())
    }

    fn try_connect(&self, database: &str) -> Result<Client, postgres::Error> {
        Client::connect(&self.url(database), NoTls)
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        drop(self.janitor.stdin.take());
        drop(self.janitor.wait());
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for process in self.0.iter().rev() {
            let _ = kill_process(*process, Signal::CONT);
        }
    }
}

/// The same database as `postgres://…`, with the Unix socket's directory where a host would stand.
pub fn as_url(parameters: &str) -> String {
    let of = |name: &str| {
        let mut pairs = parameters.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.replace('/', "%2F")).unwrap()
    };
    format!("postgres://{}:{}@{}/{}", of("user"), of("password"), of("host"), of("dbname"))
}

/// A client of one database, for what the tests do behind the store's back.
pub fn client(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

/// Waits until something is so; fails, saying what, when it takes absurdly long.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < give_up, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const JANITOR: &str = r#"
cat >/dev/null
if read -r pid <"$1/data/postmaster.pid"; then kill -CONT "$pid"; kill -QUIT "$pid"; fi
while kill -0 "$pid"; do sleep 0.1; done
rm -rf "$1"
"#;

/// A directory for a server, and the janitor who clears it away.
fn directory() -> (PathBuf, Child) {
    let dir = tempfile::Builder::new().prefix("zkgate-pg-").tempdir().unwrap().keep();
    let janitor = Command::new("sh")
        .args(["-c", JANITOR, "janitor"])
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if let Some((uid, gid)) = server_user() {
        chown(&dir, Some(uid), Some(gid)).unwrap();
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    (dir, janitor)
}

/// The server refuses to run as root; whom to run it as then.
fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let user = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(user("postgres").or_else(|| user("nobody")).expect("a user postgres or nobody"))
}

fn command(program: &str, dir: &Path) -> Command {
    let program = installed(program);
    let mut command = match server_user() {
        Some((uid, gid)) => {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
            command.arg(program);
            command
        }
        None => Command::new(program),
    };
    command.current_dir(dir);
    command
}

/// Whether there is a PostgreSQL on this machine.
pub fn is_installed() -> bool {
    find("postgres").is_some()
}

fn installed(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| {
        panic!("{program} is not installed: these tests need PostgreSQL (Debian: apt-get install postgresql)")
    })
}

fn find(program: &str) -> Option<PathBuf> {
    let mut homes: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    homes.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    homes.extend(std::env::split_paths(&path));
    homes.into_iter().map(|home| home.join(program)).find(|candidate| candidate.is_file())
}

fn children(parent: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything; the state and the parent follow its end.
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        if after.split(' ').nth(1) == Some(parent.as_raw_nonzero().to_string().as_str()) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}
