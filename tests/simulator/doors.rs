//! Who is let in, who is thrown out, and what is found closed.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use zkgate::simulator::{Concurrency, Config, How};
use zkgate::wire::command::Command;

use crate::faults::{SIZE, chunk, scene};
use crate::raw::{Not, PATIENCE, Raw, SILENCE, one};

#[test]
fn refuse_refuses_and_keeps_what_is_open() {
    let mut scene = scene("refuse");
    assert_eq!(
        TcpStream::connect(scene.device.address()).unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert_eq!(scene.tcp.code(201, &[]), Command::ACK_OK);
    scene.udp.send(Command::GET_TIME, &[]);
    assert_eq!(scene.udp.receive(PATIENCE), Err(Not::Reset));
    scene.device.clear_faults();
    assert_eq!(Raw::tcp(scene.device.address()).session(0).code(201, &[]), Command::ACK_OK);
    assert_eq!(Raw::udp(scene.device.address()).session(0).code(201, &[]), Command::ACK_OK);
}

#[test]
fn blackhole_swallows_the_first_packet_of_tcp_and_everything_else() {
    let mut scene = scene("blackhole");
    let error = TcpStream::connect_timeout(&scene.device.address(), SILENCE).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    for client in [&mut scene.tcp, &mut scene.udp] {
        client.send(Command::GET_TIME, &[]);
        assert_eq!(client.receive(SILENCE), Err(Not::Nothing));
    }
    scene.device.clear_faults();
    assert_eq!(Raw::tcp(scene.device.address()).session(0).code(201, &[]), Command::ACK_OK);
    assert_eq!(Raw::udp(scene.device.address()).session(0).code(201, &[]), Command::ACK_OK);
    assert_eq!(scene.device.counters().connections, 2, "the stopper of the hole is not counted");
}

#[test]
fn silent_accept_accepts_and_says_nothing() {
    let scene = scene("silent-accept*2");
    for mut client in [Raw::tcp(scene.device.address()), Raw::udp(scene.device.address())] {
        client.send(Command::CONNECT, &[]);
        assert_eq!(client.receive(SILENCE), Err(Not::Nothing));
    }
    assert_eq!(Raw::tcp(scene.device.address()).session(0).code(201, &[]), Command::ACK_OK, "it is spent");
}

#[test]
fn a_second_client_is_treated_as_the_setting_says() {
    for concurrency in [Concurrency::RefuseSecond, Concurrency::IgnoreSecond, Concurrency::DropFirst] {
        let (_simulator, device) = one(Config { concurrency, ..Config::default() });
        let mut first = Raw::tcp(device.address()).session(0);
        match concurrency {
            Concurrency::RefuseSecond => {
                assert!(TcpStream::connect(device.address()).is_err());
                assert_eq!(first.code(201, &[]), Command::ACK_OK);
                first.hang_up();
                let end = Instant::now() + PATIENCE;
                while device.counters().open > 0 || TcpStream::connect(device.address()).is_err() {
                    assert!(Instant::now() < end, "the next one is let in");
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            Concurrency::IgnoreSecond => {
                let mut second = Raw::tcp(device.address());
                second.send(Command::CONNECT, &[]);
                assert_eq!(second.receive(SILENCE), Err(Not::Nothing));
                assert_eq!(first.code(201, &[]), Command::ACK_OK);
            }
            _ => {
                let mut second = Raw::tcp(device.address()).session(0);
                assert_eq!(second.code(201, &[]), Command::ACK_OK);
                assert_eq!(first.receive(PATIENCE), Err(Not::Closed));
            }
        }
    }
}

#[test]
fn connections_are_dropped_in_order_or_with_a_reset() {
    for (how, end) in [(How::Fin, Not::Closed), (How::Rst, Not::Reset)] {
        let mut scene = scene("delay:1ms");
        scene.device.drop_connections(how);
        assert_eq!(scene.tcp.receive(PATIENCE), Err(end));
        assert_eq!(scene.device.counters().open, 0);
        assert_eq!(Raw::tcp(scene.device.address()).session(0).code(201, &[]), Command::ACK_OK);
    }
}

#[test]
fn a_reboot_in_the_middle_of_a_transfer_breaks_it_and_ends() {
    let mut scene = scene("reboot:3600s@data+2*1");
    chunk(&mut scene.tcp);
    let (pieces, end) = scene.tcp.bytes(usize::MAX);
    let length = pieces.concat().len();
    assert!((24 + 2 * 1024..SIZE as usize).contains(&length), "{length}");
    assert_eq!(end, Some(Not::Reset));
    let address = scene.device.address();
    assert!(TcpStream::connect(address).is_err(), "away");
    scene.device.reboot(Duration::ZERO);
    assert_eq!(Raw::tcp(address).session(0).code(201, &[]), Command::ACK_OK);
}
