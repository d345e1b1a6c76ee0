//! A tap with a tracer behind it, for tests that hold the sessions themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use zkgate::base::clock::SystemClock;
use zkgate::base::ids::DeviceId;
use zkgate::device::{DeviceError, Session, SessionSettings, Target};
use zkgate::simulator::{Config, DeviceHandle, Replay, Simulator};
use zkgate::transport::tap::Tap;
use zkgate::transport::trace::{Limits, Subject, TraceState, Tracer};
use zkgate::wire::capture::{Capture, Direction, Frame, Line};
use zkgate::wire::carrier::Carrier;

use crate::site::{device, soon, target, until};

pub(crate) struct Recorder {
    pub(crate) tracer: Arc<Tracer>,
    pub(crate) tap: Tap,
    home: TempDir,
}

pub(crate) fn subject() -> Subject {
    Subject { device: DeviceId::parse("gate:2").unwrap(), serial_number: None, transport: "auto" }
}

impl Recorder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::with(limits, |directory| Tracer::start(directory, Arc::new(SystemClock)))
    }

    pub(crate) fn with(limits: Limits, start: impl Fn(PathBuf) -> std::io::Result<Arc<Tracer>>) -> Self {
        let home = tempfile::Builder::new().prefix("zkgate-").tempdir().unwrap();
        let tracer = start(home.path().join("traces")).unwrap();
        let recorder = Self { tracer, tap: Tap::default(), home };
        assert!(recorder.begin(limits).0);
        recorder
    }

    pub(crate) fn begin(&self, limits: Limits) -> (bool, TraceState) {
        self.tracer.begin(subject(), &self.tap, limits, &SystemClock).unwrap()
    }

    pub(crate) fn connect(
        &self,
        device: &DeviceHandle,
        key: u64,
        carriers: &[Carrier],
        settings: SessionSettings,
    ) -> Result<Session, DeviceError> {
        let target: Target = target(device, key, carriers);
        Session::connect_tapped(target, settings, self.tap.clone(), soon())
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.home.path().join("traces")
    }

    /// Ends the trace and gives what is in its file.
    pub(crate) fn text(&self) -> String {
        let mut state = self.tracer.stop(&subject().device).unwrap();
        // On a busy machine it takes longer than anybody who stops it waits.
        until("the end of the trace", || {
            state = self.tracer.state(&subject().device).unwrap();
            state.ended.is_some()
        });
        std::fs::read_to_string(self.directory().join(state.name.file_name())).unwrap()
    }

    pub(crate) fn capture(&self) -> Capture {
        Capture::parse(&self.text()).unwrap()
    }
}

/// A device that serves a capture.
pub(crate) fn replayed(capture: Capture) -> (Simulator, DeviceHandle) {
    let replay = Some(Arc::new(Replay::new(capture)));
    device(Config { replay, threads: 1, ..Config::default() })
}

pub(crate) fn frames<'c>(capture: &'c Capture, direction: Direction) -> Vec<&'c Frame> {
    let of_line = |line: &'c Line| match line {
        Line::Frame { frame, .. } if frame.direction == direction => Some(frame),
        _ => None,
    };
    capture.lines.iter().filter_map(of_line).collect()
}

pub(crate) fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
