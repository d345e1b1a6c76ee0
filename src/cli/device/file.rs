//! Files of people: CSV with a line of names, or JSON. What is wrong in them is told with the row, before anything
//! is said to a device, and never with a value that may be a password.

use std::io::Read;

use serde_json::Value;

use super::grammar::{Format, Import};
use super::line::user_id;
use crate::base::secret::Secret;
use crate::cli::failure::{Done, Failure};
use crate::device::users::UserChange;
use crate::wire::record::user::Level;

/// What can be set of a person.
const FIELDS: [&str; 7] = ["user_id", "name", "password", "privilege", "enabled", "card_number", "group"];
/// What a list of users also has, and nobody can set.
const IGNORED: [&str; 5] = ["uid", "time_zones", "privilege_code", "has_password", "name_exact"];
/// The largest file that is read, in bytes: more people than any device holds.
const CEILING: u64 = 64 * 1024 * 1024;
/// How many mistakes are told.
const TOLD: usize = 10;

/// The members of one person, as text; empty ones of CSV are not among them.
type Members = Vec<(String, String)>;

/// Reads the file of an import.
pub(in crate::cli) fn read(import: &Import) -> Done<Vec<UserChange>> {
    let stdin = import.file.as_os_str() == "-";
    let name = if stdin { "stdin".to_owned() } else { import.file.display().to_string() };
    let wrong = |reason: String| Failure::misused(format!("{name}: {reason}"));
    let mut text = String::new();
    let opened: std::io::Result<Box<dyn Read>> = match stdin {
        true => Ok(Box::new(std::io::stdin())),
        false => std::fs::File::open(&import.file).map(|file| Box::new(file) as Box<dyn Read>),
    };
    opened
        .and_then(|file| file.take(CEILING + 1).read_to_string(&mut text))
        .map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    if text.len() as u64 > CEILING {
        return Err(wrong(format!("it has more than {CEILING} bytes")));
    }
    let ending =
        import.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    let format = match (import.format, ending.as_str()) {
        (Some(format), _) => format,
        (None, "csv") => Format::Csv,
        (None, "json" | "ndjson" | "jsonl") => Format::Json,
        _ => return Err(wrong("its name does not say what it is: give --format csv or json".to_owned())),
    };
    parse(&text, format).map_err(wrong)
}

/// Understands the text of a file.
fn parse(text: &str, format: Format) -> Result<Vec<UserChange>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let people = match format {
        Format::Csv => of_csv(text)?,
        Format::Json => of_json(text)?,
    };
    let (mut changes, mut mistakes) = (Vec::new(), Vec::new());
    for (members, row) in people.iter().zip(1..) {
        match change(members) {
            Ok(change) => changes.push(change),
            Err(mistake) => mistakes.push(format!("person {row}: {mistake}")),
        }
    }
    if mistakes.is_empty() {
        return Ok(changes);
    }
    let more = mistakes.len().saturating_sub(TOLD);
    mistakes.truncate(TOLD);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(format!("{}{rest}", mistakes.join("; ")))
}

fn of_csv(text: &str) -> Result<Vec<Members>, String> {
    // The reader's own errors may repeat a cell, which may be a password.
    let place = |error: &csv::Error| error.position().map_or(0, csv::Position::line);
    let broken = |error: csv::Error| format!("line {} is no CSV with as many cells as names", place(&error));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
    known(names.iter().map(String::as_str))?;
    if !names.iter().any(|name| name == "user_id") {
        return Err(format!(
            "the first line has the names of the columns: user_id, and of {}",
            FIELDS.join(", ")
        ));
    }
    let members = |record: csv::StringRecord| {
        let cells = names.iter().cloned().zip(record.iter().map(str::to_owned));
        cells.filter(|(_, cell)| !cell.is_empty()).collect()
    };
    reader.records().map(|record| record.map(members).map_err(broken)).collect()
}

fn of_json(text: &str) -> Result<Vec<Members>, String> {
    let broken =
        |error: serde_json::Error| format!("no JSON at line {} column {}", error.line(), error.column());
    let documents: Vec<Value> =
        serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().map_err(broken)?;
    let mut people = Vec::new();
    for document in documents {
        match document {
            Value::Array(list) => people.extend(list),
            // As `users --json` prints them.
            Value::Object(mut object) if object.contains_key("data") => match object.remove("data") {
                Some(Value::Array(list)) => people.extend(list),
                _ => return Err("the member data is no list".to_owned()),
            },
            other => people.push(other),
        }
    }
    people
        .into_iter()
        .zip(1..)
        .map(|(person, row)| members(person).map_err(|e| format!("person {row}: {e}")))
        .collect()
}

