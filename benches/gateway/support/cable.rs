//! A cable of a given speed between clients and a device: what the device says comes no faster than that.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Starts one; gives the address at its near end. It lasts as long as the process.
pub fn cable(device: SocketAddr, bits_per_second: u32) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, device) = (client.unwrap(), TcpStream::connect(device).unwrap());
            client.set_nodelay(true).unwrap();
            device.set_nodelay(true).unwrap();
            let ends = (client.try_clone().unwrap(), device.try_clone().unwrap());
            thread::spawn(move || carry(ends.0, ends.1, None));
            thread::spawn(move || carry(device, client, Some(bits_per_second)));
        }
    });
    address
}

/// Carries what comes, in bits of a packet or two, each as long on its way as the speed says.
fn carry(mut from: TcpStream, mut to: TcpStream, bits_per_second: Option<u32>) {
    let mut room = [0; 3000];
    let mut free = Instant::now();
    while let Ok(count @ 1..) = from.read(&mut room) {
        if let Some(speed) = bits_per_second {
            // The cable is taken up from when it was free, or from now on if nothing was said meanwhile.
            free = free.max(Instant::now()) + Duration::from_secs_f64(count as f64 * 8.0 / f64::from(speed));
            thread::sleep(free.saturating_duration_since(Instant::now()));
        }
        if to.write_all(&room[..count]).is_err() {
            break;
        }
    }
    // Whichever end has gone, the other one is told.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
