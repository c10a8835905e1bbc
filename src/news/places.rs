//! Position reports: of each id the newest, kept as the AT line that its first server made, byte
//! for byte. The payload of [`Kind::Report`](crate::update::Kind) is that line, fields parted by
//! one space, without an LF.
//!
//! Newest is by the total order of the line protocol (time, then server, then bytes), so all nodes
//! end with the same line whatever order reports came in.

use super::rows::{key, table};
use super::{Applied, PayloadError, Shelf};
use crate::proto::line::{Command, Decimal, Report};
use crate::store::{Direction, StoreError};
use crate::update::Update;
use std::ops::Bound;

/// The longest AT line: the longest command, and what a server adds to it.
const LINE_BYTES_MAX: usize = 65_536 + 4096;
/// Longer ids stand in the index under their hash.
const KEY_ID_BYTES_MAX: usize = 64;

/// Reads the payload of a report, which is its AT line.
pub fn read_report(line: &[u8]) -> Result<Report<'_>, PayloadError> {
    // Tab, LF, VT, FF, CR. Not `any`: looked at all together, they are compared 16 at a time.
    let is_other_space = |byte: &u8| (b'\t'..=b'\r').contains(byte);
    let has_other_space = line.iter().fold(false, |found, byte| found | is_other_space(byte));
    if line.len() > LINE_BYTES_MAX || has_other_space {
        return Err(PayloadError::Line);
    }
    let Command::At(report) = Command::parse(line) else {
        return Err(PayloadError::Line);
    };
    let fields = [report.server, report.skew, report.id, report.latlon.raw(), report.time.raw()];
    let length = fields.iter().fold(2, |sum, field| sum + 1 + field.len());
    if length == line.len() { Ok(report) } else { Err(PayloadError::Line) }
}

pub(super) fn apply_report(shelf: &mut impl Shelf, update: &Update) -> Result<Applied, StoreError> {
    let line = update.payload();
    let report = match read_report(line) {
        Ok(report) => report,
        Err(error) => return Ok(Applied::Malformed(error)),
    };
    let key = report_key(report.id);
    if let Some(held) = shelf.get(&key)?
        && !is_older(&held, &report)?
    {
        return Ok(Applied::Report { is_newest: false });
    }
    shelf.put(key, line.to_vec());
    Ok(Applied::Report { is_newest: true })
}

/// True when the held line comes before a report. The time nearly always tells.
fn is_older(held: &[u8], report: &Report<'_>) -> Result<bool, StoreError> {
    let time = report_time(held).ok_or(StoreError::IndexBroken)?;
    if time < report.time {
        return Ok(true);
    }
    let held = read_report(held).map_err(|_| StoreError::IndexBroken)?;
    Ok(held.order(report).is_lt())
}

/// The time of an AT line that [`read_report`] took before: its last field.
pub fn report_time(line: &[u8]) -> Option<Decimal<'_>> {
    let space = line.iter().rposition(|byte| *byte == b' ')?;
    Decimal::parse(&line[space + 1..])
}

/// The AT line of the newest report of an id; [`read_report`] takes it apart.
pub fn report(shelf: &impl Shelf, id: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    shelf.get(&report_key(id))
}

fn report_key(id: &[u8]) -> Vec<u8> {
    if id.len() <= KEY_ID_BYTES_MAX {
        key(table::REPORT, &[id])
    } else {
        key(table::REPORT_HASHED, &[blake3::hash(id).as_bytes()])
    }
}

/// AT lines, and what to ask for the next ones with.
pub type ReportPage = (Vec<Vec<u8>>, Option<Vec<u8>>);

