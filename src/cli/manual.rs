//! `zkgate completions` and `zkgate man`: what a shell and `man` want to know, made from the command line itself.

use std::io;

use clap::{Arg, Args, Command, CommandFactory};
use clap_complete::Shell;

use super::arguments::Arguments;
use super::exit::{EXIT_STATUS, Exit};
use super::failure::Done;
use super::output::{Output, unprinted};

/// For which shell.
#[derive(Args, Clone, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `zkgate completions`
pub(super) fn completions(completions: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Arguments::command(), "zkgate", &mut script);
    printed(&script)
}

/// `zkgate man`
pub(super) fn manual() -> Exit {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    match write(&command, &mut page) {
        Ok(()) => printed(&page),
        Err(error) => unprinted(error).tell(false),
    }
}

/// One page: the program, then each of its commands with the commands below it.
fn write(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let manual = clap_mangen::Man::new(command.clone());
    manual.render_title(page)?;
    let mut body = Vec::new();
    manual.render_name_section(&mut body)?;
    manual.render_synopsis_section(&mut body)?;
    manual.render_description_section(&mut body)?;
    manual.render_options_section(&mut body)?;
    append(&body, ".SH ", page);
    for below in command.get_subcommands() {
        one(below, false, page)?;
    }
    section("EXIT STATUS", page);
    page.extend_from_slice(b".nf\n");
    page.extend(EXIT_STATUS.lines().skip(1).flat_map(|line| format!("{line}\n").into_bytes()));
    page.extend_from_slice(b".fi\n");
    Ok(())
}

/// A command, its flags, and what is below it.
fn one(command: &Command, below_device: bool, page: &mut Vec<u8>) -> io::Result<()> {
    if command.get_name() == "help" {
        return Ok(());
    }
    let mut body = Vec::new();
    // What every command has is said once, where it begins.
    let common = |arg: &Arg| {
        arg.is_global_set() && below_device || matches!(arg.get_id().as_str(), "help" | "version")
    };
    let shown = command.clone().mut_args(|arg| if common(&arg) { arg.hide(true) } else { arg });
    let manual = clap_mangen::Man::new(shown);
    manual.render_synopsis_section(&mut body)?;
    manual.render_description_section(&mut body)?;
    manual.render_options_section(&mut body)?;
    // A verb stands behind the device that it is said to.
    let full = |name: &str| name.replace("zkgate device ", "zkgate device DEVICE ");
    section(&full(command.get_bin_name().unwrap_or_else(|| command.get_name())).replace('-', "\\-"), page);
    // The sections of one command are parts of the program's page.
    append(full(&String::from_utf8_lossy(&body)).as_bytes(), ".SS ", page);
    for below in command.get_subcommands() {
        one(below, true, page)?;
    }
    Ok(())
}

/// Adds a part of a page under its heads; what comes before each of its sections is there already.
fn append(body: &[u8], head: &str, page: &mut Vec<u8>) {
    for line in String::from_utf8_lossy(body).lines() {
        let line = line.strip_prefix(".SH ").map_or_else(|| line.to_owned(), |name| format!("{head}{name}"));
        if !line.starts_with(".ie ") && !line.starts_with(".el ") {
            page.extend_from_slice(format!("{line}\n").as_bytes());
        }
    }
}

fn section(name: &str, page: &mut Vec<u8>) {
    page.extend_from_slice(format!(".SH \"{name}\"\n").as_bytes());
}

fn printed(bytes: &[u8]) -> Exit {
    let done: Done = Output { json: false }.bytes(bytes);
    done.map_or_else(|failure| failure.tell(false), |()| Exit::Well)
}
