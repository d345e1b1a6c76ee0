//! Every error code of the API: what it means and what to do. Whatever answers with a problem uses a row of this
//! table; the API description and the reference page are made from it.

/// One code with one status.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The HTTP status.
    pub status: u16,
    /// The stable word for programs.
    pub code: &'static str,
    /// Where it comes from.
    pub about: About,
    /// What happened.
    pub meaning: &'static str,
    /// What to do; empty where the meaning says it.
    pub remedy: &'static str,
}

/// Where a problem comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The device, or the way to it.
    Device,
    /// The service and what it keeps.
    Service,
    /// The request.
    Request,
}

impl About {
    /// All of them, in the order of the reference page.
    pub const ALL: [Self; 3] = [Self::Device, Self::Service, Self::Request];

    /// Its heading.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "The device",
            Self::Service => "The service",
            Self::Request => "The request",
        }
    }
}

/// The row of a code with this status.
#[must_use]
pub fn find(status: u16, code: &str) -> Option<&'static Code> {
    CODES.iter().find(|row| row.status == status && row.code == code)
}

const fn device(status: u16, code: &'static str, meaning: &'static str, remedy: &'static str) -> Code {
    Code { status, code, about: About::Device, meaning, remedy }
}

const fn service(status: u16, code: &'static str, meaning: &'static str, remedy: &'static str) -> Code {
    Code { status, code, about: About::Service, meaning, remedy }
}

const fn request(status: u16, code: &'static str, meaning: &'static str, remedy: &'static str) -> Code {
    Code { status, code, about: About::Request, meaning, remedy }
}

