//! `zkgate completions` and `zkgate man`: what a shell and `man` want to know, made from the command line itself.

use std::io;

use clap::{Args, Command, CommandFactory};
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
    manual.render_name_section(page)?;
    manual.render_synopsis_section(page)?;
    manual.render_description_section(page)?;
    manual.render_options_section(page)?;
    for below in command.get_subcommands() {
        one(below, page)?;
    }
    section("EXIT STATUS", page);
    page.extend_from_slice(b".nf\n");
    page.extend(EXIT_STATUS.lines().skip(1).flat_map(|line| format!("{line}\n").into_bytes()));
    page.extend_from_slice(b".fi\n");
    Ok(())
}

/// A command, its flags, and what is below it.
fn one(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    if command.get_name() == "help" {
        return Ok(());
    }
    let mut body = Vec::new();
    let manual = clap_mangen::Man::new(command.clone());
    manual.render_synopsis_section(&mut body)?;
    manual.render_description_section(&mut body)?;
    manual.render_options_section(&mut body)?;
    section(&command.get_bin_name().unwrap_or_else(|| command.get_name()).to_uppercase(), page);
    // The sections of one command are parts of the program's page.
    let body = String::from_utf8_lossy(&body).replace(".SH ", ".SS ");
    let parts = body.lines().filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "));
    page.extend(parts.flat_map(|line| format!("{line}\n").into_bytes()));
    for below in command.get_subcommands() {
        one(below, page)?;
    }
    Ok(())
}

fn section(name: &str, page: &mut Vec<u8>) {
    page.extend_from_slice(format!(".SH \"{name}\"\n").as_bytes());
}

fn printed(bytes: &[u8]) -> Exit {
    let done: Done = Output { json: false }.bytes(bytes);
    done.map_or_else(|failure| failure.tell(false), |()| Exit::Well)
}
