//! A journal with deliveries, on and off again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zkgate::base::clock::SystemClock;
use zkgate::base::liveness::Liveness;
use zkgate::base::secret::Secret;
use zkgate::delivery::{Deliveries, DeliverySettings, Progress};
use zkgate::store::journal::delivery::{Attempt, NewWebhook, Webhook, WebhookPatch};
use zkgate::store::journal::{Filter, Journal};

use crate::journal::{Site, close, live, punch, soon, tell, within};

pub const SECRET: &str = "a-secret-of-nobody";
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that outlives a run.
pub struct House {
    pub site: Site,
    pub settings: DeliverySettings,
}

/// One run.
pub struct Run {
    pub journal: Arc<Journal>,
    pub deliveries: Arc<Deliveries>,
    pub liveness: Liveness,
}

impl House {
    /// Waits are short, and receivers on this machine are allowed.
    pub fn new() -> Self {
        let settings = DeliverySettings {
            allow_private_addresses: true,
            ca_file: None,
            timeout: Duration::from_secs(10),
            back_off_first: Duration::from_millis(10),
            back_off_cap: Duration::from_millis(50),
        };
        Self { site: Site::sqlite(), settings }
    }

    pub fn start(&self) -> Run {
        let journal = self.site.open();
        let liveness = Liveness::new(Instant::now());
        let deliveries =
            Deliveries::start(Arc::clone(&journal), self.settings.clone(), Arc::new(SystemClock), &liveness);
        Run { journal, deliveries: deliveries.unwrap(), liveness }
    }
}

impl Run {
    /// Places so many punches of a person, from this second of the year on.
    pub fn punches(&self, user: u32, seconds: std::ops::Range<u32>) {
        tell(&self.journal, seconds.map(|second| live("A", punch(user, second))).collect());
    }

    pub fn subscribe(&self, url: impl Into<String>) -> u64 {
        self.subscribe_as(NewWebhook { url: url.into(), ..new() })
    }

    pub fn subscribe_as(&self, new: NewWebhook) -> u64 {
        let webhook = self.journal.write(soon(), move |backend| backend.create_webhook(&new, 1)).unwrap();
        let id = webhook.id;
        self.deliveries.changed(webhook, true);
        id
    }

    pub fn patch(&self, id: u64, patch: WebhookPatch) {
        let set = patch.cursor.is_some();
        let webhook =
            self.journal.write(soon(), move |backend| backend.update_webhook(id, &patch, 2)).unwrap();
        self.deliveries.changed(webhook.unwrap(), set);
    }

    /// As it is in the database.
    pub fn kept(&self, id: u64) -> Webhook {
        let all = self.journal.read(soon(), |backend| backend.webhooks()).unwrap();
        all.into_iter().find(|webhook| webhook.id == id).unwrap()
    }

    pub fn attempts(&self, id: u64) -> Vec<Attempt> {
        self.journal.read(soon(), move |backend| backend.attempts(id, 200)).unwrap()
    }

    pub fn until_kept(&self, id: u64, so: impl Fn(&Webhook) -> bool) -> Webhook {
        until(|| Some(self.kept(id)).filter(&so))
    }

    pub fn until_progress(&self, id: u64, so: impl Fn(&Progress) -> bool) -> Progress {
        until(|| self.deliveries.progress(id).filter(&so))
    }

    /// Waits until an attempt was noted that is so.
    pub fn until_attempt(&self, id: u64, so: impl Fn(&Attempt) -> bool) -> Attempt {
        until(|| self.attempts(id).into_iter().find(&so))
    }

    pub fn test(&self, id: u64) -> zkgate::delivery::Tried {
        let (tell, told) = std::sync::mpsc::channel();
        self.deliveries.test(id, move |tried| tell.send(tried).unwrap()).unwrap().unwrap();
        told.recv_timeout(PATIENCE).unwrap()
    }

    pub fn stop(self) {
        self.deliveries.stop(soon());
        close(&self.journal);
        assert_eq!(self.liveness.silent(Instant::now()), []);
    }

    /// As if the process died: nobody waits for an answer that is under way.
    pub fn cut(self) {
        self.deliveries.stop(within(Duration::from_millis(1)));
        close(&self.journal);
    }
}

/// A subscription to everything, from the beginning.
pub fn new() -> NewWebhook {
    NewWebhook {
        name: "test".into(),
        url: String::new(),
        secret: Secret::new(SECRET.into()),
        filter: Filter::default(),
        batch: 10,
        enabled: true,
        cursor: 0,
    }
}

pub fn until<T>(mut so: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = so() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "that never came true");
        std::thread::sleep(Duration::from_millis(2));
    }
}
