//! The machine under a manual clock: situations, each a sentence. Random ones are in [`property`].

mod property;
mod rig;

use std::time::Duration;

use self::rig::{Rig, device, failure, failure_for_a_person, moved, on_demand, switched_off};
use super::super::error::{Failure, Refusal};
use super::super::job::Priority;
use super::super::settings::RegistrySettings;
use super::super::slot::Then;
use super::super::status::StateName;

const SECOND: Duration = Duration::from_secs(1);

fn lend(rig: &Rig, seconds: u64) -> Then {
    Then::Lend { by: "the vendor's software".to_owned(), until: rig.now + SECOND * seconds as u32 }
}

#[test]
fn a_new_device_is_connected_to_and_serves_calls_on_one_session() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    for job in 1..=3 {
        rig.submit("a", job, 10);
        rig.serve_all();
    }
    assert_eq!(rig.served, [1, 2, 3]);
    assert_eq!(rig.status("a").sessions_opened, 1);
    assert_eq!(rig.changes("a"), [true]);
}

#[test]
fn ten_minutes_of_back_off_ask_ever_more_rarely_and_a_call_is_answered_at_once() {
    let mut rig = Rig::with(&[device("a")]);
    let mut attempts = Vec::new();
    while rig.now < rig.start + SECOND * 600 {
        attempts.push(rig.now);
        rig.refuse_dial("a", failure("device_unreachable"));
        rig.submit("a", attempts.len() as u32, 10);
        assert!(rig.answers.last().is_some_and(|(_, code)| *code == "device_unreachable"));
        rig.until_next_timer();
    }
    let late = attempts.iter().filter(|at| **at > rig.start + SECOND * 300).count();
    assert!((25..200).contains(&attempts.len()), "{} attempts", attempts.len());
    assert!(late < attempts.len() / 2, "{late} of {} in the second half", attempts.len());
    assert_eq!(rig.status("a").failures, attempts.len() as u32);
    rig.accept_dial("a");
    assert_eq!((rig.status("a").state, rig.status("a").failures), (StateName::Idle, 0));
    assert_eq!(rig.changes("a"), [false, true], "told once each");
}

#[test]
fn a_stale_session_is_redialled_at_once_and_the_job_made_again() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.submit("a", 1, 10);
    rig.take();
    rig.fail("a", failure("connection_lost"), true);
    assert_eq!(rig.dials, ["a"], "without any pause");
    rig.accept_dial("a");
    rig.serve_all();
    assert_eq!(rig.served, [1]);
    assert_eq!(rig.status("a").failures, 0);
}

#[test]
fn calls_that_fail_add_up_although_dialling_works() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    let mut pauses = Vec::new();
    for round in 1..=8 {
        rig.submit("a", round, 10);
        rig.take();
        rig.fail("a", failure("device_silent"), false);
        assert_eq!(rig.status("a").failures, round);
        if rig.dials.is_empty() {
            let pause = rig.status("a").retry_at.unwrap() - rig.now;
            pauses.push(pause);
            rig.after(pause);
        }
        rig.accept_dial("a");
        assert_eq!(rig.status("a").failures, round, "a greeting alone proves nothing");
    }
    assert_eq!(pauses.len(), 7, "only the first failure is forgiven");
    rig.submit("a", 9, 10);
    rig.serve_all();
    assert_eq!(rig.status("a").failures, 0);
}

#[test]
fn a_panic_in_a_job_is_not_held_against_the_device() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    for job in 1..=5 {
        rig.submit("a", job, 10);
        rig.take();
        rig.fail("a", Failure::internal(rig.now), false);
        rig.accept_dial("a");
        assert_eq!((rig.status("a").failures, rig.changes("a")), (0, vec![true]));
    }
}

#[test]
fn a_session_that_the_device_ends_while_idle_is_made_anew() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.after(SECOND * 30);
    rig.readable("a");
    rig.overheard_end("a", failure("connection_lost"));
    assert_eq!(rig.dials, ["a"]);
    rig.accept_dial("a");
    assert_eq!(rig.changes("a"), [true], "that alone is no outage");
}

