//! Every line of `tests/data/protocol-vectors.jsonl` through the public `wire` room: captured and computed frames,
//! payloads, records, times and comm keys, taken apart, compared key by key, and built again.
//!
//! Nothing is skipped in silence: a kind, a key or a number of lines that these tests do not know fails them, and
//! so does a key whose value is not really compared. What the bytes mean is the file's to say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod frame;
mod line;
mod transcript;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use zkgate::wire::clock_word::ClockWord;

use crate::line::{Case, Line, lines};

/// The latest believable time of a record: the end of 2026, when the vectors were made.
pub(crate) const LATEST: ClockWord = ClockWord(867_801_599);

/// Everything that is wrong with a line.
fn failures(line: &Line) -> Vec<String> {
    let mut case = Case::new(line);
    let outcome = match line.kind.as_str() {
        "tcp-frame" | "udp-frame" if line.is_valid() => frame::valid(&mut case),
        "tcp-frame" | "udp-frame" => frame::invalid(&mut case),
        "payload" => value::payload(&mut case),
        "record" => value::record(&mut case),
        "time" => value::time(&mut case),
        "commkey" => {
            let session = u16::try_from(line.number("session")).unwrap_or_default();
            case.must("session", session);
            value::comm_key(&mut case, session, &line.bytes)
        }
        kind => Err(format!("no test knows the kind {kind:?}")),
    };
    if let Err(why) = outcome {
        case.fail(&why);
    }
    case.close()
}

#[test]
fn every_line_means_what_it_says() {
    let found: Vec<_> = lines().iter().flat_map(failures).collect();
    assert!(found.is_empty(), "{} failures:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_line_of_the_file_is_there_once() {
    let lines = lines();
    let mut kinds = BTreeMap::new();
    for line in &lines {
        *kinds.entry(line.kind.as_str()).or_insert(0) += 1;
    }
    let expected = [
        ("commkey", 13),
        ("payload", 15),
        ("record", 26),
        ("tcp-frame", 149),
        ("time", 19),
        ("udp-frame", 22),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
    assert_eq!(lines.len(), 244);
    assert_eq!(lines.iter().filter(|line| !line.is_valid()).count(), 9, "invalid frames");
    assert_eq!(lines.iter().map(|line| &line.name).collect::<BTreeSet<_>>().len(), 244, "names are unique");
}

#[test]
fn any_other_value_of_any_key_would_fail() {
    // Compared as a whole in `transcript`, and prose.
    let elsewhere = ["meaning", "note", "reason", "sequence", "step"];
    for line in lines() {
        for (key, value) in line.decoded.clone() {
            if elsewhere.contains(&key.as_str()) {
                continue;
            }
            let other = match &value {
                Value::Bool(value) => json!(!value),
                // The lowest byte of a session takes no part in a scrambled comm key; the one above does.
                Value::Number(number) => json!(number.as_u64().unwrap() ^ 0x100),
                Value::String(text) => json!(format!("{text}x")),
                Value::Array(items) => json!([&items[..], &[json!(99)]].concat()),
                Value::Null | Value::Object(_) => json!(7),
            };
            let mut changed = line.clone();
            changed.decoded.insert(key.clone(), other);
            assert!(!failures(&changed).is_empty(), "{}: {key} is not compared", line.name);
        }
    }
}

#[test]
fn an_unknown_kind_key_or_layout_fails() {
    let line = lines().into_iter().find(|line| line.name == "att40-js").unwrap();
    let mut kind = line.clone();
    kind.kind = "serial-frame".to_owned();
    let mut key = line.clone();
    key.decoded.insert("temperature".to_owned(), json!(36.6));
    let mut layout = line;
    layout.decoded.insert("layout".to_owned(), json!("att41"));
    for (line, expected) in [(kind, "serial-frame"), (key, "temperature"), (layout, "layout")] {
        let found = failures(&line);
        assert!(found.iter().any(|failure| failure.contains(expected)), "{expected}: {found:?}");
        assert!(found[0].contains("att40-js"), "a failure names its line: {found:?}");
    }
}

#[test]
fn any_segments_of_the_stream_give_the_same_packets() {
    let lines = lines();
    let frames = || lines.iter().filter(|line| line.kind == "tcp-frame" && line.is_valid());
    let stream: Vec<u8> = frames().flat_map(|line| line.bytes.clone()).collect();
    let expected: Vec<_> = frames().map(|line| frame::packet(line).unwrap()).collect();
    assert_eq!(expected.len(), 142);
    for piece in [1, 2, 3, 7, 16, 17, 1000, stream.len()] {
        assert_eq!(frame::packets(&stream, piece), (expected.clone(), None), "pieces of {piece}");
    }
}
