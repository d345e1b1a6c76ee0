//! A row as JSON: one rendering for the feed, the stream and the deliveries. Programs compare texts, so the members,
//! their order and their form are fixed.

use std::io::Write;

use jiff::Timestamp;

use super::row::{Person, Row};

/// Appends a row as one JSON object, without blanks.
pub fn write_row(row: &Row, out: &mut Vec<u8>) {
    out.push(b'{');
    write_members(row, out);
    out.push(b'}');
}

/// Appends the members only, for an object that has others too.
pub fn write_members(row: &Row, out: &mut Vec<u8>) {
    let record = &row.record;
    put(out, format_args!(r#""seq":{},"device_id":"#, row.seq));
    string(row.device_id.as_str(), out);
    out.extend_from_slice(br#","serial_number":"#);
    string(&row.serial_number, out);
    out.extend_from_slice(br#","user_id":"#);
    match &record.user_id {
        Some(user_id) => string(&user_id.to_text(), out),
        None => out.extend_from_slice(b"null"),
    }
    if let Person::Uid(uid) = record.person {
        put(out, format_args!(r#","uid":{uid}"#));
    }
    put(out, format_args!(r#","timestamp":"{}","instant":"#, record.time.fields()));
    match record.moment.instant.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        Some(instant) => put(out, format_args!(r#""{instant:.0}""#)),
        None => out.extend_from_slice(b"null"),
    }
    let (certainty, state, mode) = (record.moment.certainty.word(), record.punch_state, record.verify_mode);
    put(out, format_args!(r#","time_certainty":"{certainty}","punch_state":{state},"verify_mode":{mode}"#));
    match record.work_code {
        Some(code) => put(out, format_args!(r#","work_code":{code}"#)),
        None => out.extend_from_slice(br#","work_code":null"#),
    }
    let received = Timestamp::from_millisecond(row.received_at).unwrap_or(Timestamp::UNIX_EPOCH);
    put(out, format_args!(r#","source":"{}","received_at":"{received:.3}""#, row.source.word()));
}

/// Appends a text as a JSON string.
fn string(text: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

fn put(out: &mut Vec<u8>, pieces: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(pieces);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::row::{Certainty, Moment, Record, Source};
    use super::*;
    use crate::base::ids::DeviceId;
    use crate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};
    use crate::wire::record::UserId;

    fn row() -> Row {
        let eight = CivilTime { year: 2026, month: 7, day: 14, hour: 8, minute: 0, second: 0 };
        let user_id = UserId::from_number(1001);
        Row {
            seq: 17,
            device_id: DeviceId::from(3),
            serial_number: "SIM0000000001".into(),
            record: Record {
                person: Person::UserId(user_id),
                user_id: Some(user_id),
                time: ClockWord::pack(PossibleTime::new(eight).unwrap()),
                moment: Moment { instant: Some(1_784_005_200), certainty: Certainty::Exact },
                punch_state: 1,
                verify_mode: 15,
                work_code: Some(0),
            },
            ordinal: 0,
            source: Source::Both,
            received_at: 1_784_005_201_070,
        }
    }

    fn written(row: &Row) -> String {
        let mut out = Vec::new();
        write_row(row, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_has_these_members_in_this_order_and_form() {
        let expected = concat!(
            r#"{"seq":17,"device_id":"3","serial_number":"SIM0000000001","user_id":"1001","#,
            r#""timestamp":"2026-07-14T08:00:00","instant":"2026-07-14T05:00:00Z","time_certainty":"exact","#,
            r#""punch_state":1,"verify_mode":15,"work_code":0,"source":"live_and_log","#,
            r#""received_at":"2026-07-14T05:00:01.070Z"}"#
        );
        assert_eq!(written(&row()), expected);
    }

    #[test]
    fn what_is_not_known_is_null_and_an_index_stands_beside_the_user_id() {
        let mut row = row();
        row.record.person = Person::Uid(9);
        row.record.user_id = None;
        row.record.time = ClockWord(744_426_123);
        row.record.moment = Moment { instant: None, certainty: Certainty::Impossible };
        row.record.work_code = None;
        row.source = Source::Live;
        let expected = concat!(
            r#"{"seq":17,"device_id":"3","serial_number":"SIM0000000001","user_id":null,"uid":9,"#,
            r#""timestamp":"2023-02-30T01:02:03","instant":null,"time_certainty":"impossible","#,
            r#""punch_state":1,"verify_mode":15,"work_code":null,"source":"live","#,
            r#""received_at":"2026-07-14T05:00:01.070Z"}"#
        );
        assert_eq!(written(&row), expected);
        row.record.user_id = Some(UserId::from_number(1009));
        assert!(written(&row).contains(r#""user_id":"1009","uid":9,"#));
    }

    proptest! {
        #[test]
        fn any_row_is_json(
            serial in any::<String>(), user in proptest::collection::vec(1u8.., 0..=24), instant: i64,
            received: i64, time: u32, seq: u64,
        ) {
            let mut row = row();
            row.seq = seq;
            row.serial_number = serial.clone();
            row.record.user_id = UserId::new(&user).ok();
            row.record.moment.instant = Some(instant);
            row.record.time = ClockWord(time);
            row.received_at = received;
            let value: Value = serde_json::from_str(&written(&row)).unwrap();
            prop_assert_eq!(value["seq"].as_u64(), Some(seq));
            prop_assert_eq!(value["serial_number"].as_str(), Some(serial.as_str()));
            let user_id = String::from_utf8_lossy(&user).into_owned();
            prop_assert_eq!(value["user_id"].as_str(), Some(user_id.as_str()));
        }
    }
}
