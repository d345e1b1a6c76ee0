//! Completions and the manual page.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::program::Program;

#[test]
fn completions_are_scripts_that_know_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Program::new(["completions", shell]).well([]);
        for word in ["import-users", "comm-key-file", "punches", "follow", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(Program::new(["completions", "dos"]).run([]).code, 2);
    let script = Program::new(["completions", "bash"]).well([]);
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success(), "bash understands it");
}

#[test]
fn the_manual_has_every_command_and_every_exit_status() {
    let page = Program::new(["man"]).well([]);
    for word in [
        ".TH zkgate 1",
        "zkgate device DEVICE import\\-users",
        "zkgate simulate",
        "EXIT STATUS",
        "8  verification failed",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let help = Program::new(["device", "--help"]).well([]);
    assert!(help.contains("Exit status:") && help.contains("6  outcome unknown"), "{help}");
}
