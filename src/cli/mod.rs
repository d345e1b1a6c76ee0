//! The command line: arguments → settings → the app → exit code.
//!
//! Nothing is decided here but what to start and how its end is told: 0 well, 1 failed, 2 wrong use or settings.

mod arguments;
mod check;
mod health;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

pub use arguments::{Arguments, Command, Demo, Openapi, Serve, Simulate};
pub use check::fixed_numbers;

use crate::app;
use crate::config::{Environment, Explained, Settings, Sources};
use crate::ops::logging::{self, Dress};

/// Runs the program with the process's arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    // Wrong arguments end here: clap prints what is wrong and exits with 2.
    let arguments = Arguments::parse();
    let exit = match arguments.command {
        Command::Serve(serve) => start(&serve),
        Command::Demo(demo) => {
            log_as("info,zkgate::simulator=warn");
            run::demo(&demo)
        }
        Command::Simulate(simulate) => {
            log_as("info");
            run::simulate(&simulate)
        }
        Command::Check(serve) => check::check(&Sources::of_process(serve.flags())),
        Command::Health(serve) => health::health(&serve),
        Command::Openapi(Openapi { markdown }) => {
            print(&app::description(markdown));
            Exit::Well
        }
    };
    ExitCode::from(exit.code())
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As it should.
    Well,
    /// Something failed while it ran.
    Failed,
    /// It was asked for what cannot be: wrong flags, wrong settings.
    Misused,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Failed => 1,
            Self::Misused => 2,
        }
    }
}

fn start(serve: &Serve) -> Exit {
    match Settings::load(&Sources::of_process(serve.flags())) {
        Ok((settings, Explained { warnings, .. })) => {
            log_as(&settings.log);
            warnings.iter().for_each(|warning| log::warn!("settings: {warning}"));
            run::serve(settings)
        }
        Err(error) => {
            log_as("info");
            error.warnings.iter().for_each(|warning| log::warn!("settings: {warning}"));
            error.problems.iter().for_each(|problem| log::error!("settings: {problem}"));
            Exit::Misused
        }
    }
}

fn log_as(filter: &str) {
    let dress = Dress::of_stderr(Environment::of_process().value("JOURNAL_STREAM"));
    if logging::start(filter, dress).is_ok() {
        logging::install_panic_hook();
    }
}

// A reader that has gone away, such as `head`, is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
