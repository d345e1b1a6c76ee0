//! Where the command line hands over to the app: the bodies of `serve`, `demo` and `simulate`.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

use super::arguments::{Demo, Simulate};
use super::{Exit, fixed_numbers, print};
use crate::app::App;
use crate::base::threads::{SMALL_STACK, spawn};
use crate::config::{Environment, Flags, Settings, Sources};
use crate::ops::signals::Signals;
use crate::ops::systemd;
use crate::ops::watchdog::Watchdog;
use crate::simulator::{Config, DeviceHandle, Fault, Profile, Replay, Simulator, control};
use crate::wire::capture::Capture;
use crate::wire::comm_key::CommKey;

/// Runs the service until it is told to stop.
pub(super) fn serve(settings: Settings) -> Exit {
    let told = match Told::listen() {
        Ok(told) => told,
        Err(error) => return failed(&error),
    };
    match App::start(&settings, &fixed_numbers(&settings)) {
        Ok(app) => {
            log::info!("listening on {}", app.address());
            until_told(app, &told)
        }
        Err(error) => failed(&error),
    }
}

/// Runs the service on a throw-away store, with simulated devices.
pub(super) fn demo(demo: &Demo) -> Exit {
    let directory = std::env::temp_dir().join(format!("zkgate-demo-{}", std::process::id()));
    let exit = demonstrate(demo, &directory);
    // Nothing of it is worth keeping.
    let _ = std::fs::remove_dir_all(&directory);
    exit
}

fn demonstrate(demo: &Demo, directory: &std::path::Path) -> Exit {
    // The demonstration looks at no file and no variable: it is the same everywhere.
    let sources = Sources {
        flags: Flags {
            listen: Some(demo.listen.to_string()),
            state_dir: Some(directory.to_path_buf()),
            ..Flags::default()
        },
        environment: Environment::default(),
        default_file: directory.join("none.toml"),
    };
    let settings = match Settings::load(&sources) {
        Ok((settings, _)) => settings,
        Err(error) => {
            error.problems.iter().for_each(|problem| log::error!("settings: {problem}"));
            return Exit::Misused;
        }
    };
    let told = match Told::listen() {
        Ok(told) => told,
        Err(error) => return failed(&error),
    };
    let config = Config { devices: usize::from(demo.devices), users: 50, punches: 500, ..Config::default() };
    let simulator = match Simulator::start(config) {
        Ok(simulator) => simulator,
        Err(error) => return failed(&error),
    };
    let app = match App::start(&settings, &fixed_numbers(&settings)) {
        Ok(app) => app,
        Err(error) => return failed(&error),
    };
    for (number, device) in simulator.devices().iter().enumerate() {
        let name = format!("Simulated device {}", number + 1);
        if let Err(error) = app.register(name, device.address()) {
            return failed(&error);
        }
    }
    let (leave, left) = bounded(0);
    let people = match populate(simulator.devices().to_vec(), left) {
        Ok(people) => people,
        Err(error) => return failed(&error),
    };
    print(&invitation(&app, demo.devices));
    let exit = until_told(app, &told);
    drop::<Sender<()>>(leave);
    // They leave at once.
    let _ = people.join();
    exit
}

/// Somebody stands before one of the devices every few seconds, for the demonstration to have something to tell.
fn populate(devices: Vec<DeviceHandle>, left: Receiver<()>) -> std::io::Result<JoinHandle<()>> {
    spawn("people", SMALL_STACK, move || {
        while left.recv_timeout(Duration::from_millis(fastrand::u64(1000..4000)))
            == Err(RecvTimeoutError::Timeout)
        {
            let Some(device) = fastrand::choice(&devices) else { return };
            if let Some(user) = fastrand::choice(device.users()) {
                // Nobody can punch at a disabled device.
                let _ = device.punch(user.user_id, fastrand::u8(0..2), 1);
            }
        }
    })
}

