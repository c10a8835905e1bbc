//! Telnet: a connection of a console, its line editor and what it draws.

use super::cut::{each_piece, however_cut};
use bellwether::base::InBuf;
use bellwether::proto::telnet::{Charset, Edited, Editor, Event, Key, Look, Telnet, width, wrap};

/// What was heard, what was answered, and how the other end was then understood.
type Heard = (Vec<Event>, Vec<u8>, (usize, usize, Charset, bool, String));

fn hear(pieces: &[&[u8]]) -> Heard {
    let mut telnet = Telnet::new();
    let (mut events, mut out) = (Vec::new(), Vec::new());
    telnet.begin(&mut out);
    let begun = out.len();
    each_piece(pieces, 64, |input| {
        while let Some(event) = telnet.next(input, &mut out) {
            events.push(event);
        }
        true
    });
    let came: usize = pieces.iter().map(|piece| piece.len()).sum();
    assert!(out.len() <= begun + 40 + 4 * came, "{} bytes for {came}", out.len());
    let window = telnet.window();
    assert!((20..=500).contains(&window.columns) && (4..=200).contains(&window.rows));
    let terminal = telnet.terminal().to_owned();
    let end = (window.columns, window.rows, telnet.charset(), telnet.echoes(), terminal);
    (events, out, end)
}

/// What is typed, as a line editor takes it and as a terminal of one row would show it.
fn edit(events: &[Event]) -> Vec<String> {
    let look = Look { columns: 20, charset: Charset::Utf8, is_shown: true };
    let mut editor = Editor::new(64);
    let (mut lines, mut column) = (Vec::new(), 0);
    for event in events {
        let Event::Key(key) = event else { continue };
        let mut drawn = String::new();
        let edited = editor.on_key(*key, &look, &mut drawn);
        for c in drawn.chars() {
            match c {
                '\u{7}' => {}
                '\u{8}' => column = usize::checked_sub(column, 1).expect("the row's start"),
                c => {
                    assert!(!c.is_control(), "{c:?} reaches a terminal");
                    column += width(c);
                }
            }
            assert!(column <= 21, "the line leaves its row");
        }
        match edited {
            Edited::Going | Edited::Redraw => {}
            Edited::Line { text, .. } => {
                assert!(text.len() <= 64, "{text}");
                editor.remember(&text);
                lines.push(text);
                column = 0;
            }
            Edited::Interrupt | Edited::EndOfFile => column = 0,
        }
    }
    lines
}

/// A connection's bytes.
pub(crate) fn telnet(bytes: &[u8]) {
    let (events, _, _) = however_cut(bytes, hear);
    for line in edit(&events) {
        assert!(!line.contains('\n'), "{line:?}");
    }
    let text = String::from_utf8_lossy(bytes);
    let mut rest = &text[..];
    while !rest.is_empty() {
        let (line, used) = wrap(rest, 20);
        assert!(used > 0 && line.chars().map(width).sum::<usize>() <= 20);
        let mut telnet = Telnet::new();
        telnet.choose(Charset::Utf8);
        let (mut out, mut read) = (Vec::new(), String::new());
        telnet.put(&line, &mut out);
        let mut input = InBuf::new(out.len());
        input.push(&out);
        while let Some(event) = telnet.next(&mut input, &mut out) {
            let Event::Key(Key::Char(c)) = event else { panic!("{event:?} in {line:?}") };
            read.push(c);
        }
        assert_eq!(read, line);
        rest = &rest[used..];
    }
}
