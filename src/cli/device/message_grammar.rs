//! `zkgate device … message`: short messages on the display.

use clap::Subcommand;

use super::grammar::person_id;

/// Short messages on the display.
#[derive(Clone, Debug, Subcommand)]
pub enum Message {
    /// Show one
    Show {
        /// Its number
        id: u16,
    },
    /// Write one, verified by reading it back
    Write {
        /// Its number
        id: u16,
        /// What it says
        text: String,
        /// For how many minutes it is shown; 0 for always
        #[arg(long, value_name = "N", default_value_t = 0)]
        minutes: u16,
        /// From when on, such as 2026-07-14T08:00:00 [default: now]
        #[arg(long, value_name = "TIME")]
        start: Option<String>,
        /// The tag that says whom it is for; 253 is everybody on known firmware, 254 those it is given to; with @ID it is
        /// one of these two
        #[arg(long, default_value_t = 253)]
        tag: u8,
    },
    /// Delete one
    Delete {
        /// Its number
        id: u16,
    },
    /// Give one to a person
    Give {
        /// Its number
        id: u16,
        /// Their user id
        #[arg(value_parser = person_id)]
        user_id: String,
    },
    /// Take one from a person
    Take {
        /// Its number
        id: u16,
        /// Their user id
        #[arg(value_parser = person_id)]
        user_id: String,
    },
}
