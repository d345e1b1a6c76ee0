//! The journal's punches: pages, or everything as it happens.

use std::io::Read;
use std::time::{Duration, Instant};

use clap::Args;
use form_urlencoded::Serializer;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ServiceFlags;
use super::client::Client;
use super::events::read;
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::Output;
use crate::cli::table::{printable, text};

/// Which punches, and how.
#[derive(Args, Clone, Debug)]
pub struct Punches {
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Print JSON, an object a line; failures too, on stderr
    #[arg(long)]
    pub json: bool,
    /// Go on with what comes, until Ctrl-C; without --after from now on
    #[arg(long, short)]
    pub follow: bool,
    /// Only those behind this sequence number
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    /// Only of these devices, by their ids
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub device: Vec<String>,
    /// Only of these people
    #[arg(long, value_name = "USER_ID", value_delimiter = ',')]
    pub user: Vec<String>,
    /// Only from this time on, such as 2026-07-14, 2026-07-14T08:00:00 or 2026-07-14T05:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub from: Option<String>,
    /// Only before this time; of a day named, all of it
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub to: Option<String>,
    /// End after so many
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    next_after: u64,
    more: bool,
    head: u64,
}

/// How long one connection of a stream lasts; then it is made anew where it ended, so that one that is dead without a
/// sign is left behind.
const CONNECTION: Duration = Duration::from_secs(60);
/// How long to wait before the service is asked again.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn show(client: &Client, out: Output, asked: &Punches) -> Done {
    let mut told = Told { out, left: asked.count, head: false };
    let result =
        if asked.follow { follow(client, &mut told, asked) } else { pages(client, &mut told, asked) };
    match result {
        Err(failure) if failure == Failure::nobody_reads() => Ok(()),
        other => other,
    }
}

fn pages(client: &Client, told: &mut Told, asked: &Punches) -> Done {
    let mut after = asked.after.unwrap_or(0);
    while told.wants_more() {
        let limit = told.left.unwrap_or(1000).min(1000).to_string();
        let query = query(asked, &[("after", &after.to_string()), ("limit", &limit)]);
        let page: Page = client.get(&format!("/api/v1/punches?{query}"), None)?;
        told.rows(page.data.iter().map(|row| row.get()))?;
        if !page.more {
            break;
        }
        after = page.next_after;
    }
    Ok(())
}

fn follow(client: &Client, told: &mut Told, asked: &Punches) -> Done {
    // "Now" is one place, also when the first connection breaks before anything came.
    let mut after = match asked.after {
        Some(after) => after,
        None => client.get::<Page>("/api/v1/punches?after=0&limit=1", None)?.head,
    };
    let (mut known, mut broken) = (false, false);
    while told.wants_more() {
        let began = Instant::now();
        let query = query(asked, &[("after", &after.to_string())]);
        let opened =
            client.stream(&format!("/api/v1/punches/stream?{query}"), Some(&after.to_string()), CONNECTION);
        match opened {
            Ok(stream) => {
                (known, broken) = (true, false);
                after = take(stream, told, after)?;
            }
            // It was there, so it will be there again.
            Err(failure) if known && failure.exit() == Exit::NoService => {
                if !std::mem::replace(&mut broken, true) {
                    failure.tell(told.out.json);
                    told.out.note("zkgate: it is asked again until it answers");
                }
            }
            Err(failure) => return Err(failure),
        }
        // A connection that lasted is made anew at once.
        if told.wants_more() && began.elapsed() < PAUSE {
            std::thread::sleep(PAUSE.saturating_sub(began.elapsed()));
        }
    }
    Ok(())
}

/// Tells what comes until the stream ends; gives the number after which to go on.
fn take(stream: impl Read, told: &mut Told, mut after: u64) -> Done<u64> {
    // However it ends, the next connection goes on from here.
    read(stream, |row, last| {
        if let Some(row) = row {
            told.rows(std::iter::once(row.as_str()))?;
        }
        after = last.and_then(|id| id.parse().ok()).unwrap_or(after);
        Ok(told.wants_more())
    })?;
    Ok(after)
}

/// Where rows go.
struct Told {
    out: Output,
    /// How many are still wanted.
    left: Option<u64>,
    /// Whether the line above them is printed.
    head: bool,
}

impl Told {
    fn wants_more(&self) -> bool {
        self.left != Some(0)
    }

    fn rows<'r>(&mut self, rows: impl Iterator<Item = &'r str>) -> Done {
        let mut printed = String::new();
        for row in rows {
            if !self.wants_more() {
                break;
            }
            if self.out.json {
                printed.push_str(row);
            } else {
                if !std::mem::replace(&mut self.head, true) {
                    printed.push_str(HEAD);
                }
                printed.push_str(&sentence(row));
            }
            printed.push('\n');
            self.left = self.left.map(|left| left - 1);
        }
        if printed.is_empty() { Ok(()) } else { self.out.text(&printed) }
    }
}

const HEAD: &str = "     SEQ  DEVICE    TIME                 USER ID     STATE  VERIFIED  SOURCE\n";

/// A row for people: the widths are fixed, because nobody knows what is to come.
fn sentence(row: &str) -> String {
    let row: Map<String, Value> = serde_json::from_str(row).unwrap_or_default();
    let of = |name: &str| text(row.get(name));
    let user = match row.get("user_id") {
        None | Some(Value::Null) => format!("uid {}", of("uid")),
        known => text(known),
    };
    let line = format!(
        "{:>8}  {:<8}  {:<19}  {user:<10}  {:>5}  {:>8}  {}",
        of("seq"),
        of("device_id"),
        of("timestamp"),
        of("punch_state"),
        of("verify_mode"),
        of("source"),
    );
    printable(&line).into_owned()
}

fn query(asked: &Punches, more: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(more);
    let lists = [("device", asked.device.join(",")), ("user_id", asked.user.join(","))];
    query.extend_pairs(lists.iter().filter(|(_, list)| !list.is_empty()));
    let bounds = [("from", asked.from.as_deref()), ("to", asked.to.as_deref())];
    query.extend_pairs(bounds.iter().filter_map(|(name, time)| Some((*name, (*time)?))));
    query.finish()
}
