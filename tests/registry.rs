//! The registry with simulated devices over real sockets: calls, leases, lending, outages, tests and its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "support/registered.rs"]
mod registered;
#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use std::io::Write;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use registered::{Site, id, patient, settings};
use site::{soon, target, until, within};
use zkgate::base::deadline::Deadline;
use zkgate::base::ids::DeviceId;
use zkgate::device::{DeviceError, Session, SessionSettings};
use zkgate::dialog::Phase;
use zkgate::registry::{Listener, Refusal, Registry, RegistrySettings, StateName, Terms, TestReport};
use zkgate::simulator::{Config, Fault, How, Profile};
use zkgate::store::device::{Device, SessionMode, Status, TransportChoice};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::command::Command;
use zkgate::wire::event::Event;
use zkgate::wire::frame;
use zkgate::wire::packet::Packet;

fn time(session: &mut Session, deadline: Deadline) -> Result<ClockWord, DeviceError> {
    session.time(deadline)
}

fn ask_time(registry: &Registry, name: &str) -> Result<ClockWord, Refusal> {
    registry.call(&id(name), Terms::read(soon()), time)
}

fn refuse_everything() -> Fault {
    Fault::parse("refuse").unwrap()
}

#[test]
fn many_callers_share_one_session_and_each_is_answered_once() {
    let site = Site::of(Config::default());
    site.all_up();
    let answers = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    ask_time(&site.registry, "0").unwrap();
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let status = site.status("0");
    assert_eq!((answers.into_inner(), status.calls, status.sessions_opened), (400, 400, 1));
    assert_eq!(site.device(0).counters().sessions, 1);
}

#[test]
fn a_lease_is_the_session_itself_and_gives_it_back_or_condemns_it() {
    let site = Site::of(Config::default());
    let mut lease = site.registry.lease(&id("0"), soon()).unwrap();
    lease.run(|session| session.time(soon())).unwrap();
    let since = Instant::now();
    let late = site.registry.call(&id("0"), Terms::read(within(Duration::from_millis(100))), time);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(late.unwrap_err().code(), "deadline_exceeded", "others wait until then");
    drop(lease);
    ask_time(&site.registry, "0").unwrap();
    assert_eq!(site.device(0).counters().sessions, 1, "it was given back");

    let mut lease = site.registry.lease(&id("0"), soon()).unwrap();
    site.device(0).set_fault(Fault::parse("close@time*1").unwrap());
    lease.run(|session| session.time(soon())).unwrap_err();
    let gone = lease.run(|session| session.time(soon())).unwrap_err();
    assert_eq!(gone.code(), "connection_lost");
    drop(lease);
    ask_time(&site.registry, "0").unwrap();
    assert_eq!(site.device(0).counters().sessions, 2, "it was condemned");

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _lease = site.registry.lease(&id("0"), soon()).unwrap();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    ask_time(&site.registry, "0").unwrap();
    assert_eq!(site.device(0).counters().sessions, 3, "whatever was on its line is not trusted");
}

#[test]
fn the_end_of_an_idle_session_is_noticed_at_once() {
    for how in [How::Fin, How::Rst] {
        let site = Site::of(Config::default());
        site.all_up();
        site.device(0).drop_connections(how);
        let noticed = until("a new session", || site.status("0").sessions_opened == 2);
        assert!(noticed < Duration::from_secs(5), "{how:?}: {noticed:?}");
        ask_time(&site.registry, "0").unwrap();
    }
}

#[test]
fn a_device_that_reboots_is_found_again_soon_after_it_listens() {
    let site = Site::of(Config::default());
    site.all_up();
    let away = Duration::from_millis(1500);
    let since = Instant::now();
    site.device(0).reboot(away);
    until("the outage", || site.status("0").state == StateName::BackOff);
    let refusal = ask_time(&site.registry, "0").unwrap_err();
    assert_eq!(refusal.code(), "device_unreachable");
    assert!(refusal.retry_after().is_some());
    until("the session", || site.status("0").state == StateName::Idle);
    assert!(since.elapsed() < away + Duration::from_secs(10), "{:?}", since.elapsed());
    until("the news of it", || site.statuses_told("0").len() == 3);
    assert_eq!(site.statuses_told("0"), [Status::Up, Status::Down, Status::Up]);
}