/// What to try.
fn invitation(app: &App, devices: u16) -> String {
    let url = format!("http://{}", app.address());
    let token = app.token().map(|token| token.expose().clone()).unwrap_or_default();
    let ask = |what: &str| format!("  curl -s -H \"Authorization: Bearer $TOKEN\" {url}{what}\n");
    [
        format!("\nzkgate is running with {devices} simulated devices. Stop it with Ctrl-C.\n\n"),
        format!("  URL    {url}\n  TOKEN  {token}\n\nTry in another terminal:\n\n"),
        format!("  TOKEN={token}\n"),
        format!("  curl -s {url}/healthz\n"),
        ask("/api/v1/devices"),
        ask("/api/v1/devices/1/info"),
        ask("/api/v1/devices/1/time"),
        ask("/api/v1/devices/2/users"),
        ask("/api/v1/devices/3/attendance"),
        ask("/api/v1/connections"),
        ask("/api/v1/punches?after=1499"),
        ask("/api/v1/punches/stream").replace("curl -s", "curl -sN"),
        "\n".to_owned(),
    ]
    .concat()
}

/// Runs simulated devices until it is told to stop.
pub(super) fn simulate(simulate: &Simulate) -> Exit {
    let config = match config_of(simulate) {
        Ok(config) => config,
        Err(reason) => {
            log::error!("{reason}");
            return Exit::Misused;
        }
    };
    let told = match Told::listen() {
        Ok(told) => told,
        Err(error) => return failed(&error),
    };
    let simulator = match Simulator::start(config) {
        Ok(simulator) => simulator,
        Err(error) => return failed(&error),
    };
    for device in simulator.devices() {
        print(&format!("{} {}\n", device.address(), device.serial_number()));
    }
    let orders = simulate
        .control
        .map(|address| TcpListener::bind(address).and_then(|listener| control::serve(listener, &simulator)));
    let _control = match orders.transpose() {
        Ok(control) => control.inspect(|control| print(&format!("control {}\n", control.address()))),
        Err(error) => return failed(&error),
    };
    let _ = told.stopped.recv();
    Exit::Well
}

fn config_of(simulate: &Simulate) -> Result<Config, String> {
    let profile = match &simulate.profile {
        Some(name) => Profile::parse(name).map_err(|error| error.to_string())?,
        None => Profile::default(),
    };
    let faults = simulate.faults.iter().map(|text| Fault::parse(text).map_err(|error| error.to_string()));
    Ok(Config {
        listen: simulate.listen,
        first_port: simulate.port,
        devices: usize::from(simulate.devices),
        profile,
        users: usize::try_from(simulate.users).unwrap_or(Config::USERS_CEILING),
        punches: usize::try_from(simulate.punches).unwrap_or(Config::PUNCHES_CEILING),
        log_capacity: usize::try_from(simulate.capacity).unwrap_or(Config::PUNCHES_CEILING),
        comm_key: CommKey::new(u64::from(simulate.comm_key)).map_err(|error| error.to_string())?,
        faults: faults.collect::<Result<_, _>>()?,
        replay: simulate.replay.as_deref().map(replay_of).transpose()?,
        ..Config::default()
    })
}

/// A capture as a script for simulated devices.
fn replay_of(path: &Path) -> Result<Arc<Replay>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    let capture = Capture::parse(&text).map_err(|error| told(&error))?;
    Ok(Arc::new(Replay::new(capture)))
}

/// Runs until a signal says stop, or the service cannot go on.
fn until_told(app: App, told: &Told) -> Exit {
    let status = app.status();
    systemd::ready(&status());
    let watchdog = match Watchdog::start(app.address(), app.liveness().clone(), status) {
        Ok(watchdog) => watchdog,
        Err(error) => return failed(&error),
    };
    let exit = select! {
        recv(told.stopped) -> _ => Exit::Well,
        recv(app.died()) -> _ => {
            log::error!("the HTTP engine has died; ending, so that the service is started anew");
            Exit::Failed
        }
    };
    systemd::stopping("closing sessions");
    log::info!("stopping");
    watchdog.stop();
    app.stop();
    exit
}

/// The signals, heard from the very start: one that comes while the service starts is not lost and not fatal.
struct Told {
    stopped: Receiver<()>,
    _signals: Signals,
}

impl Told {
    fn listen() -> std::io::Result<Self> {
        let (stop, stopped) = bounded(1);
        let signals = Signals::start(
            move || {
                // Told once is told.
                let _ = stop.try_send(());
            },
            || {
                log::info!(
                    "there is nothing to reload: devices are followed by themselves, settings need a restart"
                )
            },
        )?;
        Ok(Self { stopped, _signals: signals })
    }
}

fn failed(error: &dyn std::error::Error) -> Exit {
    log::error!("{error}");
    Exit::Failed
}
