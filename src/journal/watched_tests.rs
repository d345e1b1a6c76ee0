use jiff::civil::Time;

use super::*;
use crate::journal::correction::Correction;
use crate::store::device::{Endpoint, Facts, SessionMode, Status, TransportChoice};
use crate::wire::comm_key::CommKey;

fn general() -> CollectorSettings {
    CollectorSettings {
        collect: true,
        poll_interval: Duration::from_secs(60),
        compare_interval: Duration::from_secs(3600),
        read_timeout: Duration::from_secs(900),
        large_reads: 4,
        live: true,
        drift_warning: Duration::from_secs(30),
        correction: Correction { on: false, tolerance: 10, quiet: (Time::midnight(), Time::midnight()) },
        retention: None,
    }
}

fn device() -> Arc<Device> {
    let address = "127.0.0.1:4370".parse().unwrap();
    let endpoint = Endpoint { address, comm_key: CommKey::default(), transport: TransportChoice::Auto };
    Arc::new(Device {
        id: DeviceId::from(7),
        name: "gate".into(),
        ip_address: "127.0.0.1".into(),
        port: 4370,
        endpoint: Ok(endpoint),
        mode: SessionMode::Persistent,
        timezone: None,
        enabled: true,
        facts: Facts::default(),
        status: Status::Unknown,
        last_seen: None,
        created_at: None,
        updated_at: None,
    })
}

fn watched(now: Instant) -> Watched {
    Watched::new(device(), DeviceSettings::default(), general(), now)
}

fn read(result: ReadResult, counts: (Option<u32>, Option<u32>), records: u64) -> LastRead {
    LastRead { device_count: counts, records, ..LastRead::failed(0, result, String::new()) }
}

#[test]
fn the_next_read_is_due_after_the_interval_and_its_jitter() {
    let now = Instant::now();
    for (jitter, seconds) in [(0.0, 54), (0.5, 60), (1.0, 66)] {
        let mut device = watched(now);
        device.rest(read(ReadResult::NothingNew, (Some(5), None), 5), jitter, now);
        assert_eq!(device.due, now + Duration::from_secs(seconds));
        assert!(!device.is_due(now) && device.is_due(device.due));
    }
}

#[test]
fn a_count_that_grew_during_the_read_asks_for_another_unless_it_never_fits() {
    let now = Instant::now();
    let mut device = watched(now);
    device.rest(read(ReadResult::Complete, (Some(5), Some(6)), 5), 0.5, now);
    assert!(device.due <= now + Duration::from_secs(1));
    // A device that counts more than it has would be read for ever.
    device.rest(read(ReadResult::Complete, (Some(9), Some(9)), 5), 0.5, now);
    assert!(device.due > now + Duration::from_secs(50));
}

#[test]
fn a_new_session_and_an_event_ask_for_a_read_soon_that_compares() {
    let now = Instant::now();
    let mut device = watched(now);
    device.rest(read(ReadResult::Complete, (Some(5), Some(5)), 5), 0.5, now);
    device.settled(1);
    assert_eq!(device.effort(now), Effort::Count);
    device.opened(Some("A".into()), now);
    assert!(device.is_due(now));
    assert_eq!(device.effort(now), Effort::Compare);
    device.rest(read(ReadResult::Complete, (Some(5), Some(5)), 5), 0.5, now);
    device.want(Effort::Compare, now);
    device.want(Effort::Everything, now);
    assert!(!device.is_due(now) && device.is_due(now + SOON), "others may follow");
    assert_eq!((device.effort(now), device.effort(now)), (Effort::Everything, Effort::Count));
}

#[test]
fn the_end_of_the_log_is_compared_now_and_then_whatever_the_count_says() {
    let now = Instant::now();
    let mut device = watched(now);
    assert_eq!(device.effort(now), Effort::Compare, "nothing was ever compared");
    device.rest(read(ReadResult::Complete, (Some(5), Some(5)), 5), 0.5, now);
    device.settled(1);
    assert_eq!(device.effort(now + Duration::from_secs(3599)), Effort::Count);
    assert_eq!(device.effort(now + Duration::from_secs(3600)), Effort::Compare);
}

