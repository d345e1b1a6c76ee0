//! What went wrong, told on stderr: a sentence for people, an object for programs, and the exit code of its class.

use std::fmt::Display;
use std::io::Write;

use serde_json::json;

use super::exit::Exit;
use super::table::printable;
use crate::device::users::UserError;
use crate::device::{DeviceError, Reached};

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    exit: Exit,
    /// A stable word, as in the HTTP API.
    code: String,
    detail: String,
    advice: Option<String>,
    /// Which device, or which service.
    about: Option<String>,
}

/// What a command gives.
pub(super) type Done<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with one of the API's codes, which tells its class.
    pub(super) fn new(code: &str, detail: impl Display) -> Self {
        Self::with_exit(Exit::of(code), code, detail)
    }

    /// A failure of this class.
    pub(super) fn with_exit(exit: Exit, code: &str, detail: impl Display) -> Self {
        let detail = detail.to_string();
        Self { exit, code: code.to_owned(), detail, advice: None, about: None }
    }

    /// Something that the command line, or a file or stdin that it names, should not say.
    pub(super) fn misused(detail: impl Display) -> Self {
        Self::with_exit(Exit::Misused, "usage", detail)
    }

    /// Something that is not there.
    pub(super) fn not_found(detail: impl Display) -> Self {
        Self::with_exit(Exit::NotFound, "not_found", detail)
    }

    /// Whoever read what is printed has gone, such as `head`: no failure, but nothing more is to be done.
    pub(super) fn nobody_reads() -> Self {
        Self::with_exit(Exit::Well, "", "")
    }

    /// What a device did not do.
    pub(super) fn of_device(error: &DeviceError) -> Self {
        Self::new(error.code(), error).advise(error.advice())
    }

    /// What a device perhaps did: a call with an effect whose answer did not come.
    pub(super) fn of_effect(error: &DeviceError) -> Self {
        if error.keeps_session() || error.reached == Reached::No {
            return Self::of_device(error);
        }
        let detail = format!("whether it was done is not known: {error}");
        Self::new("outcome_unknown", detail).advise("read the device again before you repeat it")
    }

    /// Why a person is not as wanted.
    pub(super) fn of_user(error: &UserError) -> Self {
        Self::new(error.code(), error)
    }

    /// The same with what can be done about it.
    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into()).filter(|advice: &String| !advice.is_empty());
        self
    }

    /// The same, saying whom it is about.
    pub(super) fn about(mut self, whom: &str) -> Self {
        self.about.get_or_insert_with(|| whom.to_owned());
        self
    }

    /// Its class.
    pub(super) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells it on stderr, and gives how the run ends.
    pub(super) fn tell(&self, as_json: bool) -> Exit {
        if self.exit != Exit::Well {
            let text = if as_json { self.object() } else { self.sentence() };
            // Where even this cannot be told there is the exit code.
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
        self.exit
    }

    fn object(&self) -> String {
        let mut object = json!({ "code": self.code, "detail": self.detail, "exit": self.exit.code() });
        if let Some(members) = object.as_object_mut() {
            let more = [("advice", &self.advice), ("about", &self.about)];
            members.extend(more.into_iter().filter_map(|(name, value)| {
                value.as_ref().map(|value| (name.to_owned(), value.as_str().into()))
            }));
        }
        format!("{object}\n")
    }

    fn sentence(&self) -> String {
        let mut text = String::from("zkgate: ");
        if let Some(about) = &self.about {
            text.push_str(&format!("{about}: "));
        }
        text.push_str(&printable(&self.detail));
        if self.code != "usage" {
            text.push_str(&format!(" ({})", printable(&self.code)));
        }
        if let Some(advice) = &self.advice {
            text.push_str(&format!("\n  {}", printable(advice)));
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_a_sentence_or_an_object() {
        let failure = Failure::new("device_busy", "gone\u{1b}[2J").advise("wait").about("10.0.0.7:4370");
        let sentence = "zkgate: 10.0.0.7:4370: gone\u{fffd}[2J (device_busy)\n  wait\n";
        assert_eq!(failure.sentence(), sentence);
        let object: serde_json::Value = serde_json::from_str(&failure.object()).unwrap();
        assert_eq!((object["code"].as_str(), object["exit"].as_u64()), (Some("device_busy"), Some(3)));
        assert_eq!(object["about"], "10.0.0.7:4370");
    }
}
