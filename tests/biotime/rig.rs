//! A service that speaks the dialect, with a device whose log it has collected.

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Simulator};
use zkgate::wire::record::UserId;

use crate::service::{Answer, Service, Setup};

pub(crate) const TRANSACTIONS: &str = "/iclock/api/transactions/";

pub(crate) struct Site {
    pub(crate) service: Service,
    simulator: Simulator,
}

pub(crate) fn speaking(setup: Setup) -> Setup {
    setup.set("ZKGATE_HTTP_BIOTIME", "true")
}

impl Site {
    /// Two devices, "Main entrance" and "Back door", of so many punches each, all of them in the journal.
    pub(crate) fn with(punches: usize) -> Self {
        let config = Config { devices: 2, users: 10, punches, ..Config::default() };
        let simulator = Simulator::start(config).unwrap();
        let service = speaking(Setup::collecting()).start();
        let site = Self { service, simulator };
        for (number, name) in ["Main entrance", "Back door"].into_iter().enumerate() {
            let id = site.service.add_with(site.device(number), &json!({ "name": name }));
            site.service.until(&format!("/devices/{id}/collection"), |shown| {
                shown["last_read"]["result"] == "complete"
            });
        }
        site.until_head(2 * punches);
        site
    }

    pub(crate) fn device(&self, number: usize) -> &DeviceHandle {
        self.simulator.device(number).unwrap()
    }

    /// Somebody punches, as nobody has in the same second, and it is in the journal as number `seq`.
    pub(crate) fn punch(&self, seq: usize) {
        let user = UserId::from_number(1001 + (seq % 10) as u32);
        self.device(seq % 2).punch(user, (seq / 10 % 6) as u8, 1).unwrap();
        self.until_head(seq);
    }

    pub(crate) fn until_head(&self, head: usize) {
        self.service.until("/punches?limit=1", |shown| shown["head"] == head);
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(&self.service, "GET", path, &format!("Token {}", self.service.token))
    }

    /// What follows the address of the service in one that it gave out.
    pub(crate) fn path(&self, address: &Value) -> Option<String> {
        let begin = format!("http://{}", self.service.address);
        let address = address.as_str()?;
        Some(address.strip_prefix(&begin).unwrap_or_else(|| panic!("{address}")).to_owned())
    }

    /// All pages from this one on, each reached by `next`.
    pub(crate) fn pages(&self, first: &str, mut between: impl FnMut(usize)) -> Vec<Value> {
        let (mut pages, mut path) = (Vec::new(), Some(first.to_owned()));
        while let Some(here) = path {
            let answer = self.get(&here);
            assert_eq!(answer.status, 200, "{here}: {answer:?}");
            let page = answer.json();
            path = self.path(&page["next"]);
            pages.push(page);
            between(pages.len());
        }
        pages
    }

    /// Every row of the API's own feed.
    pub(crate) fn feed(&self) -> Vec<Value> {
        self.service.get("/punches?limit=1000").json()["data"].as_array().unwrap().clone()
    }
}

pub(crate) fn ask(service: &Service, method: &str, path: &str, authorization: &str) -> Answer {
    service.send(method, path, None, None, Some(authorization))
}

/// The rows of pages.
pub(crate) fn rows(pages: &[Value]) -> Vec<Value> {
    pages.iter().flat_map(|page| page["data"].as_array().unwrap()).cloned().collect()
}

pub(crate) fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

pub(crate) fn detail(answer: &Answer, status: u16) -> String {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/json")),
        "{answer:?}"
    );
    answer.json()["detail"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
