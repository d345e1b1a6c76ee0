//! `zkgate device`: one verb, said to a device directly or through the local service.

pub(super) mod access;
pub(super) mod access_grammar;
mod attendance;
pub(super) mod clock;
mod door;
pub(super) mod file;
pub(super) mod fingers;
pub(super) mod grammar;
mod import;
mod line;
pub(super) mod message_grammar;
pub(super) mod messages;
mod options;
pub(super) mod people;
mod upkeep;
mod watch;
pub(super) mod whom;

use std::net::SocketAddr;
use std::time::Duration;

use self::grammar::{DeviceCall, Verb};
use self::line::Line;
use self::whom::Whom;
use super::confirm::confirm;
use super::exit::Exit;
use super::failure::{Done, Failure};
use super::output::Output;
use super::service;

/// One command for a device at an address.
#[derive(Clone, Copy)]
struct Caller<'c> {
    address: SocketAddr,
    call: &'c DeviceCall,
    /// Where results go.
    out: Output,
}

/// Says a verb to a device, and prints what comes of it.
pub(super) fn run(call: &DeviceCall) -> Exit {
    let out = Output { json: call.json };
    let outcome = match &call.whom {
        Whom::Address(_) if call.service.is_said() => Err(Failure::misused(
            "--url, --token-file, --config and --state-dir are for devices named as @ID",
        )),
        Whom::OfService(_) if call.direct.is_said() => {
            Err(Failure::misused("comm key, transport and encoding are the service's business for @ID"))
        }
        Whom::Address(address) => directly(Caller { address: *address, call, out }),
        Whom::OfService(id) => service::device::run(id, call, out),
    };
    outcome.map_or_else(|failure| failure.about(&call.whom.to_string()).tell(call.json), |()| Exit::Well)
}

fn directly(caller: Caller<'_>) -> Done {
    let call = caller.call;
    if call.direct.comm_key_stdin && call.verb.reads_stdin() {
        return Err(Failure::misused("stdin can hold only one secret: keep the comm key in a file"));
    }
    match &call.verb {
        Verb::Info => options::info(caller),
        Verb::Options { names } => options::show(caller, names),
        Verb::SetOption { name, value } => options::set(caller, name, value),
        Verb::Time { set } => clock::time(caller, set.as_deref()),
        Verb::Users => people::list(caller),
        Verb::User { user_id } => people::show(caller, user_id),
        Verb::AddUser(person) => people::add(caller, person),
        Verb::ChangeUser(person) => people::change(caller, person),
        Verb::DeleteUser { user_ids } => people::delete(caller, user_ids),
        Verb::ImportUsers(import) => import::import(caller, import),
        Verb::Attendance { csv } => attendance::read(caller, *csv),
        Verb::Watch { count } => watch::watch(caller, *count),
        Verb::Templates { user_id } => fingers::list(caller, user_id.as_deref()),
        Verb::DeleteTemplate(finger) => fingers::delete(caller, finger),
        Verb::Enrol(finger) => fingers::enrol(caller, finger),
        Verb::Unlock { seconds, unit } => door::unlock(caller, *seconds, unit.unwrap_or_default()),
        Verb::Door => door::state(caller),
        Verb::Voice { index } => door::voice(caller, *index),
        Verb::Lcd { line, text, .. } => door::lcd(caller, line.zip(text.as_deref())),
        Verb::Message(message) => messages::message(caller, message),
        Verb::Group(group) => access::group(caller, group),
        Verb::TimeZone(zone) => access::time_zone(caller, zone),
        Verb::Combination(combination) => access::combination(caller, combination),
        Verb::VerifyStyle(style) => access::verify_style(caller, style),
        Verb::Refresh => upkeep::refresh(caller),
        Verb::FreeBuffer => upkeep::free_buffer(caller),
        Verb::Restart => upkeep::restart(caller),
        Verb::PowerOff => upkeep::power_off(caller),
        Verb::Clear { no_backup: true, .. } => Err(Failure::misused(
            "--no-backup is for devices of the local service: without it no backup is made in any case",
        )),
        Verb::Clear { what, no_backup: false } => upkeep::clear(caller, *what),
        Verb::Transfer(_)
        | Verb::Backup(_)
        | Verb::Restore(_)
        | Verb::Connect
        | Verb::Disconnect
        | Verb::Lend { .. }
        | Verb::Resume
        | Verb::Test
        | Verb::Connection
        | Verb::Collect { .. } => {
            let name = call.verb.name();
            Err(Failure::misused(format!("{name} is for devices of the local service: name one as @ID")))
        }
    }
}

impl Caller<'_> {
    /// Works on a session, and ends it before anything is printed.
    fn work<T>(self, work: impl FnOnce(&mut Line) -> Done<T>) -> Done<T> {
        self.work_for(self.call.verb.limit(), work)
    }

    /// The same with another limit, if nobody said one.
    fn work_for<T>(self, limit: Duration, work: impl FnOnce(&mut Line) -> Done<T>) -> Done<T> {
        let limit = self.call.timeout.unwrap_or(limit);
        let mut line = Line::connect(self.address, &self.call.direct, limit)?;
        let outcome = work(&mut line);
        line.end(self.out);
        outcome
    }

    /// Asks before something is lost.
    fn confirm(self, what: &str) -> Done {
        confirm(self.address, what, self.call.yes)
    }
}
