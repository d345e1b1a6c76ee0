//! Five hundred people in one call.

use zkgate::simulator::Profile;

use crate::program::Program;
use crate::site::peopled;

#[test]
fn five_hundred_people_take_one_command_each_and_few_looks() {
    for transport in ["tcp", "udp"] {
        let (_simulator, device) = peopled(Profile::Tft, 0, 0);
        let people: Vec<_> =
            (1..=500).map(|number| format!("{{\"user_id\":{number},\"name\":\"P {number}\"}}")).collect();
        let program = Program::at(&device).with(["--transport", transport]).stdin(&people.join("\n"));
        let ran = program.run(["import-users", "-", "--format", "json"]);
        assert_eq!((ran.code, ran.out.lines().count()), (0, 501), "{ran:?}");
        assert_eq!(device.users().len(), 500);
        let counters = device.counters();
        assert_eq!(counters.command(8), 500);
        assert!(counters.commands.values().sum::<u64>() < 2 * 500, "{:?}", counters.commands);
    }
}
