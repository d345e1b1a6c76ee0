//! Rows as CSV (RFC 4180), for people with a spreadsheet.
//!
//! A cell that a spreadsheet would take for a formula is not what it says: texts that begin like one get a `'`
//! before them.

use super::failure::{Done, Failure};
use super::output::{Output, unprinted};
use super::rows::PunchRow;

/// Prints an attendance log.
pub(super) fn print(out: Output, rows: &[PunchRow]) -> Done {
    out.bytes(&written(rows)?)
}

fn written(rows: &[PunchRow]) -> Done<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let broken = |error: csv::Error| Failure::new("output", error);
    let head = ["user_id", "uid", "timestamp", "punch_state", "verify_mode", "work_code"];
    writer.write_record(head).map_err(broken)?;
    for row in rows {
        let user_id = row.user_id.as_deref().map(guarded).unwrap_or_default();
        let uid = row.uid.map(|uid| uid.to_string()).unwrap_or_default();
        let numbers = [row.punch_state.to_string(), row.verify_mode.to_string(), row.work_code.to_string()];
        let [state, mode, code] = &numbers;
        writer.write_record([&user_id, &uid, &row.timestamp, state, mode, code]).map_err(broken)?;
    }
    writer.into_inner().map_err(|error| unprinted(error.into_error()))
}

fn guarded(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_csv_and_no_cell_is_a_formula() {
        let row = |user_id: &str| PunchRow {
            user_id: Some(user_id.to_owned()),
            timestamp: "2026-07-14T08:00:00".into(),
            punch_state: 0,
            verify_mode: 15,
            work_code: 0,
            uid: None,
            impossible_time: false,
        };
        let text = String::from_utf8(written(&[row("7"), row("=1,2")]).unwrap()).unwrap();
        let expected = "user_id,uid,timestamp,punch_state,verify_mode,work_code\r\n\
            7,,2026-07-14T08:00:00,0,15,0\r\n\"'=1,2\",,2026-07-14T08:00:00,0,15,0\r\n";
        assert_eq!(text, expected);
    }
}
