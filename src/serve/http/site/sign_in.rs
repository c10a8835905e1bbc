//! `/sign-in` and `/sign-out`: a form, a password checked off the loop, a session in a cookie.

use super::{form_only, framed, given_to, public};
use crate::accounts::{Account, PASSWORD_BYTES_MAX, is_account_name};
use crate::proto::http::Status;
use crate::reactor::Ctx;
use crate::serve::http::admit::{SESSION_COOKIE, check_form, if_secure};
use crate::serve::http::answer::Answer;
use crate::serve::http::problem::Problem;
use crate::serve::http::query::Query;
use crate::serve::http::stories::Asked;
use crate::serve::http::write::Progress;
use crate::serve::pages::{self, Around, SignInPage};
use crate::serve::visitor::{self, SESSION_MS, Visitor};
use crate::serve::{CheckId, Denied, Desk, Verdict};

/// Name and password with their escapes, and where to go.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// Where someone wanted to go is an address of this length at most.
const TO_BYTES_MAX: usize = 4096;

/// `GET /sign-in`
pub(in crate::serve::http) fn page<D: Desk>(desk: &D, asked: &Asked<'_>) -> Answer {
    let to = asked.query.text("to").unwrap_or_default();
    shown(desk, &asked.visitor, Status::OK, ("", to), "")
}

fn shown<D: Desk>(
    desk: &D,
    visitor: &Visitor,
    status: Status,
    (name, to): (&str, &str),
    fault: &str,
) -> Answer {
    let page = SignInPage {
        around: Around { name: &visitor.name, csrf: &visitor.csrf, ..public(desk) },
        name,
        to: own_address(to).unwrap_or("/"),
        fault,
    };
    framed(status, pages::sign_in(&page))
}

/// An address on this site, as a path: nothing that leads elsewhere.
fn own_address(to: &str) -> Option<&str> {
    let rest = to.strip_prefix('/')?;
    let is_own = !rest.starts_with(['/', '\\'])
        && to.len() <= TO_BYTES_MAX
        && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_own.then_some(to)
}

/// What is asked by a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve::http) enum Wish {
    In,
    Out,
}

/// A form under way.
#[derive(Debug)]
pub(in crate::serve::http) struct SignIn {
    wish: Wish,
    visitor: Visitor,
    name: String,
    password: Vec<u8>,
    to: String,
    check: Option<CheckId>,
}

impl SignIn {
    /// Reads all that the head says.
    pub(in crate::serve::http) fn begin(wish: Wish, asked: &Asked<'_>) -> Result<Self, Problem> {
        form_only(&asked.fields)?;
        Ok(Self {
            wish,
            visitor: asked.visitor.clone(),
            name: String::new(),
            password: Vec::new(),
            to: String::new(),
            check: None,
        })
    }

    /// The most bytes that its body may have.
    pub(in crate::serve::http) fn body_bytes_max() -> usize {
        FORM_BYTES_MAX
    }

    /// Takes the whole body.
    pub(in crate::serve::http) fn on_body(&mut self, body: &[u8]) -> Result<(), Problem> {
        let text = std::str::from_utf8(body);
        let text = text.map_err(|_| Problem::malformed("a form is UTF-8"))?;
        let form = Query::read(Some(text))?;
        check_form(&self.visitor, form.text("csrf"))?;
        self.name = form.own("name").unwrap_or_default();
        self.password = form.text("password").unwrap_or_default().as_bytes().to_vec();
        let to = own_address(form.text("to").unwrap_or_default()).unwrap_or("/");
        to.clone_into(&mut self.to);
        Ok(())
    }

    /// Goes on as far as it can.
    pub(in crate::serve::http) fn advance<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Progress {
        if self.wish == Wish::Out {
            let gone = cookie("", 0, self.visitor.is_secure);
            return Progress::Answer(self.leave_with(&gone));
        }
        let Some(check) = self.check else { return self.start(cx, desk) };
        let Some(verdict) = desk.checked(check) else { return Progress::Check };
        let answer = match verdict {
            Verdict::Good(account) => self.welcome(desk, &account, cx.wall_ns() / 1_000_000),
            Verdict::Wrong => {
                desk.tally().on_sign_in("wrong");
                log::info!(
                    "someone at {} has not signed in: wrong name or password",
                    cx.transport().peer()
                );
                self.again(desk, Status::FORBIDDEN, "This name and this password do not match.")
            }
            Verdict::Busy => self.busy(desk),
        };
        Progress::Answer(answer)
    }

    fn start<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Progress {
        let password = std::mem::take(&mut self.password);
        if !is_account_name(&self.name) || password.len() > PASSWORD_BYTES_MAX {
            let fault = "This name and this password do not match.";
            return Progress::Answer(self.again(desk, Status::FORBIDDEN, fault));
        }
        match desk.check_password(cx, &self.name, &password) {
            Ok(check) => {
                self.check = Some(check);
                Progress::Check
            }
            Err(Denied::Slower(ms)) => {
                desk.tally().on_sign_in("slowed");
                let seconds = ms.div_ceil(1000);
                let fault = format!("Too many were wrong: try again in {seconds} seconds.");
                let answer = self.again(desk, Status::TOO_MANY_REQUESTS, &fault);
                Progress::Answer(answer.field("Retry-After", seconds.to_string()))
            }
            Err(Denied::Busy) => Progress::Answer(self.busy(desk)),
        }
    }

    fn welcome<D: Desk>(&self, desk: &mut D, account: &Account, wall_ms: u64) -> Answer {
        desk.tally().on_sign_in("good");
        let session = visitor::session(desk, account, wall_ms);
        self.leave_with(&cookie(&session, SESSION_MS / 1000, self.visitor.is_secure))
    }

    fn leave_with(&self, cookie: &str) -> Answer {
        Answer::empty(Status::SEE_OTHER)
            .field("Location", self.to.clone())
            .field("Set-Cookie", cookie)
            .field("Cache-Control", "no-store")
    }

    fn busy<D: Desk>(&self, desk: &mut D) -> Answer {
        desk.tally().on_sign_in("busy");
        let fault = "Too many sign in at this moment: try again soon.";
        self.again(desk, Status::SERVICE_UNAVAILABLE, fault).field("Retry-After", "1")
    }

    fn again<D: Desk>(&self, desk: &D, status: Status, fault: &str) -> Answer {
        let page = shown(desk, &self.visitor, status, (&self.name, &self.to), fault);
        given_to(&self.visitor, page)
    }

    /// Nobody waits for the end any more.
    pub(in crate::serve::http) fn forget<D: Desk>(&mut self, desk: &mut D) {
        if let Some(check) = self.check.take() {
            desk.checked(check);
        }
    }
}

/// A session's cookie for so many seconds.
fn cookie(session: &str, seconds: u64, is_secure: bool) -> String {
    let secure = if_secure(is_secure);
    format!("{SESSION_COOKIE}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_on_this_site_are_gone_back_to() {
        for own in ["/", "/stories/a?rev=1", "/panel"] {
            assert_eq!(own_address(own), Some(own));
        }
        let long = format!("/{}", "a".repeat(TO_BYTES_MAX));
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "http://evil.example",
            "/a\r\nX: y",
            "/ü",
            &long,
        ] {
            assert_eq!(own_address(other), None, "{other:?}");
        }
    }
}
