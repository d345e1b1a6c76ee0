//! Tells systemd that the service is alive, and only when it is: a real request through the front door was
//! answered, and no loop has fallen silent.
//!
//! It needs no pulse of its own: when this thread stops, systemd hears nothing and acts.

use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::{probe, systemd};
use crate::base::deadline::Deadline;
use crate::base::liveness::Liveness;
use crate::base::threads;

/// For the whole request.
pub const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// The time between two rounds when systemd did not say when it wants to hear.
pub const PACE_WITHOUT_SYSTEMD: Duration = Duration::from_secs(5);

/// The running watchdog; ends when it is dropped or stopped.
#[derive(Debug)]
pub struct Watchdog {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watchdog {
    /// Starts it: the first round is at once. `status` gives the line for `systemctl status`; it must not wait.
    ///
    /// # Errors
    /// When there is no further thread.
    pub fn start<F>(listen: SocketAddr, liveness: Liveness, status: F) -> io::Result<Self>
    where
        F: Fn() -> String + Send + 'static,
    {
        let pace = systemd::watchdog_interval().map_or(PACE_WITHOUT_SYSTEMD, |interval| interval / 3);
        let (stop, stopped) = bounded(0);
        let thread = threads::spawn("watchdog", threads::SMALL_STACK, move || {
            let look = || round(listen, &liveness);
            watch(&stopped, pace, look, |said| match said {
                Said::Good { news } => {
                    systemd::alive(&status());
                    if news {
                        log::info!("the service answers again");
                    }
                }
                Said::Bad { why, news: true } => log::error!("the watchdog is not fed: {why}"),
                Said::Bad { why, news: false } => log::debug!("the watchdog is not fed: {why}"),
            });
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends it and waits until it has ended: at most [`PROBE_LIMIT`].
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            log::error!("the watchdog had panicked");
        }
    }
}

/// One round's result.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// All is well; `news` when it was not before.
    Good { news: bool },
    /// It is not; `news` when it was before.
    Bad { why: String, news: bool },
}

fn watch(
    stopped: &Receiver<()>,
    pace: Duration,
    mut look: impl FnMut() -> Result<(), String>,
    mut say: impl FnMut(Said),
) {
    let mut good = true;
    loop {
        let said = match look() {
            Ok(()) => Said::Good { news: !good },
            Err(why) => Said::Bad { why, news: good },
        };
        good = matches!(said, Said::Good { .. });
        say(said);
        match stopped.recv_timeout(pace) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn round(listen: SocketAddr, liveness: &Liveness) -> Result<(), String> {
    let silent = liveness.silent(Instant::now());
    if let Some(first) = silent.first() {
        let others = silent.len() - 1;
        return Err(format!(
            "{} has not turned for {:.1} s (and {others} others)",
            first.name,
            first.silence.as_secs_f64()
        ));
    }
    let deadline = Deadline::after(Instant::now(), PROBE_LIMIT);
    match probe::get(listen, "/healthz", deadline) {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(format!("/healthz answers {}", answer.status)),
        Err(error) => Err(error.told()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_good_rounds_feed_and_each_turn_is_news_once() {
        let (stop, stopped) = bounded(0);
        let mut stop = Some(stop);
        let mut rounds = [Ok(()), Err("a"), Err("b"), Ok(()), Ok(())].into_iter();
        let mut said = Vec::new();
        let look = || {
            let result = rounds.next().unwrap().map_err(str::to_owned);
            if rounds.len() == 0 {
                stop = None;
            }
            result
        };
        watch(&stopped, Duration::ZERO, look, |one| said.push(one));
        let bad = |why: &str, news| Said::Bad { why: why.into(), news };
        let good = |news| Said::Good { news };
        assert_eq!(said, [good(false), bad("a", true), bad("b", false), good(true), good(false)]);
    }

    #[test]
    fn a_round_is_a_real_request_and_a_look_at_every_loop() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            for status in ["200 OK", "503 Service Unavailable"] {
                let (mut stream, _) = listener.accept().unwrap();
                let read = stream.read(&mut [0; 1024]).unwrap();
                assert!(read > 0);
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
        let now = Instant::now();
        let liveness = Liveness::new(now);
        assert_eq!(round(address, &liveness), Ok(()));
        assert_eq!(round(address, &liveness), Err("/healthz answers 503".into()));
        server.join().unwrap();
        assert!(round(address, &liveness).unwrap_err().starts_with("no connection to 127.0.0.1:"));
        let past = now.checked_sub(Duration::from_secs(9)).unwrap_or(now);
        let late = Liveness::new(past);
        let _pulse = late.enter("watcher", Duration::from_millis(1), past);
        assert!(round(address, &late).unwrap_err().starts_with("watcher has not turned for "));
    }

    #[test]
    fn it_stops_when_told() {
        let watchdog =
            Watchdog::start("127.0.0.1:1".parse().unwrap(), Liveness::new(Instant::now()), String::new);
        watchdog.unwrap().stop();
    }
}
