//! One thread waiting on many sockets: a thin, safe face over `polling`.
//!
//! `polling` asks its callers to promise that a registered socket is removed before it is closed; that is why
//! its `add` is unsafe. Here the promise is kept by a type: [`Watched`] owns the socket and removes it from the
//! poller before it lets go of it.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};

/// What a waiting thread wants to hear of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing for now.
    Nothing,
    /// Bytes or an end of stream to read.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
}

impl Interest {
    fn event(self, key: usize) -> Event {
        match self {
            Self::Nothing => Event::none(key),
            Self::Read => Event::readable(key),
            Self::Write => Event::writable(key),
            Self::Both => Event::all(key),
        }
    }
}

/// One socket that has something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The key it was registered with.
    pub key: usize,
    /// Bytes, an end of stream or an error can be read.
    pub readable: bool,
    /// There is room to write, or an error to hear.
    pub writable: bool,
}

/// What one wait brought, kept between waits so that waiting allocates nothing.
#[derive(Debug, Default)]
pub struct ReadyList(Events);

impl ReadyList {
    /// Room for what one wait can bring; what does not fit comes with the next one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The sockets that have something to say.
    pub fn iter(&self) -> impl Iterator<Item = Ready> + '_ {
        self.0.iter().map(|event| Ready {
            key: event.key,
            readable: event.readable,
            writable: event.writable,
        })
    }
}

/// The place where one thread waits; clones share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    poller: Arc<Poller>,
}

/// A socket that is registered for as long as it is held.
///
/// Interest is one-shot: after each [`Ready`] it must be asked for again with [`Watched::want`].
#[derive(Debug)]
pub struct Watched<S: AsFd> {
    // Always there until `into_inner` or `drop`; an Option only so that either can take it.
    socket: Option<S>,
    key: usize,
    poller: Arc<Poller>,
}

impl Readiness {
    /// # Errors
    /// When the operating system grants no poller.
    pub fn new() -> io::Result<Self> {
        Ok(Self { poller: Arc::new(Poller::new()?) })
    }

    /// Registers a socket under a key of the caller's choice (any but `usize::MAX`).
    ///
    /// # Errors
    /// When the poller refuses it; the socket is closed then.
    #[allow(unsafe_code)]
    pub fn watch<S: AsFd>(&self, socket: S, key: usize, interest: Interest) -> io::Result<Watched<S>> {
        // SAFETY: the raw descriptor belongs to `socket`, which moves into the `Watched` below and leaves it
        // only through `release`, after `delete` was called. `AsFd` types own their descriptor and keep it.
        unsafe {
            self.poller.add_with_mode(socket.as_fd().as_raw_fd(), interest.event(key), PollMode::Oneshot)?;
        }
        Ok(Watched { socket: Some(socket), key, poller: Arc::clone(&self.poller) })
    }

    /// Waits until a socket is ready, `limit` has passed (`None`: for ever) or someone calls [`Readiness::wake`].
    ///
    /// # Errors
    /// When the poller fails; an interruption by a signal counts as an empty answer.
    pub fn wait(&self, into: &mut ReadyList, limit: Option<Duration>) -> io::Result<()> {
        into.0.clear();
        match self.poller.wait(&mut into.0, limit) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Wakes the thread that waits, or the next one that will.
    pub fn wake(&self) {
        if let Err(error) = self.poller.notify() {
            log::error!("a waiting thread could not be woken: {error}");
        }
    }
}

impl<S: AsFd> Watched<S> {
    /// Asks to be told once more.
    ///
    /// # Errors
    /// When the poller refuses.
    pub fn want(&self, interest: Interest) -> io::Result<()> {
        match &self.socket {
            Some(socket) => self.poller.modify_with_mode(socket, interest.event(self.key), PollMode::Oneshot),
            None => Ok(()),
        }
    }

    /// The socket.
    ///
    /// # Panics
    /// Never: a `Watched` without its socket cannot be reached from outside.
    #[allow(clippy::expect_used)]
    pub fn socket(&self) -> &S {
        self.socket.as_ref().expect("held until it is released")
    }

    /// The key it was registered with.
    #[must_use]
    pub fn key(&self) -> usize {
        self.key
    }

    /// Takes the socket out of the poller and gives it back.
    ///
    /// # Panics
    /// Never: see [`Watched::socket`].
    #[allow(clippy::expect_used)]
    #[must_use]
    pub fn into_inner(mut self) -> S {
        self.release().expect("held until it is released")
    }

    fn release(&mut self) -> Option<S> {
        let socket = self.socket.take()?;
        if let Err(error) = self.poller.delete(&socket) {
            log::debug!("a socket was not in the poller any more: {error}");
        }
        Some(socket)
    }
}

impl<S: AsFd> Drop for Watched<S> {
    fn drop(&mut self) {
        drop(self.release());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_ready_socket_is_named_once_per_want() {
        let readiness = Readiness::new().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        let watched = readiness.watch(far, 7, Interest::Read).unwrap();
        near.write_all(b"x").unwrap();
        let mut ready = ReadyList::new();
        readiness.wait(&mut ready, None).unwrap();
        assert_eq!(ready.iter().map(|r| (r.key, r.readable)).collect::<Vec<_>>(), [(7, true)]);
        readiness.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready.iter().count(), 0, "one-shot: not told again before it is wanted");
        watched.want(Interest::Read).unwrap();
        readiness.wait(&mut ready, None).unwrap();
        assert_eq!(ready.iter().count(), 1);
    }

    #[test]
    fn a_released_socket_stays_open_and_is_not_reported() {
        let readiness = Readiness::new().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        let far = readiness.watch(far, 1, Interest::Read).unwrap().into_inner();
        near.write_all(b"x").unwrap();
        let mut ready = ReadyList::new();
        readiness.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready.iter().count(), 0);
        drop(far);
    }

    #[test]
    fn a_wake_ends_a_wait() {
        let readiness = Readiness::new().unwrap();
        readiness.wake();
        let mut ready = ReadyList::new();
        readiness.wait(&mut ready, None).unwrap();
        assert_eq!(ready.iter().count(), 0);
    }
}
