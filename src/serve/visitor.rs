//! Who asks, and what they may do: the same for every protocol. A protocol finds out by a token
//! ([`by_token_id`]), by a password ([`Desk::check_password`]) or by the session that HTTP made of
//! one; what the visitor may do then is in [`Visitor::scopes`].

use super::Desk;
use crate::accounts::{self, Account, Pass, Scope, Scopes, Session, TokenId};
use crate::reactor::Ctx;
use crate::store::StoreError;

/// How long a session lasts, in milliseconds.
pub(super) const SESSION_MS: u64 = 12 * 3_600_000;
/// No session's text is longer, in bytes.
const SESSION_BYTES_MAX: usize = 400;

/// Someone who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Empty: nobody has signed in.
    pub name: String,
    /// What they may do.
    pub scopes: Scopes,
    /// What forms of this visitor must carry as the field `csrf`; empty where there are no forms.
    pub csrf: String,
    /// A `Set-Cookie` that has to go with a page that shows [`Visitor::csrf`]; empty for none.
    pub set_cookie: String,
    /// They came over TLS.
    pub is_secure: bool,
}

/// What everyone may do at a node. `is_near` is someone of whom it is sure that they are on the
/// node's own machine.
pub fn anyone<D: Desk>(desk: &D, is_near: bool) -> Scopes {
    if !desk.config().are_accounts_open() {
        Scopes::READER
    } else if is_near {
        Scopes::ALL
    } else {
        Scopes::OPEN
    }
}

/// Says that someone's page led a browser to a listener of another protocol (its lines are
/// [`is_of_http`](crate::proto::sniff::is_of_http)). What the page would have said there in its
/// reader's name is not taken: the connection is closed.
pub(super) fn note_led_browser<S>(cx: &mut Ctx<'_, S>, protocol: &str) {
    log::info!("a browser was led to the {protocol} port, from {}", cx.transport().peer());
}

/// The visitor whose token is known by this id, if it is still good. Sees a revocation at once:
/// what keeps a connection open asks again before it writes.
pub(super) fn by_token_id<D: Desk>(desk: &D, id: TokenId) -> Result<Option<Visitor>, StoreError> {
    let row = accounts::token(desk.store().index(), id)?;
    Ok(row.map(|row| Visitor { name: row.name, scopes: row.scopes, ..Visitor::default() }))
}

/// Whoever can read this node's own key file, by a pass that they made with it; they have no name.
pub(super) fn by_pass<D: Desk>(desk: &D, text: &str, wall_ms: u64) -> Option<Visitor> {
    let signed = Pass::parse(text)?;
    let is_own = signed.key == desk.key();
    let pass = is_own.then(|| signed.verified()).flatten()?;
    let is_good = (wall_ms..=wall_ms + 2 * Pass::GOOD_MS).contains(&pass.expires_ms);
    is_good.then(|| Visitor { scopes: Scopes::ALL, ..Visitor::default() })
}

/// The visitor of a session that is not over.
pub(super) fn by_session<D: Desk>(
    desk: &mut D,
    text: &str,
    wall_ms: u64,
) -> Result<Option<Visitor>, StoreError> {
    let Some(session) = read_session(desk, text, wall_ms) else { return Ok(None) };
    let account = accounts::account(desk.store().index(), &session.name)?;
    let stands = account.filter(|account| account.act == session.act);
    Ok(stands.map(|account| Visitor {
        name: account.name,
        scopes: account.scopes,
        csrf: csrf(text),
        set_cookie: String::new(),
        is_secure: false,
    }))
}

fn read_session<D: Desk>(desk: &mut D, text: &str, wall_ms: u64) -> Option<Session> {
    if text.len() > SESSION_BYTES_MAX {
        return None;
    }
    let signed = Session::parse(text)?;
    if signed.said.expires_ms <= wall_ms || !desk.trusts(&signed.key) {
        return None;
    }
    let hash = *blake3::hash(text.as_bytes()).as_bytes();
    if desk.gate().is_verified(&hash) {
        return Some(signed.said);
    }
    let session = signed.verified()?;
    desk.gate().note_verified(hash);
    Some(session)
}

/// The text of a session that begins now.
pub(super) fn session<D: Desk>(desk: &D, account: &Account, wall_ms: u64) -> String {
    let session =
        Session { name: account.name.clone(), expires_ms: wall_ms + SESSION_MS, act: account.act };
    session.signed(desk.key(), |message| desk.sign(message))
}

/// What a form must carry of a visitor with this cookie. Only who can read the cookie can know it;
/// and every node comes to the same.
pub(super) fn csrf(cookie: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("bellwether csrf of a cookie");
    hasher.update(cookie.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Why someone may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    /// Nobody has signed in.
    SignIn(Scope),
    /// Who has may not.
    Scope(Scope),
}

impl Visitor {
    /// Whether the visitor may do what is in this scope.
    pub fn may(&self, scope: Scope) -> Result<(), Lacks> {
        if self.scopes.has(scope) {
            Ok(())
        } else if self.name.is_empty() {
            Err(Lacks::SignIn(scope))
        } else {
            Err(Lacks::Scope(scope))
        }
    }
}
