//! The people and the past of a simulated site: users, punches and templates made from a seed.
//!
//! The same settings, seed and end of time give the same tables. Rows are made as a client will read them back:
//! what a layout cannot hold is already gone.

use std::sync::Arc;

use fastrand::Rng;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::config::Config;
use super::device_clock::pack;
use super::punch_log::Log;
use super::tables::{Person, Table, Template};
use crate::base::secret::Secret;
use crate::wire::record::UserId;
use crate::wire::record::punch::{Punch, PunchLayout};
use crate::wire::record::user::{Privilege, TimeZones, User, UserLayout};
use crate::wire::text::FixedText;

/// The tables that the devices of a simulator begin with, shared until they change.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    pub(crate) users: Arc<Table<Person>>,
    pub(crate) punches: Log,
    pub(crate) templates: Arc<Table<Template>>,
}

impl Population {
    /// Everything up to `present`, the devices' time.
    pub(crate) fn generate(config: &Config, present: DateTime) -> Self {
        let (user_layout, punch_layout) = (config.user_layout(), config.profile.layouts().1);
        let mut rng = Rng::with_seed(config.seed);
        let count = config.users.min(Config::USERS_CEILING);
        let users: Vec<Person> =
            (1..=count).map(|number| Person::of(&user(number, user_layout, &mut rng), user_layout)).collect();
        let punches = punches(config, &users, present, punch_layout, &mut rng);
        let templates = users
            .iter()
            .take(config.templates)
            .map(|user| Template { uid: user.uid, finger: 6, flag: 1, bytes: template(&mut rng) })
            .collect();
        Self {
            users: Arc::new(Table::new(user_layout, users)),
            punches,
            templates: Arc::new(Table::new((), templates)),
        }
    }
}

fn user(number: usize, layout: UserLayout, rng: &mut Rng) -> User {
    // At most 65,535 users, and ids far below 2^32.
    let uid = u16::try_from(number).unwrap_or(u16::MAX);
    let privilege = match number {
        1 => 14,
        _ if rng.u8(..) < 5 => 6,
        _ if rng.u8(..) < 3 => 1,
        _ => 0,
    };
    let password = if rng.u8(..) < 40 { rng.u32(1000..=99_999).to_string() } else { String::new() };
    let card_number = if rng.bool() { rng.u32(1..) } else { 0 };
    let time_zones = match layout {
        UserLayout::Compact => TimeZones::Set(1),
        UserLayout::Full { .. } => TimeZones::List { flag: 0, zones: [1, 0, 0] },
    };
    let room = if layout == UserLayout::Compact { 8 } else { 23 };
    User {
        uid,
        privilege: Privilege(privilege),
        password: Secret::new(FixedText::new(password.as_bytes()).unwrap_or_default()),
        name: FixedText::new(cut(&name(rng), room).as_bytes()).unwrap_or_default(),
        card_number,
        group: rng.u8(1..=3),
        time_zones,
        user_id: UserId::from_number(1000 + u32::from(uid)),
    }
}

fn name(rng: &mut Rng) -> String {
    let first = rng.choice(FIRST_NAMES).unwrap_or_default();
    match rng.u8(..) {
        // Empty names are common on real devices.
        0..8 => String::new(),
        8..40 => rng.choice(WHOLE_NAMES).unwrap_or_default().to_owned(),
        _ => format!("{first} {}", rng.choice(LAST_NAMES).unwrap_or_default()),
    }
}

