//! Many people with their fingerprints, in the fast form: blocks of users and templates, verified by one read of
//! each table.

use std::collections::{BTreeMap, HashMap};

use super::{Fingerprint, UploadForm};
use crate::base::deadline::Deadline;
use crate::device::error::{DeviceError, Fault};
use crate::device::session::Session;
use crate::device::users::{
    Field, Mode, Pause, Progress, Report, Row, UserChange, UserError, Watch, Written, verify,
};
use crate::wire::encoding::NameEncoding;
use crate::wire::record::people_block::PeopleBlock;
use crate::wire::record::table::UserTable;
use crate::wire::record::template::{TemplateTable, Validity};
use crate::wire::record::user::UserLayout;
use crate::wire::record::user_record::UserRecord;

/// A person and the fingers that are to be there; other fingers of theirs stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonWrite {
    /// What is to be set.
    pub user: UserChange,
    /// Their fingerprints; of one finger, the last counts.
    pub fingerprints: Vec<Fingerprint>,
}

/// The size that a block grows to, in bytes, and people in it: between two of them others are served, and it is seen
/// whether somebody else changes people.
const BLOCK: usize = 32 * 1024;
const PEOPLE: usize = 50;

/// The fingers of people by index, as a table has them. What a finger is good for is part of it: one that calls for
/// help must not become an ordinary one.
type Fingers = HashMap<u16, BTreeMap<u8, (Validity, Vec<u8>)>>;

/// What is to be there, on a device with these fingers.
struct Wanted<'p> {
    people: &'p [PersonWrite],
    mode: Mode,
    encoding: NameEncoding,
    layout: UserLayout,
    before: &'p Fingers,
}

/// Somebody who is to be written.
struct Candidate<'p> {
    row: usize,
    record: UserRecord,
    written: Written,
    fingers: BTreeMap<u8, &'p Fingerprint>,
}

impl Session {
    /// Writes many people with their fingerprints. Who is there as wanted is not written again, so a call that
    /// broke is simply repeated.
    ///
    /// The device's algorithm must be the templates': that is the caller's to compare.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed before anything was written. What broke it later is in the report.
    pub fn write_people(
        &mut self,
        people: &[PersonWrite],
        mode: Mode,
        encoding: NameEncoding,
        pause: Pause<'_>,
        progress: &mut dyn FnMut(Progress),
        deadline: Deadline,
    ) -> Result<Report, DeviceError> {
        let before = fingers(&self.templates_in_pieces(pause, deadline)?);
        // After the pauses, in which others may have changed people.
        let (mut watch, table, _) = Watch::begin(self, deadline)?;
        // A template that was left behind would be somebody else's finger under a new name.
        watch.reserve(before.keys().copied().collect());
        let layout = self.layout_of(&table, deadline)?;
        let wanted = Wanted { people, mode, encoding, layout, before: &before };
        let mut rows = vec![Err(UserError::NotTried); people.len()];
        let mut candidates = wanted.plan(&table, &watch, &mut rows);
        drop(table);
        let (mut sent, mut broke, mut disturbed) = (Vec::new(), None, Vec::new());
        let mut blocks = true;
        while !candidates.is_empty() {
            let batch = batch(&mut candidates);
            let settled = people.len() - candidates.len();
            let outcome = self.write_batch(&batch, &mut blocks, &mut rows, deadline);
            let acknowledged = |candidate: &&Candidate<'_>| is_open(&rows, candidate);
            batch.iter().filter(acknowledged).for_each(|one| watch.wrote(&one.record, one.written));
            sent.extend(batch);
            progress(Progress { done: settled, total: people.len() });
            let edition = self.people_edition;
            let table = outcome.and_then(|()| pause(self)).and_then(|()| {
                if self.people_edition != edition {
                    // Somebody else was served who changed people.
                    return watch.begin_anew(self, deadline).map(Some);
                }
                self.look_before(&candidates, &mut watch, deadline)
            });
            match table {
                Ok(Some(table)) => candidates = wanted.plan_anew(&candidates, &table, &watch, &mut rows),
                Ok(None) => {}
                Err(error) => {
                    broke = Some(error);
                    break;
                }
            }
        }
        if sent.iter().any(|candidate| is_open(&rows, candidate))
            && broke.as_ref().is_none_or(DeviceError::keeps_session)
        {
            let later = deadline.max(self.shortly());
            let edition = self.people_edition;
            let read = self.templates_in_pieces(pause, later).and_then(|templates| {
                let ours = self.people_edition != edition;
                let users = if ours { watch.begin_anew(self, later)? } else { self.users(later)? };
                Ok((users, templates))
            });
            match read {
                Ok((users, templates)) => {
                    check(&sent, &before, &users, &fingers(&templates), &mut rows);
                    disturbed = watch.end(&users);
                }
                Err(error) => broke = broke.or(Some(error)),
            }
        }
        let touched = |row: &Result<Written, UserError>| {
            use UserError::{NotStored, NotVerified, StoredDifferently};
            matches!(row, Ok(_) | Err(NotStored | NotVerified | StoredDifferently { .. }))
        };
        if rows.iter().any(touched) && broke.as_ref().is_none_or(DeviceError::keeps_session) {
            // Also for those who are as wanted perhaps by a call that broke before it could do this.
            self.refresh(deadline.max(self.shortly()));
        }
        if !sent.is_empty() && rows.iter().any(|row| !matches!(row, Err(UserError::NotTried))) {
            broke = broke.map(DeviceError::after_effects);
        }
        Ok(Report { rows, broke, disturbed })
    }