#[test]
fn a_failed_read_forgets_the_cursor_and_one_put_off_does_not() {
    let now = Instant::now();
    let mut device = watched(now);
    device.cursor = Some(("A".into(), Cursor::default()));
    device.rest(read(ReadResult::PutOff, (None, None), 0), 0.5, now);
    assert!(device.cursor.is_some() && device.due <= now + PUT_OFF);
    device.rest(read(ReadResult::JournalFailed, (None, None), 0), 0.5, now);
    assert!(device.cursor.is_none() && device.due == now + JOURNAL_RETRY);
}

#[test]
fn another_serial_number_is_another_device() {
    let now = Instant::now();
    let mut device = watched(now);
    assert_eq!(device.serial_number(), "device:7");
    device.opened(Some("A".into()), now);
    (device.short_log, device.cursor) = (Some(true), Some(("A".into(), Cursor::default())));
    device.opened(Some("A".into()), now);
    assert!(device.cursor.is_some());
    device.opened(None, now);
    assert_eq!(device.serial_number(), "A", "it did not say this time");
    assert!(device.cursor.is_some());
    device.opened(Some("B".into()), now);
    assert_eq!((device.serial_number().as_str(), &device.cursor, device.short_log), ("B", &None, None));
}

#[test]
fn a_device_that_is_off_is_read_only_for_those_who_ask() {
    let now = Instant::now();
    let mut device = watched(now);
    device.settings.enabled = Some(false);
    assert!(!device.is_due(now));
    assert_eq!(device.status().next_read, None);
    device.waiters.push(Box::new(|_| {}));
    assert!(device.is_due(now));
}

#[test]
fn who_asks_during_a_read_is_told_of_the_next_one_and_who_was_put_off_waits_on() {
    let now = Instant::now();
    let mut device = watched(now);
    let (tell, told) = crossbeam_channel::unbounded();
    let ask = |device: &mut Watched, name: &'static str| {
        let tell = tell.clone();
        device.waiters.push(Box::new(move |_| tell.send(name).unwrap()));
    };
    let over = |device: &mut Watched, result| {
        for waiter in device.dismiss(result) {
            waiter(Err(Refusal::Stopping));
        }
        told.try_iter().collect::<Vec<_>>()
    };
    ask(&mut device, "before");
    device.begin(now);
    ask(&mut device, "during");
    assert!(over(&mut device, ReadResult::PutOff).is_empty());
    device.begin(now);
    ask(&mut device, "later");
    assert_eq!(over(&mut device, ReadResult::Complete), ["during", "before"]);
    device.begin(now);
    assert_eq!(over(&mut device, ReadResult::DeviceFailed), ["later"]);
    ask(&mut device, "at the end");
    assert_eq!(device.all_waiters().len(), 1);
}

#[test]
fn what_a_read_was_to_do_and_did_not_is_still_to_be_done() {
    let now = Instant::now();
    for (result, asked, left) in [
        (ReadResult::PutOff, Effort::Everything, Effort::Everything),
        (ReadResult::Again, Effort::Everything, Effort::Everything),
        (ReadResult::DeviceFailed, Effort::Everything, Effort::Compare),
        (ReadResult::DeviceFailed, Effort::Compare, Effort::Compare),
        (ReadResult::JournalFailed, Effort::Compare, Effort::Compare),
        (ReadResult::DeviceFailed, Effort::Count, Effort::Count),
        (ReadResult::NothingNew, Effort::Compare, Effort::Count),
        (ReadResult::Complete, Effort::Everything, Effort::Count),
    ] {
        let mut device = watched(now);
        device.rest(read(ReadResult::Complete, (Some(5), Some(5)), 5), 0.5, now);
        device.settled(1);
        device.want(asked, now);
        assert_eq!(device.effort(now), asked);
        device.rest(read(result, (Some(5), Some(5)), 5), 0.5, now);
        assert!(device.due >= now + Duration::from_millis(500), "{result:?}: it is not hurried");
        assert_eq!(device.effort(now), left, "{result:?} of {asked:?}");
    }
}

