//! People are created, changed and deleted.

use zkgate::base::secret::Secret;
use zkgate::device::Session;
use zkgate::device::users::{Mode, Report, UserChange, UserError, Written};
use zkgate::simulator::{Config, DeviceHandle, Profile};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::encoding::NameEncoding;
use zkgate::wire::record::UserId;
use zkgate::wire::record::user::{Level, TimeZones, User};

use crate::site::{device, session, soon};
use crate::{everywhere, one};

pub(crate) fn id(number: u32) -> UserId {
    UserId::from_number(number)
}

pub(crate) fn named(number: u32, name: &str) -> UserChange {
    UserChange { name: Some(name.to_owned()), ..UserChange::of(id(number)) }
}

pub(crate) fn upsert(session: &mut Session, changes: &[UserChange]) -> Report {
    write(session, changes, Mode::Upsert)
}

fn write(session: &mut Session, changes: &[UserChange], mode: Mode) -> Report {
    session.write_users(changes, mode, NameEncoding::UTF_8, &mut |_| Ok(()), &mut |_| {}, soon()).unwrap()
}

pub(crate) fn delete(session: &mut Session, numbers: &[u32]) -> Report {
    let ids: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
    session.delete_users(&ids, &mut |_| Ok(()), &mut |_| {}, soon()).unwrap()
}

pub(crate) fn find(device: &DeviceHandle, number: u32) -> Option<User> {
    device.users().into_iter().find(|user| user.user_id == id(number))
}

/// The zones that a device with such a user would have.
fn zones(like: &User) -> TimeZones {
    match like.time_zones {
        TimeZones::Set(_) => TimeZones::Set(0b101),
        TimeZones::List { .. } => TimeZones::List { flag: 1, zones: [2, 3, 0] },
    }
}

#[test]
fn a_person_is_created_with_everything_that_was_said_of_them() {
    everywhere(5, |case, device, carrier| {
        let before = device.records();
        let mut session = session(device, carrier);
        let time_zones = zones(&device.users()[0]);
        let change = UserChange {
            name: Some("Zoë Öz".to_owned()),
            password: Some(Secret::new("47110".to_owned())),
            level: Some(Level::Administrator),
            disabled: Some(true),
            card_number: Some(u32::MAX),
            group: Some(3),
            time_zones: Some(time_zones),
            ..UserChange::of(id(90_000))
        };
        let written = session.create_user(&change, NameEncoding::UTF_8, soon()).unwrap();
        assert_eq!(written, Ok(Written::Created { uid: 6 }), "{case}");
        let user = find(device, 90_000).expect(case);
        assert_eq!((user.uid, user.name.to_text().as_ref()), (6, "Zoë Öz"), "{case}");
        assert_eq!((user.privilege.0, user.card_number, user.group), (15, u32::MAX, 3), "{case}");
        assert_eq!((user.password.expose().to_text().as_ref(), user.time_zones), ("47110", time_zones));
        assert_eq!(device.records()[..5], before, "{case}: and nobody else is different");
        assert_eq!(device.unrefreshed(), 0, "{case}");
        let again = session.create_user(&change, NameEncoding::UTF_8, soon()).unwrap();
        assert_eq!(again, Err(UserError::Exists), "{case}");
        assert_eq!(device.counters().command(8), 1, "{case}");
        session.exit();
    });
}

#[test]
fn what_is_not_changed_survives_byte_for_byte_also_what_nobody_understands() {
    everywhere(4, |case, device, carrier| {
        // Garbage behind every NUL, in the byte that is always zero, and behind the known bytes.
        let mut record = device.records()[2].clone();
        let compact = record.len() == 28;
        let (name, width) = if compact { (8, 8) } else { (11, 24) };
        record[3..if compact { 8 } else { 11 }]
            .copy_from_slice(&b"44\0\xc6\x9a\x80\x7c\x01"[..if compact { 5 } else { 8 }]);
        record[name..name + width].copy_from_slice(&b"Ned\0\xde\xad\xbe\xef6789012345678901234"[..width]);
        record[2] = 0b1010_0110;
        if compact {
            record[20] = 0x5a;
        } else {
            record[53..72].fill(0xee);
            record[72..].fill(0xdd);
        }
        assert!(device.add_record(&record));
        let others: Vec<_> = device.records();
        let mut session = session(device, carrier);

        let change = UserChange { card_number: Some(77), ..UserChange::of(id(1003)) };
        let written = session.update_user(&change, NameEncoding::UTF_8, soon()).unwrap();
        assert_eq!(written, Ok(Written::Updated { uid: 3 }), "{case}");
        let at = if compact { 16 } else { 35 };
        record[at..at + 4].copy_from_slice(&77u32.to_le_bytes());
        assert_eq!(device.records()[2], record, "{case}");

        let change = UserChange { level: Some(Level::User), ..named(1003, "Nell") };
        session.update_user(&change, NameEncoding::UTF_8, soon()).unwrap().expect(case);
        record[2] = 0b1010_0000;
        record[name..name + width].fill(0);
        record[name..name + 4].copy_from_slice(b"Nell");
        assert_eq!(device.records()[2], record, "{case}");
        for index in [0, 1, 3] {
            assert_eq!(device.records()[index], others[index], "{case}: {index}");
        }
        let again = session.update_user(&change, NameEncoding::UTF_8, soon()).unwrap();
        assert_eq!((again, device.counters().command(8)), (Ok(Written::Unchanged { uid: 3 }), 2), "{case}");
        let nobody = session.update_user(&named(5, "x"), NameEncoding::UTF_8, soon()).unwrap();
        assert_eq!(nobody, Err(UserError::Unknown), "{case}");
        session.exit();
    });
}

