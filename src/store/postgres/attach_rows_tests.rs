//! Rows that make sense and rows that do not.

use super::*;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn good() -> AttachRow {
    AttachRow {
        id: some("7"),
        ip_address: some("10.0.0.7"),
        port: some("4370"),
        com_password: some("1234"),
        ..AttachRow::default()
    }
}

fn one(row: AttachRow) -> Device {
    let mut devices = devices(vec![row]);
    assert_eq!(devices.len(), 1);
    devices.remove(0)
}

#[test]
fn rows_that_make_sense_become_devices() {
    for (name, row, address, key) in [
        ("plain", good(), "10.0.0.7:4370", 1234),
        ("inet", AttachRow { ip_address: some("10.0.0.1/24"), ..good() }, "10.0.0.1:4370", 1234),
        ("v6 with mask", AttachRow { ip_address: some("fd00::7/64"), ..good() }, "[fd00::7]:4370", 1234),
        (
            "blanks",
            AttachRow { ip_address: some(" 10.0.0.7 "), port: some(" 80 "), ..good() },
            "10.0.0.7:80",
            1234,
        ),
        ("no key", AttachRow { com_password: None, ..good() }, "10.0.0.7:4370", 0),
        ("empty key", AttachRow { com_password: some(""), ..good() }, "10.0.0.7:4370", 0),
        ("padded key", AttachRow { com_password: some("000000"), ..good() }, "10.0.0.7:4370", 0),
        (
            "largest key",
            AttachRow { com_password: some("999999999"), ..good() },
            "10.0.0.7:4370",
            999_999_999,
        ),
    ] {
        let device = one(row);
        let endpoint = device.endpoint.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(
            (endpoint.address.to_string().as_str(), endpoint.comm_key.expose()),
            (address, key),
            "{name}"
        );
        assert_eq!(device.name, address, "{name}");
    }
}

#[test]
fn optional_columns_are_taken_over() {
    let device = one(AttachRow {
        name: some("  Gate 1\u{7} "),
        serial_number: some("A8N5"),
        timezone: some("Asia/Ho_Chi_Minh"),
        enabled: Some(some("t")),
        transport: some("UDP"),
        mode: some("on_demand"),
        ..good()
    });
    assert_eq!(device.name, "Gate 1");
    assert_eq!(device.facts.serial_number.as_deref(), Some("A8N5"));
    assert_eq!(device.timezone.as_deref(), Some("Asia/Ho_Chi_Minh"));
    assert_eq!((device.enabled, device.mode), (true, SessionMode::OnDemand));
    assert_eq!(device.endpoint.unwrap().transport, TransportChoice::Udp);
}

#[test]
fn a_row_that_makes_no_sense_says_why_and_keeps_its_secret() {
    for (name, row, reason) in [
        ("host name", AttachRow { ip_address: some("gate.local"), ..good() }, "no IP address"),
        ("no address", AttachRow { ip_address: None, ..good() }, "ip_address is empty"),
        (
            "everyone",
            AttachRow { ip_address: some("255.255.255.255"), ..good() },
            "not the address of one device",
        ),
        ("port 0", AttachRow { port: some("0"), ..good() }, "between 1 and 65535"),
        ("port 70000", AttachRow { port: some("70000"), ..good() }, "between 1 and 65535"),
        ("port -1", AttachRow { port: some("-1"), ..good() }, "between 1 and 65535"),
        ("port text", AttachRow { port: some("http"), ..good() }, "between 1 and 65535"),
        ("no port", AttachRow { port: None, ..good() }, "port is empty"),
        ("key text", AttachRow { com_password: some("hunter2"), ..good() }, "com_password"),
        ("key too large", AttachRow { com_password: some("4000000000"), ..good() }, "com_password"),
        ("no id", AttachRow { id: None, ..good() }, "the id is empty"),
        ("id with blanks", AttachRow { id: some("gate 7"), ..good() }, "gate 7"),
        ("zone", AttachRow { timezone: some("GMT plus 7"), ..good() }, "time zone"),
        ("flag", AttachRow { enabled: Some(some("perhaps")), ..good() }, "neither yes nor no"),
        ("transport", AttachRow { transport: some("serial"), ..good() }, "auto, tcp, udp"),
        ("mode", AttachRow { mode: some("lazy"), ..good() }, "persistent, on_demand"),
    ] {
        let device = one(row);
        let why = device.endpoint.as_ref().unwrap_err().to_string();
        assert!(why.contains(reason), "{name}: {why}");
        assert!(!format!("{device:?}").contains("hunter2"), "{name}");
        assert!(!format!("{device:?}").contains("4000000000"), "{name}");
    }
}

#[test]
fn an_enabled_column_that_is_null_is_no() {
    assert!(one(good()).enabled, "no column: all of them");
    assert!(!one(AttachRow { enabled: Some(None), ..good() }).enabled);
    assert!(!one(AttachRow { enabled: Some(some("f")), ..good() }).enabled);
}

#[test]
fn an_id_that_comes_twice_is_nobodys_and_the_others_work() {
    let rows = vec![
        good(),
        AttachRow { ip_address: some("10.0.0.8"), ..good() },
        AttachRow { id: some("9"), ip_address: some("10.0.0.9"), ..good() },
    ];
    let devices = devices(rows);
    let ids: Vec<_> = devices.iter().map(|device| (device.id.to_string(), device.endpoint.is_ok())).collect();
    assert_eq!(ids, [("7".to_owned(), false), ("9".to_owned(), true)]);
}

#[test]
fn two_enabled_rows_at_one_address_are_one_device_too_many() {
    let twin = AttachRow { id: some("10"), ip_address: some("10.0.0.7/32"), ..good() };
    let idle = AttachRow { id: some("3"), enabled: Some(some("no")), ..good() };
    let devices = devices(vec![twin, idle, good()]);
    let shown: Vec<_> =
        devices.iter().map(|device| (device.id.to_string(), device.endpoint.is_ok())).collect();
    assert_eq!(shown, [("3".to_owned(), true), ("7".to_owned(), true), ("10".to_owned(), false)]);
}

#[test]
fn names_are_quoted_exactly() {
    assert_eq!(quoted("De\"vices; drop table x"), "\"De\"\"vices; drop table x\"");
    for (name, expected) in [
        ("devices", "\"devices\""),
        ("hr.Devices", "\"hr\".\"Devices\""),
        ("\"a.b\".c", "\"a.b\".\"c\""),
        ("x;drop table y", "\"x;drop table y\""),
    ] {
        assert_eq!(quoted_table(name).as_deref(), Ok(expected));
    }
    for bad in ["", ".", "a.", ".a", "a.b.c", "\"a", "\"a\"b"] {
        assert!(quoted_table(bad).is_err(), "{bad}");
    }
}
