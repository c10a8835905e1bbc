//! The line protocol.

use super::cut::{each_piece, however_cut};
use bellwether::proto::line::{
    Command, Decimal, Line, LineCodec, QUOTE_BYTES_MAX, Report, put_bad,
};

/// Whether a line is whole, and its bytes or the first of them.
type Said = (bool, Vec<u8>);

fn keep(line: Line<'_>) -> Said {
    match line {
        Line::Whole(bytes) => (true, bytes.to_vec()),
        Line::TooLong(bytes) => (false, bytes.to_vec()),
    }
}

fn read(pieces: &[&[u8]], line_bytes_max: usize) -> Vec<Said> {
    let mut codec = LineCodec::new(line_bytes_max);
    let mut all = Vec::new();
    let mut input = each_piece(pieces, codec.needed(), |input| {
        while let Some(line) = codec.next(input) {
            all.push(keep(line));
        }
        true
    });
    while let Some(line) = codec.last(&mut input) {
        all.push(keep(line));
    }
    assert!(input.is_empty(), "bytes are left");
    all
}

/// The same, all at once and in the most obvious way.
fn model(bytes: &[u8], line_bytes_max: usize) -> Vec<Said> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let last = lines.pop().filter(|line| !line.is_empty());
    let ended = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let say = |line: &[u8]| {
        let quote = line_bytes_max.min(QUOTE_BYTES_MAX);
        if line.len() > line_bytes_max {
            (false, line[..quote].to_vec())
        } else {
            (true, line.into())
        }
    };
    ended.chain(last).map(say).collect()
}

/// A connection's bytes.
pub(crate) fn line(bytes: &[u8]) {
    for line_bytes_max in [3, 40, 65_536] {
        let all = however_cut(bytes, |pieces| read(pieces, line_bytes_max));
        assert_eq!(all, model(bytes, line_bytes_max), "lines of {line_bytes_max} bytes");
    }
    let mut last: Option<Decimal<'_>> = None;
    let lines: Vec<Said> = read(&[bytes], 65_536);
    for (_, line) in &lines {
        let time = look_at_command(line);
        if let (Some(last), Some(time)) = (last, time) {
            assert_eq!(last.cmp(&time), time.cmp(&last).reverse());
        }
        last = time.or(last);
        let mut answer = Vec::new();
        put_bad(&mut answer, Line::Whole(line));
        assert_eq!(answer, [b"? ", &line[..], b"\n"].concat());
    }
}

/// The time in a line that has one.
fn look_at_command(line: &[u8]) -> Option<Decimal<'_>> {
    match Command::parse(line) {
        Command::Iamat { id, latlon, time } => {
            let report = Report { server: b"hill", skew: b"+0.5", id, latlon, time };
            look_at_report(&report);
            Some(time)
        }
        Command::At(report) => {
            look_at_report(&report);
            Some(report.time)
        }
        Command::Whatsat { radius, bound, .. } => {
            assert!((0.0..=50.0).contains(&radius.km()) && bound <= 20);
            None
        }
        Command::Auth { token } => {
            assert!(!token.is_empty() && !token.contains(&b' '));
            None
        }
        Command::Bad => None,
    }
}

/// What is said of someone can be handed on, and is understood as it was meant.
fn look_at_report(report: &Report<'_>) {
    let mut line = Vec::new();
    report.encode(&mut line);
    assert_eq!(Command::parse(&line), Command::At(*report));
    assert!((-90.0..=90.0).contains(&report.latlon.lat()), "{report:?}");
    assert!((-180.0..=180.0).contains(&report.latlon.lon()), "{report:?}");
    let (lat, lon) = report.latlon.microdegrees();
    assert!(lat.abs() <= 90_000_000 && lon.abs() <= 180_000_000, "{report:?}");
    report.time.nanoseconds();
    if let Some(skew) = report.time.skew(1_700_000_000_000_000_000) {
        // As it stands in an AT line.
        let text = skew.to_string();
        let again = Report { skew: text.as_bytes(), ..*report };
        line.clear();
        again.encode(&mut line);
        assert_eq!(Command::parse(&line), Command::At(again), "{text}");
    }
    assert!(report.order(report).is_eq());
}
