//! Every row, in order, at least once, whatever happens in between.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use zkgate::delivery::Phase;
use zkgate::store::journal::Filter;
use zkgate::store::journal::delivery::{NewWebhook, WebhookPatch};
use zkgate::wire::record::UserId;

use crate::journal::{device, soon};
use crate::receiver::{Answer, Gate, Receiver};
use crate::rig::{House, new, until};

#[test]
fn all_rows_come_in_order_and_what_failed_comes_again_as_it_was() {
    let mut house = House::new();
    house.settings.timeout = Duration::from_millis(500);
    let run = house.start();
    let receiver = Receiver::scripted([
        Answer::Status(500),
        Answer::Close,
        Answer::Silence,
        Answer::Status(302),
        Answer::Status(204),
        Answer::Status(404),
    ]);
    run.punches(7, 0..25);
    let id = run.subscribe(receiver.url());
    assert_eq!(receiver.until_taken(25), (1..=25).collect::<Vec<_>>());

    let requests = receiver.requests();
    let sizes: Vec<_> = requests.iter().map(|request| request.seqs().len()).collect();
    assert_eq!(sizes, [10, 10, 10, 10, 10, 10, 10, 5], "no batch is larger than asked for");
    for attempts in [&requests[..5], &requests[5..7]] {
        assert!(attempts.iter().all(|request| request.body == attempts[0].body));
        let name = |index: usize| attempts[index].header("x-zkgate-delivery");
        assert!(
            (1..attempts.len()).all(|index| name(index) == name(0)),
            "the same delivery, attempt by attempt"
        );
    }
    assert_ne!(requests[4].header("x-zkgate-delivery"), requests[5].header("x-zkgate-delivery"));
    let kept = run.until_kept(id, |webhook| webhook.cursor == 25);
    assert_eq!((kept.failures, kept.enabled), (0, true));
    let attempts = run.attempts(id);
    let statuses: Vec<_> = attempts.iter().rev().map(|attempt| attempt.status).collect();
    let told = [Some(500), None, None, Some(302), Some(204), Some(404), Some(204), Some(204)];
    assert_eq!(statuses, told, "{attempts:#?}");
    assert_eq!((attempts[0].rows, attempts[0].count), (Some((21, 25)), 5));

    // What comes later comes too.
    run.punches(8, 0..3);
    assert_eq!(receiver.until_taken(28)[25..], [26, 27, 28]);
    run.stop();
}

#[test]
fn a_restart_goes_on_where_the_receiver_was() {
    let house = House::new();
    let receiver = Receiver::new();
    let run = house.start();
    run.punches(7, 0..15);
    let id = run.subscribe(receiver.url());
    receiver.until_taken(15);
    run.stop();

    let run = house.start();
    run.punches(8, 0..5);
    assert_eq!(receiver.until_taken(20), (1..=20).collect::<Vec<_>>());
    run.until_kept(id, |webhook| webhook.cursor == 20);
    run.stop();
}

#[test]
fn what_was_taken_and_not_yet_kept_when_the_process_died_comes_again() {
    let house = House::new();
    let gate = Gate::new();
    let receiver = Receiver::scripted([Answer::Status(200), Answer::Gate(Arc::clone(&gate))]);
    let run = house.start();
    run.punches(7, 0..15);
    run.subscribe(receiver.url());
    let requests = receiver.until_requests(2);
    assert_eq!(requests[1].seqs(), (11..=15).collect::<Vec<_>>());
    // The receiver has the rows; its answer never arrives.
    run.cut();
    gate.open();
    receiver.until(|requests| requests[1].status == Some(204));

    let run = house.start();
    let requests = receiver.until_requests(3);
    assert_eq!(requests[2].seqs(), (11..=15).collect::<Vec<_>>());
    run.stop();
}

#[test]
fn a_replay_sends_again_what_is_behind_it_even_while_something_is_under_way() {
    let house = House::new();
    let gate = Gate::new();
    let receiver = Receiver::scripted([Answer::Status(200), Answer::Gate(Arc::clone(&gate))]);
    let run = house.start();
    run.punches(7, 0..15);
    let id = run.subscribe(receiver.url());
    receiver.until_requests(2);
    run.patch(id, WebhookPatch { cursor: Some(4), ..WebhookPatch::default() });
    gate.open();
    let seqs = receiver.until_taken(15 + 11);
    assert_eq!(seqs[15..], (5..=15).collect::<Vec<_>>());
    run.until_kept(id, |webhook| webhook.cursor == 15);
    run.stop();
}

