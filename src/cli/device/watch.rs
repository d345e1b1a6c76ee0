//! What happens at a device, as it tells it.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use serde_json::{Value, json};

use super::Caller;
use super::line::Line;
use crate::base::deadline::Deadline;
use crate::cli::failure::{Done, Failure};
use crate::cli::interrupt::interrupts;
use crate::cli::output::Output;
use crate::wire::event::{ALARM, ATTLOG, Alarm, ENROLL_FINGER, Enrolment, Event, FINGER, SCORE, VERIFY, Who};

/// How long it takes at most until Ctrl-C is noticed.
const GLANCE: Duration = Duration::from_millis(250);
/// After how much silence the device is asked for its time, so that both know that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// For one of these.
const REPLY: Duration = Duration::from_secs(10);
/// For the connection, if nobody says how long the whole may take; the watching itself has no end.
const CONNECT: Duration = Duration::from_secs(30);

pub(super) fn watch(caller: Caller<'_>, count: Option<u64>) -> Done {
    let interrupted = interrupts()?;
    let until = caller.call.timeout.map(|timeout| Deadline::after(Instant::now(), timeout));
    caller.work_for(CONNECT, |line| {
        let mask = [ATTLOG, FINGER, ENROLL_FINGER, VERIFY, SCORE, ALARM].map(u32::from).iter().sum();
        line.read(|session, deadline| {
            session.register_events(mask, deadline.min(Deadline::after(Instant::now(), REPLY)))
        })?;
        follow(line, caller.out, count, until, &interrupted)
    })
}

fn follow(
    line: &mut Line,
    out: Output,
    count: Option<u64>,
    until: Option<Deadline>,
    interrupted: &Receiver<()>,
) -> Done {
    let (mut told, mut heard) = (0, Instant::now());
    while count.is_none_or(|count| told < count) && interrupted.is_empty() {
        let now = Instant::now();
        if until.is_some_and(|until| until.passed(now)) {
            return Ok(());
        }
        let glance = Deadline::after(now, GLANCE);
        let glance = until.map_or(glance, |until| until.min(glance));
        let news = line.read(|session, _| session.wait_for_events(glance))?;
        if news {
            heard = now;
        } else if heard.elapsed() >= KEEP_ALIVE {
            line.read(|session, _| session.time(Deadline::after(Instant::now(), REPLY)))?;
            heard = Instant::now();
        }
        let (events, lost) = line.read(|session, _| Ok(session.take_events()))?;
        if lost > 0 {
            out.note(&format!("zkgate: {lost} events came faster than they could be shown"));
        }
        for event in events {
            let printed = out.event(&object(&event));
            told += 1;
            match printed {
                Err(failure) if failure == Failure::nobody_reads() => return Ok(()),
                other => other?,
            }
            if count.is_some_and(|count| told >= count) {
                break;
            }
        }
    }
    Ok(())
}

/// An event as an object.
fn object(event: &Event) -> Value {
    match event {
        Event::Punch { punch, .. } => {
            let (user_id, uid) = match punch.who {
                Who::UserId(user_id) => (Some(user_id.to_text().into_owned()), None),
                Who::Uid(uid) => (None, Some(uid)),
            };
            let mut object = json!({
                "event": "punch", "user_id": user_id, "timestamp": punch.time.to_string(),
                "punch_state": punch.punch_state, "verify_mode": punch.verify_mode,
            });
            if let (Some(uid), Some(members)) = (uid, object.as_object_mut()) {
                members.insert("uid".to_owned(), uid.into());
            }
            object
        }
        Event::Finger => json!({ "event": "finger" }),
        Event::Score(score) => json!({ "event": "score", "score": score }),
        Event::Enrolment(Enrolment::Done { template_size, user_id, finger }) => json!({
            "event": "enrolled", "user_id": user_id.to_text(), "finger": finger, "template_size": template_size,
        }),
        Event::Enrolment(Enrolment::Failed { result }) => {
            json!({ "event": "enrolment_failed", "result": result })
        }
        Event::Verification(uid) => json!({ "event": "verification", "uid": uid }),
        Event::Alarm(alarm) => of_alarm(*alarm),
        Event::Other { code, length } => json!({ "event": "other", "code": code, "length": length }),
        Event::Unreadable { payload } => json!({ "event": "unreadable_punch", "length": payload.len() }),
    }
}

fn of_alarm(alarm: Alarm) -> Value {
    let (kind, uid) = match alarm {
        Alarm::Misoperation => ("misoperation", None),
        Alarm::Tamper => ("tamper", None),
        Alarm::ExitButton => ("exit_button", None),
        Alarm::DoorClosing => ("door_closing", None),
        Alarm::Duress { uid, .. } => ("duress", Some(uid)),
        Alarm::Passback { uid, .. } => ("passback", Some(uid)),
    };
    json!({ "event": "alarm", "alarm": kind, "uid": uid })
}