#[test]
fn a_call_to_a_device_that_is_out_is_answered_without_waiting() {
    let site = Site::with(
        Config::default(),
        settings(),
        |device| device,
        |simulated| {
            simulated.set_fault(refuse_everything());
        },
    );
    until("the outage", || site.status("0").failures >= 3);
    let deadline = soon();
    let refusal = site.registry.call(&id("0"), Terms::read(deadline), time).unwrap_err();
    assert_eq!(refusal.code(), "device_unreachable");
    assert!(deadline.remaining(Instant::now()).unwrap() > Duration::from_secs(25), "the caller was not kept");
    let status = site.status("0");
    assert_eq!(status.last_error.unwrap().verdict, "refused");
    site.device(0).clear_faults();
    site.registry.connect(&id("0")).unwrap();
    ask_time(&site.registry, "0").unwrap();
}

#[test]
fn silent_devices_never_delay_the_others() {
    let config = Config { devices: 4, ..Config::default() };
    let few = RegistrySettings {
        workers: 2,
        suspect_workers: 1,
        session: SessionSettings { reply: Duration::from_secs(3), ..patient() },
        ..settings()
    };
    let site = Site::with(config, few, |device| device, |_| {});
    site.all_up();
    for silent in 0..3 {
        site.device(silent).set_fault(Fault::parse("silent@1017").unwrap());
    }
    let voice = |session: &mut Session, deadline| session.test_voice(0, deadline);
    // From the first failure on they are suspects.
    for silent in 0..3 {
        let terms = Terms::effect(within(Duration::from_millis(200)));
        assert!(site.registry.call(&id(&silent.to_string()), terms, voice).is_err());
    }
    until("new sessions", || (0..3).all(|silent| site.status(&silent.to_string()).state.is_up()));
    let answered = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        for silent in 0..3 {
            let answered = Arc::clone(&answered);
            site.registry.submit(&id(&silent.to_string()), Terms::effect(soon()), voice, move |_| {
                answered.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
    until("a call to a silent device", || {
        (0..3).any(|silent| site.device(silent).counters().command(1017) > 1)
    });
    for _ in 0..100 {
        ask_time(&site.registry, "3").unwrap();
    }
    assert_eq!(answered.load(Ordering::Relaxed), 0, "a hundred healthy calls passed them by");
}

#[test]
fn an_effect_whose_answer_is_lost_is_not_repeated() {
    for profile in [Profile::Tft, Profile::OldUdp] {
        let site = Site::of(Config { profile, ..Config::default() });
        site.all_up();
        site.device(0).set_fault(Fault::parse("swallow@1017").unwrap());
        let voice = |session: &mut Session, deadline| session.test_voice(0, deadline);
        let refusal = site.registry.call(&id("0"), Terms::effect(soon()), voice).unwrap_err();
        assert_eq!(refusal.code(), "outcome_unknown", "{}", profile.name());
        assert_eq!(site.device(0).counters().command(1017), 1, "{}", profile.name());
        site.device(0).clear_faults();
        site.device(0).set_fault(Fault::parse("swallow@1004").unwrap());
        let restart = |session: &mut Session, deadline| session.restart(deadline);
        site.registry.call(&id("0"), Terms::effect(soon()), restart).unwrap();
        assert_eq!(site.device(0).counters().command(1004), 1, "{}: said once", profile.name());
    }
}

#[test]
fn a_read_on_a_session_that_breaks_is_made_again_on_a_new_one() {
    for fault in ["close@time*1", "rst@time*1", "forget:unauth@time*1", "wrong-checksum@time*1"] {
        let site = Site::of(Config::default());
        site.all_up();
        site.device(0).set_fault(Fault::parse(fault).unwrap());
        ask_time(&site.registry, "0").unwrap_or_else(|refusal| panic!("{fault}: {refusal}"));
        let status = site.status("0");
        assert_eq!((status.sessions_opened, status.failures), (2, 0), "{fault}");
    }
}

#[test]
fn an_idle_session_is_kept_alive_and_a_silent_one_is_renewed() {
    let often = RegistrySettings { keep_alive: Duration::from_millis(50), ..settings() };
    let site = Site::with(Config::default(), often, |device| device, |_| {});
    until("keep-alives", || site.device(0).counters().command(201) >= 5);
    assert_eq!(site.status("0").sessions_opened, 1);
    site.device(0).set_fault(Fault::parse("silent@time*1").unwrap());
    until("a new session", || site.status("0").sessions_opened == 2);
    until("its keep-alive", || site.status("0").failures == 0);
}

#[test]
fn an_on_demand_device_is_connected_for_its_calls_only() {
    let brief = RegistrySettings { on_demand_idle: Duration::from_millis(100), ..settings() };
    let on_demand = |device| Device { mode: SessionMode::OnDemand, ..device };
    let site = Site::with(Config::default(), brief, on_demand, |_| {});
    assert_eq!((site.status("0").state, site.device(0).counters().connections), (StateName::Absent, 0));
    ask_time(&site.registry, "0").unwrap();
    until("the goodbye", || site.device(0).counters().exits == 1);
    until("rest", || site.status("0").state == StateName::Absent);
    ask_time(&site.registry, "0").unwrap();
    assert_eq!(site.device(0).counters().sessions, 2);
}

#[test]
fn a_udp_only_device_is_remembered_as_one() {
    let site = Site::of(Config { profile: Profile::OldUdp, ..Config::default() });
    site.all_up();
    assert_eq!(site.status("0").transport, Some(Carrier::Udp));
    let connections = site.device(0).counters().connections;
    assert_eq!(connections, 1, "TCP was tried first");
    disconnected(&site, "0").recv().unwrap();
    ask_time(&site.registry, "0").unwrap();
    assert_eq!(site.device(0).counters().connections, connections, "and not again");
    until("the news of it", || !site.transports_told("0").is_empty());
    assert_eq!(site.transports_told("0"), [TransportChoice::Udp]);
}

/// Disconnects; the receiver hears of it.
fn disconnected(site: &Site, name: &str) -> Receiver<()> {
    let (tell, told) = channel();
    site.registry.disconnect(&id(name), move || tell.send(()).unwrap()).unwrap();
    told
}

#[test]
fn disconnecting_lending_and_resuming_are_told_when_they_are_done() {
    let site = Site::of(Config { devices: 3, ..Config::default() });
    site.all_up();
    disconnected(&site, "0").recv().unwrap();
    assert_eq!((site.status("0").state, site.device(0).counters().exits), (StateName::Absent, 1));

    let (tell, told) = channel();
    let lent = site.registry.lend(&id("1"), "the vendor".to_owned(), Duration::from_secs(60), move || {
        tell.send(()).unwrap();
    });
    lent.unwrap();
    told.recv().unwrap();
    assert_eq!((site.status("1").state, site.device(1).counters().exits), (StateName::Lent, 1));
    assert_eq!(ask_time(&site.registry, "1").unwrap_err().code(), "device_lent");
    assert!(site.registry.connect(&id("1")).is_err());
    let refused = site.registry.disconnect(&id("1"), || panic!("never called"));
    assert!(matches!(refused, Err(Refusal::Lent { .. })));
    site.registry.resume(&id("1")).unwrap();
    ask_time(&site.registry, "1").unwrap();

    let (tell, told) = channel();
    assert_eq!(site.registry.disconnect_all(move || tell.send(()).unwrap()), 3);
    told.recv().unwrap();
    assert!(site.registry.statuses().iter().all(|status| status.state == StateName::Absent));
    let sessions: Vec<(u64, u64)> =
        (0..3).map(|n| site.device(n).counters()).map(|c| (c.sessions, c.exits)).collect();
    assert_eq!(sessions, [(1, 1), (2, 2), (1, 1)], "all with a goodbye");
}

#[test]
fn a_lent_device_comes_back_by_itself() {
    let site = Site::of(Config::default());
    site.all_up();
    site.registry.lend(&id("0"), "x".to_owned(), Duration::from_millis(100), || {}).unwrap();
    until("the session", || site.status("0").sessions_opened == 2);
}

fn tested(start: impl FnOnce(zkgate::registry::Tester)) -> Result<TestReport, Refusal> {
    let (tell, told) = channel();
    start(Box::new(move |result| tell.send(result).unwrap()));
    told.recv().unwrap()
}

#[test]
fn a_test_makes_a_new_session_and_reports_its_steps() {
    let key = CommKey::new(5).unwrap();
    let site = Site::of(Config { comm_key: key, ..Config::default() });
    site.all_up();
    let report = tested(|tester| site.registry.test(&id("0"), soon(), tester).unwrap()).unwrap();
    let steps: Vec<(Phase, bool)> = report.steps.iter().map(|step| (step.phase, step.ok)).collect();
    let all = [Phase::Reach, Phase::Handshake, Phase::Authenticate, Phase::Identify];
    assert_eq!(steps, all.map(|phase| (phase, true)));
    assert_eq!(report.result.unwrap(), Some(site.device(0).serial_number()));
    until("the session", || site.status("0").state == StateName::Idle);
    assert_eq!((site.device(0).counters().sessions, site.device(0).counters().exits), (2, 1));

    site.device(0).set_fault(refuse_everything());
    let report = tested(|tester| site.registry.test(&id("0"), soon(), tester).unwrap()).unwrap();
    assert_eq!(report.result.unwrap_err().verdict, "refused");
    site.device(0).clear_faults();

    site.device(0).set_fault(Fault::parse("silent@auth").unwrap());
    let hurried = |tester| site.registry.probe(site.target(0, 5), within(Duration::from_millis(150)), tester);
    let report = tested(hurried).unwrap();
    let failure = report.result.unwrap_err();
    assert_eq!(
        (failure.code, failure.verdict, failure.phase),
        ("deadline_exceeded", "silent", "authenticate")
    );
    assert!(report.steps.iter().any(|step| step.phase == Phase::Authenticate && !step.ok));
}

#[test]
fn a_test_that_is_refused_is_not_answered_later() {
    let site = Site::of(Config::default());
    site.registry.lend(&id("0"), "x".to_owned(), Duration::from_millis(300), || {}).unwrap();
    let (tell, told) = channel();
    let tester = Box::new(move |result| tell.send(result).unwrap());
    let refused = site.registry.test(&id("0"), within(Duration::from_millis(50)), tester);
    assert!(matches!(refused, Err(Refusal::Lent { .. })));
    assert!(told.recv().is_err(), "it is dropped");
}

#[test]
fn an_address_that_belongs_to_no_device_can_be_tried() {
    let site = Site::of(Config { comm_key: CommKey::new(5).unwrap(), ..Config::default() });
    site.all_up();
    let probe = |key| tested(|tester| site.registry.probe(site.target(0, key), soon(), tester)).unwrap();
    assert_eq!(probe(5).result.unwrap(), Some(site.device(0).serial_number()));
    until("its goodbye", || site.device(0).counters().exits == 1);
    assert_eq!(probe(6).result.unwrap_err().verdict, "wrong_comm_key");
    ask_time(&site.registry, "0").unwrap();
}

#[test]
fn panics_in_jobs_answers_notices_and_observers_cost_nothing_but_themselves() {
    let two = RegistrySettings { workers: 2, ..settings() };
    let site = Site::observed(Config { devices: 2, ..Config::default() }, two, |_, _| panic!("on purpose"));
    site.all_up();
    for round in 1..=4 {
        let job = |_: &mut Session, _| -> Result<(), DeviceError> { panic!("on purpose") };
        let refusal = site.registry.call(&id("0"), Terms::read(soon()), job).unwrap_err();
        assert_eq!(refusal.code(), "internal");
        site.registry.submit(&id("0"), Terms::read(soon()), time, |_| panic!("on purpose"));
        site.registry.submit(&id("absent"), Terms::read(soon()), time, |_| panic!("on purpose"));
        site.registry.lend(&id("1"), "x".to_owned(), Duration::ZERO, || panic!("on purpose")).unwrap();
        site.registry.probe(site.target(1, 0), soon(), Box::new(|_| panic!("on purpose")));
        ask_time(&site.registry, "0").unwrap();
        ask_when_back(&site, "1");
        assert_eq!(site.status("0").failures, 0, "round {round}: not held against the device");
    }
    assert!(site.liveness.silent(Instant::now()).is_empty());
}

fn ask_when_back(site: &Site, name: &str) {
    until("it is back", || match ask_time(&site.registry, name) {
        Ok(_) => true,
        Err(refusal) => {
            assert_eq!(refusal.code(), "device_lent");
            false
        }
    });
}

#[test]
fn a_stop_says_goodbye_to_every_session_and_refuses_what_waits() {
    let site = Site::of(Config { devices: 20, ..Config::default() });
    site.all_up();
    let lease = site.registry.lease(&id("0"), soon()).unwrap();
    let (tell, told) = channel();
    site.registry.submit(&id("0"), Terms::read(soon()), time, move |result| tell.send(result).unwrap());
    let dropper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(lease);
    });
    site.registry.stop(soon());
    dropper.join().unwrap();
    assert_eq!(told.recv().unwrap().unwrap_err(), Refusal::Stopping);
    for device in site.simulator.devices() {
        let counters = device.counters();
        assert_eq!((counters.sessions, counters.exits), (1, 1));
    }
    assert_eq!(ask_time(&site.registry, "0").unwrap_err(), Refusal::Stopping);
    assert!(site.registry.connect(&id("0")).is_err());
    assert!(site.liveness.silent(Instant::now() + Duration::from_secs(3600)).is_empty(), "all have ended");
}

#[test]
fn a_stop_is_not_held_up_by_a_call_that_takes_its_time() {
    let slow = RegistrySettings {
        session: SessionSettings { reply: Duration::from_secs(20), ..patient() },
        ..settings()
    };
    let site = Site::with(Config::default(), slow, |device| device, |_| {});
    site.all_up();
    site.device(0).set_fault(Fault::parse("silent@time").unwrap());
    site.registry.submit(&id("0"), Terms::read(within(Duration::from_secs(5))), time, |_| {});
    until("the call", || site.device(0).counters().command(201) == 1);
    let since = Instant::now();
    site.registry.stop(within(Duration::from_millis(200)));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[test]
fn a_device_that_never_stops_talking_does_not_keep_the_others_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let chatter = std::thread::spawn(move || {
        let event = Packet { command: Command::REG_EVENT, session: 1, reply: 0, payload: &[0; 32] };
        let mut frames = Vec::new();
        (0..1000).for_each(|_| frame::emit(&event, &mut frames));
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            while !ended.load(Ordering::Relaxed) && stream.write_all(&frames).is_ok() {}
            if ended.load(Ordering::Relaxed) {
                break;
            }
        }
    });
    let site = Site::of(Config::default());
    let (tell, told) = channel();
    let there = zkgate::device::Target { address, ..target(site.device(0), 0, &[Carrier::Tcp]) };
    site.registry.probe(
        there,
        within(Duration::from_secs(2)),
        Box::new(move |result| tell.send(result).unwrap()),
    );
    for _ in 0..50 {
        ask_time(&site.registry, "0").unwrap();
        disconnected(&site, "0").recv().unwrap();
    }
    let report = told.recv().unwrap().unwrap();
    assert!(report.result.is_err());
    over.store(true, Ordering::Relaxed);
    drop(std::net::TcpStream::connect(address));
    chatter.join().unwrap();
}

