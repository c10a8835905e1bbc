//! Tests of this module.

use super::*;
use crate::base::InBuf;
use crate::proto::testing::{cut, each_piece};
use proptest::prelude::*;
use std::cmp::Ordering;

/// What a codec said: whether the line was whole, and its bytes.
type Said = (bool, Vec<u8>);

fn said(line: Line<'_>) -> Said {
    match line {
        Line::Whole(bytes) => (true, bytes.to_vec()),
        Line::TooLong(bytes) => (false, bytes.to_vec()),
    }
}

/// Feeds `bytes` cut into pieces of the sizes given and ends the input.
fn lines_of(bytes: &[u8], max: usize, sizes: &[usize]) -> Vec<Said> {
    let mut codec = LineCodec::new(max);
    let mut lines = Vec::new();
    let mut input = each_piece(&cut(bytes, sizes), codec.needed(), |input| {
        while let Some(line) = codec.next(input) {
            lines.push(said(line));
        }
        true
    });
    while let Some(line) = codec.last(&mut input) {
        lines.push(said(line));
    }
    assert!(input.is_empty());
    lines
}

/// The same by splitting everything at once.
fn model(bytes: &[u8], max: usize) -> Vec<Said> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let last = lines.pop().filter(|line| !line.is_empty());
    let ended = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let event = |line: &[u8]| {
        let cut = max.min(QUOTE_BYTES_MAX);
        if line.len() > max { (false, line[..cut].to_vec()) } else { (true, line.to_vec()) }
    };
    ended.chain(last).map(event).collect()
}

proptest! {
    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut(
        bytes in prop::collection::vec(prop::sample::select(b"ab\r\r\n".to_vec()), 0..60),
        sizes in prop::collection::vec(1..9_usize, 1..9),
        max in 0..7_usize,
    ) {
        let expected = model(&bytes, max);
        prop_assert_eq!(lines_of(&bytes, max, &sizes), expected.clone());
        prop_assert_eq!(lines_of(&bytes, max, &[1]), expected.clone());
        prop_assert_eq!(lines_of(&bytes, max, &[bytes.len().max(1)]), expected);
    }

    #[test]
    fn no_line_breaks_the_parser_and_every_answer_is_one_line(line: Vec<u8>) {
        let line: Vec<u8> = line.into_iter().filter(|byte| *byte != b'\n').collect();
        let _ = Command::parse(&line);
        let mut out = Vec::new();
        put_bad(&mut out, Line::Whole(&line));
        prop_assert_eq!(&out[..2], b"? ");
        prop_assert_eq!(&out[2..out.len() - 1], &line[..]);
    }

    #[test]
    fn decimals_compare_as_the_numbers_they_are(a in decimal(), b in decimal()) {
        let (da, db) = (parse_decimal(&a), parse_decimal(&b));
        prop_assert_eq!(da.cmp(&db), scaled(&a).cmp(&scaled(&b)));
        prop_assert_eq!(da == db, scaled(&a) == scaled(&b));
        prop_assert_eq!(da.nanoseconds(), Some((scaled(&a) / 1_000_000) as i128));
    }

    #[test]
    fn zeros_around_a_decimal_do_not_change_it(
        a in decimal(), before in 0..80_usize, after in 1..80_usize,
    ) {
        let point = if a.contains('.') { "" } else { "." };
        let long = format!("{}{a}{point}{}", "0".repeat(before), "0".repeat(after));
        prop_assert_eq!(parse_decimal(&long), parse_decimal(&a));
        let more = format!("{long}1");
        prop_assert!(parse_decimal(&more) > parse_decimal(&a));
    }

    #[test]
    fn a_skew_is_exact_and_its_text_says_so(time in 0..=u64::MAX, receive in 0..=u64::MAX) {
        let text = format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
        let skew = parse_decimal(&text).skew(receive).unwrap();
        prop_assert_eq!(skew.0, i128::from(receive) - i128::from(time));
        let shown = skew.to_string();
        let (sign, size) = shown.split_at(1);
        let size = parse_decimal(size).nanoseconds().unwrap();
        prop_assert_eq!(if sign == "-" { -size } else { size }, skew.0);
        prop_assert_eq!(shown.len() - shown.find('.').unwrap(), 10);
    }

    #[test]
    fn a_report_comes_back_from_its_line(
        server in field(), id in field(), lat in -90_000_000..=90_000_000_i32,
        lon in -180_000_000..=180_000_000_i32, time in decimal(), skew: u64, receive: u64,
    ) {
        let latlon = format!("{:+}{:+}", f64::from(lat) / 1e6, f64::from(lon) / 1e6);
        let skew = Skew(i128::from(receive) - i128::from(skew)).to_string();
        let report = Report {
            server: &server,
            skew: skew.as_bytes(),
            id: &id,
            latlon: Latlon::parse(latlon.as_bytes()).unwrap(),
            time: parse_decimal(&time),
        };
        prop_assert_eq!(report.latlon.microdegrees(), (lat, lon));
        let mut line = Vec::new();
        report.encode(&mut line);
        prop_assert_eq!(Command::parse(&line), Command::At(report));
        let (latlon, time) = (latlon.as_bytes(), time.as_bytes());
        let fields = [b"AT", &server[..], skew.as_bytes(), &id, latlon, time];
        prop_assert_eq!(line, fields.join(&b' '));
    }

    #[test]
    fn the_order_of_reports_is_total(
        reports in prop::collection::vec((0..3_u8, 0..3_u8, 0..3_u8), 3),
    ) {
        let lines: Vec<String> = reports
            .iter()
            .map(|(time, server, skew)| format!("AT s{server} +{skew} id +1+1 1.{time}"))
            .collect();
        let reports: Vec<Report<'_>> = lines.iter().map(|line| report_of(line)).collect();
        let [a, b, c] = &reports[..] else { unreachable!() };
        prop_assert_eq!(a.order(b), b.order(a).reverse());
        prop_assert_eq!(a.order(b).is_eq(), lines[0] == lines[1]);
        if a.order(b).is_le() && b.order(c).is_le() {
            prop_assert!(a.order(c).is_le());
        }
    }
}

