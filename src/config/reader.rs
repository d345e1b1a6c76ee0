//! Takes settings one by one out of the layers: each with its default and its range, each explained.
//!
//! A setting that is wrong is noted and read as its default, so that one run finds every mistake;
//! [`Reader::finish`] lets nothing pass that had one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{ConfigError, Problem};
use super::explain::{Explained, Explanation};
use super::file::Raw;
use super::layers::{CONFIG_VARIABLE, Layers, variables_of};
use super::sources::Origin;
use super::value;
use crate::base::secret::Secret;

/// Reads and remembers what it read.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) layers: Layers,
    explained: Explained,
    problems: Vec<Problem>,
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

/// What a setting looks like when it is explained.
struct Face {
    default: String,
    range: String,
    secret: bool,
}

impl Reader {
    /// Starts with what was already found wrong.
    pub(super) fn new(layers: Layers, problems: Vec<Problem>) -> Self {
        Self { layers, explained: Explained::default(), problems }
    }

    /// A number of things.
    pub(super) fn count(
        &mut self,
        name: &str,
        unit: &str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> usize {
        let face = Face {
            default: default.to_string(),
            range: format!("{} to {} {unit}", range.start(), range.end()),
            secret: false,
        };
        let parse = |raw: &Raw| {
            let number = value::count(raw)?;
            let fits = usize::try_from(number).ok().filter(|number| range.contains(number));
            fits.ok_or_else(|| format!("{number} is outside {}", face.range))
        };
        self.setting(name, &face, parse).map_or(default, |found| found.value)
    }

    /// A span of time.
    pub(super) fn duration(
        &mut self,
        name: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let face = Face {
            default: value::shown(default),
            range: format!("{} to {}", value::shown(*range.start()), value::shown(*range.end())),
            secret: false,
        };
        let parse = |raw: &Raw| {
            let duration = value::duration(raw)?;
            let outside = || format!("{} is outside {}", value::shown(duration), face.range);
            range.contains(&duration).then_some(duration).ok_or_else(outside)
        };
        self.setting(name, &face, parse).map_or(default, |found| found.value)
    }

    /// A switch.
    pub(super) fn switch(&mut self, name: &str, default: bool) -> bool {
        let face = Face { default: default.to_string(), range: "true or false".into(), secret: false };
        self.setting(name, &face, value::switch).map_or(default, |found| found.value)
    }

    /// An address and port to listen on.
    pub(super) fn address(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        let face = Face { default: default.to_string(), range: "IP address:port".into(), secret: false };
        let parse = |raw: &Raw| {
            let text = value::text(raw)?;
            let wrong =
                |_| format!("{} is no IP address with a port, such as {default}", value::quoted(&text));
            text.trim().parse().map_err(wrong)
        };
        self.setting(name, &face, parse).map_or(default, |found| found.value)
    }

    /// A path; what nobody set follows from `default`, which also says whose variable it follows.
    pub(super) fn path(&mut self, name: &str, default: Option<Found<PathBuf>>) -> Option<Found<PathBuf>> {
        let shown = default.as_ref().map_or("-".into(), |found| found.value.display().to_string());
        let face = Face { default: shown, range: "a path".into(), secret: false };
        let parse = |raw: &Raw| value::text(raw).map(PathBuf::from);
        let found = self.setting(name, &face, parse);
        if let (None, Some(Found { origin, .. }), Some(explanation)) =
            (&found, &default, self.explained.settings.last_mut())
        {
            explanation.origin = origin.clone();
        }
        found.or(default)
    }

    /// Text that may be missing; `parse` says what is wrong with it.
    pub(super) fn text(
        &mut self,
        name: &str,
        default: Option<&str>,
        range: &str,
        parse: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Found<String>> {
        let face = Face { default: default.unwrap_or("-").into(), range: range.into(), secret: false };
        let parse = |raw: &Raw| {
            let text = value::text(raw)?;
            parse(&text).map_err(|wrong| format!("{} {wrong}", value::quoted(&text)))?;
            Ok(text)
        };
        let default = default.map(|text| Found { value: text.to_owned(), origin: Origin::Default });
        self.setting(name, &face, parse).or(default)
    }

    /// Text that nobody must see.
    pub(super) fn secret(&mut self, name: &str, range: &str) -> Option<Found<Secret<String>>> {
        let face = Face { default: "-".into(), range: range.into(), secret: true };
        let found = self.setting(name, &face, value::text)?;
        Some(Found { value: Secret::new(found.value), origin: found.origin })
    }

    /// A rule over several settings that were each read without a mistake.
    pub(super) fn rule(&mut self, over: &[&str], holds: bool, complaint: impl FnOnce() -> String) {
        let sound = !over.iter().any(|name| self.problems.iter().any(|p| p.setting == *name));
        if let (true, false, Some(first)) = (sound, holds, over.first()) {
            self.complain(first, complaint());
        }
    }

    /// Notes a mistake in a setting that was read before.
    pub(super) fn complain(&mut self, setting: &str, complaint: impl Into<String>) {
        let named = self.explained.settings.iter().find(|s| s.name == setting);
        let origin = named.map_or(Origin::Default, |s| s.origin.clone());
        self.problems.push(Problem { setting: setting.into(), complaint: complaint.into(), origin });
    }

    /// Notes what is odd.
    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.explained.warnings.push(warning.into());
    }

    /// Shows a setting otherwise than it was read: a secret that came from elsewhere, a path that is not used.
    pub(super) fn explain(&mut self, setting: &str, value: &str, origin: Origin) {
        if let Some(explanation) = self.explained.settings.iter_mut().find(|s| s.name == setting) {
            explanation.value = value.into();
            explanation.origin = origin;
        }
    }

    /// The value, if nothing was wrong anywhere.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<(T, Explained), ConfigError> {
        let known: BTreeSet<&str> = self.explained.settings.iter().map(|s| s.name.as_str()).collect();
        let strangers = self.layers.strangers(&|name| {
            let section = format!("{name}.");
            known.contains(name) || known.iter().any(|setting| setting.starts_with(&section))
        });
        self.problems.extend(strangers);
        let variables: BTreeSet<String> = known.iter().flat_map(|name| variables_of(name)).collect();
        for name in self.layers.environment.names().filter(|name| name.starts_with("ZKGATE_")) {
            if !variables.contains(name) && name != CONFIG_VARIABLE {
                let warning = format!("the variable {} sets nothing", value::quoted(name));
                self.explained.warnings.push(warning);
            }
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok((value, self.explained)),
            _ => Err(ConfigError { problems: self.problems, warnings: self.explained.warnings }),
        }
    }

    fn setting<T: Shown>(
        &mut self,
        name: &str,
        face: &Face,
        parse: impl Fn(&Raw) -> Result<T, String>,
    ) -> Option<Found<T>> {
        let (found, origin) = match self.layers.find(name) {
            None => (None, Origin::Default),
            Some((raw, origin)) => match parse(&raw) {
                Ok(value) => (Some(Found { value, origin: origin.clone() }), origin),
                Err(complaint) => {
                    let problem = Problem { setting: name.into(), complaint, origin: origin.clone() };
                    self.problems.push(problem);
                    (None, origin)
                }
            },
        };
        let value = match &found {
            Some(_) if face.secret => "***".into(),
            Some(found) => found.value.shown(),
            None => face.default.clone(),
        };
        self.explained.settings.push(Explanation {
            name: name.into(),
            value,
            default: face.default.clone(),
            range: face.range.clone(),
            origin,
        });
        found
    }
}

/// How a value is shown in the table.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for usize {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for SocketAddr {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Duration {
    fn shown(&self) -> String {
        value::shown(*self)
    }
}

impl Shown for String {
    fn shown(&self) -> String {
        value::quoted(self)
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}
