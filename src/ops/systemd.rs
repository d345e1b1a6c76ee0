//! What the service manager is told. Outside systemd every function here does nothing.
//!
//! A message is one datagram. The system queues a few; while systemd does not read them at all, the sender waits,
//! so only threads that may wait send: main at start and stop, and the watchdog.

use std::time::Duration;

use sd_notify::NotifyState;

/// The service answers: sent once, after it listens.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// The line that `systemctl status` shows.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(&one_line(text))]);
}

/// The service is alive, as far as the watchdog could see, and this is its line.
pub fn alive(status: &str) {
    tell(&[NotifyState::Watchdog, NotifyState::Status(&one_line(status))]);
}

/// A reload has begun; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => log::debug!("no monotonic time for systemd: {error}"),
    }
}

/// The service is going down in order.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&one_line(status))]);
}

/// Within which time systemd wants to hear from the watchdog; `None` when it does not.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd could not be told: {error}");
    }
}

// A line break would begin another message to systemd.
fn one_line(text: &str) -> String {
    text.chars().take(STATUS_CEILING).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The longest status line, in characters.
const STATUS_CEILING: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_cannot_hold_a_second_message() {
        assert_eq!(one_line("12/14 up\nWATCHDOG=1"), "12/14 up WATCHDOG=1");
        assert_eq!(one_line(&"ü".repeat(500)).chars().count(), STATUS_CEILING);
    }
}
