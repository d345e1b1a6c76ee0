//! The only thing that faces the network: one thread, a readiness loop, thousands of connections.
//!
//! It takes requests under limits and total deadlines, frames them strictly and passes each, complete and with a
//! head written anew, to the engine over one of a fixed number of kept connections (*links*); answers go back
//! under deadlines of their own. No client can occupy a thread, and all numbers are known at start. What a
//! request means is left to whoever receives it from the engine.

mod client;
mod clients;
mod errands;
mod head;
mod intake;
mod limits;
mod links;
mod outgoing;
mod reactor;
mod refusal;
mod relay;
mod standing;
mod stats;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::base::deadline::Deadline;
use crate::base::liveness::Liveness;
use crate::base::lock::lock;
use crate::base::readiness::Readiness;
use crate::base::threads::{self, SMALL_STACK};

pub use limits::Limits;
pub use stats::AcceptorStats;

use reactor::Reactor;
use stats::Counters;

/// A running acceptor. Dropped without [`Acceptor::stop`], it stops at once and is not waited for.
#[derive(Debug)]
pub struct Acceptor {
    local_addr: SocketAddr,
    counters: Arc<Counters>,
    control: Arc<Control>,
    readiness: Readiness,
    thread: Option<JoinHandle<()>>,
}

/// What the acceptor's thread has been told.
#[derive(Debug, Default)]
struct Control {
    /// guards: the order
    order: Mutex<Order>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Serve,
    /// Close the listener, go on serving who is connected.
    StopAccepting,
    /// Close the listener, answer what is in flight until then, close.
    Stop(Instant),
}

/// A listening socket for the acceptor.
///
/// # Errors
/// When the operating system refuses; most often somebody listens there already.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Acceptor {
    /// Starts to serve the clients of this listener from the engine at `upstream`.
    ///
    /// It serves as soon as the first link to the engine is up, which needs a caller in
    /// [`receive`](crate::http::engine::Engine::receive); the other links follow one after the other.
    ///
    /// # Errors
    /// When the operating system refuses a poller or the thread, or `upstream` is no path for a socket.
    pub fn start(
        listener: TcpListener,
        upstream: PathBuf,
        limits: Limits,
        liveness: &Liveness,
    ) -> io::Result<Self> {
        let local_addr = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let options = SockRef::from(&listener);
        // Accepted sockets inherit these two.
        options.set_tcp_nodelay(true)?;
        options.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        options.listen(BACKLOG)?;
        let readiness = Readiness::new()?;
        let own_address = Some(local_addr.ip().to_canonical()).filter(|address| !address.is_unspecified());
        let limits = Limits { own_address, ..limits };
        let counters = Arc::new(Counters::default());
        let control = Arc::new(Control::default());
        let reactor = Reactor::new(
            readiness.clone(),
            listener,
            &upstream,
            limits,
            Arc::clone(&counters),
            Arc::clone(&control),
        )?;
        let pulse = liveness.enter("acceptor", SILENCE, Instant::now());
        let thread = threads::spawn("acceptor", SMALL_STACK, move || reactor.run(&pulse))?;
        Ok(Self { local_addr, counters, control, readiness, thread: Some(thread) })
    }

    /// The address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Its counts now.
    #[must_use]
    pub fn stats(&self) -> AcceptorStats {
        self.counters.snapshot()
    }

    /// Closes the listener; who is connected is still served.
    pub fn stop_accepting(&self) {
        self.order(Order::StopAccepting);
    }

    /// Closes the listener, lets the requests in flight have their answers until the deadline, then closes
    /// every connection and waits for the thread.
    pub fn stop(mut self, deadline: Deadline) {
        self.order(Order::Stop(deadline.instant()));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the acceptor had ended in a panic");
        }
    }

    fn order(&self, order: Order) {
        *lock(&self.control.order) = order;
        self.readiness.wake();
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.order(Order::Stop(Instant::now()));
        }
    }
}

/// How long the loop may be silent before the watchdog must think it dead; it turns at least once a second.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a client's host may leave bytes unacknowledged.
const USER_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that the kernel holds for us.
const BACKLOG: i32 = 1024;
