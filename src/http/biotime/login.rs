//! Logging in: name and token of the API go in as user name and password, and the token comes out.
//!
//! Nothing is remembered of a login. What is handed out is the token itself, so it ends when that is revoked or its
//! time is over, and a guess costs here what it costs anywhere else.

use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::wrong;
use crate::base::clock::millis;
use crate::base::scope::Scope;
use crate::base::secret::Secret;
use crate::http::call::{Call, Handled, Outcome};
use crate::http::response::Answer;
use crate::http::token::digest;
use crate::http::tokens::{RESERVED, Who};

/// Under which word a token may come.
const SCHEMES: [&str; 3] = ["Token", "JWT", "Bearer"];
const FORM: &str = "application/x-www-form-urlencoded";

/// `POST /api-token-auth/` and `POST /jwt-api-token-auth/`
pub(super) fn token(call: &mut Call) -> Handled {
    let (username, password) = credentials(call);
    let lacking: Vec<(&str, &str)> =
        [("username", username.is_empty()), ("password", password.expose().is_empty())]
            .into_iter()
            .filter(|(_, lacks)| *lacks)
            .map(|(name, _)| (name, "This field is required."))
            .collect();
    if !lacking.is_empty() {
        return Ok(Outcome::Now(wrong(&lacking)));
    }
    let [_, anybody] = RESERVED;
    let header = Secret::new(format!("Bearer {}", password.expose()));
    let who = call.gateway.tokens.admit(Some(&header), millis(call.gateway.clock.wall()));
    match who.filter(|who| &*who.name == anybody || is_named(who, &username) && who.may(Scope::Read)) {
        // Where no token is needed, none is repeated.
        Some(who) if &*who.name == anybody => Ok(Outcome::Now(handed_out(anybody))),
        Some(_) => Ok(Outcome::Now(handed_out(password.expose().trim()))),
        None => {
            log::debug!("a login in the dialect of BioTime was refused");
            Ok(Outcome::Now(wrong(&[("non_field_errors", "Unable to log in with provided credentials.")])))
        }
    }
}

/// The header as the API understands it.
pub(in crate::http) fn as_bearer(authorization: &Secret<String>) -> Option<Secret<String>> {
    let (scheme, token) = authorization.expose().split_once(' ')?;
    let known = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    known.then(|| Secret::new(format!("Bearer {token}")))
}

/// Why nobody was let in.
pub(in crate::http) const fn refusal(authorization: Option<&Secret<String>>) -> &'static str {
    if authorization.is_some() { "Invalid token." } else { "Authentication credentials were not provided." }
}

fn is_named(who: &Who, username: &str) -> bool {
    bool::from(digest(&who.name).ct_eq(&digest(username)))
}

fn handed_out(token: &str) -> Answer {
    Answer::json(200, json!({ "token": token }).to_string())
}

/// User name and password; empty where there are none. Nothing of the body is ever repeated.
fn credentials(call: &Call) -> (String, Secret<String>) {
    let kind = call.headers().content_type.as_deref().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let form: Vec<(String, String)> = if kind.eq_ignore_ascii_case(FORM) {
        form_urlencoded::parse(call.raw_body()).into_owned().collect()
    } else {
        let body: Value = serde_json::from_slice(call.raw_body()).unwrap_or_default();
        let members = body.as_object().into_iter().flatten();
        members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    };
    let field = |name| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    (field("username").unwrap_or_default(), Secret::new(field("password").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_come_under_three_words() {
        for (header, expected) in [
            ("Token abc", Some("Bearer abc")),
            ("jwt abc", Some("Bearer abc")),
            ("BEARER abc", Some("Bearer abc")),
            ("Basic abc", None),
            ("Token", None),
            ("abc", None),
        ] {
            let bearer = as_bearer(&Secret::new(header.to_owned()));
            assert_eq!(bearer.as_ref().map(|bearer| bearer.expose().as_str()), expected, "{header}");
        }
    }
}