#[test]
fn only_what_is_asked_for_is_sent_and_the_rest_moves_the_cursor_too() {
    let house = House::new();
    let receiver = Receiver::new();
    let run = house.start();
    run.punches(7, 0..5);
    run.punches(8, 0..5);
    let filter =
        Filter { users: vec![UserId::from_number(8)], devices: vec![device(1)], ..Filter::default() };
    let id = run.subscribe_as(NewWebhook { url: receiver.url(), filter, ..new() });
    assert_eq!(receiver.until_taken(5), [6, 7, 8, 9, 10]);
    run.until_kept(id, |webhook| webhook.cursor == 10);
    // Rows that nobody wants are known to be passed over, although nothing is sent.
    run.punches(7, 100..103);
    run.until_kept(id, |webhook| webhook.cursor == 13);
    assert_eq!(receiver.requests().len(), 1);
    // And at the end at once.
    run.punches(7, 200..202);
    run.until_progress(id, |progress| progress.cursor == 15);
    run.stop();
    let run = house.start();
    assert_eq!(run.kept(id).cursor, 15);
    run.stop();
}

#[test]
fn rows_that_memory_does_not_have_come_from_the_database() {
    let house = House::new();
    let receiver = Receiver::new();
    let run = house.start();
    run.punches(7, 0..250);
    run.stop();
    // A new run has nothing in memory.
    let run = house.start();
    let filter = Filter { users: vec![UserId::from_number(7)], ..Filter::default() };
    run.subscribe_as(NewWebhook { url: receiver.url(), batch: 100, filter, ..new() });
    assert_eq!(receiver.until_taken(250), (1..=250).collect::<Vec<_>>());
    assert!(receiver.requests().iter().all(|request| request.seqs().len() <= 100));
    run.stop();
}

#[test]
fn a_receiver_that_is_gone_is_not_bothered_again_until_somebody_says_so() {
    let house = House::new();
    let receiver = Receiver::scripted([Answer::Status(200), Answer::Status(410)]);
    let run = house.start();
    run.punches(7, 0..15);
    let id = run.subscribe(receiver.url());
    let kept = run.until_kept(id, |webhook| !webhook.enabled);
    assert_eq!((kept.disabled_because.as_deref(), kept.cursor), (Some("gone"), 10));
    assert_eq!(run.deliveries.progress(id).unwrap().phase, Phase::Gone);
    run.punches(8, 0..1);
    run.stop();
    let run = house.start();
    run.until_progress(id, |progress| progress.phase == Phase::Gone);
    assert_eq!(receiver.requests().len(), 2);

    run.patch(id, WebhookPatch { enabled: Some(true), ..WebhookPatch::default() });
    assert_eq!(receiver.until_taken(16), (1..=16).collect::<Vec<_>>());
    run.stop();
}

#[test]
fn a_subscription_that_is_off_or_deleted_gets_nothing() {
    let house = House::new();
    let receiver = Receiver::new();
    let run = house.start();
    let id = run.subscribe_as(NewWebhook { url: receiver.url(), enabled: false, ..new() });
    let other = run.subscribe(receiver.url());
    run.punches(7, 0..1);
    receiver.until_requests(1);
    assert_eq!(run.deliveries.progress(id).unwrap().phase, Phase::Disabled);
    assert!(run.journal.write(soon(), move |backend| backend.delete_webhook(other)).unwrap());
    run.deliveries.removed(other);
    assert_eq!(run.deliveries.progress(other), None);
    run.punches(7, 1..2);
    run.patch(id, WebhookPatch { enabled: Some(true), ..WebhookPatch::default() });
    let requests = receiver.until_requests(2);
    let webhooks: Vec<_> = requests.iter().map(|request| request.json()["webhook_id"].as_u64()).collect();
    assert_eq!(webhooks, [Some(other), Some(id)]);
    run.stop();
    assert_eq!(receiver.requests().len(), 2);
}

#[test]
fn a_receiver_that_asks_to_be_left_alone_is() {
    let mut house = House::new();
    house.settings.back_off_cap = Duration::from_secs(5);
    let receiver = Receiver::scripted([Answer::With(503, "Retry-After: 1\r\n".into())]);
    let run = house.start();
    run.punches(7, 0..1);
    let id = run.subscribe(receiver.url());
    let resting = run.until_progress(id, |progress| progress.retry_at.is_some());
    assert_eq!((resting.phase, resting.failures), (Phase::BackingOff, 1));
    let requests = receiver.until_requests(2);
    let waited = requests[1].at.duration_since(requests[0].at);
    assert!(waited >= Duration::from_millis(990), "{waited:?}");
    run.stop();
}

