//! Which problems a kind of request can end with. Each pair is a row of the table of codes.

/// Status and code.
pub(super) type Case = (u16, &'static str);

/// Every request.
pub(super) const ALWAYS: &[Case] = &[
    (400, "bad_request"),
    (400, "unknown_parameter"),
    (408, "request_timeout"),
    (411, "length_required"),
    (413, "body_too_large"),
    (417, "expectation_failed"),
    (431, "head_too_large"),
    (500, "internal"),
    (502, "internal"),
    (503, "overloaded"),
    (503, "stopping"),
    (504, "deadline_exceeded"),
    (505, "http_version_not_supported"),
];
/// Every request that needs a token.
pub(super) const TOKEN: &[Case] = &[(401, "unauthorized"), (403, "scope_needed")];
/// With parameters.
pub(super) const PARAMETERS: &[Case] = &[(400, "invalid_parameter")];
/// With a body.
pub(super) const BODY: &[Case] =
    &[(400, "invalid_json"), (400, "invalid_body"), (415, "unsupported_media_type")];
/// About something that the path names.
pub(super) const NAMED: &[Case] = &[(404, "not_found")];

/// Needs a session with the device.
pub(super) const SESSION: &[Case] = &[
    (409, "device_disabled"),
    (409, "device_disconnected"),
    (423, "device_lent"),
    (502, "auth_failed"),
    (502, "not_a_device"),
    (502, "protocol_error"),
    (502, "unsupported_handshake"),
    (503, "device_busy"),
    (503, "device_unreachable"),
    (503, "queue_full"),
];
/// Asks the device something; [`SESSION`] as well.
pub(super) const ANSWER: &[Case] = &[
    (501, "unsupported_command"),
    (502, "connection_lost"),
    (502, "device_rejected"),
    (502, "incomplete_read"),
    (504, "device_silent"),
];
/// Reads a table of the device; [`ANSWER`] as well.
pub(super) const TABLE: &[Case] = &[(502, "unknown_layout")];
/// Has an effect on the device; [`ANSWER`] as well.
pub(super) const EFFECT: &[Case] = &[(502, "outcome_unknown")];
/// Is an operation, noted before it is done.
pub(super) const NOTED: &[Case] = &[
    (400, "invalid_idempotency_key"),
    (409, "idempotency_key_taken"),
    (409, "operation_running"),
    (503, "store_busy"),
    (503, "store_unavailable"),
];
/// Writes a person's record; [`TABLE`] as well.
pub(super) const PERSON: &[Case] =
    &[(404, "unknown_user"), (409, "ambiguous_user_id"), (422, "unusable_user_id"), (502, "not_verified")];
/// Sets what is in it; [`PERSON`] as well.
pub(super) const RECORD: &[Case] = &[
    (409, "no_free_index"),
    (409, "user_exists"),
    (422, "name_not_encodable"),
    (422, "name_too_long"),
    (422, "unusable_password"),
    (422, "unusable_time_zones"),
    (502, "not_stored"),
    (502, "stored_differently"),
];
/// Begins or ends something at the device's place in the registry, without a session.
pub(super) const PLACE: &[Case] = &[(409, "device_disabled")];

/// Reads from the journal or the store.
pub(super) const KEPT: &[Case] = &[(503, "store_busy"), (503, "store_unavailable")];
/// Changes something there; [`KEPT`] as well.
pub(super) const CHANGE: &[Case] = &[(503, "outcome_unknown")];
/// Changes which devices there are; [`CHANGE`] as well.
pub(super) const DEVICES: &[Case] = &[(405, "read_only_store")];
