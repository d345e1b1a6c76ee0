//! A thousand made-up histories: none of them costs a punch, doubles one or puts one before what was read already.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;
use zkgate::simulator::{Config, Profile, Simulator};

use crate::feed::{self, Reader, Seen};
use crate::gateway::{Gateway, Shared};
use crate::player::{DAY, Player, noon};
use crate::script::{Life, Script, USERS};
use crate::truth::{Key, counted, missing};

/// Devices at a time, and how many times.
const DEVICES: usize = 205;
const ROUNDS: u64 = 5;
/// How long it may take until what was settled is noted.
const SETTLED: Duration = Duration::from_secs(20);
/// Histories that are told when they went wrong.
const SHOWN: usize = 3;
/// The seed of the first round, unless another is chosen.
const SEED: u64 = 20_260_714;

#[test]
fn no_history_costs_a_punch_or_doubles_one_or_changes_their_order() {
    let seed = std::env::var("ZKGATE_SEED").map_or(SEED, |text| text.parse().expect("a number"));
    let rounds = std::env::var("ZKGATE_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number"));
    let began = Instant::now();
    let mut total = Total::default();
    for round in 0..rounds {
        play_round(seed.wrapping_add(round * 1_000_003), &mut total);
    }
    let Total { histories, punches, kills, gaps, lost_in_gaps } = total;
    println!(
        "{histories} histories with {punches} punches and {kills} ends of the service in {:.0} s: none lost, \
         none doubled, none out of order; {lost_in_gaps} that nobody could have known are in the {gaps} gaps",
        began.elapsed().as_secs_f64()
    );
}

#[derive(Default)]
struct Total {
    histories: usize,
    punches: usize,
    kills: usize,
    gaps: u64,
    lost_in_gaps: usize,
}

