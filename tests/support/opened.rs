//! A store that is closed when the test lets go of it, so that nothing of it outlives the test's directory.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zkgate::base::deadline::Deadline;
use zkgate::store::Store;

pub(crate) struct Opened(pub(crate) Arc<Store>);

impl Deref for Opened {
    type Target = Arc<Store>;

    fn deref(&self) -> &Arc<Store> {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // A database that is frozen does not let go; that is the test's own doing.
        let _ = self.0.close(Deadline::after(Instant::now(), Duration::from_secs(5)));
    }
}
