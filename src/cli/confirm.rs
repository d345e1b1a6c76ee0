//! Asking before something is lost.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal, Write};

use super::failure::{Done, Failure};

/// Goes on if `--yes` was given or whoever sits at the terminal says so; where there is no terminal, `--yes` is
/// needed.
pub(super) fn confirm(whom: impl Display, what: &str, yes: bool) -> Done {
    if yes {
        return Ok(());
    }
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !(stdin.is_terminal() && stderr.is_terminal()) {
        return Err(Failure::misused(format!("{what} Nothing was done: --yes is needed")));
    }
    let mut answer = String::new();
    // Whoever cannot be asked has not said yes.
    let asked = write!(stderr, "{whom}: {what} Type yes to go on: ").and_then(|()| stderr.flush());
    let _ = asked.and_then(|()| stdin.lock().read_line(&mut answer));
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(Failure::new("not_confirmed", "nothing was done")),
    }
}
