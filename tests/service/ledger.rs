//! What is kept of operations: who sees how much of it, for whom it is known again, and who may end it.

use rusqlite::Connection;
use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, Simulator};

use crate::service::{Service, Setup};

fn one() -> (Service, Simulator, String) {
    let (service, simulator) = (Service::start(), Simulator::start(Config::default()).unwrap());
    let id = service.add_up(&simulator.devices()[0]);
    (service, simulator, id)
}

fn token(service: &Service, name: &str, scope: &str) -> (u64, String) {
    let made = service.post("/tokens", &json!({ "name": name, "scopes": [scope] })).json();
    (made["id"].as_u64().unwrap(), made["token"].as_str().unwrap().to_owned())
}

fn unlocks(device: &DeviceHandle) -> u64 {
    device.counters().unlocks
}

/// 150 lists of 5000 people, as they were brought to three devices.
fn fill(service: &Service) {
    let ledger = Connection::open(service.setup.state_dir().join("ledger.db")).unwrap();
    let rows = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 150)
        insert into operation (kind, token, state, created_at, finished_at, deadline, result_is_large)
        select 'put_people', 'main', 'done', 1, 2, 3, 1 from n;
        insert into large_result (operation_id, bytes, content)
        select id, 170000, '[\"' || printf('%.*c', 169996, 'x') || '\"]' from operation where kind = 'put_people';";
    ledger.execute_batch(rows).unwrap();
}

#[test]
fn a_list_stays_small_whatever_came_of_what_is_in_it() {
    let (service, simulator, id) = one();
    let device = &simulator.devices()[0];
    let people: Vec<Value> =
        (0..40).map(|number| json!({ "user_id": format!("9{number:03}"), "name": "Ann" })).collect();
    let begun = service.post(&format!("/devices/{id}/users/bulk"), &json!({ "upsert": people }));
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/operations/{}", begun.json()["id"]);
    let whole = service.until(&path, |shown| shown["state"] == "done");
    assert!(whole["result"].to_string().len() > 1024, "{whole}");
    assert_eq!(whole["result_left_out"], Value::Null);
    let opened = service.post(&format!("/devices/{id}/unlock"), &json!({ "seconds": 3 })).json();
    let listed = service.get("/operations").json();
    let [unlock, bulk] = [0, 1].map(|at| &listed["data"][at]);
    assert_eq!((&bulk["id"], &bulk["result"]), (&whole["id"], &Value::Null));
    assert_eq!((&bulk["result_left_out"], &bulk["problem"]), (&json!("large"), &Value::Null));
    assert_eq!((&unlock["result"], &unlock["result_left_out"]), (&opened, &Value::Null));

    fill(&service);
    for limit in [100, 1000] {
        let listed = service.get(&format!("/operations?limit={limit}"));
        assert!(listed.body.len() < 150 * 1024, "{limit}: {} bytes", listed.body.len());
        assert_eq!(listed.json()["data"].as_array().unwrap().len(), limit.min(152));
    }
    let last = service.get("/operations?limit=1").json()["data"][0].clone();
    assert_eq!(last["result_left_out"], "large");
    let whole = service.get(&format!("/operations/{}", last["id"])).json();
    assert_eq!(whole["result"][0].as_str().unwrap().len(), 169_996);
    assert_eq!(unlocks(device), 1);
}

#[test]
fn what_could_not_be_noted_is_left_out_of_the_list_as_well() {
    let (service, simulator, id) = one();
    simulator.devices()[0].set_fault(Fault::parse("delay:20ms@8").unwrap());
    let people: Vec<Value> = (0..40).map(|number| json!({ "user_id": format!("9{number:03}") })).collect();
    let begun = service.post(&format!("/devices/{id}/users/bulk"), &json!({ "upsert": people })).json();
    let ledger = Connection::open(service.setup.state_dir().join("ledger.db")).unwrap();
    ledger.execute_batch("begin immediate").unwrap();
    let path = format!("/operations/{}", begun["id"]);
    let whole = service.until(&path, |shown| shown["state"] == "done");
    assert!(whole["result"].to_string().len() > 1024, "{whole}");
    let listed = service.get("/operations").json();
    assert_eq!((&listed["data"][0]["state"], &listed["data"][0]["result"]), (&json!("done"), &Value::Null));
    assert_eq!(listed["data"][0]["result_left_out"], "large");
    ledger.execute_batch("rollback").unwrap();
}

