//! `/v1/accounts` and `/v1/tokens`: who may write, for who may change that. Never a hash.

use super::answer::Answer;
use super::problem::Problem;
use super::stories::Asked;
use crate::accounts::{self, Account, TokenRow};
use crate::news;
use crate::proto::http::Status;
use crate::serve::Desk;
use crate::update::Hlc;
use serde_json::{Value, json};

/// The most lines of one answer, and how many there are unless asked.
const LIMIT_MAX: u64 = 1000;
const LIMIT_DEFAULT: u64 = 100;

/// `/v1/accounts`: `{accounts: [{name, scopes}], next}`; `?name=` gives one of them at most.
pub(super) fn accounts<D: Desk>(desk: &D, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let index = desk.store().index();
    let (found, next) = match asked.query.text("name") {
        Some(name) => (accounts::account(index, name)?.into_iter().collect(), None),
        None => accounts::accounts(index, asked.query.text("after"), limit(asked)?)?,
    };
    let lines: Vec<Value> = found.iter().map(account_line).collect();
    Ok(shown(&json!({"accounts": lines, "next": next})))
}

/// `/v1/tokens`: `{tokens: [{id, name, scopes, at}], next}`; `?name=` gives those of a name, `?id=`
/// one at most.
pub(super) fn tokens<D: Desk>(desk: &D, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let index = desk.store().index();
    let (found, next) = match (asked.query.parsed("id")?, asked.query.text("name")) {
        (Some(id), _) => (accounts::token(index, id)?.into_iter().collect(), None),
        (None, Some(name)) => (accounts::tokens_of(index, name, LIMIT_MAX as usize)?, None),
        (None, None) => accounts::tokens(index, asked.query.parsed("after")?, limit(asked)?)?,
    };
    let lines: Vec<Value> = found.iter().map(token_line).collect();
    Ok(shown(&json!({"tokens": lines, "next": next.map(|id| id.to_string())})))
}

fn limit(asked: &Asked<'_>) -> Result<usize, Problem> {
    Ok(asked.query.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)? as usize)
}

fn account_line(account: &Account) -> Value {
    json!({"name": account.name, "scopes": account.scopes.to_string()})
}

fn token_line(token: &TokenRow) -> Value {
    let at = news::at_text(Hlc::from_ms(token.made_ms));
    let (id, scopes) = (token.id.to_string(), token.scopes.to_string());
    json!({"id": id, "name": token.name, "scopes": scopes, "at": at})
}

fn shown(view: &Value) -> Answer {
    Answer::json(Status::OK, view).field("Cache-Control", "no-store")
}
