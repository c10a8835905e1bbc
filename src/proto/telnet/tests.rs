//! The codec under every cut, the Q method under every word, lines under every key.

use super::command::{Command, IAC, SB, SE, Verb, option};
use super::decoder::SUB_BYTES_MAX;
use super::options::{Options, Side};
use super::*;
use crate::base::InBuf;
use proptest::prelude::*;

const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// What comes of bytes that arrive in these pieces, and what is answered.
fn heard(pieces: &[&[u8]]) -> (Vec<Event>, Vec<u8>) {
    let mut telnet = Telnet::new();
    let mut out = Vec::new();
    telnet.begin(&mut out);
    let mut input = InBuf::new(1 << 16);
    let mut events = Vec::new();
    for piece in pieces {
        assert_eq!(input.push(piece), piece.len());
        while let Some(event) = telnet.next(&mut input, &mut out) {
            events.push(event);
        }
        assert!(input.is_empty());
    }
    (events, out)
}

fn keys(bytes: &[u8]) -> Vec<Key> {
    let (events, _) = heard(&[bytes]);
    let key = |event| match event {
        Event::Key(key) => key,
        other => panic!("{other:?}"),
    };
    events.into_iter().map(key).collect()
}

fn chars(text: &str) -> Vec<Key> {
    text.chars().map(Key::Char).collect()
}

#[test]
fn lines_end_in_all_the_ways_that_clients_end_them() {
    for end in [&b"\r\n"[..], b"\r\0", b"\r", b"\n"] {
        let bytes = [b"a", end, b"b", end, end, b"c"].concat();
        let enter = Key::Enter;
        let wanted = [Key::Char('a'), enter, Key::Char('b'), enter, enter, Key::Char('c')];
        assert_eq!(keys(&bytes), wanted, "{end:?}");
    }
}

#[test]
fn commands_are_keys_and_signals() {
    let command = |command: Command| heard(&[&[IAC, command.code()]]).0;
    for (sent, event) in [
        (Command::Interrupt, Event::Key(Key::Interrupt)),
        (Command::Break, Event::Key(Key::Interrupt)),
        (Command::Abort, Event::Key(Key::Interrupt)),
        (Command::EndOfFile, Event::Key(Key::EndOfFile)),
        (Command::EraseCharacter, Event::Key(Key::Backspace)),
        (Command::EraseLine, Event::Key(Key::EraseStart)),
        (Command::AreYouThere, Event::AreYouThere),
        (Command::AbortOutput, Event::AbortOutput),
    ] {
        assert_eq!(command(sent), [event]);
    }
    for sent in [Command::Nop, Command::DataMark, Command::GoAhead, Command::Suspend] {
        assert_eq!(command(sent), []);
    }
}

#[test]
fn a_doubled_iac_is_a_byte_and_one_whose_command_was_lost_is_none() {
    // ISO-8859-1, agreed on: the byte 255 is a character.
    let accepted = [&[IAC, SB, 42, 2][..], b"iso-8859-1", &[IAC, SE, IAC, IAC]].concat();
    let bytes = [&[IAC, DO, 42][..], &accepted].concat();
    assert_eq!(heard(&[&bytes]).0, [Event::Key(Key::Char('\u{ff}'))]);
    // The mark of a Synch went as urgent data and is gone.
    assert_eq!(keys(&[IAC, b'a', IAC, b'\r', b'\n']), [Key::Char('a'), Key::Enter]);
    // Nothing is ended that was not begun.
    assert_eq!(keys(&[IAC, SE, b'a']), [Key::Char('a')]);
}

#[test]
fn arrows_and_their_like_are_keys_whoever_sends_them() {
    for (bytes, key) in [
        (&b"\x1b[A"[..], Key::Up),
        (b"\x1bOB", Key::Down),
        (b"\x1b[D", Key::Left),
        (b"\x1bOC", Key::Right),
        (b"\x1b[1;5D", Key::WordLeft),
        (b"\x1b[1;3C", Key::WordRight),
        (b"\x1bb", Key::WordLeft),
        (b"\x1b[3~", Key::Delete),
        (b"\x1b[1~", Key::Home),
        (b"\x1b[H", Key::Home),
        (b"\x1b[4~", Key::End),
        (b"\x1bOF", Key::End),
        (b"\x1b\x7f", Key::EraseWord),
        (b"\x7f", Key::Backspace),
        (b"\x08", Key::Backspace),
        (b"\x15", Key::EraseStart),
        (b"\x17", Key::EraseWord),
        (b"\x0b", Key::EraseEnd),
        (b"\x03", Key::Interrupt),
        (b"\x04", Key::EndOfFile),
        (b"\x0c", Key::Redraw),
        (b"\x09", Key::Tab),
    ] {
        assert_eq!(keys(bytes), [key], "{bytes:?}");
    }
    // Sequences that mean nothing here say nothing, however long they are.
    for bytes in [&b"\x1b[200~"[..], b"\x1b[12;34R", b"\x1b[15~", b"\x1bx", b"\x1b[00000000000000m"]
    {
        assert_eq!(keys(&[bytes, b"."].concat()), [Key::Char('.')], "{bytes:?}");
    }
    assert_eq!(keys(b"\x1b\x1b[A\x1b\r"), [Key::Up, Key::Enter]);
}

