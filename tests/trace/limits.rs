//! A trace ends by itself, its files are few and private, and what it has no time for is told.

use std::sync::Arc;
use std::time::Duration;

use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::ids::DeviceId;
use zkgate::simulator::Config;
use zkgate::transport::tap::Tap;
use zkgate::transport::trace::{Limits, Subject, TraceError, TraceName, Tracer};
use zkgate::wire::capture::{Capture, Line};
use zkgate::wire::carrier::{Carrier, Outbox};
use zkgate::wire::command::Command;
use zkgate::wire::packet::Packet;

use crate::recorder::{Recorder, mode_of, subject};
use crate::site::{TODAY, device, quick, soon, until};

#[test]
fn a_trace_ends_when_its_time_is_up_and_says_so() {
    let (_simulator, truth) = device(Config::default());
    let limits = Limits { duration: Duration::from_millis(300), ..Limits::default() };
    let recorder = Recorder::new(limits);
    let mut live = recorder.connect(&truth, 0, &[Carrier::Tcp], quick()).unwrap();
    until("the end of the trace", || recorder.tracer.state(&subject().device).unwrap().ended.is_some());
    assert!(!recorder.tap.is_on(), "it costs nothing any more");
    live.time(soon()).unwrap();
    let Capture { lines, .. } = recorder.capture();
    let Some(Line::Stop { why, frames, .. }) = lines.last() else { panic!("{:?}", lines.last()) };
    assert_eq!((why.as_str(), *frames), ("duration", 6));
    assert!(recorder.begin(Limits::default()).0, "another one can be begun");
}

#[test]
fn a_file_never_exceeds_its_limit_and_says_that_it_reached_it() {
    let (_simulator, truth) = device(Config { users: 10, punches: 4000, ..Config::default() });
    for bytes in [Limits::SMALLEST, 50_000] {
        let recorder = Recorder::new(Limits { bytes, ..Limits::default() });
        let mut live = recorder.connect(&truth, 0, &[Carrier::Udp], quick()).unwrap();
        for _ in 0..3 {
            assert_eq!(live.punches(TODAY, soon()).unwrap().slots(), 4000);
            live.users(soon()).unwrap();
        }
        until("the end of the trace", || recorder.tracer.state(&subject().device).unwrap().ended.is_some());
        let text = recorder.text();
        assert!(text.len() as u64 <= bytes, "{}", text.len());
        assert_eq!(recorder.tracer.state(&subject().device).unwrap().bytes, text.len() as u64);
        let last = Capture::parse(&text).unwrap().lines.pop();
        assert!(matches!(&last, Some(Line::Stop { why, .. }) if why == "bytes"), "{last:?}");
    }
}

#[test]
fn files_are_private_few_and_the_oldest_give_way() {
    let recorder = Recorder::new(Limits::default());
    let first = recorder.tracer.stop(&subject().device).unwrap();
    let path = recorder.directory().join(first.name.file_name());
    assert_eq!((mode_of(&path), mode_of(&recorder.directory())), (0o600, 0o700));
    assert!(first.name.as_str().starts_with("gate_2-20"), "{first:?}");
    for _ in 0..Tracer::KEPT + 3 {
        recorder.begin(Limits::default());
        let _ = recorder.tracer.stop(&subject().device);
    }
    let files = recorder.tracer.files().unwrap();
    assert_eq!(files.len(), Tracer::KEPT);
    assert!(files.iter().all(|file| file.name != first.name));
    let one = &files[0].name;
    recorder.tracer.remove(one).unwrap();
    let gone = recorder.tracer.open(one).unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
    // A link in the directory is not followed.
    std::os::unix::fs::symlink("/etc/passwd", recorder.directory().join("link.ndjson")).unwrap();
    assert!(recorder.tracer.open(&TraceName::parse("link").unwrap()).is_err());
}

#[test]
fn one_device_has_one_trace_and_only_so_many_run() {
    let recorder = Recorder::new(Limits::default());
    let (new, state) = recorder.begin(Limits::default());
    assert!(!new && state.ended.is_none());
    let begin = |number: usize| {
        let subject = Subject { device: DeviceId::parse(&format!("d{number}")).unwrap(), ..subject() };
        recorder.tracer.begin(subject, &Tap::default(), Limits::default(), &SystemClock)
    };
    for number in 1..Tracer::RUNNING {
        begin(number).unwrap();
    }
    assert!(matches!(begin(99), Err(TraceError::TooMany)));
    assert!(recorder.tracer.stop(&DeviceId::parse("nobody").unwrap()).is_none());
    recorder.tracer.close(Deadline::after(std::time::Instant::now(), Duration::from_secs(5)));
    let Line::Stop { why, .. } = recorder.capture().lines.pop().unwrap() else { panic!() };
    assert_eq!(why, "stopping");
}

#[test]
fn what_comes_faster_than_it_is_written_is_counted_and_told_and_nobody_waits() {
    let recorder = Recorder::with(Limits { bytes: Limits::LARGEST, ..Limits::default() }, |directory| {
        Tracer::start_with_room(directory, Arc::new(SystemClock), 500_000)
    });
    let payload = vec![7; 60_000];
    let tap = Arc::new(recorder.tap.clone());
    let session = tap.session(Carrier::Tcp);
    let mut out = Outbox::new(Carrier::Tcp);
    out.push(&Packet { command: Command::GET_TIME, session: 1, reply: 1, payload: &[] });
    session.sending(&out);
    let mut sent = 1;
    while recorder.tracer.state(&subject().device).unwrap().lost < 3 {
        session.heard(&Packet { command: Command::ACK_OK, session: 1, reply: 1, payload: &payload });
        sent += 1;
        assert!(sent < 100_000, "it was written as fast as it came");
    }
    drop(session);
    let lines = recorder.capture().lines;
    let told: u64 =
        lines.iter().map(|line| if let Line::Gap { frames, .. } = line { *frames } else { 0 }).sum();
    let Some(Line::Stop { frames, lost, .. }) = lines.last() else { panic!() };
    assert!(*lost >= 3);
    // The end of the session may be among what was lost.
    assert!(told == *lost && (sent..=sent + 1).contains(&(frames + lost)), "{told} {lost} {frames} {sent}");
}
