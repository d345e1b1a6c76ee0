//! The HTTP workers: a fixed number of threads that authenticate, route and parse, and never wait for anything but
//! the next request.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::admission::Admission;
use super::biotime;
use super::call::{Asked, Call};
use super::engine::{Engine, Incoming};
use super::gateway::Gateway;
use super::note::Note;
use super::problem::Problem;
use super::reply::Reply;
use super::route::{Found, find, find_in};
use super::tokens::Who;
use crate::base::clock::millis;
use crate::base::scope::Scope;
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
    let other = gateway.biotime && biotime::speaks(path);
    let reply = if other { reply.in_dialect(biotime::told) } else { reply };
    let whole = if other { biotime::with_slash(path) } else { path.into() };
    let found = if other { find_in(biotime::ROUTES, &method, &whole) } else { find(&method, path) };
    let authorization = headers.authorization.as_ref();
    let translated = authorization.filter(|_| other).and_then(biotime::as_bearer);
    let shown = if other { translated.as_ref() } else { authorization };
    let scope = match &found {
        Found::Route(route, _) => route.scope,
        Found::Nothing(_) => Some(Scope::Read),
    };
    let who = match scope {
        None => Some(Who::nobody()),
        Some(_) => gateway.tokens.admit(shown, millis(gateway.clock.wall())),
    };
    let Some(who) = who else {
        log::debug!("a request from {peer:?} came without a token");
        let own = "This needs a token: Authorization: Bearer <token>.";
        let detail = if other { biotime::refusal(authorization) } else { own };
        return reply.send(Problem::new(401, "unauthorized", detail).answer());
    };
    match found {
        Found::Route(_, _) if scope.is_some_and(|scope| !who.may(scope)) => {
            log::info!("the token {} does not allow {} {path}", who.name, method.as_str());
            reply.send(not_allowed(scope).answer());
        }
        Found::Route(route, segments) => {
            // What has an effect is told to whoever asked for it; what only reads is for those who may read.
            let reply = match scope.filter(|_| route.method == "GET") {
                Some(_) => reply.while_admitted(admission(gateway, &who)),
                None => reply,
            };
            let reply = match Note::of(gateway, route, &who, path, &segments) {
                Some(note) => reply.noted(note),
                None => reply,
            };
            let asked = Asked { since, who, scope, segments: &segments, query, headers, body };
            let mut call = Call::new(Arc::clone(gateway), asked, reply);
            let handled = (route.handler)(&mut call);
            call.finish(handled);
        }
        Found::Nothing(problem) => reply.send(problem.answer()),
    }
}

fn admission(gateway: &Arc<Gateway>, who: &Who) -> Admission {
    let (gateway, who) = (Arc::clone(gateway), who.clone());
    Admission::while_so(move || gateway.tokens.still_admit(&who, millis(gateway.clock.wall())))
}

fn not_allowed(scope: Option<Scope>) -> Problem {
    let name = scope.map_or("", Scope::name);
    let detail = format!("This token does not allow it; one with the scope {name} is needed.");
    Problem::new(403, "scope_needed", detail).with("scope", name)
}
