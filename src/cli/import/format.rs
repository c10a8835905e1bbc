//! What a file is, told by its content; its name only decides between CSV and plain text.

use super::super::failure::Failure;
use super::map::ColumnMap;
use super::{csv, git, mediawiki};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The formats that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// With this separator.
    Csv(u8),
    JsonLines,
    MediaWiki,
    Git,
    /// One story.
    Text,
}

/// How much of a file is looked at.
const START_BYTES: u64 = 64 << 10;

/// The format of what is at `path`.
pub(super) fn of(path: &Path, map: &ColumnMap) -> Result<Format, Failure> {
    let shown = path.display();
    let failed = |error| Failure::failed(format!("cannot read {shown}: {error}"));
    if path.is_dir() {
        if git::is_repository(path) {
            return Ok(Format::Git);
        }
        return Err(Failure::failed(format!(
            "{shown} is a directory, but no git repository: name files in it"
        )));
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(START_BYTES).read_to_end(&mut start).map_err(failed)?;
    let name = path.extension().and_then(|text| text.to_str()).unwrap_or_default();
    let format = guess(&start, &name.to_lowercase(), map)
        .ok_or_else(|| Failure::failed(format!("{shown} is {}", what_else(&start))))?;
    if let Format::Csv(delimiter) = format {
        map.check(&csv::columns(first_line(&String::from_utf8_lossy(&start)), delimiter))?;
    }
    Ok(format)
}

fn guess(start: &[u8], extension: &str, map: &ColumnMap) -> Option<Format> {
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if mediawiki::is_export(text) {
        return Some(Format::MediaWiki);
    }
    let first = first_line(text);
    if matches!(extension, "jsonl" | "ndjson")
        || first.starts_with('{') && serde_json::from_str::<Value>(first).is_ok()
    {
        return Some(Format::JsonLines);
    }
    if let Some(delimiter) = csv::delimiter(first) {
        let columns = csv::columns(first, delimiter);
        if matches!(extension, "csv" | "tsv" | "tab") || map.check(&columns).is_ok() {
            return Some(Format::Csv(delimiter));
        }
    }
    let is_text =
        !start.is_empty() && !start.iter().any(|byte| *byte < 9) && !text.starts_with("[{");
    // The look ended in the middle of a character, perhaps: up to three bytes may be missing.
    let whole =
        std::str::from_utf8(start).map_or_else(|e| start.len() - e.valid_up_to() < 4, |_| true);
    (is_text && whole && !text.starts_with("<?xml")).then_some(Format::Text)
}

fn first_line(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim_start().lines().next().unwrap_or_default()
}

fn what_else(start: &[u8]) -> &'static str {
    match start {
        [] => "empty",
        [b'P', b'K', 3, 4, ..] => "a zip archive: unpack it and import what is inside",
        [0x1f, 0x8b, ..] | [b'B', b'Z', b'h', ..] => "compressed: unpack it first",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16: make it UTF-8 (iconv -f UTF-16 -t UTF-8)",
        [b'[', ..] => "one JSON array: make it JSON Lines (jq -c '.[]' FILE) and import that",
        _ => "none of CSV, JSON Lines, MediaWiki XML export, git repository, UTF-8 text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(start: &[u8], extension: &str) -> Option<Format> {
        guess(start, extension, &ColumnMap::parse(None).unwrap())
    }

    #[test]
    fn content_tells_the_format() {
        assert_eq!(told(b"id,title,text\n1,2,3", ""), Some(Format::Csv(b',')));
        assert_eq!(told(b"\xef\xbb\xbfTitle;Body", "txt"), Some(Format::Csv(b';')));
        assert_eq!(told(b"a\tb\n", "tsv"), Some(Format::Csv(b'\t')));
        assert_eq!(told(b"{\"a\":1}\n", "txt"), Some(Format::JsonLines));
        assert_eq!(told(b"<mediawiki xmlns", "xml"), Some(Format::MediaWiki));
        assert_eq!(told(b"Dear reader, hello\n", "txt"), Some(Format::Text));
        assert_eq!(told(b"{% a template %}\n", "md"), Some(Format::Text));
        assert_eq!(told("cut off: ü".as_bytes().split_last().unwrap().1, ""), Some(Format::Text));
    }

    #[test]
    fn a_table_is_checked_against_the_map_before_anything_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.csv");
        std::fs::write(&file, "a,b\n1,2\n").unwrap();
        let failure = of(&file, &ColumnMap::parse(None).unwrap()).unwrap_err();
        assert!(failure.to_string().contains("--map body="), "{failure}");
        let map = ColumnMap::parse(Some("headline=a,body=b")).unwrap();
        assert_eq!(of(&file, &map), Ok(Format::Csv(b',')));
    }

    #[test]
    fn what_cannot_be_imported_is_said_so() {
        for start in
            [&b""[..], b"PK\x03\x04", b"[{\"a\":1}]", b"\0", b"\xff\xfe\xff\xff", b"<?xml?><a/>"]
        {
            assert_eq!(told(start, ""), None, "{start:?}");
        }
        assert!(what_else(b"PK\x03\x04..").contains("unpack"));
        let dir = tempfile::tempdir().unwrap();
        let failure = of(dir.path(), &ColumnMap::parse(None).unwrap()).unwrap_err();
        assert!(failure.to_string().contains("no git repository"));
    }
}
