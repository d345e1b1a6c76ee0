//! A receiver that is dead or slow delays nobody but itself.

use std::sync::Arc;

use zkgate::delivery::Phase;

use crate::receiver::{Answer, Gate, Receiver};
use crate::rig::House;

#[test]
fn one_that_never_answers_and_one_that_is_slow_do_not_hold_a_third() {
    let house = House::new();
    let gate = Gate::new();
    let dead = Receiver::always(Answer::Silence);
    let slow = Receiver::scripted([Answer::Gate(Arc::clone(&gate))]);
    let quick = Receiver::new();
    // Nobody listens there.
    let refused = "http://127.77.7.7:1/".to_owned();
    let run = house.start();
    let ids = [dead.url(), slow.url(), refused, quick.url()].map(|url| run.subscribe(url));
    run.punches(7, 0..3);
    dead.until_requests(1);
    slow.until_requests(1);
    run.until_progress(ids[2], |progress| progress.phase == Phase::BackingOff);

    // All this happens while the first rows of the others are still on their way: they have no answer before the
    // gate opens, and the third has everything by then.
    for second in 10..60 {
        run.punches(7, second..second + 1);
    }
    assert_eq!(quick.until_taken(53), (1..=53).collect::<Vec<_>>());
    let under_way = |receiver: &Receiver| receiver.requests().iter().map(|r| r.status).collect::<Vec<_>>();
    assert_eq!((under_way(&dead), under_way(&slow)), (vec![None], vec![None]));
    assert_eq!(run.kept(ids[1]).cursor, 0);

    gate.open();
    assert_eq!(slow.until_taken(53), (1..=53).collect::<Vec<_>>());
    assert_eq!(under_way(&dead), [None]);
    run.stop();
}

#[test]
fn stopping_does_not_wait_for_a_receiver_that_never_answers() {
    let mut house = House::new();
    house.settings.timeout = std::time::Duration::from_secs(60);
    let dead = Receiver::always(Answer::Silence);
    let run = house.start();
    run.subscribe(dead.url());
    run.punches(7, 0..1);
    dead.until_requests(1);
    let began = std::time::Instant::now();
    run.stop();
    assert!(began.elapsed() < house.settings.timeout / 2, "{:?}", began.elapsed());
}

#[test]
fn all_subscriptions_that_there_may_be_are_served_at_once() {
    let house = House::new();
    let gate = Gate::new();
    let receiver = Receiver::always(Answer::Gate(Arc::clone(&gate)));
    let run = house.start();
    let count = zkgate::store::journal::delivery::WEBHOOKS_CEILING;
    for _ in 0..count {
        run.subscribe(receiver.url());
    }
    run.punches(7, 0..1);
    // None is answered before all have asked.
    receiver.until_requests(count);
    gate.open();
    assert_eq!(receiver.until_taken(count), vec![1; count]);
    run.stop();
}
