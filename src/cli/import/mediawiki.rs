//! The XML export of `MediaWiki` (schema 0.3 to 0.11), read as a stream: each page a story, each
//! revision in it an edition, one in memory at a time.

use super::super::failure::Failure;
use super::item::{self, Edition, Found, Sink, TITLE_BYTES_MAX, tidy};
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use std::io::BufRead;
use std::ops::ControlFlow;

/// How a file of this format starts, after an XML declaration or none.
pub(super) fn is_export(start: &str) -> bool {
    let start = start.trim_start_matches('\u{feff}').trim_start();
    start.starts_with("<mediawiki") || start.starts_with("<?xml") && start.contains("<mediawiki")
}

/// The page and the revision that are being read.
#[derive(Default)]
struct Page {
    title: String,
    id: String,
    author: String,
    comment: String,
    format: String,
    text: String,
    /// The text is not in the export: withheld by the wiki, or a dump of heads only.
    withheld: Option<&'static str>,
}

/// Reads all pages of `input`.
pub(super) fn read(input: impl BufRead, sink: Sink<'_>) -> Result<(), Failure> {
    let mut reader = Reader::from_reader(input);
    let mut buffer = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut page = Page::default();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|error| {
            let at = reader.error_position();
            Failure::failed(format!("the XML breaks off at byte {at}: {error}"))
        })?;
        match event {
            Event::Start(start) => {
                let name = local(&start);
                page.begin(&name, &start);
                path.push(name);
            }
            Event::Empty(start) => page.begin(&local(&start), &start),
            Event::Text(text) => page.add(&path, &text.xml10_content()),
            Event::CData(text) => page.add(&path, &text.xml10_content()),
            Event::GeneralRef(name) => page.add(&path, &resolved(&name)),
            Event::End(_) => {
                let ended = path.pop();
                let position = Found::Position(reader.buffer_position());
                if ended.as_deref() == Some("revision")
                    && (sink(position).is_break() || page.finish(sink).is_break())
                {
                    return Ok(());
                }
            }
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err(Failure::failed("the XML ends in the middle of a page")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn local(start: &BytesStart<'_>) -> String {
    start.local_name().as_ref().to_owned()
}

/// A character reference or one of XML's five entities; another one as it stands.
fn resolved(name: &BytesRef<'_>) -> String {
    if let Ok(Some(c)) = name.resolve_char_ref() {
        return c.to_string();
    }
    let known = quick_xml::escape::resolve_predefined_entity(name);
    known.map_or_else(|| format!("&{};", &**name), str::to_owned)
}

impl Page {
    /// An element begins.
    fn begin(&mut self, name: &str, start: &BytesStart<'_>) {
        match name {
            "page" => *self = Self::default(),
            "revision" => {
                *self = Self { title: std::mem::take(&mut self.title), ..Self::default() };
            }
            "text" => {
                let attribute = |name| start.try_get_attribute(name).ok().flatten();
                if attribute("deleted").is_some() {
                    self.withheld = Some("text withheld by the wiki");
                } else if attribute("bytes").is_some_and(|bytes| &*bytes.value != "0") {
                    // Holds unless text comes: see `finish`.
                    self.withheld = Some("no text in this export (a dump of heads only)");
                }
            }
            _ => {}
        }
    }

    /// Character data within the elements of `path`.
    fn add(&mut self, path: &[String], text: &str) {
        let mut inner = path.iter().rev().map(String::as_str);
        let field = match (inner.next(), inner.next()) {
            (Some("title"), Some("page")) => &mut self.title,
            (Some("id"), Some("revision")) => &mut self.id,
            (Some("username" | "ip"), Some("contributor")) => &mut self.author,
            (Some("comment"), Some("revision")) => &mut self.comment,
            (Some("format"), Some("revision")) => &mut self.format,
            (Some("text"), Some("revision")) => &mut self.text,
            _ => return,
        };
        field.push_str(text);
    }

    /// A revision ended: brings it to the sink.
    fn finish(&mut self, sink: Sink<'_>) -> ControlFlow<()> {
        let title = tidy(&self.title);
        let name = format!("{title}, revision {}", tidy(&self.id));
        if title.is_empty() || title.len() > TITLE_BYTES_MAX {
            return sink(Found::Refused("not a title of 1 to 255 bytes", name));
        }
        if let Some(why) = self.withheld.filter(|_| self.text.is_empty()) {
            return sink(Found::Refused(why, name));
        }
        let alias = format!("mediawiki:{}", tidy(&self.id));
        let some = |text: &str| Some(tidy(text)).filter(|text| !text.is_empty());
        sink(Found::Edition(Box::new(Edition {
            title,
            body: std::mem::take(&mut self.text),
            author: some(&self.author),
            summary: some(&self.comment),
            alias: some(&self.id).map(|_| item::alias(&alias)),
            media_type: Some(some(&self.format).unwrap_or_else(|| "text/x-wiki".to_owned())),
            ..Edition::default()
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::tests::collect;
    use super::*;

    const EXPORT: &str = r#"<?xml version="1.0"?>
<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10">
  <siteinfo><sitename>W &amp; W</sitename></siteinfo>
  <page>
    <title>Q &amp; A</title><ns>0</ns><id>12</id>
    <revision>
      <id>1</id><timestamp>2009-01-01T00:00:00Z</timestamp>
      <contributor><username>Zo&#235;</username><id>5</id></contributor>
      <comment>first</comment>
      <model>wikitext</model><format>text/x-wiki</format>
      <text bytes="16" xml:space="preserve">a &lt;b&gt; [[c]]
 d</text>
    </revision>
    <revision><id>2</id><contributor><ip>10.0.0.1</ip></contributor><text bytes="0" /></revision>
    <revision><id>3</id><text bytes="9" deleted="deleted" /></revision>
    <revision><id>4</id><text bytes="9" id="77" /></revision>
  </page>
  <page><title>B</title><revision><id>5</id><text>x<![CDATA[<&]]></text></revision></page>
</mediawiki>
"#;

    #[test]
    fn every_revision_comes_in_order_with_author_and_comment() {
        let found = collect(|sink| read(EXPORT.as_bytes(), sink)).unwrap();
        let first = Edition {
            title: "Q & A".into(),
            alias: Some("mediawiki:1".into()),
            body: "a <b> [[c]]\n d".into(),
            author: Some("Zoë".into()),
            summary: Some("first".into()),
            media_type: Some("text/x-wiki".into()),
            ..Edition::default()
        };
        let second = Edition {
            title: "Q & A".into(),
            author: Some("10.0.0.1".into()),
            alias: Some("mediawiki:2".into()),
            media_type: Some("text/x-wiki".into()),
            ..Edition::default()
        };
        let third = Edition {
            title: "B".into(),
            body: "x<&".into(),
            author: None,
            alias: Some("mediawiki:5".into()),
            ..second.clone()
        };
        let wanted = [
            Found::Edition(Box::new(first)),
            Found::Edition(Box::new(second)),
            Found::Refused("text withheld by the wiki", "Q & A, revision 3".into()),
            Found::Refused(
                "no text in this export (a dump of heads only)",
                "Q & A, revision 4".into(),
            ),
            Found::Edition(Box::new(third)),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn an_export_that_breaks_off_is_an_error_after_what_was_whole() {
        for end in [" d</text>", "<page><title>B</title>", "<revision><id>5"] {
            let (at, _) = EXPORT.match_indices(end).next().unwrap();
            let text = &EXPORT[..at + end.len()];
            let mut count = 0;
            let failure = read(text.as_bytes(), &mut |found| {
                count += u32::from(matches!(found, Found::Edition(_)));
                ControlFlow::Continue(())
            });
            assert_eq!(failure.unwrap_err().exit_code(), 1, "{end}");
            assert_eq!(count, if end == " d</text>" { 0 } else { 2 }, "{end}");
        }
    }

    #[test]
    fn an_export_is_known_by_its_start() {
        assert!(is_export(EXPORT) && is_export("\u{feff}\n<mediawiki>"));
        assert!(!is_export("<html>") && !is_export("<?xml version=\"1.0\"?><feed>"));
    }
}
