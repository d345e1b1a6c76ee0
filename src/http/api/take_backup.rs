//! Taking a backup of a device that there is a session with, and keeping it.

use super::backups::of_backup;
use crate::base::clock::millis;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::secret::Secret;
use crate::device::configuration::{Configuration, Configured};
use crate::device::{DeviceError, Session};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::registry::Between;
use crate::store::backups::{Content, Entry, Label, NotRead, Print, Settings};
use crate::wire::record::template::Template;
use crate::wire::record::user::UserLayout;

/// What was read of a device, not kept yet.
pub(super) struct Taken {
    label: Label,
    content: Content,
}

/// What is to be in it besides people.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct With {
    /// Fingerprints.
    pub(super) templates: bool,
    /// What the device was set to.
    pub(super) settings: bool,
}

/// How many parts it has, for whoever watches.
pub(super) const PARTS: u64 = 4;

impl Taken {
    /// Seals and keeps it.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub(super) fn keep(self, gateway: &Gateway, id: &DeviceId) -> Result<Entry, Problem> {
        let made_at = millis(gateway.clock.wall());
        let name_encoding = gateway.device_settings.encoding(id).name().to_owned();
        let label = Label { device_id: id.to_string(), made_at, name_encoding, ..self.label };
        gateway.backups.create(&label, &self.content).map_err(|error| of_backup(&error))
    }
}

/// One pass of bulk reads.
///
/// # Errors
/// [`DeviceError`]: half a backup is none.
pub(super) fn take(
    session: &mut Session,
    with: With,
    deadline: Deadline,
    between: &mut Between<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Taken, DeviceError> {
    let info = session.info(deadline)?;
    progress(1);
    let prints = match with.templates {
        false => None,
        true => {
            let table = session.templates_in_pieces(&mut |session| between.pause(session), deadline)?;
            let print = |template: Template<'_>| Print {
                uid: template.uid,
                finger: template.finger,
                validity: template.validity.to_byte(),
                bytes: Secret::new(template.bytes().expose().to_vec()),
            };
            Some(table.iter().map(print).collect::<Vec<_>>())
        }
    };
    progress(2);
    // After the templates: whoever was deleted meanwhile has none left.
    let users = session.users(deadline)?;
    let stride = users.layout().map_or(UserLayout::FULL.stride(), UserLayout::stride);
    let records: Vec<u8> = users.raw().flat_map(|record| record.bytes().expose().clone()).collect();
    progress(3);
    let settings = match with.settings {
        false => None,
        true => Some(session.configuration(&mut |session| between.pause(session), deadline)?),
    };
    progress(PARTS);
    let label = Label {
        made_at: 0,
        device_id: String::new(),
        serial_number: info.serial_number,
        device_name: info.device_name,
        firmware_version: info.firmware_version,
        fingerprint_version: info.fingerprint_version,
        name_encoding: String::new(),
        users: users.raw().count(),
        templates: prints.as_ref().map(Vec::len),
        settings: settings.as_ref().map(counted),
    };
    let stride = u16::try_from(stride).unwrap_or(u16::MAX);
    let settings = settings.unwrap_or_default().all.iter().map(Configured::emit).collect();
    let prints = prints.unwrap_or_default();
    let content = Content { stride, records: Secret::new(records), prints, settings };
    Ok(Taken { label, content })
}

/// What of it there is, and what not.
fn counted(configuration: &Configuration) -> Settings {
    let Configuration { all, not_read, not_told } = configuration;
    let mut settings = Settings { not_told: not_told.clone(), ..Settings::default() };
    for configured in all {
        *match configured {
            Configured::Option(_) => &mut settings.options,
            Configured::TimeZone(_) => &mut settings.time_zones,
            Configured::Group(_) => &mut settings.groups,
            Configured::Combination(_) => &mut settings.combinations,
        } += 1;
    }
    let row = |row: &crate::device::configuration::NotRead| NotRead {
        name: row.name.clone(),
        code: row.code.to_owned(),
    };
    settings.not_read = not_read.iter().map(row).collect();
    settings
}
