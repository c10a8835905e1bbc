//! What is put into a page stays what it is, wherever it is put; and each page is whole HTML.

use super::body::paragraphs;
use super::*;
use crate::news::{
    ChangeKind, ChangeLine, Head, Located, Near, Page, Revision, RevisionLine, SectionLine, Story,
    StoryLine, Wanted, Withdrawn,
};
use crate::update::{Cid, Dot, Draft, Epoch, Kind, Update};

/// Texts that would be more than text where they are not escaped.
const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></main></body><h1>",
    "javascript:alert(1)",
    "{{ 7 * 7 }} ${7*7}",
    "<!-- --><![CDATA[ ]]>",
    "&lt;b&gt; &amp; &#60;",
    "\u{202e}gnp.\u{2066}<svg/onload=x>",
];

const VOID: [&str; 7] = ["meta", "link", "input", "br", "img", "hr", "!doctype"];

/// Goes through the tags of a page: each is closed in its order, none runs anything, and none has a
/// name or an attribute that is not ours.
#[track_caller]
fn check(html: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (tag, behind) = tag(&rest[at + 1..]);
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{html}");
            continue;
        }
        let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '!'), "{name} in {html}");
        assert!(!["svg", "style", "iframe", "object", "base"].contains(&name), "{html}");
        for (name, value) in attributes_of(attributes) {
            assert!(!name.starts_with("on") && name != "style", "{tag} in {html}");
            let is_address = ["href", "src", "action"].contains(&name);
            assert!(!is_address || value.starts_with(['/', '#', '?']), "{tag} in {html}");
        }
        let ours = ["script src=\"/site.js?v=", "script src=\"/edit.js?v="];
        let is_ours = !tag.starts_with("script") || ours.iter().any(|ours| tag.starts_with(ours));
        assert!(is_ours, "{tag} in {html}");
        if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
    }
    assert_eq!(open, [""; 0], "{html}");
}

/// The inside of the tag that a text begins with, and what stands behind it.
fn tag(text: &str) -> (&str, &str) {
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return (&text[..at], &text[at + 1..]),
            '<' => panic!("a tag in a tag: {text}"),
            _ => {}
        }
    }
    panic!("a tag without an end: {text}");
}

fn attributes_of(text: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ', '\n']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let value = behind.strip_prefix("=\"").map(|value| value.split_once('"').expect("quoted"));
        let (value, behind) = value.unwrap_or(("", behind));
        assert!(!behind.starts_with('='), "no value is bare: {text}");
        out.push((name, value));
        rest = behind.trim_start();
    }
    out
}

fn seal(kind: Kind, media_type: &str, parents: Vec<Cid>, payload: &[u8]) -> Update {
    Update::seal(Draft {
        clock: Hlc::from_ms(1_795_310_880_042),
        kind,
        media_type,
        parents,
        payload,
        ..Draft::sample(1)
    })
    .unwrap()
}

fn hostile(text: &str) -> Revision<'_> {
    Revision {
        generation: 1,
        title: text,
        headline: text,
        section: text,
        author: text,
        summary: text,
        located: Some(Located { lat_udeg: 1, lon_udeg: -2 }),
        body: text.as_bytes(),
        ..Revision::default()
    }
}

fn head(text: &str) -> Head {
    Head {
        cid: Cid([7; 32]),
        dot: Dot { epoch: Epoch(1), seq: 1 },
        generation: 1,
        clock: Hlc(1),
        headline: text.to_owned(),
        section: text.to_owned(),
        author: text.to_owned(),
        located: None,
    }
}

fn around(text: &str) -> Around<'_> {
    Around { node: text, name: text, csrf: text, here: format!("/{text}"), may_withdraw: true }
}

fn lines(text: &str) -> Page<StoryLine> {
    let line = StoryLine { title: text.into(), head: head(text), conflicts: vec![Cid([8; 32])] };
    Page { lines: vec![line], next: Some(text.to_owned()) }
}

fn story_of(text: &str) -> Story {
    Story {
        title: text.to_owned(),
        heads: vec![head(text)],
        conflicts: 0,
        revisions: 3,
        first: Hlc(1),
        withdrawn: None,
    }
}

#[test]
fn lists_hold_hostile_texts() {
    for text in HOSTILE {
        let newest = lines(text);
        let column = Column { section: text.to_owned(), lines: newest.lines.clone() };
        let lead = seal(Kind::Revision, "text/markdown", vec![], &hostile(text).encode().unwrap());
        check(&front(&FrontPage {
            around: around(text),
            cursor: text,
            newest: &newest,
            leads: &[lead],
            columns: &[column],
        }));
        let page =
            SectionPage { around: around(text), section: text, cursor: Some(text), page: &newest };
        check(&section(&page));
        let sections = [SectionLine { section: text.to_owned(), stories: 2 }];
        check(&super::sections(&SectionsPage { around: around(text), sections: &sections }));
        let change = |kind| ChangeLine {
            cid: Cid([1; 32]),
            at: Hlc(1),
            kind,
            title: text.to_owned(),
            headline: text.to_owned(),
            section: text.to_owned(),
            author: text.to_owned(),
            summary: text.to_owned(),
            bytes: 1,
            parents: vec![Cid([2; 32])],
        };
        let kinds = CHANGE_KINDS.map(|(_, kind)| change(kind)).to_vec();
        check(&changes(&ChangesPage {
            around: around(text),
            wanted: Wanted {
                kind: Some(ChangeKind::Edit),
                section: Some(text),
                author: Some(text),
            },
            cursor: Some(text),
            page: &Page { lines: kinds, next: Some(text.to_owned()) },
            sections: &sections,
        }));
        let near = Near {
            title: text.to_owned(),
            cid: Cid([1; 32]),
            headline: text.to_owned(),
            section: text.to_owned(),
            located: Located { lat_udeg: 0, lon_udeg: 0 },
            distance_mm: 5,
        };
        for from in [None, Some(near.located)] {
            let near = std::slice::from_ref(&near);
            let (lat, lon) = (text, text);
            check(&map(&MapPage { around: around(text), lat, lon, radius_km: 5, from, near }));
        }
    }
}

