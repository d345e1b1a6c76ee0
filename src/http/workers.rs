//! The HTTP workers: a fixed number of threads that authenticate, route and parse, and never wait for anything but
//! the next request.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::call::Call;
use super::engine::{Engine, Incoming};
use super::gateway::Gateway;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Found, find};
use crate::base::threads::{SMALL_STACK, contained, spawn};

/// Starts the workers. They end when the engine does; `died` is called once for each if it ended by itself.
///
/// # Errors
/// When the operating system grants no thread.
pub fn start(
    count: usize,
    engine: &Arc<Engine>,
    gateway: &Arc<Gateway>,
    died: impl Fn() + Send + Sync + 'static,
) -> io::Result<Vec<JoinHandle<()>>> {
    let died = Arc::new(died);
    (1..=count)
        .map(|number| {
            let (engine, gateway, died) = (Arc::clone(engine), Arc::clone(gateway), Arc::clone(&died));
            spawn(format!("http-{number}"), SMALL_STACK, move || {
                loop {
                    match engine.receive() {
                        Ok(incoming) => {
                            // A panic drops the way back, which answers 500.
                            contained("an HTTP worker", || dispatch(&gateway, incoming));
                        }
                        Err(stopped) if stopped.fatal => return died(),
                        Err(_) => return,
                    }
                }
            })
        })
        .collect()
}

fn dispatch(gateway: &Arc<Gateway>, incoming: Incoming) {
    let since = gateway.clock.now();
    let Incoming { method, target, headers, peer, body, responder } = incoming;
    let reply = Reply::new(responder, Arc::clone(&gateway.streams));
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let found = find(&method, path);
    let open = matches!(found, Found::Route(route, _) if route.open);
    if !open && !gateway.token.admits(headers.authorization.as_ref()) {
        log::debug!("a request from {peer:?} came without the token");
        let detail = "This needs the token: Authorization: Bearer <token>.";
        return reply.send(Problem::new(401, "unauthorized", detail).answer());
    }
    match found {
        Found::Route(route, id) => {
            let mut call = Call::new(Arc::clone(gateway), since, id, query, headers, body, reply);
            let handled = (route.handler)(&mut call);
            call.finish(handled);
        }
        Found::Nothing(problem) => reply.send(problem.answer()),
    }
}
