//! Bytes ⇄ meaning of the protocol that ZKTeco terminals speak on port 4370, and nothing else: no socket, no
//! clock, no thread. Every decoder is total: any bytes give a value or a typed error.

pub mod comm_key;
