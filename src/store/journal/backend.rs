//! What a database must be able to do for the journal. Called by the journal's own threads only; may block, must
//! not hide an error.

use super::cursor::{Cursor, Gap};
use super::delivery::{Attempt, NewWebhook, Webhook, WebhookPatch};
use super::placing::{LivePlaced, LiveRecord, LogBatch, LogOutcome};
use super::quarantine::{Quarantined, Strange};
use super::query::{Filter, Page, PageQuery, Survey};
use super::row::Row;
use crate::base::ids::DeviceId;
use crate::store::error::StoreError;
use crate::wire::clock_word::ClockWord;

/// One connection to the place where the journal is. There are two: one writes, one only reads.
pub trait Backend: Send {
    // --- punches ---------------------------------------------------------------------------------------------

    /// Places consecutive records of a log and keeps the cursor, in one transaction: rows are looked up with
    /// [`spots_to_look_at`](super::placing::spots_to_look_at), placed with
    /// [`place_log`](super::placing::place_log), numbered in the order of the log, and the cursor is
    /// [`kept_cursor`](super::placing::kept_cursor). Strange records are put in quarantine unless the same bytes
    /// are there already.
    ///
    /// Whoever reads rows in the order of their numbers never meets a new one below a number that it has seen,
    /// however many writers there are.
    fn place_log(&mut self, batch: &LogBatch) -> Result<LogOutcome, StoreError>;

    /// Places live events, in one transaction.
    fn place_live(&mut self, events: &[LiveRecord]) -> Result<LivePlaced, StoreError>;

    /// The cursor of a terminal; `None` when nothing is known of it.
    fn cursor(&mut self, serial_number: &str) -> Result<Option<Cursor>, StoreError>;

    /// The largest sequence number that was given, also when its row is deleted since; 0 when none was.
    fn head(&mut self) -> Result<u64, StoreError>;

    /// One page of rows.
    fn page(&mut self, query: &PageQuery) -> Result<Page, StoreError>;

    /// The lowest sequence number of a row that is there; `None` when there is none.
    fn first(&mut self) -> Result<Option<u64>, StoreError>;

    /// The numbers of at most so many rows below this number, the highest first.
    fn below(&mut self, before: u64, limit: u32) -> Result<Vec<u64>, StoreError>;

    /// The rows with these numbers, which are few and in order; those that are not there are left out.
    fn rows(&mut self, numbers: &[u64]) -> Result<Vec<Row>, StoreError>;

    /// How many rows the filter takes, which is the first of them behind `after`, and all their numbers: read off
    /// an index, of which a bounded number of entries is gone through.
    fn survey(&mut self, filter: &Filter, after: u64) -> Result<Survey, StoreError>;

    /// How many rows of this terminal were met by this pass: what of the device's log is in the journal.
    fn met_by(&mut self, serial_number: &str, pass: u64) -> Result<u64, StoreError>;

    /// Deletes at most `limit` rows that came before `received_before` (milliseconds since 1970), are not above
    /// `up_to`, and are certainly not in a device's log any more: the terminal's pass is complete and did not meet
    /// them. Gives how many. One call looks at a bounded number of rows, and the next one goes on from there: none
    /// deleted is no promise that there are none.
    fn purge(&mut self, received_before: i64, up_to: u64, limit: u32) -> Result<u64, StoreError>;

    // --- gaps and quarantine -----------------------------------------------------------------------------------

    /// The gaps of a device, oldest first.
    fn gaps(&mut self, device: &DeviceId) -> Result<Vec<Gap>, StoreError>;

    /// Puts something aside, unless the same bytes of the same terminal wait there already.
    fn quarantine(
        &mut self,
        device: &DeviceId,
        serial_number: &str,
        strange: &Strange,
        now: i64,
    ) -> Result<(), StoreError>;

    /// What is in quarantine: above this id, at most so many; of this device, settled or not, if that is asked for.
    fn quarantined(
        &mut self,
        after: u64,
        limit: u32,
        device: Option<&DeviceId>,
        settled: Option<bool>,
    ) -> Result<Vec<Quarantined>, StoreError>;

    /// How many wait there, unsettled.
    fn quarantine_size(&mut self) -> Result<u64, StoreError>;

    /// Settles something, as `placed`, `in_log` or `dismissed`; whether it was there and not settled yet.
    fn settle(&mut self, id: u64, settled_as: &str, now: i64) -> Result<bool, StoreError>;

    /// Settles every live event of a terminal that came before this moment as `in_log`: its log was read to the end
    /// since, and has the punch, whatever the event said. Gives how many.
    fn settle_live(&mut self, serial_number: &str, noticed_before: i64, now: i64) -> Result<u64, StoreError>;

    /// Notes that this version could not make anything of it either.
    fn tried(&mut self, id: u64, version: &str) -> Result<(), StoreError>;

    // --- what is set for a device's log ------------------------------------------------------------------------

    /// What was set for each device, as JSON text.
    fn settings(&mut self) -> Result<Vec<(DeviceId, String)>, StoreError>;

    /// Sets it; `None` forgets it.
    fn set_settings(&mut self, device: &DeviceId, settings: Option<&str>) -> Result<(), StoreError>;

    // --- webhooks ----------------------------------------------------------------------------------------------

    /// All subscriptions, by id.
    fn webhooks(&mut self) -> Result<Vec<Webhook>, StoreError>;

    /// Makes one.
    fn create_webhook(&mut self, new: &NewWebhook, now: i64) -> Result<Webhook, StoreError>;

    /// Changes one; `None` when there is none.
    fn update_webhook(
        &mut self,
        id: u64,
        patch: &WebhookPatch,
        now: i64,
    ) -> Result<Option<Webhook>, StoreError>;

    /// Deletes one; whether there was one.
    fn delete_webhook(&mut self, id: u64) -> Result<bool, StoreError>;

    /// Takes the right to deliver for a subscription until `until`, unless another owner has it until after `now`
    /// (both in milliseconds since 1970): several gateways on one database do not deliver twice.
    fn claim_webhook(&mut self, id: u64, owner: &str, until: i64, now: i64) -> Result<bool, StoreError>;

    /// Notes an attempt, and after a success the new cursor (only forwards from `from`: a replay meanwhile wins).
    /// `disable` switches the subscription off for this reason. Keeps the last attempts only.
    fn note_attempt(
        &mut self,
        attempt: &Attempt,
        moved: Option<(u64, u64)>,
        disable: Option<&str>,
    ) -> Result<(), StoreError>;

    /// Moves the cursor of a subscription over rows that are not wanted: only from there, and only forwards.
    fn move_cursor(&mut self, webhook: u64, from: u64, to: u64) -> Result<(), StoreError>;

    /// The last attempts of a subscription, newest first.
    fn attempts(&mut self, webhook: u64, limit: u32) -> Result<Vec<Attempt>, StoreError>;

    /// The smallest cursor of all subscriptions; `None` when there are none. Those that were switched off by zkgate
    /// do not count: their receivers want nothing more.
    fn delivered_up_to(&mut self) -> Result<Option<u64>, StoreError>;

    /// Whether writing works: after a failure.
    fn probe(&mut self) -> Result<(), StoreError>;

    /// The latest time of any row of a terminal.
    fn newest(&mut self, serial_number: &str) -> Result<Option<ClockWord>, StoreError>;
}
