//! Rows (of CSV, of JSON Lines) to stories: fields by the column map, titles made valid and unique,
//! dirty rows put right or refused, each for a reason that is counted.

use super::super::publish::media_type_of;
use super::item::{Edition, Found, Sink, TITLE_BYTES_MAX, alias, alias_of, cut, tidy};
use super::map::{ColumnMap, Key};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Characters of a headline that is taken from the text.
const HEADLINE_CHARS: usize = 80;

/// What rows become; shared by all files of one import, so that titles are unique among them.
pub(super) struct Rows {
    map: ColumnMap,
    titles: Titles,
}

impl Rows {
    /// Rows by `map`.
    pub(super) fn new(map: ColumnMap) -> Self {
        Self { map, titles: Titles::default() }
    }

    /// Brings a file of text to `sink` as one story, under its name; a first line that is a
    /// Markdown heading is its headline.
    pub(super) fn take_text(
        &mut self,
        name: &str,
        body: String,
        sink: Sink<'_>,
    ) -> ControlFlow<()> {
        let title = tidy(name);
        if title.is_empty() || body.trim().is_empty() {
            return sink(Found::Refused("no text", name.to_owned()));
        }
        let heading = body.lines().next().and_then(|line| line.strip_prefix("# "));
        let mut edition = Edition {
            headline: heading.map(tidy).filter(|text| !text.is_empty()),
            media_type: media_type_of(name.as_ref()).map(str::to_owned),
            alias: Some(alias_of(&[&body])),
            title,
            body,
            ..Edition::default()
        };
        match self.titles.place(&edition, None) {
            None => sink(Found::Duplicate),
            Some(title) => {
                edition.title = title;
                sink(Found::Edition(Box::new(edition)))
            }
        }
    }

    /// Brings one row to `sink`; `place` names it in messages, `field` finds a column of it.
    pub(super) fn take<'a>(
        &mut self,
        place: &str,
        field: &dyn Fn(&str) -> Option<Cow<'a, str>>,
        sink: Sink<'_>,
    ) -> ControlFlow<()> {
        let value = |key| self.map.value(key, field);
        let id = value(Key::Id);
        let name = id.as_ref().map_or_else(|| place.to_owned(), |id| format!("{place}, id {id}"));
        let Some(body) = value(Key::Body) else {
            return sink(Found::Refused("no text", name));
        };
        let mut headline = value(Key::Headline).map(|text| tidy(&text)).unwrap_or_default();
        if headline.is_empty() {
            headline = first_words(&body);
            if headline.is_empty() {
                return sink(Found::Refused("no text", name));
            }
            sink(Found::Repaired("no headline: the first words of the text taken", name.clone()))?;
        }
        let located = position(value(Key::Lat), value(Key::Lon));
        if located.is_err() {
            sink(Found::Repaired("not a position on earth: left out", name))?;
        }
        let name = value(Key::Alias).map(|name| alias(&name));
        let mut edition = Edition {
            alias: Some(name.unwrap_or_else(|| alias_of(&[&headline, &body]))),
            title: value(Key::Title)
                .map(|text| tidy(&text))
                .filter(|t| !t.is_empty())
                .unwrap_or_else(|| headline.clone()),
            headline: Some(headline),
            section: value(Key::Section).map(|text| tidy(&text)),
            author: value(Key::Author).map(|text| tidy(&text)),
            summary: summary(value(Key::Summary), value(Key::Date)),
            language: value(Key::Language),
            media_type: value(Key::MediaType),
            located: located.unwrap_or(None),
            body,
            ..Edition::default()
        };
        match self.titles.place(&edition, id.as_deref()) {
            None => sink(Found::Duplicate),
            Some(title) => {
                edition.title = title;
                sink(Found::Edition(Box::new(edition)))
            }
        }
    }
}

/// The standfirst with the date that the source gives: the herd's own time is the import's.
fn summary(summary: Option<String>, date: Option<String>) -> Option<String> {
    let summary = summary.map(|text| tidy(&text));
    match (summary, date.map(|date| tidy(&date))) {
        (Some(summary), Some(date)) => Some(format!("{summary} (published {date})")),
        (None, Some(date)) => Some(format!("published {date}")),
        (summary, None) => summary,
    }
}