#[test]
fn a_device_that_ends_every_session_soon_is_not_asked_in_a_loop() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    let mut waited = Duration::ZERO;
    for _ in 0..20 {
        rig.readable("a");
        rig.overheard_end("a", failure("connection_lost"));
        if rig.dials.is_empty() {
            waited += rig.until_next_timer();
        }
        rig.accept_dial("a");
    }
    assert!(waited > SECOND * 3, "{waited:?} for 20 sessions");
}

#[test]
fn on_demand_opens_at_the_first_call_and_closes_after_the_idle_time() {
    let mut rig = Rig::with(&[on_demand("a")]);
    rig.after(SECOND * 3600);
    assert!(rig.dials.is_empty());
    rig.submit("a", 1, 10);
    rig.accept_dial("a");
    rig.serve_all();
    rig.after(RegistrySettings::default().on_demand_idle - SECOND);
    assert_eq!(rig.farewells(), Vec::<&str>::new());
    rig.answer_keep_alives();
    rig.after(SECOND);
    assert_eq!(rig.farewells(), ["a"], "a keep-alive is no use");
    rig.submit("a", 2, 10);
    rig.said_goodbye("a");
    assert_eq!(rig.dials, ["a"], "whoever came while it was being closed gets the next session");
    rig.accept_dial("a");
    rig.serve_all();
    assert_eq!((rig.served.clone(), rig.answers.clone()), (vec![1, 2], vec![]));
    assert_eq!(rig.changes("a"), [true], "a session that is closed on purpose is no outage");
}

#[test]
fn an_on_demand_session_with_work_in_line_is_not_closed_under_it() {
    let mut rig = Rig::with(&[on_demand("a")]);
    rig.submit("a", 1, 600);
    rig.accept_dial("a");
    rig.after(SECOND * 30);
    rig.answer_keep_alives();
    rig.after(SECOND * 31);
    rig.answer_keep_alives();
    if !rig.farewells().is_empty() {
        rig.said_goodbye("a");
        rig.accept_dial("a");
    }
    rig.serve_all();
    assert_eq!(rig.served, [1]);
}

#[test]
fn an_idle_session_is_asked_for_its_time_and_a_call_counts_as_an_answer() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    let pause = RegistrySettings::default().keep_alive;
    rig.after(pause - SECOND);
    rig.submit("a", 1, 10);
    rig.serve_all();
    rig.after(pause - SECOND);
    assert_eq!(rig.keep_alives(), Vec::<&str>::new());
    rig.after(SECOND);
    assert_eq!(rig.keep_alives(), ["a"]);
    rig.submit("a", 2, 10);
    rig.take();
    assert!(rig.busy.is_empty(), "one command at a time");
    rig.answer_keep_alives();
    rig.serve_all();
    assert_eq!(rig.served, [1, 2]);
}

#[test]
fn a_keep_alive_without_an_answer_ends_the_session() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.after(RegistrySettings::default().keep_alive);
    rig.lose_keep_alive("a", failure("device_silent"));
    assert_eq!((rig.dials.clone(), rig.status("a").failures), (vec!["a".to_owned()], 1));
    rig.refuse_dial("a", failure("device_unreachable"));
    assert_eq!(rig.status("a").state, StateName::BackOff);
}

