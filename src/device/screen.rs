//! What stands on the display of old devices.

use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::wire::command::Command;
use crate::wire::encoding::{NameEncoding, NotEncodable};
use crate::wire::text::{FixedText, TextTooLong};

/// One line of text for a display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreenLine {
    line: u16,
    text: FixedText<60>,
}

/// A text that no display shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScreenError {
    /// A character that the device's encoding does not have.
    #[error(transparent)]
    NotEncodable(#[from] NotEncodable),
    /// Too long.
    #[error(transparent)]
    TooLong(#[from] TextTooLong),
}

impl ScreenLine {
    /// Takes a text for a line, counted from 0.
    ///
    /// # Errors
    /// [`ScreenError`].
    pub fn new(line: u16, text: &str, encoding: NameEncoding) -> Result<Self, ScreenError> {
        Ok(Self { line, text: FixedText::new(&encoding.encode(text)?)? })
    }
}

impl Session {
    /// Writes a line on the display; newer devices acknowledge it and show nothing.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn write_lcd(&mut self, line: &ScreenLine, deadline: Deadline) -> Result<(), DeviceError> {
        let head = [&line.line.to_le_bytes()[..], &[0, b' ']].concat();
        let payload = [&head, line.text.as_bytes(), &[0]].concat();
        self.effect(Request::new(Command::WRITE_LCD, payload), deadline)
    }

    /// Clears the display.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn clear_lcd(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.effect(Request::bare(Command::CLEAR_LCD), deadline)
    }
}
