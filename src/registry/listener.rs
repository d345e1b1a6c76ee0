//! Who is told what devices do unasked.

use std::sync::Arc;

use super::inner::Inner;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::base::threads::contained;
use crate::device::Session;
use crate::wire::event::Event;

/// Somebody who wants to know. Called from the registry's threads, outside its mutex: it must be quick and must not
/// wait.
pub trait Listener: Send + Sync {
    /// A session was made. Its serial number is that of whoever answered, if they have one.
    fn opened(&self, id: &DeviceId, serial_number: Option<&str>);

    /// Events came, oldest first; `lost` more had to give way.
    fn events(&self, id: &DeviceId, serial_number: Option<&str>, events: &[Event], lost: u64);

    /// A device came up; or went down, for the reason with this code if one is known.
    fn changed(&self, _id: &DeviceId, _up: bool, _cause: Option<&'static str>) {}
}

impl Inner {
    pub(super) fn tell_opened(&self, id: &DeviceId, serial_number: Option<&str>) {
        self.tell_each(|listener| listener.opened(id, serial_number));
    }

    pub(super) fn tell_changed(&self, id: &DeviceId, up: bool, cause: Option<&'static str>) {
        self.tell_each(|listener| listener.changed(id, up, cause));
    }

    /// Each hears it, whatever becomes of another one.
    fn tell_each(&self, tell: impl Fn(&dyn Listener)) {
        let listeners: Vec<Arc<dyn Listener>> = lock(&self.listeners).clone();
        for listener in listeners {
            contained("a listener of the registry", || tell(&*listener));
        }
    }

    /// Hands on the events that the session has set aside; gives how many punches are among them.
    pub(super) fn pass_on_events(&self, id: &DeviceId, session: &mut Session) -> u64 {
        let (events, lost) = session.take_events();
        if events.is_empty() && lost == 0 {
            return 0;
        }
        let is_punch = |event: &&Event| matches!(event, Event::Punch { .. } | Event::Unreadable { .. });
        let punches = events.iter().filter(is_punch).count() as u64 + lost;
        self.tell_each(|listener| listener.events(id, session.serial_number(), &events, lost));
        punches
    }
}
