//! Somebody at the device's own menu changes people while many are written: nobody is written over who was seen, and
//! who else is not as they were is told.

use zkgate::device::Session;
use zkgate::device::templates::PersonWrite;
use zkgate::device::users::{Mode, Report, UserChange, UserError, Written};
use zkgate::simulator::DeviceHandle;
use zkgate::wire::encoding::NameEncoding;
use zkgate::wire::record::user::User;
use zkgate::wire::text::FixedText;

use crate::everywhere;
use crate::site::{session, soon};
use crate::templates::print;
use crate::users::{find, id, named};

/// Renames somebody, at the menu.
fn rename(device: &DeviceHandle, number: u32) {
    let user = find(device, number).unwrap();
    assert!(device.add_user(User { name: FixedText::new(b"Menu").unwrap(), ..user }));
}

/// Somebody new gets this index, at the menu.
fn enter(device: &DeviceHandle, number: u32, uid: u16) {
    let like = device.users()[0].clone();
    assert!(device.add_user(User {
        uid,
        user_id: id(number),
        name: FixedText::new(b"Menu").unwrap(),
        ..like
    }));
}

fn name(device: &DeviceHandle, number: u32) -> Option<String> {
    find(device, number).map(|user| user.name.to_text().into_owned())
}

/// Writes, and lets something happen after so many commands.
fn write(session: &mut Session, changes: &[UserChange], after: usize, meanwhile: impl Fn()) -> Report {
    let mut commands = 0;
    let mut pause = |_: &mut Session| {
        commands += 1;
        if commands == after {
            meanwhile();
        }
        Ok(())
    };
    session.write_users(changes, Mode::Upsert, NameEncoding::UTF_8, &mut pause, &mut |_| {}, soon()).unwrap()
}

fn counts(session: &mut Session, people: u32) -> bool {
    session.free_sizes(soon()).unwrap().users == Some(people)
}

#[test]
fn who_is_entered_at_the_device_keeps_their_index_and_who_is_changed_keeps_the_change() {
    everywhere(5, |case, device, carrier| {
        let mut session = session(device, carrier);
        if !counts(&mut session, 5) {
            return;
        }
        let new = (2001..=2040).map(|number| named(number, "New"));
        let card = UserChange { card_number: Some(99), ..UserChange::of(id(1005)) };
        let changes: Vec<_> = new.chain([card]).collect();
        // An index that is among the next; it is looked after ten commands at the latest.
        let report = write(&mut session, &changes, 10, || {
            enter(device, 7777, 30);
            rename(device, 1005);
            rename(device, 1004);
        });
        assert!(report.is_complete(), "{case}: {report:?}");
        assert_eq!(name(device, 7777).as_deref(), Some("Menu"), "{case}");
        let changed = find(device, 1005).unwrap();
        assert_eq!((changed.name.to_text().as_ref(), changed.card_number), ("Menu", 99), "{case}");
        assert_eq!(device.users().len(), 46, "{case}");
        assert_eq!(report.disturbed, [id(1004)], "{case}: who was written is told in their row");
        session.exit();
    });
}

#[test]
fn records_that_were_read_long_ago_are_read_again_before_they_are_changed() {
    everywhere(230, |case, device, carrier| {
        let mut session = session(device, carrier);
        let changes: Vec<_> = (1001..=1220)
            .map(|number| UserChange { card_number: Some(number), ..UserChange::of(id(number)) })
            .collect();
        // It is read again after a hundred changes at the latest.
        let report = write(&mut session, &changes, 100, || {
            rename(device, 1210);
            rename(device, 1225);
            let users = device.users();
            let others: Vec<_> = users.into_iter().filter(|user| user.user_id != id(1230)).collect();
            device.set_users(&others);
        });
        assert!(report.is_complete(), "{case}: {report:?}");
        let changed = find(device, 1210).unwrap();
        assert_eq!((changed.name.to_text().as_ref(), changed.card_number), ("Menu", 1210), "{case}");
        assert_eq!(report.disturbed, [id(1225), id(1230)], "{case}");
        session.exit();
    });
}

#[test]
fn who_has_got_the_index_of_somebody_to_be_deleted_is_not_deleted() {
    everywhere(230, |case, device, carrier| {
        let mut session = session(device, carrier);
        if !counts(&mut session, 230) {
            return;
        }
        let ids: Vec<_> = (1001..=1220).map(id).collect();
        let mut commands = 0;
        let mut pause = |_: &mut Session| {
            commands += 1;
            if commands == 100 {
                enter(device, 7777, 210);
            }
            Ok(())
        };
        let report = session.delete_users(&ids, &mut pause, &mut |_| {}, soon()).unwrap();
        assert_eq!(report.rows[209], Err(UserError::Unknown), "{case}");
        assert_eq!(report.rows.iter().filter(|row| row.is_ok()).count(), 219, "{case}: {report:?}");
        assert_eq!(name(device, 7777).as_deref(), Some("Menu"), "{case}");
        assert_eq!((device.users().len(), report.disturbed), (11, vec![id(1210)]), "{case}");
        session.exit();
    });
}

#[test]
fn between_blocks_of_people_it_is_looked_too() {
    everywhere(3, |case, device, carrier| {
        let mut session = session(device, carrier);
        if !counts(&mut session, 3) {
            return;
        }
        let people: Vec<_> = (2001..=2060)
            .map(|number| {
                let fingerprints = if number % 20 == 0 { vec![print(1, 90, 1)] } else { Vec::new() };
                PersonWrite { user: named(number, "New"), fingerprints }
            })
            .collect();
        let mut first = true;
        let mut pause = |_: &mut Session| {
            let taken: Vec<_> = device.users().iter().map(|user| user.uid).collect();
            if taken.len() > 3 && std::mem::take(&mut first) {
                enter(device, 7777, taken.iter().max().unwrap() + 1);
                rename(device, 1002);
            }
            Ok(())
        };
        let report = session
            .write_people(&people, Mode::Upsert, NameEncoding::UTF_8, &mut pause, &mut |_| {}, soon())
            .unwrap();
        assert!(report.is_complete(), "{case}: {report:?}");
        assert_eq!(name(device, 7777).as_deref(), Some("Menu"), "{case}");
        assert_eq!((device.users().len(), report.disturbed), (64, vec![id(1002)]), "{case}");
        session.exit();
    });
}

#[test]
fn a_finger_that_was_left_behind_is_nobodys_new_finger_also_of_people_without_fingers() {
    everywhere(3, |case, device, carrier| {
        let mut session = session(device, carrier);
        let create = |session: &mut Session, number| {
            session.create_user(&named(number, "New"), NameEncoding::UTF_8, soon()).unwrap()
        };
        // The last of them is gone, and not their finger; this session has seen them.
        assert_eq!(session.users(soon()).unwrap().iter().count(), 3, "{case}");
        let users = device.users();
        device.set_users(&users[..2]);
        assert_eq!(create(&mut session, 77), Ok(Written::Created { uid: 4 }), "{case}");
        // Nobody is there any more, and a new session has seen nobody.
        device.set_users(&[]);
        session.exit();
        let mut session = crate::site::session(device, carrier);
        if !case.contains("84") {
            assert_eq!(create(&mut session, 78), Ok(Written::Created { uid: 4 }), "{case}");
        }
        session.exit();
    });
}