fn members(person: Value) -> Result<Members, String> {
    let Value::Object(object) = person else { return Err("it is no object".to_owned()) };
    known(object.keys().map(String::as_str))?;
    let mut members = Members::new();
    for (name, value) in object {
        if IGNORED.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Null => {}
            Value::String(text) => members.push((name, text)),
            Value::Number(number) => members.push((name, number.to_string())),
            Value::Bool(so) => members.push((name, so.to_string())),
            Value::Array(_) | Value::Object(_) => return Err(format!("{name} is no text, number or truth")),
        }
    }
    Ok(members)
}

fn known<'n>(mut names: impl Iterator<Item = &'n str>) -> Result<(), String> {
    match names.find(|name| !FIELDS.contains(name) && !IGNORED.contains(name)) {
        Some(name) => {
            let shown: String = name.chars().take(40).collect();
            Err(format!("{shown:?} is nothing that can be set; there are {}", FIELDS.join(", ")))
        }
        None => Ok(()),
    }
}

fn change(members: &[(String, String)]) -> Result<UserChange, String> {
    let text = |name: &str| members.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
    fn parsed<T: std::str::FromStr>(text: Option<&str>, wanted: &str) -> Result<Option<T>, String> {
        text.map(|text| text.parse().map_err(|_| wanted.to_owned())).transpose()
    }
    let id = text("user_id").ok_or("it has no user_id")?;
    let id = user_id(id).map_err(|_| "its user_id is not 1 to 24 letters, digits and signs".to_owned())?;
    let level = text("privilege").map(|name| {
        let known = Level::ALL.into_iter().find(|level| level.name() == name);
        known.ok_or_else(|| format!("its privilege is one of {}", Level::ALL.map(Level::name).join(", ")))
    });
    Ok(UserChange {
        name: text("name").map(str::to_owned),
        password: text("password").map(|digits| Secret::new(digits.to_owned())),
        level: level.transpose()?,
        disabled: parsed(text("enabled"), "its enabled is true or false")?.map(|enabled: bool| !enabled),
        card_number: parsed(text("card_number"), "its card_number is a number up to 4294967295")?,
        group: parsed(text("group"), "its group is a number up to 255")?,
        ..UserChange::of(id)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CSV: &str = "\u{feff}user_id,name,password,privilege,enabled,card_number,group\r\n\
        007,\"Doe, \"\"J\"\" 张\",0012,manager,false,77,2\n9,,,,,,\n";

    #[test]
    fn csv_and_json_say_the_same() {
        let json = r#"[{"user_id":"007","name":"Doe, \"J\" 张","password":"0012","privilege":"manager",
            "enabled":false,"card_number":77,"group":2,"uid":4,"has_password":true,"time_zones":{"set":1}},{"user_id":9,"name":null}]"#;
        let people = parse(CSV, Format::Csv).unwrap();
        assert_eq!(people, parse(json, Format::Json).unwrap());
        assert_eq!((people[0].user_id.to_text().as_ref(), people[0].card_number), ("007", Some(77)));
        assert_eq!(people[1], UserChange::of(user_id("9").unwrap()));
        let listed = format!(r#"{{"count":2,"complete":true,"data":{json}}}"#);
        assert_eq!(people, parse(&listed, Format::Json).unwrap());
        assert_eq!(parse("{\"user_id\":9}\n{\"user_id\":10}\n", Format::Json).unwrap().len(), 2);
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_without_a_password() {
        for (text, format, told) in [
            ("user_id,password,card_number\n7,4711,x\n", Format::Csv, "person 1: its card_number"),
            ("user_id,password\n7,4711,4711\n", Format::Csv, "line 2"),
            ("name,password\nx,4711\n", Format::Csv, "user_id"),
            ("user_id,pass\n7,4711\n", Format::Csv, "\"pass\" is nothing"),
            (r#"[{"user_id":"7","password":["4711"]}]"#, Format::Json, "password is no text"),
            (r#"[{"user_id":"7","password":"4711"]"#, Format::Json, "no JSON at line 1"),
            (r#"[{"password":"4711"}]"#, Format::Json, "person 1: it has no user_id"),
            (r#"[{"user_id":"a b","password":"4711"}]"#, Format::Json, "person 1: its user_id"),
            ("[7]", Format::Json, "it is no object"),
        ] {
            let error = parse(text, format).unwrap_err();
            assert!(error.contains(told) && !error.contains("4711"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_people_or_a_mistake(text in "(?s).{0,80}") {
            let _ = parse(&text, Format::Csv);
            let _ = parse(&text, Format::Json);
        }

        #[test]
        fn what_is_quoted_is_read(name in "[^\\x00-\\x1f]{1,20}", id in 1u32..) {
            let name = format!("x{name}x");
            let csv = format!("user_id,name\n{id},\"{}\"\n", name.replace('"', "\"\""));
            let people = parse(&csv, Format::Csv).unwrap();
            prop_assert_eq!(people[0].name.as_deref(), Some(name.as_str()));
        }
    }
}
