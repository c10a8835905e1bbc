//! Articles from bytes and back: heads, Message-IDs, paths, dates, MIME, locks.

use super::*;
use proptest::prelude::*;

const PLAIN: &str = "Path: news.example!not-for-mail\r\nFrom: Ann <ann@example.com>\r\n\
    Newsgroups: misc.test, alt.x,,bad name\r\nSubject: A test,\r\n\tfolded\r\n\
    Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <a@example.com>\r\n\r\nOne\r\n.Two\r\n";

fn parse(text: &str) -> Article {
    Article::parse(text.as_bytes()).unwrap()
}

fn fault(text: &[u8]) -> ArticleErrorKind {
    Article::parse(text).unwrap_err().kind
}

fn with(fields: &str, body: &[u8]) -> Article {
    Article::parse(&[fields.as_bytes(), b"\r\n", body].concat()).unwrap()
}

#[test]
fn an_article_is_read_and_printed_as_it_came() {
    let article = parse(PLAIN);
    assert_eq!(article.first("SUBJECT").unwrap(), b"A test,\r\n\tfolded");
    assert_eq!(article.unfolded("subject"), "A test, folded");
    assert_eq!(article.groups(), ["misc.test", "alt.x"]);
    assert_eq!(article.message_id().unwrap().as_str(), "<a@example.com>");
    assert_eq!((Extent::of(&article.body).lines, article.missing(&[])), (2, None));
    let mut out = Vec::new();
    article.put(&mut out);
    assert_eq!((out.len(), &out[..]), (article.bytes(), PLAIN.as_bytes()));
}

#[test]
fn every_cut_of_a_head_is_refused_and_every_cut_of_a_body_is_read() {
    let end = PLAIN.find("\r\n\r\n").unwrap() + 4;
    for cut in 0..PLAIN.len() {
        let read = Article::parse(&PLAIN.as_bytes()[..cut]);
        let is_torn = cut > end && PLAIN.as_bytes()[cut - 1] == b'\r';
        assert_eq!(read.is_ok(), cut >= end && !is_torn, "cut at {cut}");
    }
}

#[test]
fn what_is_wrong_with_a_head_is_named() {
    use ArticleErrorKind::{Empty, LongHead, Malformed, ManyFields, NoBody, Stray, Twice};
    assert_eq!(fault(b"A: b\r\n"), NoBody);
    assert_eq!(fault(b""), NoBody);
    assert_eq!(fault(b"A b\r\n\r\n"), Malformed);
    assert_eq!(fault(b" A: b\r\n\r\n"), Malformed);
    assert_eq!(fault(b"A:b\r\n\r\n"), Malformed);
    assert_eq!(fault("\u{e9}: b\r\n\r\n".as_bytes()), Malformed);
    assert_eq!(fault(b"A: \r\n\r\n"), Empty);
    assert_eq!(fault(b"A:\r\n\r\n"), Empty);
    assert_eq!(fault(b"Subject: a\r\nSUBJECT: b\r\n\r\n"), Twice);
    assert_eq!(fault(b"A: b\nC: d\r\n\r\n"), Stray);
    assert_eq!(fault(b"A: b\r\n\r\nx\ny\r\n"), Stray);
    assert_eq!(fault(b"A: b\r\n\r\nx\ry\r\n"), Stray);
    assert_eq!(fault(b"A: b\r\n\r\nx\0\r\n"), Stray);
    let many = "X: y\r\n".repeat(FIELDS_MAX + 1) + "\r\n";
    assert_eq!(fault(many.as_bytes()), ManyFields);
    let most = "X: y\r\n".repeat(FIELDS_MAX) + "\r\n";
    assert_eq!(parse(&most).fields.len(), FIELDS_MAX);
    let long = format!("X: {}\r\n\r\n", "y".repeat(HEAD_BYTES_MAX));
    assert_eq!(fault(long.as_bytes()), LongHead);
    let longest = format!("X: {}\r\n\r\n", "y".repeat(HEAD_BYTES_MAX - 5));
    assert_eq!(parse(&longest).fields.len(), 1);
}

#[test]
fn message_ids_are_what_articles_are_called_by() {
    for good in ["<a@b>", "<a.b$c%d@[1.2.3.4]>", "<x!y/z@h@i>"] {
        assert_eq!(MessageId::parse(good.as_bytes()).unwrap().as_str(), good);
    }
    let long = format!("<{}@b>", "a".repeat(247));
    for bad in ["", "<>", "<a>", "<@b>", "<a@>", "a@b", "<a b@c>", "<a@b", "<a>@b>", &long] {
        assert_eq!(MessageId::parse(bad.as_bytes()), None, "{bad}");
    }
    let ids = message_ids(b"<a@b> (x) <c@d>\r\n <e f@g><h@i> <j");
    let ids: Vec<&str> = ids.iter().map(MessageId::as_str).collect();
    assert_eq!(ids, ["<a@b>", "<c@d>", "<h@i>"]);
}

