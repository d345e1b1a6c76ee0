//! One person, from a device to others: read once, written to each, and only then removed where they came from, if
//! that is wanted.

use std::sync::{Arc, Mutex};

use super::errand::{Counts, Line, Told, Trouble, What, trouble};
use super::{Aim, Fleet, Target, Wanted};
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::device::templates::{Fingerprint, UploadForm};
use crate::device::users::{Mode, Report, UserChange, UserError, Written};
use crate::device::{DeviceError, Fault, Session};
use crate::operations::Ticket;
use crate::registry::{Between, Refusal, Terms};
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;
use crate::wire::record::user_record::UserRecord;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Where they are.
    pub from: DeviceId,
    /// In which encoding that device has names.
    pub encoding: NameEncoding,
    /// Who.
    pub user_id: UserId,
    /// With their fingerprints.
    pub fingerprints: bool,
    /// Where they are to be, and in which encoding each of these devices has names.
    pub to: Vec<(DeviceId, NameEncoding)>,
    /// They are to be gone where they were, once they are everywhere.
    pub remove: bool,
    /// Also if fingerprints of theirs go with them that are nowhere else.
    pub lose_fingerprints: bool,
}

impl Transfer {
    /// Whether fingerprints would be lost that are nowhere else, so that there must be none.
    const fn must_have_no_fingerprints(&self) -> bool {
        self.remove && !self.fingerprints && !self.lose_fingerprints
    }
}

/// Somebody as they were read.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Who answered where they were read, if that device tells its serial number.
    serial_number: Option<String>,
    record: UserRecord,
    user: UserChange,
    fingerprints: Vec<Fingerprint>,
    /// The version of the templates.
    algorithm: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub enum Moved {
    /// They were not read; nothing was done.
    NotRead(Refusal),
    /// The device does not know them.
    Unknown,
    /// They have fingerprints that would be lost; nothing was done.
    WouldLose,
    /// They were read and brought to the others, as far as each of those says.
    Brought {
        /// Fingerprints that they have.
        fingerprints: usize,
        /// What came of each device.
        told: Vec<Told>,
        /// Whether they are gone where they were; `None` if that was not begun.
        removed: Option<Result<(), Trouble>>,
    },
}

/// Told once how it ended.
pub type ThenMoved = Box<dyn FnOnce(&Ticket, Moved) + Send>;

impl Fleet {
    /// Transfers somebody. Nobody waits: `then` ends the operation.
    pub fn transfer(
        self: &Arc<Self>,
        transfer: Transfer,
        deadline: Deadline,
        ticket: Ticket,
        then: ThenMoved,
    ) {
        ticket.started();
        let (fleet, from) = (Arc::clone(self), transfer.from.clone());
        let (who, encoding, with) = (transfer.user_id, transfer.encoding, transfer.fingerprints);
        let must_have_none = transfer.must_have_no_fingerprints();
        self.registry.submit_long(
            &from,
            Terms::read(deadline),
            move |session, deadline, between| {
                let mut pause = |session: &mut Session| between.pause(session);
                if must_have_none && session.has_fingerprints(&who, &mut pause, deadline)? {
                    return Ok(Err(()));
                }
                read(session, who, encoding, with, deadline, between).map(Ok)
            },
            move |result| match result {
                Ok(Err(())) => then(&ticket, Moved::WouldLose),
                Ok(Ok(Some(copy))) => fleet.bring(transfer, copy, deadline, ticket, then),
                Ok(Ok(None)) => then(&ticket, Moved::Unknown),
                Err(refusal) => then(&ticket, Moved::NotRead(refusal)),
            },
        );
    }

    fn bring(
        self: &Arc<Self>,
        transfer: Transfer,
        copy: Copy,
        deadline: Deadline,
        ticket: Ticket,
        then: ThenMoved,
    ) {
        let fingerprints = copy.fingerprints.len();
        let copy = Arc::new(copy);
        let target = |(id, encoding): &(DeviceId, NameEncoding)| Target {
            id: id.clone(),
            encoding: *encoding,
            wanted: Wanted::Copied(Arc::clone(&copy)),
        };
        let targets = transfer.to.iter().map(target).collect();
        let copy = Arc::clone(&copy);
        let fleet = Arc::clone(self);
        let brought = move |ticket: &Ticket, told: Vec<Told>| {
            let all = told.iter().all(|told| told.problem.is_none() && told.counts.failed == 0);
            if !transfer.remove || !all || ticket.is_cancelled() {
                return then(ticket, Moved::Brought { fingerprints, told, removed: None });
            }
            let (ticket, from) = (ticket.clone(), transfer.from.clone());
            fleet.registry.submit_long(
                &from,
                Terms::effect(deadline),
                move |session, deadline, between| match other_than(
                    session, &transfer, &copy, deadline, between,
                )? {
                    Some(trouble) => Ok(Err(trouble)),
                    None => remove(session, transfer.user_id, deadline, between),
                },
                move |result| {
                    let removed = result.map_err(|refusal| trouble(&refusal)).and_then(|removed| removed);
                    then(&ticket, Moved::Brought { fingerprints, told, removed: Some(removed) });
                },
            );
        };
        self.go(targets, Aim::Apply, deadline, ticket, Box::new(brought));
    }
}

