//! Tokens for other programs: made, listed and revoked.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::ServiceFlags;
use super::client::Client;
use crate::cli::failure::Done;
use crate::cli::output::{Output, Row};
use crate::cli::table::{Column, Side, text};

/// What is done with tokens.
#[derive(Args, Clone, Debug)]
pub struct Tokens {
    /// What to do.
    #[command(subcommand)]
    pub verb: TokenVerb,
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Print JSON instead of tables; failures too, on stderr
    #[arg(long, global = true)]
    pub json: bool,
}

/// What is done with tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenVerb {
    /// List the tokens that are in force, beside the main one
    List,
    /// Make a token and print it, this once
    Create {
        /// Who is to have it
        name: String,
        /// What it is to allow: read, operate, admin or biometric; may be given several times
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
        scopes: Vec<String>,
        /// After how many days it ends by itself; without it never
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
    },
    /// Refuse a token from now on
    Revoke {
        /// Its number, as `list` shows it
        id: u64,
    },
}

/// A token as the API shows it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct TokenRow(Map<String, Value>);

#[derive(Deserialize)]
struct Listed {
    data: Vec<TokenRow>,
}

pub(super) fn run(client: &Client, out: Output, verb: &TokenVerb) -> Done {
    match verb {
        TokenVerb::List => out.list(&client.get::<Listed>("/api/v1/tokens", None)?.data),
        TokenVerb::Create { name, scopes, expires_in_days } => {
            let mut body = json!({ "name": name, "scopes": scopes });
            if let (Some(days), Some(members)) = (expires_in_days, body.as_object_mut()) {
                members.insert("expires_in_days".to_owned(), (*days).into());
            }
            let made = client.post("/api/v1/tokens", Some(&body), None)?;
            // Alone on its line, so that it can go into a file.
            out.done(&made, &text(made.get("token")))?;
            out.note("it is not shown again");
            Ok(())
        }
        TokenVerb::Revoke { id } => {
            client.delete(&format!("/api/v1/tokens/{id}"))?;
            out.done(&json!({ "revoked": true }), "revoked")
        }
    }
}

impl Row for TokenRow {
    const COLUMNS: &'static [Column] = &[
        ("ID", Side::Right),
        ("NAME", Side::Left),
        ("SCOPES", Side::Left),
        ("MADE BY", Side::Left),
        ("MADE AT", Side::Left),
        ("ENDS", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        let of = |name: &str| text(self.0.get(name));
        let scopes = self.0.get("scopes").and_then(Value::as_array).into_iter().flatten();
        let scopes: Vec<_> = scopes.map(|scope| text(Some(scope))).collect();
        vec![of("id"), of("name"), scopes.join(" "), of("created_by"), of("created_at"), of("expires_at")]
    }
}