#[test]
fn a_session_is_renewed_within_the_last_tenth_of_its_lifetime() {
    let ids: Vec<String> = (0..50).map(|n| format!("d{n}")).collect();
    let devices: Vec<_> = ids.iter().map(|id| device(id)).collect();
    let mut rig = Rig::with(&devices);
    rig.connect_all();
    let lifetime = RegistrySettings::default().lifetime;
    let mut renewed = Vec::new();
    while renewed.len() < ids.len() {
        rig.until_next_timer();
        rig.answer_keep_alives();
        for id in rig.farewells().into_iter().map(str::to_owned).collect::<Vec<_>>() {
            renewed.push(rig.now - rig.start);
            rig.said_goodbye(&id);
            rig.accept_dial(&id);
        }
    }
    assert!(renewed.iter().all(|age| *age >= lifetime.mul_f64(0.9) && *age <= lifetime), "{renewed:?}");
    renewed.sort();
    assert!(renewed[49] - renewed[0] > lifetime / 20, "not in one wave");
    assert!(rig.answers.is_empty() && rig.closed.is_empty());
}

#[test]
fn a_lent_device_refuses_with_device_lent_and_resumes_by_itself() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.submit("a", 1, 100);
    rig.take();
    rig.submit("a", 2, 100);
    let then = lend(&rig, 60);
    rig.disconnect("a", then).unwrap();
    rig.submit("a", 3, 100);
    assert_eq!(rig.answers, [(2, "device_lent"), (3, "device_lent")]);
    rig.serve_all();
    assert_eq!(rig.served, [1], "what was under way is finished");
    rig.said_goodbye("a");
    assert_eq!((rig.status("a").state, rig.closed.len()), (StateName::Lent, 1));
    rig.after(SECOND * 59);
    assert!(rig.dials.is_empty());
    rig.after(SECOND);
    assert_eq!(rig.dials, ["a"]);
}

#[test]
fn lending_can_be_ended_early_even_before_the_session_is_closed() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    let then = lend(&rig, 600);
    rig.disconnect("a", then.clone()).unwrap();
    rig.resume("a");
    rig.said_goodbye("a");
    assert_eq!(rig.dials, ["a"]);
    rig.accept_dial("a");
    rig.disconnect("a", then).unwrap();
    rig.said_goodbye("a");
    rig.resume("a");
    assert_eq!(rig.dials, ["a"]);
}

#[test]
fn a_device_that_is_being_lent_cannot_be_disconnected_connected_or_tested_in_between() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.submit("a", 1, 100);
    rig.take();
    let then = lend(&rig, 600);
    rig.disconnect("a", then).unwrap();
    for then in [Then::Park, Then::Redial] {
        assert!(matches!(rig.disconnect("a", then), Err(Refusal::Lent { .. })));
    }
    assert!(matches!(rig.connect("a"), Err(Refusal::Lent { .. })));
    rig.serve_all();
    rig.said_goodbye("a");
    assert_eq!(rig.status("a").state, StateName::Lent);
    let longer = lend(&rig, 1200);
    rig.disconnect("a", longer).unwrap();
    rig.after(SECOND * 1000);
    assert_eq!(rig.status("a").state, StateName::Lent, "lending can be made longer");
}

#[test]
fn whoever_waits_for_an_attempt_is_told_when_something_else_was_asked_for_since() {
    for (name, then, code) in [
        ("parked", Then::Park, "device_disconnected"),
        ("lent", Then::Lend { by: "x".into(), until: Rig::with(&[]).now + SECOND * 600 }, "device_lent"),
    ] {
        let mut rig = Rig::with(&[device("a")]);
        rig.connect_all();
        rig.submit("a", 1, 100);
        rig.take();
        rig.disconnect("a", Then::Redial).unwrap();
        rig.disconnect("a", then).unwrap();
        rig.serve_all();
        rig.said_goodbye("a");
        assert!(rig.dials.is_empty(), "{name}");
        assert_eq!(rig.not_dialled, [("a".to_owned(), code)], "{name}");
    }
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.disconnect("a", Then::Redial).unwrap();
    rig.said_goodbye("a");
    assert_eq!((rig.dials.as_slice(), rig.not_dialled.len()), (&["a".to_owned()][..], 0));
}

