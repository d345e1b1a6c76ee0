//! What goes out in one request.

use std::io::Write as _;

use super::signature::random_text;
use crate::store::journal::Row;
use crate::store::journal::json::write_members;

/// Rows on their way: the same bytes under the same name, however often they must be sent.
#[derive(Debug)]
pub(super) struct Batch {
    /// The name of this delivery.
    pub(super) delivery: String,
    /// The first and the last row in it.
    pub(super) rows: (u64, u64),
    /// How many there are.
    pub(super) count: u32,
    /// Where the subscription is once they were taken: the last row, or further on where rows were passed over.
    pub(super) up_to: u64,
    /// The request's body.
    pub(super) body: Vec<u8>,
}

impl Batch {
    /// A batch of these rows; `None` when there are none.
    pub(super) fn new<'r>(
        webhook: u64,
        rows: impl IntoIterator<Item = &'r Row>,
        up_to: u64,
    ) -> std::io::Result<Option<Self>> {
        let delivery = random_text::<16>()?;
        let mut body = head(webhook, &delivery);
        let (mut ends, mut count) = (None, 0);
        for row in rows {
            if count > 0 {
                body.push(b',');
            }
            body.extend_from_slice(br#"{"type":"punch","#);
            write_members(row, &mut body);
            body.push(b'}');
            ends = Some((ends.map_or(row.seq, |(first, _)| first), row.seq));
            count += 1;
        }
        body.extend_from_slice(b"]}");
        let Some((first, last)) = ends else { return Ok(None) };
        Ok(Some(Self { delivery, rows: (first, last), count, up_to: up_to.max(last), body }))
    }
}

/// A delivery that only tries the way: its name and its body.
pub(super) fn test_event(webhook: u64) -> std::io::Result<(String, Vec<u8>)> {
    let delivery = random_text::<16>()?;
    let mut body = head(webhook, &delivery);
    body.extend_from_slice(br#"{"type":"test"}]}"#);
    Ok((delivery, body))
}

fn head(webhook: u64, delivery: &str) -> Vec<u8> {
    let mut body = Vec::new();
    // Writing to memory does not fail.
    let _ = write!(body, r#"{{"webhook_id":{webhook},"delivery_id":"{delivery}","events":["#);
    body
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::base::ids::DeviceId;
    use crate::store::journal::{Certainty, Moment, Person, Record, Source};
    use crate::wire::clock_word::ClockWord;

    fn row(seq: u64) -> Row {
        let record = Record {
            person: Person::Uid(1),
            user_id: None,
            time: ClockWord(1),
            moment: Moment { instant: None, certainty: Certainty::Exact },
            punch_state: 0,
            verify_mode: 0,
            work_code: None,
        };
        Row {
            seq,
            device_id: DeviceId::from(1),
            serial_number: "A".into(),
            record,
            ordinal: 0,
            source: Source::Log,
            received_at: 0,
        }
    }

    #[test]
    fn a_batch_is_its_rows_in_order_and_knows_where_they_end() {
        let rows = [row(7), row(9)];
        let batch = Batch::new(3, &rows, 12).unwrap().unwrap();
        assert_eq!((batch.rows, batch.count, batch.up_to), ((7, 9), 2, 12));
        let body: Value = serde_json::from_slice(&batch.body).unwrap();
        assert_eq!(
            (body["webhook_id"].as_u64(), body["delivery_id"].as_str()),
            (Some(3), Some(&*batch.delivery))
        );
        let events = body["events"].as_array().unwrap();
        let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, [7, 9]);
        assert!(events.iter().all(|event| event["type"] == "punch" && event["uid"] == 1));
        assert!(Batch::new(3, [], 12).unwrap().is_none());
        assert_ne!(Batch::new(3, &rows, 12).unwrap().unwrap().delivery, batch.delivery);
    }

    #[test]
    fn a_test_is_a_delivery_with_one_event_that_is_no_punch() {
        let (delivery, body) = test_event(3).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "webhook_id": 3, "delivery_id": delivery, "events": [{ "type": "test" }],
            })
        );
    }
}
