//! The page on which a story is withdrawn, for good.

use super::{Around, Inner, framed, headline, story_href};
use askama::Template;

/// What it shows.
#[derive(Debug)]
pub(in crate::serve) struct WithdrawPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) title: &'a str,
    pub(in crate::serve) headline: &'a str,
    /// As it was typed.
    pub(in crate::serve) reason: &'a str,
    /// Why it was not withdrawn; empty for no reason.
    pub(in crate::serve) fault: &'a str,
}

/// The page.
pub(in crate::serve) fn withdraw(page: &WithdrawPage<'_>) -> String {
    let headline = headline(page.headline, page.title);
    let main = Main { page, headline, href: story_href(page.title) };
    framed(&page.around, &Inner { title: "Withdraw a story", ..Inner::default() }, &main)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Withdraw a story</h1>
<p><a class="headline" href="{{ href }}" dir="auto">{{ headline }}</a></p>
<p class="note">A withdrawal is for good and goes to every node: the texts of all revisions are
erased, and nothing can be written under this title again. The reason stays.</p>
{%- if !page.fault.is_empty() %}
<p class="note" role="alert" id="fault">{{ page.fault }}</p>
{%- endif %}
<form class="write" method="post" action="{{ href }}/withdraw">
<input type="hidden" name="csrf" value="{{ page.around.csrf }}">
<p><label for="f-reason">The reason, for everyone to read</label>
<textarea id="f-reason" name="reason" rows="4" dir="auto"
{%- if !page.fault.is_empty() %} aria-describedby="fault"
{%- endif %}>
{{ page.reason }}</textarea></p>
<p class="sure"><input type="checkbox" id="f-sure" name="sure" value="yes" required>
<label for="f-sure">Withdraw this story, for good</label></p>
<p class="buttons"><button>Withdraw</button> <a href="{{ href }}">Leave it</a></p>
</form>"#
)]
struct Main<'a> {
    page: &'a WithdrawPage<'a>,
    headline: &'a str,
    href: String,
}
