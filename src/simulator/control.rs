//! Orders to running devices from outside the process: one line of text in, one line of JSON out, over TCP on
//! loopback.
//!
//! ```text
//! devices                           addresses and serial numbers
//! fault 3 rst:100@data*1            something goes wrong with device 3; `fault all …` with all of them
//! clear 3                           everything is right again
//! reboot 3 5s                       device 3 is away for five seconds
//! drop 3 rst                        its connections are reset; `fin`: closed in order
//! punch 3 1001 0 1                  user id, punch state (0 if not given), verify mode (1 if not given)
//! punch-many 3 500                  so many people punch at once
//! event 3 512 35000000              it tells an event: code, and bytes in hexadecimal (none if not given)
//! wrap 3 20                         the 20 oldest records of its log give way
//! capacity 3 1000 10                its log holds 1000 records; when full, the 10 oldest (1) give way
//! clear-log 3                       somebody clears its log in its menu
//! damage 3 17 ffff                  bytes in hexadecimal over record 17 of its log, counted from 1; blank if not given
//! serial 3 SIM0000000099            another device answers at its address
//! clock 3 2026-07-14T08:00:00       its clock is set
//! finger 3 100                      somebody places a finger to be enrolled, and its sample gets this score (100)
//! counters 3                        what it has been through
//! users 3 · punches 3               what is really in it, without passwords
//! faults                            every fault there is
//! ```
//! Devices count from 1, as their serial numbers do. The answer is `{"ok":…}` or `{"error":"…"}`. There is no
//! authentication: whoever reaches the port may give orders, so it is served on loopback only.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::duration;
use super::{Config, DeviceHandle, Fault, How, Simulator};
use crate::base::readiness::{Interest, Readiness, ReadyList, Watched};
use crate::base::threads::{SMALL_STACK, spawn};
use crate::wire::clock_word::PossibleTime;
use crate::wire::record::UserId;

/// Serves the orders of at most [`Control::CLIENTS_CEILING`] clients; dropping it ends that.
#[derive(Debug)]
pub struct Control {
    readiness: Readiness,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    address: SocketAddr,
}

/// Serves orders to these devices on a thread of its own.
///
/// # Errors
/// When the listener is not on loopback, or the operating system refuses a poller or a thread.
pub fn serve(listener: TcpListener, simulator: &Simulator) -> io::Result<Control> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "orders are taken on loopback only"));
    }
    listener.set_nonblocking(true)?;
    let readiness = Readiness::new()?;
    let stop = Arc::new(AtomicBool::new(false));
    let server = Server {
        listener: readiness.watch(listener, LISTENER, Interest::Read)?,
        readiness: readiness.clone(),
        stop: Arc::clone(&stop),
        devices: simulator.devices().to_vec(),
        clients: HashMap::new(),
        next: LISTENER + 1,
    };
    let thread = Some(spawn("simulator-control", SMALL_STACK, || server.run())?);
    Ok(Control { readiness, stop, thread, address })
}

impl Control {
    /// Clients at a time; further ones are closed at once.
    pub const CLIENTS_CEILING: usize = 16;

    /// Where orders are taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.readiness.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the control thread of the simulator had panicked");
        }
    }
}

const LISTENER: usize = 0;
/// The longest order, in bytes.
const LINE_CEILING: usize = 4096;
/// As many zeros as the longest record has bytes.
const BLANK: usize = 1024;
/// How long a client may take to accept an answer.
const PATIENCE: Duration = Duration::from_secs(2);

struct Server {
    listener: Watched<TcpListener>,
    readiness: Readiness,
    stop: Arc<AtomicBool>,
    devices: Vec<DeviceHandle>,
    clients: HashMap<usize, Client>,
    next: usize,
}

struct Client {
    stream: Watched<TcpStream>,
    line: Vec<u8>,
}

