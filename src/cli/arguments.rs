//! What can be written on the command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::device::grammar::DeviceCall;
use super::exit::EXIT_STATUS;
use super::manual::Completions;
use super::service::{Audit, BackupsCall, Discover, OperationsCall, PeopleCall, Punches, Question, Tokens};
use crate::config::Flags;

/// The gateway that owns the connections to a site's ZKTeco terminals.
#[derive(Clone, Debug, Parser)]
#[command(name = "zkgate", version, about, propagate_version = true, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(Serve),
    /// Run the service on a throw-away store with simulated devices, and say how to try it
    Demo(Demo),
    /// Be one or more devices
    Simulate(Simulate),
    /// Print a capture file for people
    Trace(Trace),
    /// Show every setting, its value and where it came from, or everything that is wrong
    Check(Serve),
    /// Ask the running service: exit 0 when ready, 1 when degraded, 2 when dead
    Health(Serve),
    /// Speak to one device: directly at its address, or through the service as @ID
    #[command(after_help = EXIT_STATUS)]
    Device(Box<DeviceCall>),
    /// Show how the service is and which of its devices are up
    Status(Question),
    /// List the devices that the service knows
    Devices(Question),
    /// Show the journal's punches, or follow them as they come
    Punches(Box<Punches>),
    /// Look for devices on the network, through the service
    Discover(Box<Discover>),
    /// Show what is being done and what was done, wait for one operation, or ask it to end
    Operations(Box<OperationsCall>),
    /// Show who did what to which device, and how it ended
    Audit(Box<Audit>),
    /// Say who should be on which devices, bring them there, and look whether they still are
    People(Box<PeopleCall>),
    /// List, save and delete backups of devices
    Backups(Box<BackupsCall>),
    /// Make, list and revoke the tokens of other programs
    Token(Box<Tokens>),
    /// Print the completions for a shell
    Completions(Completions),
    /// Print the manual page
    Man,
    /// Print the API description, OpenAPI 3.1
    Openapi(Openapi),
}

/// Flags that override the environment, which overrides the file.
#[derive(Args, Clone, Debug, Default)]
pub struct Serve {
    /// Address and port for HTTP clients [default: 127.0.0.1:8437]
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<String>,
    /// Directory for what must outlive the process
    #[arg(long, value_name = "DIRECTORY")]
    pub state_dir: Option<PathBuf>,
    /// The settings file; must exist [default: /etc/zkgate/zkgate.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The file with the token that clients show [default: token in the state directory]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Which log lines to write, such as info,zkgate::registry=debug
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

impl Serve {
    /// The same for the settings.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            listen: self.listen.clone(),
            state_dir: self.state_dir.clone(),
            token_file: self.token_file.clone(),
            log: self.log.clone(),
        }
    }
}

/// The API description.
#[derive(Args, Clone, Copy, Debug)]
pub struct Openapi {
    /// The reference page for people instead, in Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// The demonstration.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// How many simulated devices
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub devices: u16,
    /// Address and port for HTTP clients
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8437")]
    pub listen: SocketAddr,
}

/// Simulated devices on consecutive ports, over TCP and UDP.
#[derive(Args, Clone, Debug)]
pub struct Simulate {
    /// How many devices
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub devices: u16,
    /// The address on which they listen
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// The port of the first one; 0 leaves the choice to the system
    #[arg(long, value_name = "FIRST", default_value_t = 4370)]
    pub port: u16,
    /// Users on each
    #[arg(long, value_name = "U", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub users: u32,
    /// Punches on each
    #[arg(long, value_name = "K", default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub punches: u32,
    /// Records that the log of each can hold before the oldest give way
    #[arg(long, value_name = "R", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub capacity: u32,
    /// Communication password of each; 0 for none
    #[arg(long, value_name = "C", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=999_999_999))]
    pub comm_key: u32,
    /// Which kind of device
    #[arg(long, value_name = "P")]
    pub profile: Option<String>,
    /// Serve this capture again instead of playing a kind of device
    #[arg(long, value_name = "FILE", conflicts_with_all = ["profile", "users", "punches", "capacity", "comm_key"])]
    pub replay: Option<PathBuf>,
    /// A fault to show; may be given several times
    #[arg(long = "fault", value_name = "F")]
    pub faults: Vec<String>,
    /// Take further orders on this loopback address while running, one line each (try `faults`)
    #[arg(long, value_name = "IP:PORT")]
    pub control: Option<SocketAddr>,
}

/// A capture, as `POST /api/v1/devices/{id}/trace` makes them.
#[derive(Args, Clone, Debug)]
pub struct Trace {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_takes_the_settings_that_have_flags() {
        let parsed =
            parse("zkgate serve --listen [::1]:1 --state-dir /s --config /c --token-file /t --log debug");
        let Command::Serve(serve) = parsed.unwrap().command else { panic!() };
        let expected = Flags {
            config: Some("/c".into()),
            listen: Some("[::1]:1".into()),
            state_dir: Some("/s".into()),
            token_file: Some("/t".into()),
            log: Some("debug".into()),
        };
        assert_eq!(serve.flags(), expected);
    }

    #[test]
    fn simulate_takes_several_faults_and_refuses_what_no_device_has() {
        let parsed = parse(
            "zkgate simulate --devices 3 --port 5000 --capacity 9 --comm-key 7 --fault refuse --fault drip",
        );
        let Command::Simulate(simulate) = parsed.unwrap().command else { panic!() };
        assert_eq!((simulate.devices, simulate.port, simulate.comm_key), (3, 5000, 7));
        assert_eq!(simulate.capacity, 9);
        assert_eq!(simulate.faults, ["refuse", "drip"]);
        for wrong in ["--devices 0", "--capacity 0", "--comm-key 1000000000", "--port 65536", "--listen here"]
        {
            let error = parse(&format!("zkgate simulate {wrong}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
    }
}
