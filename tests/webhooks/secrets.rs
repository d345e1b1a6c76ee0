//! Signatures can be checked, and nothing that must not be seen is seen.

use zkgate::base::secret::Secret;
use zkgate::store::journal::delivery::WebhookPatch;

use crate::receiver::{Answer, Receiver};
use crate::rig::{House, SECRET};

#[test]
fn a_receiver_can_check_every_request_from_its_head_and_the_secret() {
    let house = House::new();
    let receiver = Receiver::scripted([Answer::Status(500)]);
    let run = house.start();
    run.punches(7, 0..12);
    let id = run.subscribe(receiver.url());
    receiver.until_taken(12);
    run.test(id);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for request in receiver.until_requests(4) {
        assert!(
            request.is_signed_with(SECRET) && !request.is_signed_with("another secret 123"),
            "{request:?}"
        );
        let timestamp: u64 = request.header("x-zkgate-timestamp").parse().unwrap();
        assert!(timestamp.abs_diff(now) < 60);
        let mut changed = request.clone();
        changed.body[0] ^= 1;
        assert!(!changed.is_signed_with(SECRET));
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("user-agent"), concat!("zkgate/", env!("CARGO_PKG_VERSION")));
        assert_eq!(request.header("x-zkgate-webhook"), id.to_string());
        let body = request.json();
        assert_eq!(body["delivery_id"].as_str(), Some(request.header("x-zkgate-delivery")));
        assert_eq!(body["webhook_id"].as_u64(), Some(id));
    }
    // A new secret counts from the next request on.
    let secret = Some(Secret::new("quite-another-secret".to_owned()));
    run.patch(id, WebhookPatch { secret, ..WebhookPatch::default() });
    run.punches(7, 100..101);
    let last = receiver.until_requests(5).pop().unwrap();
    assert!(last.is_signed_with("quite-another-secret") && !last.is_signed_with(SECRET));
    run.stop();
}

#[test]
fn what_is_kept_of_a_failure_shows_neither_secret_nor_token() {
    let mut house = House::new();
    house.settings.timeout = std::time::Duration::from_secs(1);
    let failing = Receiver::always(Answer::With(500, "X-Echo: hunter2\r\n".into()));
    let run = house.start();
    run.punches(7, 0..1);
    for url in [
        format!("{}?token=hunter2", failing.url()),
        "http://127.77.7.7:1/hook?token=hunter2".to_owned(),
        "http://nobody.invalid/?hunter2".to_owned(),
        "https://127.0.0.1:1/?hunter2".to_owned(),
        format!("https://{}/?hunter2", failing.address),
    ] {
        let id = run.subscribe(&url);
        let attempt = run.until_attempt(id, |attempt| attempt.error.is_some());
        let progress = run.until_progress(id, |progress| progress.last_error.is_some());
        let tried = run.test(id);
        let webhook = run.kept(id);
        let seen = format!("{attempt:?} {progress:?} {tried:?} {:?} {:?}", webhook.secret, run.deliveries);
        assert!(!seen.contains("hunter2") && !seen.contains(SECRET), "{url}: {seen}");
    }
    assert!(failing.requests().iter().any(|request| request.line.contains("?token=hunter2")), "it is used");
    run.stop();
}
