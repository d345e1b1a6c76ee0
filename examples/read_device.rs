//! One session with one device, without registry or store: connect, ask who it is, say goodbye.
//!
//! `cargo run --example read_device -- 192.168.1.201:4370 [COMM_KEY]`, and `zkgate simulate` where no device is at
//! hand. Programs that talk to a device more than once want a registry: see `embedded.rs`.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use zkgate::base::deadline::Deadline;
use zkgate::device::{Session, SessionSettings, Target};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::comm_key::CommKey;

fn main() -> ExitCode {
    match read() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn read() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("usage: read_device IP:PORT [COMM_KEY]")?.parse()?;
    let comm_key = CommKey::parse(&arguments.next().unwrap_or_default())?;
    let target = Target { address, comm_key, carriers: vec![Carrier::Tcp, Carrier::Udp] };
    // For everything together; no step can make it longer.
    let deadline = Deadline::after(Instant::now(), Duration::from_secs(20));

    let mut session = match Session::connect(target, SessionSettings::default(), deadline) {
        Ok(session) => session,
        Err(error) => return Err(format!("{error}; {}", error.advice()).into()),
    };
    let info = session.info(deadline)?;
    let time = session.time(deadline)?;
    let unknown = || "-".to_owned();
    println!("transport      {}", session.carrier().name());
    println!("serial number  {}", info.serial_number.unwrap_or_else(unknown));
    println!("device name    {}", info.device_name.unwrap_or_else(unknown));
    println!("platform       {}", info.platform.unwrap_or_else(unknown));
    println!("firmware       {}", info.firmware_version.unwrap_or_else(unknown));
    println!("users          {}", info.sizes.users.map_or_else(unknown, |count| count.to_string()));
    println!("punches        {}", info.sizes.punches.map_or_else(unknown, |count| count.to_string()));
    println!("time           {}", time.fields());
    session.exit();
    Ok(())
}
