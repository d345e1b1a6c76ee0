//! The settings in a backup, as people read them: what there is, what would be changed, and what was.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::failure::Done;
use crate::cli::output::{Output, Row};
use crate::cli::table::{Column, Side, text};

/// The members that count, and what they count.
const KINDS: [(&str, &str); 4] = [
    ("options", "options"),
    ("time_zones", "time zones"),
    ("groups", "groups"),
    ("combinations", "combinations"),
];
/// Names of options that say who comes in, and how.
const DOORS: [&str; 3] = ["LockOn", "UnlockPerson", "AntiPassbackOn"];
/// How many names stand in a sentence.
const NAMED: usize = 12;

/// A setting and what became of it.
#[derive(Serialize)]
#[serde(transparent)]
struct SettingRow(Map<String, Value>);

/// How many there are in a backup, and what is not.
pub(super) fn counted(settings: &Value) -> Vec<(&'static str, Option<String>)> {
    if settings.is_null() {
        return vec![("settings", Some("left out".to_owned()))];
    }
    let counts: Vec<_> =
        KINDS.iter().map(|(member, name)| format!("{} {name}", text(settings.get(*member)))).collect();
    let not_read: Vec<_> = rows(settings, "not_read").map(coded).collect();
    let not_told: Vec<_> = names(settings, "not_told");
    vec![
        ("settings", Some(counts.join(", "))),
        ("not read", Some(some(&not_read)).filter(|_| !not_read.is_empty())),
        ("not told", Some(some(&not_told)).filter(|_| !not_told.is_empty())),
    ]
}

/// What a plan says of them, in sentences behind others; nothing if they were not asked for.
pub(super) fn planned(settings: &Value) -> String {
    if settings.is_null() {
        return String::new();
    }
    let different = names(settings, "different");
    let doors =
        if different.iter().any(|name| is_of_doors(name)) { " (doors and access among them)" } else { "" };
    let which = if different.is_empty() { String::new() } else { format!(": {}", some(&different)) };
    let mut said = format!(" {} settings are changed{doors}{which}.", different.len());
    for (member, what) in [("failed", "cannot be read"), ("left_out", "left as they are")] {
        let rows: Vec<_> = rows(settings, member).map(coded).collect();
        if !rows.is_empty() {
            said += &format!(" {} {what}: {}.", rows.len(), some(&rows));
        }
    }
    said
}

/// Prints what became of those that were not so already.
pub(super) fn written(out: Output, settings: &Value) -> Done {
    let of = |setting: &Value, word: &str, value: &str| json!({ "setting": setting, word: value });
    let changed = rows(settings, "changed").map(|name| of(name, "written", "changed"));
    let told = ["failed", "left_out"].into_iter().flat_map(|member| rows(settings, member)).map(
        |row| json!({ "setting": row.get("name"), "code": row.get("code"), "detail": row.get("detail") }),
    );
    let not_tried = rows(settings, "not_tried").map(|name| of(name, "code", "not_tried"));
    let all = changed.chain(told).chain(not_tried);
    let shown: Vec<_> = all.filter_map(|row| row.as_object().cloned()).map(SettingRow).collect();
    if !shown.is_empty() {
        out.rows(&shown)?;
    }
    if !settings.is_null() {
        out.note(&format!("{} settings are as in the backup", text(settings.get("as_wanted"))));
    }
    Ok(())
}

fn is_of_doors(name: &str) -> bool {
    // The names of options are one word.
    name.contains(' ') || DOORS.contains(&name)
}

fn rows<'v>(of: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    of.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn names(of: &Value, member: &str) -> Vec<String> {
    rows(of, member).map(|name| text(Some(name))).collect()
}

fn coded(row: &Value) -> String {
    format!("{} ({})", text(row.get("name")), text(row.get("code")))
}

/// The first of them, and how many more there are.
fn some(names: &[String]) -> String {
    let first: Vec<_> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

impl Row for SettingRow {
    const COLUMNS: &'static [Column] =
        &[("SETTING", Side::Left), ("RESULT", Side::Left), ("WHY", Side::Left)];

    fn cells(&self) -> Vec<String> {
        let of = |name: &str| text(self.0.get(name));
        let result = Some(of("written")).filter(|word| !word.is_empty()).unwrap_or_else(|| of("code"));
        vec![of("setting"), result, of("detail")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_whether_doors_are_among_the_settings() {
        let plan = |different: &[&str]| {
            planned(&json!({ "as_wanted": 1, "different": different, "failed": [], "left_out": [] }))
        };
        assert_eq!(planned(&Value::Null), "");
        assert_eq!(plan(&[]), " 0 settings are changed.");
        assert_eq!(plan(&["VOLUME"]), " 1 settings are changed: VOLUME.");
        for name in ["LockOn", "time zone 3", "group 1", "combination 2"] {
            assert!(plan(&["VOLUME", name]).contains("2 settings are changed (doors and access among them)"));
        }
        assert!(plan(&["V"; 15]).ends_with("V and 3 more."));
    }
}