#[test]
fn a_path_tells_where_an_article_was_and_grows_in_front() {
    let mut path = Path::parse(b"b.example!!a.example!.POSTED.c.example\r\n !not-for-mail");
    assert!(path.passed("A.Example") && path.passed("b.example"));
    assert!(!path.passed("c.example") && !path.passed("not-for-mail"));
    path.relay("Hill", "B.example");
    assert!(path.value().starts_with(b"Hill!!b.example!!a.example!"));
    path.relay("Jaquez", "other.example");
    assert!(path.value().starts_with(b"Jaquez!.MISMATCH.other.example!Hill!!"));
    path.relay_seen("Clark", "127.0.0.1");
    assert!(path.value().starts_with(b"Clark!.SEEN.127.0.0.1!Jaquez!"));
    let mut own = Path::new();
    own.inject("Hill");
    assert_eq!(own.value(), b"Hill!.POSTED!not-for-mail");
    assert_eq!(Path::identity("H\u{fc}gel 7!"), "H-gel-7");
    assert_eq!(Path::identity("!"), "site");
}

#[test]
fn a_long_path_is_folded_and_reads_as_the_same() {
    let mut path = Path::new();
    for number in 0..300 {
        path.relay(&format!("site{number}.example"), "elsewhere.example");
    }
    let value = path.value();
    assert!(value.split(|byte| *byte == b'\n').all(|line| line.len() < LINE_BYTES_MAX));
    assert_eq!(Path::parse(&value), path);
}

#[test]
fn dates_come_back_and_old_forms_are_read() {
    let mut out = Vec::new();
    put_date(&mut out, 880_127_706_123);
    assert_eq!(out, b"Fri, 21 Nov 1997 15:55:06 +0000");
    assert_eq!(parse_date(&out), Some(880_127_706));
    for same in [
        "Fri, 21 Nov 1997 09:55:06 -0600",
        "21 Nov 97 15:55:06 GMT",
        "Mon, 21 Nov 1997 15:55:06 +0000",
    ] {
        assert_eq!(parse_date(same.as_bytes()), Some(880_127_706), "{same}");
    }
    for none in ["", "yesterday", "32 Nov 1997 00:00:00 GMT"] {
        assert_eq!(parse_date(none.as_bytes()), None, "{none}");
    }
}

