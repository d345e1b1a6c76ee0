//! A finger is enrolled by somebody who stands at the device.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zkgate::device::Session;
use zkgate::device::enrolment::{GoOn, Happening, Outcome};
use zkgate::simulator::{DeviceHandle, Profile};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::event::Event;
use zkgate::wire::record::template::Validity;

use crate::site::{session, soon, until, within};
use crate::users::id;
use crate::{everywhere, one, set};

/// Enrols finger 3 of the first person while somebody does something at the device.
fn enrol(
    session: &mut Session,
    device: &DeviceHandle,
    finger: u8,
    somebody: impl FnOnce(&DeviceHandle) + Send,
) -> (Vec<Happening>, Result<Outcome, zkgate::device::DeviceError>) {
    let person = session.user(&id(1001), soon()).unwrap().unwrap();
    let mut heard = Vec::new();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| somebody(device));
        let mut told = |happening: Option<Happening>| {
            heard.extend(happening);
            GoOn::Yes
        };
        session.enrol(&person, finger, Validity::Valid, &mut told, &mut |_| Ok(()), soon())
    });
    (heard, outcome)
}

fn place(device: &DeviceHandle, scores: &[u8]) {
    for score in scores {
        until("a finger is being enrolled", || device.place_finger(*score));
    }
}

/// Whether the device is as it was: it verifies people, and tells nothing that was not wanted.
fn assert_usable(device: &DeviceHandle, session: &mut Session, case: &str) {
    assert!(device.is_usable(), "{case}");
    let told = device.counters().events;
    assert!(device.punch(id(1001), 0, 1).is_some(), "{case}");
    session.time(soon()).expect(case);
    let wanted = session.registered_events().unwrap_or_default();
    assert_eq!(device.counters().events - told, u64::from(wanted & 1), "{case}");
}

#[test]
fn three_good_samples_make_a_template() {
    everywhere(4, |case, device, carrier| {
        let mut session = session(device, carrier);
        let (heard, outcome) = enrol(&mut session, device, 3, |device| place(device, &[100, 0, 100, 100]));
        let template = device.templates().into_iter().find(|t| t.0 == 1 && t.1 == 3).expect(case);
        let size = u16::try_from(template.3.len()).unwrap();
        assert_eq!(outcome.expect(case), Outcome::Done { template_size: size }, "{case}");
        let scores: Vec<_> = heard
            .iter()
            .filter_map(|h| if let Happening::Score(score) = h { Some(*score) } else { None })
            .collect();
        assert_eq!(scores, [100, 0, 100, 100], "{case}");
        let placed = heard.iter().filter(|happening| **happening == Happening::FingerPlaced).count();
        assert_eq!(placed, if case.starts_with("vl49") { 0 } else { 4 }, "{case}");
        assert_eq!(heard.last(), Some(&Happening::Over(Outcome::Done { template_size: size })), "{case}");
        assert_usable(device, &mut session, case);
        session.exit();
    });
}

#[test]
fn a_failure_is_told_and_leaves_the_device_usable() {
    everywhere(4, |case, device, carrier| {
        let mut session = session(device, carrier);
        for (result, expected) in [
            (4, Outcome::Failed { result: 4 }),
            (5, Outcome::AlreadyEnrolled),
            (6, Outcome::Failed { result: 6 }),
        ] {
            let (_, outcome) = enrol(&mut session, device, 3, |device| {
                until("an enrolment fails", || device.fail_enrolment(result));
            });
            assert_eq!(outcome.expect(case), expected, "{case}");
            assert_usable(device, &mut session, case);
        }
        // A finger that is there already, and a device that cannot do it at all.
        let (_, outcome) = enrol(&mut session, device, 6, |_| {});
        assert_eq!(outcome.unwrap_err().code(), "device_rejected", "{case}");
        assert_usable(device, &mut session, case);
        set(device, "reject:65535@61*1");
        let (_, outcome) = enrol(&mut session, device, 3, |_| {});
        assert_eq!(outcome.unwrap_err().code(), "unsupported_command", "{case}");
        assert_usable(device, &mut session, case);
        session.exit();
    });
}

#[test]
fn it_ends_when_it_is_cancelled_or_its_time_is_over() {
    everywhere(4, |case, device, carrier| {
        let mut session = session(device, carrier);
        let person = session.user(&id(1001), soon()).unwrap().unwrap();
        let cancel = AtomicBool::new(false);
        let mut told = |_| if cancel.load(Ordering::Relaxed) { GoOn::Cancel } else { GoOn::Yes };
        let mut pause = |_: &mut Session| {
            cancel.store(device.place_finger(100), Ordering::Relaxed);
            Ok(())
        };
        let outcome = session.enrol(&person, 3, Validity::Valid, &mut told, &mut pause, soon());
        assert_eq!(outcome.expect(case), Outcome::Cancelled, "{case}");
        assert_usable(device, &mut session, case);
        let short = within(Duration::from_millis(300));
        let outcome = session.enrol(&person, 3, Validity::Valid, &mut |_| GoOn::Yes, &mut |_| Ok(()), short);
        assert_eq!(outcome.expect(case), Outcome::TimedOut, "{case}");
        assert_usable(device, &mut session, case);
        session.exit();
    });
}

#[test]
fn punches_that_were_told_before_and_meanwhile_are_not_lost() {
    for carrier in [Carrier::Tcp, Carrier::Udp] {
        let (_simulator, device) = one(Profile::Tft, 4);
        let mut session = session(&device, carrier);
        session.register_events(1, soon()).unwrap();
        device.punch(id(1002), 0, 1).unwrap();
        let (_, outcome) = enrol(&mut session, &device, 3, |device| place(device, &[100, 100, 100]));
        assert!(matches!(outcome, Ok(Outcome::Done { .. })), "{outcome:?}");
        assert_eq!(session.registered_events(), Some(1));
        device.punch(id(1003), 0, 1).unwrap();
        until("both are told", || {
            session.time(soon()).unwrap();
            device.counters().event_acks >= 2 + 7
        });
        let (events, lost) = session.take_events();
        let punches = events.iter().filter(|event| matches!(event, Event::Punch { .. })).count();
        assert_eq!((punches, events.len(), lost), (2, 2, 0), "{events:?}");
        session.exit();
    }
}

#[test]
fn a_session_that_breaks_is_an_error_and_a_lost_start_is_not_repeated() {
    for carrier in [Carrier::Tcp, Carrier::Udp] {
        let (_simulator, device) = one(Profile::Tft, 4);
        let mut session = session(&device, carrier);
        set(&device, "swallow@61");
        let (_, outcome) = enrol(&mut session, &device, 3, |_| {});
        let error = outcome.unwrap_err();
        assert!(!error.keeps_session() && device.counters().command(61) == 1, "{error}");
    }
}
