//! `zkgate device …`: every flag and every verb.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::access_grammar::{Combination, Group, TimeZone, VerifyStyle};
use super::message_grammar::Message;
use super::whom::Whom;
use crate::cli::service::{Backup, Restore, ServiceFlags, Transfer};
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;

/// One verb, said to one device.
#[derive(Args, Clone, Debug)]
pub struct DeviceCall {
    /// An address, such as 192.168.1.201 or 192.168.1.201:4370, to speak to a device directly, or @ID for one that the
    /// local service knows
    #[arg(value_name = "DEVICE")]
    pub whom: Whom,
    /// How to reach a device directly.
    #[command(flatten, next_help_heading = "Reaching a device directly")]
    pub direct: Direct,
    /// How to reach the local service.
    #[command(flatten, next_help_heading = "Reaching the service, for @ID")]
    pub service: ServiceFlags,
    /// For how long the whole command may take, in seconds [default: 30; 600 for tables and many people]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, help_heading = None)]
    pub timeout: Option<Duration>,
    /// Print JSON instead of tables; failures too, on stderr
    #[arg(long, global = true, help_heading = None)]
    pub json: bool,
    /// Do not ask before something is lost
    #[arg(long, global = true, help_heading = None)]
    pub yes: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// How to reach a device directly.
#[derive(Args, Clone, Debug)]
pub struct Direct {
    /// The file whose first line is the comm key [default: the variable ZKGATE_COMM_KEY, else none]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "comm_key_stdin")]
    pub comm_key_file: Option<PathBuf>,
    /// Read the comm key from stdin
    #[arg(long, global = true)]
    pub comm_key_stdin: bool,
    /// How to connect; auto tries TCP and then UDP
    #[arg(long, global = true, value_name = "TRANSPORT", value_enum, default_value_t)]
    pub transport: Transport,
    /// The encoding of names on the device, such as gbk or windows-1256
    #[arg(long, global = true, value_name = "NAME", default_value = "utf-8", value_parser = NameEncoding::parse)]
    pub encoding: NameEncoding,
}

/// How to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// TCP, and then UDP
    #[default]
    Auto,
    /// TCP only
    Tcp,
    /// UDP only
    Udp,
}