fn play_round(seed: u64, total: &mut Total) {
    let gateway: Shared = Arc::new(Gateway::start(Gateway::setup()));
    let pages = Reader::of_pages(&gateway);
    let stream = Reader::of_stream(&gateway);
    let scripts: Vec<Script> =
        (0..DEVICES as u64).map(|number| Script::of(seed.wrapping_add(number))).collect();
    let (simulators, handles) = devices(seed, &scripts);
    let over = AtomicBool::new(false);
    let players: Vec<(Player<'_>, Result<(), String>)> = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut rng = Rng::with_seed(seed);
            let mut kills = 0;
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(rng.u64(150..1100)));
                if over.load(Ordering::Relaxed) {
                    break;
                }
                if rng.u8(0..5) == 0 {
                    gateway.restart()
                } else {
                    gateway.kill()
                }
                kills += 1;
            }
            kills
        });
        let threads: Vec<_> = scripts
            .into_iter()
            .zip(handles)
            .map(|(script, handle)| {
                let gateway = &*gateway;
                scope.spawn(move || {
                    let mut player = Player::begin(gateway, handle, script);
                    player.play();
                    player
                })
            })
            .collect();
        let players: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        over.store(true, Ordering::Relaxed);
        total.kills += killer.join().unwrap();
        let threads: Vec<_> = players
            .into_iter()
            .map(|player| player.expect("a player"))
            .map(|mut player| {
                scope.spawn(move || {
                    let end = player.end();
                    (player, end)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a player")).collect()
    });
    let rows = feed::all(&gateway);
    let evidence: Vec<Value> = players
        .iter()
        .map(|(player, _)| {
            let path = format!("/devices/{}/completeness?date={DAY}", player.id);
            // What a read has settled is noted a moment later.
            let give_up = Instant::now() + SETTLED;
            loop {
                let shown = gateway.show(&path);
                if shown["counts"]["quarantined"] == 0 || Instant::now() > give_up {
                    return shown;
                }
            }
        })
        .collect();
    gateway.stop();
    feed::check("pages", &pages.end(), &rows);
    feed::check("the stream", &stream.end(), &rows);
    let wrong = compare(&players, &rows, &evidence, total);
    assert!(
        wrong.is_empty(),
        "seed {seed}: {} of {} histories went wrong:\n{}",
        wrong.len(),
        players.len(),
        wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n\n")
    );
    drop(simulators);
}

/// The devices of a round: a simulator for every kind, its devices with the serial numbers of their scripts.
fn devices(seed: u64, scripts: &[Script]) -> (Vec<Simulator>, Vec<zkgate::simulator::DeviceHandle>) {
    let mut kinds: HashMap<Profile, Vec<usize>> = HashMap::new();
    for (index, script) in scripts.iter().enumerate() {
        kinds.entry(script.profile).or_default().push(index);
    }
    let mut handles = vec![None; scripts.len()];
    let mut simulators = Vec::new();
    for (profile, indices) in kinds {
        let simulator = Simulator::start(Config {
            devices: indices.len(),
            profile,
            users: USERS,
            punches: [0, 3, 150][(seed % 3) as usize],
            clock: Some(noon()),
            seed,
            event_repeat: Some(Duration::from_millis(300)),
            threads: 1,
            ..Config::default()
        });
        let simulator = simulator.unwrap();
        for (index, device) in indices.into_iter().zip(simulator.devices()) {
            device.set_serial(format!("H{seed:X}-{index:03}"));
            handles[index] = Some(device.clone());
        }
        simulators.push(simulator);
    }
    (simulators, handles.into_iter().map(Option::unwrap).collect())
}

/// What went wrong, history by history.
fn compare(
    players: &[(Player<'_>, Result<(), String>)],
    rows: &Seen,
    evidence: &[Value],
    total: &mut Total,
) -> Vec<String> {
    let mut of: HashMap<&str, Vec<&Value>> = HashMap::new();
    for row in rows.values() {
        of.entry(row["serial_number"].as_str().unwrap()).or_default().push(row);
    }
    let strangers: Vec<_> = of
        .keys()
        .filter(|serial| !players.iter().any(|(player, _)| player.serial_number == **serial))
        .collect();
    assert!(strangers.is_empty(), "rows of nobody: {strangers:?}");
    let mut wrong = Vec::new();
    for ((player, end), evidence) in players.iter().zip(evidence) {
        let rows = of.get(player.serial_number.as_str()).map_or(&[][..], Vec::as_slice);
        total.histories += 1;
        total.punches += player.truth.recorded.len();
        total.gaps += evidence["all_gaps"].as_u64().unwrap();
        let found = end.clone().and_then(|()| {
            if player.is_exact() {
                exact(player, rows, evidence)
            } else {
                lossy(player, rows, evidence, total)
            }
        });
        if let Err(what) = found {
            wrong.push(format!("{what}\n{evidence}\n{}", player.story()));
        }
    }
    wrong
}

/// Nothing was lost anywhere: rows and records are the same, and nothing else is said.
fn exact(player: &Player<'_>, rows: &[&Value], evidence: &Value) -> Result<(), String> {
    let (recorded, there) = (counted(player.truth.keys()), counted(rows.iter().map(|row| Key::of_row(row))));
    let (lost, doubled) = (missing(&recorded, &there), missing(&there, &recorded));
    if !lost.is_empty() || !doubled.is_empty() {
        return Err(format!("lost: {lost:?}\ndoubled: {doubled:?}"));
    }
    if evidence["all_gaps"] != 0 || evidence["counts"]["quarantined"] != 0 {
        return Err("something is said to be missing".into());
    }
    in_order(player, rows)
}

/// Rows that only the log has told stand in its order.
fn in_order(player: &Player<'_>, rows: &[&Value]) -> Result<(), String> {
    let mut places: HashMap<Key, Vec<usize>> = HashMap::new();
    for (place, key) in player.truth.keys().enumerate() {
        places.entry(key).or_default().push(place);
    }
    let mut last = 0;
    for row in rows.iter().filter(|row| row["source"] == "log") {
        // Of equal ones any may be meant.
        let of_equal = &places[&Key::of_row(row)];
        let Some(place) = of_equal.iter().find(|place| **place >= last) else {
            return Err(format!("out of order: {row}"));
        };
        last = *place;
    }
    Ok(())
}

/// What was proved is there, nothing is there that was not, and what is missing is in a gap.
fn lossy(player: &Player<'_>, rows: &[&Value], evidence: &Value, total: &mut Total) -> Result<(), String> {
    let truth = &player.truth;
    let rough = |key: Key| key.roughly();
    let recorded = counted(truth.keys().map(rough));
    let there = counted(rows.iter().map(|row| Key::of_row(row).roughly()));
    let proved = truth.keys().zip(&truth.proved).filter(|(_, proved)| **proved).map(|(key, _)| key.roughly());
    let lost = missing(&counted(proved), &there);
    let doubled = missing(&there, &recorded);
    if !lost.is_empty() || !doubled.is_empty() {
        return Err(format!("lost although it was said to be there: {lost:?}\ndoubled: {doubled:?}"));
    }
    let gaps = evidence["gaps"].as_array().unwrap();
    for (key, count) in missing(&recorded, &there) {
        let covers = |gap: &Value| {
            gap["from"].as_str().is_none_or(|from| from <= key.time.as_str())
                && key.time.as_str() <= gap["to"].as_str().unwrap()
        };
        if !gaps.iter().any(covers) {
            return Err(format!("missing, and in no gap: {key:?}"));
        }
        total.lost_in_gaps += count;
    }
    if evidence["counts"]["quarantined"] != 0 {
        return Err("something is in quarantine".into());
    }
    debug_assert_eq!(player.script.life, Life::Lossy);
    Ok(())
}