#[test]
fn disconnecting_parks_the_device_until_the_next_call() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.submit("a", 1, 100);
    rig.disconnect("a", Then::Park).unwrap();
    assert_eq!(rig.answers, [(1, "device_disconnected")]);
    rig.said_goodbye("a");
    assert_eq!(rig.closed, ["a"]);
    rig.after(SECOND * 3600);
    assert!(rig.dials.is_empty());
    rig.submit("a", 2, 100);
    assert_eq!(rig.dials, ["a"]);
}

#[test]
fn a_call_that_comes_while_the_device_is_being_disconnected_gets_a_new_session() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.disconnect("a", Then::Park).unwrap();
    rig.submit("a", 1, 100);
    rig.said_goodbye("a");
    assert_eq!((rig.closed.clone(), rig.dials.clone()), (vec!["a".to_owned()], vec!["a".to_owned()]));
    rig.accept_dial("a");
    rig.serve_all();
    assert_eq!(rig.served, [1]);
}

#[test]
fn connecting_overrides_back_off_refusal_and_a_disconnect_under_way() {
    let mut rig = Rig::with(&[device("a")]);
    for cause in [failure("device_unreachable"), failure_for_a_person("auth_failed")] {
        rig.refuse_dial("a", cause);
        rig.connect("a").unwrap();
        assert_eq!(rig.dials, ["a"]);
        rig.submit("a", 1, 100);
        assert!(rig.answers.is_empty(), "a call may wait for an attempt that was asked for");
        rig.answers.clear();
        rig.refuse_dial("a", failure("device_unreachable"));
        assert_eq!(rig.answers, [(1, "device_unreachable")]);
        rig.answers.clear();
        rig.connect("a").unwrap();
    }
    rig.accept_dial("a");
    rig.disconnect("a", Then::Park).unwrap();
    rig.connect("a").unwrap();
    rig.said_goodbye("a");
    assert_eq!((rig.dials.clone(), rig.closed.len()), (vec!["a".to_owned()], 1));
}

#[test]
fn a_wrong_comm_key_is_not_tried_in_a_loop() {
    let mut rig = Rig::with(&[device("a")]);
    rig.refuse_dial("a", failure_for_a_person("auth_failed"));
    let status = rig.status("a");
    assert_eq!(status.state, StateName::Refused);
    assert_eq!(status.retry_at, Some(rig.now + RegistrySettings::default().refused_retry));
    rig.submit("a", 1, 10);
    assert_eq!(rig.answers, [(1, "auth_failed")]);
}

#[test]
fn a_full_queue_refuses_and_says_its_limit() {
    let mut rig = Rig::with(&[device("a")]);
    let limit = RegistrySettings::default().queue_limit as u32;
    for job in 0..=limit {
        rig.submit("a", job, 100);
    }
    assert_eq!(rig.answers, [(limit, "queue_full")]);
}

#[test]
fn an_urgent_job_does_not_wait_in_the_line_that_its_device_joined_before() {
    let mut rig = Rig::with(&[device("door"), device("b"), device("c")]);
    rig.connect_all();
    rig.submit_as("door", Priority::Background, 1, 100);
    rig.submit("b", 2, 100);
    rig.submit("c", 3, 100);
    rig.submit_as("door", Priority::Urgent, 4, 100);
    rig.take();
    assert_eq!(rig.busy[0].ticket.job, 4);
    rig.serve_all();
    assert_eq!(rig.served, [4, 2, 3, 1]);
}

#[test]
fn devices_take_turns_and_nobody_starves() {
    let mut rig = Rig::with(&[device("greedy"), device("b"), device("c")]);
    rig.connect_all();
    for job in 0..30 {
        rig.submit_as("greedy", Priority::Urgent, job, 1000);
    }
    rig.submit_as("b", Priority::Urgent, 100, 1000);
    rig.submit_as("c", Priority::Background, 200, 1000);
    // One worker: takes, serves, takes.
    for _ in 0..32 {
        rig.take_one();
        rig.finish_first();
    }
    let place = |job| rig.served.iter().position(|served| *served == job).unwrap();
    assert!(place(100) <= 1, "equals take turns: {:?}", rig.served);
    assert!(place(200) <= 16, "the last line is looked at now and then: {:?}", rig.served);
}

