//! Whose turn it is: the lines in which slots wait for a worker.
//!
//! A slot is served from the line that its `listed` names; when something more urgent comes for it, or its health
//! changes, it joins another line and the entry left behind is passed over. Nobody waits for ever: now and then
//! the last line is looked at first. Devices whose last call failed may hold only a share of the workers.

use std::collections::VecDeque;

use super::super::slot::Lane;
use super::{Core, Effect};
use crate::base::ids::DeviceId;

/// Of so many picks one looks at the lowest priority first.
const PATIENCE_OF_THE_LAST: u32 = 16;
/// Of so many picks one looks at the suspects first.
const PATIENCE_OF_SUSPECTS: u32 = 4;

impl<S, J> Core<S, J> {
    /// Puts an idle slot that has work into its line, if it does not stand there or further in front already.
    pub(super) fn list(&mut self, id: &DeviceId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let Some(lane) = slot.lane() else { return };
        if slot.listed.is_some_and(|listed| listed <= lane) {
            return;
        }
        slot.listed = Some(lane);
        self.lane(lane).push_back(id.clone());
        self.effects.push(Effect::Wake);
    }

    /// The slot whose turn it is.
    pub(super) fn pick(&mut self) -> Option<DeviceId> {
        self.picks = self.picks.wrapping_add(1);
        let [first, second, third] = if self.picks.is_multiple_of(PATIENCE_OF_THE_LAST) {
            [Lane::Background, Lane::Interactive, Lane::Urgent]
        } else {
            [Lane::Urgent, Lane::Interactive, Lane::Background]
        };
        let lanes = if self.picks.is_multiple_of(PATIENCE_OF_SUSPECTS) {
            [Lane::Suspects, first, second, third]
        } else {
            [first, second, third, Lane::Suspects]
        };
        lanes.into_iter().find_map(|lane| self.pick_from(lane))
    }

    fn pick_from(&mut self, lane: Lane) -> Option<DeviceId> {
        loop {
            if lane == Lane::Suspects && self.suspects_busy >= self.settings.suspect_workers {
                return None;
            }
            let id = self.lane(lane).pop_front()?;
            let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.listed == Some(lane)) else {
                continue;
            };
            slot.listed = None;
            if slot.suspect && lane != Lane::Suspects {
                // It failed since it joined this line.
                self.list(&id);
                continue;
            }
            return Some(id);
        }
    }

    fn lane(&mut self, lane: Lane) -> &mut VecDeque<DeviceId> {
        let [urgent, interactive, background, suspects] = &mut self.lanes;
        match lane {
            Lane::Urgent => urgent,
            Lane::Interactive => interactive,
            Lane::Background => background,
            Lane::Suspects => suspects,
        }
    }
}