#[test]
fn five_hundred_people_cost_one_command_each_and_few_looks() {
    everywhere(200, |case, device, carrier| {
        let before = device.counters();
        let mut session = session(device, carrier);
        // A hundred are there and change, a hundred are there as wanted, three hundred are new.
        let changes: Vec<_> = (1001..=1500)
            .map(|number| match number {
                1101..=1200 => UserChange::of(id(number)),
                _ => UserChange { card_number: Some(number * 7), ..named(number, &format!("P{number}")) },
            })
            .collect();
        let mut seen = Vec::new();
        let begun: u64 = device.counters().commands.values().sum();
        let report = session
            .write_users(
                &changes,
                Mode::Upsert,
                NameEncoding::UTF_8,
                &mut |_| Ok(()),
                &mut |progress| seen.push(progress.done),
                soon(),
            )
            .expect(case);
        assert!(report.is_complete(), "{case}: {report:?}");
        let count = |kind: fn(&Written) -> bool| report.rows.iter().flatten().filter(|row| kind(row)).count();
        assert_eq!(count(|row| matches!(row, Written::Created { .. })), 300, "{case}");
        assert_eq!(count(|row| matches!(row, Written::Updated { .. })), 100, "{case}");
        assert_eq!(count(|row| matches!(row, Written::Unchanged { .. })), 100, "{case}");
        assert_eq!(device.users().len(), 500, "{case}");
        for number in 1001..=1500 {
            let user = find(device, number).unwrap();
            let wanted = !(1101..=1200).contains(&number);
            assert_eq!(user.card_number == number * 7, wanted, "{case}: {number}");
            assert_eq!(user.uid, u16::try_from(number - 1000).unwrap(), "{case}");
        }
        let after = device.counters();
        let said = |code| after.command(code) - before.command(code);
        assert_eq!((said(8), said(1013)), (400, 1), "{case}: each once");
        let all: u64 = after.commands.values().sum::<u64>() - begun;
        // With a look at the device's count every few of them, and the table read again.
        assert!(all <= 2 * 400, "{case}: {all} commands");
        assert!(seen.is_sorted() && seen.last() == Some(&500), "{case}");
        assert_eq!(device.unrefreshed(), 0, "{case}");
        session.exit();
    });
}

#[test]
fn on_an_empty_device_the_family_tells_the_form_and_where_it_does_not_nothing_is_written() {
    everywhere(0, |case, device, carrier| {
        let mut session = session(device, carrier);
        if device.records().is_empty() && case.contains("84") {
            // Nothing shows that this device has longer records: it refuses shorter ones.
            let row = session.create_user(&named(7, "Ann"), NameEncoding::UTF_8, soon()).unwrap();
            assert!(matches!(row, Err(UserError::Rejected { .. })), "{case}: {row:?}");
        } else {
            let row = session.create_user(&named(7, "Ann"), NameEncoding::UTF_8, soon()).unwrap();
            assert_eq!(row, Ok(Written::Created { uid: 1 }), "{case}");
            assert_eq!(find(device, 7).unwrap().name.to_text(), "Ann", "{case}");
        }
        session.exit();
    });
    let (_simulator, device) = one(Profile::Tft, 0);
    let mut session = session(&device, Carrier::Tcp);
    crate::set(&device, "reject@option");
    let error = session.create_user(&named(7, "Ann"), NameEncoding::UTF_8, soon()).unwrap_err();
    assert_eq!((error.code(), device.counters().command(8)), ("unknown_layout", 0));
}