/// What can be done with a device.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Who it is and how full it is
    Info,
    /// Show options: the important ones, or those named
    Options {
        /// Names as the firmware has them, such as VOLUME or ~Platform
        names: Vec<String>,
    },
    /// Write an option, verified by reading it back
    SetOption {
        /// Its name
        name: String,
        /// The value that it is to have
        value: String,
    },
    /// Show its clock beside this machine's, or set it
    Time {
        /// "now", or civil time such as 2026-07-14T08:00:00
        #[arg(long, value_name = "TIME")]
        set: Option<String>,
    },
    /// List the people that it knows
    Users,
    /// Show one person
    User {
        /// Their user id
        #[arg(value_parser = person_id)]
        user_id: String,
    },
    /// Create a person, verified by reading back
    AddUser(Person),
    /// Change a person; what is not said stays as it is
    ChangeUser(Person),
    /// Delete people and their fingerprints, verified by reading back
    DeleteUser {
        /// Their user ids
        #[arg(required = true, value_parser = person_id)]
        user_ids: Vec<String>,
    },
    /// Create and change many people from a file
    ImportUsers(Import),
    /// Read the attendance log, proved complete
    Attendance {
        /// Print CSV
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
    /// Tell what happens at the device, until Ctrl-C
    Watch {
        /// End after so many events
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// List fingerprint templates, never what is in them
    Templates {
        /// Only of this person
        #[arg(value_parser = person_id)]
        user_id: Option<String>,
    },
    /// Delete a fingerprint template, verified by reading back
    DeleteTemplate(Finger),
    /// Enrol a finger of somebody who stands at the device
    Enrol(Finger),
    /// Unlock the door: said once
    Unlock {
        /// For how long, such as 3 or 2.5
        #[arg(value_parser = seconds)]
        seconds: Duration,
        /// The unit in which this device's firmware counts, seconds if nothing is said: a wrong one is ten times
        /// too long or too short. Not with @ID, where it is a setting of the device
        #[arg(long, value_enum)]
        unit: Option<Unit>,
    },
    /// Show whether the door is open
    Door,
    /// Play a voice prompt: 0 says "thank you", 10 beeps
    Voice {
        /// Which
        #[arg(default_value_t = 0)]
        index: u32,
    },
    /// Write on the display of old devices, or clear it
    Lcd {
        /// The line, from 0
        #[arg(required_unless_present = "clear", conflicts_with = "clear")]
        line: Option<u16>,
        /// The text
        #[arg(required_unless_present = "clear", conflicts_with = "clear")]
        text: Option<String>,
        /// Clear the display
        #[arg(long)]
        clear: bool,
    },
    /// Short messages on the display
    #[command(subcommand)]
    Message(Message),
    /// Access groups
    #[command(subcommand)]
    Group(Group),
    /// Access time zones
    #[command(subcommand)]
    TimeZone(TimeZone),
    /// Which groups together open the door
    #[command(subcommand)]
    Combination(Combination),
    /// Show how a person is verified, or set it
    VerifyStyle(VerifyStyle),
    /// Make what was changed effective
    Refresh,
    /// Have the device give up what stands in its transfer buffer
    FreeBuffer,
    /// Restart the device
    Restart,
    /// Switch the device off: somebody has to go there to switch it on
    PowerOff,
    /// Delete everything of a kind; there is no way back
    Clear {
        /// Of which kind
        #[arg(value_enum)]
        what: Kind,
        /// Only @ID: make no backup first, or clear what cannot be in one
        #[arg(long)]
        no_backup: bool,
    },
    /// Only @ID: bring a person to other devices
    Transfer(Transfer),
    /// Only @ID: back the device up
    Backup(Backup),
    /// Only @ID: put a backup back
    Restore(Restore),
    /// Only @ID: connect now, whatever the back-off says
    Connect,
    /// Only @ID: close the session until the next call
    Disconnect,
    /// Only @ID: close the session and stay away, so that other software can connect
    Lend {
        /// For how many minutes
        #[arg(long, value_name = "N", default_value_t = 15)]
        minutes: u32,
        /// To whom
        #[arg(long, value_name = "WHOM")]
        to: Option<String>,
    },
    /// Only @ID: end a loan before its time
    Resume,
    /// Only @ID: renew the session, step by step
    Test,
    /// Only @ID: the state of the session
    Connection,
    /// Only @ID: read the log into the journal now
    Collect {
        /// Compare the whole log, and not only what may be new
        #[arg(long)]
        everything: bool,
    },
}

/// A person and what is to be set of them.
#[derive(Args, Clone, Debug)]
pub struct Person {
    /// Their user id
    #[arg(value_parser = person_id)]
    pub user_id: String,
    /// Their name; "" for none
    #[arg(long)]
    pub name: Option<String>,
    /// Read their password, digits, from stdin; an empty line for none
    #[arg(long, conflicts_with = "password_file")]
    pub password_stdin: bool,
    /// The file whose first line is their password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// What they may do in the device's menu
    #[arg(long, value_enum)]
    pub privilege: Option<Level>,
    /// Whether the device lets them in
    #[arg(long, value_name = "true|false")]
    pub enabled: Option<bool>,
    /// Their card's number; 0 for none
    #[arg(long, value_name = "NUMBER")]
    pub card: Option<u32>,
    /// Their access group
    #[arg(long, value_name = "N")]
    pub group: Option<u8>,
}

/// What somebody may do in a device's menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Nothing
    User,
    /// Enrol people
    Enroller,
    /// Everything but a few settings
    Manager,
    /// Everything
    Administrator,
}

