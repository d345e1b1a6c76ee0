//! Several gateways on one PostgreSQL database: one of them delivers.

use std::sync::Arc;
use std::time::Instant;

use zkgate::store::journal::delivery::{NewWebhook, WebhookPatch};

use crate::journal::{Site, soon};
use crate::postgres_server::{Cluster, shared};
use crate::receiver::{Answer, Gate, Receiver};
use crate::rig::{House, Run, new, until};

/// A gateway whose journal answers.
fn start(house: &House) -> Run {
    let run = house.start();
    until(|| run.journal.read(soon(), |backend| backend.head()).ok());
    until(|| run.deliveries.loaded().then_some(()));
    run
}

#[test]
fn of_two_gateways_one_delivers_and_the_other_takes_over_when_it_ends() {
    let house = House { site: Site::postgres(shared().database()), ..House::new() };
    let receiver = Receiver::new();
    let (one, other) = (start(&house), start(&house));
    let id = one.subscribe(receiver.url());
    // What either of them journals is delivered, by one of them.
    one.punches(7, 0..3);
    assert_eq!(receiver.until_taken(3), [1, 2, 3]);
    other.punches(8, 0..3);
    one.punches(9, 0..3);
    receiver.until_taken(9);
    other.until_kept(id, |webhook| webhook.cursor == 9);
    // The other has noticed the webhook and how far it is.
    other.until_progress(id, |progress| progress.cursor == 9);
    other.punches(10, 0..1);
    receiver.until_taken(10);
    // What is delivered and not yet noted would come again.
    other.until_kept(id, |webhook| webhook.cursor == 10);

    one.stop();
    other.punches(11, 0..3);
    assert_eq!(receiver.until_taken(13), (1..=13).collect::<Vec<_>>(), "every row once, in order");
    other.until_kept(id, |webhook| webhook.cursor == 13);
    // A replay through a gateway that has not delivered so far.
    let third = start(&house);
    third.patch(id, WebhookPatch { cursor: Some(11), ..WebhookPatch::default() });
    assert_eq!(receiver.until_taken(15)[13..], [12, 13]);
    third.stop();
    other.stop();
}

#[test]
fn while_the_database_is_away_nothing_is_sent_whose_success_could_not_be_kept() {
    let cluster = Cluster::start();
    let house = House { site: Site::postgres(cluster.database()), ..House::new() };
    let gate = Gate::new();
    let receiver = Receiver::scripted([Answer::Gate(Arc::clone(&gate))]);
    let run = start(&house);
    run.punches(7, 0..3);
    let id = run.subscribe_as(NewWebhook { url: receiver.url(), batch: 1, ..new() });
    receiver.until_requests(1);
    let frozen = cluster.freeze();
    gate.open();
    // The receiver has the first row, and whoever wants to know how far it is needs no database.
    run.until_progress(id, |progress| progress.cursor == 1);
    let thawed = Instant::now();
    drop(frozen);
    assert_eq!(receiver.until_taken(3), [1, 2, 3]);
    assert!(receiver.requests()[1].at >= thawed, "the second waits until the first is kept");
    run.until_kept(id, |webhook| webhook.cursor == 3);
    run.stop();
}
