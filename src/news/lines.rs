//! What differs between two texts, line by line or by other pieces: a pure function of their bytes,
//! with a bound on what it costs. A line is all up to and with its line feed; the last one may have
//! none.
//!
//! The diff is imara-diff's, which is quadratic at worst: two million short lines of two kinds keep
//! it busy for minutes. So it gets pieces of bounded size: a text too large for it is cut at the
//! lines that occur once on either side, and what is still too large counts as replaced.

use imara_diff::{Algorithm, Diff, InternedInput, Token};
use std::ops::Range;

/// How many pairs of lines one comparison looks at, at most: 15 ms at worst.
const PAIRS_MAX: usize = 16_000_000;

/// Lines of the one text that stand in the place of lines of the other. Not both are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which lines of the first text.
    pub before: Range<usize>,
    /// Which of the other stand there instead.
    pub after: Range<usize>,
}

/// The lines of a text, each with its line feed.
pub(super) fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// What makes the one text the other: ascending, with at least one common line between two.
pub(super) fn changes(before: &[&[u8]], after: &[&[u8]]) -> Vec<Change> {
    changes_within(before, after, PAIRS_MAX)
}

/// The same for pieces of any kind, words for one, at the cost of at most so many pairs of them (a
/// million a millisecond at worst): what is too large counts as replaced.
pub fn changes_within(before: &[&[u8]], after: &[&[u8]], pairs_max: usize) -> Vec<Change> {
    let is_same = |(a, b): &(&&[u8], &&[u8])| a == b;
    let prefix = before.iter().zip(after).take_while(is_same).count();
    let (before, after) = (&before[prefix..], &after[prefix..]);
    let suffix = before.iter().rev().zip(after.iter().rev()).take_while(is_same).count();
    let before = &before[..before.len() - suffix];
    let after = &after[..after.len() - suffix];
    let mut walk = Walk { pairs_left: pairs_max, changes: Vec::new() };
    if before.len().saturating_mul(after.len()) <= pairs_max {
        walk.piece(before, after, (prefix, prefix));
    } else {
        walk.at_anchors(before, after, prefix);
    }
    walk.changes
}

struct Walk {
    pairs_left: usize,
    changes: Vec<Change>,
}

impl Walk {
    /// Compares what stands between lines that occur once on either side.
    fn at_anchors(&mut self, before: &[&[u8]], after: &[&[u8]], offset: usize) {
        let mut input = InternedInput::default();
        input.update_before(before.iter().copied());
        input.update_after(after.iter().copied());
        let tokens = input.interner.num_tokens() as usize;
        let mut done = (0, 0);
        let end = (before.len(), after.len());
        for (b, a) in anchors(&input.before, &input.after, tokens).into_iter().chain([end]) {
            let at = (offset + done.0, offset + done.1);
            self.piece(&before[done.0..b], &after[done.1..a], at);
            done = (b + 1, a + 1);
        }
    }

    /// Compares a piece that stands at these lines, as far as the budget goes.
    fn piece(&mut self, before: &[&[u8]], after: &[&[u8]], (b, a): (usize, usize)) {
        if before.is_empty() && after.is_empty() {
            return;
        }
        let pairs = before.len().saturating_mul(after.len());
        if pairs == 0 || pairs > self.pairs_left {
            let (before, after) = (b..b + before.len(), a..a + after.len());
            self.changes.push(Change { before, after });
            return;
        }
        self.pairs_left -= pairs;
        let mut input = InternedInput::default();
        input.update_before(before.iter().copied());
        input.update_after(after.iter().copied());
        let mut diff = Diff::compute(Algorithm::Histogram, &input);
        // Of changes that could stand in several places each has one, and near ones are joined.
        diff.postprocess_no_heuristic(&input);
        let place =
            |range: Range<u32>, at: usize| at + range.start as usize..at + range.end as usize;
        self.changes.extend(
            diff.hunks()
                .map(|hunk| Change { before: place(hunk.before, b), after: place(hunk.after, a) }),
        );
    }
}

