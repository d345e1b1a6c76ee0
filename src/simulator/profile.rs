//! Which kind of device is played: the families of terminals that differ on the wire, and a few strangers that
//! may answer on the same port. A profile is a row of settings; the model reads them and knows no names.

use std::fmt;

use crate::wire::command::Command;
use crate::wire::record::punch::PunchLayout;
use crate::wire::record::user::UserLayout;

/// A kind of device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Profile {
    /// Old black-and-white firmware: UDP only (TCP is accepted and stays silent), 28-byte users, 8-byte punches,
    /// no buffered reads.
    OldUdp,
    /// Like [`Profile::OldUdp`], with 16-byte punches and buffered reads.
    Bw16Udp,
    /// The usual colour-screen terminal: TCP and UDP, 72-byte users, 40-byte punches; a chunk comes in one packet.
    #[default]
    Tft,
    /// Like [`Profile::Tft`], but the direct read of the log over TCP delivers stale memory, and a chunk comes in
    /// packets of 1008 bytes.
    TftDirectBroken,
    /// Like [`Profile::Tft`], with packets of up to 65,528 bytes in every form and each announcement sent twice.
    TftBig,
    /// Visible-light firmware: 49-byte punches, all counts zero, newer error codes; disabling it is acknowledged
    /// and has no effect.
    Vl49,
    /// A small Wi-Fi device: four bytes of free sizes and hardly any option.
    D2,
    /// Like [`Profile::Tft`], and asks for the comm key even when none is set.
    Key,
    /// Newer firmware that wants its own encrypted handshake.
    Secure,
    /// An access panel that speaks another protocol.
    Panel,
    /// Not a terminal at all: an HTTP server.
    Http,
    /// Accepts TCP and never says a word, as devices in push mode do.
    PushSilent,
}

