//! What the index says of accounts and tokens. Rows are a function of the set of acts, whatever
//! their order and number:
//!
//! ```text
//! 'k' 'a' NAME        the account: its last making, unless its last removal is later; that removal
//! 'k' 't' ID          the token: its last making, unless it was ever revoked; whether it was
//! 'k' 'n' NAME 0 ID   the name has the token, which is not revoked
//! ```
//! Last is by (clock, id of the update), as everywhere.

use super::{Act, PasswordHash, Scopes, TokenId, text};
use crate::store::{Direction, Index, KeyValue, StoreError};
use crate::update::{Cid, Update};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

const TABLE: u8 = b'k';
const ACCOUNTS: u8 = b'a';
const TOKENS: u8 = b't';
const NAMES: u8 = b'n';

/// The moment of an act, the same on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Stamp {
    clock: u64,
    #[serde(with = "text")]
    cid: Cid,
}

/// An account that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The act that it stands by: another password is another act.
    pub act: Cid,
    /// The hash of its password.
    pub password: PasswordHash,
    /// What it may do.
    pub scopes: Scopes,
}

/// A token that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// What it is known by.
    pub id: TokenId,
    /// Who writes with it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// MD5 of its text.
    pub digest: TokenId,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: u64,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct AccountState {
    made: Option<Made>,
    removed: Option<Stamp>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    at: Stamp,
    #[serde(with = "text")]
    password: PasswordHash,
    #[serde(with = "text")]
    scopes: Scopes,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TokenState {
    made: Option<MadeToken>,
    revoked: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MadeToken {
    at: Stamp,
    name: String,
    #[serde(with = "text")]
    scopes: Scopes,
    #[serde(with = "text")]
    digest: TokenId,
}

/// Takes an act into the index: once or often, in any order. What does not read changes nothing.
pub fn enter(index: &mut Index, update: &Update) -> Result<(), StoreError> {
    let act = match Act::decode(update.payload()) {
        Ok(act) => act,
        Err(error) => {
            log::warn!("update {} of {} changes nothing: {error}", update.cid(), update.origin());
            return Ok(());
        }
    };
    let at = Stamp { clock: update.clock().0, cid: update.cid() };
    match act {
        Act::Account { name, password, scopes } => {
            let made = Made { at, password, scopes };
            change(index, account_key(&name), |state: &mut AccountState| state.make(made))
        }
        Act::Remove { name } => {
            change(index, account_key(&name), |state: &mut AccountState| state.remove(at))
        }
        Act::Token { id, name, scopes, digest } => {
            change_token(index, id, |state| state.make(MadeToken { at, name, scopes, digest }))
        }
        Act::Revoke { id } => change_token(index, id, TokenState::revoke),
    }
}

impl AccountState {
    fn make(&mut self, made: Made) {
        let is_over = self.removed.is_some_and(|removed| removed > made.at);
        if !is_over && self.made.as_ref().is_none_or(|before| before.at < made.at) {
            self.made = Some(made);
        }
    }

    fn remove(&mut self, at: Stamp) {
        self.removed = self.removed.max(Some(at));
        if self.made.as_ref().is_some_and(|made| made.at < at) {
            self.made = None;
        }
    }
}

impl TokenState {
    fn make(&mut self, made: MadeToken) {
        if !self.revoked && self.made.as_ref().is_none_or(|before| before.at < made.at) {
            self.made = Some(made);
        }
    }

    fn revoke(&mut self) {
        *self = Self { made: None, revoked: true };
    }

    fn name(&self) -> Option<&str> {
        self.made.as_ref().map(|made| &made.name[..])
    }
}

fn change<T: Default + PartialEq + Serialize + DeserializeOwned>(
    index: &mut Index,
    key: Vec<u8>,
    change: impl FnOnce(&mut T),
) -> Result<(), StoreError> {
    let mut state: T = read(index, &key)?.unwrap_or_default();
    change(&mut state);
    put(index, key, &state);
    Ok(())
}

fn change_token(
    index: &mut Index,
    id: TokenId,
    change: impl FnOnce(&mut TokenState),
) -> Result<(), StoreError> {
    let key = token_key(id);
    let mut state: TokenState = read(index, &key)?.unwrap_or_default();
    let before = state.name().map(str::to_owned);
    change(&mut state);
    if before.as_deref() != state.name() {
        if let Some(name) = &before {
            index.delete(&name_key(name, id));
        }
        if let Some(name) = state.name() {
            index.put(name_key(name, id), Vec::new());
        }
    }
    put(index, key, &state);
    Ok(())
}

fn read<T: DeserializeOwned>(index: &Index, key: &[u8]) -> Result<Option<T>, StoreError> {
    let Some(row) = index.get(key)? else { return Ok(None) };
    Ok(parsed(index, &row))
}

fn parsed<T: DeserializeOwned>(index: &Index, row: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(row);
    if read.is_err() {
        // Not quoted: it may hold a hash.
        log::error!("a row of accounts does not read; the index is made again at the next start");
        index.condemn();
    }
    read.ok()
}

fn put<T: Serialize>(index: &mut Index, key: Vec<u8>, state: &T) {
    // Texts and numbers can't fail to be written.
    index.put(key, serde_json::to_vec(state).unwrap_or_default());
}

fn account_key(name: &str) -> Vec<u8> {
    [&[TABLE, ACCOUNTS], name.as_bytes()].concat()
}

fn token_key(id: TokenId) -> Vec<u8> {
    [&[TABLE, TOKENS][..], &id.0].concat()
}

/// No name has a zero in it.
fn name_key(name: &str, id: TokenId) -> Vec<u8> {
    [&[TABLE, NAMES], name.as_bytes(), &[0], &id.0].concat()
}

/// The account of a name, if it stands.
pub fn account(index: &Index, name: &str) -> Result<Option<Account>, StoreError> {
    let state: Option<AccountState> = read(index, &account_key(name))?;
    Ok(state.and_then(|state| state.account(name)))
}

impl AccountState {
    fn account(self, name: &str) -> Option<Account> {
        let Made { at, password, scopes } = self.made?;
        Some(Account { name: name.to_owned(), act: at.cid, password, scopes })
    }
}

/// The token of an id, if it is good.
pub fn token(index: &Index, id: TokenId) -> Result<Option<TokenRow>, StoreError> {
    let state: Option<TokenState> = read(index, &token_key(id))?;
    let Some(made) = state.and_then(|state| state.made) else { return Ok(None) };
    good(index, id, made)
}

/// A token that is not revoked is good if its name was not removed since.
fn good(index: &Index, id: TokenId, made: MadeToken) -> Result<Option<TokenRow>, StoreError> {
    let owner: Option<AccountState> = read(index, &account_key(&made.name))?;
    let removed = owner.and_then(|owner| owner.removed);
    if removed.is_some_and(|removed| removed > made.at) {
        return Ok(None);
    }
    let MadeToken { at, name, scopes, digest } = made;
    Ok(Some(TokenRow { id, name, scopes, digest, made_ms: at.clock >> 16 }))
}

/// At most `limit` rows are looked at behind one, in ascending order: those that stand, and where
/// to go on when there may be more.
pub fn accounts(
    index: &Index,
    after: Option<&str>,
    limit: usize,
) -> Result<(Vec<Account>, Option<String>), StoreError> {
    let name_of = |key: &[u8]| String::from_utf8_lossy(&key[2..]).into_owned();
    let rows = behind(index, ACCOUNTS, after.map(account_key).as_ref(), limit)?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|(key, _)| name_of(key));
    let stands = |(key, row): &KeyValue| parsed::<AccountState>(index, row)?.account(&name_of(key));
    Ok((rows.iter().filter_map(stands).collect(), next))
}

/// As [`accounts`], of tokens.
pub fn tokens(
    index: &Index,
    after: Option<TokenId>,
    limit: usize,
) -> Result<(Vec<TokenRow>, Option<TokenId>), StoreError> {
    let id_of = |key: &[u8]| key[2..].try_into().ok().map(TokenId);
    let rows = behind(index, TOKENS, after.map(token_key).as_ref(), limit)?;
    let next = rows.last().filter(|_| rows.len() == limit).and_then(|(key, _)| id_of(key));
    let mut found = Vec::new();
    for (key, row) in &rows {
        let made = parsed::<TokenState>(index, row).and_then(|state| state.made);
        if let (Some(id), Some(made)) = (id_of(key), made) {
            found.extend(good(index, id, made)?);
        }
    }
    Ok((found, next))
}

/// At most `limit` tokens of a name that are not revoked: those that are good.
pub fn tokens_of(index: &Index, name: &str, limit: usize) -> Result<Vec<TokenRow>, StoreError> {
    let (from, to) = (name_key(name, TokenId([0; 16])), name_key(name, TokenId([0xff; 16])));
    let bounds = (Bound::Included(&from[..]), Bound::Included(&to[..]));
    let mut found = Vec::new();
    for (key, _) in index.scan(bounds.0, bounds.1, limit, Direction::Up)? {
        if let Some(id) = key.last_chunk::<16>() {
            found.extend(token(index, TokenId(*id))?);
        }
    }
    Ok(found)
}

fn behind(
    index: &Index,
    table: u8,
    after: Option<&Vec<u8>>,
    limit: usize,
) -> Result<Vec<KeyValue>, StoreError> {
    let (first, end) = ([TABLE, table], [TABLE, table + 1]);
    let from = match after {
        Some(key) => Bound::Excluded(&key[..]),
        None => Bound::Included(&first[..]),
    };
    index.scan(from, Bound::Excluded(&end[..]), limit, Direction::Up)
}

#[cfg(test)]
mod tests;
