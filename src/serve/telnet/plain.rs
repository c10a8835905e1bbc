//! Markdown as text that people read on a terminal: the marks that only say how something looks are
//! gone, what says what it is stays. Paragraphs are one line each, to be wrapped.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::fmt::Write;

/// Lists and quotations within each other; deeper ones look like these.
const DEPTH_MAX: usize = 16;

/// The text of a Markdown document.
pub(super) fn plain(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut page = Page::default();
    for event in Parser::new_ext(markdown, options) {
        page.on_event(event);
    }
    page.text.trim_end().to_owned() + "\n"
}

#[derive(Default)]
struct Page {
    text: String,
    /// The numbers of the lists that are open; none of a list without.
    lists: Vec<Option<u64>>,
    quotes: usize,
    is_code: bool,
    /// Where the links and images that are open lead.
    links: Vec<String>,
    /// A line of a table has a cell.
    has_cell: bool,
}

impl Page {
    fn on_event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.on_start(tag),
            Event::End(tag) => self.on_end(tag),
            Event::Text(text) if self.is_code => self.code(&text),
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.text.push_str(&text);
            }
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            Event::Rule => {
                self.block();
                self.text.push_str("* * *\n");
            }
            _ => {}
        }
    }

    fn on_start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph if self.is_at_mark() => {}
            Tag::Paragraph | Tag::Table(_) | Tag::HtmlBlock => self.block(),
            Tag::Heading { level, .. } => {
                self.block();
                self.text.push_str(&"#".repeat(level as usize));
                self.text.push(' ');
            }
            Tag::BlockQuote(_) => {
                self.block();
                self.quotes += 1;
                self.indent();
            }
            Tag::CodeBlock(_) => {
                self.block();
                self.is_code = true;
            }
            Tag::List(start) => {
                if self.lists.is_empty() {
                    self.block();
                }
                self.lists.push(start);
            }
            Tag::Item => self.item(),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push(dest_url.into_string());
            }
            Tag::TableHead | Tag::TableRow => self.has_cell = false,
            Tag::TableCell if self.has_cell => self.text.push_str(" | "),
            Tag::TableCell => self.has_cell = true,
            _ => {}
        }
    }

    fn on_end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::Item
            | TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::HtmlBlock => self.end_line(),
            TagEnd::BlockQuote(_) => self.quotes = self.quotes.saturating_sub(1),
            TagEnd::CodeBlock => {
                self.is_code = false;
                self.end_line();
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Link | TagEnd::Image => {
                if let Some(to) = self.links.pop().filter(|to| !self.text.ends_with(&to[..])) {
                    let written = write!(self.text, " <{to}>");
                    debug_assert!(written.is_ok(), "a String takes all");
                }
            }
            _ => {}
        }
    }

    /// Begins a block: behind an empty line, unless it is the first in its list or quotation.
    fn block(&mut self) {
        if self.is_at_mark() {
            return;
        }
        self.end_line();
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
        self.indent();
    }

    fn item(&mut self) {
        self.end_line();
        self.indent();
        // One mark less: the item's own takes its place.
        self.text.truncate(self.text.trim_end_matches(' ').len());
        let depth = self.lists.len().min(DEPTH_MAX).saturating_sub(1);
        self.text.push_str(&"  ".repeat(depth));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                let written = write!(self.text, "{number}. ");
                debug_assert!(written.is_ok(), "a String takes all");
                *number += 1;
            }
            _ => self.text.push_str("- "),
        }
    }

    /// Nothing stands behind the mark of an item or quotation yet.
    fn is_at_mark(&self) -> bool {
        let line = self.text.rsplit('\n').next().unwrap_or_default().trim_start();
        let line = line.trim_start_matches("> ");
        let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_item = line == "- " || (number == ". " && number.len() < line.len());
        (is_item && !self.lists.is_empty()) || (line.is_empty() && self.text.ends_with("> "))
    }

    fn indent(&mut self) {
        self.text.push_str(&"> ".repeat(self.quotes.min(DEPTH_MAX)));
        self.text.push_str(&"  ".repeat(self.lists.len().min(DEPTH_MAX)));
    }

    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn code(&mut self, text: &str) {
        for line in text.split_inclusive('\n') {
            if line == "\n" {
                // An empty line has no marks of its own: with an indent it would be many times as
                // long as it was.
                self.end_line();
                self.text.push('\n');
                continue;
            }
            if self.text.ends_with('\n') {
                self.indent();
            }
            self.text.push_str("    ");
            self.text.push_str(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_markdown_means_is_read_and_how_it_looks_is_not_shown() {
        let text = "# Flood\n\nThe *river*\nrose, see [the map](/map).\n\n- one\n- two\n  - deep\n\
                    \n3. three\n4. four\n\n> said\n> she\n\n```sh\nls -l\n\n  x\n```\n\n\
                    |a|b|\n|-|-|\n|1|2|\n\n***\n<b>end</b>";
        let shown = plain(text);
        assert_eq!(
            shown,
            "# Flood\n\nThe river rose, see the map </map>.\n\n- one\n- two\n  - deep\n\n\
             3. three\n4. four\n\n> said she\n\n    ls -l\n\n      x\n\na | b\n1 | 2\n\n* * *\n\n\
             <b>end</b>\n"
        );
    }

    #[test]
    fn plain_text_stays() {
        assert_eq!(plain("One.\n\nTwo."), "One.\n\nTwo.\n");
        assert_eq!(plain("<https://example.com/>"), "https://example.com/\n");
    }

    proptest! {
        #[test]
        fn any_text_is_shown_in_bounds(text in "[-#>*0-9. a\\n`|\\[\\]()]{0,200}") {
            let shown = plain(&text);
            prop_assert!(shown.len() <= 16 * (text.len() + 2), "{shown}");
        }
    }
}
