//! CSV with a header row (RFC 4180 with the world's liberties): comma, semicolon or tab.

use super::super::failure::Failure;
use super::item::{Found, Sink};
use super::rows::Rows;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;

/// The separator that a header line uses: the one found most often outside quotes.
pub(super) fn delimiter(header: &str) -> Option<u8> {
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0)];
    let mut quoted = false;
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(byte == *delimiter && !quoted);
        }
    }
    let best = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
    (best.1 > 0).then_some(best.0)
}

/// Names of the columns in a header line.
pub(super) fn columns(header: &str, delimiter: u8) -> Vec<String> {
    let mut reader = reader(header.as_bytes(), delimiter);
    reader.byte_headers().map(names).unwrap_or_default()
}

fn reader<R: Read>(input: R, delimiter: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(input)
}

fn names(header: &csv::ByteRecord) -> Vec<String> {
    let name = |field: &[u8]| {
        let text = String::from_utf8_lossy(field);
        text.trim_start_matches('\u{feff}').trim().to_lowercase()
    };
    header.iter().map(name).collect()
}

/// Reads all rows of `input`. Column names do not depend on letter case.
pub(super) fn read(
    input: impl Read,
    delimiter: u8,
    rows: &mut Rows,
    sink: Sink<'_>,
) -> Result<(), Failure> {
    let failed = |error: csv::Error| Failure::failed(format!("cannot read the CSV: {error}"));
    let mut reader = reader(input, delimiter);
    let columns = names(reader.byte_headers().map_err(failed)?);
    let count = columns.len();
    let by_name: BTreeMap<String, usize> =
        columns.into_iter().enumerate().rev().map(|(at, name)| (name, at)).collect();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(failed)? {
        if sink(Found::Position(reader.position().byte())).is_break() {
            break;
        }
        let line = record.position().map_or(0, csv::Position::line);
        if take(&record, count, &by_name, &format!("line {line}"), rows, sink).is_break() {
            break;
        }
    }
    Ok(())
}

fn take(
    record: &csv::ByteRecord,
    columns: usize,
    by_name: &BTreeMap<String, usize>,
    place: &str,
    rows: &mut Rows,
    sink: Sink<'_>,
) -> ControlFlow<()> {
    if record.len() > columns {
        return sink(Found::Refused("more fields than the header names", place.to_owned()));
    }
    if record.iter().any(|field| std::str::from_utf8(field).is_err()) {
        sink(Found::Repaired("not UTF-8: wrong bytes replaced", place.to_owned()))?;
    }
    let field = |name: &str| -> Option<Cow<'_, str>> {
        let at = by_name.get(&name.to_lowercase())?;
        record.get(*at).map(String::from_utf8_lossy)
    };
    rows.take(place, &field, sink)
}

#[cfg(test)]
mod tests {
    use super::super::item::tests::collect;
    use super::super::map::ColumnMap;
    use super::*;

    fn read_all(text: &[u8]) -> Result<Vec<Found>, Failure> {
        let mut rows = Rows::new(ColumnMap::parse(None).unwrap());
        collect(|sink| read(text, b',', &mut rows, sink))
    }

    #[test]
    fn quotes_newlines_and_a_byte_order_mark_are_understood() {
        let text = b"\xef\xbb\xbfID,Title,Text\r\n1,\"A, \"\"b\"\"\",\"one\ntwo\"\r\n2,C,d\r\n";
        let found = read_all(text).unwrap();
        let Found::Edition(first) = &found[0] else { panic!("{found:?}") };
        assert_eq!((&*first.title, &*first.body), ("A, \"b\"", "one\ntwo"));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn rows_that_do_not_fit_are_refused_or_repaired() {
        let found = read_all(b"title,text\na,b,c\nd\ne,f\xff\n").unwrap();
        let more = "more fields than the header names";
        assert_eq!(found[0], Found::Refused(more, "line 2".into()));
        assert_eq!(found[1], Found::Refused("no text", "line 3".into()));
        assert!(matches!(&found[2], Found::Repaired(how, _) if how.starts_with("not UTF-8")));
        assert!(matches!(&found[3], Found::Edition(edition) if edition.body == "f\u{fffd}"));
    }

    #[test]
    fn the_delimiter_is_the_most_frequent_outside_quotes() {
        assert_eq!(delimiter("a,b;c,d"), Some(b','));
        assert_eq!(delimiter("\"a,b,c\";d"), Some(b';'));
        assert_eq!(delimiter("a\tb"), Some(b'\t'));
        assert_eq!(delimiter("word"), None);
        assert_eq!(columns("A;\"b \"", b';'), ["a", "b"]);
    }
}