#[test]
fn suspects_hold_at_most_their_share_of_the_workers() {
    let settings = RegistrySettings { suspect_workers: 2, ..RegistrySettings::default() };
    let ids = ["s1", "s2", "s3", "s4"];
    let mut rig = Rig::new(settings);
    rig.configure(&ids.map(device));
    rig.configure(&[ids.map(device).as_slice(), &[device("healthy")]].concat());
    rig.connect_all();
    for (job, id) in ids.into_iter().enumerate() {
        rig.submit(id, job as u32, 100);
        rig.take();
        rig.fail(id, failure("device_silent"), false);
        rig.accept_dial(id);
    }
    for (job, id) in ids.into_iter().enumerate() {
        rig.submit(id, 10 + job as u32, 100);
    }
    rig.submit("healthy", 20, 100);
    rig.take();
    let busy: Vec<u32> = rig.busy.iter().map(|assignment| assignment.ticket.job).collect();
    assert_eq!(busy.len(), 3, "two suspects and the healthy one: {busy:?}");
    assert!(busy.contains(&20));
    rig.serve_all();
    assert_eq!(rig.served.len(), 5, "and all are served in the end");
    assert_eq!(rig.core.suspects_busy, 0);
}

#[test]
fn a_suspect_whose_record_changes_during_a_call_leaves_its_place_free() {
    let mut rig = Rig::with(&[device("a")]);
    rig.connect_all();
    rig.submit("a", 1, 100);
    rig.take();
    rig.fail("a", failure("device_silent"), false);
    rig.accept_dial("a");
    rig.submit("a", 2, 100);
    rig.take();
    rig.configure(&[moved("a")]);
    rig.serve_all();
    assert_eq!(rig.core.suspects_busy, 0);
}

#[test]
fn a_call_whose_deadline_passes_in_the_queue_is_answered_then() {
    let mut rig = Rig::with(&[device("a")]);
    rig.submit("a", 1, 5);
    rig.submit("a", 2, 50);
    assert_eq!(rig.core.due(), Some(rig.now + SECOND * 5));
    rig.after(SECOND * 5);
    assert_eq!(rig.answers, [(1, "deadline_exceeded")]);
    rig.accept_dial("a");
    rig.serve_all();
    assert_eq!(rig.served, [2]);
}

#[test]
fn a_device_can_be_removed_in_every_state() {
    for (name, prepare) in situations() {
        let mut rig = Rig::with(&[device("a")]);
        prepare(&mut rig);
        rig.configure(&[]);
        rig.submit("a", 99, 100);
        assert_eq!(rig.answers.last(), Some(&(99, "not_found")), "{name}");
        assert!(matches!(rig.disconnect("a", Then::Park), Err(Refusal::Unknown)), "{name}");
        rig.finish_everything();
        assert!(rig.core.status(&rig::id("a")).is_none(), "{name}");
        assert_eq!((rig.alive(), rig.core.due()), (0, None), "{name}");
    }
}

#[test]
fn a_device_can_be_disabled_and_enabled_in_every_state() {
    for (name, prepare) in situations() {
        let mut rig = Rig::with(&[device("a")]);
        prepare(&mut rig);
        rig.configure(&[switched_off("a")]);
        rig.submit("a", 99, 100);
        assert_eq!(rig.answers.last(), Some(&(99, "device_disabled")), "{name}");
        rig.disconnect("a", Then::Park).unwrap();
        assert!(matches!(rig.disconnect("a", Then::Redial), Err(Refusal::Disabled(_))), "{name}");
        assert!(rig.connect("a").is_err(), "{name}");
        rig.finish_everything();
        assert_eq!((rig.status("a").state, rig.alive()), (StateName::Disabled, 0), "{name}");
        rig.configure(&[device("a")]);
        assert_eq!(rig.dials, ["a"], "{name}");
        rig.accept_dial("a");
        assert_eq!(rig.status("a").state, StateName::Idle, "{name}");
    }
}

