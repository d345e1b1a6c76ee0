//! What goes wrong while people are changed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use zkgate::device::door::{UnlockTime, UnlockUnit};
use zkgate::device::templates::PersonWrite;
use zkgate::device::users::{Field, Mode, Report, UserError, Written};
use zkgate::device::{DeviceError, Reached, Session};
use zkgate::simulator::DeviceHandle;
use zkgate::wire::command::Command;
use zkgate::wire::encoding::NameEncoding;

use crate::site::{session, soon};
use crate::templates::print;
use crate::users::{delete, find, named, upsert};
use crate::{everywhere, everywhere_in_parts, set};

#[test]
fn done_but_not_there_or_different_is_an_error_of_that_person() {
    everywhere(3, |case, device, carrier| {
        let mut session = session(device, carrier);
        set(device, "not-kept@8+1*1");
        set(device, "kept-otherwise@8+3*1");
        set(device, "reject:4990@8+4*1");
        let changes = [1001, 7, 1002, 8, 9, 10].map(|number| named(number, "Ann"));
        let report = upsert(&mut session, &changes);
        let expected = [
            Ok(Written::Updated { uid: 1 }),
            Err(UserError::NotStored),
            Ok(Written::Updated { uid: 2 }),
            Err(UserError::StoredDifferently { fields: vec![Field::Name] }),
            Err(UserError::Rejected { code: Command(4990) }),
            Ok(Written::Created { uid: 7 }),
        ];
        assert_eq!(report.rows, expected, "{case}");
        assert!(report.broke.is_none() && device.unrefreshed() == 0, "{case}");
        // The same once more mends it.
        let report = upsert(&mut session, &changes);
        assert!(report.is_complete(), "{case}: {report:?}");
        assert_eq!(report.rows[0], Ok(Written::Unchanged { uid: 1 }), "{case}");
        assert_eq!(find(device, 8).unwrap().name.to_text(), "Ann", "{case}");

        set(device, "not-kept@18*1");
        let report = delete(&mut session, &[7, 8]);
        assert_eq!(report.rows, [Err(UserError::StillThere), Ok(Written::Deleted { uid: 5 })], "{case}");
        session.exit();
    });
}

#[test]
fn a_lost_answer_leaves_one_outcome_unknown_and_the_rest_untried_and_nothing_is_said_twice() {
    everywhere(3, |case, device, carrier| {
        for fault in ["swallow@8+1*1", "rst:0@8+1*1", "close:0@8+1*1", "silent@8+1*1", "forget:unauth@8+1*1"]
        {
            let stream = fault.starts_with("rst") || fault.starts_with("close");
            if stream && case.ends_with("udp") {
                continue;
            }
            let users: Vec<_> = device.users().into_iter().take(3).collect();
            device.set_users(&users);
            let said = device.counters().command(8);
            let mut session = session(device, carrier);
            set(device, fault);
            let changes = [1, 2, 3].map(|number| named(number, "Ann"));
            let report = upsert(&mut session, &changes);
            device.clear_faults();
            let unknown = Err(UserError::OutcomeUnknown);
            let expected = [Err(UserError::NotVerified), unknown, Err(UserError::NotTried)];
            assert_eq!(report.rows, expected, "{case} {fault}");
            let error = report.broke.expect(case);
            assert!(!error.keeps_session() && error.reached != Reached::No, "{case} {fault}: {error}");
            assert_eq!(device.counters().command(8) - said, 2, "{case} {fault}: each at most once");
            // On a new session the same once more is complete.
            let mut session = crate::site::session(device, carrier);
            let report = upsert(&mut session, &changes);
            assert!(report.is_complete(), "{case} {fault}: {report:?}");
            assert_eq!(report.rows[0], Ok(Written::Unchanged { uid: 4 }), "{case} {fault}");
            assert_eq!(device.users().len(), 6, "{case} {fault}");
            session.exit();
        }
    });
}

#[test]
fn a_table_that_cannot_be_believed_stops_everything_before_the_first_write() {
    everywhere(40, |case, device, carrier| {
        let mut session = session(device, carrier);
        set(device, "truncate:28");
        let outcome = session.create_user(&named(7, "Ann"), NameEncoding::UTF_8, soon());
        if device.counters().faults > 0 {
            assert!(outcome.is_err(), "{case}: {outcome:?}");
            assert_eq!(device.counters().command(8), 0, "{case}");
        }
    });
}

/// Three people with a finger each; one of them is on the device.
fn people() -> Vec<PersonWrite> {
    [1001, 7, 8]
        .map(|n| PersonWrite { user: named(n, "Ann"), fingerprints: vec![print(2, 1500, 9)] })
        .to_vec()
}

fn write(session: &mut Session) -> Result<Report, DeviceError> {
    let nothing = &mut |_: &mut Session| Ok(());
    session.write_people(&people(), Mode::Upsert, NameEncoding::UTF_8, nothing, &mut |_| {}, soon())
}