fn decimal() -> impl Strategy<Value = String> {
    "[0-9]{1,15}(\\.[0-9]{1,15})?"
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("white space", |b| !b" \t\r\n\x0b\x0c".contains(b));
    prop::collection::vec(byte, 1..12)
}

fn parse_decimal(text: &str) -> Decimal<'_> {
    Decimal::parse(text.as_bytes()).unwrap()
}

/// A decimal of at most 15 digits on either side of its point, times 10^15.
fn scaled(text: &str) -> u128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<15}").parse().unwrap()
}

fn report_of(line: &str) -> Report<'_> {
    let Command::At(report) = Command::parse(line.as_bytes()) else { panic!("{line}") };
    report
}

#[test]
fn a_line_too_long_is_one_event_with_its_first_kilobyte() {
    let long = [vec![b'x'; 70_000], b"\nIAMAT\n".to_vec()].concat();
    for sizes in [&[1][..], &[4096], &[100_000]] {
        let lines = lines_of(&long, 65_536, sizes);
        assert_eq!(lines, [(false, vec![b'x'; 1024]), (true, b"IAMAT".to_vec())]);
    }
    let fits = [vec![b'y'; 65_536], b"\r\n".to_vec()].concat();
    assert_eq!(lines_of(&fits, 65_536, &[1]), [(true, vec![b'y'; 65_536])]);
    let ends_in_it = vec![b'z'; 65_537];
    assert_eq!(lines_of(&ends_in_it, 65_536, &[1000]), [(false, vec![b'z'; 1024])]);
}

