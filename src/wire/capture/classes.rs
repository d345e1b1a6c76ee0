//! What may be in the answer to a request. The list names what is harmless; whatever is not in it is not written.

use super::secrets::is_secret_name;
use crate::wire::bulk::Table;
use crate::wire::command::Command;
use crate::wire::option;

/// What may be in the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Nothing secret.
    Open,
    /// An option, which may be a secret one.
    Option { secret: bool },
    /// A table.
    Table(Kind),
    /// A part of the table that stands in the transfer buffer.
    Chunk,
    /// One template.
    Template,
    /// Something that nobody has described, or a secret.
    Hidden,
}

/// What is in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing secret.
    Harmless,
    /// Users, with their passwords.
    Users,
    /// Templates.
    Templates,
    /// Nobody knows.
    Unknown,
}

impl Class {
    pub(super) fn of(command: Command, payload: &[u8]) -> Self {
        match command {
            Command::OPTIONS_RRQ | Command::OPTIONS_WRQ => {
                Self::Option { secret: is_secret_name(&option::requested_name(payload)) }
            }
            Command::DATA_WRRQ => Self::Table(Table::parse(payload).map_or(Kind::Unknown, Kind::of)),
            Command::DATA_RDY => Self::Chunk,
            Command::TEMPLATE_RRQ => Self::Template,
            Command::USERTEMP_RRQ if payload.len() >= 3 => Self::Template,
            Command::USERTEMP_RRQ | Command::ATTLOG_RRQ | Command::OPLOG_RRQ | Command::DB_RRQ => {
                let fct = payload.first().copied().unwrap_or_default().into();
                Self::Table(Kind::of(Table { command, fct }))
            }
            Command::CONNECT
            | Command::EXIT
            | Command::ENABLEDEVICE
            | Command::DISABLEDEVICE
            | Command::RESTART
            | Command::POWEROFF
            | Command::REFRESHDATA
            | Command::REFRESHOPTION
            | Command::TESTVOICE
            | Command::GET_VERSION
            | Command::GET_TIME
            | Command::SET_TIME
            | Command::GET_FREE_SIZES
            | Command::GET_PINWIDTH
            | Command::REG_EVENT
            | Command::STARTVERIFY
            | Command::STARTENROLL
            | Command::CANCELCAPTURE
            | Command::STATE_RRQ
            | Command::WRITE_LCD
            | Command::CLEAR_LCD
            | Command::UNLOCK
            | Command::DOORSTATE_RRQ
            | Command::CLEAR_DATA
            | Command::CLEAR_ATTLOG
            | Command::CLEAR_OPLOG
            | Command::CLEAR_ADMIN
            | Command::CLEAR_ACC
            | Command::USER_WRQ
            | Command::DELETE_USER
            | Command::DELETE_USERTEMP
            | Command::DELETE_FINGER
            | Command::VERIFY_RRQ
            | Command::VERIFY_WRQ
            | Command::TMP_WRITE
            | Command::SAVE_USERTEMPS
            | Command::PREPARE_DATA
            | Command::DATA
            | Command::FREE_DATA
            // Groups, time zones, combinations; short messages.
            | Command(21..=30 | 70..=74) => Self::Open,
            _ => Self::Hidden,
        }
    }
}

impl Kind {
    fn of(table: Table) -> Self {
        match (table.command, table.fct) {
            (Command::USERTEMP_RRQ, _) | (Command::DB_RRQ, 5) => Self::Users,
            (Command::DB_RRQ, 2) => Self::Templates,
            // The log, operations, short messages and who has them, work codes.
            (Command::ATTLOG_RRQ | Command::OPLOG_RRQ, _) | (Command::DB_RRQ, 1 | 4 | 6..=8) => {
                Self::Harmless
            }
            _ => Self::Unknown,
        }
    }
}
