//! The settings, from outside: what overrides what, what is refused, and what a refusal says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use zkgate::config::{
    AttachSource, ConfigError, Environment, Explained, Flags, Origin, Settings, Sources, Token,
};

/// A world of its own for one test: a directory, a file, an environment and flags.
struct World {
    home: tempfile::TempDir,
    environment: Vec<(String, String)>,
    flags: Flags,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let environment = vec![("HOME".into(), home.path().to_str().unwrap().into())];
        Self { home, environment, flags: Flags::default() }
    }

    fn file(self, text: &str) -> Self {
        std::fs::write(self.path("zkgate.toml"), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn credential(self, name: &str, value: &str) -> Self {
        std::fs::create_dir_all(self.path("credentials")).unwrap();
        std::fs::write(self.path("credentials").join(name), value).unwrap();
        let directory = self.path("credentials");
        self.variable("CREDENTIALS_DIRECTORY", directory.to_str().unwrap())
    }

    fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn load(&self) -> Result<(Settings, Explained), ConfigError> {
        Settings::load(&Sources {
            flags: self.flags.clone(),
            environment: self.environment.iter().cloned().collect::<Environment>(),
            default_file: self.path("zkgate.toml"),
        })
    }

    fn refusal(&self) -> String {
        let text = self.load().unwrap_err().to_string();
        text.replace(self.home.path().to_str().unwrap(), "~")
    }
}

fn origin<'a>(explained: &'a Explained, name: &str) -> &'a Origin {
    &explained.settings.iter().find(|s| s.name == name).unwrap().origin
}

#[test]
fn without_any_word_from_anybody_the_defaults_hold() {
    let world = World::new();
    let (settings, explained) = world.load().unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8437");
    assert_eq!(settings.state_dir, world.path(".local/state/zkgate"));
    assert_eq!(settings.runtime_dir, world.path(".local/state/zkgate/run"));
    assert_eq!(settings.token, Token::File(world.path(".local/state/zkgate/token")));
    assert_eq!(settings.database_url, None);
    assert_eq!(settings.attach, None);
    assert_eq!(settings.log, "info");
    assert_eq!((settings.http.max_connections, settings.sessions.workers), (4096, 64));
    assert_eq!(settings.sessions.lifetime, Duration::from_secs(12 * 3600));
    assert_eq!(explained.warnings, [""; 0]);
    assert!(explained.settings.iter().all(|s| matches!(s.origin, Origin::Default | Origin::Implied("HOME"))));
}

