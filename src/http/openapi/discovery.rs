//! Looking for devices on the network.

use serde_json::json;

use super::Document;
use super::devices::{KEY, comm_key};
use super::operation::{key, timeout};
use super::problems::NOTED;
use super::schema::{between, input, list, text, truth, with, word};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Discovery", "Looking for devices in a range of addresses, at a bounded rate.");
    let ports = with(with(list(&between(1, 65535)), "minItems", 1), "maxItems", 4);
    let transports = with(with(list(&word(&["tcp", "udp"])), "minItems", 1), "maxItems", 8);
    doc.schema(
        "Discovery",
        input([
            ("range", text(), "`192.168.1.0/24`, `192.168.1.10-192.168.1.40` or one address; at most 4096"),
            ("ports?", ports, "4370, if it is left out"),
            ("transports?", transports, "tried in this order; both, if it is left out"),
            ("comm_key?", comm_key(), KEY),
            ("allow_foreign_networks?", truth(), "look also where this host has no address"),
            ("rate?", with(between(1, 200), "default", 50), "addresses that are begun in a second"),
        ]),
    );
    let mut begun = super::operations::long("discovery", "127.0.0.1");
    if let Some(members) = begun.as_object_mut() {
        members.insert("device_id".to_owned(), serde_json::Value::Null);
    }
    doc.post("/api/v1/discovery", "discover", "Look for devices")
        .tells(
            "A long operation. Its `events` have each find as it is made, its `result` all of them with a `verdict` \
             and, in `register`, a body for `POST /devices`. Addresses of registered devices are not greeted.",
        )
        .takes([timeout("the deadline, in seconds; half an hour if it is left out"), key()])
        .body("Discovery", json!({ "range": "127.0.0.1" }))
        .answers(202, "It is begun.", "Operation", begun)
        .fails(&[
            NOTED,
            &[(409, "discovery_running"), (422, "foreign_network"), (422, "invalid_value")],
        ]);
}
