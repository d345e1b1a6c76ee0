//! Published clients of that server's API, unmodified.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::Site;

const PATIENCE: Duration = Duration::from_secs(60);

/// An interpreter that drives them, order by order.
struct Clients {
    process: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
    account: Value,
}

impl Clients {
    fn of(site: &Site) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let environment = root.join("tests/.env/biotime");
        let made_from = std::fs::read(environment.join(".made-from")).unwrap_or_default();
        let present = made_from == std::fs::read(root.join("tests/biotime/requirements.txt")).unwrap();
        assert!(present, "the clients are not installed: run tests/run setup");
        let mut command = Command::new(environment.join("bin/python"));
        command.args(["-I", "tests/biotime/connectors.py"]).current_dir(root);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{error}: run tests/run setup"));
        let orders = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, answers) = channel();
        // It ends with the process.
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let url = format!("http://{}", site.service.address);
        let account = json!({ "url": url, "username": "main", "password": site.service.token });
        Self { process, orders, answers, account }
    }

    fn ask(&mut self, order: &Value) -> Result<Value, String> {
        let mut whole = self.account.clone();
        whole.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
        writeln!(self.orders.as_mut().unwrap(), "{whole}").unwrap();
        let line = self.answers.recv_timeout(PATIENCE).expect("the client answers");
        let answer: Value = serde_json::from_str(&line).unwrap();
        match answer.get("ok") {
            Some(value) => Ok(value.clone()),
            None => Err(answer["error"].as_str().unwrap().to_owned()),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        drop(self.orders.take());
        if std::thread::panicking() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

#[test]
fn pybiotime_reads_every_punch_and_every_device() {
    let site = Site::with(30);
    let mut clients = Clients::of(&site);
    let feed = site.feed();
    let expected: Vec<Value> = feed
        .iter()
        .map(|row| {
            json!({
                "id": row["seq"], "emp_code": row["user_id"], "terminal_sn": row["serial_number"],
                "punch_time": row["timestamp"].as_str().unwrap().replace('T', " "),
                "punch_state": row["punch_state"].to_string(), "verify_type": row["verify_mode"],
                "terminal_alias": if row["device_id"] == "1" { "Main entrance" } else { "Back door" },
            })
        })
        .collect();
    for scheme in ["Token", "JWT"] {
        let all = clients.ask(&json!({ "do": "transactions", "scheme": scheme, "page_size": 7 })).unwrap();
        assert_eq!(all, json!({ "count": 60, "data": expected }), "{scheme}");
    }
    let (first, last) = (expected[10]["punch_time"].clone(), expected[20]["punch_time"].clone());
    let serial = expected[12]["terminal_sn"].clone();
    let order = json!({
        "do": "transactions", "scheme": "Token", "page_size": 3, "start": first, "end": last, "terminal_sn": serial,
    });
    let chosen: Vec<_> = expected
        .iter()
        .filter(|row| {
            let time = row["punch_time"].as_str();
            row["terminal_sn"] == serial && time >= first.as_str() && time <= last.as_str()
        })
        .collect();
    assert!(chosen.len() > 3, "more than a page");
    assert_eq!(clients.ask(&order).unwrap(), json!({ "count": chosen.len(), "data": chosen }));
    let one = clients.ask(&json!({ "do": "one", "scheme": "Token", "id": 17 })).unwrap();
    assert_eq!(one, expected[16]);
    let nobody = clients.ask(&json!({ "do": "one", "scheme": "Token", "id": 1000 })).unwrap_err();
    assert!(nobody.starts_with("NotFoundError"), "{nobody}");
    let terminals =
        clients.ask(&json!({ "do": "terminals", "scheme": "JWT", "terminal_sn": serial })).unwrap();
    let shown: Vec<Value> = ["Main entrance", "Back door"]
        .iter()
        .enumerate()
        .map(|(number, name)| json!([number + 1, site.device(number).serial_number(), name, 1]))
        .collect();
    assert_eq!(terminals["data"], json!(shown));
    let wrong = json!({ "do": "one", "scheme": "JWT", "id": 1, "password": "wrong-wrong-wrong" });
    let wrong = clients.ask(&wrong).unwrap_err();
    assert!(wrong.starts_with("AuthenticationError") && wrong.contains("Unable to log in"), "{wrong}");
    let second = clients.ask(&json!({ "do": "second_client" })).unwrap();
    assert_eq!(second, json!([6, 7, 8, 9, 10]));
}

#[test]
fn pybiotime_reads_what_is_new_since_the_last_time_and_only_that() {
    let site = Site::with(20);
    let mut clients = Clients::of(&site);
    let mut state = Value::Null;
    let mut read = |clients: &mut Clients| {
        let order = json!({ "do": "read_new", "scheme": "Token", "state": state, "page_size": 6 });
        let answer = clients.ask(&order).unwrap();
        state = answer["state"].clone();
        let rows = answer["data"].as_array().unwrap();
        rows.iter().map(|row| row["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(&mut clients), (1..=40).collect::<Vec<_>>());
    assert_eq!(read(&mut clients), [0; 0]);
    for n in 41..=43 {
        site.punch(n);
    }
    assert_eq!(read(&mut clients), [41, 42, 43]);
    assert_eq!(read(&mut clients), [0; 0]);
}
