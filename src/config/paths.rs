//! Where the service keeps its things when nobody says: systemd's directories, else the user's own.

use std::path::{Path, PathBuf};

use super::reader::Found;
use super::sources::{Environment, Origin};

/// The directory for what must outlive the process.
pub(super) fn state_dir(environment: &Environment) -> Option<Found<PathBuf>> {
    let variable = |name, below: &[&str]| directory(environment, name, below);
    variable("STATE_DIRECTORY", &[])
        .or_else(|| variable("XDG_STATE_HOME", &["zkgate"]))
        .or_else(|| variable("HOME", &[".local", "state", "zkgate"]))
}

/// The directory for sockets.
pub(super) fn runtime_dir(environment: &Environment, state_dir: &Path) -> Found<PathBuf> {
    directory(environment, "RUNTIME_DIRECTORY", &[])
        .or_else(|| directory(environment, "XDG_RUNTIME_DIR", &["zkgate"]))
        .unwrap_or_else(|| Found { value: state_dir.join("run"), origin: Origin::Default })
}

// systemd separates several directories by colons; ours is the first. A relative path is none: XDG says so.
fn directory(environment: &Environment, name: &'static str, below: &[&str]) -> Option<Found<PathBuf>> {
    let first = environment.value(name)?.split(':').next().map(PathBuf::from)?;
    let value = below.iter().fold(first, |path, part| path.join(part));
    value.is_absolute().then_some(Found { value, origin: Origin::Implied(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_comes_first_then_the_users_own_directories() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let environment: Environment = pairs.collect();
            let state = state_dir(&environment).map(|found| found.value);
            let runtime = runtime_dir(&environment, Path::new("/state")).value;
            (state, runtime)
        };
        let (home, xdg) = (("HOME", "/home/u"), ("XDG_STATE_HOME", "/x/state"));
        let table = [
            ("nothing", of(&[]), (None, "/state/run")),
            ("home", of(&[home]), (Some("/home/u/.local/state/zkgate"), "/state/run")),
            (
                "xdg",
                of(&[home, xdg, ("XDG_RUNTIME_DIR", "/x/run")]),
                (Some("/x/state/zkgate"), "/x/run/zkgate"),
            ),
            (
                "relative xdg",
                of(&[home, ("XDG_STATE_HOME", "x")]),
                (Some("/home/u/.local/state/zkgate"), "/state/run"),
            ),
            (
                "systemd",
                of(&[
                    home,
                    xdg,
                    ("STATE_DIRECTORY", "/var/lib/zkgate:/b"),
                    ("RUNTIME_DIRECTORY", "/run/zkgate"),
                ]),
                (Some("/var/lib/zkgate"), "/run/zkgate"),
            ),
        ];
        for (case, found, (state, runtime)) in table {
            assert_eq!(found, (state.map(PathBuf::from), PathBuf::from(runtime)), "{case}");
        }
    }
}
