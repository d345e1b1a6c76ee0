//! Fingerprints are read, written alone and in blocks, and deleted.

use zkgate::device::templates::{Fingerprint, PersonWrite, UploadForm};
use zkgate::device::users::{Field, Mode, Report, UserChange, UserError, Written};
use zkgate::device::{Reached, Session};
use zkgate::simulator::{Config, DeviceHandle, Profile};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::encoding::NameEncoding;
use zkgate::wire::record::template::Validity;

use crate::site::{device, session, soon};
use crate::users::{find, id, named};
use crate::{everywhere, set};

/// A made-up template; some end with zeros.
pub(crate) fn print(finger: u8, length: usize, end: u8) -> Fingerprint {
    let mut bytes: Vec<u8> = (0..length).map(|n| (n * 7 + usize::from(finger)) as u8).collect();
    bytes[length - 1] = end;
    Fingerprint::new(finger, Validity::Valid, bytes).unwrap()
}

fn write(session: &mut Session, people: &[PersonWrite]) -> Report {
    session
        .write_people(people, Mode::Upsert, NameEncoding::UTF_8, &mut |_| Ok(()), &mut |_| {}, soon())
        .unwrap()
}

fn person(number: u32, fingerprints: Vec<Fingerprint>) -> PersonWrite {
    PersonWrite { user: named(number, "Ann"), fingerprints }
}

#[test]
fn templates_are_read_one_by_one_and_all_together() {
    everywhere(40, |case, device, carrier| {
        let mut session = session(device, carrier);
        let table = session.templates(soon()).expect(case);
        let read: Vec<_> = table
            .iter()
            .map(|t| (t.uid, t.finger, t.validity.to_byte(), t.bytes().expose().to_vec()))
            .collect();
        assert_eq!(read, device.templates(), "{case}");
        for fault in ["", "reject:65535@88"] {
            if !fault.is_empty() {
                set(device, fault);
            }
            let known = session.user(&id(1002), soon()).unwrap().unwrap();
            let one = session.template(&known, 6, soon()).expect(case).expect(case);
            assert_eq!(*one.expose(), device.templates()[1].3, "{case} {fault}");
            assert!(!format!("{one:?}").contains("77"), "{case}");
            assert_eq!(session.template(&known, 5, soon()).expect(case), None, "{case} {fault}");
        }
        session.exit();
    });
}

#[test]
fn a_template_is_written_in_both_forms_and_deleted_in_the_way_of_its_family() {
    everywhere(3, |case, device, carrier| {
        let mut session = session(device, carrier);
        let known = session.user(&id(1002), soon()).unwrap().unwrap();
        let before = device.templates();
        for (form, finger, length) in [
            (UploadForm::Single, 0, 1),
            (UploadForm::Single, 1, 1024),
            (UploadForm::Single, 2, 3000),
            (UploadForm::Block, 3, 1),
            (UploadForm::Block, 4, 2500),
        ] {
            session.write_template(&known, &print(finger, length, 0x5a), form, soon()).expect(case);
            let written = device.templates().into_iter().find(|t| t.0 == 2 && t.1 == finger).expect(case);
            assert_eq!((written.2, &written.3), (1, print(finger, length, 0x5a).bytes().expose()), "{case}");
            assert_eq!(device.unrefreshed(), 0, "{case}");
        }
        let duress = Fingerprint::new(5, Validity::Duress, vec![9; 20]).unwrap();
        session.write_template(&known, &duress, UploadForm::Single, soon()).expect(case);
        assert_eq!(device.templates().last().unwrap().2, 3, "{case}");
        assert!(session.write_template(&known, &duress, UploadForm::Block, soon()).is_err(), "{case}");

        for (fault, code) in [
            ("not-kept@87*1", "not_stored"),
            ("kept-otherwise@87*1", "stored_differently"),
            ("reject:4990@87*1", "device_rejected"),
            ("reject@1501+1*1", "device_rejected"),
        ] {
            set(device, fault);
            let error =
                session.write_template(&known, &print(9, 1500, 1), UploadForm::Single, soon()).unwrap_err();
            assert!(error.code() == code && error.keeps_session(), "{case} {fault}: {error}");
            session.delete_template(&known, 9, soon()).expect(case);
        }
        set(device, "not-kept@134*1");
        set(device, "not-kept@19*1");
        assert_eq!(session.delete_template(&known, 5, soon()).unwrap_err().code(), "not_stored", "{case}");
        for finger in 0..=5 {
            session.delete_template(&known, finger, soon()).expect(case);
            session.delete_template(&known, finger, soon()).expect(case);
        }
        assert_eq!(device.templates(), before, "{case}: and nobody else's");
        session.exit();
    });
}