#[test]
fn observers_are_told_what_they_can_rely_on() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let site = Site::observed(Config::default(), settings(), move |id, observation| {
        told.lock().unwrap().push((id.to_string(), observation));
    });
    until("an observation", || !seen.lock().unwrap().is_empty());
    let (name, observation) = seen.lock().unwrap()[0].clone();
    assert_eq!((name.as_str(), observation.status), ("0", Some(Status::Up)));
    assert_eq!(observation.facts.transport_used, Some(TransportChoice::Tcp));
    assert!(observation.seen.is_some());
    drop(site);
}

#[test]
fn between_the_pieces_of_a_long_job_brief_ones_are_served_and_others_wait() {
    let site = Site::of(Config::default());
    site.all_up();
    let (go, wait) = channel::<()>();
    let (tell, told) = channel::<&str>();
    let (long, brief, other) = (tell.clone(), tell.clone(), tell);
    let (started, running) = channel::<()>();
    site.registry.submit_long(
        &id("0"),
        Terms::background(soon()),
        move |session, _, between| {
            started.send(()).unwrap();
            wait.recv().unwrap();
            between.pause(session)?;
            session.time(soon())
        },
        move |result| {
            result.unwrap();
            long.send("long").unwrap();
        },
    );
    running.recv().unwrap();
    let name = id("0");
    site.registry.submit(&name, Terms::read(soon()), time, move |result| {
        result.unwrap();
        other.send("other").unwrap();
    });
    site.registry.submit(&name, Terms::read(soon()).brief(), time, move |result| {
        result.unwrap();
        brief.send("brief").unwrap();
    });
    go.send(()).unwrap();
    let order: Vec<&str> = told.iter().take(3).collect();
    // The long one is over before the other begins, but their callers are told by two threads.
    assert_eq!(order[0], "brief", "{order:?}");
    assert_eq!(order.iter().filter(|name| ["long", "other"].contains(name)).count(), 2, "{order:?}");
    assert_eq!(site.status("0").sessions_opened, 1);
}

