//! What really happened at a device, and how the journal's rows compare with it.

use std::collections::HashMap;

use serde_json::Value;
use zkgate::wire::record::punch::Punch;

/// A punch, as far as its identity goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub time: String,
    pub who: String,
    pub rest: (u64, u64, u64),
}

impl Key {
    pub fn of_punch(punch: &Punch) -> Self {
        let who = match punch.uid {
            Some(uid) if punch.user_id.is_empty() => format!("uid {uid}"),
            _ => punch.user_id.to_text().into_owned(),
        };
        let rest = (punch.punch_state.into(), punch.verify_mode.into(), punch.work_code.into());
        Self { time: punch.time.fields().to_string(), who, rest }
    }

    pub fn of_row(row: &Value) -> Self {
        let who = match row["uid"].as_u64() {
            Some(uid) => format!("uid {uid}"),
            None => row["user_id"].as_str().unwrap_or("nobody").to_owned(),
        };
        let number = |member: &str| row[member].as_u64().unwrap_or(u64::MAX);
        let rest = (number("punch_state"), number("verify_mode"), number("work_code"));
        Self { time: row["timestamp"].as_str().unwrap().to_owned(), who, rest }
    }

    /// The same without what a live event may say otherwise than the log.
    pub fn roughly(self) -> Self {
        Self { rest: (0, 0, 0), ..self }
    }
}

/// How often each occurs.
pub fn counted(keys: impl Iterator<Item = Key>) -> HashMap<Key, usize> {
    let mut counts = HashMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// What of `wanted` is not in `there`, with how many are missing.
pub fn missing(wanted: &HashMap<Key, usize>, there: &HashMap<Key, usize>) -> Vec<(Key, usize)> {
    let mut missing: Vec<_> = wanted
        .iter()
        .filter_map(|(key, count)| {
            let found = there.get(key).copied().unwrap_or(0);
            (*count > found).then(|| (key.clone(), count - found))
        })
        .collect();
    missing.sort();
    missing
}

/// Everything that one device has ever recorded. Its log is always the end of that.
#[derive(Debug, Default)]
pub struct Truth {
    pub recorded: Vec<Punch>,
    /// Where the log begins in it.
    pub begin: usize,
    /// Up to where the journal has said to have everything that was in the log.
    pub proved: Vec<bool>,
}

impl Truth {
    /// The log has grown to this, after the oldest ones gave way.
    pub fn grown(&mut self, log: &[Punch], new: usize) {
        let fresh = &log[log.len() - new.min(log.len())..];
        self.recorded.extend_from_slice(fresh);
        self.proved.resize(self.recorded.len(), false);
        self.begin = self.recorded.len() - log.len();
        assert_eq!(&self.recorded[self.begin..], log, "the test knows the log");
    }

    /// The log was emptied.
    pub fn cleared(&mut self) {
        self.begin = self.recorded.len();
    }

    /// The journal says that it has everything that is in the log up to this many punches.
    pub fn proved(&mut self, up_to: usize) {
        let begin = self.begin;
        self.proved.iter_mut().take(up_to).skip(begin).for_each(|proved| *proved = true);
    }

    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.recorded.iter().map(Key::of_punch)
    }
}
