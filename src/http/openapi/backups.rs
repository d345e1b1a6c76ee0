//! Backups of devices, and putting them back.

use serde_json::{Value, json};

use super::Document;
use super::operation::{key, timeout};
use super::problems::NOTED;
use super::schema::{count, input, list, moment, named, object, or_null, text, truth, with};

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "Backups",
        "The people of a device and, where that is allowed, their fingerprints, in a file that is sealed with the key \
         in `backup_key_file`.",
    );
    doc.schema(
        "BackupWanted",
        input([
            ("templates?", truth(), "also fingerprints; needs the scope biometric"),
            ("settings?", truth(), "also options, groups, time zones and unlock combinations"),
        ]),
    );
    doc.schema(
        "Backup",
        object([
            ("id", text(), ""),
            ("bytes", count(), "of the file"),
            ("made_at", moment(), ""),
            ("device_id", text(), ""),
            ("serial_number", or_null(text()), ""),
            ("device_name", or_null(text()), ""),
            ("firmware_version", or_null(text()), ""),
            ("fingerprint_version", or_null(text()), "of the templates"),
            ("name_encoding", text(), "in which the names in it are"),
            ("users", count(), "people in it"),
            ("templates", or_null(count()), "fingerprints in it; `null` if they were left out"),
            ("settings", or_null(named("BackupSettings")), "settings in it; `null` if they were left out"),
        ]),
    );
    doc.schema(
        "BackupSettings",
        object([
            ("options", count(), "how many"),
            ("time_zones", count(), "how many"),
            ("groups", count(), "how many"),
            ("combinations", count(), "how many"),
            ("not_read", list(&named("NotRead")), "what the device has and is not in it; empty if it is whole"),
            (
                "not_told",
                list(&text()),
                "what the device refused twice, as one does that does not have it: options, or all of a kind from a \
                 number on",
            ),
        ]),
    );
    doc.schema("NotRead", object([("name", text(), ""), ("code", text(), "why")]));
    doc.schema(
        "BackupList",
        object([("count", count(), ""), ("data", list(&named("Backup")), "the newest first")]),
    );
    doc.schema(
        "Restore",
        input([
            ("backup", text(), "its `id`"),
            ("dry_run?", with(truth(), "default", true), "only say what it would be; `false` writes"),
            ("templates?", truth(), "also fingerprints; needs the scope biometric"),
            (
                "settings?",
                truth(),
                "also options, groups, time zones and unlock combinations; never its address",
            ),
            ("allow_other_device?", truth(), "onto another device than the backup is of"),
        ]),
    );
    let shown = json!({
        "id": "1-1794000000000", "bytes": 4711, "made_at": "2026-11-23T18:16:13.331Z", "device_id": "1",
        "serial_number": "SIM0000000001", "device_name": "K40", "firmware_version": "Ver 6.60 (build39)",
        "fingerprint_version": "10", "name_encoding": "UTF-8", "users": 50, "templates": null,
        "settings": {
            "options": 12, "time_zones": 50, "groups": 98, "combinations": 10,
            "not_read": [{ "name": "group 3", "code": "device_rejected" }], "not_told": ["HiSpeedNet"],
        },
    });
    let seconds = "the deadline, in seconds; 120 if it is left out";
    let biometric = &[(403, "biometrics_off")];
    doc.post("/api/v1/devices/{id}/backups", "createBackup", "Back a device up")
        .tells("A long operation, in one pass of bulk reads; its `result` is the backup.")
        .takes([timeout(seconds), key()])
        .body_or_none("BackupWanted", json!({}))
        .answers(202, "It is begun.", "Operation", begun("backup", Value::Null))
        .fails(&[NOTED, biometric]);
    doc.post("/api/v1/devices/{id}/restore", "restoreDevice", "Put a backup back")
        .tells(
            "A long operation. Everybody in the backup is created or changed, by `user_id`, and read back; nobody is \
             removed. Its `result` says what it would be (`dry_run`), or has a row for each. `settings` in it has the \
             number of those that are `as_wanted` (now), the names of those that are `different` (dry run) or were \
             `changed`, and with a `code` those that `failed` or were `left_out`; `not_tried` are those behind a break. \
             Doing the same once more completes what broke.",
        )
        .takes([timeout(seconds), key()])
        .body("Restore", json!({ "backup": "1-1794000000000" }))
        .answers(202, "It is begun.", "Operation", begun("restore", "1-1794000000000".into()))
        .fails(&[NOTED, biometric, &[(409, "backup_locked"), (422, "invalid_value")]]);
    let disk = &[(503, "store_unavailable")];
    doc.get("/api/v1/backups", "listBackups", "All backups")
        .answers(200, "All of them.", "BackupList", json!({ "count": 1, "data": [shown.clone()] }))
        .fails(&[disk]);
    doc.get("/api/v1/backups/{id}", "getBackup", "A backup")
        .answers(200, "What its label says.", "Backup", shown)
        .fails(&[disk, &[(409, "backup_locked")]]);
    doc.get("/api/v1/backups/{id}/file", "downloadBackup", "The sealed file of a backup")
        .answers_as(
            200,
            "The file.",
            [("application/octet-stream", json!({ "type": "string" }), "ZKGATEBK…".into())],
        )
        .fails(&[disk]);
    doc.delete("/api/v1/backups/{id}", "deleteBackup", "Delete a backup")
        .no_body()
        .answers_nothing(204, "It is gone.")
        .fails(&[disk]);
}

fn begun(kind: &str, subject: Value) -> Value {
    let mut begun = super::operations::long(kind, "");
    if let Some(members) = begun.as_object_mut() {
        members.insert("subject".to_owned(), subject);
    }
    begun
}
