//! Markdown (`CommonMark` with tables and strike-through) as HTML that can do nothing but be read:
//! raw HTML becomes text, links lead only where links may, images become links.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Renders a text. All that the writer wrote is escaped.
pub(super) fn render(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let events = Parser::new_ext(text, options).map(tame);
    let mut out = String::with_capacity(text.len() * 5 / 4 + 64);
    html::push_html(&mut out, events);
    out
}

fn tame(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        // An image from elsewhere would tell that place who reads here.
        Event::Start(
            Tag::Link { link_type, dest_url, title, id }
            | Tag::Image { link_type, dest_url, title, id },
        ) => Event::Start(Tag::Link { link_type, dest_url: safe(dest_url), title, id }),
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        other => other,
    }
}

/// The address if it is relative or of a scheme that only shows something; else nowhere.
fn safe(url: CowStr<'_>) -> CowStr<'_> {
    // Browsers drop control characters and leading white space before they look for a scheme.
    let plain: String =
        url.chars().filter(|c| !c.is_control() && !c.is_whitespace()).take(32).collect();
    let before_path = plain.find(['/', '?', '#']).unwrap_or(plain.len());
    let is_safe = match plain[..before_path].split_once(':') {
        None => true,
        Some((scheme, _)) => {
            ["http", "https", "mailto"].iter().any(|safe| scheme.eq_ignore_ascii_case(safe))
        }
    };
    if is_safe { url } else { CowStr::Borrowed("#") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_markdown_is_rendered() {
        let html = render("# Title\n\nA *word*, [a link](https://example.com/?a=1&b=2).\n\n- x\n");
        assert!(html.contains("<h1>Title</h1>"), "{html}");
        assert!(html.contains("<em>word</em>"), "{html}");
        assert!(html.contains("<a href=\"https://example.com/?a=1&amp;b=2\">a link</a>"), "{html}");
        assert!(render("|a|b|\n|-|-|\n|1|2|\n").contains("<td>1</td>"));
    }

    #[test]
    fn raw_html_is_shown_not_obeyed() {
        for text in [
            "<script>alert(1)</script>",
            "a <b onclick=\"x\">c</b>",
            "<!-- x -->\n\n<div\nonmouseover=x>",
            "<style>*{}</style>",
        ] {
            let html = render(text);
            assert!(!html.contains("<script") && !html.contains("<b ") && !html.contains("<div"));
            assert!(html.contains("&lt;"), "{html}");
        }
    }

    #[test]
    fn links_lead_only_where_links_may() {
        for bad in [
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert)",
            "[x](&#106;avascript:alert)",
            "[x](<java\tscript:alert>)",
            "[x](< javascript:alert>)",
            "[x](data:text/html,x)",
            "[x](vbscript:x)",
            "![x](javascript:alert)",
            "<javascript:alert>",
            "[x][y]\n\n[y]: javascript:alert",
        ] {
            let html = render(bad);
            assert!(html.contains("href=\"#\""), "{bad} {html}");
        }
        for good in ["/stories/a", "other", "?x=y:z", "#a:b", "HTTPS://example.com/x:y", "a/b:c"] {
            let html = render(&format!("[x](<{good}>)"));
            assert!(html.contains(&format!("href=\"{good}\"")), "{good} {html}");
        }
        let image = render("![a picture](https://example.com/p.png)");
        assert!(image.contains("<a href=\"https://example.com/p.png\">a picture</a>"), "{image}");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_tag_of_its_own(text in "[<>!\\[\\]()a-c:\"'`*_#|\\n &;/=-]{0,80}") {
            let html = render(&text);
            for tag in html.split('<').skip(1) {
                let name = tag.trim_start_matches('/');
                let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
                prop_assert!(KNOWN.contains(&&name[..]), "{name} in {html}");
                let inside = tag.split('>').next().unwrap_or_default();
                prop_assert!(!inside.contains(" on"), "{html}");
            }
        }
    }

    const KNOWN: [&str; 26] = [
        "p",
        "em",
        "strong",
        "del",
        "a",
        "code",
        "pre",
        "ul",
        "ol",
        "li",
        "blockquote",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "br",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "img",
    ];
}