/// Both or none, in degrees.
fn position(lat: Option<String>, lon: Option<String>) -> Result<Option<(f64, f64)>, ()> {
    let (lat, lon) = match (lat, lon) {
        (None, None) => return Ok(None),
        (Some(lat), Some(lon)) => (lat, lon),
        _ => return Err(()),
    };
    match (lat.parse::<f64>(), lon.parse::<f64>()) {
        (Ok(lat), Ok(lon)) if lat.abs() <= 90.0 && lon.abs() <= 180.0 => Ok(Some((lat, lon))),
        _ => Err(()),
    }
}

/// The first sentence of a text, or as many whole words as a headline has room for.
fn first_words(text: &str) -> String {
    let text = tidy(text);
    let sentence = text.split_inclusive(['.', '!', '?']).next().unwrap_or_default();
    let short = sentence.trim_end_matches('.');
    if short.chars().count() <= HEADLINE_CHARS {
        return short.to_owned();
    }
    let start: String = short.chars().take(HEADLINE_CHARS).collect();
    let whole = start.rsplit_once(' ').map_or(&*start, |(words, _)| words);
    format!("{whole}…")
}

/// The first 16 bytes of a BLAKE3 hash.
type Hash = [u8; 16];

/// The titles given out so far, as hashes: title to content.
#[derive(Default)]
struct Titles {
    taken: BTreeMap<Hash, Hash>,
}

impl Titles {
    /// A title for the edition that no other has: its own, or with its id or else a hash of its
    /// text behind it, so that the same file gives the same titles each time. None if the same
    /// text had the title before.
    fn place(&mut self, edition: &Edition, id: Option<&str>) -> Option<String> {
        let content = hash(&[edition.headline.as_deref().unwrap_or_default(), &edition.body]);
        let hex = format!("{:032x}", u128::from_be_bytes(content));
        let id = id.map(tidy).filter(|id| !id.is_empty() && id.len() <= 64);
        let suffixes = [None, id.as_deref(), Some(&hex[..8]), Some(&*hex)];
        for suffix in suffixes.into_iter().enumerate() {
            let title = match suffix {
                (0, _) => shortened(&edition.title, ""),
                (_, Some(suffix)) => shortened(&edition.title, &format!(" ({suffix})")),
                (_, None) => continue,
            };
            match self.taken.insert(hash(&[&title]), content) {
                None => return Some(title),
                Some(before) if before == content => return None,
                Some(before) => {
                    self.taken.insert(hash(&[&title]), before);
                }
            }
        }
        // Two texts with equal hashes: the same text.
        None
    }
}

/// The title with its suffix in at most 255 bytes; what had to be cut shows as `…`.
fn shortened(title: &str, suffix: &str) -> String {
    if title.len() + suffix.len() <= TITLE_BYTES_MAX {
        return format!("{title}{suffix}");
    }
    let room = TITLE_BYTES_MAX - suffix.len() - '…'.len_utf8();
    format!("{}…{suffix}", cut(title, room).trim_end())
}

