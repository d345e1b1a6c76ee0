//! Names in a backup, on devices that keep them in other encodings.

use serde_json::json;
use zkgate::simulator::{Config, Profile, Simulator};

use super::service::Service;
use super::{device, over};

#[test]
fn a_name_is_the_same_on_a_device_that_keeps_names_in_another_encoding() {
    for (from, to) in [("gbk", "utf-8"), ("utf-8", "gbk")] {
        let service = Service::start();
        let (_simulator, one) = device(Profile::Tft, 0, 0);
        let spare = Simulator::start(Config { users: 0, ..Config::default() }).unwrap();
        let other = &spare.devices()[0];
        other.set_serial("NEW1");
        let (id, other_id) = (service.add_up(&one), service.add_up(other));
        for (id, encoding) in [(&id, from), (&other_id, to)] {
            let set =
                service.patch(&format!("/devices/{id}/settings"), &json!({ "name_encoding": encoding }));
            assert_eq!(set.status, 200, "{set:?}");
        }
        let person = json!({ "user_id": "7", "name": "张伟" });
        let created = service.post(&format!("/devices/{id}/users"), &person);
        assert_eq!(created.status, 200, "{created:?}");
        let made = over(&service, &service.post(&format!("/devices/{id}/backups"), &json!({})));
        let of = made["result"]["name_encoding"].as_str().unwrap();
        assert!(of.eq_ignore_ascii_case(from), "{made}");
        let wanted = json!({ "backup": made["result"]["id"], "dry_run": false, "allow_other_device": true });
        let done = over(&service, &service.post(&format!("/devices/{other_id}/restore"), &wanted));
        assert_eq!(done["state"], "done", "{done}");
        let bytes: &[u8] = if to == "gbk" { b"\xd5\xc5\xce\xb0" } else { "张伟".as_bytes() };
        assert_eq!(other.users()[0].name.as_bytes(), bytes, "{from} to {to}");
        let shown = service.get(&format!("/devices/{other_id}/users/7")).json();
        assert_eq!(shown["name"], "张伟", "{from} to {to}");
    }
}
