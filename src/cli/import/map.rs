//! Which column or JSON key fills which field of a story: `--map` and its defaults.

use super::super::failure::Failure;
use super::super::nearest;

/// What a column can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Title,
    Headline,
    Body,
    Section,
    Author,
    Summary,
    Language,
    MediaType,
    Lat,
    Lon,
    Date,
    Id,
    Alias,
}

/// Every key, its name in `--map`, and the columns that are tried for it, in this order.
const KEYS: &[(Key, &str, &[&str])] = &[
    (Key::Title, "title", &[]),
    (Key::Headline, "headline", &["headline", "title", "name", "subject"]),
    (Key::Body, "body", &["body", "text", "content", "article", "article_text", "message"]),
    (
        Key::Section,
        "section",
        &[
            "section",
            "category",
            "desk",
            "topic",
            "article_source_link:section",
            "link:section",
            "url:section",
        ],
    ),
    (
        Key::Author,
        "author",
        &[
            "author",
            "byline",
            "source",
            "outlet",
            "publisher",
            "article_source_link:host",
            "link:host",
            "url:host",
        ],
    ),
    (
        Key::Summary,
        "summary",
        &["summary", "subtitle", "description", "abstract", "standfirst", "lead"],
    ),
    (Key::Language, "language", &["language", "lang"]),
    (Key::MediaType, "media_type", &["media_type", "content_type"]),
    (Key::Lat, "lat", &["lat", "latitude"]),
    (Key::Lon, "lon", &["lon", "lng", "longitude"]),
    (
        Key::Date,
        "date",
        &["date", "publish_date", "published", "published_at", "pubdate", "pub_date", "timestamp"],
    ),
    (Key::Id, "id", &["id", "article_id", "guid", "uuid"]),
    (
        Key::Alias,
        "alias",
        &[
            "alias",
            "guid",
            "message_id",
            "message-id",
            "link",
            "url",
            "article_source_link",
            "permalink",
            "uuid",
        ],
    ),
];

/// What is taken from a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// Of a link: the section that its path names.
    Section,
    /// Of a link: its host, without `www.`.
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    column: String,
    part: Part,
}

impl Source {
    fn new(text: &str) -> Self {
        let (column, part) = match text.rsplit_once(':') {
            Some((column, "section")) => (column, Part::Section),
            Some((column, "host")) => (column, Part::Host),
            _ => (text, Part::Whole),
        };
        Self { column: column.to_owned(), part }
    }
}

/// For each key the columns that may fill it; the first that is not empty does.
#[derive(Debug, Clone)]
pub(super) struct ColumnMap {
    sources: Vec<(Key, Vec<Source>)>,
    /// Columns that the user named: they must exist.
    named: Vec<String>,
}

impl ColumnMap {
    /// The defaults, changed by `--map KEY=COLUMN,KEY=COLUMN:PART,…`; `KEY=` fills it with nothing.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let defaults = KEYS.iter().map(|(key, _, columns)| {
            (*key, columns.iter().map(|column| Source::new(column)).collect())
        });
        let mut map = Self { sources: defaults.collect(), named: Vec::new() };
        let pairs = text.unwrap_or_default().split(',').map(str::trim);
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let Some((name, column)) = pair.split_once('=') else {
                return Err(Failure::usage(format!(
                    "import: --map wants KEY=COLUMN,…, like headline=title,body=text; not {pair:?}"
                )));
            };
            let at = KEYS.iter().position(|(_, known, _)| *known == name.trim());
            let at = at.ok_or_else(|| {
                let names: Vec<&str> = KEYS.iter().map(|(_, known, _)| *known).collect();
                let hint = nearest::hint(name, names.iter().copied());
                let known = names.join(", ");
                Failure::usage(format!(
                    "import: --map knows no key {name:?}{hint}; it knows {known}"
                ))
            })?;
            let column = column.trim();
            let source = (!column.is_empty()).then(|| Source::new(column));
            map.named.extend(source.iter().map(|source| source.column.clone()));
            map.sources[at].1 = source.into_iter().collect();
        }
        Ok(map)
    }

    /// The value for `key` in a record whose columns `field` finds, with surrounding white space
    /// cut off; none if all are empty.
    pub(super) fn value<'a>(
        &self,
        key: Key,
        field: &dyn Fn(&str) -> Option<std::borrow::Cow<'a, str>>,
    ) -> Option<String> {
        let (_, sources) = self.sources.iter().find(|(known, _)| *known == key)?;
        sources.iter().find_map(|source| {
            let whole = field(&source.column)?;
            let part = match source.part {
                Part::Whole => Some(whole.trim()),
                Part::Section => link_section(whole.trim()),
                Part::Host => link_host(whole.trim()),
            };
            let part = part.filter(|part| !part.is_empty())?;
            Some(if source.part == Part::Section { part.to_lowercase() } else { part.to_owned() })
        })
    }

    /// Refuses a table whose columns can fill no body, or lack one that was named.
    pub(super) fn check(&self, columns: &[String]) -> Result<(), Failure> {
        let listed = columns.join(", ");
        let has = |column: &str| columns.iter().any(|known| known == column);
        if let Some(missing) = self.named.iter().find(|column| !has(column)) {
            let hint = nearest::hint(missing, columns.iter().map(String::as_str));
            return Err(Failure::usage(format!(
                "import: --map names {missing:?}, which is no column{hint}; there are: {listed}"
            )));
        }
        let body = self.sources.iter().find(|(key, _)| *key == Key::Body);
        if body.is_some_and(|(_, sources)| sources.iter().any(|source| has(&source.column))) {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "import: which column has the text? Say it with --map body=COLUMN; there are: {listed}"
        )))
    }
}

