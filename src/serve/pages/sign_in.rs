//! The page on which someone signs in, or out.

use super::frame::{Around, Inner, framed};
use askama::Template;

/// What it shows.
#[derive(Debug)]
pub(in crate::serve) struct SignInPage<'a> {
    /// Says who has signed in, if anyone.
    pub(in crate::serve) around: Around<'a>,
    /// The name that was tried.
    pub(in crate::serve) name: &'a str,
    /// Where to go then.
    pub(in crate::serve) to: &'a str,
    /// What was wrong; empty for nothing.
    pub(in crate::serve) fault: &'a str,
}

/// The page.
pub(in crate::serve) fn sign_in(page: &SignInPage<'_>) -> String {
    let inner = Inner { title: "Sign in", ..Inner::default() };
    framed(&page.around, &inner, &SignInMain { page })
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Sign in</h1>
{%- if !page.fault.is_empty() %}
<p class="note" role="alert">{{ page.fault }}</p>
{%- endif %}
{%- if !page.around.name.is_empty() %}
<form method="post" action="/sign-out">
<input type="hidden" name="csrf" value="{{ page.around.csrf }}">
<p>You are signed in as <strong>{{ page.around.name }}</strong>.
<button>Sign out</button></p>
</form>
{%- endif %}
<form method="post" action="/sign-in">
<input type="hidden" name="csrf" value="{{ page.around.csrf }}">
<input type="hidden" name="to" value="{{ page.to }}">
<p><label>Name<br><input name="name" value="{{ page.name }}" autocomplete="username"
 autocapitalize="none" spellcheck="false" required maxlength="64"></label></p>
<p><label>Password<br><input name="password" type="password" autocomplete="current-password"
 required maxlength="1024"></label></p>
<p><button>Sign in</button></p>
</form>
<p class="by">Reading needs no account. Accounts are made by whoever runs this node.</p>
"#
)]
struct SignInMain<'a> {
    page: &'a SignInPage<'a>,
}