#[test]
fn a_template_that_a_device_does_not_want_to_show_is_not_taken_for_gone() {
    everywhere(3, |case, device, carrier| {
        let mut session = session(device, carrier);
        let known = session.user(&id(1002), soon()).unwrap().unwrap();
        let has = |session: &mut Session, number| {
            session.has_fingerprints(&id(number), &mut |_| Ok(()), soon()).expect(case)
        };
        let are_there = |device: &DeviceHandle| device.templates().iter().filter(|t| t.0 == 2).count();
        set(device, "reject:2001@88");
        assert_eq!(session.template(&known, 6, soon()).expect(case), None, "{case}");
        assert!(has(&mut session, 1002) && !has(&mut session, 77), "{case}");
        for code in [19, 134] {
            set(device, &format!("not-kept@{code}*1"));
        }
        assert_eq!(session.delete_template(&known, 6, soon()).unwrap_err().code(), "not_stored", "{case}");
        for code in [19, 134] {
            set(device, &format!("reject@{code}*1"));
        }
        assert_eq!(session.delete_template(&known, 6, soon()).unwrap_err().code(), "not_stored", "{case}");
        assert_eq!(are_there(device), 1, "{case}");
        for _ in 0..2 {
            session.delete_template(&known, 6, soon()).expect(case);
            assert_eq!((are_there(device), device.templates().len()), (0, 2), "{case}");
        }
        assert!(!has(&mut session, 1002) && has(&mut session, 1001), "{case}");
        assert_eq!(device.unrefreshed(), 0, "{case}");
        session.exit();
    });
}

#[test]
fn deleting_a_template_reads_no_table_where_the_device_counts() {
    let (_simulator, device) = device(Config { users: 5, templates: 3, ..Config::default() });
    let mut session = session(&device, Carrier::Tcp);
    let known = session.user(&id(1002), soon()).unwrap().unwrap();
    let prepared = device.counters().command(1503);
    session.delete_template(&known, 6, soon()).unwrap();
    assert_eq!((device.templates().len(), device.counters().command(1503)), (2, prepared));
    session.exit();
}

#[test]
fn an_upload_whose_datagrams_get_lost_is_begun_anew_until_it_may_be_stored() {
    for profile in [Profile::Tft, Profile::OldUdp] {
        let (_simulator, device) = device(Config { profile, users: 3, ..Config::default() });
        let mut session = session(&device, Carrier::Udp);
        let known = session.user(&id(1002), soon()).unwrap().unwrap();
        set(&device, "swallow@1501+1*1");
        session.write_template(&known, &print(1, 3000, 1), UploadForm::Single, soon()).unwrap();
        assert_eq!((device.counters().command(1500), device.counters().command(87)), (2, 1));
        assert_eq!(device.templates().last().unwrap().3, *print(1, 3000, 1).bytes().expose());
        set(&device, "swallow@1501");
        let error =
            session.write_template(&known, &print(2, 100, 1), UploadForm::Single, soon()).unwrap_err();
        assert_eq!(error.reached, Reached::No, "nothing of it counts: {error}");
        device.clear_faults();
        let mut session = crate::site::session(&device, Carrier::Udp);
        set(&device, "swallow@87");
        let error =
            session.write_template(&known, &print(2, 100, 1), UploadForm::Single, soon()).unwrap_err();
        assert_eq!((error.reached, device.counters().command(87)), (Reached::Perhaps, 2), "{error}");
    }
}

#[test]
fn what_breaks_after_a_template_was_stored_is_no_reason_to_store_it_again() {
    for fault in ["rst:1000@87*1", "rst:1000@1502+1*1", "rst:0@88*1", "silent@88*1"] {
        let (_simulator, device) = device(Config { users: 3, ..Config::default() });
        let mut session = session(&device, Carrier::Tcp);
        let known = session.user(&id(1002), soon()).unwrap().unwrap();
        set(&device, fault);
        let error =
            session.write_template(&known, &print(2, 100, 1), UploadForm::Single, soon()).unwrap_err();
        assert!(!error.keeps_session() && error.reached == Reached::Perhaps, "{fault}: {error}");
        assert_eq!(device.counters().command(87), 1, "{fault}");
    }
}

