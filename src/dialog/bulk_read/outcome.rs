//! What a read yields, and what it learned of the device.

use crate::wire::command::Command;

/// What a read yields.
#[derive(Debug)]
pub struct Bulk {
    /// The table with its size word, or the part that was asked for; empty when the device has none, or when it
    /// was only to be prepared and is.
    pub data: Vec<u8>,
    /// How it was read.
    pub method: Method,
    /// The code with which the device said that there is nothing, if it did.
    pub nothing: Option<Command>,
    /// What became of the device's transfer buffer.
    pub buffer: Buffer,
}

/// What became of a device's transfer buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Nothing is in it: it was not needed, or the device took it back.
    Free,
    /// The device did not say that it took it back; the session should not be used again.
    Doubtful,
    /// The table stands in it, this many bytes, its size word included.
    Holds(u32),
}

/// How a table is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Into the device's transfer buffer, and from there in chunks.
    #[default]
    Buffered,
    /// With the table's own command: old firmware knows nothing else.
    Direct,
}