#[test]
fn people_are_deleted_by_their_ids_with_their_templates() {
    everywhere(6, |case, device, carrier| {
        let mut session = session(device, carrier);
        let report = delete(&mut session, &[1002, 77, 1005, 1002]);
        let expected = [
            Ok(Written::Deleted { uid: 2 }),
            Err(UserError::Unknown),
            Ok(Written::Deleted { uid: 5 }),
            Err(UserError::Twice),
        ];
        assert_eq!(report.rows, expected, "{case}");
        let left: Vec<_> = device.users().iter().map(|user| user.uid).collect();
        assert_eq!((left, device.counters().command(18)), (vec![1, 3, 4, 6], 2), "{case}");
        assert!(device.templates().iter().all(|template| template.0 != 2), "{case}");
        assert_eq!(device.unrefreshed(), 0, "{case}");
        // An index is not given away again: what the device still has of it must not become somebody else's.
        let row = session.create_user(&named(9, "New"), NameEncoding::UTF_8, soon()).unwrap();
        assert_eq!(row, Ok(Written::Created { uid: 7 }), "{case}");
        session.exit();
    });
}

#[test]
fn what_a_device_cannot_store_is_told_for_each_person_and_changes_nothing() {
    everywhere(3, |case, device, carrier| {
        let before = device.records();
        let compact = before[0].len() == 28;
        let mut session = session(device, carrier);
        let text = UserId::new(b"A-7").unwrap();
        let other = if compact { TimeZones::List { flag: 0, zones: [1, 0, 0] } } else { TimeZones::Set(1) };
        let room = if compact { 5 } else { 8 };
        let changes = [
            named(1001, "a name that is longer than any field"),
            named(1002, "two\nlines"),
            UserChange { password: Some(Secret::new("123456789".to_owned())), ..UserChange::of(id(1003)) },
            UserChange { time_zones: Some(other), ..UserChange::of(id(8)) },
            UserChange::of(id(8)),
            UserChange::of(UserId::new(b"0 0").unwrap()),
        ];
        let report = upsert(&mut session, &changes);
        let expected = ["name_too_long", "name_not_encodable", "unusable_password", "unusable_time_zones"];
        let codes: Vec<_> = report.rows.iter().map(|row| row.as_ref().unwrap_err().code()).collect();
        assert_eq!(codes[..4], expected, "{case}");
        assert_eq!(codes[4..], ["duplicate_user_id", "unusable_user_id"], "{case}");
        assert_eq!(report.rows[2], Err(UserError::Password { room }), "{case}");
        assert_eq!((device.records(), device.counters().command(8)), (before, 0), "{case}");
        let row = session.create_user(&UserChange::of(text), NameEncoding::UTF_8, soon()).unwrap();
        assert_eq!(row.is_ok(), !compact, "{case}: {row:?}");
        session.exit();
    });
}

#[test]
fn names_are_written_in_the_encoding_of_the_device_and_unreadable_ones_are_kept() {
    let gbk = NameEncoding::parse("gbk").unwrap();
    everywhere(2, |case, device, carrier| {
        let mut session = session(device, carrier);
        session.update_user(&named(1001, "张伟"), gbk, soon()).unwrap().expect(case);
        let user = find(device, 1001).unwrap();
        assert_eq!(user.name.as_bytes(), [0xd5, 0xc5, 0xce, 0xb0], "{case}");
        assert_eq!(gbk.decode(user.name.as_bytes()).text, "张伟");
        assert!(!NameEncoding::UTF_8.decode(user.name.as_bytes()).exact);
        // Whoever does not know the encoding changes something else and keeps the name.
        let change = UserChange { group: Some(9), ..UserChange::of(id(1001)) };
        session.update_user(&change, NameEncoding::UTF_8, soon()).unwrap().expect(case);
        let after = find(device, 1001).unwrap();
        assert_eq!((after.name, after.group), (user.name, 9), "{case}");
        session.exit();
    });
}

#[test]
fn in_the_pauses_of_long_work_a_door_is_opened_and_people_are_created() {
    let (_simulator, device) = device(Config { users: 3, ..Config::default() });
    let mut session = session(&device, Carrier::Tcp);
    let changes: Vec<_> = (1..=20).map(|number| named(number, "bulk")).collect();
    let mut pauses = 0;
    let mut pause = |session: &mut Session| {
        pauses += 1;
        if pauses == 5 {
            let row = session.create_user(&named(5000, "between"), NameEncoding::UTF_8, soon())?;
            assert!(matches!(row, Ok(Written::Created { .. })), "{row:?}");
        }
        session.test_voice(10, soon())
    };
    let report = session
        .write_users(&changes, Mode::Upsert, NameEncoding::UTF_8, &mut pause, &mut |_| {}, soon())
        .unwrap();
    assert!(report.is_complete() && report.disturbed.is_empty(), "{report:?}");
    assert_eq!((pauses, device.counters().command(1017)), (20, 20));
    let mut uids: Vec<_> = device.users().iter().map(|user| user.uid).collect();
    uids.sort_unstable();
    assert_eq!(uids, (1..=24).collect::<Vec<_>>(), "no index was taken twice");
    assert_eq!(find(&device, 5000).unwrap().name.to_text(), "between");
}
