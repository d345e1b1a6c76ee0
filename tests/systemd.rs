//! The unit as it is installed: systemd understands every line, rates it well, and its limits leave room.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use zkgate::cli::fixed_numbers;
use zkgate::config::{Environment, Flags, Settings, Sources};
use zkgate::ops::limits::{Needs, UNIT_OPEN_FILES, UNIT_TASKS};

fn unit_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/zkgate.service")
}

fn unit() -> String {
    std::fs::read_to_string(unit_path()).unwrap()
}

/// All values of a setting of the unit, in order.
fn values(name: &str) -> Vec<String> {
    let unit = unit();
    let lines = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    lines.map(str::to_owned).collect()
}

fn value(name: &str) -> String {
    let values = values(name);
    assert_eq!(values.len(), 1, "{name} once: {values:?}");
    values.into_iter().next().unwrap()
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; tests/run installs what the tests need"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What the service can need at most with the default settings and PostgreSQL.
fn needs() -> Needs {
    let pairs = [("HOME", "/"), ("DATABASE_URL", "postgres:///zkgate")];
    let (settings, _) = Settings::load(&Sources {
        flags: Flags::default(),
        environment: pairs.map(|(k, v)| (k.into(), v.into())).into_iter().collect::<Environment>(),
        default_file: "/nonexistent".into(),
    })
    .unwrap();
    fixed_numbers(&settings).needs()
}

#[test]
fn systemd_understands_every_line() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("zkgate.service");
    // The one difference to what is installed: the program is not in /usr/bin here.
    let here = unit().replace("/usr/bin/zkgate", env!("CARGO_BIN_EXE_zkgate"));
    std::fs::write(&copy, here).unwrap();
    let output = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy));
    // Other units of the machine may have their own troubles; ours must have none.
    let ours: Vec<_> =
        text(&output).lines().filter(|line| line.contains("zkgate")).map(str::to_owned).collect();
    assert_eq!(ours, [""; 0]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn systemd_rates_its_exposure_two_or_better() {
    let output = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=20"])
        .arg(unit_path()));
    let text = text(&output);
    let verdict = text.lines().find(|line| line.contains("Overall exposure level")).unwrap_or(&text);
    let rating = verdict.split_whitespace().find_map(|word| word.parse::<f64>().ok());
    let rating = rating.unwrap_or_else(|| panic!("no rating in {verdict}"));
    assert!(rating <= 2.0, "{verdict}");
    assert!(output.status.success(), "{text}");
}

#[test]
fn its_limits_are_twice_what_the_fixed_numbers_need() {
    let needs = needs();
    let (tasks, files): (usize, usize) =
        (value("TasksMax").parse().unwrap(), value("LimitNOFILE").parse().unwrap());
    assert!(tasks >= 2 * needs.thread_count(), "{needs:?}");
    assert!(files >= 2 * needs.file_count(), "{needs:?}");
    assert_eq!((tasks, files), (UNIT_TASKS, UNIT_OPEN_FILES), "what zkgate check compares with");
    for sum in [
        format!("# Threads: at most {} with the default settings", needs.thread_count()),
        format!("# Open files: at most {}", needs.file_count()),
    ] {
        assert!(unit().lines().any(|line| line == sum), "the comment says otherwise than: {sum}");
    }
}

#[test]
fn a_missing_secret_is_no_error() {
    let loaded: Vec<_> = values("LoadCredential");
    assert_eq!(loaded, ["token:/etc/zkgate/token", "database_url:/etc/zkgate/database_url"]);
    // The default of the same name is what makes systemd go on without the file; zkgate takes white space for none.
    assert_eq!(values("SetCredential"), ["token:\\n", "database_url:\\n"]);
}

#[test]
fn devices_are_not_shut_out() {
    assert_eq!(values("IPAddressDeny"), [""; 0]);
    assert_eq!(values("PrivateNetwork"), [""; 0]);
    let families = value("RestrictAddressFamilies");
    assert_eq!(families.split(' ').collect::<Vec<_>>(), ["AF_INET", "AF_INET6", "AF_UNIX"]);
}

#[test]
fn it_comes_back_by_itself_and_is_watched() {
    let table = [
        ("Type", "notify"),
        ("ExecStart", "/usr/bin/zkgate serve"),
        ("WatchdogSec", "30"),
        ("Restart", "always"),
        ("RestartSec", "1"),
        ("User", "zkgate"),
        ("StateDirectory", "zkgate"),
        ("StateDirectoryMode", "0700"),
        ("RuntimeDirectory", "zkgate"),
        ("RuntimeDirectoryMode", "0700"),
        ("Environment", "MALLOC_ARENA_MAX=2"),
    ];
    for (name, expected) in table {
        assert_eq!(value(name), expected, "{name}");
    }
}

#[test]
fn its_user_is_made_by_systemd_sysusers() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/zkgate.sysusers");
    let output = run(Command::new("systemd-sysusers").arg("--dry-run").arg(&file));
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains("ignoring"), "{}", text(&output));
}