/// The longest chain of lines, in order on both sides, of those that occur once on either side.
fn anchors(before: &[Token], after: &[Token], tokens: usize) -> Vec<(usize, usize)> {
    #[derive(Clone, Copy, Default)]
    struct Seen {
        before: u8,
        after: u8,
        at: usize,
    }
    let mut seen = vec![Seen::default(); tokens];
    for token in before {
        let seen = &mut seen[token.0 as usize];
        seen.before = seen.before.saturating_add(1);
    }
    for (at, token) in after.iter().enumerate() {
        let seen = &mut seen[token.0 as usize];
        *seen = Seen { before: seen.before, after: seen.after.saturating_add(1), at };
    }
    let lines = before.iter().enumerate().filter_map(|(b, token)| {
        let seen = seen[token.0 as usize];
        (seen.before == 1 && seen.after == 1).then_some((b, seen.at))
    });
    longest_ascending(&lines.collect::<Vec<_>>())
}

/// Of pairs whose first numbers ascend, the most whose second numbers ascend too.
fn longest_ascending(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length the pair that ends a chain of it with the least second number.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (at, (_, second)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < *second);
        previous.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut chain = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(at) = next {
        chain.push(pairs[at]);
        next = previous[at];
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text that the changes make of the one before.
    fn applied(before: &[&[u8]], after: &[&[u8]], changes: &[Change]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        for change in changes {
            out.extend(before[at..change.before.start].concat());
            out.extend(after[change.after.clone()].concat());
            at = change.before.end;
        }
        out.extend(before[at..].concat());
        out
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec("[abc]{0,1}(\n|\r\n)|[a-z]{3}\n|x", 0..60)
            .prop_map(|lines| lines.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn changes_lead_from_one_text_to_the_other_whatever_they_may_cost(
            before in text(),
            after in text(),
            pairs_max in prop::sample::select(vec![0, 1, 7, 40, 200, PAIRS_MAX]),
        ) {
            let (before, after) = (split(&before), split(&after));
            let changes = changes_within(&before, &after, pairs_max);
            prop_assert_eq!(applied(&before, &after, &changes), after.concat());
            for change in &changes {
                prop_assert!(!change.before.is_empty() || !change.after.is_empty());
            }
            for pair in changes.windows(2) {
                let gap = pair[0].before.end..pair[1].before.start;
                prop_assert!(!gap.is_empty());
                prop_assert_eq!(gap.len(), pair[1].after.start - pair[0].after.end);
            }
        }

        #[test]
        fn the_longest_chain_ascends_and_no_longer_one_does(
            seconds in prop::collection::btree_set(0..40_usize, 0..9).prop_flat_map(|set| {
                Just(set.into_iter().collect::<Vec<_>>()).prop_shuffle()
            }),
        ) {
            let pairs: Vec<(usize, usize)> = seconds.iter().copied().enumerate().collect();
            let chain = longest_ascending(&pairs);
            prop_assert!(chain.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
            let longest = (0_u32..1 << pairs.len()).filter(|set| {
                let picked = pairs.iter().filter(|(at, _)| set >> at & 1 == 1);
                picked.is_sorted_by(|a, b| a.1 < b.1)
            });
            let longest = longest.map(u32::count_ones).max().unwrap_or(0);
            prop_assert_eq!(chain.len(), longest as usize);
        }
    }

    #[test]
    fn texts_that_would_take_minutes_are_compared_in_pieces() {
        let stripes = |every: usize| -> Vec<u8> {
            let line = |at: usize| if at.is_multiple_of(every) { "a\n" } else { "b\n" };
            (0..300_000).map(line).collect::<String>().into_bytes()
        };
        let (before, after) = (stripes(2), stripes(3));
        let (before, after) = (split(&before), split(&after));
        let changes = changes(&before, &after);
        assert_eq!(applied(&before, &after, &changes), after.concat());
    }

    #[test]
    fn a_large_text_with_lines_of_its_own_is_compared_exactly() {
        let lines: Vec<String> = (0..50_000).map(|at| format!("line {at}\n")).collect();
        let mut edited = lines.clone();
        edited[100] = "other\n".into();
        edited.remove(40_000);
        let (before, after) = (lines.concat(), edited.concat());
        let changes = changes(&split(before.as_bytes()), &split(after.as_bytes()));
        let change = |before, after| Change { before, after };
        assert_eq!(changes, [change(100..101, 100..101), change(40_000..40_001, 40_000..40_000)]);
    }
}