impl Server {
    fn run(mut self) {
        let mut ready = ReadyList::new();
        while !self.stop.load(Ordering::Acquire) {
            if let Err(error) = self.readiness.wait(&mut ready, None) {
                log::error!("the simulator takes no more orders, as it cannot wait any more: {error}");
                return;
            }
            for event in ready.iter() {
                if event.key == LISTENER {
                    self.accept();
                } else if let Some(mut client) = self.clients.remove(&event.key)
                    && client.read(&self.devices).is_ok()
                    && client.stream.want(Interest::Read).is_ok()
                {
                    self.clients.insert(event.key, client);
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.socket().accept() {
            if self.clients.len() >= Control::CLIENTS_CEILING {
                continue;
            }
            // Reads happen only when there is something to read; writes have their limit.
            let watched = stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
                .and_then(|()| self.readiness.watch(stream, self.next, Interest::Read));
            if let Ok(stream) = watched {
                self.clients.insert(self.next, Client { stream, line: Vec::new() });
                self.next += 1;
            }
        }
        if let Err(error) = self.listener.want(Interest::Read) {
            log::warn!("the simulator cannot wait for further orders: {error}");
        }
    }
}

impl Client {
    /// Reads once and carries out every order that is complete.
    fn read(&mut self, devices: &[DeviceHandle]) -> io::Result<()> {
        let mut bytes = [0; 1024];
        let count = self.stream.socket().read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for byte in bytes.iter().take(count) {
            if *byte != b'\n' {
                self.line.push(*byte);
            } else {
                let answer = answer(&String::from_utf8_lossy(&self.line), devices);
                self.line.clear();
                self.stream.socket().write_all(format!("{answer}\n").as_bytes())?;
            }
        }
        if self.line.len() > LINE_CEILING { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

fn answer(line: &str, devices: &[DeviceHandle]) -> Value {
    match carry_out(line, devices) {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": error }),
    }
}

fn carry_out(line: &str, devices: &[DeviceHandle]) -> Result<Value, String> {
    let mut words = line.split_whitespace();
    let order = words.next().unwrap_or_default();
    let target = words.next();
    let mut word = |what: &str| words.next().ok_or_else(|| format!("{order} needs {what}"));
    let done = Value::Bool(true);
    match order {
        "devices" => Ok(devices.iter().enumerate().map(|(index, device)| describe(index, device)).collect()),
        "faults" => {
            Ok(Fault::all_names().iter().map(|(name, doc)| json!({ "name": name, "does": doc })).collect())
        }
        "fault" => {
            let fault = Fault::parse(word("a fault")?).map_err(|error| error.to_string())?;
            chosen(target, devices)?.iter().for_each(|device| device.set_fault(fault.clone()));
            Ok(done)
        }
        "clear" => {
            chosen(target, devices)?.iter().for_each(DeviceHandle::clear_faults);
            Ok(done)
        }
        "reboot" => {
            let away = duration(word("a time such as 5s")?).ok_or("a time looks like 5s or 200ms")?;
            chosen(target, devices)?.iter().for_each(|device| device.reboot(away));
            Ok(done)
        }
        "drop" => {
            let how = match word("fin or rst")? {
                "fin" => How::Fin,
                "rst" => How::Rst,
                _ => return Err("connections are dropped with fin or rst".to_owned()),
            };
            chosen(target, devices)?.iter().for_each(|device| device.drop_connections(how));
            Ok(done)
        }
        "punch" => {
            let user_id = UserId::new(word("a user id")?.as_bytes()).map_err(|error| error.to_string())?;
            let state = number(words.next(), 0)?;
            let verify_mode = number(words.next(), 1)?;
            let punch = one(target, devices)?.punch(user_id, state, verify_mode);
            let punch = punch.ok_or("the device is disabled")?;
            Ok(json!({ "user_id": user_id.to_text(), "time": punch.time.fields().to_string() }))
        }
        "punch-many" => {
            let count = count(word("a number of punches")?)?;
            Ok(chosen(target, devices)?.iter().map(|device| device.punch_many(count)).sum::<usize>().into())
        }
        "event" => {
            let code = word("a code such as 512")?.parse::<u16>().ok().filter(|code| *code > 0);
            let code = code.ok_or("codes are 1 to 65535")?;
            let payload = words.next().map_or_else(|| Ok(Vec::new()), hexadecimal)?;
            one(target, devices)?.tell(code, &payload);
            Ok(done)
        }
        "wrap" => {
            let records = count(word("a number of records")?)?;
            chosen(target, devices)?.iter().for_each(|device| device.wrap(records));
            Ok(done)
        }
        "capacity" => {
            let records = count(word("a number of records")?)?;
            let block = words.next().map_or(Ok(1), count)?;
            chosen(target, devices)?.iter().for_each(|device| device.set_log_capacity(records, block));
            Ok(done)
        }
        "clear-log" => {
            chosen(target, devices)?.iter().for_each(DeviceHandle::clear_log);
            Ok(done)
        }
        "damage" => {
            let index = count(word("the number of a record")?)?.checked_sub(1);
            let bytes = words.next().map_or_else(|| Ok(vec![0; BLANK]), hexadecimal)?;
            let device = one(target, devices)?;
            let damaged = index.is_some_and(|index| device.damage_record(index, &bytes));
            if damaged { Ok(done) } else { Err("the log has no such record".to_owned()) }
        }
        "serial" => {
            let serial_number = word("a serial number")?;
            one(target, devices)?.set_serial(serial_number);
            Ok(done)
        }
        "clock" => {
            let text = word("a time such as 2026-07-14T08:00:00")?;
            let time = parse_time(text).ok_or("a time looks like 2026-07-14T08:00:00")?;
            chosen(target, devices)?.iter().for_each(|device| device.set_clock(time));
            Ok(done)
        }
        "counters" => {
            serde_json::to_value(one(target, devices)?.counters()).map_err(|error| error.to_string())
        }
        "finger" => {
            let score = number(words.next(), 100)?;
            let placed = one(target, devices)?.place_finger(score);
            if placed { Ok(done) } else { Err("no finger is being enrolled".to_owned()) }
        }
        "users" => Ok(one(target, devices)?.users().iter().map(user).collect()),
        "punches" => Ok(one(target, devices)?.punches().iter().map(punch).collect()),
        _ => Err(
            "the orders are devices, fault, clear, reboot, drop, punch, punch-many, event, wrap, capacity, \
             clear-log, damage, serial, clock, finger, counters, users, punches, faults"
                .to_owned(),
        ),
    }
}

fn describe(index: usize, device: &DeviceHandle) -> Value {
    json!({
        "device": index + 1,
        "address": device.address().to_string(),
        "serial_number": device.serial_number(),
        "tcp": device.speaks_tcp(),
        "udp": device.speaks_udp(),
    })
}

fn user(user: &crate::wire::record::user::User) -> Value {
    json!({
        "uid": user.uid,
        "user_id": user.user_id.to_text(),
        "name": user.name.to_text(),
        "privilege": user.privilege.0,
        "card_number": user.card_number,
        "group": user.group,
    })
}

fn punch(punch: &crate::wire::record::punch::Punch) -> Value {
    json!({
        "user_id": punch.user_id.to_text(),
        "uid": punch.uid,
        "timestamp": punch.time.fields().to_string(),
        "punch_state": punch.punch_state,
        "verify_mode": punch.verify_mode,
        "work_code": punch.work_code,
    })
}

fn chosen<'a>(target: Option<&str>, devices: &'a [DeviceHandle]) -> Result<&'a [DeviceHandle], String> {
    if target == Some("all") { Ok(devices) } else { one(target, devices).map(std::slice::from_ref) }
}

fn one<'a>(target: Option<&str>, devices: &'a [DeviceHandle]) -> Result<&'a DeviceHandle, String> {
    let number: Option<usize> = target.and_then(|text| text.parse().ok());
    let device = number.and_then(|number| devices.get(number.checked_sub(1)?));
    device.ok_or_else(|| format!("there are devices 1 to {}", devices.len()))
}

fn number(word: Option<&str>, default: u8) -> Result<u8, String> {
    word.map_or(Ok(default), |text| text.parse().map_err(|_| "states and modes are 0 to 255".to_owned()))
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count <= Config::PUNCHES_CEILING);
    count.ok_or_else(|| format!("a number of records is 0 to {}", Config::PUNCHES_CEILING))
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    let bytes = bytes.collect::<Option<Vec<_>>>().filter(|_| digits);
    bytes.ok_or_else(|| "bytes are written as pairs of hexadecimal digits".to_owned())
}

fn parse_time(text: &str) -> Option<PossibleTime> {
    super::device_clock::pack_checked(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn orders_are_carried_out_and_answered_line_by_line() {
        let simulator =
            Simulator::start(Config { devices: 2, users: 3, threads: 1, ..Config::default() }).unwrap();
        let control = serve(TcpListener::bind("127.0.0.1:0").unwrap(), &simulator).unwrap();
        let mut stream = TcpStream::connect(control.address()).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut ask = |order: &str| {
            stream.write_all(order.as_bytes()).unwrap();
            stream.write_all(b"\n").unwrap();
            serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()
        };
        assert_eq!(ask("devices")["ok"][1]["serial_number"], "SIM0000000002");
        assert_eq!(ask("clock 2 2026-07-14T08:00:00"), json!({ "ok": true }));
        let punched = ask("punch 2 1002 1");
        assert!(punched["ok"]["time"].as_str().unwrap().starts_with("2026-07-14T08:00:0"), "{punched}");
        assert_eq!(ask("punches 2")["ok"][0]["punch_state"], 1);
        assert_eq!(ask("users 1")["ok"].as_array().unwrap().len(), 3);
        assert_eq!(ask("punch-many 2 30"), json!({ "ok": 30 }));
        assert_eq!(ask("event 2 512 35000000"), json!({ "ok": true }));
        for order in ["wrap 2 20", "capacity 2 10 2", "damage 2 1 ffff", "damage 2 10", "serial 2 X9"] {
            assert_eq!(ask(order), json!({ "ok": true }), "{order}");
        }
        assert_eq!(ask("devices")["ok"][1]["serial_number"], "X9");
        assert_eq!(ask("punches 2")["ok"].as_array().unwrap().len(), 9, "ten less a blank one");
        assert_eq!(ask("clear-log all"), json!({ "ok": true }));
        assert_eq!(ask("punches 2")["ok"], json!([]));
        for order in ["fault all silent@time", "clear 1", "drop 1 rst", "reboot 1 0s"] {
            assert_eq!(ask(order), json!({ "ok": true }), "{order}");
        }
        assert_eq!(ask("counters 1")["ok"]["restarts"], 1);
        for (order, error) in [
            ("fault 3 silent", "there are devices 1 to 2"),
            ("fault 1 silence", "there is no fault \"silence\""),
            ("fault 1", "fault needs a fault"),
            ("reboot 1 soon", "a time looks like 5s or 200ms"),
            ("clock 1 2026-02-30T00:00:00", "a time looks like"),
            ("punch 1 1001 900", "states and modes"),
            ("event 1", "a code such as 512"),
            ("event 1 70000", "codes are 1 to 65535"),
            ("event 1 512 3", "pairs of hexadecimal digits"),
            ("wrap 1 many", "a number of records is 0 to"),
            ("damage 1 1", "the log has no such record"),
            ("damage 1 0", "the log has no such record"),
            ("damage 1 1 abc", "pairs of hexadecimal digits"),
            ("damage 1 1 äa", "pairs of hexadecimal digits"),
            ("", "the orders are devices"),
        ] {
            let answer = ask(order);
            assert!(answer["error"].as_str().unwrap().contains(error), "{order}: {answer}");
        }
    }
}
