//! Feeds: Atom (RFC 4287) with archives (RFC 5005) and deleted entries (RFC 6721). Values in, XML
//! out. Every value is escaped where it is put in; the characters that XML 1.0 can't hold in any
//! form are left out of the whole.

use super::markdown;
use crate::news::at_text;
use crate::update::Hlc;
use askama::Template;

/// A feed document.
#[derive(Debug, Default)]
pub(in crate::serve) struct Feed {
    pub(in crate::serve) id: String,
    pub(in crate::serve) title: String,
    /// Who speaks where an entry has no author.
    pub(in crate::serve) author: String,
    pub(in crate::serve) updated: Hlc,
    pub(in crate::serve) links: Vec<FeedLink>,
    /// What is in here changes no more, or is said again by a newer document.
    pub(in crate::serve) is_archive: bool,
    pub(in crate::serve) entries: Vec<FeedEntry>,
    pub(in crate::serve) deleted: Vec<FeedDeleted>,
}

/// A link of a feed.
#[derive(Debug)]
pub(in crate::serve) struct FeedLink {
    pub(in crate::serve) rel: &'static str,
    pub(in crate::serve) media_type: &'static str,
    pub(in crate::serve) href: String,
}

/// An entry.
#[derive(Debug, Default)]
pub(in crate::serve) struct FeedEntry {
    pub(in crate::serve) id: String,
    pub(in crate::serve) title: String,
    pub(in crate::serve) href: String,
    pub(in crate::serve) published: Hlc,
    pub(in crate::serve) updated: Hlc,
    /// Empty for none; so are section and summary.
    pub(in crate::serve) author: String,
    pub(in crate::serve) section: String,
    pub(in crate::serve) summary: String,
    /// A language tag; empty where it is not known.
    pub(in crate::serve) language: String,
    /// Where relative links of the content lead from.
    pub(in crate::serve) base: String,
    pub(in crate::serve) content: Content,
}

/// What an entry says.
#[derive(Debug, Default)]
pub(in crate::serve) enum Content {
    /// It stands elsewhere.
    #[default]
    None,
    Text(String),
    /// Markdown, as it was written.
    Markdown(String),
    /// Bytes that are no text.
    File {
        href: String,
        media_type: String,
        bytes: usize,
    },
}

/// An entry that is no more.
#[derive(Debug)]
pub(in crate::serve) struct FeedDeleted {
    pub(in crate::serve) id: String,
    pub(in crate::serve) at: Hlc,
    /// Empty for none.
    pub(in crate::serve) why: String,
}

/// The document.
pub(in crate::serve) fn atom(feed: &Feed) -> String {
    let document = Document {
        feed,
        version: env!("CARGO_PKG_VERSION"),
        updated: at_text(feed.updated),
        entries: feed.entries.iter().map(Entry::of).collect(),
        deleted: feed.deleted.iter().map(|gone| (gone, at_text(gone.at))).collect(),
    };
    held(&super::rendered(&document))
}

/// The text without the characters that XML 1.0 has no place for (its section 2.2).
fn held(text: &str) -> String {
    let is_held = |c: &char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        other => *other >= ' ',
    };
    text.chars().filter(is_held).collect()
}

#[derive(Template)]
#[template(
    ext = "xml",
    source = r#"<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0"
 xmlns:fh="http://purl.org/syndication/history/1.0" xml:lang="en">
<id>{{ feed.id }}</id>
<title>{{ feed.title }}</title>
<updated>{{ updated }}</updated>
<author><name>{{ feed.author }}</name></author>
<generator version="{{ version }}">Bellwether</generator>
{%- for link in feed.links %}
<link rel="{{ link.rel }}" type="{{ link.media_type }}" href="{{ link.href }}"/>
{%- endfor %}
{%- if feed.is_archive %}
<fh:archive/>
{%- endif %}
{%- for (gone, at) in deleted %}
<at:deleted-entry ref="{{ gone.id }}" when="{{ at }}">
{%- if !gone.why.is_empty() %}<at:comment>{{ gone.why }}</at:comment>{% endif -%}
</at:deleted-entry>
{%- endfor %}
{%- for line in entries %}
<entry{% if !line.of.language.is_empty() %} xml:lang="{{ line.of.language }}"{% endif %}>
<id>{{ line.of.id }}</id>
<title>{{ line.of.title }}</title>
<link rel="alternate" type="text/html" href="{{ line.of.href }}"/>
<published>{{ line.published }}</published>
<updated>{{ line.updated }}</updated>
{%- if !line.of.author.is_empty() %}
<author><name>{{ line.of.author }}</name></author>
{%- endif %}
{%- if !line.of.section.is_empty() %}
<category term="{{ line.of.section }}"/>
{%- endif %}
{%- if !line.of.summary.is_empty() %}
<summary>{{ line.of.summary }}</summary>
{%- endif %}
{%- match line.of.content %}
{%- when Content::None %}
{%- when Content::Text(text) %}
<content>{{ text }}</content>
{%- when Content::Markdown(_) %}
<content type="html" xml:base="{{ line.of.base }}">{{ line.html }}</content>
{%- when Content::File { href, media_type, bytes } %}
<link rel="enclosure" type="{{ media_type }}" length="{{ bytes }}" href="{{ href }}"/>
{%- endmatch %}
</entry>
{%- endfor %}
</feed>
"#
)]
struct Document<'a> {
    feed: &'a Feed,
    version: &'static str,
    updated: String,
    entries: Vec<Entry<'a>>,
    deleted: Vec<(&'a FeedDeleted, String)>,
}

struct Entry<'a> {
    of: &'a FeedEntry,
    published: String,
    updated: String,
    /// Of Markdown.
    html: String,
}

impl<'a> Entry<'a> {
    fn of(entry: &'a FeedEntry) -> Self {
        let html = match &entry.content {
            Content::Markdown(text) => markdown::render(text),
            _ => String::new(),
        };
        // A story's first revision may come later than a head that follows it.
        let published = entry.published.min(entry.updated);
        Self { of: entry, published: at_text(published), updated: at_text(entry.updated), html }
    }
}