#[test]
fn people_are_written_with_their_fingers_in_blocks_and_once_more_costs_nothing() {
    everywhere(30, |case, device, carrier| {
        let mut session = session(device, carrier);
        let others: Vec<_> = device.templates().into_iter().filter(|t| t.0 != 1).collect();
        let kept = device.templates()[0].clone();
        let mut people: Vec<_> = (1001..=1060)
            .map(|n| person(n, vec![print(0, 600, 0), print(1, 700 + n as usize % 300, 9)]))
            .collect();
        people[4].fingerprints.push(Fingerprint::new(7, Validity::Duress, vec![3; 50]).unwrap());
        people[1].fingerprints.clear();
        people[2].fingerprints.clear();
        people.push(person(1001, vec![]));
        let mut pauses = 0;
        let report = session
            .write_people(
                &people,
                Mode::Upsert,
                NameEncoding::UTF_8,
                &mut |session| {
                    pauses += 1;
                    session.time(soon()).map(drop)
                },
                &mut |_| {},
                soon(),
            )
            .expect(case);
        assert!(report.broke.is_none(), "{case}: {report:?}");
        assert_eq!(report.rows[60], Err(UserError::Twice), "{case}");
        for (row, number) in report.rows[..60].iter().zip(1001u32..) {
            let uid = u16::try_from(number - 1000).unwrap();
            let expected = if number <= 1030 { Written::Updated { uid } } else { Written::Created { uid } };
            assert_eq!(*row, Ok(expected), "{case}: {number}");
            let has: Vec<_> = device.templates().into_iter().filter(|t| t.0 == uid).collect();
            for print in &people[usize::from(uid) - 1].fingerprints {
                let found = has.iter().find(|t| t.1 == print.finger()).expect(case);
                assert_eq!(
                    (found.2, &found.3),
                    (print.validity().to_byte(), print.bytes().expose()),
                    "{case}"
                );
            }
            assert_eq!(find(device, number).unwrap().name.to_text(), "Ann", "{case}");
        }
        assert!(device.templates().contains(&kept), "{case}: a finger that was not in the call stays");
        assert!(others.iter().all(|t| device.templates().contains(t)), "{case}");
        assert!(pauses >= 3, "{case}: {pauses} blocks");
        assert_eq!(device.unrefreshed(), 0, "{case}");
        assert_eq!(device.counters().command(8), 0, "{case}: all in blocks");
        let stored = device.counters().command(110);
        let again = write(&mut session, &people[..60]);
        assert!(
            again.rows.iter().all(|row| matches!(row, Ok(Written::Unchanged { .. }))),
            "{case}: {again:?}"
        );
        assert_eq!(device.counters().command(110), stored, "{case}");
        session.exit();
    });
}

#[test]
fn without_blocks_people_are_written_one_by_one() {
    everywhere(3, |case, device, carrier| {
        let mut session = session(device, carrier);
        set(device, "reject:65535@110");
        let people =
            [person(1001, vec![print(1, 300, 1)]), person(77, vec![print(2, 1300, 0), print(3, 9, 9)])];
        let report = write(&mut session, &people);
        assert!(report.is_complete(), "{case}: {report:?}");
        let counters = device.counters();
        assert_eq!((counters.command(110), counters.command(8), counters.command(87)), (1, 2, 3), "{case}");
        assert_eq!(device.templates().len(), 6, "{case}");
        session.exit();
    });
}

#[test]
fn who_was_created_before_their_finger_broke_the_session_is_not_called_untried() {
    everywhere(3, |case, device, carrier| {
        // Blocks are refused, after an upload of their own; this strikes at the finger's.
        for fault in ["silent@1500+1*1", "silent@1501+1*1", "rst:0@1500+1*1"] {
            if fault.starts_with("rst") && case.ends_with("udp") {
                continue;
            }
            let mut session = session(device, carrier);
            crate::users::delete(&mut session, &[77, 78]);
            set(device, "reject:65535@110");
            set(device, fault);
            let people = [person(77, vec![print(2, 300, 1)]), person(78, vec![])];
            let report = write(&mut session, &people);
            device.clear_faults();
            let there = find(device, 77).is_some();
            assert!(there, "{case} {fault}");
            let expected = [Err(UserError::OutcomeUnknown), Err(UserError::NotTried)];
            assert_eq!(report.rows, expected, "{case} {fault}");
            assert_eq!(report.broke.expect(case).reached, Reached::Perhaps, "{case} {fault}");
        }
    });
}

