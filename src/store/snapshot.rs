//! The device list on disk, for the time in which PostgreSQL does not answer: read once at start, written after
//! changes. It holds comm keys, so only its owner may read it; a damaged or foreign one is not used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::device::{Device, Endpoint, Facts, SessionMode, Status, TransportChoice, Unusable};
use super::list::DeviceList;
use super::{row, rules};
use crate::base::ids::DeviceId;

/// The file and what it holds.
pub(super) struct Snapshot {
    path: PathBuf,
    /// Which database it is the copy of; never a secret.
    source: String,
    /// What was written or read last.
    written: Option<Arc<DeviceList>>,
}

#[derive(Serialize, Deserialize)]
struct Page {
    format: u32,
    source: String,
    saved_at: i64,
    devices: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    id: String,
    name: String,
    ip_address: String,
    port: i64,
    /// `Err`: why the record cannot be used.
    endpoint: Result<Place, String>,
    mode: SessionMode,
    timezone: Option<String>,
    enabled: bool,
    facts: Facts,
    status: Status,
    last_seen: Option<i64>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Place {
    address: std::net::SocketAddr,
    comm_key: i64,
    transport: TransportChoice,
}

const FORMAT: u32 = 1;
/// The largest file that is read, in bytes: some 6 KB for each device that there may be.
const CEILING: u64 = 64 * 1024 * 1024;

impl Snapshot {
    pub(super) fn new(state_dir: &Path, source: String) -> Self {
        Self { path: state_dir.join("devices.json"), source, written: None }
    }

    /// The devices last known; none when there is no usable file.
    pub(super) fn read(&mut self) -> DeviceList {
        match self.try_read() {
            Ok(Some(list)) => {
                self.written = Some(Arc::new(list.clone()));
                list
            }
            Ok(None) => DeviceList::new(1, Vec::new()),
            Err(why) => {
                log::warn!("{} is not used: {why}", self.path.display());
                DeviceList::new(1, Vec::new())
            }
        }
    }

    /// Whether this list is worth writing: more than "last seen" differs from what is on disk.
    pub(super) fn differs(&mut self, list: &Arc<DeviceList>) -> bool {
        let Some(written) = &self.written else { return true };
        if written.revision() == list.revision() {
            return false;
        }
        let same = |a: &Arc<Device>, b: &Arc<Device>| {
            Arc::ptr_eq(a, b) || **a == Device { last_seen: a.last_seen, ..(**b).clone() }
        };
        if written.len() != list.len() || !written.iter().zip(list.iter()).all(|(a, b)| same(a, b)) {
            return true;
        }
        // As good as written; the next comparison is with this one, and cheap.
        self.written = Some(Arc::clone(list));
        false
    }

