//! The number of threads does not depend on the number of devices. Alone in its file, because it counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "support/registered.rs"]
mod registered;
#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use registered::Site;
use zkgate::simulator::Config;

#[test]
fn threads_are_the_same_for_1_and_for_300_devices() {
    let counts = [1, 300].map(|devices| {
        let site = Site::of(Config { devices, threads: 1, ..Config::default() });
        site.all_up();
        std::fs::read_dir("/proc/self/task").unwrap().count()
    });
    assert_eq!(counts[0], counts[1]);
}