    /// Looks whether people are still those that were read, before the next of them are written.
    fn look_before(
        &mut self,
        candidates: &[Candidate<'_>],
        watch: &mut Watch,
        deadline: Deadline,
    ) -> Result<Option<UserTable>, DeviceError> {
        let next = |is: fn(&Written) -> bool| candidates.iter().map(|one| one.written).find(is);
        let created = next(|written| matches!(written, Written::Created { .. }));
        let updated = next(|written| matches!(written, Written::Updated { .. }));
        for written in created.into_iter().chain(updated) {
            let table = watch.look(self, written, deadline)?;
            if table.is_some() {
                return Ok(table);
            }
        }
        Ok(None)
    }

    /// Writes some people, in a block if the device knows blocks. A row that was acknowledged is "not verified".
    fn write_batch(
        &mut self,
        batch: &[Candidate<'_>],
        blocks: &mut bool,
        rows: &mut [Result<Written, UserError>],
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        let mut saved = false;
        if *blocks {
            let mut block = PeopleBlock::default();
            for candidate in batch {
                block.push_user(&candidate.record);
                for print in candidate.fingers.values().filter(|print| print.validity() == Validity::Valid) {
                    block.push_template(&print.entry(candidate.record.user().uid)?);
                }
            }
            match self.save_block(&block, deadline) {
                Ok(()) => saved = true,
                Err(DeviceError { fault: Fault::Rejected { code, .. }, .. }) if code.is_unsupported() => {
                    *blocks = false;
                }
                other => return settle(other, batch, rows),
            }
        }
        for candidate in batch {
            let written = self.write_singly(candidate, saved, deadline);
            settle(written, std::slice::from_ref(candidate), rows)?;
        }
        Ok(())
    }

    /// Writes what a block has no place for; without a block, everything.
    fn write_singly(
        &mut self,
        candidate: &Candidate<'_>,
        saved: bool,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        if !saved {
            self.write_record(&candidate.record, deadline)?;
        }
        for print in candidate.fingers.values() {
            if !saved || print.validity() != Validity::Valid {
                // The person is there by now, whatever becomes of the finger.
                self.send_template(&candidate.record, print, UploadForm::Single, deadline)
                    .map_err(DeviceError::after_effects)?;
            }
        }
        Ok(())
    }
}

/// Notes what became of a write.
fn settle(
    outcome: Result<(), DeviceError>,
    batch: &[Candidate<'_>],
    rows: &mut [Result<Written, UserError>],
) -> Result<(), DeviceError> {
    let (row, ended) = outcome.map_or_else(UserError::of, |()| (UserError::NotVerified, None));
    for candidate in batch {
        if let Some(to) = rows.get_mut(candidate.row) {
            *to = Err(row.clone());
        }
    }
    ended.map_or(Ok(()), Err)
}

impl<'p> Wanted<'p> {
    /// Who has to be written, in the order of the call; the rows of the others are settled.
    fn plan(
        &self,
        table: &UserTable,
        watch: &Watch,
        rows: &mut [Result<Written, UserError>],
    ) -> Vec<Candidate<'p>> {
        let mut roster = watch.roster(table);
        let mut seen = std::collections::HashSet::new();
        let mut candidates = Vec::new();
        for ((person, settled), row) in self.people.iter().zip(rows).zip(0..) {
            if !seen.insert(person.user.user_id) {
                *settled = Err(UserError::Twice);
                continue;
            }
            let fingers: BTreeMap<u8, &Fingerprint> =
                person.fingerprints.iter().map(|print| (print.finger(), print)).collect();
            match roster.plan(&person.user, self.mode, self.layout, self.encoding) {
                Row::Write(record, written) => candidates.push(Candidate { row, record, written, fingers }),
                Row::Settled(Ok(Written::Unchanged { uid })) => {
                    let known = self.before.get(&uid);
                    let as_wanted = fingers
                        .iter()
                        .all(|(finger, print)| is(print, known.and_then(|known| known.get(finger))));
                    match roster.find(&person.user.user_id) {
                        Ok(Some(record)) if !as_wanted => {
                            let (record, written) = (record.clone(), Written::Updated { uid });
                            candidates.push(Candidate { row, record, written, fingers });
                        }
                        _ => *settled = Ok(Written::Unchanged { uid }),
                    }
                }
                Row::Settled(result) => *settled = result,
            }
        }
        candidates
    }

    /// The same for those who are still to be written, after people were read again.
    fn plan_anew(
        &self,
        open: &[Candidate<'p>],
        table: &UserTable,
        watch: &Watch,
        rows: &mut [Result<Written, UserError>],
    ) -> Vec<Candidate<'p>> {
        let open: std::collections::HashSet<usize> = open.iter().map(|candidate| candidate.row).collect();
        let mut anew = vec![Err(UserError::NotTried); self.people.len()];
        let mut candidates = self.plan(table, watch, &mut anew);
        candidates.retain(|candidate| open.contains(&candidate.row));
        for ((row, to), from) in rows.iter_mut().enumerate().zip(anew) {
            if open.contains(&row) {
                *to = from;
            }
        }
        candidates
    }
}

/// Whether somebody was acknowledged, and was not looked at yet.
fn is_open(rows: &[Result<Written, UserError>], candidate: &Candidate<'_>) -> bool {
    matches!(rows.get(candidate.row), Some(Err(UserError::NotVerified)))
}

/// The next people that together make a block.
fn batch<'p>(candidates: &mut Vec<Candidate<'p>>) -> Vec<Candidate<'p>> {
    let mut size = 0;
    let count = candidates.iter().take(PEOPLE).take_while(|candidate| {
        let templates: usize =
            candidate.fingers.values().map(|print| print.bytes().expose().len() + 10).sum();
        let first = size == 0;
        size += 1 + candidate.record.layout().stride() + templates;
        first || size <= BLOCK
    });
    let count = count.count();
    candidates.drain(..count).collect()
}