#[test]
fn flags_override_the_environment_and_the_environment_the_file() {
    let world = World::new()
        .file("listen = '127.0.0.1:1'\nlog = 'error'\n[http]\nworkers = 2\nidle_timeout = '1m 30s'\n")
        .variable("ZKGATE_LISTEN", "127.0.0.1:2")
        .variable("RUST_LOG", "warn")
        .variable("ZKGATE_HTTP_WORKERS", "3")
        .flags(Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() });
    let (settings, explained) = world.load().unwrap();
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.log, "warn");
    assert_eq!(settings.http.workers, 3);
    assert_eq!(settings.http.idle_timeout, Duration::from_secs(90));
    assert_eq!(origin(&explained, "listen"), &Origin::Flag("--listen"));
    assert_eq!(origin(&explained, "http.workers"), &Origin::Variable("ZKGATE_HTTP_WORKERS".into()));
    let line = Origin::File { path: world.path("zkgate.toml"), line: 5 };
    assert_eq!(origin(&explained, "http.idle_timeout"), &line);
    assert_eq!(
        World::new().variable("ZKGATE_LOG", "debug").variable("RUST_LOG", "warn").load().unwrap().0.log,
        "debug"
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let world = World::new()
        .file("listen = '127.0.0.1:1'")
        .variable("ZKGATE_LISTEN", "")
        .variable("DATABASE_URL", "");
    let (settings, _) = world.load().unwrap();
    assert_eq!((settings.listen.port(), settings.database_url), (1, None));
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_range() {
    let world = World::new()
        .file(
            "listen = 'here'\nlisten_too = 1\n[http]\nmax_connections = 70000\nhead_timeout = 5\nworkers = '4'\n\
             [sessions]\nkeep_alive = '1ms'\nstrict_checksum = 'yes'\n[sesions]\n",
        )
        .variable("ZKGATE_SESSIONS_DIALS", "many")
        .flags(Flags { log: Some(String::new()), ..Flags::default() });
    assert_eq!(
        world.refusal().lines().collect::<Vec<_>>(),
        [
            "~/zkgate.toml:1: listen \"here\" is no IP address with a port, such as 127.0.0.1:8437",
            "flag --log: log must not be empty",
            "~/zkgate.toml:4: http.max_connections 70000 is outside 1 to 65536 connections",
            "~/zkgate.toml:6: http.workers must be a whole number, not text",
            "~/zkgate.toml:5: http.head_timeout 5 has no unit: write \"5s\" for seconds",
            "~/zkgate.toml:8: sessions.keep_alive 1ms is outside 1s to 1h",
            "variable ZKGATE_SESSIONS_DIALS: sessions.dials \"many\" is no whole number",
            "~/zkgate.toml:9: sessions.strict_checksum must be true or false, not text",
            "~/zkgate.toml:2: there is no setting \"listen_too\"",
            "~/zkgate.toml:10: there is no section \"sesions\"",
        ]
    );
}

#[test]
fn a_file_that_is_named_must_exist_and_be_toml() {
    let missing = Flags { config: Some("/nonexistent/zkgate.toml".into()), ..Flags::default() };
    let refusal = World::new().flags(missing).refusal();
    assert!(refusal.starts_with("flag --config: /nonexistent/zkgate.toml cannot be read: "), "{refusal}");
    let refusal = World::new().variable("ZKGATE_CONFIG", "/nonexistent").refusal();
    assert!(refusal.starts_with("variable ZKGATE_CONFIG: /nonexistent cannot be read: "), "{refusal}");
    let refusal = World::new().file("[http\n").variable("ZKGATE_HTTP_WORKERS", "0").refusal();
    assert!(refusal.starts_with("~/zkgate.toml:1: is not TOML: "), "{refusal}");
    assert!(refusal.contains("http.workers 0 is outside 1 to 64 threads"), "{refusal}");
}

#[test]
fn a_variable_that_sets_nothing_is_a_warning_without_its_value() {
    let (_, explained) = World::new().variable("ZKGATE_LISTNE", "127.0.0.1:1").load().unwrap();
    assert_eq!(explained.warnings, ["the variable \"ZKGATE_LISTNE\" sets nothing"]);
}

#[test]
fn rules_between_settings_name_both() {
    let table = [
        (
            "[sessions]\nworkers = 8",
            "sessions.suspect_workers 16 must be less than sessions.workers, which is 8",
        ),
        ("[http]\nmax_timeout = '5s'", "http.default_timeout must not be longer than http.max_timeout"),
        (
            "[sessions]\nback_off_first = '30s'\nback_off_cap = '10s'",
            "sessions.back_off_first must not be longer than sessions.back_off_cap",
        ),
        (
            "require_token = false\nlisten = '0.0.0.0:8437'",
            "require_token may be false only when listen is a loopback address; it is 0.0.0.0:8437",
        ),
    ];
    for (file, expected) in table {
        let refusal = World::new().file(file).refusal();
        assert!(refusal.ends_with(expected), "{refusal}");
    }
    let (settings, explained) =
        World::new().file("require_token = false\nlisten = '[::1]:1'").load().unwrap();
    assert_eq!(settings.token, Token::NotRequired);
    assert_eq!(explained.warnings.len(), 1);
}

#[test]
fn a_runtime_directory_in_which_no_socket_fits_is_refused() {
    let long = format!("/run/{}", "x".repeat(80));
    let refusal = World::new().variable("ZKGATE_RUNTIME_DIR", &long).refusal();
    assert!(refusal.contains("runtime_dir is 85 bytes long"), "{refusal}");
}

#[test]
fn under_systemd_its_directories_and_credentials_are_used() {
    let world = World::new()
        .variable("STATE_DIRECTORY", "/var/lib/zkgate")
        .variable("RUNTIME_DIRECTORY", "/run/zkgate")
        .credential("token", "0123456789abcdef0123456789abcdef\n")
        .credential("database_url", "postgres://u:hunter2@localhost/d\n");
    let (settings, explained) = world.load().unwrap();
    assert_eq!(settings.state_dir, Path::new("/var/lib/zkgate"));
    assert_eq!(settings.runtime_dir, Path::new("/run/zkgate"));
    let Token::Given(token) = &settings.token else { panic!("{:?}", settings.token) };
    assert_eq!(token.expose(), "0123456789abcdef0123456789abcdef");
    assert_eq!(settings.database_url.unwrap().expose(), "postgres://u:hunter2@localhost/d");
    assert_eq!(origin(&explained, "token_file"), &Origin::Credential("token"));
    assert_eq!(origin(&explained, "state_dir"), &Origin::Implied("STATE_DIRECTORY"));
    let table = explained.table();
    assert!(!table.contains("hunter2") && !table.contains("0123456789abcdef"), "{table}");
}

#[test]
fn an_empty_credential_counts_as_none_and_a_variable_overrides_one() {
    let world = World::new().credential("token", "").credential("database_url", "\n");
    let (settings, _) = world.load().unwrap();
    assert_eq!(settings.token, Token::File(world.path(".local/state/zkgate/token")));
    assert_eq!(settings.database_url, None);
    let world = World::new()
        .credential("token", "0123456789abcdef")
        .credential("database_url", "postgres:///one")
        .variable("ZKGATE_TOKEN_FILE", "/somewhere/token")
        .variable("DATABASE_URL", "postgres:///two");
    let (settings, _) = world.load().unwrap();
    assert_eq!(settings.token, Token::File("/somewhere/token".into()));
    assert_eq!(settings.database_url.unwrap().expose(), "postgres:///two");
}

#[test]
fn a_token_that_can_be_guessed_is_refused() {
    let refusal = World::new().credential("token", "admin").refusal();
    assert_eq!(refusal, "credential token: token_file holds fewer than 16 bytes, which can be guessed");
}

#[test]
fn the_database_url_comes_from_a_file_of_its_own_and_is_never_told() {
    let world = World::new();
    std::fs::write(world.path("url"), "postgresql://u:hunter2@h/d\n").unwrap();
    let path = world.path("url");
    let world = world.file(&format!("database_url_file = '{}'", path.display()));
    let (settings, explained) = world.load().unwrap();
    assert_eq!(settings.database_url.as_ref().unwrap().expose(), "postgresql://u:hunter2@h/d");
    assert!(!format!("{settings:?}{explained:?}").contains("hunter2"));

    for wrong in
        ["mysql://u:hunter2@h/d", "hunter2", "postgres://u:hunter2@h/d?hunter2=1", "host=h password=hunter2"]
    {
        let refusal = World::new().variable("DATABASE_URL", wrong).refusal();
        assert!(refusal.starts_with("variable DATABASE_URL: database_url is no URL"), "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
    let refusal = World::new().variable("DATABASE_URL", "postgres://h/d?sslmode=require").refusal();
    assert!(refusal.contains("without TLS"), "{refusal}");
    let both = format!("database_url = 'postgres://h/d'\ndatabase_url_file = '{}'", path.display());
    assert!(
        World::new().file(&both).refusal().contains("database_url_file and database_url exclude each other")
    );
}

#[test]
fn an_attached_table_is_described_by_its_columns() {
    let world = World::new().variable("DATABASE_URL", "postgres://h/d").file(
        "[attach]\ntable = 'hr.devices'\nnotify_channel = 'devices_changed'\npoll_interval = '5s'\n\
         [attach.columns]\nid = 'device_id'\nname = 'label'\ndeleted_at = 'deleted_at'\n\
         [attach.write_back]\nstatus = 'status'\nlast_seen = 'last_seen'\n",
    );
    let attach = world.load().unwrap().0.attach.unwrap();
    assert_eq!(attach.poll_interval, Duration::from_secs(5));
    assert_eq!(attach.notify_channel.as_deref(), Some("devices_changed"));
    assert_eq!(attach.write_back.last_seen.as_deref(), Some("last_seen"));
    assert_eq!(attach.write_back.max_users, None);
    let AttachSource::Table { table, columns } = attach.source else { panic!("{:?}", attach.source) };
    assert_eq!(table, "hr.devices");
    assert_eq!((columns.id.as_str(), columns.com_password.as_str()), ("device_id", "com_password"));
    assert_eq!((columns.name.as_deref(), columns.timezone), (Some("label"), None));
}

#[test]
fn an_attachment_that_cannot_work_is_refused() {
    let table = [
        ("[attach]\ntable = 'devices'", "database_url is missing: [attach] works on a PostgreSQL table"),
        ("[attach]\nnotify_channel = 'c'", "attach.table or attach.query is missing"),
        ("[attach]\ntable = 'a.b.c'", "attach.table \"a.b.c\" is neither table nor schema.table"),
        ("[attach]\ntable = 'a'\nquery = 'SELECT 1'", "attach.query and attach.table exclude each other"),
        ("[attach]\nquery = 'SELECT 1'\n[attach.columns]\nid = 'n'", "attach.query names its columns itself"),
        (
            "[attach]\nquery = 'SELECT 1'\n[attach.write_back]\nstatus = 's'",
            "attach.query has no table to write to",
        ),
        (
            "[attach]\ntable = 'a'\n[attach.columns]\ncolour = 'c'",
            "there is no setting \"attach.columns.colour\"",
        ),
    ];
    for (file, expected) in table {
        let refusal = World::new().file(file).refusal();
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn followers_leave_half_of_what_is_in_flight_to_others() {
    for (file, followers) in [
        ("", 32),
        ("[http]\nmax_in_flight = 20", 10),
        ("[http]\nmax_in_flight = 1", 1),
        ("[http]\nmax_in_flight = 512\nfollowers = 256", 256),
    ] {
        assert_eq!(World::new().file(file).load().unwrap().0.http.followers, followers, "{file}");
    }
    let refusal = World::new().file("[http]\nfollowers = 65").refusal();
    assert!(refusal.contains("http.followers must be at most 64, half of http.max_in_flight"), "{refusal}");
}

#[test]
fn every_setting_can_be_set_by_the_file_and_by_a_variable() {
    let (_, explained) = World::new().load().unwrap();
    for setting in &explained.settings {
        // A setting of [attach] makes the rest of the section necessary; its own reading is tested above.
        if setting.name.starts_with("attach.") || setting.name.starts_with("database_url") {
            continue;
        }
        let variable = format!("ZKGATE_{}", setting.name.replace('.', "_").to_uppercase());
        let value = setting.default.trim_matches('"');
        let (_, explained) = World::new().variable(&variable, value).load().unwrap();
        assert_eq!(origin(&explained, &setting.name), &Origin::Variable(variable), "{}", setting.name);
        let (section, key) = setting.name.rsplit_once('.').unwrap_or(("", &setting.name));
        let plain = value.parse::<u64>().is_ok() || value == "true" || value == "false";
        let value = if plain { value.to_owned() } else { format!("'{value}'") };
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let (_, explained) = World::new().file(&format!("{header}{key} = {value}\n")).load().unwrap();
        assert!(matches!(origin(&explained, &setting.name), Origin::File { .. }), "{}", setting.name);
    }
}