#[test]
fn what_gave_way_is_said_to_have_been_done() {
    let (service, simulator, id) = one();
    let (path, body) = (format!("/devices/{id}/unlock"), json!({ "seconds": 3 }));
    let opened = service.keyed("k", &path, &body).json();
    let number = &opened["operation_id"];
    let ledger = Connection::open(service.setup.state_dir().join("ledger.db")).unwrap();
    assert_eq!(service.get(&format!("/operations/{number}")).json()["result"], opened);
    // As if it had been large and there were no room for it any more.
    ledger.execute("update operation set result = null, result_is_large = 1", []).unwrap();
    let shown = service.get(&format!("/operations/{number}")).json();
    assert_eq!((&shown["state"], &shown["result"]), (&json!("done"), &Value::Null));
    assert_eq!(shown["result_left_out"], "given_up");
    let again = service.keyed("k", &path, &body);
    assert_eq!((again.status, again.json()), (200, json!({ "operation_id": number })));
    assert_eq!(unlocks(&simulator.devices()[0]), 1);
}

#[test]
fn a_token_of_the_same_name_is_somebody_else() {
    let (service, simulator, id) = one();
    let device = &simulator.devices()[0];
    let (path, body) = (format!("/devices/{id}/unlock"), json!({ "seconds": 3 }));
    let (first, mine) = token(&service, "visit", "operate");
    let opened = service.keyed_as(&mine, "k", &path, &body);
    assert_eq!(opened.status, 200, "{opened:?}");
    assert_eq!(service.keyed_as(&mine, "k", &path, &body).header("idempotency-replayed"), Some("true"));
    assert_eq!(service.delete(&format!("/tokens/{first}")).status, 204);
    let (second, theirs) = token(&service, "visit", "operate");
    let theirs = service.keyed_as(&theirs, "k", &path, &body);
    assert_eq!((theirs.status, theirs.header("idempotency-replayed")), (200, None));
    assert_ne!(theirs.json()["operation_id"], opened.json()["operation_id"]);
    assert_eq!(unlocks(device), 2);
    // Three requests and two operations; `add_up` and the tokens were made by the main token.
    let rows = service.until("/audit?token=visit", |shown| shown["data"].as_array().unwrap().len() == 5);
    let whose = |id: u64| rows["data"].as_array().unwrap().iter().filter(|row| row["token_id"] == id).count();
    assert_eq!((whose(first), whose(second)), (3, 2), "{rows}");
    let main = service.get("/audit?token=main&limit=1").json();
    assert_eq!(main["data"][0]["token_id"], 0, "{main}");
}

#[test]
fn without_the_key_beside_the_ledger_no_door_opens_twice_and_new_keys_are_good() {
    let (service, simulator, id) = one();
    let device = &simulator.devices()[0];
    let (path, body) = (format!("/devices/{id}/unlock"), json!({ "seconds": 3 }));
    assert_eq!(service.keyed("k", &path, &body).status, 200);
    let setup = service.setup.again();
    drop(service);
    std::fs::remove_file(setup.state_dir().join("request.key")).unwrap();
    let service = setup.start();
    service.until_state(&id, "idle");
    service.keyed("k", &path, &body).problem(409, "idempotency_key_taken");
    assert_eq!(unlocks(device), 1);
    for _ in 0..2 {
        assert_eq!(service.keyed("new", &path, &body).status, 200);
    }
    assert_eq!(unlocks(device), 2);
}

#[test]
fn who_could_not_begin_an_operation_does_not_end_it() {
    let setup = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "20s");
    let (service, simulator) = (setup.start(), Simulator::start(Config::default()).unwrap());
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let (_, operator) = token(&service, "operator", "operate");
    let (_, boss) = token(&service, "boss", "admin");
    device.set_fault(Fault::parse("delay:15s").unwrap());
    let begun = service.post(&format!("/devices/{id}/backups"), &json!({})).json();
    let path = format!("/operations/{}", begun["id"]);
    let cancel = format!("{path}/cancel");
    let refused = service.as_somebody(&operator, "POST", &cancel, None);
    assert_eq!(refused.problem(403, "scope_needed")["scope"], "admin");
    assert_eq!(service.get(&path).json()["cancelling"], false);
    let asked = service.as_somebody(&boss, "POST", &cancel, None);
    assert_eq!((asked.status, &asked.json()["cancelling"]), (200, &json!(true)), "{asked:?}");
    // What needs no more than the operator has, the operator may end.
    let users = json!({ "upsert": [{ "user_id": "4711", "name": "Ann" }] });
    let begun = service.post(&format!("/devices/{id}/users/bulk"), &users);
    let cancel = format!("/operations/{}/cancel", begun.json()["id"]);
    assert_eq!(service.as_somebody(&operator, "POST", &cancel, None).status, 200, "{begun:?}");
}