/// A name that no profile has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile {name:?}; there are {}", names())]
pub struct UnknownProfile {
    /// What was asked for.
    pub name: String,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 12] = [
        Self::OldUdp,
        Self::Bw16Udp,
        Self::Tft,
        Self::TftDirectBroken,
        Self::TftBig,
        Self::Vl49,
        Self::D2,
        Self::Key,
        Self::Secure,
        Self::Panel,
        Self::Http,
        Self::PushSilent,
    ];

    /// Takes a name such as `tft-big`.
    ///
    /// # Errors
    /// [`UnknownProfile`], which lists the names there are.
    pub fn parse(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| UnknownProfile { name: name.chars().take(40).collect() })
    }

    /// The name that [`Profile::parse`] takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OldUdp => "old-udp",
            Self::Bw16Udp => "bw16-udp",
            Self::Tft => "tft",
            Self::TftDirectBroken => "tft-direct-broken",
            Self::TftBig => "tft-big",
            Self::Vl49 => "vl49",
            Self::D2 => "d2",
            Self::Key => "key",
            Self::Secure => "secure",
            Self::Panel => "panel",
            Self::Http => "http",
            Self::PushSilent => "push-silent",
        }
    }

    /// The record layouts of its tables.
    #[must_use]
    pub fn layouts(self) -> (UserLayout, PunchLayout) {
        let traits = self.traits();
        (traits.users, traits.punches)
    }

    pub(crate) const fn traits(self) -> Traits {
        let tft = Traits {
            tcp: Answering::Device,
            udp: true,
            users: UserLayout::FULL,
            punches: PunchLayout::TEXT,
            buffered: true,
            fragment: 1008,
            chunk_fragment: 65_528,
            size_words: 23,
            counts: true,
            event: 32,
            absent_option: AbsentOption::Code(Command::ACK_ERROR),
            empty_log: Command::ACK_ERROR,
            double_announcement: false,
            stale_direct_log: false,
            asks_key: false,
            finger_events: true,
            heeds_disabling: true,
            secure: false,
            platform: "ZMM220_TFT",
            name: "K40",
            version: "Ver 6.60 (build39)",
            missing: &["ExtendOPLog", "~ZKFVVersion"],
        };
        let old = Traits {
            tcp: Answering::Nobody,
            users: UserLayout::Compact,
            punches: PunchLayout::Short,
            buffered: false,
            fragment: 1024,
            chunk_fragment: 1024,
            size_words: 20,
            event: 10,
            absent_option: AbsentOption::Empty,
            platform: "ZEM500",
            name: "U580",
            version: "Ver 6.21 (build12)",
            missing: &["ZKFaceVersion", "~PIN2Width", "~OS", "~SSR", "ExtendOPLog"],
            ..tft
        };
        match self {
            Self::Tft => tft,
            Self::OldUdp => old,
            Self::Bw16Udp => Traits { punches: PunchLayout::Numeric, buffered: true, event: 12, ..old },
            Self::TftDirectBroken => Traits {
                chunk_fragment: 1008,
                stale_direct_log: true,
                platform: "JZ4725_TFT",
                name: "Z40",
                ..tft
            },
            Self::TftBig => Traits {
                fragment: 65_528,
                size_words: 20,
                event: 52,
                double_announcement: true,
                platform: "ZMM210_TFT",
                name: "iFace702",
                ..tft
            },
            Self::Vl49 => Traits {
                udp: false,
                punches: PunchLayout::Text { stride: 49 },
                fragment: 65_528,
                size_words: 28,
                counts: false,
                heeds_disabling: false,
                finger_events: false,
                absent_option: AbsentOption::Code(Command::ERR_OPTION_READ),
                empty_log: Command::ERR_NO_DATA,
                platform: "ZAM180_TFT",
                name: "MB560-VL",
                version: "Ver 6.60 (build82)",
                ..tft
            },
            Self::D2 => Traits {
                udp: false,
                size_words: 1,
                platform: "AK3750WIFI_TFT",
                name: "D2",
                missing: &["~DeviceName", "ZKFaceVersion", "FaceFunOn", "~SSR", "WorkCode", "~UserExtFmt"],
                ..tft
            },
            Self::Key => Traits { asks_key: true, ..tft },
            Self::Secure => Traits { udp: false, secure: true, platform: "ZAM70", name: "SenseFace", ..tft },
            Self::Panel => Traits { tcp: Answering::Panel, udp: false, ..tft },
            Self::Http => Traits { tcp: Answering::Http, udp: false, ..tft },
            Self::PushSilent => Traits { tcp: Answering::Nobody, udp: false, ..tft },
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn names() -> String {
    Profile::ALL.map(Profile::name).join(", ")
}

/// Who answers on the TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answering {
    /// The device.
    Device,
    /// Connections are accepted; nobody speaks.
    Nobody,
    /// An access panel.
    Panel,
    /// An HTTP server.
    Http,
}

/// What is answered for an option that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbsentOption {
    /// This reply code.
    Code(Command),
    /// Done, with an empty value.
    Empty,
}

/// How one profile differs from the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    pub(crate) tcp: Answering,
    pub(crate) udp: bool,
    pub(crate) users: UserLayout,
    pub(crate) punches: PunchLayout,
    /// Whether tables can be read through the transfer buffer.
    pub(crate) buffered: bool,
    /// The most data bytes in one packet over TCP, in the direct form.
    pub(crate) fragment: usize,
    /// The same for a chunk of the transfer buffer.
    pub(crate) chunk_fragment: usize,
    /// Four-byte words in the free sizes.
    pub(crate) size_words: usize,
    /// Whether the counts in the free sizes are true; otherwise they are zero.
    pub(crate) counts: bool,
    /// Bytes in the event of a punch.
    pub(crate) event: usize,
    pub(crate) absent_option: AbsentOption,
    /// The answer to reading an empty attendance log.
    pub(crate) empty_log: Command,
    pub(crate) double_announcement: bool,
    pub(crate) stale_direct_log: bool,
    pub(crate) asks_key: bool,
    /// Whether it tells of every finger that is placed.
    pub(crate) finger_events: bool,
    /// Whether disabling the device keeps people from punching, and is not only acknowledged.
    pub(crate) heeds_disabling: bool,
    pub(crate) secure: bool,
    pub(crate) platform: &'static str,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Options that this firmware does not have.
    pub(crate) missing: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_found_by_its_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.name()), Ok(profile));
        }
        let error = Profile::parse("tff").unwrap_err().to_string();
        assert!(error.contains("tft-direct-broken"), "{error}");
    }
}
