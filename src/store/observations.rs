//! What was observed and is not yet in the database, one entry per device: however often a device is seen, it
//! costs one row. Changed facts and status go with the next write; "last seen" alone at most once a minute.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::device::{Device, Facts, Observation, Status};
use super::list::DeviceList;
use super::rules;
use crate::base::ids::DeviceId;

/// How often "last seen" is worth a write when nothing else changed.
pub(super) const SEEN_PACE: Duration = Duration::from_secs(60);

/// The observations not yet saved.
#[derive(Debug, Default)]
pub(super) struct Observations {
    unsaved: BTreeMap<DeviceId, Observation>,
    /// Devices of which something was saved in this run, and when "last seen" was, if it was.
    seen_saved: HashMap<DeviceId, Option<Instant>>,
}

impl Observations {
    /// Takes note of an observation of this device; gives the device as it looks with it, if that differs.
    pub(super) fn note(&mut self, device: &Device, observation: Observation) -> Option<Device> {
        let mut after = device.clone();
        apply(&mut after, &observation);
        // The first one of a run is written whatever memory says: the database may have other ideas.
        let first = !self.seen_saved.contains_key(&device.id) && !self.unsaved.contains_key(&device.id);
        let mut news = observation;
        if !first {
            if after.facts == device.facts {
                news.facts = Facts::default();
            }
            if after.status == device.status {
                news.status = None;
            }
            if after.last_seen == device.last_seen {
                news.seen = None;
            }
        }
        if news != Observation::default() {
            merge(self.unsaved.entry(device.id.clone()).or_default(), news);
        }
        (after != *device).then_some(after)
    }

    /// Puts what is not yet in the database over a device that came from it.
    pub(super) fn overlay(&self, device: &mut Device) {
        if let Some(observation) = self.unsaved.get(&device.id) {
            apply(device, observation);
        }
    }

    /// What is worth a write now; everything, when it is the last one.
    pub(super) fn due(&self, now: Instant, last: bool) -> BTreeMap<DeviceId, Observation> {
        let mut due = BTreeMap::new();
        for (id, observation) in &self.unsaved {
            let mut observation = observation.clone();
            let saved = self.seen_saved.get(id).copied().flatten();
            let recent = saved.is_some_and(|at| now.saturating_duration_since(at) < SEEN_PACE);
            if recent && !last {
                observation.seen = None;
            }
            if observation != Observation::default() {
                due.insert(id.clone(), observation);
            }
        }
        due
    }

    /// Whether anything is worth a write now.
    pub(super) fn any_due(&self, now: Instant) -> bool {
        !self.unsaved.is_empty() && !self.due(now, false).is_empty()
    }

    /// This device's part of a batch is in the database now.
    pub(super) fn saved(&mut self, id: &DeviceId, batch: &BTreeMap<DeviceId, Observation>, now: Instant) {
        let (Some(written), Some(rest)) = (batch.get(id), self.unsaved.get_mut(id)) else { return };
        if written.facts != Facts::default() {
            rest.facts = Facts::default();
        }
        if written.status.is_some() {
            rest.status = None;
        }
        let seen_saved = self.seen_saved.entry(id.clone()).or_default();
        if written.seen.is_some() {
            rest.seen = None;
            *seen_saved = Some(now);
        }
        if *rest == Observation::default() {
            self.unsaved.remove(id);
        }
    }

    /// Forgets devices that are gone, so that the maps stay as small as the list.
    pub(super) fn keep_only(&mut self, list: &DeviceList) {
        self.unsaved.retain(|id, _| list.get(id).is_some());
        self.seen_saved.retain(|id, _| list.get(id).is_some());
    }
}

/// Adds a newer observation to an older one of the same device.
pub(super) fn merge(older: &mut Observation, newer: Observation) {
    older.facts.merge(newer.facts);
    older.status = newer.status.or(older.status);
    older.seen = older.seen.max(newer.seen);
}

/// What an observation is worth keeping: tidy texts, whole milliseconds; `Unknown` is no status to report.
pub(super) fn tidy(mut observation: Observation) -> Observation {
    rules::tidy(&mut observation.facts);
    observation.status = observation.status.filter(|status| *status != Status::Unknown);
    observation.seen = observation.seen.map(|seen| rules::from_millis(rules::millis(seen)));
    observation
}

fn apply(device: &mut Device, observation: &Observation) {
    device.facts.merge(observation.facts.clone());
    device.status = observation.status.unwrap_or(device.status);
    device.last_seen = device.last_seen.max(observation.seen);
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::store::rules::tests::device;

    fn seen(seconds: u64) -> Observation {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Observation { status: Some(Status::Up), seen: Some(at), ..Observation::default() }
    }

    #[test]
    fn a_device_seen_all_the_time_is_written_once_a_minute() {
        let mut observations = Observations::default();
        let start = Instant::now();
        let mut gate = device("1", "10.0.0.1");
        let mut writes = 0;
        for second in 0..=180 {
            let now = start + Duration::from_secs(second);
            gate = observations.note(&gate, seen(1000 + second)).unwrap();
            let batch = observations.due(now, false);
            if !batch.is_empty() {
                writes += 1;
                observations.saved(&gate.id, &batch, now);
            }
        }
        assert_eq!(writes, 4, "at 0, 60, 120 and 180 seconds");
    }

    #[test]
    fn a_changed_status_is_written_at_once_without_the_time_and_the_last_write_has_all() {
        let mut observations = Observations::default();
        let start = Instant::now();
        let gate = device("1", "10.0.0.1");
        let up = observations.note(&gate, seen(1000)).unwrap();
        let batch = observations.due(start, false);
        observations.saved(&up.id, &batch, start);
        let late = Observation { status: Some(Status::Down), ..seen(1001) };
        observations.note(&up, late).unwrap();
        let batch = observations.due(start + Duration::from_secs(1), false);
        let written = batch.get(&up.id).unwrap();
        assert_eq!((written.status, written.seen), (Some(Status::Down), None));
        observations.saved(&up.id, &batch, start);
        assert!(observations.due(start, false).is_empty());
        assert_eq!(observations.due(start, true).get(&up.id).unwrap().seen, seen(1001).seen);
    }

    #[test]
    fn what_was_not_saved_is_put_over_what_the_database_says() {
        let mut observations = Observations::default();
        let mut gate = device("1", "10.0.0.1");
        observations.note(&gate, seen(1000)).unwrap();
        observations.overlay(&mut gate);
        assert_eq!(gate.status, Status::Up);
        observations.keep_only(&DeviceList::default());
        assert!(observations.due(Instant::now(), true).is_empty());
    }
}