#[test]
fn an_unterminated_last_line_is_a_command_and_its_bytes_are_kept() {
    assert_eq!(
        lines_of(b"a\r\n\nb", 10, &[2]),
        [(true, b"a".to_vec()), (true, vec![]), (true, b"b".to_vec())]
    );
    assert_eq!(lines_of(b"b\r", 10, &[2]), [(true, b"b\r".to_vec())]);
    assert_eq!(lines_of(b"", 10, &[2]), []);
    let mut codec = LineCodec::new(10);
    let mut input = InBuf::new(codec.needed());
    input.push(b"a\nb");
    assert_eq!(codec.last(&mut input), Some(Line::Whole(b"a")), "lines before it come first");
    assert_eq!(codec.last(&mut input), Some(Line::Whole(b"b")));
    assert_eq!(codec.last(&mut input), None);
}

#[test]
fn commands_are_read_with_any_white_space_between_their_fields() {
    let line = b" \tIAMAT\x0bkiwi.cs.ucla.edu \x0c +34.068930-118.445127\t1621464827.959498503\r";
    let Command::Iamat { id, latlon, time } = Command::parse(line) else { panic!() };
    assert_eq!(id, b"kiwi.cs.ucla.edu");
    assert_eq!(latlon.raw(), b"+34.068930-118.445127");
    assert_eq!(latlon.microdegrees(), (34_068_930, -118_445_127));
    assert!((latlon.lat() - 34.06893).abs() < 1e-12 && (latlon.lon() + 118.445_127).abs() < 1e-12);
    assert_eq!(time.raw(), b"1621464827.959498503");
    assert_eq!(time.nanoseconds(), Some(1_621_464_827_959_498_503));
    let Command::Whatsat { id, radius, bound } = Command::parse(b"WHATSAT \xff\xfe 10.5 5") else {
        panic!()
    };
    assert_eq!((id, bound), (&b"\xff\xfe"[..], 5));
    assert!((radius.km() - 10.5).abs() < 1e-12);
}

