//! Two revisions side by side, as `/v1/revisions/{a}/diff/{b}` shows them: what was taken out of
//! the body of the one and put in to make that of the other, with a few lines around it.
//!
//! A hunk is `{a_start, a_lines, b_start, b_lines, lines}`: from which line on (from 1) and how
//! many of either body, and those lines as runs `{op, text}` of neighbours with one fate: `same`,
//! `del` (of a only), `add` (of b only). A text holds whole lines with their line ends.

use super::lines::{self, Change};
use super::view::Id;
use super::{Revision, is_textual};
use crate::update::{Kind, Update};
use serde::Serialize;
use std::ops::Range;

/// How many lines that are the same stand around a change.
const CONTEXT_LINES: usize = 3;
/// Texts with more changes than this are shown as one: the answer stays in proportion to them.
const CHANGES_MAX: usize = 10_000;

/// Why two revisions have no diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotText;

/// What leads from one revision to another.
#[derive(Debug, Serialize)]
pub struct DiffView<'a> {
    a: Id,
    b: Id,
    hunks: Vec<Hunk<'a>>,
}

/// A change with what stands around it. Lines count from 1.
#[derive(Debug, Serialize)]
pub struct Hunk<'a> {
    /// Its first line in the one text,
    pub a_start: usize,
    /// and how many there are.
    pub a_lines: usize,
    /// Its first line in the other,
    pub b_start: usize,
    /// and how many there are.
    pub b_lines: usize,
    /// The lines of both, as runs with one fate.
    pub lines: Vec<Run<'a>>,
}

/// Neighbouring lines with one fate.
#[derive(Debug, Serialize)]
pub struct Run<'a> {
    /// Which.
    pub op: Op,
    /// The lines, each with its line end.
    pub text: &'a str,
}

/// What became of lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// They are in both texts.
    Same,
    /// They are in the first only.
    Del,
    /// They are in the other only.
    Add,
}

impl<'a> DiffView<'a> {
    /// Compares the bodies of two revisions that are text.
    pub fn of(a: &'a Update, b: &'a Update) -> Result<Self, NotText> {
        let hunks = hunks(body(a)?, body(b)?);
        Ok(Self { a: Id(a.cid()), b: Id(b.cid()), hunks })
    }
}

fn body(update: &Update) -> Result<&str, NotText> {
    let is_text = update.kind() == Kind::Revision && is_textual(update.media_type());
    let revision = Revision::decode(update.payload()).map_err(|_| NotText)?;
    let text = std::str::from_utf8(revision.body).map_err(|_| NotText)?;
    if is_text { Ok(text) } else { Err(NotText) }
}

/// What makes the one text the other, in a bounded time: see `lines.rs`.
pub fn hunks<'a>(a: &'a str, b: &'a str) -> Vec<Hunk<'a>> {
    let (a, b) = (Body::new(a), Body::new(b));
    let mut changes = lines::changes(&a.lines, &b.lines);
    if changes.len() > CHANGES_MAX
        && let (Some(first), Some(last)) = (changes.first(), changes.last())
    {
        let before = first.before.start..last.before.end;
        changes = vec![Change { before, after: first.after.start..last.after.end }];
    }
    let is_near =
        |one: &Change, next: &Change| next.before.start - one.before.end <= 2 * CONTEXT_LINES;
    changes.chunk_by(is_near).map(|near| hunk(&a, &b, near)).collect()
}

fn hunk<'a>(a: &Body<'a>, b: &Body<'a>, changes: &[Change]) -> Hunk<'a> {
    let mut runs = Vec::new();
    let mut put = |op, text: &'a str| {
        if !text.is_empty() {
            runs.push(Run { op, text });
        }
    };
    let first = changes.first().map_or(0, |change| change.before.start);
    let lead = first.min(CONTEXT_LINES);
    let a_from = first - lead;
    let b_from = changes.first().map_or(0, |change| change.after.start) - lead;
    let (mut a_at, mut b_at) = (a_from, b_from);
    for change in changes {
        put(Op::Same, a.text(a_at..change.before.start));
        put(Op::Del, a.text(change.before.clone()));
        put(Op::Add, b.text(change.after.clone()));
        (a_at, b_at) = (change.before.end, change.after.end);
    }
    let tail = (a.lines.len() - a_at).min(CONTEXT_LINES);
    put(Op::Same, a.text(a_at..a_at + tail));
    Hunk {
        a_start: a_from + 1,
        a_lines: a_at + tail - a_from,
        b_start: b_from + 1,
        b_lines: b_at + tail - b_from,
        lines: runs,
    }
}

