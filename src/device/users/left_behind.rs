//! Fingerprints whose people are gone: firmware that keeps them when it forgets their person would make them the
//! fingers of whoever gets the same index next.

use super::{Pause, UserTable};
use crate::base::deadline::Deadline;
use crate::device::error::DeviceError;
use crate::device::session::Session;
use crate::wire::sizes::FreeSizes;

/// The most fingers of a person.
const FINGERS: usize = 10;

impl Session {
    /// The indices that have fingerprints, for whoever gives indices to new people; nothing where there is no reason to
    /// doubt. New people get an index above all others, so that the table of fingerprints, which may be long, is read
    /// only if that index may have been somebody's: if nobody is there, if people were deleted who had the highest
    /// ones in this session, or if there are more fingerprints than the people who are there can have.
    pub(super) fn left_behind(
        &mut self,
        users: &UserTable,
        sizes: &FreeSizes,
        pause: Pause<'_>,
        deadline: Deadline,
    ) -> Result<Vec<u16>, DeviceError> {
        let (people, last) = (users.raw().count(), users.last_index());
        let counts = sizes.users.is_some_and(|users| users > 0);
        let too_many = |count: u32| usize::try_from(count).is_ok_and(|count| count > people * FINGERS);
        let is_doubtful = match sizes.fingerprints {
            Some(0) if counts => false,
            Some(count) if too_many(count) => true,
            _ => people == 0 || last < self.last_index,
        };
        if !is_doubtful {
            return Ok(Vec::new());
        }
        let uids: Vec<u16> = match self.templates_in_pieces(pause, deadline) {
            Ok(templates) => templates.iter().map(|template| template.uid).collect(),
            // Not every device has fingerprints.
            Err(error) if error.keeps_session() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        self.last_index = uids.iter().copied().fold(last, u16::max);
        Ok(uids)
    }
}
