//! Where deliveries may go, and where a receiver cannot send them.

use zkgate::delivery::Phase;

use crate::receiver::{Answer, Receiver};
use crate::rig::House;

#[test]
fn addresses_of_ones_own_network_are_refused_unless_they_are_allowed() {
    let mut house = House::new();
    house.settings.allow_private_addresses = false;
    let receiver = Receiver::new();
    let port = receiver.address.port();
    let run = house.start();
    run.punches(7, 0..1);
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "2130706433", "127.1"] {
        let id = run.subscribe(format!("http://{host}:{port}/hook"));
        let attempt = run.until_attempt(id, |attempt| attempt.error.is_some());
        let error = attempt.error.unwrap();
        assert!(error.contains("allow_private_addresses"), "{host}: {error}");
        assert_eq!(attempt.status, None, "{host}");
        let tried = run.test(id);
        assert!(tried.error.is_some_and(|error| error.contains("allow_private_addresses")), "{host}");
    }
    run.stop();
    assert_eq!(receiver.connections(), 0);

    house.settings.allow_private_addresses = true;
    let run = house.start();
    receiver.until_taken(6);
    run.stop();
}

#[test]
fn redirects_are_not_followed() {
    let house = House::new();
    let elsewhere = Receiver::new();
    let location = format!("Location: {}\r\n", elsewhere.url());
    let script = [301, 302, 303, 307, 308].map(|status| Answer::With(status, location.clone()));
    let receiver = Receiver::scripted(script);
    let run = house.start();
    run.punches(7, 0..1);
    let id = run.subscribe(receiver.url());
    assert_eq!(receiver.until_taken(1), [1]);
    assert_eq!(receiver.requests().len(), 6);
    assert_eq!(elsewhere.connections(), 0);
    let attempt = run.until_attempt(id, |attempt| attempt.status == Some(307));
    assert!(attempt.error.unwrap().contains("not followed"));
    run.stop();
}

#[test]
fn an_answer_without_an_end_is_read_a_little_way_and_counts() {
    let house = House::new();
    let receiver = Receiver::scripted([Answer::Endless]);
    let run = house.start();
    run.punches(7, 0..1);
    let id = run.subscribe(receiver.url());
    let kept = run.until_kept(id, |webhook| webhook.cursor == 1);
    assert_eq!(kept.failures, 0);
    run.punches(7, 1..2);
    receiver.until_taken(2);
    // What the sockets' own buffers hold comes on top of what was read.
    assert!(receiver.poured() < 16 << 20, "{}", receiver.poured());
    run.stop();
}

#[test]
fn a_name_that_means_nothing_is_said_so_and_tried_again() {
    let house = House::new();
    let run = house.start();
    run.punches(7, 0..1);
    let id = run.subscribe("http://nobody.invalid/hook");
    let progress = run.until_progress(id, |progress| progress.failures > 1);
    assert_eq!(progress.phase, Phase::BackingOff);
    assert!(progress.last_error.unwrap().contains("cannot be looked up"));
    run.stop();
}