    /// Writes it beside the old one, then puts it in its place.
    pub(super) fn write(&mut self, list: &Arc<DeviceList>, now: SystemTime) -> io::Result<()> {
        let page = Page {
            format: FORMAT,
            source: self.source.clone(),
            saved_at: rules::millis(now),
            devices: list.iter().map(|device| entry(device)).collect(),
        };
        let text = serde_json::to_vec(&page).map_err(io::Error::other)?;
        let beside = self.path.with_extension("json.new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        self.written = Some(Arc::clone(list));
        Ok(())
    }

    fn try_read(&self) -> Result<Option<DeviceList>, String> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let mut text = Vec::new();
        file.take(CEILING).read_to_end(&mut text).map_err(|error| error.to_string())?;
        // A parser's message could quote what it met; its place is enough.
        let page: Page = serde_json::from_slice(&text)
            .map_err(|error| format!("damaged at line {}, column {}", error.line(), error.column()))?;
        if page.format != FORMAT {
            return Err(format!("its format is {}, not {FORMAT}", page.format));
        }
        if page.source != self.source {
            return Err(format!("it is of another database ({})", rules::shown(&page.source)));
        }
        let count = page.devices.len();
        let devices: Vec<_> = page.devices.into_iter().filter_map(device).map(Arc::new).collect();
        if devices.len() != count || count > DeviceList::CEILING {
            return Err("damaged: it holds records that are none".into());
        }
        Ok(Some(DeviceList::new(1, devices)))
    }
}

fn entry(device: &Device) -> Entry {
    let endpoint = match &device.endpoint {
        Ok(endpoint) => Ok(Place {
            address: endpoint.address,
            comm_key: i64::from(endpoint.comm_key.expose()),
            transport: endpoint.transport,
        }),
        Err(why) => Err(why.0.clone()),
    };
    Entry {
        id: device.id.to_string(),
        name: device.name.clone(),
        ip_address: device.ip_address.clone(),
        port: device.port,
        endpoint,
        mode: device.mode,
        timezone: device.timezone.clone(),
        enabled: device.enabled,
        facts: device.facts.clone(),
        status: device.status,
        last_seen: device.last_seen.map(rules::millis),
        created_at: device.created_at.map(rules::millis),
        updated_at: device.updated_at.map(rules::millis),
    }
}

fn device(entry: Entry) -> Option<Device> {
    let endpoint = match entry.endpoint {
        Ok(place) => Ok(Endpoint {
            address: place.address,
            comm_key: row::comm_key(place.comm_key).ok()?,
            transport: place.transport,
        }),
        Err(why) => Err(Unusable(why)),
    };
    Some(Device {
        id: DeviceId::parse(&entry.id)?,
        name: entry.name,
        ip_address: entry.ip_address,
        port: entry.port,
        endpoint,
        mode: entry.mode,
        timezone: entry.timezone,
        enabled: entry.enabled,
        facts: entry.facts,
        status: entry.status,
        last_seen: entry.last_seen.map(rules::from_millis),
        created_at: entry.created_at.map(rules::from_millis),
        updated_at: entry.updated_at.map(rules::from_millis),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::rules::tests::device;
    use crate::wire::comm_key::CommKey;

    fn list(revision: u64) -> Arc<DeviceList> {
        let mut keyed = device("1", "10.0.0.1");
        keyed.endpoint.as_mut().unwrap().comm_key = CommKey::new(123_456).unwrap();
        keyed.facts.serial_number = Some("A8N5".into());
        keyed.last_seen = Some(rules::from_millis(1_764_000_000_123));
        let broken =
            Device { endpoint: Err(Unusable("port 0".into())), port: 0, ..device("x-2", "10.0.0.2") };
        Arc::new(DeviceList::new(revision, vec![Arc::new(keyed), Arc::new(broken)]))
    }

    #[test]
    fn what_was_written_is_read_again_and_only_by_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let mut snapshot = Snapshot::new(dir.path(), "db".into());
        assert!(snapshot.read().is_empty());
        assert!(snapshot.differs(&list(1)));
        snapshot.write(&list(5), SystemTime::now()).unwrap();
        snapshot.write(&list(5), SystemTime::now()).unwrap();
        let mode = fs::metadata(dir.path().join("devices.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Snapshot::new(dir.path(), "db".into()).read();
        assert_eq!(again.iter().collect::<Vec<_>>(), list(1).iter().collect::<Vec<_>>());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing left beside it");
    }

    #[test]
    fn last_seen_alone_is_not_worth_a_write() {
        let dir = tempfile::tempdir().unwrap();
        let mut snapshot = Snapshot::new(dir.path(), "db".into());
        snapshot.write(&list(1), SystemTime::now()).unwrap();
        let change = |revision, edit: fn(&mut Device)| {
            let mut device = (**list(1).iter().next().unwrap()).clone();
            edit(&mut device);
            Arc::new(list(revision).with(Arc::new(device)))
        };
        assert!(!snapshot.differs(&change(5, |device| device.last_seen = None)));
        assert!(snapshot.differs(&change(6, |device| device.status = Status::Up)));
        assert!(snapshot.differs(&Arc::new(list(7).without(&DeviceId::from(1)))));
    }

    #[test]
    fn a_damaged_or_foreign_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("devices.json");
        Snapshot::new(dir.path(), "db".into()).write(&list(1), SystemTime::now()).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        for (name, text) in [
            ("cut", good[..good.len() / 2].to_owned()),
            ("empty", String::new()),
            ("other format", good.replace("\"format\":1", "\"format\":2")),
            ("other database", good.replace("\"source\":\"db\"", "\"source\":\"other\"")),
            ("bad id", good.replace("\"id\":\"x-2\"", "\"id\":\"../x\"")),
            ("bad key", good.replace("123456", "99999999999")),
        ] {
            assert_ne!(text, good, "{name}");
            fs::write(&path, text).unwrap();
            assert!(Snapshot::new(dir.path(), "db".into()).read().is_empty(), "{name}");
        }
        fs::write(&path, good).unwrap();
        assert_eq!(Snapshot::new(dir.path(), "db".into()).read().len(), 2);
    }
}
