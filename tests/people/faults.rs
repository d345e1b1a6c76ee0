//! What goes wrong while people are changed.

use zkgate::device::Reached;
use zkgate::device::users::{Field, UserError, Written};
use zkgate::wire::command::Command;
use zkgate::wire::encoding::NameEncoding;

use crate::site::{session, soon};
use crate::users::{delete, find, named, upsert};
use crate::{everywhere, set};

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
