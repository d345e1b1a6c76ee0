//! A script and its player, without sockets.

use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::simulator::outgoing::{Outgoing, Peer};
use crate::wire::packet::Packet;

const HEAD: &str = "{\"zkgate_capture\":1,\"serial_number\":\"SITE1\"}\n{\"ms\":0,\"session\":1,\"is\":\"begin\",\"transport\":\"tcp\"}\n";

/// A line for each packet: direction, command, session, reply, payload, what is masked.
fn script(packets: &[(&str, u16, u16, u16, &str, &str)]) -> Arc<Replay> {
    let lines = packets.iter().map(|(dir, command, id, reply, hex, masked)| {
        format!(
            "{{\"ms\":1,\"session\":1,\"dir\":\"{dir}\",\"command\":{command},\"id\":{id},\"reply\":{reply},\"hex\":\"{hex}\",\"masked\":[{masked}]}}\n"
        )
    });
    let text: String = std::iter::once(HEAD.to_owned()).chain(lines).collect();
    Arc::new(Replay::new(Capture::parse(&text).unwrap()))
}

struct Client {
    player: Player,
    session: u16,
    reply: u16,
}

impl Client {
    fn of(replay: Arc<Replay>) -> Self {
        Self { player: Player::new(replay, 500), session: 0, reply: 0 }
    }

    fn say(&mut self, command: u16, payload: &[u8]) -> Vec<Outgoing> {
        let packet = Packet { command: Command(command), session: self.session, reply: self.reply, payload };
        let mut out = Vec::new();
        self.player.handle(Peer::Tcp(1), &packet, Instant::now(), &mut out);
        if command == Command::CONNECT.0 {
            self.session = out.first().map_or(0, |answer| answer.session);
        }
        self.reply += 1;
        out
    }
}

fn shown(out: &[Outgoing]) -> Vec<(u16, u16, u16, Vec<u8>)> {
    out.iter().map(|o| (o.command.0, o.session, o.reply, o.body.bytes().to_vec())).collect()
}

#[test]
fn sessions_and_replies_get_the_numbers_of_the_present_conversation() {
    let mut client = Client::of(script(&[
        ("out", 1000, 0, 0, "", ""),
        ("in", 2000, 77, 0, "", ""),
        ("out", 201, 77, 40, "", ""),
        ("in", 2000, 77, 40, "01020304", ""),
        ("out", 9, 77, 41, "05", ""),
        ("in", 1500, 77, 41, "0200000004000000", ""),
        ("in", 1501, 77, 41, "aabb", ""),
        ("in", 2000, 77, 41, "", ""),
    ]));
    assert_eq!(shown(&client.say(1000, &[])), [(2000, 500, 0, vec![])]);
    assert_eq!(shown(&client.say(201, &[])), [(2000, 500, 1, vec![1, 2, 3, 4])]);
    // The number of a fragment and the size at the end happen to be the session's id: they stay.
    let read = shown(&client.say(9, &[5]));
    assert_eq!(read.iter().map(|(_, session, ..)| *session).collect::<Vec<_>>(), [500, 77, 77]);
}

#[test]
fn the_same_request_gets_its_answers_in_order_and_then_the_last_one() {
    let mut client = Client::of(script(&[
        ("out", 1000, 0, 0, "", ""),
        ("in", 2000, 77, 0, "", ""),
        ("out", 201, 77, 1, "", ""),
        ("in", 2000, 77, 1, "01", ""),
        ("out", 201, 77, 2, "", ""),
        ("out", 201, 77, 3, "", ""),
        ("in", 2000, 77, 3, "03", ""),
    ]));
    client.say(1000, &[]);
    let told: Vec<Vec<Vec<u8>>> =
        (0..4).map(|_| shown(&client.say(201, &[])).into_iter().map(|(.., bytes)| bytes).collect()).collect();
    assert_eq!(told, [vec![vec![1]], vec![], vec![vec![3]], vec![vec![3]]]);
    assert_eq!(shown(&client.say(202, &[0; 4])), [(65535, 500, 5, vec![])], "never asked");
    assert_eq!(
        shown(&client.say(11, b"~SerialNumber\0"))[0].3,
        b"~SerialNumber=SITE1\0",
        "known from the header"
    );
}

#[test]
fn what_was_masked_in_a_request_fits_anything_of_its_length() {
    let connected = [("out", 1000, 0, 0, "", ""), ("in", 2005, 77, 0, "", "")];
    let auth = |code| [("out", 1102, 77, 1, "00000000", "[0,4]"), ("in", code, 77, 1, "", "")];
    for (code, answers) in [(2000, [2000, 2000]), (2005, [2005, 2005])] {
        let mut client = Client::of(script(&[&connected[..], &auth(code)].concat()));
        assert_eq!(client.say(1000, &[])[0].command, Command::ACK_UNAUTH);
        let said = [[9, 9, 9, 9], [1, 2, 3, 4]].map(|key| client.say(1102, &key)[0].command.0);
        assert_eq!(said, answers, "any key where one was accepted, none where none was");
    }
    let write = [
        ("out", 1000, 0, 0, "", ""),
        ("in", 2000, 77, 0, "", ""),
        ("out", 8, 77, 1, "01000000", "[2,4]"),
        ("in", 2000, 77, 1, "", ""),
    ];
    let mut client = Client::of(script(&write));
    client.say(1000, &[]);
    assert_eq!(client.say(8, &[1, 0, 7, 7])[0].command, Command::ACK_OK);
    assert_eq!(client.say(8, &[2, 0, 7, 7])[0].command, Command::ACK_UNKNOWN);
}

#[test]
fn strangers_are_told_to_connect_or_not_heard() {
    let mut client = Client::of(script(&[]));
    assert_eq!(client.say(201, &[])[0].command, Command::ACK_UNAUTH);
    client.session = 9;
    assert!(client.say(201, &[]).is_empty());
    client.session = 0;
    assert_eq!(client.say(1000, &[])[0].command, Command::ACK_OK, "a capture need not hold the greeting");
    assert_eq!(client.say(1001, &[])[0].command, Command::ACK_OK);
    assert_eq!(client.player.session_count(), 0);
}

proptest! {
    #[test]
    fn any_capture_is_played_to_any_client(
        packets in proptest::collection::vec((any::<bool>(), 0usize..12, 0u16..3, 0u16..4, 0usize..14), 0..40),
        asked in proptest::collection::vec((0usize..12, proptest::collection::vec(any::<u8>(), 0..14)), 0..40),
    ) {
        const CODES: [u16; 12] = [9, 11, 500, 1000, 1001, 1102, 1500, 1501, 1503, 1504, 2000, 2005];
        let packets: Vec<_> = packets
            .iter()
            .map(|(out, code, id, reply, length)| {
                (if *out { "out" } else { "in" }, CODES[*code], *id, *reply, &"01000000010000000000000000ff"[..length * 2], "")
            })
            .collect();
        let mut client = Client::of(script(&packets));
        client.say(1000, &[]);
        for (code, payload) in asked {
            let said = client.say(CODES[code], &payload);
            prop_assert!(said.len() <= packets.len() + 3);
        }
    }
}