/// Reads somebody as they are. The table of templates says more than a single template: what each is good for, and
/// where it ends.
fn read(
    session: &mut Session,
    who: UserId,
    encoding: NameEncoding,
    fingerprints: bool,
    deadline: Deadline,
    between: &mut Between<'_>,
) -> Result<Option<Copy>, DeviceError> {
    let mut pause = |session: &mut Session| between.pause(session);
    let templates = match fingerprints {
        true => Some(session.templates_in_pieces(&mut pause, deadline)?),
        false => None,
    };
    let Some(record) = session.user(&who, deadline)? else { return Ok(None) };
    let uid = record.user().uid;
    let mine = templates.iter().flat_map(|table| table.iter()).filter(|template| template.uid == uid);
    let fingerprints = mine.filter_map(|template| {
        let bytes = template.bytes().expose().to_vec();
        Fingerprint::new(template.finger, template.validity, bytes).ok()
    });
    let fingerprints: Vec<_> = fingerprints.collect();
    let algorithm = if fingerprints.is_empty() { None } else { session.option(ALGORITHM, deadline)? };
    let serial_number = session.who_is_there(deadline)?.map(str::to_owned);
    let user = UserChange::like(record.clone(), encoding);
    Ok(Some(Copy { serial_number, record, user, fingerprints, algorithm }))
}

/// Why somebody must not be removed: what is there now is not what was brought to the others. Bringing it took a
/// while, in which people stood at the device and programs wrote to it.
fn other_than(
    session: &mut Session,
    transfer: &Transfer,
    copy: &Copy,
    deadline: Deadline,
    between: &mut Between<'_>,
) -> Result<Option<Trouble>, DeviceError> {
    if session.who_is_there(deadline)? != copy.serial_number.as_deref() {
        let detail = "Another device answers at the address now. Nobody was removed.".to_owned();
        return Ok(Some(Trouble { code: "other_device", detail }));
    }
    let (who, encoding, with) = (transfer.user_id, transfer.encoding, transfer.fingerprints);
    let mut pause = |session: &mut Session| between.pause(session);
    if transfer.must_have_no_fingerprints() && session.has_fingerprints(&who, &mut pause, deadline)? {
        let detail =
            "They have got fingerprints meanwhile, which would be lost. They were not removed.".to_owned();
        return Ok(Some(Trouble { code: "templates_would_go", detail }));
    }
    let now = read(session, who, encoding, with, deadline, between)?;
    let same = now.is_some_and(|now| now.record == copy.record && now.fingerprints == copy.fingerprints);
    let detail = "They were changed meanwhile, or are gone. Nobody was removed; what was brought to the others is as it was before.";
    Ok((!same).then(|| Trouble { code: "changed_meanwhile", detail: detail.to_owned() }))
}

/// Writes somebody as they were read. A template that the device could not read is not sent, nor its person.
pub(super) fn write(
    session: &mut Session,
    copy: &Copy,
    encoding: NameEncoding,
    told: &Mutex<Told>,
    deadline: Deadline,
    between: &mut Between<'_>,
) -> Result<(), DeviceError> {
    if !copy.fingerprints.is_empty() {
        let here = session.option(ALGORITHM, deadline)?;
        if here.is_none() || here != copy.algorithm {
            let word = |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".to_owned());
            let (here, there) = (word(&here), word(&copy.algorithm));
            let detail = format!(
                "The templates are of version {there}, and this device has version {here}: it could not read them. \
                 Nothing was written."
            );
            lock(told).problem = Some(Trouble { code: "other_algorithm", detail });
            return Ok(());
        }
    }
    let settle = |row: Result<Written, UserError>| {
        let mut told = lock(told);
        told.counts = Counts::default();
        told.counts.take(&row);
        let what = row.map_or_else(What::Failed, What::Done);
        told.lines = vec![Line { user_id: copy.user.user_id, what }];
    };
    let changes = std::slice::from_ref(&copy.user);
    let mut pause = |session: &mut Session| between.pause(session);
    let Report { mut rows, broke, .. } =
        session.write_users(changes, Mode::Upsert, encoding, &mut pause, &mut |_| {}, deadline)?;
    let row = rows.pop().unwrap_or(Err(UserError::NotTried));
    let is_there = row.is_ok();
    settle(row);
    if let Some(error) = broke {
        return Err(error);
    }
    if !is_there || copy.fingerprints.is_empty() {
        return Ok(());
    }
    let Some(record) = session.user(&copy.user.user_id, deadline)? else {
        settle(Err(UserError::NotStored));
        return Ok(());
    };
    for print in &copy.fingerprints {
        match session.write_template(&record, print, UploadForm::Single, deadline) {
            Ok(()) => {}
            Err(DeviceError { fault: Fault::NotStored { .. } | Fault::StoredDifferently { .. }, .. }) => {
                let fields = vec![crate::device::users::Field::Templates];
                settle(Err(UserError::StoredDifferently { fields }));
                return Ok(());
            }
            Err(error) => {
                let (row, ended) = UserError::of(error);
                settle(Err(row));
                return ended.map_or(Ok(()), Err);
            }
        }
        pause(session)?;
    }
    Ok(())
}

fn remove(
    session: &mut Session,
    who: UserId,
    deadline: Deadline,
    between: &mut Between<'_>,
) -> Result<Result<(), Trouble>, DeviceError> {
    let mut pause = |session: &mut Session| between.pause(session);
    let row = session.delete_users(&[who], &mut pause, &mut |_| {}, deadline)?.only()?;
    Ok(row.map(drop).map_err(|error| Trouble { code: error.code(), detail: error.to_string() }))
}

/// The option in which a device tells the version of its templates.
const ALGORITHM: &str = "~ZKFPVersion";