/// The table.
#[rustfmt::skip]
pub static CODES: &[Code] = &[
    device(503, "device_unreachable", "nobody answers at its address, or it is left alone for a moment after a failure", "wait for `Retry-After`; look at `cause`"),
    device(503, "device_busy", "it closes the connection during the handshake: another program probably holds its one session", "close that program, or lend the device"),
    device(502, "auth_failed", "it refuses the comm key", "correct the record"),
    device(502, "unsupported_handshake", "newer encrypted firmware, or an access panel", "switch it to stand-alone communication"),
    device(502, "not_a_device", "something else listens there", "check address and port"),
    device(504, "device_silent", "it does not answer a request", "try again; the session is renewed"),
    device(502, "connection_lost", "the connection ended, or the device forgot the session", "try again; the session is renewed"),
    device(502, "incomplete_read", "a table did not come whole; nothing was delivered", "try again; look at the network"),
    device(502, "unknown_layout", "the records have a length that is not known yet", "please report it, with model and firmware"),
    device(502, "protocol_error", "it said what makes no sense", "try again; look at the firmware"),
    device(501, "unsupported_command", "the model does not have this", ""),
    device(502, "device_rejected", "it does not want to do this now", "look at its screen"),
    device(502, "outcome_unknown", "it was asked to do something, and nobody knows whether it did", "read back"),
    device(502, "not_stored", "it said that it stored something, and it is not there", "read back; restart it if that persists"),
    device(502, "stored_differently", "it stored something else than it was given", "read back; restart it if that persists"),
    device(502, "invalid_request", "the device does not have what was asked for", "correct the request"),
    device(409, "not_confirmed", "the confirmation is not the one of a dry run of this device, was used, or is older than ten minutes; nothing was cleared", "make a dry run, and use what it gives"),
    device(409, "log_not_read", "the log was not read to its end; nothing was cleared", "look at `detail`, and try again"),
    device(409, "not_in_journal", "records of the log are not in the journal, `missing` of them; nothing was cleared", "read the log, and look at the quarantine"),
    device(409, "punch_meanwhile", "somebody punched while the log was being read; nothing was cleared", "try again"),
    device(409, "no_live_events", "the device does not tell punches live, so one in the last moment would be lost; nothing was cleared", ""),

    device(502, "still_there", "it said that it deleted the person, and still has the record", "read back; restart it if that persists"),
    device(409, "counts_grown", "there is more on the device than the dry run of a clearing showed; nothing was cleared", "make another dry run"),
    device(409, "log_not_empty", "the attendance log has records, which clearing everything would lose; nothing was cleared", "clear it with `attendance/clear` first"),
    device(409, "backup_incomplete", "a clearing would lose what the backup before it cannot have, `not_in_backup`; nothing was cleared", "allow `biometrics`, use a token with that scope, or say `backup: false`"),
    device(502, "cleared_more", "it cleared more than it was asked to; `result` has what it counts now", "look at it; restore what is missing"),
    device(502, "not_verified", "it said that it is done, and nobody could look whether it is", "read back"),
    device(502, "rows_failed", "some of many people are not as wanted; the operation has a row for each", "look at the rows"),
    device(502, "devices_failed", "some of many devices are not as wanted; the operation has a result for each", "look at each device's `problem` and rows"),
    device(404, "unknown_template", "the device has no template of this finger", ""),
    device(409, "already_enrolled", "the finger is enrolled already, perhaps as somebody else's", "say `replace`, or choose another finger"),
    device(502, "enrolment_failed", "the samples were not good enough, or nobody came", "try again with somebody at the device"),
    device(404, "unknown_user", "the device does not know this user id", ""),
    device(409, "user_exists", "the device knows this user id already", "change the person instead"),
    device(409, "ambiguous_user_id", "several records of the device have this user id", "delete them at the device"),
    device(409, "no_free_index", "the device has no room for another person", ""),
    device(422, "unusable_user_id", "this device, or any, cannot store this user id", ""),
    device(422, "name_not_encodable", "the encoding of the device's names does not have all of the characters", "choose another `name_encoding`, or another name"),
    device(422, "name_too_long", "the name takes more bytes than fit; it is never cut", "choose a shorter name"),
    device(422, "unusable_password", "a password is digits, and no more than this device has room for", ""),
    device(422, "unusable_time_zones", "this device keeps time zones in another form", "read the person to see in which"),
    device(422, "duplicate_user_id", "a user id stands twice in the request", ""),

    service(504, "deadline_exceeded", "the deadline passed, in the queue or in the call", "ask with a longer `timeout`"),
    service(503, "queue_full", "too many calls wait for this device", "ask less, or later"),
    service(423, "device_lent", "it is lent", "wait, or `resume`"),
    service(409, "device_disabled", "it is switched off, or its record cannot be used", "correct the record"),
    service(409, "device_disconnected", "it was disconnected on request while the call waited", "ask again"),
    service(409, "device_connected", "`test-connection` at the address of a device that has a session", "`test` that device"),
    service(409, "address_in_use", "another enabled device, `other_device`, has this address and port", ""),
    service(409, "idempotency_key_taken", "another request, `operation_id`, had this `Idempotency-Key`", "use a new key"),
    service(409, "operation_running", "the first request with this `Idempotency-Key` is still being carried out", "ask again, or look at the operation"),
    service(409, "confirmation_needed", "nobody can undo this, or it may cut the device off", "ask again with `confirm`"),
    service(403, "raw_commands_off", "raw commands are off for this device", "set `raw_commands` in its settings"),
    service(403, "secret_option", "by its name this option is a secret", ""),
    service(422, "option_not_writable", "this option is not among those that are known to be harmless", "`writable` has those"),
    service(422, "command_not_raw", "this command would put the session out of step", "`reason` says why"),
    service(403, "biometrics_off", "templates are off for this device", "set `biometrics` in its settings"),
    service(409, "other_device", "the backup is of another device, or nobody can tell without a serial number", "say `allow_other_device` if it is meant"),
    service(409, "other_algorithm", "the device has another version of templates than these: it could not read them", ""),
    service(409, "backup_locked", "the backup does not open: another key, a file that was changed, or none", "use the key that it was made with"),
    service(409, "backups_full", "the backups take more than 1 GiB", "delete some"),
    service(409, "changed_meanwhile", "the person would be removed, and is not as they were when they were read", "transfer them once more"),
    service(409, "templates_would_go", "the person would be removed, and fingerprints of theirs that are nowhere else", "say `templates`, or `lose_templates` if that is meant"),
    service(404, "no_list", "no list of people counts for this device", "send one"),
    service(409, "discovery_running", "another scan is running", "wait for its end, or cancel it"),
    service(422, "foreign_network", "the range is in no network of this host", "say `allow_foreign_networks` if it is meant"),
    service(409, "too_many_traces", "8 traces are running", "stop one"),
    service(409, "trace_running", "the file is still being written", "stop the trace first"),
    service(409, "name_taken", "another token has this name", ""),
    service(409, "too_many_webhooks", "there are 32 of them", "delete one"),
    service(503, "too_many_tests", "4 tests of webhooks are under way", "ask again"),
    service(503, "not_collected_yet", "the device was registered a moment ago", "ask again"),
    service(409, "store_full", "there are as many devices as the store takes", ""),
    service(405, "read_only_store", "the devices come from an attached table", "change them in the program that owns it"),
    service(503, "store_unavailable", "the database, or the directory of traces, does not do what it should; nothing was changed", "ask again"),
    service(503, "store_busy", "too many requests wait for the database; nothing was changed", "ask again"),
    service(503, "journal_unavailable", "the journal could not be asked; nothing was cleared", "ask again"),
    service(503, "outcome_unknown", "the database did not answer in time; the change may have been made", "read back"),
    service(503, "too_many_followers", "as many programs follow the journal, or wait for punches, as there are places", "come again after `Retry-After`, or raise `http.followers`"),
    service(503, "overloaded", "too many requests, or too many large answers", "ask again after `Retry-After`"),
    service(503, "stopping", "the service is about to end", "ask again after `Retry-After`"),
    service(500, "internal", "a defect of zkgate", "its log says more; please report it"),
    service(502, "internal", "a defect of zkgate: the answer broke off before it began", "its log says more; please report it"),

    request(401, "unauthorized", "no token, or a wrong, revoked or expired one", "`Authorization: Bearer …`"),
    request(403, "scope_needed", "the token does not allow this; `scope` is missing", "use a token that has it"),
    request(400, "invalid_idempotency_key", "an `Idempotency-Key` has 1 to 255 visible ASCII characters", ""),
    request(404, "not_found", "there is no such device, webhook, entry, operation, token, trace or backup", ""),
    request(404, "unknown_path", "there is nothing under this path", ""),
    request(405, "method_not_allowed", "the path does not know the method", "see `Allow`"),
    request(400, "invalid_json", "the body is not JSON", "`detail` says where"),
    request(400, "invalid_body", "the body has wrong fields or values", "`detail` says which"),
    request(400, "unknown_parameter", "there is no such parameter", "`detail` has those that there are"),
    request(400, "invalid_parameter", "the value of `parameter` makes no sense, or it is given twice", "`detail` says what is needed"),
    request(415, "unsupported_media_type", "`Content-Type: application/json` is missing", ""),
    request(422, "invalid_value", "the store cannot keep the value of `field`; a sequence number beyond the journal's end", "`detail` says why"),
    request(400, "bad_request", "not HTTP/1.1 as it should be", "`detail` says what is wrong"),
    request(411, "length_required", "a body needs a `Content-Length`", ""),
    request(417, "expectation_failed", "the only expectation known is `100-continue`", ""),
    request(505, "http_version_not_supported", "neither HTTP/1.1 nor HTTP/1.0", ""),
    request(408, "request_timeout", "the request did not arrive in time", ""),
    request(413, "body_too_large", "the body is larger than `http.max_body` (1 MiB)", ""),
    request(431, "head_too_large", "the head of the request is too large", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_once_for_each_status_and_says_what_it_means() {
        for (index, row) in CODES.iter().enumerate() {
            assert!(
                !row.meaning.is_empty() && row.meaning.is_ascii() && !row.meaning.ends_with('.'),
                "{row:?}"
            );
            assert!(!row.code.contains(|c: char| !c.is_ascii_lowercase() && c != '_'), "{row:?}");
            let again = CODES
                .iter()
                .skip(index + 1)
                .find(|other| (other.status, other.code) == (row.status, row.code));
            assert!(again.is_none(), "{row:?}");
            assert_eq!(find(row.status, row.code).map(|found| found.meaning), Some(row.meaning));
        }
    }
}