#[test]
fn characters_of_several_bytes_come_whole_or_not_at_all() {
    assert_eq!(keys("zażółć שלום 日本 🐏".as_bytes()), chars("zażółć שלום 日本 🐏"));
    // Cut off, overlong, a surrogate, a stray: none of them, or one that says so.
    assert_eq!(keys(b"\xc3a"), chars("a"));
    assert_eq!(keys(b"\x80\xc0\xff\xffb"), chars("\u{fffd}\u{fffd}\u{fffd}b"));
    assert_eq!(keys(b"\xed\xa0\x80b"), chars("\u{fffd}b"));
    // C1: no key.
    assert_eq!(keys(b"\xc2\x9bA"), chars("A"));
}

#[test]
fn a_window_is_heard_and_brought_within_sense() {
    let naws = |c: u16, r: u16| {
        let [c1, c2] = c.to_be_bytes();
        let [r1, r2] = r.to_be_bytes();
        let body: Vec<u8> =
            [c1, c2, r1, r2].into_iter().flat_map(|b| vec![b; 1 + usize::from(b == IAC)]).collect();
        let mut telnet = Telnet::new();
        let mut input = InBuf::new(100);
        input.push(&[&[IAC, WILL, 31, IAC, SB, 31][..], &body, &[IAC, SE]].concat());
        assert_eq!(telnet.next(&mut input, &mut Vec::new()), Some(Event::Resized));
        (telnet.window().columns, telnet.window().rows)
    };
    assert_eq!(naws(132, 50), (132, 50));
    assert_eq!(naws(255, 30), (255, 30));
    assert_eq!(naws(0, 0), (80, 24));
    assert_eq!(naws(1, 1), (20, 4));
    assert_eq!(naws(65_535, 65_535), (500, 200));
}

#[test]
fn a_terminal_says_what_it_is() {
    let mut telnet = Telnet::new();
    let mut input = InBuf::new(1000);
    let mut out = Vec::new();
    input.push(&[IAC, WILL, 24]);
    assert_eq!(telnet.next(&mut input, &mut out), None);
    assert_eq!(out, [IAC, DO, 24, IAC, SB, 24, 1, IAC, SE]);
    let long = format!("XTERM-256color\x1b[2J{}", "x".repeat(100));
    input.push(&[&[IAC, SB, 24, 0][..], long.as_bytes(), &[IAC, SE]].concat());
    assert_eq!(telnet.next(&mut input, &mut out), None);
    assert_eq!(telnet.terminal().len(), 40);
    assert!(telnet.terminal().starts_with("XTERM-256color[2J"));
}

#[test]
fn a_subnegotiation_has_an_end_and_a_broken_one_is_not_heard() {
    let long = [&[IAC, SB, 24, 0][..], &[b'x'; SUB_BYTES_MAX], &[IAC, SE, b'a']].concat();
    assert_eq!(keys(&long), chars("a"));
    let endless = [&[IAC, SB, 24, 0][..], &vec![b'x'; 100_000]].concat();
    let mut decoder = Decoder::new();
    assert!(endless.iter().all(|byte| decoder.on_byte(*byte).is_none()));
    assert!(format!("{decoder:?}").len() < 10 * SUB_BYTES_MAX);
    // A command in the middle ends it.
    assert_eq!(keys(&[IAC, SB, 31, 0, IAC, 244, b'a']), [Key::Interrupt, Key::Char('a')]);
}

