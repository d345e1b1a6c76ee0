//! Signals, on a thread of their own: the first TERM or INT asks to stop, a second one does not ask.
//!
//! HUP asks to reload. What stopping and reloading mean is the app's business; its callbacks must not wait.

use std::io;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals as Incoming};

use crate::base::threads;

/// The running thread; ends when told.
#[derive(Debug)]
pub struct Signals {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Signals {
    /// Starts listening.
    ///
    /// # Errors
    /// When the handlers cannot be installed or there is no further thread.
    pub fn start<S, R>(stop: S, reload: R) -> io::Result<Self>
    where
        S: Fn() + Send + 'static,
        R: Fn() + Send + 'static,
    {
        let mut incoming = Incoming::new([SIGTERM, SIGINT, SIGHUP])?;
        let handle = incoming.handle();
        let thread = threads::spawn("signals", threads::SMALL_STACK, move || {
            let mut wishes = Wishes::default();
            for signal in incoming.forever() {
                match wishes.hear(signal) {
                    Wish::Reload => reload(),
                    Wish::Stop => stop(),
                    Wish::StopNow { code } => std::process::exit(code),
                }
            }
        })?;
        Ok(Self { handle, thread })
    }

    /// Stops listening; from then on these signals are ignored, for the process is at its end anyway.
    pub fn stop(self) {
        self.handle.close();
        if self.thread.join().is_err() {
            log::error!("the signals thread had panicked");
        }
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Reload,
    Stop,
    StopNow { code: i32 },
}

#[derive(Debug, Default)]
struct Wishes {
    stopping: bool,
}

impl Wishes {
    fn hear(&mut self, signal: i32) -> Wish {
        match (signal, self.stopping) {
            (SIGHUP, _) => Wish::Reload,
            (_, false) => {
                self.stopping = true;
                Wish::Stop
            }
            // What a shell shows for a program that the signal ended.
            (signal, true) => Wish::StopNow { code: 128 + signal },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::unbounded;
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn a_second_wish_to_stop_is_no_wish_any_more() {
        let mut wishes = Wishes::default();
        assert_eq!(wishes.hear(SIGHUP), Wish::Reload);
        assert_eq!(wishes.hear(SIGTERM), Wish::Stop);
        assert_eq!(wishes.hear(SIGHUP), Wish::Reload);
        assert_eq!(wishes.hear(SIGINT), Wish::StopNow { code: 130 });
        assert_eq!(wishes.hear(SIGTERM), Wish::StopNow { code: 143 });
    }

    #[test]
    fn signals_reach_their_callbacks() {
        let (said, heard) = unbounded();
        let told = said.clone();
        let signals =
            Signals::start(move || said.send("stop").unwrap(), move || told.send("reload").unwrap()).unwrap();
        for (signal, expected) in [(SIGHUP, "reload"), (SIGTERM, "stop")] {
            raise(signal).unwrap();
            assert_eq!(heard.recv_timeout(Duration::from_secs(10)), Ok(expected));
        }
        signals.stop();
    }
}
