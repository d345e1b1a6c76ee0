//! Tokens: who may come in, and what they may do. The token itself is told once, when it is made.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::view::moment;
use crate::base::clock::millis;
use crate::base::scope::{Scope, Scopes};
use crate::http::call::{Call, Handled, Outcome};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::http::response::{Answer, Location};
use crate::http::token::{digest, random};
use crate::http::tokens::RESERVED;
use crate::store::ledger::{NewToken, Token};

/// The longest name, in characters.
const NAME_CEILING: usize = 64;
/// The longest life of a token that ends by itself, in days.
const LIFE_CEILING: u32 = 36_500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    scopes: Vec<String>,
    #[serde(default)]
    expires_in_days: Option<u32>,
}

/// `GET /tokens`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let tokens = call.gateway.tokens.list();
    let data: Vec<Value> = tokens.iter().map(view).collect();
    Ok(Outcome::Now(as_json(200, &json!({ "data": data }))))
}

/// `POST /tokens`
pub fn create(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let wanted: Wanted = call.body()?;
    let name = wanted.name.trim().to_owned();
    let plain =
        !name.is_empty() && name.chars().count() <= NAME_CEILING && !name.chars().any(char::is_control);
    if !plain || RESERVED.contains(&name.as_str()) {
        let detail =
            format!("A token's name has 1 to {NAME_CEILING} characters, and is neither main nor anybody.");
        return Err(wrong("name", detail));
    }
    let scopes = Scopes::parse(wanted.scopes.iter().map(String::as_str)).map_err(|_| {
        wrong("scopes", "Scopes are read, operate, admin and biometric; at least one is needed.")
    })?;
    // Nobody hands out more than they have.
    if let Some(beyond) = Scope::ALL.into_iter().find(|scope| scopes.allow(*scope) && !call.who.may(*scope)) {
        let detail = format!("Your own token does not have the scope {}.", beyond.name());
        return Err(Problem::new(403, "scope_needed", detail).with("scope", beyond.name()));
    }
    let days = wanted.expires_in_days;
    if days.is_some_and(|days| days == 0 || days > LIFE_CEILING) {
        let detail = format!("A token that ends by itself lives from 1 to {LIFE_CEILING} days.");
        return Err(wrong("expires_in_days", detail));
    }
    let secret = random().map_err(|error| {
        log::error!("no token could be made: {error}");
        Problem::new(500, "internal", "The operating system has no randomness.")
    })?;
    let now = millis(call.gateway.clock.wall());
    let life = |days: u32| {
        i64::try_from(Duration::from_secs(u64::from(days) * 86_400).as_millis()).unwrap_or(i64::MAX)
    };
    let new = NewToken {
        name,
        digest: digest(secret.expose()),
        scopes,
        created_by: call.who.name.to_string(),
        expires_at: days.map(|days| now.saturating_add(life(days))),
    };
    let (deadline, gateway, reply) = (call.deadline()?, Arc::clone(&call.gateway), call.later()?);
    let ledger = Arc::clone(gateway.operations.ledger());
    ledger.then(
        deadline,
        move |book| book.create_token(&new, now),
        move |made| {
            let answer = made.map_err(|error| Problem::of_store(&error)).and_then(|made| {
                let taken = || Problem::new(409, "name_taken", "Another token has this name.");
                let token = made.ok_or_else(taken)?;
                let mut shown = view(&token);
                if let Some(members) = shown.as_object_mut() {
                    members.insert("token".to_owned(), secret.expose().as_str().into());
                }
                let location = Location::parse(&format!("/api/v1/tokens/{}", token.id));
                gateway.tokens.add(token);
                Ok(Answer { location, ..as_json(201, &shown) })
            });
            reply.result(answer);
        },
    );
    Ok(Outcome::Later)
}

/// `DELETE /tokens/{id}`
pub fn revoke(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let id = call.number_in_path().map_err(|text| Problem::none("token", text))?;
    let now = millis(call.gateway.clock.wall());
    let (deadline, gateway, reply) = (call.deadline()?, Arc::clone(&call.gateway), call.later()?);
    let ledger = Arc::clone(gateway.operations.ledger());
    ledger.then(
        deadline,
        move |book| book.revoke_token(id, now),
        move |revoked| {
            let answer = revoked.map_err(|error| Problem::of_store(&error)).and_then(|digest| {
                let digest = digest.ok_or_else(|| Problem::none("token", &id.to_string()))?;
                gateway.tokens.remove(&digest);
                Ok(Answer::empty(204))
            });
            reply.result(answer);
        },
    );
    Ok(Outcome::Later)
}

fn view(token: &Token) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes.names().collect::<Vec<_>>(),
        "created_at": moment(token.created_at),
        "created_by": token.created_by,
        "expires_at": token.expires_at.map(moment),
    })
}

fn wrong(field: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(422, "invalid_value", detail).with("field", field)
}