#[test]
fn what_the_herds_that_exist_choke_on_is_no_command_here() {
    let bad: [&[u8]; 49] = [
        b"",
        b"   ",
        b"IAMAT",
        b"iamat a +1+1 1",
        b"IAMATa +1+1 1",
        b"AUTH",
        b"AUTH a b",
        b"auth a",
        b"IAMAT a +1+1",
        b"IAMAT a +1+1 1 1",
        b"IAMAT a 1+1 1",
        b"IAMAT a +1 1",
        b"IAMAT a +1+1+1 1",
        b"IAMAT a +1+1/ 1",
        b"IAMAT a +.5+1 1",
        b"IAMAT a +5.+1 1",
        b"IAMAT a +90.0000000000000000001+0 1",
        b"IAMAT a +0-180.1 1",
        b"IAMAT a +0090+0 1",
        b"IAMAT a +91+0 1",
        b"IAMAT a +nan+inf 1",
        b"IAMAT a ++1+1 1",
        b"IAMAT a + 1",
        b"IAMAT a +1+1 -1",
        b"IAMAT a +1+1 +1",
        b"IAMAT a +1+1 nan",
        b"IAMAT a +1+1 inf",
        b"IAMAT a +1+1 1e9",
        b"IAMAT a +1+1 1_000",
        b"IAMAT a +1+1 .5",
        b"IAMAT a +1+1 5.",
        b"IAMAT a +1+1 1.2.3",
        b"IAMAT a +1+1 0x10",
        b"IAMAT a +1+1 \xd9\xa1",
        b"WHATSAT a -1 5",
        b"WHATSAT a 50.00000000000000000000001 5",
        b"WHATSAT a nan 5",
        b"WHATSAT a 1e1 5",
        b"WHATSAT a 10 21",
        b"WHATSAT a 10 -1",
        b"WHATSAT a 10 5.0",
        b"WHATSAT a 10 +5",
        b"WHATSAT a 10 99999999999999999999999999",
        b"WHATSAT a 10",
        b"WHATSAT a 10 5 5",
        b"AT Hill +1 a +1+1",
        b"AT Hill later a +1+1 1",
        b"AT Hill +1 a +1+1 1 Hill more",
        b"\xff\xfe\x00",
    ];
    for line in bad {
        assert_eq!(Command::parse(line), Command::Bad, "{}", String::from_utf8_lossy(line));
    }
    let good: [&[u8]; 9] = [
        b"IAMAT a +90-180 0",
        b"IAMAT a -90.000+180.0 000000000000000000000000000000000000000000000000000000001.5",
        b"IAMAT \xff\x00 +001.5-00.25 1",
        b"WHATSAT a 0 0",
        b"WHATSAT a 50.000000 020",
        b"WHATSAT a 10.5 20",
        b"AT Hill +0.5 a +1+1 1",
        b"AT Hill -1.5e-05 a +1+1 1 Jaquez",
        b"AT\tHill 0 a +1+1 1\r",
    ];
    for line in good {
        assert_ne!(Command::parse(line), Command::Bad, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn times_beyond_every_integer_are_compared_and_found_to_be_ahead() {
    let huge = "9".repeat(60_000);
    let larger = format!("1{}", "0".repeat(60_000));
    assert!(parse_decimal(&huge) < parse_decimal(&larger));
    assert!(parse_decimal("10") > parse_decimal("9.5"), "not as text");
    assert_eq!(parse_decimal(&huge).skew(u64::MAX), None);
    let edge = "9".repeat(28);
    let skew = parse_decimal(&edge).skew(0).unwrap();
    assert_eq!(skew.to_string(), format!("-{edge}.000000000"));
    assert!(skew.is_ahead_by_more_than(u64::MAX));
    assert_eq!(parse_decimal(&format!("1{}", "0".repeat(28))).skew(0), None);
}

#[test]
fn skews_have_a_sign_and_nine_decimals() {
    let skew = |time: &str, receive| parse_decimal(time).skew(receive).unwrap().to_string();
    assert_eq!(skew("1", 1_000_000_000), "+0.000000000");
    assert_eq!(skew("0.5", 1_263_873_386), "+0.763873386");
    assert_eq!(skew("2.000000001", 2_000_000_000), "-0.000000001");
    assert_eq!(skew("2.0000000009", 2_000_000_000), "+0.000000000");
    assert_eq!(skew("100", 1), "-99.999999999");
    let ahead = parse_decimal("86400.001").skew(0).unwrap();
    assert!(!ahead.is_ahead_by_more_than(86_400_001));
    assert!(ahead.is_ahead_by_more_than(86_400_000));
}

#[test]
fn reports_are_ordered_by_time_then_server_then_bytes() {
    let order = |a: &str, b: &str| report_of(a).order(&report_of(b));
    assert_eq!(order("AT B +1 a +1+1 9", "AT A +1 a +1+1 10"), Ordering::Less);
    assert_eq!(order("AT B +1 a +1+1 9", "AT A +1 a +1+1 9.0"), Ordering::Greater);
    assert_eq!(order("AT A +1 a +1+1 9", "AT A +2 a +1+1 9"), Ordering::Less);
    assert_eq!(order("AT A +1 a +1+1 9", "AT A +1 a +1+1 9.0"), Ordering::Less);
    assert_eq!(order("AT A +1 a +1+1 9", "AT A +1 a +1+1 9 B"), Ordering::Equal);
}

#[test]
fn answers_have_the_form_that_clients_read_to() {
    let mut out = Vec::new();
    put_at(&mut out, b"AT Hill +0.5 a +1+1 1");
    put_places(&mut out, b"AT Hill +0.5 a +1+1 1", "\n{\n\n\n  \"results\": []\r\n\n}\n\n");
    put_bad(&mut out, Line::Whole(b" WHATSAT  a\t"));
    put_bad(&mut out, Line::TooLong(b"xx"));
    let expected = "AT Hill +0.5 a +1+1 1\nAT Hill +0.5 a +1+1 1\n{\n  \"results\": []\n}\n\n\
                    ? \x20WHATSAT  a\t\n? xx\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