/// Many people from a file.
#[derive(Args, Clone, Debug)]
pub struct Import {
    /// A .csv or .json file; - for stdin
    pub file: PathBuf,
    /// What the file is [default: by its name]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// What may happen to a person
    #[arg(long, value_enum, default_value_t)]
    pub mode: Mode,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values with a line of names
    Csv,
    /// A list of objects, or an object a line
    Json,
}

/// What may happen to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Created if new, else changed
    #[default]
    Upsert,
    /// They must be new
    Create,
    /// They must be there
    Update,
}

/// A finger of somebody.
#[derive(Args, Clone, Debug)]
pub struct Finger {
    /// Their user id
    #[arg(value_parser = person_id)]
    pub user_id: String,
    /// Which finger
    #[arg(value_parser = clap::value_parser!(u8).range(0..=9))]
    pub finger: u8,
}

/// In which unit a device counts the time that a door stays unlocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// Seconds
    #[default]
    Seconds,
    /// Tenths of a second
    Tenths,
}

/// What can be cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The attendance log
    Attendance,
    /// All fingerprint templates
    Templates,
    /// All people, with their fingerprints
    Users,
    /// The rights of all administrators: they become common users
    Administrators,
    /// The operation log
    OperationLog,
    /// All people, fingerprints and logs
    Everything,
}

/// A user id that a device may have.
pub(in crate::cli) fn person_id(text: &str) -> Result<String, String> {
    match UserId::new(text.as_bytes()) {
        Ok(id) if id.is_plausible() => Ok(text.to_owned()),
        _ => Err("a user id is 1 to 24 letters, digits and signs, without blanks".to_owned()),
    }
}

/// A positive number of seconds, up to a day.
pub(in crate::cli) fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0);
    let time = parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "a number of seconds is needed, above 0 and at most 86400".to_owned())
}

impl Direct {
    /// Whether any of it was said.
    pub(super) fn is_said(&self) -> bool {
        let Self { comm_key_file, comm_key_stdin, transport, encoding } = self;
        let plain = *transport == Transport::Auto && *encoding == NameEncoding::UTF_8;
        comm_key_file.is_some() || *comm_key_stdin || !plain
    }
}

impl Verb {
    /// How it is written, for people.
    pub(in crate::cli) fn name(&self) -> String {
        let name: String = format!("{self:?}").chars().take_while(char::is_ascii_alphabetic).collect();
        let mut written = String::new();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !written.is_empty() {
                written.push('-');
            }
            written.push(letter.to_ascii_lowercase());
        }
        written
    }

    /// For how long it may take if nobody says.
    pub(in crate::cli) const fn limit(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Users
            | Self::User { .. }
            | Self::AddUser(_)
            | Self::ChangeUser(_)
            | Self::DeleteUser { .. }
            | Self::ImportUsers(_)
            | Self::Attendance { .. }
            | Self::Templates { .. }
            | Self::DeleteTemplate(_)
            | Self::Clear { .. } => 600,
            Self::Enrol(_) => 90,
            _ => 30,
        })
    }

    /// Whether it reads something from stdin itself.
    pub(super) fn reads_stdin(&self) -> bool {
        match self {
            Self::AddUser(person) | Self::ChangeUser(person) => person.password_stdin,
            Self::ImportUsers(import) => import.file.as_os_str() == "-",
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_called_what_is_typed() {
        assert_eq!(Verb::Info.name(), "info");
        assert_eq!(Verb::FreeBuffer.name(), "free-buffer");
        assert_eq!(Verb::DeleteUser { user_ids: vec!["Secret".into()] }.name(), "delete-user");
    }

    #[test]
    fn seconds_are_positive_and_finite() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(seconds("0.1"), Ok(Duration::from_millis(100)));
        for wrong in ["0", "-1", "nan", "inf", "1e99", "3s", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
