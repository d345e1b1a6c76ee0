//! Clearing whole tables of a device.

use serde_json::{Value, json};

use super::Document;
use super::operation::{key, timeout};
use super::problems::NOTED;
use super::schema::{input, only, text, truth, with, word};

const WHAT: &[&str] = &["administrators", "templates", "users", "operation_log", "everything"];

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Clearing", "Whole tables of a device, after a dry run and a backup.");
    doc.schema("ClearTablesInput", wanted());
    doc.post("/api/v1/devices/{id}/clear", "clearDevice", "Clear people, their rights, fingerprints or logs")
        .tells(
            "A long operation. First a dry run: its `result` has what there is (`before`), what no backup would have \
             (`not_in_backup`), and a `confirmation` that serves once within ten minutes, for this device and this \
             `what`. Then the same with the confirmation: if the device has no more than was shown, it is backed up, \
             told once, and counted again. The `result` has the id of the `backup`, `before` and `after`. It ends with \
             `not_confirmed`, `counts_grown`, `backup_incomplete`, `log_not_empty` or a problem of backups and nothing \
             cleared; with `not_stored` or `cleared_more` when the counts are not as they should be; and in the state \
             `outcome_unknown` when nobody knows. `everything` is people, fingerprints and all logs, and is refused \
             while there are records in the attendance log, which has a path of its own. The operation log is in no \
             backup.",
        )
        .takes([timeout("the deadline, in seconds; 120 if it is left out"), key()])
        .body("ClearTablesInput", json!({ "what": "users", "dry_run": true }))
        .or("confirmed", json!({ "what": "users", "confirmation": "f30f6f60e3e8503f34d93b38177561f8" }))
        .answers(202, "It is begun.", "Operation", super::operations::long("clear", "users, dry run"))
        .fails(&[NOTED]);
}

fn wanted() -> Value {
    let dry = input([
        ("what", word(WHAT), ""),
        ("dry_run", only(true), "only say what there is, and how to confirm"),
        ("backup?", truth(), "says nothing here"),
    ]);
    let confirmed = input([
        ("what", word(WHAT), "the same as in the dry run"),
        ("dry_run?", only(false), ""),
        ("confirmation", text(), "from the dry run"),
        ("backup?", with(truth(), "default", true), "`false` clears without a backup"),
    ]);
    json!({ "anyOf": [dry, confirmed] })
}