#[test]
fn a_block_that_is_not_kept_or_lost_is_told_for_each_person() {
    everywhere(3, |case, device, carrier| {
        let mut session = session(device, carrier);
        let people = [person(1001, vec![print(1, 300, 1)]), person(77, vec![print(2, 300, 8)])];
        set(device, "not-kept@110*1");
        let report = write(&mut session, &people);
        let name = UserError::StoredDifferently { fields: vec![Field::Name] };
        assert_eq!(report.rows, [Err(name), Err(UserError::NotStored)], "{case}");
        set(device, "kept-otherwise@110*1");
        let report = write(&mut session, &people);
        let templates = UserError::StoredDifferently { fields: vec![Field::Templates] };
        assert_eq!(report.rows, [Ok(Written::Updated { uid: 1 }), Err(templates)], "{case}");
        set(device, "reject:4990@110*1");
        let report = write(&mut session, &people);
        assert!(
            matches!(report.rows[..], [Ok(Written::Unchanged { uid: 1 }), Err(UserError::Rejected { .. })]),
            "{case}"
        );
        set(device, "swallow@110*1");
        let report = write(&mut session, &people);
        assert_eq!(report.rows[1], Err(UserError::OutcomeUnknown), "{case}");
        assert!(report.broke.is_some_and(|error| error.reached == Reached::Perhaps), "{case}");
        device.clear_faults();
        let mut session = crate::site::session(device, carrier);
        assert!(write(&mut session, &people).is_complete(), "{case}");
        session.exit();
    });
}

#[test]
fn a_person_is_deleted_with_all_fingers() {
    everywhere(3, |case, device, carrier| {
        let mut session = session(device, carrier);
        let change = UserChange::of(id(50));
        let people = [PersonWrite { user: change, fingerprints: vec![print(0, 40, 1), print(9, 40, 1)] }];
        assert!(write(&mut session, &people).is_complete(), "{case}");
        let report = crate::users::delete(&mut session, &[50]);
        assert!(report.is_complete() && device.templates().iter().all(|t| t.0 != 4), "{case}");
        session.exit();
    });
}

#[test]
fn a_template_that_was_left_behind_is_nobodys_new_finger() {
    everywhere(5, |case, device, carrier| {
        // The first two people are gone; their fingers are not.
        let users = device.users();
        device.set_users(&users[2..]);
        assert_eq!(device.templates()[0].0, 1, "{case}");
        let mut session = session(device, carrier);
        let report = write(&mut session, &[person(77, vec![print(1, 90, 1)]), person(78, vec![])]);
        let created: Vec<_> = report.rows.into_iter().map(Result::unwrap).collect();
        assert_eq!(created, [Written::Created { uid: 6 }, Written::Created { uid: 7 }], "{case}");
        session.exit();
    });
}

#[test]
fn a_door_is_opened_between_the_pieces_of_a_long_read() {
    for carrier in [Carrier::Tcp, Carrier::Udp] {
        let (_simulator, device) = device(Config { users: 400, templates: 400, ..Config::default() });
        let mut session = session(&device, carrier);
        let mut pauses = 0;
        let table = session
            .templates_in_pieces(
                &mut |session| {
                    pauses += 1;
                    session.test_voice(10, soon())
                },
                soon(),
            )
            .unwrap();
        let read: Vec<_> = table
            .iter()
            .map(|t| (t.uid, t.finger, t.validity.to_byte(), t.bytes().expose().to_vec()))
            .collect();
        assert!(read == device.templates() && pauses >= 3, "{pauses}");
        assert_eq!(device.counters().command(1017), pauses);
        // Whoever reads another table in a pause is told, and nothing wrong is read.
        let disturbed = session.templates_in_pieces(&mut |session| session.users(soon()).map(drop), soon());
        let error = disturbed.map(drop).unwrap_err();
        assert!(error.keeps_session() && error.code() == "incomplete_read", "{error}");
        assert_eq!(session.templates(soon()).unwrap().len(), 400);
        session.exit();
    }
}
