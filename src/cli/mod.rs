//! The command line: arguments → settings → the app → exit code.
//!
//! Nothing is decided here but what to start and how its end is told: each class of error has an exit code.

mod arguments;
mod check;
mod confirm;
mod csv_rows;
mod describe;
mod device;
mod event_words;
mod exit;
mod failure;
mod health;
mod interrupt;
mod manual;
mod output;
mod progress;
mod rows;
mod run;
mod secrets;
mod service;
mod table;
mod trace;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

pub use arguments::{Arguments, Command, Demo, Openapi, Serve, Simulate, Trace};
pub use check::fixed_numbers;
pub use device::access_grammar::{Combination, Group, TimeZone, VerifyStyle, ZoneDays};
pub use device::grammar::{
    DeviceCall, Direct, Finger, Format, Import, Kind, Level, Mode, Person, Transport, Unit, Verb,
};
pub use device::message_grammar::Message;
pub use device::whom::{NoDevice, Whom};
pub use manual::Completions;
pub use service::{
    Audit, Backup, BackupsCall, BackupsVerb, Discover, OperationsCall, PeopleCall, PeopleVerb, Punches,
    Question, Restore, ServiceFlags, TokenVerb, Tokens, Transfer,
};

use exit::Exit;

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
        Command::Trace(file) => trace::trace(&file),
        Command::Check(serve) => check::check(&Sources::of_process(serve.flags())),
        Command::Health(serve) => health::health(&serve),
        Command::Device(call) => device::run(&call),
        Command::Status(question) => service::status(&question),
        Command::Devices(question) => service::devices(&question),
        Command::Punches(punches) => service::punches(&punches),
        Command::Discover(discover) => service::discover(&discover),
        Command::Operations(call) => service::operations(&call),
        Command::Audit(audit) => service::audit(&audit),
        Command::People(call) => service::people(&call),
        Command::Backups(call) => service::backups(&call),
        Command::Token(tokens) => service::tokens(&tokens),
        Command::Completions(completions) => manual::completions(&completions),
        Command::Man => manual::manual(),
        Command::Openapi(Openapi { markdown }) => {
            print(&app::description(markdown));
            Exit::Well
        }
    };
    ExitCode::from(exit.code())
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
