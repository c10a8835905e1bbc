//! TOML tables with the lines they stand on: takes values out by key and type, and knows where
//! each was, so that every error names its place.

use super::error::{ConfigError, hint};
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file's name and text, to turn byte offsets into lines.
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Document<'a> {
    /// The file's one table.
    pub(super) fn parse(&self) -> Result<DeTable<'a>, ConfigError> {
        match DeTable::parse(self.text) {
            Ok(table) => Ok(table.into_inner()),
            Err(error) => {
                let at = error.span().map_or(self.text.len(), |span| span.start);
                let message = error.message().replace('\n', ", ");
                Err(self.error(at, String::new(), format!("not TOML: {message}")))
            }
        }
    }

    fn error(&self, at: usize, key: String, what: String) -> ConfigError {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.split(|byte| *byte == b'\n').count();
        ConfigError { file: self.file.to_owned(), line: Some(line), key, what }
    }
}

/// Keys that an earlier version knew or a later one will, and what to say of them; a `.` at the end
/// stands for every key of a section.
const ELSEWHERE: [(&str, &str); 2] = [
    (
        "insecure_peers",
        "is gone, since links are encrypted: remove it, and give each peer beyond this machine its \
         key (bellwether key prints it)",
    ),
    ("places.url", "place services are not supported by this version: remove it"),
];

