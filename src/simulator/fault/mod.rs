//! What can go wrong with a device, by name.
//!
//! The model stays honest: faults change its answers on their way out, the doors of the device, or the bytes of
//! a table. How a fault is written is told at [`Fault`].

mod armed;
mod live;
mod parse;
mod script;
mod shape;
pub(crate) mod warp;

use std::fmt;
use std::time::Duration;

pub(crate) use armed::{Before, Faults};
pub use parse::FaultError;
pub(crate) use parse::duration;
pub(crate) use script::Step;
pub(crate) use warp::Warp;

use super::outgoing::Role;
use crate::wire::command::Command;

/// One thing that goes wrong, where, and how often.
///
/// A fault is text, so that it can stand on a command line:
///
/// ```text
/// name[:parameter][@scope][+skip][*times]
///
/// silent@chunk+2*1     the third chunk that is asked for is not answered, nor anything after it; once
/// rst:100@data         a reset after the first 100 bytes of the first data packet
/// delay:200ms@option   every option takes 200 ms longer
/// split:7              everything arrives in pieces of 1 to 7 bytes
/// ```
/// A scope is a phase (`connect`, `auth`, `option`, `sizes`, `time`, `prepare`, `chunk`, `free`, `exit`, `any`),
/// a command code (`@201`; `clear-log`, `disable` and `enable` are the names of three), or a kind of packet inside a transfer (`announce`, `data`, `closing-ack`). A fault
/// with a phase or a code strikes at the first packet of an answer, one with a kind of packet at that packet.
/// Without a scope it strikes wherever it can; `+skip` passes over that many occasions first, `*times` limits
/// how often it strikes.
///
/// [`Fault::all_names`] lists them. `refuse` and `blackhole` last until they are cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) kind: Kind,
    pub(crate) scope: Scope,
    /// Occasions passed over first.
    pub(crate) skip: u32,
    /// How often it strikes; `None` for always.
    pub(crate) times: Option<u32>,
}

impl Fault {
    /// Reads a fault as it is written above.
    ///
    /// # Errors
    /// [`FaultError`], which says what was wrong and what there is.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        parse::fault(text)
    }

    /// The name and the meaning of every fault, with its parameter.
    #[must_use]
    pub const fn all_names() -> &'static [(&'static str, &'static str)] {
        parse::NAMES
    }

    /// The same fault, striking at most this often.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The same fault, passing over this many occasions first.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        parse::write(self, f)
    }
}

impl std::str::FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        Self::parse(text)
    }
}

/// Where a fault may strike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Wherever it can.
    #[default]
    Any,
    /// At the answer to a request of this phase.
    Phase(Phase),
    /// At the answer to this command.
    Code(u16),
    /// At packets that play this part.
    Packet(Role),
}

/// A part of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connect,
    Auth,
    Option,
    Sizes,
    Time,
    Prepare,
    /// A chunk, or a table in the direct form.
    Chunk,
    Free,
    Exit,
}

impl Phase {
    pub(crate) fn of(request: Command) -> Option<Self> {
        Some(match request {
            Command::CONNECT => Self::Connect,
            Command::AUTH => Self::Auth,
            Command::OPTIONS_RRQ | Command::OPTIONS_WRQ => Self::Option,
            Command::GET_FREE_SIZES => Self::Sizes,
            Command::GET_TIME | Command::SET_TIME => Self::Time,
            Command::DATA_WRRQ => Self::Prepare,
            Command::DATA_RDY
            | Command::USERTEMP_RRQ
            | Command::ATTLOG_RRQ
            | Command::OPLOG_RRQ
            | Command::DB_RRQ
            | Command::TEMPLATE_RRQ => Self::Chunk,
            Command::FREE_DATA => Self::Free,
            Command::EXIT => Self::Exit,
            _ => return None,
        })
    }
}

/// Which way a number lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    Larger,
    Smaller,
    Zero,
}

impl Lie {
    pub(crate) fn about(self, truth: u32, by: u32) -> u32 {
        match self {
            Self::Larger => truth.saturating_add(by),
            Self::Smaller => truth.saturating_sub(by),
            Self::Zero => 0,
        }
    }
}

/// Where a stray event is put into an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Everywhere,
    BeforeReply,
    BeforeAnnounce,
    BetweenData,
    BeforeClosing,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    // The doors.
    Refuse,
    Blackhole,
    SilentAccept,
    // The conversation.
    Silent,
    Swallow,
    Close(Option<usize>),
    Rst(Option<usize>),
    Reboot(Duration),
    Forget { unauth: bool },
    // The stream.
    Split(usize),
    Merge,
    Drip(Duration),
    Delay(Duration),
    // The header.
    WrongChecksum,
    WrongReply,
    LateDuplicate,
    Oversize { tiny: bool },
    // The transfer.
    StrayEvent(Place),
    Truncate(usize),
    MissingFragment,
    MissingAck,
    WrongTotal(Lie),
    Fragments(usize),
    BareData,
    DoublePrepare,
    EarlyAck,
    // Datagrams.
    UdpDrop(u8),
    UdpDuplicate,
    UdpReorder,
    // Somebody at the device, and what is told of them.
    Punch { after: bool },
    IgnoreDisable,
    EventLost,
    EventTwice,
    EventLate(Duration),
    EventGarbage,
    EventAbbreviated,
    EventBatch(usize),
    // The content.
    NoBuffer(Command),
    Reject(Command),
    NotKept,
    KeptOtherwise,
    LyingCounts(Lie),
    Table(Warp),
}

impl Kind {
    /// Whether it is about what is told of a punch.
    pub(crate) const fn is_about_events(self) -> bool {
        matches!(
            self,
            Self::EventLost
                | Self::EventTwice
                | Self::EventLate(_)
                | Self::EventGarbage
                | Self::EventAbbreviated
                | Self::EventBatch(_)
        )
    }

    /// Whether it makes sense only in a transfer.
    pub(crate) const fn needs_transfer(self) -> bool {
        matches!(
            self,
            Self::Truncate(_)
                | Self::MissingFragment
                | Self::MissingAck
                | Self::WrongTotal(_)
                | Self::Fragments(_)
                | Self::BareData
                | Self::DoublePrepare
                | Self::EarlyAck
        )
    }
}