#[test]
fn encoded_words_are_undone_as_rfc_2047_has_them() {
    for (value, text) in [
        ("plain text", "plain text"),
        ("=?ISO-8859-1?Q?a?= b", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a?=\r\n     =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a_b?=", "a b"),
        ("=?iso-8859-15?q?=A4?= 5", "\u{20ac} 5"),
        ("=?UTF-8*en?B?w6k=?=", "\u{e9}"),
        ("=?UTF-8?B?w6k?=", "\u{e9}"),
        ("=?UTF-8?B?w?= =?UTF-8?Q?=C3?= =?UTF-8?Q?=A9?=", "=?UTF-8?B?w?= \u{e9}"),
        ("=?KOI8-R?B?8NLJ18XU?=", "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
        ("=?x-unknown?Q?=E9?=", "\u{e9}"),
        ("a =?UTF-8?Q?b?", "a =?UTF-8?Q?b?"),
        ("=?UTF-8?Q?=0Aevil?=", "evil"),
    ] {
        assert_eq!(decode_words(value.as_bytes()), text, "{value}");
    }
    assert_eq!(decode_words(b"caf\xe9"), "caf\u{e9}");
    assert_eq!(decode_words("caf\u{e9}".as_bytes()), "caf\u{e9}");
}

#[test]
fn bodies_are_read_in_their_coding_and_charset() {
    let utf8 = with("Content-Type: text/plain; charset=\"utf-8\"\r\n", "\u{e9}\r\n".as_bytes());
    assert_eq!(utf8.content(), content("text/plain", "\u{e9}\n"));
    let latin = with("Content-Type: TEXT/HTML ;charset=iso-8859-1\r\n", b"\xe9\r\n");
    assert_eq!(latin.content(), content("text/html", "\u{e9}\n"));
    let quoted = with(
        "Content-Type: text/plain; format=flowed; charset=utf-8\r\n\
         Content-Transfer-Encoding: Quoted-Printable\r\n",
        b"a=C3=A9 b=\r\nc  \r\n=ZZ\r\n",
    );
    assert_eq!(quoted.content(), content("text/plain", "a\u{e9} bc\n=ZZ\n"));
    let coded = with("Content-Transfer-Encoding: base64\r\n", b"w6k\r\nK\r\n");
    assert_eq!(coded.content(), content("text/plain", "\u{e9}\n"));
    let bare = with("Subject: x\r\n", b"caf\xe9\r\n");
    assert_eq!(bare.content(), content("text/plain", "caf\u{e9}\n"));
    let image =
        with("Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n", b"AAE=\r\n");
    assert_eq!(image.content(), Content { media_type: "image/png".into(), body: vec![0, 1] });
    let shifted = with("Content-Type: text/plain; charset=Shift_JIS\r\n", b"\x93\xfa\r\n");
    assert_eq!(shifted.content(), content("text/plain", "\u{65e5}\n"));
}

fn content(media_type: &str, body: &str) -> Content {
    Content { media_type: media_type.to_owned(), body: body.as_bytes().to_vec() }
}

#[test]
fn of_several_parts_the_first_plain_text_is_read() {
    let head = "Content-Type: multipart/alternative; boundary=\"=_x y\"\r\n";
    let body = "no part\r\n--=_x y\r\nContent-Type: text/html\r\n\r\n<p>\r\n\
                --=_x y\r\n\r\nplain\r\n\r\n--=_x y--\r\nbehind\r\n";
    assert_eq!(with(head, body.as_bytes()).content(), content("text/plain", "plain\n"));
    let nested = "Content-Type: multipart/mixed; boundary=o\r\n";
    let body = "--o\r\nContent-Type: multipart/related; boundary=i\r\n\r\n\
                --i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i--\r\n--o--\r\n";
    assert_eq!(with(nested, body.as_bytes()).content(), content("text/html", "<p>"));
    let none = with("Content-Type: multipart/mixed; boundary=o\r\n", b"text\r\n");
    assert_eq!(none.content().media_type, "multipart/mixed");
}

#[test]
fn parts_within_parts_and_many_parts_are_not_looked_into_for_ever() {
    let nested = |levels: usize| {
        let mut body = "--b0\r\n\r\ndeep\r\n".to_owned();
        for level in 1..=levels {
            let kind = format!("Content-Type: multipart/mixed; boundary=b{}", level - 1);
            body = format!("--b{level}\r\n{kind}\r\n\r\n{body}");
        }
        let head = format!("Content-Type: multipart/mixed; boundary=b{levels}\r\n");
        with(&head, body.as_bytes()).content().media_type
    };
    assert_eq!((&nested(3)[..], &nested(4)[..]), ("text/plain", "multipart/mixed"));
    let image = "--o\r\nContent-Type: image/png\r\n\r\nx\r\n";
    let text = "--o\r\n\r\ntext\r\n--o--\r\n";
    let head = "Content-Type: multipart/mixed; boundary=o\r\n";
    let few = with(head, (image.repeat(63) + text).as_bytes());
    assert_eq!(few.content().media_type, "text/plain");
    let many = with(head, (image.repeat(64) + text).as_bytes());
    assert_eq!(many.content().media_type, "multipart/mixed");
}

#[test]
fn long_lines_and_bytes_that_are_no_text_are_coded() {
    let short = "\u{e9}\n.\n".as_bytes();
    assert_eq!(Coding::of(short, true), Coding::EightBit);
    assert_eq!(Coding::EightBit.encode(short), "\u{e9}\r\n.\r\n".as_bytes());
    assert_eq!(Coding::of(&[b'x'; LINE_BYTES_MAX], true), Coding::EightBit);
    assert_eq!(Coding::of(&[b'x'; LINE_BYTES_MAX + 1], true), Coding::QuotedPrintable);
    assert_eq!(Coding::of(b"a\xff", true), Coding::Base64);
    assert_eq!(Coding::of(b"a", false), Coding::Base64);
    for stray in [&b"a\rb"[..], b"a\0"] {
        assert_eq!(Coding::of(stray, true), Coding::QuotedPrintable, "{}", stray.escape_ascii());
    }
}

/// A CR before a line's end came back from a reader as a part of that end.
#[test]
fn a_line_ends_the_same_however_many_carriage_returns_end_it() {
    for body in [&b"a"[..], b"a\n", b"a\r", b"a\r\n", b"a\r\r\n"] {
        assert_eq!(Coding::of(body, true), Coding::EightBit, "{}", body.escape_ascii());
        assert_eq!(Coding::EightBit.encode(body), b"a\r\n");
        assert_eq!(Coding::EightBit.extent(body), Extent { bytes: 3, lines: 1 });
    }
    let coded = "Content-Transfer-Encoding: quoted-printable\r\n";
    assert_eq!(with(coded, b"a=0D\r\nb=0D=\r\n").content(), content("text/plain", "a\nb"));
}

#[test]
fn a_lock_opens_to_its_key_alone() {
    let key = cancel_key(b"secret", "<a@b>");
    let lock = cancel_lock(&key).unwrap();
    let other = cancel_key(b"secret", "<c@b>");
    assert!(is_unlocked(lock.as_bytes(), key.as_bytes()));
    assert!(!is_unlocked(lock.as_bytes(), other.as_bytes()));
    let locks = format!("sha1:x {lock}\r\n sha256:y");
    assert!(is_unlocked(locks.as_bytes(), format!("{other} {key}").as_bytes()));
    assert!(!is_unlocked(lock.as_bytes(), lock.as_bytes()) && !is_unlocked(b"", b""));
    // RFC 8315, 5: the example of a user's secret.
    assert_eq!(cancel_lock("sha1:abc"), None);
}

#[test]
fn texts_with_long_words_or_what_looks_coded_are_coded() {
    assert_eq!(encode_words("plain", 0), b"plain");
    assert!(encode_words("a =?b", 0).starts_with(b"=?UTF-8?B?"));
    assert!(encode_words(&"x".repeat(1024), 0).starts_with(b"=?UTF-8?B?"));
}

fn article() -> impl Strategy<Value = Article> {
    let field = ("[!-9;-~]{1,9}", "[ -~\u{e9}]{0,30}[!-~]")
        .prop_map(|(name, value)| Field::new(&format!("X-{name}"), value));
    (prop::collection::vec(field, 1..6), "([ -~\u{e9}]{0,20}\r\n){0,5}")
        .prop_map(|(fields, body)| Article { fields, body: body.into_bytes() })
}

proptest! {
    #[test]
    fn articles_come_back(article in article()) {
        let mut bytes = Vec::new();
        article.put(&mut bytes);
        prop_assert_eq!(bytes.len(), article.bytes());
        prop_assert_eq!(Article::parse(&bytes), Ok(article));
    }

    #[test]
    fn what_is_read_is_printed_as_it_came(bytes in "[A-Za: \t\r\n\u{e9}]{0,60}") {
        if let Ok(article) = Article::parse(bytes.as_bytes()) {
            let mut again = Vec::new();
            article.put(&mut again);
            prop_assert_eq!(Article::parse(&again), Ok(article));
        }
    }

    #[test]
    fn texts_come_back_through_fields(
        text in "[ -~\u{e9}\u{65e5}\u{1f600}]{0,200}",
        used in 0..60_usize,
    ) {
        let value = encode_words(&text, used);
        let lines = value.split(|byte| *byte == b'\n');
        for line in lines {
            prop_assert!(line.len() <= LINE_BYTES_MAX);
        }
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let read = decode_words(&value);
        let read: Vec<&str> = read.split(' ').filter(|word| !word.is_empty()).collect();
        prop_assert_eq!(read, words);
    }

    #[test]
    fn bodies_come_back_and_no_line_is_too_long(
        lines in prop::collection::vec("[ -~\u{e9}\t]{0,40}", 0..6),
        long in prop::option::of(990..1010_usize),
    ) {
        let mut text = lines.join("\n");
        text.extend(long.map(|length| "x".repeat(length)));
        text.push('\n');
        let coding = Coding::of(text.as_bytes(), true);
        let coded = coding.encode(text.as_bytes());
        for line in coded.split(|byte| *byte == b'\n') {
            prop_assert!(line.len() <= LINE_BYTES_MAX + 1);
        }
        prop_assert_eq!(coding.extent(text.as_bytes()), Extent::of(&coded));
        let head = format!(
            "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: {}\r\n",
            coding.name()
        );
        prop_assert_eq!(with(&head, &coded).content(), content("text/plain", &text));
    }

    #[test]
    fn bytes_come_back_as_base64(bytes: Vec<u8>) {
        let coded = Coding::Base64.encode(&bytes);
        prop_assert_eq!(Coding::Base64.extent(&bytes), Extent::of(&coded));
        let head = "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n";
        prop_assert_eq!(with(head, &coded).content().body, bytes);
    }

    #[test]
    fn no_head_and_no_body_breaks_the_reader(
        kind in "(multipart/x; boundary=b|text/x; charset=[a-z]{1,8}|[ -~]{1,20})",
        coding in "(base64|quoted-printable|8bit|[ -~]{1,9})",
        body in "(--b(--)?\r\n|[ -~]{0,9}\r\n|=[0-9A-F]{2}|Content-Type: a/b\r\n|\r\n){0,20}",
    ) {
        let head = format!("Content-Type: x{kind}\r\nContent-Transfer-Encoding: x{coding}\r\n")
            .replace(": x", ": ");
        if let Ok(article) = Article::parse(format!("{head}\r\n{body}").as_bytes()) {
            let content = article.content();
            prop_assert!(!content.media_type.is_empty());
            if content.media_type.starts_with("text/") {
                prop_assert!(std::str::from_utf8(&content.body).is_ok());
            }
        }
    }
}
