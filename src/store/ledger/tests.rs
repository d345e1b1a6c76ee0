use super::*;
use crate::base::scope::{Scope, Scopes};
use crate::base::secret::Secret;

pub(super) fn book(directory: &tempfile::TempDir) -> Book {
    Book::open(directory.path()).unwrap()
}

pub(super) fn unlock(key: Option<&str>, request: u8) -> NewOperation {
    NewOperation {
        kind: "unlock",
        device_id: Some("7".into()),
        subject: None,
        token: "door".into(),
        token_id: 3,
        scope: Scope::Operate,
        once: key.map(|key| Once { key: key.into(), request: Secret::new([request; 32]) }),
        deadline: 9000,
    }
}

pub(super) fn finished(state: State, never_began: bool) -> Finished {
    Finished {
        state,
        started_at: Some(5),
        done: 1,
        total: 1,
        result: Some("{}".into()),
        problem: None,
        never_began,
        audit: Some(NewAudit { token: "door".into(), result: state.name().into(), ..NewAudit::default() }),
    }
}

pub(super) fn new(begun: Begun) -> u64 {
    match begun {
        Begun::New(id) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_used_once_also_after_a_restart_and_by_each_token_for_itself() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = book(&directory);
    let id = new(first.begin(&unlock(Some("k"), 1), 1).unwrap());
    assert!(
        matches!(first.begin(&unlock(Some("k"), 1), 2).unwrap(), Begun::Earlier(there) if there.id == id)
    );
    assert_eq!(first.begin(&unlock(Some("k"), 2), 2).unwrap(), Begun::KeyTaken(id));
    let other = NewOperation { token: "other".into(), ..unlock(Some("k"), 1) };
    new(first.begin(&other, 2).unwrap());
    new(first.begin(&unlock(None, 1), 2).unwrap());
    drop(first);
    // As if the process had died: nobody can tell whether the door was opened.
    let mut second = book(&directory);
    assert_eq!(second.end_what_was_left(10).unwrap(), 3);
    let Begun::Earlier(there) = second.begin(&unlock(Some("k"), 1), 11).unwrap() else { panic!() };
    assert_eq!((there.id, there.state, there.finished_at), (id, State::OutcomeUnknown, Some(10)));
    assert_eq!(second.end_what_was_left(12).unwrap(), 0);
}

#[test]
fn what_never_began_leaves_its_key_free() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    let id = new(book.begin(&unlock(Some("k"), 1), 1).unwrap());
    book.finish(id, &finished(State::Failed, true), 3).unwrap();
    let again = new(book.begin(&unlock(Some("k"), 1), 4).unwrap());
    book.finish(again, &finished(State::Done, false), 5).unwrap();
    assert!(
        matches!(book.begin(&unlock(Some("k"), 1), 6).unwrap(), Begun::Earlier(there) if there.id == again)
    );
    let (all, more) = book.operations(&OperationQuery { limit: 1, ..OperationQuery::default() }).unwrap();
    assert_eq!((all[0].id, all[0].state, more), (again, State::Done, true));
    let query = OperationQuery { limit: 9, state: Some(State::Failed), ..OperationQuery::default() };
    assert_eq!(book.operations(&query).unwrap().0[0].id, id);
    assert_eq!(book.operation(again).unwrap().unwrap().started_at, Some(5));
    assert_eq!(book.operation(99).unwrap(), None);
}

#[test]
fn a_key_belongs_to_a_token_and_not_to_whoever_has_its_name_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    let id = new(book.begin(&unlock(Some("k"), 1), 1).unwrap());
    let later = NewOperation { token_id: 4, ..unlock(Some("k"), 1) };
    assert!(new(book.begin(&later, 2).unwrap()) > id);
    let main = |token: &str| NewOperation { token: token.into(), token_id: 0, ..unlock(Some("k"), 1) };
    new(book.begin(&main("main"), 2).unwrap());
    new(book.begin(&main("anybody"), 2).unwrap());
    assert!(matches!(book.begin(&unlock(Some("k"), 1), 3).unwrap(), Begun::Earlier(there) if there.id == id));
}

#[test]
fn the_file_alone_tells_nothing_of_a_request_and_without_its_key_no_door_opens_twice() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = book(&directory);
    let kept = |book: &Book, id: u64| -> Option<Vec<u8>> {
        let sql = "select request from operation where id = ?";
        book.connection.query_row(sql, [id], |row| row.get(0)).unwrap()
    };
    let id = new(first.begin(&unlock(Some("k"), 1), 1).unwrap());
    let noted = kept(&first, id).unwrap();
    assert!(noted.len() == 32 && noted != [1; 32], "the digest itself is not there");
    let unkeyed = new(first.begin(&unlock(None, 1), 1).unwrap());
    assert_eq!(kept(&first, unkeyed), None, "nothing compares it");
    let refused = new(first.begin(&unlock(Some("free"), 1), 1).unwrap());
    first.finish(refused, &finished(State::Failed, true), 2).unwrap();
    assert_eq!(kept(&first, refused), None);
    drop(first);
    for content in [None, Some("no key")] {
        std::fs::remove_file(directory.path().join("request.key")).unwrap();
        if let Some(content) = content {
            std::fs::write(directory.path().join("request.key"), content).unwrap();
        }
        let mut later = book(&directory);
        assert_eq!(later.begin(&unlock(Some("k"), 1), 3).unwrap(), Begun::KeyTaken(id), "{content:?}");
    }
}

#[test]
fn the_audit_log_takes_rows_and_nothing_changes_or_loses_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    for number in 0..5u16 {
        let device_id = Some(if number % 2 == 0 { "a" } else { "b" }.to_owned());
        let row = NewAudit {
            device_id,
            token_id: Some(5),
            status: Some(number),
            result: "ok".into(),
            ..NewAudit::default()
        };
        book.audit(&row).unwrap();
    }
    let query = AuditQuery { after: 1, limit: 1, device_id: Some("a".into()), token: None };
    let (rows, more) = book.audit_rows(&query).unwrap();
    assert_eq!((rows[0].seq, rows[0].said.status, rows[0].said.token_id, more), (3, Some(2), Some(5), true));
    for sql in ["update audit set result = 'never'", "delete from audit where seq = 1", "delete from audit"] {
        let error = book.connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    book.connection
        .execute("insert into audit (seq, at, token, action, result) values (600000, 1, '', '', '')", [])
        .unwrap();
    assert_eq!(book.connection.execute("delete from audit where seq <= 100000", []).unwrap(), 5);
}

#[test]
fn a_token_is_in_force_until_it_is_revoked_and_its_name_is_free_then() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    let new = |digest: u8| NewToken {
        name: "hr".into(),
        digest: [digest; 32],
        scopes: Scopes::parse(["read"]).unwrap(),
        created_by: "main".into(),
        expires_at: Some(77),
    };
    let token = book.create_token(&new(1), 5).unwrap().unwrap();
    assert_eq!(book.create_token(&new(2), 6).unwrap(), None, "the name is taken");
    assert_eq!(book.tokens().unwrap(), std::slice::from_ref(&token));
    assert_eq!(book.revoke_token(token.id, 7).unwrap(), Some([1; 32]));
    assert_eq!(book.revoke_token(token.id, 8).unwrap(), None);
    assert_eq!(book.tokens().unwrap(), []);
    assert!(book.create_token(&new(3), 9).unwrap().is_some());
}
