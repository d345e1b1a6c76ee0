//! What happens at the devices, as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use zkgate::simulator::{Config, Fault, How, Profile, Simulator};
use zkgate::wire::record::UserId;

use crate::service::{Service, Setup};
use crate::{Case, add, one};

/// A follower that reads as much as it is asked to.
struct Stream {
    reader: BufReader<TcpStream>,
    text: String,
}

impl Stream {
    fn open(service: &Service, path: &str, headers: &str) -> Self {
        let mut stream = service.connect();
        stream.write_all(service.head("GET", &format!("/api/v1{path}"), headers).as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "no head: {head:?}");
        }
        assert!(head.contains(" 200 ") && head.contains("text/event-stream"), "{head}");
        let mut stream = Self { reader, text: String::new() };
        assert_eq!(stream.block(), ": zkgate\nretry: 2000");
        stream
    }

    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return block;
            }
            let mut size = String::new();
            assert!(self.reader.read_line(&mut size).unwrap() > 0, "the stream has ended");
            let mut chunk = vec![0; usize::from_str_radix(size.trim_end(), 16).unwrap() + 2];
            self.reader.read_exact(&mut chunk).unwrap();
            self.text.push_str(std::str::from_utf8(&chunk[..chunk.len() - 2]).unwrap());
        }
    }

    /// The next event's word and what it says.
    fn event(&mut self) -> (String, Value) {
        loop {
            let block = self.block();
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let Some(word) = field("event: ") else { continue };
            let data: Value = serde_json::from_str(&field("data: ").unwrap()).unwrap();
            assert_eq!(field("id: ").as_deref(), data["id"].as_str(), "{block}");
            return (word, data);
        }
    }
}

fn collecting(profile: Profile, transport: &str) -> (Service, Case) {
    let service = Setup::collecting().start();
    let case = add(&service, profile, transport, 3);
    listens(&service, &case.id);
    (service, case)
}

fn listens(service: &Service, id: &str) {
    service.until(&format!("/devices/{id}/collection"), |shown| shown["live"] == "on");
}

fn end(service: &Service) -> String {
    service.get("/events?limit=1000").json()["next_after"].as_str().unwrap().to_owned()
}

#[test]
fn whatever_a_device_tells_is_told_on_and_punches_go_to_the_journal() {
    for (profile, transport) in [(Profile::Tft, "tcp"), (Profile::OldUdp, "udp")] {
        let (service, case) = collecting(profile, transport);
        let mut stream = Stream::open(&service, "/events/stream", "");
        let from = end(&service);
        let told = [
            (512, vec![0x35, 0, 0, 0], "alarm", json!({ "alarm": "exit_button" })),
            (512, vec![0x37, 0, 0, 0], "alarm", json!({ "alarm": "tamper" })),
            (512, vec![0x3a, 0, 0, 0], "alarm", json!({ "alarm": "misoperation" })),
            (512, vec![0x36, 0, 0, 0, 0, 0, 0, 0], "alarm", json!({ "alarm": "door_closing" })),
            (
                512,
                vec![255, 255, 255, 255, 0x20, 0, 13, 0, 1, 0, 0, 0],
                "alarm",
                json!({ "alarm": "duress", "uid": 13 }),
            ),
            (128, vec![2, 0, 0, 0, 1], "verification", json!({ "uid": 2 })),
            (128, vec![255, 255, 255, 255, 1], "verification", json!({ "uid": null })),
            (16, vec![7], "button", json!({ "code": 16, "bytes": 1 })),
            (32, vec![], "unlock", json!({ "code": 32, "bytes": 0 })),
            (8, vec![4, 0], "finger_not_enrolled", json!({ "result": 4 })),
            (4, vec![9, 0], "user_enrolled", json!({ "code": 4, "bytes": 2 })),
            (512, vec![1], "other", json!({ "code": 512, "bytes": 1 })),
        ];
        for (code, payload, word, details) in &told {
            case.device.tell(*code, payload);
            let (event, data) = stream.event();
            assert_eq!(event, *word, "{data}");
            assert_eq!(
                (data["device_id"].as_str(), data["serial_number"].as_str()),
                (Some(case.id.as_str()), Some(case.device.serial_number().as_str())),
            );
            for (name, value) in details.as_object().unwrap() {
                assert_eq!(data[name], *value, "{data}");
            }
        }
        // Nobody asked for each finger that is placed.
        case.device.tell(2, &[]);
        case.device.punch(UserId::new(b"1001").unwrap(), 0, 1).unwrap();
        service.until("/punches?limit=1000", |shown| !shown["data"].as_array().unwrap().is_empty());
        case.device.tell(16, &[]);
        assert_eq!(stream.event().0, "button");
        let page = service.get(&format!("/events?after={from}")).json();
        assert_eq!(page["data"].as_array().unwrap().len(), told.len() + 1, "{page}");
        assert_eq!((&page["missed"], &page["more"]), (&json!(false), &json!(false)));
    }
}