#[test]
fn character_sets_are_agreed_on_either_way() {
    let talk = |said: &[u8]| {
        let mut telnet = Telnet::new();
        let mut out = Vec::new();
        telnet.begin(&mut out);
        out.clear();
        let mut input = InBuf::new(1000);
        input.push(said);
        assert_eq!(telnet.next(&mut input, &mut out), None);
        (telnet.charset(), out)
    };
    let sub = |body: &[u8]| [&[IAC, SB, 42][..], body, &[IAC, SE]].concat();
    let request = sub(b"\x01;UTF-8;ISO-8859-1;US-ASCII");
    let asked = [IAC, DO, 42];
    assert_eq!(talk(&asked), (Charset::Utf8, request.clone()));
    let accepts = [&asked[..], &sub(b"\x02ISO-8859-1")].concat();
    assert_eq!(talk(&accepts), (Charset::Latin1, request.clone()));
    let rejects = [&asked[..], &sub(b"\x03")].concat();
    assert_eq!(talk(&rejects), (Charset::Utf8, request.clone()));
    // Both ask: ours stands.
    let crossed = [&asked[..], &sub(b"\x01 US-ASCII"), &sub(b"\x02UTF-8")].concat();
    assert_eq!(talk(&crossed), (Charset::Utf8, [request, sub(b"\x03")].concat()));
    // They ask, with a table to offer.
    let theirs = [&[IAC, WILL, 42][..], &sub(b"\x01[TTABLE]\x01;KOI8-R;latin1")].concat();
    let answer = [&[IAC, DO, 42][..], &sub(b"\x02latin1")].concat();
    assert_eq!(talk(&theirs), (Charset::Latin1, answer));
    assert_eq!(talk(&sub(b"\x01;KOI8-R")), (Charset::Utf8, sub(b"\x03")));
    assert_eq!(talk(&sub(b"\x04\x01")), (Charset::Utf8, sub(b"\x05")));
    // What nobody asked for settles nothing, and neither does nonsense.
    for said in [&b"\x02US-ASCII"[..], b"", b"\x01", b"\x01[TTABLE]", b"\x09"] {
        assert_eq!(talk(&sub(said)).0, Charset::Utf8);
    }
    // Seven bits only: what an NVT has.
    assert_eq!(talk(&[IAC, DONT, 0]).0, Charset::Ascii);
    let later = [&[IAC, DONT, 0][..], &asked, &sub(b"\x02UTF-8")].concat();
    assert_eq!(talk(&later).0, Charset::Utf8);
}

#[test]
fn text_goes_in_the_characters_that_the_other_end_has() {
    let put = |charset, text: &str| {
        let mut telnet = Telnet::new();
        telnet.choose(charset);
        let mut out = Vec::new();
        telnet.put(text, &mut out);
        out
    };
    assert_eq!(put(Charset::Utf8, "\u{e9}\u{20ac}\n"), "\u{e9}\u{20ac}\r\n".as_bytes());
    assert_eq!(put(Charset::Latin1, "\u{e9}\u{20ac}\u{ff}"), [0xe9, b'?', IAC, IAC]);
    assert_eq!(put(Charset::Ascii, "\u{201c}a\u{2019}s \u{2013} \u{e9}\u{201d}"), b"\"a's - ?\"");
}

#[test]
fn what_is_not_known_is_refused_once_and_what_is_not_done_is_agreed_to_in_silence() {
    let answer = |verb, option| {
        let mut out = Vec::new();
        Options::default().on_word(Verb::of(verb).unwrap(), option, &mut out);
        out
    };
    for option in [5, 32, 39, 255] {
        assert_eq!(answer(WILL, option), [IAC, DONT, option]);
        assert_eq!(answer(DO, option), [IAC, WONT, option]);
        assert!(answer(WONT, option).is_empty() && answer(DONT, option).is_empty());
    }
    // We do not let them echo for us, nor tell of a window of ours.
    assert_eq!(answer(WILL, option::ECHO), [IAC, DONT, option::ECHO]);
    assert_eq!(answer(DO, option::NAWS), [IAC, WONT, option::NAWS]);
    assert_eq!(answer(DO, option::SGA), [IAC, WILL, option::SGA]);
}

/// The other end of a negotiation, and how it takes what is said.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// Agrees to all.
    Agrees,
    /// Refuses all.
    Refuses,
    /// Says the opposite of each word, and would do so for ever.
    Contradicts,
    /// Gives each word back as it came.
    Echoes,
    /// Says yes and no at once.
    Both,
}