/// Compares what the device has with what it acknowledged.
fn check(
    sent: &[Candidate<'_>],
    before: &Fingers,
    users: &UserTable,
    now: &Fingers,
    rows: &mut [Result<Written, UserError>],
) {
    let read: HashMap<u16, UserRecord> = users.raw().map(|record| (record.user().uid, record)).collect();
    let nobody = BTreeMap::new();
    for candidate in sent {
        let Some(row) = rows.get_mut(candidate.row) else { continue };
        if *row != Err(UserError::NotVerified) {
            continue;
        }
        let uid = candidate.record.user().uid;
        let (had, has) = (before.get(&uid).unwrap_or(&nobody), now.get(&uid).unwrap_or(&nobody));
        let arrived = candidate.fingers.iter().all(|(finger, print)| is(print, has.get(finger)));
        // Fingers that were not in the call must still be there.
        let kept = had
            .iter()
            .all(|(finger, print)| candidate.fingers.contains_key(finger) || has.get(finger) == Some(print));
        *row = match verify(&candidate.record, read.get(&uid)) {
            Ok(()) if !(arrived && kept) => {
                Err(UserError::StoredDifferently { fields: vec![Field::Templates] })
            }
            Ok(()) => Ok(candidate.written),
            Err(error) => Err(error),
        };
    }
}

/// Whether a finger of the table is the one that was to be written.
fn is(print: &Fingerprint, read: Option<&(Validity, Vec<u8>)>) -> bool {
    read.is_some_and(|(validity, bytes)| *validity == print.validity() && bytes == print.bytes().expose())
}

fn fingers(table: &TemplateTable) -> Fingers {
    let mut fingers = Fingers::new();
    for template in table.iter() {
        let bytes = template.bytes().expose().to_vec();
        fingers.entry(template.uid).or_default().insert(template.finger, (template.validity, bytes));
    }
    fingers
}
