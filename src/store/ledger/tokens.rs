//! Tokens: who they belong to and what they allow. The ledger has their digests only.

use rusqlite::{OptionalExtension, params};

use super::Book;
use crate::base::scope::Scopes;
use crate::store::embedded::failed;
use crate::store::error::StoreError;

/// A token that may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number.
    pub id: u64,
    /// Who has it; no two tokens that are in force have the same.
    pub name: String,
    /// SHA-256 of it.
    pub digest: [u8; 32],
    /// What it allows.
    pub scopes: Scopes,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// The name of the token with which it was made.
    pub created_by: String,
    /// When it ends by itself, in milliseconds since 1970.
    pub expires_at: Option<i64>,
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Who is to have it.
    pub name: String,
    /// SHA-256 of it.
    pub digest: [u8; 32],
    /// What it is to allow.
    pub scopes: Scopes,
    /// By whom it is made.
    pub created_by: String,
    /// When it is to end by itself, in milliseconds since 1970.
    pub expires_at: Option<i64>,
}

impl Book {
    /// Every token that was not revoked, oldest first.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn tokens(&mut self) -> Result<Vec<Token>, StoreError> {
        let sql = "select id, name, digest, scopes, created_at, created_by, expires_at from token
                   where revoked_at is null order by id";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| {
            let scopes: String = row.get(3)?;
            Ok(Token {
                id: row.get(0)?,
                name: row.get(1)?,
                digest: row.get(2)?,
                // A scope that is unknown here allows nothing.
                scopes: Scopes::parse(scopes.split(',')).unwrap_or_default(),
                created_at: row.get(4)?,
                created_by: row.get(5)?,
                expires_at: row.get(6)?,
            })
        });
        rows.and_then(Iterator::collect).map_err(failed)
    }

    /// Makes a token; `None` when another one in force has the name.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn create_token(&mut self, new: &NewToken, now: i64) -> Result<Option<Token>, StoreError> {
        let NewToken { name, digest, scopes, created_by, expires_at } = new.clone();
        let sql = "insert into token (name, digest, scopes, created_at, created_by, expires_at)
                   values (?, ?, ?, ?, ?, ?) on conflict do nothing returning id";
        let values = params![name, digest, scopes.to_string(), now, created_by, expires_at];
        let id = self.connection.query_row(sql, values, |row| row.get(0)).optional().map_err(failed)?;
        Ok(id.map(|id| Token { id, name, digest, scopes, created_at: now, created_by, expires_at }))
    }

    /// Revokes a token for good; gives its digest, or `None` when there is none in force with this number.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn revoke_token(&mut self, id: u64, now: i64) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "update token set revoked_at = ? where id = ? and revoked_at is null returning digest";
        self.connection.query_row(sql, params![now, id], |row| row.get(0)).optional().map_err(failed)
    }
}
