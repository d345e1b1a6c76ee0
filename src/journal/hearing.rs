//! Live events on their way into the journal.

use super::collector::Collector;
use super::reading::Effort;
use super::watched::stand_in;
use crate::base::clock::millis;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::store::journal::placing::LiveRecord;
use crate::store::journal::quarantine::{Origin, Reason, Strange};
use crate::wire::event::{Event, Who};

/// How long the journal may take to put something aside.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

impl Collector {
    /// Takes events of a device: punches go to the journal at once, what cannot be placed is put aside, and whatever
    /// was lost is fetched from the log.
    pub(super) fn hear(&self, id: &DeviceId, serial_number: Option<&str>, events: Vec<Event>, lost: u64) {
        let now = self.clock.now();
        let received_at = millis(self.clock.wall());
        let Some(known) = self.with(id, |device| device.serial_number()) else {
            // Not in the list any more; its log is not collected either.
            return;
        };
        if serial_number.is_none() && known != stand_in(id) {
            // Whose they are is not known. Whoever it is has them in the log.
            return self.with(id, |device| device.want(Effort::Compare, now)).unwrap_or_default();
        }
        let serial_number = serial_number.map_or(known, str::to_owned);
        let (mut records, mut strange) = (Vec::new(), Vec::new());
        self.with(id, |device| {
            let decoder = device.decoder();
            for event in events {
                match event {
                    Event::Punch { punch, payload } => {
                        device.names_by_index |= matches!(punch.who, Who::Uid(_));
                        match decoder.live(&punch, &payload) {
                            Ok(record) => records.push(LiveRecord {
                                device_id: id.clone(),
                                serial_number: serial_number.clone(),
                                record,
                                raw: payload,
                                received_at,
                            }),
                            Err(other) => strange.push(other),
                        }
                    }
                    Event::Unreadable { payload } => {
                        let reason = Reason::UnknownLayout;
                        strange.push(Strange { origin: Origin::Live, reason, raw: payload });
                    }
                    _ => {}
                }
            }
            device.live_punches += records.len() as u64;
            if !strange.is_empty() {
                device.unsettled = Some(received_at);
            }
            if lost > 0 || !strange.is_empty() {
                device.want(Effort::Compare, now);
            }
        });
        if lost > 0 {
            log::debug!("device {id}: {lost} events were lost; its log has them");
        }
        let unplaced = self.journal.place_live(records);
        if unplaced > 0 {
            log::debug!("device {id}: {unplaced} live punches found no room; its log has them");
            self.with(id, |device| device.want(Effort::Compare, now));
        }
        for strange in strange {
            self.put_aside(id, &serial_number, strange, received_at);
        }
    }

    fn put_aside(&self, id: &DeviceId, serial_number: &str, strange: Strange, now: i64) {
        let (device, serial_number) = (id.clone(), serial_number.to_owned());
        let deadline = Deadline::after(self.clock.now(), PATIENCE);
        let asked = self.journal.write_then(
            deadline,
            move |backend| backend.quarantine(&device, &serial_number, &strange, now),
            |_| {},
        );
        if let Err(error) = asked {
            log::debug!("device {id}: an event was not put aside ({error}); its log has the punch");
        }
    }
}