/// One table of the file, all of whose keys are known.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    /// Its key; empty for the file itself.
    name: Cow<'static, str>,
    at: usize,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// The file itself.
    pub(super) fn root(
        document: &'a Document<'a>,
        table: &'a DeTable<'a>,
        known: &[&'static str],
    ) -> Result<Self, ConfigError> {
        Self { document, name: Cow::Borrowed(""), at: 0, table }.checked(known)
    }

    /// The error for the first key of the file that is not known.
    fn checked(self, known: &[&'static str]) -> Result<Self, ConfigError> {
        let keys = self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        let Some(unknown) = keys.min_by_key(|key| key.span().start) else { return Ok(self) };
        let key: &str = unknown.get_ref();
        let full = self.full(key);
        let is_it = |name: &str| full == name || (name.ends_with('.') && full.starts_with(name));
        let elsewhere = ELSEWHERE.iter().find(|(name, _)| is_it(name));
        let what = match elsewhere {
            Some((_, what)) => (*what).to_owned(),
            None => format!("unknown key; {}", hint(key, known.iter().copied())),
        };
        Err(self.document.error(unknown.span().start, full, what))
    }

    fn full(&self, key: &str) -> String {
        let key = plain(key);
        if self.name.is_empty() { key } else { format!("{}.{key}", self.name) }
    }

    /// An error at a key's line, or at the section's when the key is not there.
    pub(super) fn error(&self, key: &str, what: impl Display) -> ConfigError {
        let at = self.table.get_key_value(key).map_or(self.at, |(key, _)| key.span().start);
        self.document.error(at, self.full(key), what.to_string())
    }

    /// True when the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let value = value.get_ref();
        let wrong = || self.error(key, format!("must be {expected}, not {}", kind_of(value)));
        read(value).map(Some).ok_or_else(wrong)
    }

    /// A string.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        self.typed(key, "a string in quotes", |value| value.as_str())
    }

    /// A string that must be there.
    pub(super) fn required(&self, key: &str) -> Result<&'a str, ConfigError> {
        self.text(key)?.ok_or_else(|| self.error(key, "is missing"))
    }

    /// A string in a grammar of its own.
    pub(super) fn parsed<T>(&self, key: &str) -> Result<Option<T>, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        let Some(text) = self.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| self.error(key, error))
    }

    /// A string in a grammar of its own that must be there.
    pub(super) fn required_parsed<T>(&self, key: &str) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        self.parsed(key)?.ok_or_else(|| self.error(key, "is missing"))
    }

    /// A string, or an integer as its digits.
    pub(super) fn word(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.typed(key, "a string or a whole number", |value| match value {
            DeValue::Integer(number) => Some(number.to_string()),
            other => other.as_str().map(str::to_owned),
        })
    }

    /// A list of words in a grammar of their own.
    pub(super) fn parsed_list<T>(&self, key: &str) -> Result<Option<Vec<T>>, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        let expected = "a list of strings in quotes";
        let Some(array) = self.typed(key, expected, DeValue::as_array)? else { return Ok(None) };
        let mut all = Vec::new();
        for value in array {
            let value = value.get_ref();
            let wrong = || self.error(key, format!("holds {}: only strings", kind_of(value)));
            let text = value.as_str().ok_or_else(wrong)?;
            all.push(text.parse().map_err(|error: T::Err| self.error(key, error))?);
        }
        Ok(Some(all))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.typed(key, "true or false", DeValue::as_bool)
    }

    /// A whole number; one beyond 128 bits counts as the greatest.
    pub(super) fn whole(&self, key: &str) -> Result<Option<i128>, ConfigError> {
        self.typed(key, "a whole number", |value| {
            let number = value.as_integer()?;
            let parsed = i128::from_str_radix(number.as_str(), number.radix());
            Some(parsed.unwrap_or(i128::MAX))
        })
    }

    /// `[key]`.
    pub(super) fn section(
        &self,
        key: &'static str,
        known: &[&'static str],
    ) -> Result<Option<Self>, ConfigError> {
        let expected = format!("a table: write [{key}]");
        let Some(table) = self.typed(key, &expected, DeValue::as_table)? else { return Ok(None) };
        let at = self.value(key).map_or(self.at, |value| value.span().start);
        Self { document: self.document, name: key.into(), at, table }.checked(known).map(Some)
    }

    /// Each `NAME = {}` of `[key]`, whatever its name, in the order of the file.
    pub(super) fn named(
        &self,
        key: &'static str,
        known: &[&'static str],
    ) -> Result<Vec<(&'a str, Self)>, ConfigError> {
        let expected = format!("a table: write [{key}]");
        let outer = self.typed(key, &expected, DeValue::as_table)?;
        let mut entries: Vec<_> = outer.into_iter().flat_map(|table| table.iter()).collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut sections = Vec::new();
        for (name, value) in entries {
            let full = format!("{key}.{}", plain(name.get_ref()));
            let at = name.span().start;
            let Some(table) = value.get_ref().as_table() else {
                let what = format!("must be a table, not {}", kind_of(value.get_ref()));
                return Err(self.document.error(at, full, what));
            };
            let section = Self { document: self.document, name: full.into(), at, table };
            sections.push((name.get_ref().as_ref(), section.checked(known)?));
        }
        Ok(sections)
    }

    /// An error at the section itself.
    pub(super) fn wrong(&self, what: impl Display) -> ConfigError {
        self.document.error(self.at, self.name.to_string(), what.to_string())
    }

    /// Each `[[key]]`, in order.
    pub(super) fn sections(
        &self,
        key: &'static str,
        known: &[&'static str],
    ) -> Result<Vec<Self>, ConfigError> {
        let expected = format!("a list of tables: write [[{key}]]");
        let array = self.typed(key, &expected, DeValue::as_array)?;
        let mut sections = Vec::new();
        for value in array.into_iter().flatten() {
            let wrong = || {
                let what = format!("must be {expected}, not {}", kind_of(value.get_ref()));
                self.document.error(value.span().start, self.full(key), what)
            };
            let table = value.get_ref().as_table().ok_or_else(wrong)?;
            let at = value.span().start;
            let section = Self { document: self.document, name: key.into(), at, table };
            sections.push(section.checked(known)?);
        }
        Ok(sections)
    }
}

/// A key as errors name it. It can be any text: what can't be printed plainly is shown as Rust
/// shows it.
fn plain(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if plain { key.to_owned() } else { format!("{key:?}") }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
