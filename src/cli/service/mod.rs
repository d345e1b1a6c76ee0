//! What the local service is asked: its state, its devices, its punches, and its devices' answers.

mod access;
mod backup_settings;
mod backups;
mod clear;
mod client;
pub(super) mod device;
mod devices;
mod discover;
mod events;
mod fingers;
mod fleet;
mod happened;
mod messages;
mod operations;
mod people;
mod punches;
mod status;
mod tokens;
mod upkeep;
mod watch;

use std::path::PathBuf;

use clap::Args;

pub use backups::{Backup, BackupsCall, BackupsVerb, Restore, Transfer};
pub use discover::Discover;
pub use fleet::{PeopleCall, PeopleVerb};
pub use operations::{Audit, OperationsCall};
pub use punches::Punches;
pub use tokens::{TokenVerb, Tokens};

use super::exit::Exit;
use super::failure::Done;
use super::output::Output;
use client::Client;

/// Where the local service is, and with which token it is asked.
#[derive(Args, Clone, Debug, Default)]
pub struct ServiceFlags {
    /// The service's URL [default: where its settings say that it listens]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The file with the service's token [default: as its settings say]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The service's settings file [default: /etc/zkgate/zkgate.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The service's state directory, in which its token is
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub state_dir: Option<PathBuf>,
}

impl ServiceFlags {
    /// Whether any of it was said.
    pub(super) const fn is_said(&self) -> bool {
        let Self { url, token_file, config, state_dir } = self;
        url.is_some() || token_file.is_some() || config.is_some() || state_dir.is_some()
    }
}

/// A question about the service as a whole.
#[derive(Args, Clone, Debug)]
pub struct Question {
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Print JSON instead of tables; failures too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// `zkgate status`
pub(super) fn status(question: &Question) -> Exit {
    ask(&question.service, question.json, status::show)
}

/// `zkgate devices`
pub(super) fn devices(question: &Question) -> Exit {
    ask(&question.service, question.json, devices::list)
}

/// `zkgate punches`
pub(super) fn punches(punches: &Punches) -> Exit {
    ask(&punches.service, punches.json, |client, out| punches::show(client, out, punches))
}

/// `zkgate discover`
pub(super) fn discover(discover: &Discover) -> Exit {
    ask(&discover.service, discover.json, |client, out| discover::run(client, out, discover))
}

/// `zkgate token`
pub(super) fn tokens(tokens: &Tokens) -> Exit {
    ask(&tokens.service, tokens.json, |client, out| tokens::run(client, out, &tokens.verb))
}

/// `zkgate operations`
pub(super) fn operations(call: &OperationsCall) -> Exit {
    ask(&call.service, call.json, |client, out| operations::run(client, out, call))
}

/// `zkgate people`
pub(super) fn people(call: &PeopleCall) -> Exit {
    ask(&call.service, call.json, |client, out| fleet::run(client, out, call))
}

/// `zkgate backups`
pub(super) fn backups(call: &BackupsCall) -> Exit {
    ask(&call.service, call.json, |client, out| backups::run(client, out, call))
}

/// `zkgate audit`
pub(super) fn audit(audit: &Audit) -> Exit {
    ask(&audit.service, audit.json, |client, out| operations::audit(client, out, audit))
}

fn ask(flags: &ServiceFlags, json: bool, question: impl FnOnce(&Client, Output) -> Done) -> Exit {
    let asked = Client::new(flags).and_then(|client| question(&client, Output { json }));
    asked.map_or_else(|failure| failure.tell(json), |()| Exit::Well)
}
