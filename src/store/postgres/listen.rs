//! Hears of changes that others make: one connection of its own, LISTEN on one channel, on one thread.
//!
//! A notification carries nothing; it only says "read again". What could have been missed while there was no
//! connection is read after every new one.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use postgres::fallible_iterator::FallibleIterator;

use super::attach_rows::quoted;
use super::link::{Link, explain};
use crate::base::threads;
use crate::store::desk::Desk;
use crate::store::error::StoreError;

/// The listening thread; it ends soon after this is dropped.
pub(in crate::store) struct Listener {
    _stop: Sender<()>,
}

/// How long one wait for a notification is, and so how late the thread notices that it shall end.
const WAIT: Duration = Duration::from_secs(1);
/// The first and the longest pause between two attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Starts to listen, now or as soon as there is a database.
///
/// # Errors
/// When there is no thread to be had.
pub(in crate::store) fn listen(link: &Link, channel: &str, desk: &Arc<Desk>) -> Result<Listener, StoreError> {
    let (stop, stopped) = bounded(0);
    let (link, desk, channel) = (link.clone(), Arc::clone(desk), channel.to_owned());
    threads::spawn("store-listen", threads::LARGE_STACK, move || {
        threads::contained("store-listen", || keep_listening(&link, &channel, &desk, &stopped));
    })
    .map_err(|error| StoreError::Unusable { cause: format!("thread store-listen: {error}") })?;
    Ok(Listener { _stop: stop })
}

fn keep_listening(link: &Link, channel: &str, desk: &Desk, stopped: &Receiver<()>) {
    let mut pause = PAUSES.0;
    let mut told = false;
    loop {
        let mut was_listening = false;
        let listened = listen_once(link, channel, desk, stopped, || was_listening = true);
        if was_listening {
            pause = PAUSES.0;
            told = false;
        }
        if was_listening && listened.is_err() {
            // Most likely the database is gone, and this is the first to notice.
            desk.ask_reload();
        }
        match listened {
            Ok(()) => return,
            Err(error) if told => log::debug!("listening on {channel:?}: {}", explain(&error)),
            Err(error) => {
                told = true;
                log::info!(
                    "not listening on {channel:?} ({}); changes are found by polling meanwhile",
                    explain(&error)
                );
            }
        }
        match stopped.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => pause = (pause * 2).min(PAUSES.1),
            _ => return,
        }
    }
}

/// Listens until the connection ends (an error) or it is time to stop.
fn listen_once(
    link: &Link,
    channel: &str,
    desk: &Desk,
    stopped: &Receiver<()>,
    listening: impl FnOnce(),
) -> Result<(), postgres::Error> {
    let mut client = link.connect()?;
    client.batch_execute(&format!("listen {}", quoted(channel)))?;
    listening();
    desk.ask_reload();
    loop {
        if !matches!(stopped.try_recv(), Err(crossbeam_channel::TryRecvError::Empty)) {
            return Ok(());
        }
        let heard = client.notifications().timeout_iter(WAIT).next()?.is_some();
        // One reading answers them all.
        let mut notifications = client.notifications();
        let mut buffered = notifications.iter();
        while buffered.next()?.is_some() {}
        if heard {
            desk.ask_reload();
        }
    }
}