fn hash(parts: &[&str]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut short = Hash::default();
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::super::item::tests::collect;
    use super::*;

    fn rows(records: &[&[(&str, &str)]]) -> Vec<Found> {
        let mut rows = Rows::new(ColumnMap::parse(None).unwrap());
        collect(|sink| {
            for record in records {
                let field = |column: &str| {
                    let found = record.iter().find(|(name, _)| *name == column);
                    found.map(|(_, value)| Cow::Borrowed(*value))
                };
                let _ = rows.take("row", &field, sink);
            }
            Ok::<(), ()>(())
        })
        .unwrap()
    }

    fn editions(found: &[Found]) -> Vec<&Edition> {
        let mut editions = Vec::new();
        for found in found {
            if let Found::Edition(edition) = found {
                editions.push(&**edition);
            }
        }
        editions
    }

    #[test]
    fn a_row_becomes_a_story_with_all_its_fields() {
        let found = rows(&[&[
            ("title", "Rain\n in  Bonn"),
            ("text", " It rains. "),
            ("subtitle", "Wet"),
            ("publish_date", "2017/2/7"),
            ("lat", "50.7"),
            ("lng", "7.1"),
            ("lang", "en"),
        ]]);
        let wanted = Edition {
            title: "Rain in Bonn".into(),
            headline: Some("Rain in Bonn".into()),
            body: "It rains.".into(),
            summary: Some("Wet (published 2017/2/7)".into()),
            located: Some((50.7, 7.1)),
            language: Some("en".into()),
            alias: Some(alias_of(&["Rain in Bonn", "It rains."])),
            ..Edition::default()
        };
        assert_eq!(editions(&found), [&wanted]);
    }

    #[test]
    fn a_row_is_called_by_its_link_or_guid_else_by_what_it_says() {
        let link = ("url", "https://example.org/1");
        let found = rows(&[
            &[("title", "A"), ("text", "x"), link],
            &[("title", "B"), ("text", "x"), link, ("guid", "urn:7")],
            &[("title", "C"), ("text", "x"), ("id", "7")],
        ]);
        let aliases: Vec<_> =
            editions(&found).iter().map(|edition| edition.alias.as_deref().unwrap()).collect();
        assert_eq!(aliases, [link.1, "urn:7", &*alias_of(&["C", "x"])]);
    }

    #[test]
    fn dirty_rows_are_refused_or_repaired_by_reason() {
        let long = "word ".repeat(40);
        let found = rows(&[
            &[("title", "T"), ("text", "  ")],
            &[("title", " "), ("text", "First of all. Then."), ("id", "7")],
            &[("text", &long)],
            &[("text", "\u{1}")],
            &[("title", "P"), ("text", "x"), ("lat", "91"), ("lon", "0")],
        ]);
        let named = "no headline: the first words of the text taken";
        assert_eq!(found[0], Found::Refused("no text", "row".into()));
        assert_eq!(found[1], Found::Repaired(named, "row, id 7".into()));
        assert_eq!(editions(&found)[0].title, "First of all");
        let cut = &editions(&found)[1].title;
        assert!(cut.ends_with("word…") && cut.chars().count() <= HEADLINE_CHARS + 1);
        assert_eq!(found[5], Found::Refused("no text", "row".into()));
        assert_eq!(editions(&found)[2].located, None);
    }

    #[test]
    fn titles_are_unique_and_stable_and_the_same_twice_is_a_duplicate() {
        let records: &[&[(&str, &str)]] = &[
            &[("title", "Quotable"), ("text", "a"), ("id", "1")],
            &[("title", "Quotable"), ("text", "b"), ("id", "2")],
            &[("title", "Quotable"), ("text", "b"), ("id", "2")],
            &[("title", "Quotable"), ("text", "a"), ("id", "3")],
            &[("title", "Quotable"), ("text", "c")],
            &[("title", "Quotable"), ("text", "d"), ("id", "2")],
        ];
        let found = rows(records);
        assert_eq!(found, rows(records));
        let titles: Vec<&str> = editions(&found).iter().map(|edition| &*edition.title).collect();
        assert_eq!(titles[..2], ["Quotable", "Quotable (2)"]);
        assert_eq!(titles.len(), 4);
        assert!(titles[2].len() == "Quotable ()".len() + 8 && titles[3] != titles[2]);
        assert_eq!(found.iter().filter(|found| **found == Found::Duplicate).count(), 2);
    }

    #[test]
    fn long_titles_are_cut_to_255_bytes_and_stay_unique() {
        let long = "ü".repeat(200);
        let records: &[&[(&str, &str)]] = &[
            &[("title", &long), ("text", "a"), ("id", "1")],
            &[("title", &long), ("text", "b"), ("id", "2")],
        ];
        let found = rows(records);
        let titles: Vec<&str> = editions(&found).iter().map(|edition| &*edition.title).collect();
        assert!(titles.iter().all(|title| title.len() <= TITLE_BYTES_MAX && title.len() > 240));
        assert!(titles[1].ends_with("…ü (2)") || titles[1].ends_with("ü… (2)"));
    }
}
