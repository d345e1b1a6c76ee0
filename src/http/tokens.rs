//! Who may come in: the main token, which allows everything, and those that were made for somebody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::token::{TokenCheck, digest_of_bearer};
use crate::base::lock::lock;
use crate::base::scope::{Scope, Scopes};
use crate::base::secret::Secret;
use crate::store::ledger::Token;

/// Whoever asks: the name of the token, and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// `main` for the main token, `anybody` where none is needed.
    pub name: Arc<str>,
    /// The number of the token, which no other ever has; 0 for the main one, and where none is needed.
    pub id: u64,
    /// What may be done.
    pub scopes: Scopes,
    /// The digest of a token that was made for somebody.
    made: Option<Secret<[u8; 32]>>,
}

/// Every token that opens the door.
#[derive(Debug)]
pub struct Tokens {
    main: TokenCheck,
    /// guards: the others, by their digest
    others: Mutex<HashMap<[u8; 32], Token>>,
}

/// The name of the main token, and of nobody in particular; no other token may have them.
pub const RESERVED: [&str; 2] = ["main", "anybody"];

impl Who {
    fn everything(name: &str) -> Self {
        Self { name: name.into(), id: 0, scopes: Scopes::ALL, made: None }
    }

    /// Somebody who shows nothing, where nothing needs to be shown.
    #[must_use]
    pub fn nobody() -> Self {
        Self { name: "".into(), id: 0, scopes: Scopes::default(), made: None }
    }

    /// Whether this may be done.
    #[must_use]
    pub const fn may(&self, scope: Scope) -> bool {
        self.scopes.allow(scope)
    }
}

impl Tokens {
    /// The main token, and those that were made.
    #[must_use]
    pub fn new(main: TokenCheck, others: Vec<Token>) -> Self {
        let others = others.into_iter().map(|token| (token.digest, token)).collect();
        Self { main, others: Mutex::new(others) }
    }

    /// Who presents this `Authorization` header; `now` in milliseconds since 1970.
    #[must_use]
    pub fn admit(&self, authorization: Option<&Secret<String>>, now: i64) -> Option<Who> {
        let [main, anybody] = RESERVED;
        if self.main.is_open() {
            return Some(Who::everything(anybody));
        }
        if self.main.admits(authorization) {
            return Some(Who::everything(main));
        }
        // What is looked up is a digest: how long that takes tells nothing about the token.
        let digest = digest_of_bearer(authorization?)?;
        let others = lock(&self.others);
        let token = others.get(&digest).filter(|token| counts(token, now))?;
        let made = Some(Secret::new(digest));
        Some(Who { name: token.name.as_str().into(), id: token.id, scopes: token.scopes, made })
    }

    /// Whether somebody who was admitted still would be.
    #[must_use]
    pub fn still_admit(&self, who: &Who, now: i64) -> bool {
        let Some(digest) = &who.made else { return true };
        lock(&self.others).get(digest.expose()).is_some_and(|token| counts(token, now))
    }

    /// All but the main one, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Token> {
        let mut tokens: Vec<_> = lock(&self.others).values().cloned().collect();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    /// From now on this one opens the door too.
    pub fn add(&self, token: Token) {
        lock(&self.others).insert(token.digest, token);
    }

    /// From now on the one with this digest does not open it any more.
    pub fn remove(&self, digest: &[u8; 32]) {
        lock(&self.others).remove(digest);
    }
}

fn counts(token: &Token, now: i64) -> bool {
    token.expires_at.is_none_or(|end| now < end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::token::digest;

    fn token(name: &str, secret: &str, expires_at: Option<i64>) -> Token {
        Token {
            id: 1,
            name: name.into(),
            digest: digest(secret),
            scopes: Scopes::parse(["read"]).unwrap(),
            created_at: 1,
            created_by: "main".into(),
            expires_at,
        }
    }

    fn header(token: &str) -> Secret<String> {
        Secret::new(format!("Bearer {token}"))
    }

    #[test]
    fn each_token_is_somebody_until_it_ends() {
        let tokens = Tokens::new(TokenCheck::new("0123456789abcdef"), vec![]);
        tokens.add(token("hr", "hr-token-hr-token", Some(100)));
        let name = |text: &str, now| tokens.admit(Some(&header(text)), now).map(|who| who.name.to_string());
        assert_eq!(name("0123456789abcdef", 1).as_deref(), Some("main"));
        assert_eq!(name("hr-token-hr-token", 99).as_deref(), Some("hr"));
        assert_eq!(name("hr-token-hr-token", 100), None, "its time is over");
        assert_eq!(name("", 1), None);
        assert_eq!(tokens.admit(None, 1), None);
        let who = tokens.admit(Some(&header("hr-token-hr-token")), 1).unwrap();
        assert!(who.may(Scope::Read) && !who.may(Scope::Operate));
        assert!(tokens.still_admit(&who, 99) && !tokens.still_admit(&who, 100), "also in the middle");
        tokens.remove(&digest("hr-token-hr-token"));
        assert_eq!(name("hr-token-hr-token", 1), None);
        tokens.add(token("hr", "another-hr-token", None));
        assert!(!tokens.still_admit(&who, 1), "another token of that name is another token");
        let main = tokens.admit(Some(&header("0123456789abcdef")), 1).unwrap();
        assert!(tokens.still_admit(&main, i64::MAX));
    }

    #[test]
    fn where_no_token_is_needed_everybody_may_do_everything() {
        let who = Tokens::new(TokenCheck::none(), vec![]).admit(None, 1).unwrap();
        assert!(&*who.name == "anybody" && Scope::ALL.into_iter().all(|scope| who.may(scope)));
    }
}