#[test]
fn a_device_that_moved_gets_a_new_session_in_every_state() {
    for (name, prepare) in situations() {
        let mut rig = Rig::with(&[device("a")]);
        prepare(&mut rig);
        let lent = rig.status("a").state == StateName::Lent;
        rig.configure(&[moved("a")]);
        rig.finish_everything();
        if lent {
            assert_eq!(rig.status("a").state, StateName::Lent, "{name}");
            continue;
        }
        rig.accept_all();
        rig.finish_everything();
        assert_eq!(rig.status("a").state, StateName::Idle, "{name}");
        assert_eq!(rig.dialled_last, Some(moved("a").endpoint.clone().unwrap().address), "{name}");
    }
}

#[test]
fn a_change_of_mode_never_makes_a_second_session() {
    for (name, prepare) in situations() {
        let mut rig = Rig::with(&[device("a")]);
        prepare(&mut rig);
        rig.configure(&[on_demand("a")]);
        rig.configure(&[device("a")]);
        rig.finish_everything();
        assert!(rig.alive() <= 1, "{name}");
    }
}

#[test]
fn the_first_of_two_records_with_one_id_counts() {
    let mut rig = Rig::with(&[device("a"), moved("a")]);
    rig.accept_dial("a");
    for _ in 0..3 {
        rig.configure(&[device("a"), moved("a")]);
    }
    assert_eq!((rig.status("a").state, rig.status("a").sessions_opened), (StateName::Idle, 1));
}

#[test]
fn a_stop_refuses_what_waits_finishes_what_runs_and_closes_every_session() {
    for (name, prepare) in situations() {
        let mut rig = Rig::with(&[device("a")]);
        prepare(&mut rig);
        rig.stop();
        rig.submit("a", 99, 100);
        assert_eq!(rig.answers.last(), Some(&(99, "stopping")), "{name}");
        assert!(rig.connect("a").is_err(), "{name}");
        assert!(rig.disconnect("a", Then::Redial).is_err(), "{name}");
        rig.finish_everything();
        assert_eq!(rig.alive(), 0, "{name}");
        assert!(rig.core.is_quiet(), "{name}");
        rig.after(SECOND * 3600);
        assert!(rig.dials.is_empty(), "{name}");
    }
}

/// Its name, and what leads to it.
type Situation = (&'static str, fn(&mut Rig));

/// A device in each of the states, with work where it can have some.
fn situations() -> Vec<Situation> {
    vec![
        ("connecting", |rig| rig.submit("a", 1, 100)),
        ("idle", Rig::connect_all),
        ("busy", |rig| {
            rig.connect_all();
            rig.submit("a", 1, 100);
            rig.take();
            rig.submit("a", 2, 100);
        }),
        ("probing", |rig| {
            rig.connect_all();
            rig.after(RegistrySettings::default().keep_alive);
        }),
        ("closing", |rig| {
            rig.connect_all();
            rig.after(RegistrySettings::default().lifetime);
            rig.answer_keep_alives();
            rig.submit("a", 1, 100);
        }),
        ("being disconnected", |rig| {
            rig.connect_all();
            rig.disconnect("a", Then::Park).unwrap();
        }),
        ("parked", |rig| {
            rig.connect_all();
            rig.disconnect("a", Then::Park).unwrap();
            rig.said_goodbye("a");
        }),
        ("back-off", |rig| rig.refuse_dial("a", failure("device_unreachable"))),
        ("refused", |rig| rig.refuse_dial("a", failure_for_a_person("auth_failed"))),
        ("lent", |rig| {
            rig.connect_all();
            let then = lend(rig, 600);
            rig.disconnect("a", then).unwrap();
            rig.said_goodbye("a");
        }),
    ]
}
