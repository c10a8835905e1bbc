//! Who asks over HTTP, and whether they may: a bearer token, a session's cookie, or nobody. Looked
//! at only where a route needs to know; whoever just reads costs nothing here.
//!
//! Two things keep other sites' pages from using a visitor's browser. What changes something is
//! refused when the browser says that it comes from elsewhere (`Sec-Fetch-Site`, `Origin`); and
//! forms carry a hash of a cookie that no other site can read. Cookies are `SameSite=Lax`, not
//! `Strict`, so that who follows a link from elsewhere is still signed in; a GET changes nothing.

use super::answer::Answer;
use super::problem::Problem;
use super::route::{Route, Verb};
use super::site::is_for_people;
use super::standing::{Proof, Standing};
use crate::accounts::Scopes;
use crate::proto::http::{Fields, Head, Status, cookie, encode_segment};
use crate::reactor::{Ctx, Peer};
use crate::serve::Desk;
use crate::serve::visitor::{self, Lacks, Visitor, anyone};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::IpAddr;

/// The cookie of a session.
pub(super) const SESSION_COOKIE: &str = "bw_session";
/// The cookie that forms of people without a session are tied to.
const VISIT_COOKIE: &str = "bw_visit";

/// Who asks, if they may do this. Where a route asks for nothing and shows nothing of its visitor,
/// nobody is looked for.
pub(super) fn admit<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    head: &Head<'_>,
    (route, verb): (&Route, Verb),
) -> Result<Visitor, Problem> {
    let scope = route.scope(verb);
    if scope.is_none() && !route.is_personal() {
        return Ok(Visitor::default());
    }
    let visitor = match head.fields.first("authorization") {
        Some(value) => by_authorization(cx, desk, head, value)?.1,
        None if verb != Verb::Read && is_foreign(head) => {
            let detail = "this comes from a page of another site: open it here and try again";
            return Err(Problem::new(Status::FORBIDDEN, detail));
        }
        None => by_cookie(cx, desk, head, route)?,
    };
    if let Some(scope) = scope {
        visitor.may(scope).map_err(lacking)?;
    }
    Ok(visitor)
}

/// 401 or 403, with the scope that is missing.
pub(in crate::serve) fn lacking(lacks: Lacks) -> Problem {
    match lacks {
        Lacks::SignIn(scope) => {
            let name = scope.name();
            let detail = format!("this needs the scope {name}: sign in, or send a bearer token");
            let problem = Problem::new(Status::UNAUTHORIZED, detail).with("scope", name.into());
            problem
                .field("WWW-Authenticate", format!("Bearer realm=\"bellwether\", scope=\"{name}\""))
        }
        Lacks::Scope(scope) => {
            let name = scope.name();
            let detail = format!("this needs the scope {name}, which you do not have");
            let problem = Problem::new(Status::FORBIDDEN, detail).with("scope", name.into());
            let fault = format!("Bearer error=\"insufficient_scope\", scope=\"{name}\"");
            problem.field("WWW-Authenticate", fault)
        }
    }
}

/// What a token allows, and what anyone may do here without one. One that is no good is an error,
/// even where nobody needs one: its sender believes to be someone.
fn by_authorization<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    head: &Head<'_>,
    value: &[u8],
) -> Result<(Standing, Visitor), Problem> {
    let from = cx.transport().peer();
    let token = bearer(value).ok_or_else(|| bad_token("Authorization is no bearer token"))?;
    // A pass is for programs on this machine; from elsewhere it was stolen.
    let proof = Proof::of_token(token, is_at_hand(&from, &head.fields));
    let proof = proof.ok_or_else(unknown_token)?;
    let standing = Standing { proof, floor: anyone(desk, false) };
    let visitor = standing.visitor(desk, cx.wall_ns() / 1_000_000)?;
    Ok((standing, visitor))
}

/// 401 for a token that is no good.
pub(super) fn unknown_token() -> Problem {
    bad_token("this token is unknown, or revoked")
}

fn bad_token(detail: &str) -> Problem {
    let problem = Problem::new(Status::UNAUTHORIZED, detail);
    problem.field("WWW-Authenticate", "Bearer error=\"invalid_token\"")
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn by_cookie<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    head: &Head<'_>,
    route: &Route,
) -> Result<Visitor, Problem> {
    let standing = of_browser(cx, desk, head);
    let mut visitor = standing.visitor(desk, cx.wall_ns() / 1_000_000)?;
    visitor.is_secure = cx.transport().is_secure();
    if visitor.name.is_empty() && route.has_form() {
        tie(&mut visitor, &head.fields);
    }
    Ok(visitor)
}

/// The standing of someone without a token: by the session's cookie, if there is one.
fn of_browser<D: Desk>(cx: &mut Ctx<'_, D>, desk: &D, head: &Head<'_>) -> Standing {
    let from = cx.transport().peer();
    let is_near = is_at_hand(&from, &head.fields) && names_this_machine(head);
    let is_lured = from.is_local() && is_page_of_a_strange_name(head);
    let floor = if is_lured && desk.config().accounts_open.is_none() {
        Scopes::READER
    } else {
        anyone(desk, is_near)
    };
    let session = cookie(&head.fields, SESSION_COOKIE);
    let proof = session.map_or(Proof::Nothing, |text| Proof::Session(text.to_owned()));
    Standing { proof, floor }
}