impl Peer {
    fn answer(self, verb: Verb, option: u8) -> Vec<(Verb, u8)> {
        let (yes, no, other_yes, other_no) = match verb {
            Verb::Will | Verb::Wont => (Verb::Do, Verb::Dont, Verb::Will, Verb::Wont),
            Verb::Do | Verb::Dont => (Verb::Will, Verb::Wont, Verb::Do, Verb::Dont),
        };
        let wishes = matches!(verb, Verb::Will | Verb::Do);
        match self {
            Self::Agrees => vec![(if wishes { yes } else { no }, option)],
            Self::Refuses => vec![(no, option)],
            Self::Contradicts => vec![(if wishes { no } else { yes }, option)],
            Self::Echoes => vec![(if wishes { other_yes } else { other_no }, option)],
            Self::Both => vec![(yes, option), (no, option), (yes, option)],
        }
    }
}

fn words(bytes: &[u8]) -> Vec<(Verb, u8)> {
    bytes.chunks(3).map(|word| (Verb::of(word[1]).unwrap(), word[2])).collect()
}

#[test]
fn no_negotiation_goes_on_for_ever_with_any_peer() {
    for peer in [Peer::Agrees, Peer::Refuses, Peer::Contradicts, Peer::Echoes, Peer::Both] {
        let mut options = Options::default();
        let mut said = Vec::new();
        for option in [option::ECHO, option::SGA, option::BINARY, option::CHARSET] {
            options.ask(Side::Us, option, true, &mut said);
            options.ask(Side::Them, option, true, &mut said);
        }
        let mut rounds = 0;
        while !said.is_empty() {
            rounds += 1;
            // One that says yes and no at once goes on until it is heard no more.
            let rounds_max = if matches!(peer, Peer::Both) { 1100 } else { 10 };
            assert!(rounds < rounds_max, "{peer:?} is never done");
            let mut next = Vec::new();
            for (verb, option) in words(&said) {
                for (verb, option) in peer.answer(verb, option) {
                    options.on_word(verb, option, &mut next);
                }
            }
            said = next;
        }
    }
}

proptest! {
    #[test]
    fn bytes_mean_the_same_however_they_are_cut(
        bytes in prop::collection::vec(
            prop_oneof![
                3 => any::<u8>(), 2 => Just(IAC), 1 => 240..=255_u8, 1 => Just(42), 1 => Just(31),
                1 => Just(27), 1 => Just(b'['),
            ],
            0..120,
        ),
        cut in 1..20_usize,
    ) {
        let whole = heard(&[&bytes]);
        let ones: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&heard(&ones), &whole);
        let some: Vec<&[u8]> = bytes.chunks(cut).collect();
        prop_assert_eq!(&heard(&some), &whole);
    }

    #[test]
    fn each_word_is_answered_by_one_at_most_and_two_like_us_come_to_an_end(
        said in prop::collection::vec((any::<bool>(), 0..48_u8, any::<bool>()), 0..12),
        heard in prop::collection::vec((0..4_u8, 0..48_u8), 0..40),
    ) {
        // Against any peer: never more words than came.
        let mut options = Options::default();
        for (verb, option) in &heard {
            let mut out = Vec::new();
            options.on_word(Verb::of(WILL + verb).unwrap(), *option, &mut out);
            prop_assert!(out.len() <= 3);
        }
        // Two of these, whatever their users want: silence in the end, and agreement.
        let mut ends = [Options::default(), Options::default()];
        let mut on_way = [Vec::new(), Vec::new()];
        for (at, (ours, option, wish)) in said.iter().enumerate() {
            let side = if *ours { Side::Us } else { Side::Them };
            ends[at % 2].ask(side, *option, *wish, &mut on_way[at % 2]);
        }
        let mut rounds = 0;
        while on_way.iter().any(|words| !words.is_empty()) {
            rounds += 1;
            prop_assert!(rounds < 20, "never done");
            let sent = std::mem::take(&mut on_way);
            for (from, bytes) in sent.iter().enumerate() {
                for (verb, option) in words(bytes) {
                    ends[1 - from].on_word(verb, option, &mut on_way[1 - from]);
                }
            }
        }
        for option in 0..48 {
            let [a, b] = &ends;
            prop_assert_eq!(a.is_on(Side::Us, option), b.is_on(Side::Them, option));
            prop_assert_eq!(b.is_on(Side::Us, option), a.is_on(Side::Them, option));
        }
    }

    #[test]
    fn text_that_is_put_is_read_as_it_was(text in "[ -~À-ÿ\\u{100}-\\u{2fff}]{0,40}") {
        let mut out = Vec::new();
        let mut telnet = Telnet::new();
        telnet.choose(Charset::Utf8);
        telnet.put(&text, &mut out);
        prop_assert_eq!(keys(&out), chars(&text));
    }

    #[test]
    fn what_is_wrapped_fits_is_safe_and_is_all_there(
        text in "[a-c \\t\\n日é\\u{1b}\\u{7f}\\u{9b}\\u{202e}\\u{301}]{0,80}",
        columns in 2..30_usize,
    ) {
        let mut rest = &text[..];
        let mut shown = String::new();
        while !rest.is_empty() {
            let (line, used) = wrap(rest, columns);
            prop_assert!(used > 0);
            prop_assert!(line.chars().map(width).sum::<usize>() <= columns, "{line:?}");
            let is_bad = |c: char| c.is_control() || c == '\u{202e}';
            prop_assert!(!line.contains(is_bad), "{line:?}");
            shown.push_str(&line);
            rest = &rest[used..];
        }
        let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
        prop_assert_eq!(letters(&shown), letters(&text));
    }
}