/// The AT lines of all ids, at most `limit` at a time, in an order that stays: those behind
/// `after`, which is what the call before returned with its lines. None with the last ones.
pub fn reports(
    shelf: &impl Shelf,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<ReportPage, StoreError> {
    let from = after.map_or(Bound::Included(&[table::REPORT][..]), Bound::Excluded);
    let to = Bound::Excluded(&[table::REPORT_HASHED + 1][..]);
    let rows = shelf.scan(from, to, limit, Direction::Up)?;
    let is_more = rows.len() == limit;
    let next = rows.last().filter(|_| is_more).map(|(key, _)| key.clone());
    Ok((rows.into_iter().map(|(_, line)| line).collect(), next))
}

#[cfg(test)]
mod tests {
    use super::super::{TOPIC_PLACES, apply};
    use super::*;
    use crate::update::{Draft, Kind};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn update(seq: u64, line: &[u8]) -> Update {
        Update::seal(Draft {
            kind: Kind::Report,
            topic: TOPIC_PLACES,
            payload: line,
            ..Draft::sample(seq)
        })
        .unwrap()
    }

    fn line(server: &str, id: &str, latlon: &str, time: &str) -> Vec<u8> {
        format!("AT {server} +0.263873386 {id} {latlon} {time}").into_bytes()
    }

    proptest! {
        #[test]
        fn whatever_order_reports_come_in_the_same_line_is_held(
            reports in prop::collection::vec(
                ("[A-C]", "[x-z]", "[+-][0-8][+-]1", "0?[12](\\.[05]0?)?"), 1..20,
            ),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let reports: Vec<_> = (1..)
                .zip(&reports)
                .map(|(seq, (server, id, at, time))| update(seq, &line(server, id, at, time)))
                .collect();
            let mut once = BTreeMap::new();
            for report in &reports {
                apply(&mut once, report).unwrap();
            }
            let mut shuffled = BTreeMap::new();
            for at in order {
                apply(&mut shuffled, at.get(&reports)).unwrap();
            }
            for report in reports.iter().rev() {
                apply(&mut shuffled, report).unwrap();
            }
            prop_assert_eq!(&once, &shuffled);
            for held in once.values() {
                let held = read_report(held).unwrap();
                for report in &reports {
                    let report = read_report(report.payload()).unwrap();
                    prop_assert!(report.id != held.id || report.order(&held).is_le());
                }
            }
        }

        #[test]
        fn what_is_read_is_one_canonical_line(
            line in "AT A \\+1\\.0[ \t\n]{1,2}k[ \r\n]\\+1-1 5[ \u{b}]?",
        ) {
            if let Ok(report) = read_report(line.as_bytes()) {
                let mut again = Vec::new();
                report.encode(&mut again);
                prop_assert_eq!(again, line.into_bytes());
            }
        }
    }

    #[test]
    fn ids_are_any_bytes_and_long_ones_do_not_meet_short_ones() {
        let mut shelf = BTreeMap::new();
        let long = vec![0xff_u8; 60_000];
        let hashed = blake3::hash(&long);
        let short = hashed.as_bytes().iter().map(|b| b | 0x80).collect::<Vec<_>>();
        for (seq, id) in (1..).zip([&long[..], &short, &long[..64], &long[..65]]) {
            let line = [b"AT A +1.0 ", id, b" +1-1 5"].concat();
            let applied = apply(&mut shelf, &update(seq, &line)).unwrap();
            assert_eq!(applied, Applied::Report { is_newest: true });
            assert_eq!(report(&shelf, id).unwrap(), Some(line));
        }
        assert_eq!(report(&shelf, b"nobody").unwrap(), None);
        let (mut all, mut after, mut calls) = (Vec::new(), None, 0);
        loop {
            let (lines, next) = reports(&shelf, after.as_deref(), 2).unwrap();
            all.extend(lines);
            calls += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(calls, 3);
        assert_eq!(all, shelf.into_values().collect::<Vec<_>>());
    }

    #[test]
    fn an_older_or_equal_report_changes_nothing() {
        let mut shelf = BTreeMap::new();
        let held = line("Hill", "kiwi", "+34.068930-118.445127", "1520023934.918963997");
        apply(&mut shelf, &update(1, &held)).unwrap();
        for time in ["1520023934.918963997", "1520023934", "0"] {
            let older = line("Hill", "kiwi", "+34.068930-118.445127", time);
            let applied = apply(&mut shelf, &update(2, &older)).unwrap();
            assert_eq!(applied, Applied::Report { is_newest: false });
            assert_eq!(report(&shelf, b"kiwi").unwrap().as_ref(), Some(&held));
        }
    }

    #[test]
    fn other_bytes_show_nothing() {
        let mut shelf = BTreeMap::new();
        for bad in [
            &b""[..],
            b"AT",
            b"AT A +1.0 k +1-1 5 extra",
            b"AT A +1.0 k +1-1 5 ",
            b"AT A  +1.0 k +1-1 5",
            b"AT A +1.0 k\nAT +1-1 5",
            b"AT A +1.0 k\t+1-1 5",
            b"AT A nan k +1-1 5",
            b"IAMAT k +1-1 5",
            b"AT A +1.0 k +91-1 5",
        ] {
            let applied = apply(&mut shelf, &update(1, bad)).unwrap();
            assert_eq!(applied, Applied::Malformed(PayloadError::Line));
        }
        assert!(shelf.is_empty());
    }
}