/// The standing of whoever asks for a socket, which lasts. A page of another site gets none, not
/// even to read: a browser lets it have what comes in over a socket, unlike all else.
pub(super) fn admit_socket<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    head: &Head<'_>,
) -> Result<Standing, Problem> {
    match head.fields.first("authorization") {
        Some(value) => by_authorization(cx, desk, head, value).map(|(standing, _)| standing),
        None if is_foreign(head) => {
            let detail = "a page of another site gets no socket here";
            Err(Problem::new(Status::FORBIDDEN, detail))
        }
        None => Ok(of_browser(cx, desk, head)),
    }
}

/// Ties the forms of someone without a session to a cookie of theirs, a new one if they have none.
fn tie(visitor: &mut Visitor, fields: &Fields<'_>) {
    if let Some(text) = cookie(fields, VISIT_COOKIE).filter(|text| text.len() == 22) {
        visitor.csrf = visitor::csrf(text);
        return;
    }
    let mut random = [0; 16];
    if let Err(error) = getrandom::fill(&mut random) {
        // Without it no form of theirs is taken, and nothing else is wrong.
        return log::error!("the system gives no random numbers: {error}");
    }
    let text = URL_SAFE_NO_PAD.encode(random);
    visitor.csrf = visitor::csrf(&text);
    let secure = if_secure(visitor.is_secure);
    visitor.set_cookie = format!("{VISIT_COOKIE}={text}; Path=/; HttpOnly; SameSite=Lax{secure}");
}

/// What keeps a cookie that was given over TLS from ever going in the clear.
pub(super) fn if_secure(is_secure: bool) -> &'static str {
    if is_secure { "; Secure" } else { "" }
}

/// 403 unless a form came from a page of ours that this visitor was shown.
pub(super) fn check_form(visitor: &Visitor, sent: Option<&str>) -> Result<(), Problem> {
    let is_ours = !visitor.csrf.is_empty()
        && visitor.set_cookie.is_empty()
        && sent.is_some_and(|sent| {
            blake3::hash(sent.as_bytes()) == blake3::hash(visitor.csrf.as_bytes())
        });
    if is_ours {
        return Ok(());
    }
    let detail = "this form is out of date, or your browser keeps no cookies: load the page again";
    Err(Problem::new(Status::FORBIDDEN, detail))
}

/// True for someone on this machine, for whom no proxy speaks that says so.
pub(super) fn is_at_hand(from: &Peer, fields: &Fields<'_>) -> bool {
    const OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    from.is_local() && OF_PROXIES.iter().all(|name| fields.first(name).is_none())
}

/// True when a browser says that the request was made by a page of another site.
fn is_foreign(head: &Head<'_>) -> bool {
    if let Some(site) = head.fields.first("sec-fetch-site") {
        return !matches!(site, b"same-origin" | b"none");
    }
    let Some(origin) = head.fields.text("origin") else {
        return head.fields.first("origin").is_some();
    };
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    !head.authority().is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// True for a browser's page at a name that is not this machine's own, where it says that it comes
/// from there: nodes that are open because nobody beyond their machine can reach them write nothing
/// for it. Who serves pages under a name says so with `[accounts] open`.
fn is_page_of_a_strange_name(head: &Head<'_>) -> bool {
    let is_browser =
        ["origin", "sec-fetch-site"].iter().any(|name| head.fields.first(name).is_some());
    is_browser && !names_this_machine(head)
}

/// True when the address asked for is one of this machine's own. A name that someone else's server
/// gives the address 127.0.0.1 would make their pages ours.
fn names_this_machine(head: &Head<'_>) -> bool {
    let Some(authority) = head.authority() else { return true };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

/// What someone gets who may not do this. In front of a browser, and if it is worth a try: the page
/// to sign in, and from there back here.
pub(super) fn sign_in_first(
    head: &Head<'_>,
    verb: Verb,
    problem: Problem,
) -> Result<Answer, Problem> {
    let is_worth_it = verb == Verb::Read && problem.status() == Status::UNAUTHORIZED;
    if !is_worth_it || !is_for_people(head) {
        return Err(problem);
    }
    let target = match head.target.query() {
        Some(query) => format!("{}?{query}", head.target.path()),
        None => head.target.path().to_owned(),
    };
    let location = format!("/sign-in?to={}", encode_segment(&target));
    Ok(Answer::empty(Status::SEE_OTHER).field("Location", location))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_in_any_case_of_its_scheme() {
        assert_eq!(bearer(b"Bearer bw_x"), Some("bw_x"));
        assert_eq!(bearer(b"bearer  bw_x"), Some("bw_x"));
        for other in [&b"Basic bw_x"[..], b"bw_x", b"Bearer", b"Bearer \xff", b""] {
            assert_eq!(bearer(other), None);
        }
    }

    #[test]
    fn a_form_is_taken_with_its_visitors_token_alone() {
        let visitor = Visitor { csrf: "abc".to_owned(), ..Visitor::default() };
        assert!(check_form(&visitor, Some("abc")).is_ok());
        for sent in [None, Some(""), Some("abd"), Some("abcd")] {
            assert!(check_form(&visitor, sent).is_err(), "{sent:?}");
        }
        assert!(check_form(&Visitor::default(), Some("")).is_err());
        let fresh = Visitor { set_cookie: "x".to_owned(), ..visitor };
        assert!(check_form(&fresh, Some("abc")).is_err(), "a cookie that nobody has yet");
    }
}
