//! One thread waiting on many sockets: `epoll` with an event counter as its bell, one system call per wait.
//!
//! A socket is in the list for as long as its [`Watched`] is held and not a moment longer: it owns the socket and
//! takes it out before it lets go of it. What is waited for and what is done then is left to the callers.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

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
    fn flags(self) -> EventFlags {
        let wanted = match self {
            // A connection that is reset is told of all the same: the kernel knows no way to be asked not to.
            Self::Nothing => EventFlags::empty(),
            Self::Read => READ,
            Self::Write => EventFlags::OUT,
            Self::Both => READ.union(EventFlags::OUT),
        };
        wanted | EventFlags::ONESHOT
    }
}

const READ: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::PRI);
/// What both readers and writers must hear.
const BROKEN: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

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
pub struct ReadyList(Vec<Event>);

/// Sockets that one wait can bring; the others come with the next one.
const ROOM: usize = 512;

impl ReadyList {
    /// Room for what one wait can bring; what does not fit comes with the next one.
    #[must_use]
    pub fn new() -> Self {
        Self(Vec::with_capacity(ROOM))
    }

    /// The sockets that have something to say.
    pub fn iter(&self) -> impl Iterator<Item = Ready> + '_ {
        let sockets = self.0.iter().filter(|event| event.data.u64() != BELL);
        sockets.map(|event| Ready {
            // It was a `usize` when it was registered.
            key: usize::try_from(event.data.u64()).unwrap_or(usize::MAX),
            readable: { event.flags }.intersects(READ | BROKEN),
            writable: { event.flags }.intersects(EventFlags::OUT | BROKEN),
        })
    }
}

impl Default for ReadyList {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ReadyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The place where one thread waits; clones share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    epoll: OwnedFd,
    /// A counter that is only ever counted up: each count is news to the list, so nobody has to read it.
    bell: OwnedFd,
}

/// The key of the bell, which no socket has.
const BELL: u64 = u64::MAX;

/// A socket that is registered for as long as it is held.
///
/// Interest is one-shot: after each [`Ready`] it must be asked for again with [`Watched::want`].
#[derive(Debug)]
pub struct Watched<S: AsFd> {
    // Always there until `into_inner` or `drop`; an Option only so that either can take it.
    socket: Option<S>,
    key: usize,
    place: Arc<Place>,
}

impl Readiness {
    /// # Errors
    /// When the operating system grants no poller.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { place: Arc::new(Place { epoll, bell }) })
    }

    /// Registers a socket under a key of the caller's choice (any but `usize::MAX`).
    ///
    /// # Errors
    /// When the poller refuses it; the socket is closed then.
    pub fn watch<S: AsFd>(&self, socket: S, key: usize, interest: Interest) -> io::Result<Watched<S>> {
        epoll::add(&self.place.epoll, &socket, data(key), interest.flags())?;
        Ok(Watched { socket: Some(socket), key, place: Arc::clone(&self.place) })
    }

    /// Waits until a socket is ready, `limit` has passed (`None`: for ever) or someone calls [`Readiness::wake`].
    /// A limit is rounded up to a millisecond, and cut to a day.
    ///
    /// # Errors
    /// When the poller fails; an interruption by a signal counts as an empty answer.
    pub fn wait(&self, into: &mut ReadyList, limit: Option<Duration>) -> io::Result<()> {
        into.0.clear();
        let limit = limit.map(|limit| Timespec::try_from(limit.min(LONGEST)).unwrap_or_default());
        match epoll::wait(&self.place.epoll, spare_capacity(&mut into.0), limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Wakes the thread that waits, or the next one that will.
    pub fn wake(&self) {
        match rustix::io::write(&self.place.bell, &1u64.to_ne_bytes()) {
            // A counter that is full is news that nobody has heard yet.
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(error) => log::error!("a waiting thread could not be woken: {error}"),
        }
    }
}

/// The longest single wait.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

fn data(key: usize) -> EventData {
    EventData::new_u64(key as u64)
}

impl<S: AsFd> Watched<S> {
    /// Asks to be told once more.
    ///
    /// # Errors
    /// When the poller refuses.
    pub fn want(&self, interest: Interest) -> io::Result<()> {
        match &self.socket {
            Some(socket) => {
                epoll::modify(&self.place.epoll, socket, data(self.key), interest.flags())?;
                Ok(())
            }
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
        if let Err(error) = epoll::delete(&self.place.epoll, &socket) {
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
        let mut ready = ReadyList::new();
        for _ in 0..3 {
            readiness.wake();
            readiness.wake();
            readiness.wait(&mut ready, None).unwrap();
            assert_eq!(ready.iter().count(), 0);
        }
        let since = std::time::Instant::now();
        let limit = Duration::from_millis(20);
        readiness.wait(&mut ready, Some(limit)).unwrap();
        assert!(since.elapsed() >= limit, "a wake ends one wait, not the next one too");
    }

    #[test]
    fn the_end_of_a_stream_is_read_and_a_broken_one_is_told_of_whatever_was_wanted() {
        let readiness = Readiness::new().unwrap();
        let mut ready = ReadyList::new();
        for interest in [Interest::Read, Interest::Write, Interest::Both, Interest::Nothing] {
            let (near, far) = UnixStream::pair().unwrap();
            let _watched = readiness.watch(far, 1, interest).unwrap();
            drop(near);
            readiness.wait(&mut ready, None).unwrap();
            let expected = Ready { key: 1, readable: true, writable: true };
            assert_eq!(ready.iter().collect::<Vec<_>>(), [expected], "{interest:?}");
        }
    }

    #[test]
    fn more_sockets_than_one_wait_can_bring_come_with_the_next_ones() {
        let readiness = Readiness::new().unwrap();
        let sockets = ROOM / 2 * 3;
        // One end for all: each is registered once by its own descriptor.
        let (mut near, far) = UnixStream::pair().unwrap();
        let watched: Vec<_> = (0..sockets)
            .map(|key| readiness.watch(far.try_clone().unwrap(), key, Interest::Read).unwrap())
            .collect();
        near.write_all(b"x").unwrap();
        let (mut ready, mut seen) = (ReadyList::new(), std::collections::BTreeSet::new());
        while seen.len() < sockets {
            readiness.wait(&mut ready, None).unwrap();
            seen.extend(ready.iter().map(|ready| ready.key));
        }
        drop(watched);
    }
}
