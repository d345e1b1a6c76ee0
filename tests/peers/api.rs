//! pyzk beside the HTTP API on the same device: each sees exactly what the other wrote, and who opened the door.

use serde_json::json;
use zkgate::simulator::{Config, Profile};
use zkgate::wire::carrier::Carrier::{Tcp, Udp};

use crate::harness::{Peer, at, device};
use crate::service::Service;

#[test]
fn pyzk_and_the_api_see_the_same_people_clock_and_door() {
    let mut pyzk = Peer::python();
    let service = Service::start();
    for (profile, carrier) in [(Profile::Tft, Tcp), (Profile::Tft, Udp), (Profile::Bw16Udp, Udp)] {
        let row = format!("{profile} over {}", carrier.name());
        let (_simulator, device) = device(profile, 123_456, Config::default());
        let at = at(device.address(), carrier, 123_456);
        let id = service.add_with(&device, &json!({ "transport": carrier.name(), "comm_key": 123_456 }));
        service.until_state(&id, "idle");
        let mut order = |what: &str, with: serde_json::Value| {
            // The device tolerates one session at a time.
            assert_eq!(service.post(&format!("/devices/{id}/disconnect"), &json!({})).status, 200, "{row}");
            let told = pyzk.ask(&json!({ "do": what, "at": at, "with": with }));
            told.unwrap_or_else(|error| panic!("{row}: {what}: {error}"))
        };

        // The API writes, pyzk reads.
        let users = format!("/devices/{id}/users");
        let ann = json!({
            "user_id": "90001", "name": "Ann Öz", "privilege": "administrator", "password": "4711",
            "card_number": 4_294_967_295u32,
        });
        let made = service.post(&users, &ann);
        assert_eq!(made.status, 200, "{row}: {made:?}");
        let time = service.put(&format!("/devices/{id}/time"), &json!({ "time": "2027-01-01T00:00:00" }));
        assert_eq!(time.status, 200, "{row}: {time:?}");
        let read = order("tables", json!({}));
        let hers = read["users"].as_array().unwrap().iter().find(|each| each["user_id"] == "90001").unwrap();
        let expected = json!({
            "uid": made.json()["uid"], "user_id": "90001", "name": "Ann Öz", "privilege": 14,
            "card_number": 4_294_967_295u32,
        });
        assert_eq!(*hers, expected, "{row}");
        let passwords = order("passwords", json!({}));
        let hers = passwords.as_array().unwrap().iter().find(|each| each["user_id"] == "90001").unwrap();
        assert_eq!(hers["password"], "4711", "{row}");
        // Changed alone and with others: the rest of everybody stays, the password too.
        assert_eq!(
            service.patch(&format!("{users}/90001"), &json!({ "name": "Ann O", "card_number": 8 })).status,
            200,
            "{row}"
        );
        let many = json!({ "upsert": [
            { "user_id": "90001", "privilege": "user" }, { "user_id": "90003", "name": "Cy", "card_number": 3 },
        ] });
        let begun = service.post(&format!("{users}/bulk"), &many);
        assert_eq!(begun.status, 202, "{row}: {begun:?}");
        let ended = service.until(&format!("/operations/{}", begun.json()["id"]), |shown| {
            shown["state"] != "queued" && shown["state"] != "running"
        });
        assert_eq!(ended["state"], "done", "{row}: {ended}");
        let uid = |n: usize| ended["result"]["rows"][n]["uid"].clone();
        let read = order("tables", json!({}));
        for expected in [
            json!({ "uid": uid(0), "user_id": "90001", "name": "Ann O", "privilege": 0, "card_number": 8 }),
            json!({ "uid": uid(1), "user_id": "90003", "name": "Cy", "privilege": 0, "card_number": 3 }),
        ] {
            assert!(
                read["users"].as_array().unwrap().contains(&expected),
                "{row}: {expected}: {}",
                read["users"]
            );
        }
        let passwords = order("passwords", json!({}));
        let hers = passwords.as_array().unwrap().iter().find(|each| each["user_id"] == "90001").unwrap();
        assert_eq!(hers["password"], "4711", "{row}");
        assert!(order("info", json!({}))["time"].as_str().unwrap().starts_with("2027-01-01T00:00:"), "{row}");

        // pyzk writes, the API reads.
        let bob = json!({ "uid": 901, "name": "Bob", "privilege": 0, "password": "12", "user_id": "90002", "card": 7 });
        order("set_user", bob);
        let shown = service.get(&format!("{users}/90002")).json();
        for (name, value) in [
            ("uid", json!(901)),
            ("name", json!("Bob")),
            ("privilege", json!("user")),
            ("has_password", json!(true)),
            ("card_number", json!(7)),
        ] {
            assert_eq!(shown[name], value, "{row}: {shown}");
        }
        order("set_time", json!({ "time": "2028-02-29T12:00:00" }));
        let time = service.get(&format!("/devices/{id}/time")).json();
        assert!(time["device_time"].as_str().unwrap().starts_with("2028-02-29T12:00:"), "{row}: {time}");

        // Both open the door, and it is told in the unit that the device counts in.
        let settings = format!("/devices/{id}/settings");
        assert_eq!(service.patch(&settings, &json!({ "unlock_unit": "tenths" })).status, 200, "{row}");
        let opened =
            service.keyed(&row.replace(' ', "-"), &format!("/devices/{id}/unlock"), &json!({ "seconds": 3 }));
        assert_eq!((opened.status, device.opened_for()), (200, Some(30)), "{row}: {opened:?}");
        order("unlock", json!({ "seconds": 3 }));
        assert_eq!((device.opened_for(), device.counters().unlocks), (Some(30), 2), "{row}");

        // Either deletes whom the other made.
        assert_eq!(service.delete(&format!("{users}/90002")).status, 200, "{row}");
        let uid = made.json()["uid"].clone();
        let left = order("delete_user", json!({ "uid": uid }));
        assert!(
            left.as_array()
                .unwrap()
                .iter()
                .all(|each| !["90001", "90002"].contains(&each["user_id"].as_str().unwrap()))
        );
        service.get(&format!("{users}/90001")).problem(404, "unknown_user");
        assert_eq!(service.delete(&format!("/devices/{id}")).status, 204);
    }
}
