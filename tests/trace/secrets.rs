//! A comm key, a password and a template never stand in a file, however they travel.

use std::time::Duration;

use zkgate::base::secret::Secret;
use zkgate::device::templates::{Fingerprint, PersonWrite, UploadForm};
use zkgate::device::users::{Mode, UserChange};
use zkgate::device::{DeviceError, Session, SessionSettings};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile};
use zkgate::transport::trace::Limits;
use zkgate::wire::capture::Direction;
use zkgate::wire::carrier::Carrier;
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::encoding::NameEncoding;
use zkgate::wire::record::UserId;
use zkgate::wire::record::template::Validity;
use zkgate::wire::text::FixedText;

use crate::recorder::{Recorder, frames};
use crate::site::{carriers, device, quick, within};

const KEY: u64 = 918_273_645;
const PASSWORD: &str = "86420";
const TEMPLATE: [u8; 40] = *b"Ridges and minutiae of a finger, made up";
const SESSION: u16 = 0x51a7;

/// Everything that brings secrets onto the line. What a fault spoils is of no account here.
fn everything(session: &mut Session, limit: Duration) -> Result<(), DeviceError> {
    let soon = || within(limit);
    drop(session.users(soon())?);
    drop(session.templates(soon())?);
    drop(session.templates_in_pieces(&mut |session| session.time(soon()).map(drop), soon()));
    let Some(person) = session.user(&UserId::from_number(1002), soon())? else { return Ok(()) };
    drop(session.template(&person, 6, soon())?);
    let print = |finger| Fingerprint::new(finger, Validity::Valid, TEMPLATE.repeat(30)).unwrap();
    for (finger, form) in [(1, UploadForm::Single), (2, UploadForm::Block)] {
        drop(session.write_template(&person, &print(finger), form, soon()));
    }
    let password = Some(Secret::new(PASSWORD.to_owned()));
    let change =
        |number| UserChange { password: password.clone(), ..UserChange::of(UserId::from_number(number)) };
    let (names, mut pause) = (NameEncoding::UTF_8, |_: &mut Session| Ok(()));
    drop(session.write_users(
        &[change(1003), change(2001)],
        Mode::Upsert,
        names,
        &mut pause,
        &mut |_| {},
        soon(),
    ));
    let people = [PersonWrite { user: change(2002), fingerprints: vec![print(3)] }];
    drop(session.write_people(&people, Mode::Upsert, names, &mut pause, &mut |_| {}, soon()));
    drop(session.users(soon())?);
    drop(session.option("ComKey", soon())?);
    session.time(soon())?;
    Ok(())
}

/// A device on which everybody has the password, and some have fingers.
fn guarded(profile: Profile, user_record: u16) -> (zkgate::simulator::Simulator, DeviceHandle) {
    let comm_key = CommKey::new(KEY).unwrap();
    let first_session = Some(SESSION);
    let (users, templates) = (60, 4);
    let config = Config {
        profile,
        user_record,
        users,
        templates,
        comm_key,
        first_session,
        threads: 1,
        ..Config::default()
    };
    let (simulator, device) = device(config);
    for mut user in device.users() {
        user.password = Secret::new(FixedText::new(PASSWORD.as_bytes()).unwrap());
        assert!(device.add_user(user));
    }
    (simulator, device)
}

fn no_secret_is_written(
    case: &str,
    device: &DeviceHandle,
    carrier: Carrier,
    patience: SessionSettings,
) -> usize {
    let recorder = Recorder::new(Limits::default());
    for _ in 0..2 {
        if let Ok(mut session) = recorder.connect(device, KEY, &[carrier], patience) {
            // A fault may spoil all of it.
            drop(everything(&mut session, patience.reply * 5));
            session.exit();
        }
    }
    let templates: Vec<Vec<u8>> = device.templates().into_iter().map(|template| template.3).collect();
    assert!(templates.len() >= 4, "{case}");
    let text = recorder.text();
    let capture = zkgate::wire::capture::Capture::parse(&text).unwrap();
    let key = CommKey::new(KEY).unwrap();
    let keys = (0..4).map(|number| key.scramble(SESSION + number, 50).to_vec());
    let mut secrets: Vec<Vec<u8>> = vec![PASSWORD.into(), TEMPLATE[..10].into(), KEY.to_string().into()];
    secrets.extend(keys);
    secrets.extend(templates.iter().filter(|t| t.len() >= 12).map(|template| template[2..12].to_vec()));
    for direction in [Direction::Out, Direction::In] {
        // A secret may lie across two packets.
        let said: Vec<u8> =
            frames(&capture, direction).into_iter().flat_map(|frame| frame.payload.clone()).collect();
        for secret in &secrets {
            let at = said.windows(secret.len()).position(|window| window == &secret[..]);
            assert_eq!(at, None, "{case} {direction:?}: {secret:?}");
        }
    }
    for secret in
        [PASSWORD.to_owned(), KEY.to_string(), String::from_utf8_lossy(&TEMPLATE[..10]).into_owned()]
    {
        assert!(!text.contains(&secret), "{case}");
    }
    // The mask must not be the whole: people are still there, by their ids.
    let named = frames(&capture, Direction::In).into_iter().filter(|frame| {
        frame.payload.windows(4).any(|window| window == b"1002" || window == 1002u32.to_le_bytes())
    });
    named.count()
}

#[test]
fn no_secret_is_written_whatever_the_layout_and_the_transport() {
    std::thread::scope(|scope| {
        for (profile, user_record) in [
            (Profile::OldUdp, 28),
            (Profile::Bw16Udp, 28),
            (Profile::Tft, 72),
            (Profile::Tft, 84),
            (Profile::TftBig, 72),
            (Profile::Vl49, 72),
            (Profile::D2, 72),
        ] {
            for carrier in carriers(&device(Config { profile, ..Config::default() }).1) {
                scope.spawn(move || {
                    let (_simulator, device) = guarded(profile, user_record);
                    let case = format!("{profile} with records of {user_record} over {}", carrier.name());
                    let named = no_secret_is_written(&case, &device, carrier, quick());
                    assert!(named > 0, "{case}: people are masked whole");
                });
            }
        }
    });
}

/// What is answered later than this is as good as not answered; here that is of no account.
fn hasty() -> SessionSettings {
    let short = Duration::from_millis(60);
    SessionSettings { reply: short, progress: short, farewell: short, ..quick() }
}

#[test]
fn no_secret_is_written_whatever_goes_wrong() {
    let faults = [
        "missing-fragment",
        "truncate",
        "wrong-total",
        "wrong-total:smaller",
        "fragments:33",
        "bare-data",
        "double-prepare",
        "early-ack",
        "missing-ack",
        "wrong-reply@chunk*3",
        "wrong-reply@prepare*1",
        "late-duplicate",
        "stray-event",
        "lying-counts",
        "lying-counts:larger",
        "lying-size-word",
        "lying-size-word:smaller",
        "no-buffer",
        "rst@chunk",
        "swallow@prepare*2",
        "udp-drop:10",
        "udp-duplicate",
        "udp-reorder",
        "garbage-after-nul",
        "blank-records",
    ];
    std::thread::scope(|scope| {
        for fault in faults {
            for carrier in [Carrier::Tcp, Carrier::Udp] {
                scope.spawn(move || {
                    let (_simulator, device) = guarded(Profile::Tft, 72);
                    device.set_fault(Fault::parse(fault).unwrap());
                    let case = format!("{fault} over {}", carrier.name());
                    no_secret_is_written(&case, &device, carrier, hasty());
                });
            }
        }
    });
}
