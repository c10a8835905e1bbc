//! `[log]`: how a node logs, and from which level on.

use super::ValueError;
use super::document::Section;
use super::error::{ConfigError, hint};
use std::fmt;
use std::str::FromStr;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Time, level, module, text.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    const WORDS: [(&str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Json { "json" } else { "text" })
    }
}

impl FromStr for LogFormat {
    type Err = ValueError;

    fn from_str(word: &str) -> Result<Self, ValueError> {
        let found = Self::WORDS.iter().find(|(known, _)| *known == word);
        found.map(|(_, format)| *format).ok_or_else(|| {
            let near = hint(word, Self::WORDS.iter().map(|(word, _)| *word));
            ValueError(format!("{word:?} is no format of logs; {near}"))
        })
    }
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// From which level on; `None`: `info`, or what `serve --log` says.
    pub level: Option<log::LevelFilter>,
}

pub(super) fn read(root: &Section<'_>) -> Result<LogConfig, ConfigError> {
    let Some(section) = root.section("log", &["format", "level"])? else {
        return Ok(LogConfig::default());
    };
    let format = section.parsed("format")?.unwrap_or_default();
    let level = match section.word("level")? {
        None => None,
        Some(word) => Some(log::LevelFilter::from_str(&word).map_err(|_| {
            section
                .error("level", format!("{word:?} is none of off, error, warn, info, debug, trace"))
        })?),
    };
    Ok(LogConfig { format, level })
}

pub(super) fn write(config: LogConfig, out: &mut String) -> fmt::Result {
    use fmt::Write;
    if config == LogConfig::default() {
        return Ok(());
    }
    writeln!(out, "\n[log]\nformat = \"{}\"", config.format)?;
    match config.level {
        Some(level) => writeln!(out, "level = \"{}\"", level.as_str().to_ascii_lowercase()),
        None => Ok(()),
    }
}
