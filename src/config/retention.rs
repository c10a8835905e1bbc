//! How much is kept of each topic.

use super::document::Section;
use super::{Config, ConfigError};
use std::fmt::{self, Write};

const KEYS: [&str; 3] = ["count", "days", "bytes"];
/// Stands for all topics that are not named.
const REST: &str = "*";
/// Who is of the herd, and who may write, is never dropped.
const KEPT: [&str; 2] = [CHARTER, "accounts"];
const CHARTER: &str = "charter";

/// How much is kept of a topic. What is over one of these bounds may go; `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many updates, the newest.
    pub count: Option<u64>,
    /// Updates of so many days.
    pub days: Option<u64>,
    /// So many bytes of updates, the newest.
    pub bytes: Option<u64>,
}

impl Keep {
    fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = KEYS.into_iter().zip([self.count, self.days, self.bytes]);
        all.filter_map(|(key, value)| Some((key, value?)))
    }
}

impl Config {
    /// The place in [`Config::retention`] of what holds for a topic; `None`: all of it is kept.
    pub fn retention_of(&self, topic: &str) -> Option<usize> {
        let place_of = |name| self.retention.iter().position(|(of, _)| of == name);
        if KEPT.contains(&topic) { None } else { place_of(topic).or_else(|| place_of(REST)) }
    }
}

pub(super) fn read(root: &Section<'_>) -> Result<Vec<(String, Keep)>, ConfigError> {
    let mut retention = Vec::new();
    for (topic, section) in root.named("retention", &KEYS)? {
        if KEPT.contains(&topic) {
            let verb = if topic == CHARTER { "is" } else { "are" };
            return Err(section.wrong(format!("the {topic} {verb} kept for ever: remove it")));
        }
        let count = at_least_one(&section, "count")?;
        let days = at_least_one(&section, "days")?;
        let keep = Keep { count, days, bytes: at_least_one(&section, "bytes")? };
        if keep == Keep::default() {
            return Err(section.wrong("says nothing: use \"count\", \"days\" or \"bytes\""));
        }
        retention.push((topic.to_owned(), keep));
    }
    Ok(retention)
}

fn at_least_one(section: &Section<'_>, key: &str) -> Result<Option<u64>, ConfigError> {
    let Some(number) = section.whole(key)? else { return Ok(None) };
    // What TOML writes as a number at most.
    let number = u64::try_from(number).ok().filter(|number| (1..=i64::MAX as u64).contains(number));
    number.map(Some).ok_or_else(|| section.error(key, "must be at least 1"))
}

pub(super) fn write(retention: &[(String, Keep)], out: &mut String) -> fmt::Result {
    for (index, (topic, keep)) in retention.iter().enumerate() {
        if index == 0 {
            writeln!(out, "\n[retention]")?;
        }
        let values: Vec<String> =
            keep.values().map(|(key, value)| format!("{key} = {value}")).collect();
        writeln!(out, "{} = {{ {} }}", super::write::quoted(topic), values.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "name = \"Hill\"\ndir = \"d\"\n[retention]\n";

    fn parse(more: &str) -> Result<Config, ConfigError> {
        Config::parse(&format!("{MINIMAL}{more}"), "herd.toml")
    }

    #[test]
    fn what_is_kept_of_a_topic_is_read_and_written_back() {
        let text = "stories = { count = 5, days = 30 }\n\"*\" = { bytes = 1_000 }\n\
                    [retention.\"a b\"]\ndays = 1\n";
        let config = parse(text).unwrap();
        let stories = Keep { count: Some(5), days: Some(30), bytes: None };
        assert_eq!(config.retention[0], ("stories".to_owned(), stories));
        let place = |topic| config.retention_of(topic);
        assert_eq!((place("stories"), place("a b"), place("c")), (Some(0), Some(2), Some(1)));
        assert_eq!((place("charter"), place("accounts")), (None, None));
        assert_eq!(Config::parse(&config.to_toml(), "x"), Ok(config));
        assert_eq!(parse("x = { days = 1 }").unwrap().retention_of("y"), None);
        assert_eq!(parse("").unwrap().retention, []);
    }

    #[test]
    fn what_is_wrong_names_line_and_key() {
        let table = [
            ("x = { cuont = 1 }", "4: retention.x.cuont: unknown key; did you mean \"count\"?"),
            ("x = 5", "4: retention.x: must be a table, not a whole number"),
            ("x = {}", "4: retention.x: says nothing: use \"count\", \"days\" or \"bytes\""),
            ("\nx = { days = 0 }", "5: retention.x.days: must be at least 1"),
            (
                "x = { days = true }",
                "4: retention.x.days: must be a whole number, not true or false",
            ),
            (
                "charter = { days = 1 }",
                "4: retention.charter: the charter is kept for ever: remove it",
            ),
            (
                "accounts = { days = 1 }",
                "4: retention.accounts: the accounts are kept for ever: remove it",
            ),
        ];
        for (more, expected) in table {
            let said = parse(more).unwrap_err().to_string();
            assert_eq!(said, format!("herd.toml:{expected}"));
        }
    }
}
