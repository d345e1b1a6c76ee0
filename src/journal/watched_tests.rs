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