/// A text and where its lines begin.
struct Body<'a> {
    text: &'a str,
    lines: Vec<&'a [u8]>,
    /// One more than there are lines: the end.
    starts: Vec<usize>,
}

impl<'a> Body<'a> {
    fn new(text: &'a str) -> Self {
        let lines = lines::split(text.as_bytes());
        let mut starts = Vec::with_capacity(lines.len() + 1);
        let mut at = 0;
        starts.push(at);
        for line in &lines {
            at += line.len();
            starts.push(at);
        }
        Self { text, lines, starts }
    }

    fn text(&self, lines: Range<usize>) -> &'a str {
        &self.text[self.starts[lines.start]..self.starts[lines.end]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{json, to_value};

    #[test]
    fn near_changes_share_a_hunk_and_far_ones_have_their_own() {
        let a: Vec<String> = (1..=20).map(|n| format!("{n}\n")).collect();
        let mut b = a.clone();
        b[4] = "five\n".into();
        b[9] = String::new();
        b[19] = "20".into();
        let (a, b) = (a.concat(), b.concat());
        let hunks = to_value(hunks(&a, &b)).unwrap();
        let run = |op: &str, text: &str| json!({"op": op, "text": text});
        let near = [
            run("same", "2\n3\n4\n"),
            run("del", "5\n"),
            run("add", "five\n"),
            run("same", "6\n7\n8\n9\n"),
            run("del", "10\n"),
            run("same", "11\n12\n13\n"),
        ];
        let far = [run("same", "17\n18\n19\n"), run("del", "20\n"), run("add", "20")];
        let wanted = json!([
            {"a_start": 2, "a_lines": 12, "b_start": 2, "b_lines": 11, "lines": near},
            {"a_start": 17, "a_lines": 4, "b_start": 16, "b_lines": 4, "lines": far},
        ]);
        assert_eq!(hunks, wanted);
    }

    #[test]
    fn the_same_text_has_no_hunks_and_an_empty_one_starts_at_line_one() {
        assert!(hunks("a\nb", "a\nb").is_empty());
        let from_nothing = to_value(hunks("", "é\n")).unwrap();
        assert_eq!(
            from_nothing,
            json!([{"a_start": 1, "a_lines": 0, "b_start": 1, "b_lines": 1,
                "lines": [{"op": "add", "text": "é\n"}]}])
        );
    }

    #[test]
    fn more_changes_than_can_be_told_apart_are_one() {
        let lines: Vec<String> = (0..30_000).map(|n| format!("{n}\n")).collect();
        let other = |(at, line): (usize, &String)| {
            if at.is_multiple_of(2) { line.clone() } else { format!("new {line}") }
        };
        let b: Vec<String> = lines.iter().enumerate().map(other).collect();
        let (a, b) = (lines.concat(), b.concat());
        let hunks = hunks(&a, &b);
        assert_eq!((hunks.len(), hunks[0].lines.len()), (1, 3));
        assert_eq!(hunks[0].lines[1].text, &a[2..]);
    }

    proptest! {
        #[test]
        fn hunks_hold_what_they_say_of_both_texts(
            a in prop::collection::vec("[ab]?\n", 0..40),
            b in prop::collection::vec("[ab]?\n", 0..40),
        ) {
            let (a_text, b_text) = (a.concat(), b.concat());
            for hunk in hunks(&a_text, &b_text) {
                let of = |left_out: Op| -> String {
                    let kept = hunk.lines.iter().filter(|run| run.op != left_out);
                    kept.map(|run| run.text).collect()
                };
                let (from, to) = (hunk.a_start - 1, hunk.a_start - 1 + hunk.a_lines);
                prop_assert_eq!(of(Op::Add), a[from..to].concat());
                let (from, to) = (hunk.b_start - 1, hunk.b_start - 1 + hunk.b_lines);
                prop_assert_eq!(of(Op::Del), b[from..to].concat());
            }
        }
    }
}
