//! Secrets come from files, stdin or the environment, never from the command line, which every user of the machine
//! can read.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use super::failure::{Done, Failure};
use crate::base::secret::Secret;
use crate::config::Environment;
use crate::wire::comm_key::CommKey;

/// The variable that may hold a comm key.
pub(super) const COMM_KEY: &str = "ZKGATE_COMM_KEY";
/// The longest secret that is read, in bytes.
const CEILING: u64 = 4096;

/// A comm key, from where the flags say, else from the environment, else none.
pub(super) fn comm_key(file: Option<&Path>, stdin: bool, environment: &Environment) -> Done<CommKey> {
    let text = match (file, stdin) {
        (Some(file), _) => of_file(file)?,
        (None, true) => of_stdin()?,
        (None, false) => match environment.value(COMM_KEY) {
            Some(text) => Secret::new(text.to_owned()),
            None => return Ok(CommKey::default()),
        },
    };
    CommKey::parse(text.expose()).map_err(Failure::misused)
}

/// The first line of a file.
pub(super) fn of_file(path: &Path) -> Done<Secret<String>> {
    let read = std::fs::File::open(path).map(|file| first_line(&mut std::io::BufReader::new(file)));
    read.and_then(|line| line).map_err(|error| unreadable(path, &error))
}

/// The first line of stdin.
pub(super) fn of_stdin() -> Done<Secret<String>> {
    first_line(&mut std::io::stdin().lock()).map_err(|error| unreadable(&PathBuf::from("stdin"), &error))
}

fn first_line(from: &mut impl BufRead) -> std::io::Result<Secret<String>> {
    let mut line = String::new();
    from.take(CEILING).read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::misused(format!("{} cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line() {
        for (text, secret) in [("7\n", "7"), ("7\r\n8", "7"), ("", ""), ("a b", "a b")] {
            assert_eq!(first_line(&mut text.as_bytes()).unwrap().expose(), secret);
        }
    }

    #[test]
    fn the_environment_is_asked_last_and_a_wrong_key_is_not_repeated() {
        let environment: Environment = [(COMM_KEY.to_owned(), "secret7".to_owned())].into_iter().collect();
        let failure = comm_key(None, false, &environment).unwrap_err();
        assert!(!format!("{failure:?}").contains("secret7"));
        assert_eq!(comm_key(None, false, &Environment::default()).unwrap(), CommKey::default());
    }
}
