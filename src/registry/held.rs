//! A session and its place in the readiness list: what workers and the watcher hand to each other.

use std::sync::Arc;

use crate::base::readiness::Watched;
use crate::device::Session;
use crate::transport::Socket;

/// A session with its place in the readiness list.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) session: Box<Session>,
    pub(super) watch: Watched<Arc<Socket>>,
}
