//! What stands around every page: its head, the masthead with the ways to go, its end.

use super::{Live, SCRIPT_HREF, STYLESHEET_HREF, rendered};
use crate::proto::http::encode_segment;
use askama::Template;

/// What the frame says besides the page: where it is read, and by whom.
#[derive(Clone, Debug, Default)]
pub(in crate::serve) struct Around<'a> {
    /// The node; empty on pages that could not be made as wished.
    pub(in crate::serve) node: &'a str,
    /// Who has signed in; empty: nobody.
    pub(in crate::serve) name: &'a str,
    /// What a form of theirs must carry.
    pub(in crate::serve) csrf: &'a str,
    /// The page's own address, to come back to; empty where there is nothing to come back to.
    pub(in crate::serve) here: String,
    /// They may withdraw stories.
    pub(in crate::serve) may_withdraw: bool,
}

/// A page's own part.
#[derive(Debug, Default)]
pub(super) struct Inner<'a> {
    /// As the browser shows it in its tabs.
    pub(super) title: &'a str,
    /// Which of the masthead's ways led here; empty: none.
    pub(super) way: &'a str,
    /// How it is kept fresh while it is read; `None`: it isn't.
    pub(super) live: Option<Live<'a>>,
}

/// The whole page around `main`.
pub(super) fn framed(around: &Around<'_>, inner: &Inner<'_>, main: &impl Template) -> String {
    let main = rendered(main);
    rendered(&Frame {
        around,
        inner,
        sign_in: sign_in(&around.here),
        style: &STYLESHEET_HREF,
        script: &SCRIPT_HREF,
        main: &main,
    })
}

fn sign_in(here: &str) -> String {
    match here {
        "" => "/sign-in".to_owned(),
        here => format!("/sign-in?to={}", encode_segment(here)),
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ inner.title }} – Bellwether</title>
<link rel="stylesheet" href="{{ style }}">
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="alternate" type="application/atom+xml" title="All stories" href="/feed.atom">
<script src="{{ script }}" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the text</a>
<header class="top">
<p class="name"><a href="/">Bellwether</a></p>
<form class="search" role="search" action="/search">
<label class="unseen" for="q">Search the news</label>
<input id="q" name="q" type="search" placeholder="Search the news">
<button>Search</button>
</form>
<nav aria-label="Site"><ul>
{%- for (href, text) in WAYS %}
<li><a href="{{ href }}"{% if inner.way == *href %} aria-current="page"{% endif %}>
{{- text }}</a></li>
{%- endfor %}
<li class="last">
{%- if around.name.is_empty() %}<a href="{{ sign_in }}" rel="nofollow">Sign in</a>
{%- else %}<form action="/sign-out" method="post">
<input type="hidden" name="csrf" value="{{ around.csrf }}">
<input type="hidden" name="to" value="{{ around.here }}">
<bdi>{{ around.name }}</bdi> <button>Sign out</button>
</form>{% endif %}</li>
</ul></nav>
<p id="live" class="live" role="status" hidden></p>
</header>
{%- if let Some(live) = inner.live %}
<main id="main" tabindex="-1" data-live="{{ live.what }}"
{%- for (name, value) in live.data %} data-{{ name }}="{{ value }}"{% endfor %}>
{%- else %}
<main id="main" tabindex="-1">
{%- endif %}
{{ main|safe }}
</main>
<footer class="end">
<p>{% if !around.node.is_empty() %}Read at <bdi>{{ around.node }}</bdi>. {% endif -%}
<span id="zone">Times are UTC.</span></p>
<ul><li><a href="/feed.atom">Feed</a></li>
<li><a href="/changes">Recent changes</a></li>
<li><a href="/panel">The herd</a></li></ul>
</footer>
</body>
</html>
"##
)]
struct Frame<'a> {
    around: &'a Around<'a>,
    inner: &'a Inner<'a>,
    sign_in: String,
    style: &'a str,
    script: &'a str,
    /// HTML.
    main: &'a str,
}

/// The masthead's ways.
const WAYS: &[(&str, &str)] = &[
    ("/", "Front"),
    ("/sections", "Sections"),
    ("/changes", "Changes"),
    ("/map", "Nearby"),
    ("/write", "Write"),
];