#[test]
fn a_device_that_refuses_to_tell_so_much_still_tells_punches() {
    let service = Setup::collecting().start();
    let config =
        Config { users: 1, faults: vec![Fault::parse("reject@500*1").unwrap()], ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    listens(&service, &id);
    assert_eq!(device.counters().command(500), 2, "it was asked for less");
    device.punch(UserId::new(b"1001").unwrap(), 0, 1).unwrap();
    let rows = service.until("/punches", |shown| !shown["data"].as_array().unwrap().is_empty());
    assert_eq!(rows["data"][0]["source"], "live", "{rows}");
}

#[test]
fn devices_that_come_and_go_are_told_also_without_collecting() {
    let (service, case) = one(0);
    let mut stream = Stream::open(&service, &format!("/events/stream?device={}", case.id), "");
    service.until("/events", |shown| shown["data"][0]["event"] == "device_up");
    case.device.set_fault(Fault::parse("refuse").unwrap());
    case.device.drop_connections(How::Rst);
    let (word, data) = stream.event();
    assert_eq!(word, "device_down", "{data}");
    assert!(data["cause"].is_string(), "{data}");
    case.device.clear_faults();
    let back = std::iter::repeat_with(|| stream.event().0).take(20).any(|word| word == "device_up");
    assert!(back, "it comes back");
    let other = service.get("/events?device=77").json();
    assert_eq!(other["data"], json!([]));
}

#[test]
fn who_comes_again_goes_on_and_who_comes_too_late_or_after_a_restart_is_told_so() {
    let (service, case) = collecting(Profile::Tft, "tcp");
    let from = end(&service);
    // One that does not read meanwhile.
    let mut slow = Stream::open(&service, &format!("/events/stream?after={from}"), "");
    let mut fast = Stream::open(&service, "/events/stream", "");
    let mut last = String::new();
    for n in 0..1050u32 {
        case.device.tell(16, &n.to_le_bytes()[..1]);
        // As fast as it is heard, so that nothing is lost on the way.
        let (word, data) = fast.event();
        assert_eq!(word, "button", "{n}: {data}");
        last = data["id"].as_str().unwrap().to_owned();
    }
    let number = |id: &str| id.split_once('-').unwrap().1.parse::<u64>().unwrap();
    let mut before = number(&from);
    while before < number(&last) {
        let (word, data) = slow.event();
        assert_eq!(word, "button", "{data}");
        assert_eq!(number(data["id"].as_str().unwrap()), before + 1);
        before += 1;
    }
    let seen = Stream::open(&service, "/events/stream?after=0-0", &format!("Last-Event-ID: {last}\r\n"));
    let mut seen = seen;
    case.device.tell(32, &[]);
    assert_eq!(seen.event().0, "unlock", "what it saw last wins, and nothing is missing");

    let mut late = Stream::open(&service, &format!("/events/stream?after={from}"), "");
    let missed = late.block();
    assert_eq!(missed, format!("event: missed\ndata: {{\"after\":\"{from}\"}}"));
    assert_eq!(late.event().0, "button");
    let page = service.get(&format!("/events?after={from}&limit=10")).json();
    assert_eq!((&page["missed"], &page["more"]), (&json!(true), &json!(true)));
    assert_eq!(page["data"].as_array().unwrap().len(), 10);

    let again = service.setup.again();
    drop(service);
    let service = again.start();
    listens(&service, &case.id);
    let mut stream = Stream::open(&service, "/events/stream", &format!("Last-Event-ID: {last}\r\n"));
    assert_eq!(stream.block(), format!("event: missed\ndata: {{\"after\":\"{last}\"}}"));
    let (word, data) = stream.event();
    assert_eq!(word, "device_up", "{data}");
    assert!(data["id"].as_str().unwrap().ends_with("-1"), "numbers begin anew: {data}");
    assert_eq!(service.get(&format!("/events?after={last}")).json()["missed"], true);
}

#[test]
fn what_is_no_place_of_the_stream_is_refused_and_followers_have_places() {
    let service = Setup::new().set("ZKGATE_HTTP_FOLLOWERS", "1").start();
    for after in ["17", "x-1", "1-x", "-", "1-+1", "1-1-1"] {
        service.get(&format!("/events?after={after}")).problem(400, "invalid_parameter");
        service.get(&format!("/events/stream?after={after}")).problem(400, "invalid_parameter");
    }
    service.get("/events?limit=0").problem(400, "invalid_parameter");
    service.get("/events?limit=1001").problem(400, "invalid_parameter");
    service.get("/events?wait=1").problem(400, "unknown_parameter");
    let _first = Stream::open(&service, "/events/stream", "");
    service.get("/events/stream").problem(503, "too_many_followers");
    service.get("/punches/stream").problem(503, "too_many_followers");
    assert_eq!(service.get("/events").json()["data"], json!([]));
}