#[test]
fn what_comes_into_quarantine_during_a_read_waits_for_the_next_one() {
    let now = Instant::now();
    let mut device = watched(now);
    let done = || read(ReadResult::Complete, (Some(5), Some(5)), 5);
    device.rest(done(), 0.5, now);
    assert_eq!(device.effort(now), Effort::Compare, "perhaps something waits from before the start");
    device.settled(100);
    assert_eq!(device.effort(now), Effort::Count);
    device.unsettled = Some(150);
    device.settled(150);
    device.rest(done(), 0.5, now);
    assert_eq!(device.effort(now), Effort::Compare, "that read began before it came");
    device.settled(151);
    assert_eq!(device.effort(now), Effort::Count);
}

#[test]
fn only_a_read_that_is_to_come_wakes_anybody() {
    let now = Instant::now();
    let mut device = watched(now);
    assert_eq!(device.due_after(now), None, "what is due now waits for room, not for time");
    device.rest(read(ReadResult::NothingNew, (Some(5), None), 5), 0.5, now);
    assert_eq!(device.due_after(now), Some(device.due));
    device.settings.enabled = Some(false);
    assert_eq!(device.due_after(now), None);
    device.settings.enabled = None;
    device.stage = Stage::Reading { since: now };
    assert_eq!(device.due_after(now), None);
}

#[test]
fn a_read_that_waited_for_its_session_is_not_made_twice() {
    let now = Instant::now();
    let mut device = watched(now);
    device.settled(1);
    device.begin(now);
    assert_eq!(device.effort(now), Effort::Compare);
    device.stage = Stage::Reading { since: now };
    device.opened(Some("A".into()), now);
    assert_eq!(device.wanted, None, "it goes over this session");
    device.rest(read(ReadResult::Complete, (Some(5), Some(5)), 5), 0.5, now);
    assert_eq!(device.effort(now), Effort::Count);
    device.stage = Stage::Reading { since: now };
    device.opened(Some("A".into()), now);
    assert_eq!(device.wanted, Some(Effort::Compare), "it only counts");
    let on_demand = Device { mode: SessionMode::OnDemand, ..(*device.device).clone() };
    (device.device, device.wanted) = (Arc::new(on_demand), None);
    device.opened(Some("A".into()), now);
    assert_eq!(device.wanted, None, "every read of such a device has a session of its own");
}

#[test]
fn sessions_that_end_before_the_log_is_read_are_followed_by_longer_and_longer_pauses() {
    let now = Instant::now();
    let mut device = watched(now);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        device.opened(Some("A".into()), now);
        pauses.push(device.due.saturating_duration_since(now));
        device.rest(read(ReadResult::DeviceFailed, (None, None), 0), 0.5, now);
        device.wanted = None;
        device.due = now + Duration::from_secs(3600);
    }
    assert_eq!(pauses[..2], [Duration::ZERO; 2]);
    assert!(pauses.is_sorted() && pauses[2] == REOPENED, "{pauses:?}");
    assert_eq!(pauses[11], Duration::from_secs(60), "never longer than until the next poll");
    device.rest(read(ReadResult::Complete, (Some(5), Some(5)), 5), 0.5, now);
    device.opened(Some("A".into()), now);
    assert_eq!(device.due, now);
}

#[test]
fn who_comes_during_a_read_waits_for_the_next() {
    let now = Instant::now();
    let mut device = watched(now);
    device.waiters.push(Box::new(|_| {}));
    device.begin(now);
    device.waiters.push(Box::new(|_| {}));
    device.waiters.push(Box::new(|_| {}));
    assert_eq!((device.served.len(), device.waiters.len()), (1, 2));
}

#[test]
fn who_comes_before_the_device_is_asked_is_served_by_this_read() {
    let now = Instant::now();
    let mut device = watched(now);
    device.begin(now);
    device.want(Effort::Everything, now);
    device.waiters.push(Box::new(|_| {}));
    assert_eq!(device.effort(now), Effort::Everything);
    assert_eq!((device.served.len(), device.waiters.len()), (1, 0));
}