/// A terminal that understands characters, BS and BEL: its one row, and where its cursor is.
#[derive(Default)]
struct Row {
    cells: Vec<String>,
    at: usize,
}

impl Row {
    fn draw(&mut self, drawn: &str) {
        for c in drawn.chars() {
            match c {
                '\u{7}' => {}
                '\u{8}' => self.at = self.at.checked_sub(1).expect("the row's start"),
                c if width(c) == 0 => {
                    let mut under = self.at - 1;
                    while self.cells[under].is_empty() {
                        under -= 1;
                    }
                    self.cells[under].push(c);
                }
                c => {
                    for (n, at) in (self.at..self.at + width(c)).enumerate() {
                        self.cells.resize(self.cells.len().max(at + 1), " ".to_owned());
                        self.cells[at] = if n == 0 { c.to_string() } else { String::new() };
                    }
                    self.at += width(c);
                }
            }
        }
    }

    fn text(&self) -> String {
        self.cells.concat().trim_end().to_owned()
    }
}

const LOOK: Look = Look { columns: 40, charset: Charset::Utf8, is_shown: true };

fn typed(keys: impl IntoIterator<Item = Key>) -> (Editor, Row) {
    let (mut editor, mut row) = (Editor::new(1000), Row::default());
    for key in keys {
        let mut drawn = String::new();
        assert_eq!(editor.on_key(key, &LOOK, &mut drawn), Edited::Going);
        row.draw(&drawn);
    }
    (editor, row)
}

#[test]
fn a_line_is_edited_and_what_is_drawn_is_what_it_is() {
    use Key::{
        Backspace, Delete, End, EndOfFile, EraseEnd, EraseStart, EraseWord, Home, Left, Right,
        WordLeft, WordRight,
    };
    for (text, then, line) in [
        ("abc", vec![Left, Left, Key::Char('x')], "axbc"),
        ("abc", vec![Backspace, Backspace], "a"),
        ("abc", vec![Home, Delete, EndOfFile], "c"),
        ("one two three", vec![EraseWord], "one two "),
        ("one two three", vec![WordLeft, WordLeft, EraseEnd], "one "),
        ("one two three", vec![Home, WordRight, EraseStart], " two three"),
        ("ab", vec![Home, Right, Key::Char('日'), End, Key::Char('!')], "a日b!"),
        ("日本語", vec![Left, Backspace], "日語"),
        ("e\u{301}a", vec![Left, Left, Right, Key::Char('x')], "e\u{301}xa"),
        ("ae\u{301}", vec![Backspace], "a"),
        ("שלום", vec![Backspace, Key::Char('!')], "שלו!"),
        ("", vec![Left, Right, Backspace, Delete, EraseWord], ""),
    ] {
        let (editor, row) = typed(chars(text).into_iter().chain(then.clone()));
        assert_eq!(editor.line(), line, "{text} {then:?}");
        assert_eq!(row.text(), line.trim_end(), "{text} {then:?}");
    }
}

#[test]
fn a_line_that_is_wider_than_its_room_moves_sideways() {
    let text: String = (0..60).map(|n| char::from(b'a' + n % 26)).collect();
    let (mut editor, mut row) = typed(chars(&text));
    assert!(text.ends_with(&row.text()) && row.text().len() < 40, "{}", row.text());
    let mut drawn = String::new();
    editor.on_key(Key::Home, &LOOK, &mut drawn);
    row.draw(&drawn);
    assert_eq!((row.at, row.text()), (0, text[..39].to_owned()));
}