#[test]
fn a_session_that_breaks_between_the_pieces_ends_the_long_job_and_both_are_made_again() {
    let site = Site::of(Config::default());
    site.all_up();
    let (go, wait) = channel::<()>();
    let (started, running) = channel::<()>();
    let (tell, told) = channel();
    let brief = tell.clone();
    let mut attempts = 0;
    site.registry.submit_long(
        &id("0"),
        Terms::background(soon()),
        move |session, _, between| {
            attempts += 1;
            started.send(()).unwrap();
            wait.recv().unwrap();
            between.pause(session)?;
            Ok(attempts)
        },
        move |result| tell.send(("long", result.unwrap())).unwrap(),
    );
    running.recv().unwrap();
    site.device(0).drop_connections(How::Rst);
    site.registry.submit(&id("0"), Terms::read(soon()).brief(), time, move |result| {
        result.unwrap();
        brief.send(("brief", 0)).unwrap();
    });
    go.send(()).unwrap();
    go.send(()).unwrap();
    let mut answers: Vec<_> = told.iter().take(2).collect();
    answers.sort_unstable();
    assert_eq!(answers, [("brief", 0), ("long", 2)]);
    assert_eq!(site.status("0").sessions_opened, 2);
}

#[test]
fn a_listener_hears_of_every_session_and_who_answered() {
    struct Opened(Mutex<Vec<(DeviceId, Option<String>)>>);
    impl Listener for Opened {
        fn opened(&self, id: &DeviceId, serial_number: Option<&str>) {
            self.0.lock().unwrap().push((id.clone(), serial_number.map(str::to_owned)));
        }
        fn events(&self, _: &DeviceId, _: Option<&str>, _: &[Event], _: u64) {}
    }
    let site = Site::of(Config::default());
    site.all_up();
    let opened = Arc::new(Opened(Mutex::default()));
    site.registry.listen(Arc::clone(&opened) as Arc<dyn Listener>);
    site.device(0).drop_connections(How::Fin);
    until("it is told", || !opened.0.lock().unwrap().is_empty());
    assert_eq!(opened.0.lock().unwrap()[0], (id("0"), Some("SIM0000000001".into())));
}
