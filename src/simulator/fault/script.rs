//! What a connection is told to do.

use std::time::Duration;

/// One step of a script.
#[derive(Debug)]
pub(crate) enum Step {
    /// Bytes, in one piece.
    Send(Vec<u8>),
    /// Bytes in pieces: of exactly `most` bytes or of 1 to `most`, with a pause after each.
    Pieces { bytes: Vec<u8>, at: usize, most: usize, exact: bool, pause: Duration, rng: fastrand::Rng },
    /// A pause.
    Wait(Duration),
    /// The end of the stream, in order.
    Fin,
    /// A reset.
    Rst,
    /// Silence from here on.
    Mute,
    /// The device restarts.
    Reboot(Duration),
}