#[test]
fn a_line_has_an_end_and_says_when_it_was_cut() {
    let mut editor = Editor::new(4);
    let mut drawn = String::new();
    for key in chars("abcéd") {
        editor.on_key(key, &LOOK, &mut drawn);
    }
    assert!(drawn.contains('\u{7}'));
    let line = editor.on_key(Key::Enter, &LOOK, &mut drawn);
    assert_eq!(line, Edited::Line { text: "abcd".to_owned(), is_cut: true });
    editor.on_key(Key::Char('x'), &LOOK, &mut drawn);
    let line = editor.on_key(Key::Enter, &LOOK, &mut drawn);
    assert_eq!(line, Edited::Line { text: "x".to_owned(), is_cut: false });
}

#[test]
fn lines_are_remembered_within_bounds_and_found_again() {
    let mut editor = Editor::new(1000);
    let mut drawn = String::new();
    for line in ["one", "two", "two", "  "] {
        editor.remember(line);
    }
    let mut press = |editor: &mut Editor, key| {
        editor.on_key(key, &LOOK, &mut drawn);
        editor.line().to_owned()
    };
    press(&mut editor, Key::Char('x'));
    assert_eq!(press(&mut editor, Key::Up), "two");
    assert_eq!(press(&mut editor, Key::Up), "one");
    assert_eq!(press(&mut editor, Key::Up), "one");
    assert_eq!(press(&mut editor, Key::Down), "two");
    assert_eq!(press(&mut editor, Key::Down), "x");
    assert_eq!(press(&mut editor, Key::Down), "x");
    for n in 0..1000 {
        editor.remember(&format!("{n} {}", "y".repeat(n % 500)));
    }
    assert!(format!("{editor:?}").len() < 6000);
}

#[test]
fn what_is_not_to_be_seen_is_not_drawn() {
    let hidden = Look { is_shown: false, ..LOOK };
    let mut editor = Editor::new(100);
    let mut drawn = String::new();
    for key in chars("secret") {
        editor.on_key(key, &hidden, &mut drawn);
    }
    let line = editor.on_key(Key::Enter, &hidden, &mut drawn);
    assert_eq!(line, Edited::Line { text: "secret".to_owned(), is_cut: false });
    assert_eq!(drawn, "");
}

#[test]
fn a_line_that_is_to_be_changed_obeys_no_control_character_in_it() {
    let mut editor = Editor::new(100);
    editor.set("a\u{1b}[2Jb\u{9b}\r");
    let mut drawn = String::new();
    editor.draw(&LOOK, &mut drawn);
    assert_eq!(drawn, "a\u{fffd}[2Jb\u{fffd}");
    let line = editor.on_key(Key::Enter, &LOOK, &mut drawn);
    assert_eq!(line, Edited::Line { text: "a\u{1b}[2Jb\u{9b}\r".to_owned(), is_cut: false });
}

fn any_key() -> impl Strategy<Value = Key> {
    use Key::{
        Backspace, Delete, Down, End, EraseEnd, EraseStart, EraseWord, Home, Left, Right, Tab, Up,
        WordLeft, WordRight,
    };
    prop_oneof![
        4 => prop::sample::select("a é日\u{301}ש🐏".chars().collect::<Vec<_>>())
            .prop_map(Key::Char),
        3 => prop::sample::select(vec![
            Backspace, Delete, Left, Right, Home, End, WordLeft, WordRight, EraseStart, EraseEnd,
            EraseWord, Up, Down, Tab,
        ]),
    ]
}

proptest! {
    #[test]
    fn whatever_is_typed_the_terminal_shows_it_within_its_room(
        keys in prop::collection::vec(any_key(), 0..120),
        room in 4..30_usize,
    ) {
        let look = Look { columns: room, ..LOOK };
        let mut editor = Editor::new(100);
        editor.remember("日本 remembered");
        let mut row = Row::default();
        // A mark with nothing under it falls on the prompt.
        row.draw("> ");
        for key in keys {
            let mut drawn = String::new();
            editor.on_key(key, &look, &mut drawn);
            row.draw(&drawn);
            prop_assert!(row.at >= 2 && row.at <= room + 2, "{} of {room}", row.at);
            prop_assert!(editor.line().len() <= 100);
            let mut fresh = Row::default();
            let mut drawn = String::new();
            fresh.draw("> ");
            editor.clone().draw(&look, &mut drawn);
            fresh.draw(&drawn);
            prop_assert_eq!((fresh.at, fresh.text()), (row.at, row.text()));
        }
    }
}