#[test]
fn a_change_of_the_receiver_is_tried_at_once() {
    let mut house = House::new();
    house.settings.back_off_first = Duration::from_secs(60);
    house.settings.back_off_cap = Duration::from_secs(3600);
    let (wrong, right) =
        (Receiver::always(Answer::With(500, "Retry-After: 3000\r\n".into())), Receiver::new());
    let run = house.start();
    run.punches(7, 0..1);
    let id = run.subscribe(wrong.url());
    run.until_progress(id, |progress| progress.retry_at.is_some());
    run.patch(id, WebhookPatch { url: Some(right.url()), ..WebhookPatch::default() });
    assert_eq!(right.until_taken(1), [1]);
    run.stop();
}

#[test]
fn another_gateway_that_has_the_right_to_deliver_is_let_do_it() {
    let house = House::new();
    let receiver = Receiver::new();
    let run = house.start();
    let id = run.subscribe_as(NewWebhook { url: receiver.url(), enabled: false, ..new() });
    run.punches(7, 0..12);
    let claim = |until| {
        let now = 1;
        let claimed = run.journal.write(soon(), move |b| b.claim_webhook(id, "somebody else", until, now));
        assert_eq!(claimed, Ok(true));
    };
    claim(i64::MAX);
    run.patch(id, WebhookPatch { enabled: Some(true), ..WebhookPatch::default() });
    // It delivers ten of them and notes that; we notice, and send nothing.
    run.journal.write(soon(), move |backend| backend.move_cursor(id, 0, 10)).unwrap();
    run.until_progress(id, |progress| progress.cursor == 10);
    assert_eq!(receiver.connections(), 0);
    // It lets go.
    claim(0);
    assert_eq!(receiver.until_taken(2), [11, 12]);
    run.stop();
}

#[test]
fn a_test_is_told_how_it_went_and_moves_nothing() {
    let house = House::new();
    let receiver = Receiver::scripted([Answer::Status(200), Answer::Status(410), Answer::Close]);
    let run = house.start();
    let id = run.subscribe(receiver.url());
    let tried = run.test(id);
    assert_eq!((tried.status, tried.error), (Some(200), None));
    let tried = run.test(id);
    assert!(tried.status == Some(410) && tried.error.is_some_and(|error| error.contains("410")));
    let tried = run.test(id);
    assert!(tried.status.is_none() && tried.error.is_some());
    for request in receiver.requests() {
        let body = request.json();
        assert_eq!(
            (body["webhook_id"].as_u64(), body["events"][0]["type"].as_str()),
            (Some(id), Some("test"))
        );
    }
    let attempts = run.attempts(id);
    assert!(attempts.len() == 3 && attempts.iter().all(|attempt| attempt.rows.is_none()));
    let kept = run.kept(id);
    assert_eq!((kept.cursor, kept.failures, kept.enabled), (0, 0, true), "a 410 to a test ends nothing");
    assert!(run.deliveries.test(id + 1, |_| {}).is_none());
    run.stop();
}

#[test]
fn tests_are_bounded_and_one_that_hangs_holds_nobody_else() {
    let house = House::new();
    let gate = Gate::new();
    let receiver = Receiver::always(Answer::Gate(Arc::clone(&gate)));
    let run = house.start();
    let id = run.subscribe(receiver.url());
    let (tell, told) = mpsc::channel();
    let start = || {
        let tell = tell.clone();
        run.deliveries.test(id, move |tried| tell.send(tried).unwrap()).unwrap()
    };
    assert!((0..4).all(|_| start().is_ok()));
    receiver.until_requests(4);
    assert!(start().is_err(), "enough are under way");
    gate.open();
    assert!((0..4).all(|_| told.recv_timeout(Duration::from_secs(20)).unwrap().error.is_none()));
    until(|| start().ok());
    run.stop();
}

#[test]
fn room_is_made_for_as_many_webhooks_as_there_may_be() {
    assert_eq!(zkgate::ops::limits::WEBHOOKS, zkgate::store::journal::delivery::WEBHOOKS_CEILING);
}