/// The host of a link, without `www.`.
fn link_host(link: &str) -> Option<&str> {
    let (_, rest) = link.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(host.strip_prefix("www.").unwrap_or(host))
}

/// Path segments that name no section on news sites.
const NO_SECTION: &[&str] = &[
    "article",
    "articles",
    "content",
    "en",
    "entry",
    "epaper",
    "features",
    "html",
    "indepth",
    "index",
    "news",
    "programmes",
    "story",
    "wirestory",
];

/// The section of what a link's path does not say more of.
const GENERAL_SECTION: &str = "news";

/// The section that a link's path names: its first segment that is a word and neither general,
/// nor a date, nor the story's own last one; BBC's `world-asia-38978905` counts as `world-asia`.
/// None for what is no link to a story.
fn link_section(link: &str) -> Option<&str> {
    let (_, rest) = link.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let path = path.split(['?', '#']).next()?;
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (last, before) = segments.split_last()?;
    let is_word = |text: &str| {
        let words = text.split('-').count() <= 3;
        words && text.len() > 1 && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    };
    let general = |text: &str| NO_SECTION.contains(&&*text.to_lowercase());
    let named = before.iter().find(|text| is_word(text) && !general(text));
    if let Some(named) = named {
        return Some(named);
    }
    let numbered = last.rsplit_once('-').filter(|(name, number)| {
        number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit()) && is_word(name)
    });
    Some(numbered.map_or(GENERAL_SECTION, |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn value(map: Option<&str>, key: Key, record: &[(&str, &str)]) -> Option<String> {
        let map = ColumnMap::parse(map).unwrap();
        map.value(key, &|column| {
            let found = record.iter().find(|(name, _)| *name == column);
            found.map(|(_, value)| Cow::Borrowed(*value))
        })
    }

    #[test]
    fn well_known_columns_need_no_map() {
        let record = [
            ("title", " Rain "),
            ("text", "It rains."),
            ("article_source_link", "http://www.cnn.com/2017/03/06/politics/x/index.html"),
        ];
        assert_eq!(value(None, Key::Headline, &record).as_deref(), Some("Rain"));
        assert_eq!(value(None, Key::Body, &record).as_deref(), Some("It rains."));
        assert_eq!(value(None, Key::Section, &record).as_deref(), Some("politics"));
        assert_eq!(value(None, Key::Author, &record).as_deref(), Some("cnn.com"));
        assert_eq!(value(None, Key::Title, &record), None);
    }

    #[test]
    fn a_map_replaces_the_default_and_may_take_a_part() {
        let record = [("title", "T"), ("k", "v"), ("where", "http://a.b/sport/x")];
        let map = Some("headline=k, author=, section=where:section");
        assert_eq!(value(map, Key::Headline, &record).as_deref(), Some("v"));
        assert_eq!(value(map, Key::Section, &record).as_deref(), Some("sport"));
        assert_eq!(value(map, Key::Author, &[("author", "x")]), None);
        assert_eq!(value(Some("title=dc:title"), Key::Title, &[("dc:title", "x")]).unwrap(), "x");
    }

    #[test]
    fn a_map_that_is_wrong_says_how() {
        let said = |text| ColumnMap::parse(Some(text)).unwrap_err().to_string();
        assert!(said("headlin=title").contains("did you mean headline?"));
        assert!(said("title").contains("KEY=COLUMN"));
        let columns = ["title".to_owned(), "text".to_owned()];
        assert_eq!(ColumnMap::parse(None).unwrap().check(&columns), Ok(()));
        let missing = ColumnMap::parse(Some("headline=titel")).unwrap().check(&columns);
        assert!(missing.unwrap_err().to_string().contains("did you mean title?"));
        let none = ColumnMap::parse(None).unwrap().check(&columns[..1]);
        assert!(none.unwrap_err().to_string().contains("--map body=COLUMN; there are: title"));
    }

    #[test]
    fn the_section_of_a_link_is_its_first_telling_segment() {
        for (link, wanted) in [
            ("http://abcnews.go.com/Politics/wireStory/melania-trump-45327337", "Politics"),
            ("http://www.bbc.co.uk/news/world-us-canada-38910450", "world-us-canada"),
            ("http://www.bbc.co.uk/sport/football/38900012", "sport"),
            ("http://www.aljazeera.com/news/2017/02/a-b-c-d-170205124534.html", "news"),
            ("http://www.rte.ie/news/business/2017/0208/851000-x/", "business"),
            ("http://tass.com/politics/929000", "politics"),
            ("http://europe.chinadaily.com.cn/epaper/2017-01/06/content_27878.htm", "news"),
            ("http://www.huffingtonpost.com/2017/03/06/slug-of-it_n_1.html", "news"),
        ] {
            assert_eq!(link_section(link), Some(wanted), "{link}");
        }
        for link in ["", "nothing", "http://a.b", "http://a.b/"] {
            assert_eq!(link_section(link), None, "{link}");
        }
        assert_eq!(link_host("http://www.rte.ie/news?x"), Some("rte.ie"));
        assert_eq!(link_host("rte.ie"), None);
    }
}