#[test]
fn stories_hold_hostile_texts() {
    let plain = "A word, and another.\n\nMore.";
    for text in HOSTILE {
        for media_type in ["text/plain", "text/markdown", "text/html", "image/png", "image/svg+xml"]
        {
            let (was, is) = (hostile(text), Revision { body: plain.as_bytes(), ..hostile(text) });
            for (was, is) in [(&was, &is), (&is, &was), (&was, &was)] {
                let a = seal(Kind::Revision, media_type, vec![], &was.encode().unwrap());
                let b = seal(Kind::Revision, media_type, vec![a.cid()], &is.encode().unwrap());
                for since in [None, Some(&a)] {
                    check(&story(&StoryPage {
                        around: around(text),
                        story: &story_of(text),
                        update: &b,
                        revision: is,
                        since,
                    }));
                }
                check(&diff(&DiffPage {
                    around: around(text),
                    title: text,
                    a: Side { update: &a, revision: was },
                    b: Side { update: &b, revision: is },
                }));
            }
        }
        let revision = RevisionLine {
            cid: Cid([1; 32]),
            dot: Dot { epoch: Epoch(1), seq: 1 },
            parents: vec![Cid([2; 32])],
            at: Hlc(1),
            author: text.to_owned(),
            summary: text.to_owned(),
            bytes: 1,
            generation: 1,
        };
        check(&history(&HistoryPage {
            around: around(text),
            title: text,
            headline: text,
            heads: &[Cid([1; 32])],
            page: &Page { lines: vec![revision.clone(), revision], next: Some(text.to_owned()) },
        }));
        let gone = Withdrawn { at: Hlc(1), cid: Cid([1; 32]), reason: text.to_owned() };
        check(&withdrawn(&WithdrawnPage { around: around(text), withdrawn: &gone }));
        check(&plain_page(text));
    }
}

fn plain_page(text: &str) -> String {
    plain(&PlainPage { around: around(text), heading: text, text })
}

#[test]
fn a_language_says_the_direction_and_stands_where_its_text_is() {
    let page = |language: &str| {
        let revision = Revision { language, ..hostile("t") };
        let update = seal(Kind::Revision, "text/plain", vec![], &revision.encode().unwrap());
        story(&StoryPage {
            around: Around::default(),
            story: &story_of("t"),
            update: &update,
            revision: &revision,
            since: None,
        })
    };
    assert!(page("ar-EG").contains("<h1 lang=\"ar-EG\" dir=\"rtl\">"));
    assert!(page("de").contains("<div class=\"body\" lang=\"de\" dir=\"auto\">"));
    assert!(page("").contains("<div class=\"body\" dir=\"auto\">"));
}

#[test]
fn what_changed_is_marked_in_headline_and_body() {
    let was = Revision { headline: "Two die", body: b"In the *night*.", ..hostile("t") };
    let is = Revision { headline: "Three die", body: b"In the *day*.", ..hostile("t") };
    let a = seal(Kind::Revision, "text/markdown", vec![], &was.encode().unwrap());
    let b = seal(Kind::Revision, "text/markdown", vec![a.cid()], &is.encode().unwrap());
    let html = story(&StoryPage {
        around: Around::default(),
        story: &story_of("t"),
        update: &b,
        revision: &is,
        since: Some(&a),
    });
    assert!(html.contains("<del>Two</del> <ins>Three</ins> die</h1>"), "{html}");
    assert!(html.contains("<em><del>night</del><ins>day</ins></em>."), "{html}");
}

#[test]
fn a_first_view_is_small() {
    let newest = lines("A headline of a usual length, as they are, with some words more");
    let line = newest.lines[0].clone();
    let page = Page { lines: vec![line.clone(); 16], next: None };
    let column = || Column { section: "Section".to_owned(), lines: vec![line.clone(); 5] };
    let html = front(&FrontPage {
        around: Around::default(),
        cursor: &"x".repeat(1500),
        newest: &page,
        leads: &[],
        columns: &[column(), column(), column(), column(), column(), column()],
    });
    let gzip = |text: &str| {
        let coding = crate::proto::http::Coding::Gzip;
        coding.encode(text.as_bytes()).expect("it gets shorter").len()
    };
    let bytes = gzip(&html) + gzip(STYLESHEET) + gzip(SCRIPT);
    assert!(bytes < 20_000, "{bytes}");
}

#[test]
fn paragraphs_are_parted_by_empty_lines() {
    assert_eq!(paragraphs(""), [""; 0]);
    assert_eq!(paragraphs("\n \n"), [""; 0]);
    assert_eq!(paragraphs("a"), ["a"]);
    assert_eq!(paragraphs("a\nb\r\n\r\nc  \n\t\n\n d\n"), ["a\nb", "c", " d"]);
}

#[test]
fn titles_and_sections_make_safe_addresses() {
    assert_eq!(story_href("a/b?c=\"d\""), "/stories/a%2Fb%3Fc%3D%22d%22");
    assert_eq!(section_href("a/b"), "/sections/a%2Fb");
    assert_eq!(section_href(".."), "/?section=..");
    assert_eq!(headline("  ", "title"), "title");
    let around = Around { here: "/a?b=c&d".to_owned(), ..Around::default() };
    let html = plain(&PlainPage { around, heading: "h", text: "t" });
    assert!(html.contains("\"/sign-in?to=%2Fa%3Fb%3Dc%26d\""), "{html}");
}
