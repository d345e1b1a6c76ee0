//! Bytes ⇄ meaning of the protocol that ZKTeco terminals speak on port 4370, and nothing else: no socket, no
//! clock, no thread. Every decoder is total: any bytes give a value or a typed error.
//!
//! All integers are little endian. "Device" is the server of every conversation; a *request* goes to it, a
//! *reply* or an *event* comes from it.

pub mod access;
pub mod bulk;
pub mod bytes;
pub mod capture;
pub mod carrier;
pub mod checksum;
pub mod clock_word;
pub mod comm_key;
pub mod command;
pub mod encoding;
pub mod enrolment;
pub mod event;
pub mod frame;
pub mod message;
pub mod option;
pub mod packet;
pub mod record;
pub mod sizes;
pub mod text;
