//! A row as a line of CSV (RFC 4180), for people with a spreadsheet.
//!
//! A cell that a spreadsheet would take for a formula is not what it says: texts that begin like one get a `'`
//! before them.

use std::io::Write;

use jiff::Timestamp;

use crate::store::journal::Row;

/// The first line.
pub(super) const HEADER: &[u8] = b"seq,device_id,serial_number,user_id,uid,timestamp,instant,time_certainty,\
punch_state,verify_mode,work_code,source,received_at\r\n";

/// Appends a row as one line.
pub(super) fn write_line(row: &Row, out: &mut Vec<u8>) {
    let record = &row.record;
    put(out, format_args!("{},", row.seq));
    text(row.device_id.as_str(), out);
    out.push(b',');
    text(&row.serial_number, out);
    out.push(b',');
    if let Some(user_id) = &record.user_id {
        text(&user_id.to_text(), out);
    }
    out.push(b',');
    if let Some(uid) = record.person.uid() {
        put(out, format_args!("{uid}"));
    }
    put(out, format_args!(",{},", record.time.fields()));
    if let Some(instant) = record.moment.instant.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        put(out, format_args!("{instant:.0}"));
    }
    let (certainty, state, mode) = (record.moment.certainty.word(), record.punch_state, record.verify_mode);
    put(out, format_args!(",{certainty},{state},{mode},"));
    if let Some(code) = record.work_code {
        put(out, format_args!("{code}"));
    }
    let received = Timestamp::from_millisecond(row.received_at).unwrap_or(Timestamp::UNIX_EPOCH);
    put(out, format_args!(",{},{received:.3}\r\n", row.source.word()));
}

/// Appends a text as one cell.
fn text(text: &str, out: &mut Vec<u8>) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let quoted = text.contains(['"', ',', '\r', '\n']) || text.trim() != text;
    if quoted {
        out.push(b'"');
    }
    if formula {
        out.push(b'\'');
    }
    for byte in text.bytes() {
        out.extend_from_slice(if byte == b'"' { b"\"\"" } else { std::slice::from_ref(&byte) });
    }
    if quoted {
        out.push(b'"');
    }
}

fn put(out: &mut Vec<u8>, pieces: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(pieces);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::ids::DeviceId;
    use crate::store::journal::{Certainty, Moment, Person, Record, Source};
    use crate::wire::clock_word::ClockWord;
    use crate::wire::record::UserId;

    fn row(serial_number: &str) -> Row {
        Row {
            seq: 17,
            device_id: DeviceId::from(3),
            serial_number: serial_number.into(),
            record: Record {
                person: Person::Uid(9),
                user_id: Some(UserId::new(b"=1+2").unwrap()),
                time: ClockWord(744_426_123),
                moment: Moment { instant: None, certainty: Certainty::Impossible },
                punch_state: 1,
                verify_mode: 15,
                work_code: None,
            },
            ordinal: 0,
            source: Source::Live,
            received_at: 1_784_005_201_070,
        }
    }

    fn line(row: &Row) -> String {
        let mut out = Vec::new();
        write_line(row, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The cells of one line, read as RFC 4180 has it.
    fn cells(line: &str) -> Vec<String> {
        let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        let mut letters = line.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, quoted) {
                ('"', true) if letters.peek() == Some(&'"') => cell.extend(letters.next()),
                ('"', _) => quoted = !quoted,
                (',', false) => cells.push(std::mem::take(&mut cell)),
                (letter, _) => cell.push(letter),
            }
        }
        assert!(!quoted, "{line}");
        cells.push(cell);
        cells
    }

    #[test]
    fn a_line_has_a_cell_for_every_name_in_the_header() {
        let mut known = row("SIM0000000001");
        assert_eq!(
            line(&known),
            "17,3,SIM0000000001,'=1+2,9,2023-02-30T01:02:03,,impossible,1,15,,live,2026-07-14T05:00:01.070Z\r\n"
        );
        known.record.person = Person::UserId(UserId::from_number(1001));
        known.record.user_id = Some(UserId::from_number(1001));
        known.record.moment = Moment { instant: Some(1_784_005_200), certainty: Certainty::Exact };
        known.record.work_code = Some(7);
        let expected = "17,3,SIM0000000001,1001,,2023-02-30T01:02:03,2026-07-14T05:00:00Z,exact,1,15,7,live,\
                        2026-07-14T05:00:01.070Z\r\n";
        assert_eq!(line(&known), expected);
        let header = std::str::from_utf8(HEADER).unwrap();
        assert_eq!(cells(header).len(), cells(expected).len());
    }

    #[test]
    fn what_a_spreadsheet_would_calculate_is_text() {
        for (given, cell) in [
            ("=cmd()", "'=cmd()"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("=a\"b,c", "'=a\"b,c"),
            ("1=1", "1=1"),
        ] {
            assert_eq!(cells(&line(&row(given)))[2], cell, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_cell(text in "[a-z\",\r\n =+'\t-]{0,12}") {
            let cells = cells(&line(&row(&text)));
            prop_assert_eq!(cells.len(), 13);
            let plain = cells[2].strip_prefix('\'').filter(|_| !text.starts_with('\''));
            prop_assert_eq!(plain.unwrap_or(&cells[2]), text.as_str());
        }
    }
}