/// The longest beginning of at most `room` bytes that ends between two characters.
fn cut(text: &str, room: usize) -> &str {
    let end = (0..=room.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
    text.get(..end).unwrap_or_default().trim_end()
}

fn punches(config: &Config, users: &[Person], present: DateTime, layout: PunchLayout, rng: &mut Rng) -> Log {
    let count = config.punches.min(Config::PUNCHES_CEILING);
    // Every fifth punch falls into the same second as the one before it.
    let gaps: Vec<u8> = (0..count).map(|_| if rng.u8(..) < 51 { 0 } else { rng.u8(1..=119) }).collect();
    let whole: i64 = gaps.iter().map(|gap| i64::from(*gap)).sum();
    let present = TimeZone::UTC.to_timestamp(present).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut time = present.saturating_sub(SignedDuration::from_secs(whole)).unwrap_or(present);
    let mut who = 0;
    let punches = gaps.into_iter().map(|gap| {
        time = time.saturating_add(SignedDuration::from_secs(gap.into())).unwrap_or(time);
        // A step below the number of users never names the same person twice running.
        who += if users.len() > 1 { rng.usize(1..users.len()) } else { 0 };
        let user = users.get(who % users.len().max(1));
        Punch {
            user_id: user.map_or_else(|| UserId::from_number(1001), |user| user.user_id),
            uid: user.map(|user| user.uid).or(Some(1)),
            time: pack(TimeZone::UTC.to_datetime(time)),
            punch_state: rng.choice(STATES.iter().copied()).unwrap_or_default(),
            verify_mode: rng.choice(VERIFY_MODES.iter().copied()).unwrap_or_default(),
            work_code: 0,
        }
    });
    Log::new(layout, punches)
}

fn template(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = b"\x4d\xfdSS21".to_vec();
    bytes.extend(std::iter::repeat_with(|| rng.u8(..)).take(500));
    // Clients cut zeros off the end; a template does not end with one.
    bytes.push(0x5a);
    bytes
}

const STATES: [u8; 8] = [0, 1, 0, 1, 0, 1, 4, 5];
const VERIFY_MODES: [u8; 5] = [1, 1, 1, 0, 2];
const WHOLE_NAMES: [&str; 6] = ["陈伟", "José Nuñez", "Łukasz Żak", "Zoë", "محمد علي", "Оля Ким"];
const FIRST_NAMES: [&str; 12] =
    ["Alice", "Bob", "Carla", "David", "Elena", "Frank", "Grace", "Hana", "Ivan", "Jana", "Karim", "Lena"];
const LAST_NAMES: [&str; 12] = [
    "Adams", "Baker", "Cohen", "Diaz", "Evans", "Fischer", "Green", "Haddad", "Ito", "Jones", "Kaya", "Lang",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::profile::Profile;
    use crate::wire::record::table::{PunchTable, UserTable};

    fn present() -> DateTime {
        jiff::civil::date(2026, 7, 14).at(8, 0, 0, 0)
    }

    fn config(profile: Profile) -> Config {
        Config { profile, users: 300, punches: 1000, ..Config::default() }
    }

    #[test]
    fn the_same_seed_gives_the_same_tables() {
        let config = config(Profile::Tft);
        let (one, two) = (Population::generate(&config, present()), Population::generate(&config, present()));
        assert_eq!(one.users.image(), two.users.image());
        assert_eq!(one.punches.image(), two.punches.image());
        let other = Population::generate(&Config { seed: 2, ..config }, present());
        assert_ne!(one.punches.image(), other.punches.image());
    }

    #[test]
    fn what_a_client_decodes_is_what_the_rows_say() {
        for profile in [Profile::OldUdp, Profile::Bw16Udp, Profile::Tft, Profile::Vl49] {
            let made = Population::generate(&config(profile), present());
            let users = UserTable::parse(made.users.image().to_vec(), Some(300)).unwrap();
            assert!(users.iter().eq(made.users.rows().iter().map(|person| (**person).clone())), "{profile}");
            let punches =
                PunchTable::parse(made.punches.image().to_vec(), Some(1000), pack(present())).unwrap();
            assert!(punches.iter().eq(made.punches.punches()), "{profile}");
            assert_eq!(punches.slots(), 1000, "{profile}");
        }
    }

    #[test]
    fn punches_are_in_time_order_and_end_at_the_present() {
        let made = Population::generate(&config(Profile::Tft), present());
        let times: Vec<_> = made.punches.punches().map(|punch| punch.time).collect();
        assert!(times.is_sorted());
        assert_eq!(times.last(), Some(&pack(present())));
        assert!(times.windows(2).any(|pair| pair[0] == pair[1]), "several punches share a second");
        assert!(made.users.rows().iter().any(|user| !user.name.to_text().is_ascii()));
    }
}
