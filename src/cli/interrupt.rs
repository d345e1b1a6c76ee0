//! Ctrl-C, for what must be ended properly: a session is told goodbye, a device that enrols verifies people again.

use crossbeam_channel::{Receiver, bounded};

use super::failure::{Done, Failure};
use crate::ops::signals::Signals;

/// Gets a message when somebody wants to end it; a second wish ends the process at once. For the rest of the run.
pub(super) fn interrupts() -> Done<Receiver<()>> {
    let (tell, told) = bounded(1);
    let wish = move || {
        // Told once is told.
        let _ = tell.try_send(());
    };
    // A terminal that is closed is nobody's wish to go on.
    let signals = Signals::start(wish.clone(), wish);
    // It listens for as long as the process lives.
    signals
        .map(|_signals| told)
        .map_err(|error| Failure::new("internal", format!("signals cannot be heard: {error}")))
}
