//! The codes that stand in the first field of a packet.
//!
//! A code is a number; the known ones have names. Unknown numbers are kept and shown, never refused here.
//! Source: public protocol descriptions; the reply codes above 4986 are reported of newer firmware.

use std::fmt;

/// A request code, a reply code or the event code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command(pub u16);

macro_rules! commands {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        impl Command {
            $($(#[doc = $doc])+ pub const $name: Self = Self($code);)+

            /// The name of a known code.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }
    };
}

commands! {
    /// Reads a table by its number (`FCT`).
    DB_RRQ = 7;
    /// Writes one user record.
    USER_WRQ = 8;
    /// Reads all users (payload 5) or one template.
    USERTEMP_RRQ = 9;
    /// Reads an option.
    OPTIONS_RRQ = 11;
    /// Writes an option.
    OPTIONS_WRQ = 12;
    /// Reads the attendance log in the direct form.
    ATTLOG_RRQ = 13;
    /// Deletes data of a kind; without payload, everything.
    CLEAR_DATA = 14;
    /// Deletes the attendance log.
    CLEAR_ATTLOG = 15;
    /// Deletes a user.
    DELETE_USER = 18;
    /// Deletes a template by index and finger; in the way of old firmware.
    DELETE_USERTEMP = 19;
    /// Makes every administrator a common user.
    CLEAR_ADMIN = 20;
    /// Reads a person's access group.
    USERGRP_RRQ = 21;
    /// Writes a person's access group.
    USERGRP_WRQ = 22;
    /// Reads a person's time zones.
    USERTZ_RRQ = 23;
    /// Writes a person's time zones.
    USERTZ_WRQ = 24;
    /// Reads a group's time zones.
    GRPTZ_RRQ = 25;
    /// Writes a group's time zones.
    GRPTZ_WRQ = 26;
    /// Reads a time zone.
    TZ_RRQ = 27;
    /// Writes a time zone.
    TZ_WRQ = 28;
    /// Reads an unlock combination.
    ULG_RRQ = 29;
    /// Writes an unlock combination.
    ULG_WRQ = 30;
    /// Opens the door.
    UNLOCK = 31;
    /// Puts all access settings back to what they were when the device was new.
    CLEAR_ACC = 32;
    /// Deletes the operation log.
    CLEAR_OPLOG = 33;
    /// Reads the operation log.
    OPLOG_RRQ = 34;
    /// Asks how full the tables are.
    GET_FREE_SIZES = 50;
    /// Returns to the normal verification state.
    STARTVERIFY = 60;
    /// Starts an enrolment.
    STARTENROLL = 61;
    /// Ends an enrolment.
    CANCELCAPTURE = 62;
    /// Asks for the state; the answer stands in the session field.
    STATE_RRQ = 64;
    /// Writes on the display.
    WRITE_LCD = 66;
    /// Clears the display.
    CLEAR_LCD = 67;
    /// Asks how many digits a user id may have.
    GET_PINWIDTH = 69;
    /// Writes a short message.
    SMS_WRQ = 70;
    /// Reads a short message.
    SMS_RRQ = 71;
    /// Deletes a short message.
    DELETE_SMS = 72;
    /// Gives a short message to a person.
    UDATA_WRQ = 73;
    /// Takes a short message from a person.
    DELETE_UDATA = 74;
    /// Asks whether the door is open.
    DOORSTATE_RRQ = 75;
    /// Writes how a person is to be verified.
    VERIFY_WRQ = 79;
    /// Reads how a person is to be verified.
    VERIFY_RRQ = 80;
    /// Stores the template that was uploaded.
    TMP_WRITE = 87;
    /// Reads one template.
    TEMPLATE_RRQ = 88;
    /// Stores the block of users and templates that was uploaded.
    SAVE_USERTEMPS = 110;
    /// Asks for a checksum of what was uploaded.
    CHECKSUM_BUFFER = 119;
    /// Deletes a template by user id and finger.
    DELETE_FINGER = 134;
    /// Reads the clock.
    GET_TIME = 201;
    /// Sets the clock.
    SET_TIME = 202;
    /// To the device: registers for events. From it: an event.
    REG_EVENT = 500;
    /// Opens a session.
    CONNECT = 1000;
    /// Ends the session.
    EXIT = 1001;
    /// Lets people use the device again.
    ENABLEDEVICE = 1002;
    /// Shows "working" and takes no input.
    DISABLEDEVICE = 1003;
    /// Restarts the device.
    RESTART = 1004;
    /// Switches the device off.
    POWEROFF = 1005;
    /// Makes changed data effective.
    REFRESHDATA = 1013;
    /// Makes changed options effective.
    REFRESHOPTION = 1014;
    /// Plays a voice prompt.
    TESTVOICE = 1017;
    /// Asks for the firmware version.
    GET_VERSION = 1100;
    /// Authenticates with the comm key.
    AUTH = 1102;
    /// Announces data: total bytes, bytes per packet at most.
    PREPARE_DATA = 1500;
    /// Carries data.
    DATA = 1501;
    /// Releases the device's transfer buffer.
    FREE_DATA = 1502;
    /// Asks the device to put a table into its transfer buffer.
    DATA_WRRQ = 1503;
    /// Reads a chunk of the transfer buffer.
    DATA_RDY = 1504;
    /// Done.
    ACK_OK = 2000;
    /// Failed, not supported, or an empty table.
    ACK_ERROR = 2001;
    /// Done, with data.
    ACK_DATA = 2002;
    /// To be tried again.
    ACK_RETRY = 2003;
    /// To be tried again.
    ACK_REPEAT = 2004;
    /// Not authenticated.
    ACK_UNAUTH = 2005;
    /// Authentication locked after failures (newer firmware).
    ACK_AUTH_LOCKED = 2032;
    /// Memory overflow.
    ERR_MEMORY = 4987;
    /// Not enough memory.
    ERR_NO_MEMORY = 4988;
    /// No data, or no buffer for it.
    ERR_NO_DATA = 4989;
    /// Database full.
    ERR_FULL = 4990;
    /// Not found.
    ERR_NOT_FOUND = 4991;
    /// Deleting failed.
    ERR_DELETE = 4992;
    /// Reading failed, or the template is not there.
    ERR_READ = 4993;
    /// Updating failed.
    ERR_UPDATE = 4994;
    /// Adding failed.
    ERR_ADD = 4995;
    /// A parameter is invalid.
    ERR_PARAMETER = 4996;
    /// A length is invalid.
    ERR_LENGTH = 4997;
    /// The option could not be written.
    ERR_OPTION_WRITE = 4998;
    /// The option could not be read, or is not known.
    ERR_OPTION_READ = 4999;
    /// Newer firmware that wants its own encrypted handshake.
    ACK_SECURE = 6001;
    /// The data is wrong.
    ACK_ERROR_DATA = 65531;
    /// Not initialised.
    ACK_ERROR_INIT = 65532;
    /// The command is wrong.
    ACK_ERROR_CMD = 65533;
    /// The command is unknown.
    ACK_UNKNOWN = 65535;
}

impl Command {
    /// Whether a reply with this code says "this firmware does not know the command".
    #[must_use]
    pub const fn is_unsupported(self) -> bool {
        matches!(self, Self::ACK_UNKNOWN | Self::ACK_ERROR_CMD)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "code {}", self.0),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_have_names_and_unknown_ones_stay_numbers() {
        assert_eq!(Command::GET_TIME.to_string(), "GET_TIME (201)");
        assert_eq!(Command(10063).to_string(), "code 10063");
    }
}