/// Whether a person is on the device as wanted.
fn is_there(device: &DeviceHandle, person: &PersonWrite) -> bool {
    let user = device.users().into_iter().find(|user| user.user_id == person.user.user_id);
    user.is_some_and(|user| {
        let wanted = person.fingerprints[0].bytes().expose();
        let templates = device.templates();
        let found = templates.iter().find(|t| (t.0, t.1) == (user.uid, 2));
        user.name.to_text() == "Ann" && found.is_some_and(|template| template.3 == *wanted)
    })
}

/// Faults that leave every byte where it is.
const INTACT: [&str; 10] = [
    "split:1",
    "split:7",
    "merge",
    "drip:1ms@8",
    "delay:5ms",
    "stray-event",
    "late-duplicate",
    "udp-duplicate",
    "fragments:100",
    "double-prepare",
];

#[test]
fn writes_come_through_whatever_happens_on_the_way_as_long_as_nothing_is_lost() {
    everywhere(3, |case, device, carrier| {
        for fault in INTACT {
            let users: Vec<_> = device.users().into_iter().take(3).collect();
            let mut session = session(device, carrier);
            delete(&mut session, &[7, 8]);
            device.set_users(&users);
            set(device, fault);
            let report = write(&mut session).unwrap_or_else(|error| panic!("{case} {fault}: {error}"));
            assert!(report.is_complete(), "{case} {fault}: {report:?}");
            assert!(people().iter().all(|person| is_there(device, person)), "{case} {fault}");
            let time = UnlockTime::new(Duration::from_secs(1), UnlockUnit::Seconds).unwrap();
            let opened = device.counters().unlocks;
            session.unlock(time, soon()).unwrap_or_else(|error| panic!("{case} {fault}: {error}"));
            assert_eq!(device.counters().unlocks, opened + 1, "{case} {fault}");
            assert!(delete(&mut session, &[7, 8]).is_complete(), "{case} {fault}");
            device.clear_faults();
            session.exit();
        }
    });
}

/// Faults that strike at one answer.
const MANGLED: [&str; 7] =
    ["silent", "swallow", "close:9", "rst:0", "forget", "forget:unauth", "wrong-checksum"];
/// The commands of a write, in their order.
const PLACES: [&str; 10] = ["sizes", "prepare", "1502", "1500", "1501", "1501+2", "110", "8", "87", "1013"];

#[test]
fn whatever_is_said_to_be_written_is_written_and_a_second_call_completes_it() {
    let (played, struck) = (AtomicUsize::new(0), AtomicUsize::new(0));
    everywhere_in_parts(3, PLACES.len(), |part, case, device, carrier| {
        for fault in MANGLED {
            let place = PLACES[part];
            let fault = format!("{fault}@{place}*1");
            let mut session = session(device, carrier);
            let removed = delete(&mut session, &[7, 8]);
            assert!(removed.broke.is_none(), "{case} {fault}");
            let before = device.counters();
            set(device, &fault);
            if place == "8" || place == "87" {
                set(device, "reject:65535@110");
            }
            let outcome = write(&mut session);
            device.clear_faults();
            played.fetch_add(1, Ordering::Relaxed);
            let harmed = device.counters().faults > before.faults;
            struck.fetch_add(usize::from(harmed), Ordering::Relaxed);
            let said = |code| device.counters().command(code) - before.command(code);
            assert!(said(110) <= 1 && said(8) <= 3 && said(87) <= 3, "{case} {fault}: said once");
            if let Ok(report) = &outcome {
                for (row, person) in report.rows.iter().zip(people()) {
                    let claimed = row.is_ok();
                    assert!(!claimed || is_there(device, &person), "{case} {fault}: {report:?}");
                }
                assert!(
                    report.is_complete() || report.broke.is_some(),
                    "{case} {fault}: {report:?} without a reason"
                );
            }
            let keeps = match &outcome {
                Ok(report) => report.broke.as_ref().is_none_or(DeviceError::keeps_session),
                Err(error) => error.keeps_session(),
            };
            let mut session = match keeps && !session.is_doubtful() {
                true => session,
                false => crate::site::session(device, carrier),
            };
            let report = write(&mut session).unwrap_or_else(|error| panic!("{case} {fault}: {error}"));
            assert!(report.is_complete(), "{case} {fault}: {report:?}");
            assert!(people().iter().all(|person| is_there(device, person)), "{case} {fault}");
            let uids: std::collections::BTreeSet<_> = device.users().iter().map(|user| user.uid).collect();
            assert_eq!((uids.len(), device.users().len()), (5, 5), "{case} {fault}: {uids:?}");
            session.exit();
        }
    });
    let (played, struck) = (played.into_inner(), struck.into_inner());
    assert!(struck * 10 > played * 7, "only {struck} of {played} faults struck");
}
