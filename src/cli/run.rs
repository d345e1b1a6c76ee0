//! Where the command line hands over to the app: the bodies of `serve`, `demo` and `simulate`.

use super::Exit;
use super::arguments::{Demo, Simulate};
use crate::config::Settings;

/// Runs the service until it is told to stop.
pub(super) fn serve(_settings: Settings) -> Exit {
    missing("serve")
}

/// Runs the service on a throw-away store, with simulated devices.
pub(super) fn demo(_demo: &Demo) -> Exit {
    missing("demo")
}

/// Runs simulated devices until it is told to stop.
pub(super) fn simulate(_simulate: &Simulate) -> Exit {
    missing("simulate")
}

fn missing(what: &str) -> Exit {
    log::error!("{what} is not part of this build");
    Exit::Failed
}
