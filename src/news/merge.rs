//! The three-way merge of two revisions over the one that both began from: a pure function of
//! their bytes, so that every node that makes it makes the same one. Headline, section and the
//! like are taken from the side that changed them; the body is merged by lines.
//!
//! Two changes of a body clash when they replace the same line and differ, or when both add lines
//! at the same place. Changes of neighbouring lines do not.

use super::lines::{self, Change};
use super::{Located, Revision, is_textual};
use crate::update::Cid;
use std::cmp::Ordering;
use std::ops::Range;

/// Who wrote what a merge made.
pub const MERGE_AUTHOR: &str = "merge";
/// The longest summary of a revision.
const SUMMARY_BYTES_MAX: usize = 4096;

/// A revision with the media type of its body. The default stands for two stories of one title that
/// have no revision in common: everything in them is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version<'a> {
    /// What is said; its generation, title and author play no part.
    pub revision: Revision<'a>,
    /// The media type of its body.
    pub media_type: &'a str,
}

/// What two versions make together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    headline: String,
    section: String,
    summary: String,
    language: String,
    located: Option<Located>,
    media_type: String,
    body: Vec<u8>,
}

impl Merged {
    /// As a revision of this story, written by nobody in person.
    pub fn revision<'a>(&'a self, title: &'a str, generation: u32) -> Revision<'a> {
        Revision {
            generation,
            title,
            headline: &self.headline,
            section: &self.section,
            summary: &self.summary,
            author: MERGE_AUTHOR,
            language: &self.language,
            located: self.located,
            body: &self.body,
            wire: &[],
        }
    }

    /// The media type of its body.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }
}

/// Two versions that only a person can bring together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The names of the fields that both changed, each in its own way.
    pub fields: Vec<&'static str>,
}

/// How the aliases of machine merges begin: no writer can give such a one.
pub const MERGE_ALIAS: &str = "merge:";

/// The alias of a machine merge: the same wherever the same revisions are merged, so that a hundred
/// nodes that make it make one.
pub fn merge_alias(parents: &[Cid], media_type: &str, payload: &[u8]) -> String {
    let mut parents = parents.to_vec();
    parents.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for parent in parents {
        hasher.update(&parent.0);
    }
    hasher.update(blake3::hash(media_type.as_bytes()).as_bytes());
    hasher.update(payload);
    format!("{MERGE_ALIAS}{}", hasher.finalize())
}

/// Brings together what two versions made of a base. Which is `yours` and which `theirs` makes no
/// difference to what comes out.
pub fn merge(
    base: &Version<'_>,
    yours: &Version<'_>,
    theirs: &Version<'_>,
) -> Result<Merged, Clash> {
    let mut fields = Vec::new();
    let mut note = |field, is_clash: bool| {
        if is_clash {
            fields.push(field);
        }
    };
    let (b, y, t) = (&base.revision, &yours.revision, &theirs.revision);
    let headline = pick(&b.headline, &y.headline, &t.headline);
    note("headline", headline.is_none());
    let section = pick(&b.section, &y.section, &t.section);
    note("section", section.is_none());
    let language = pick(&b.language, &y.language, &t.language);
    note("language", language.is_none());
    let located = pick(&b.located, &y.located, &t.located);
    note("located", located.is_none());
    let media_type = pick(&base.media_type, &yours.media_type, &theirs.media_type);
    note("media_type", media_type.is_none());
    let body = merge_bodies(base, yours, theirs);
    note("body", body.is_none());
    match (headline, section, language, located, media_type, body) {
        (Some(headline), Some(section), Some(language), Some(located), Some(media), Some(body)) => {
            Ok(Merged {
                headline: (*headline).to_owned(),
                section: (*section).to_owned(),
                summary: summary(b.summary, y.summary, t.summary),
                language: (*language).to_owned(),
                located: *located,
                media_type: (*media).to_owned(),
                body,
            })
        }
        _ => Err(Clash { fields }),
    }
}

/// The side that changed it; none when both did, each in its own way.
pub(super) fn pick<'a, T: PartialEq + ?Sized>(
    base: &'a T,
    yours: &'a T,
    theirs: &'a T,
) -> Option<&'a T> {
    if yours == theirs || theirs == base {
        Some(yours)
    } else if yours == base {
        Some(theirs)
    } else {
        None
    }
}

/// A summary says what its revision changed: two make one that says both.
pub(super) fn summary(base: &str, yours: &str, theirs: &str) -> String {
    if let Some(one) = pick(base, yours, theirs) {
        return one.to_owned();
    }
    let (first, second) = if yours < theirs { (yours, theirs) } else { (theirs, yours) };
    if first.is_empty() {
        return second.to_owned();
    }
    let both = format!("{first}; {second}");
    both[..both.floor_char_boundary(SUMMARY_BYTES_MAX)].to_owned()
}

fn merge_bodies(base: &Version<'_>, yours: &Version<'_>, theirs: &Version<'_>) -> Option<Vec<u8>> {
    let (b, y, t) = (base.revision.body, yours.revision.body, theirs.revision.body);
    if let Some(body) = pick(b, y, t) {
        return Some(body.to_vec());
    }
    // Without a base there is nothing whose type could be wrong.
    let is_text = |version: &Version<'_>| {
        (version.media_type.is_empty() || is_textual(version.media_type))
            && std::str::from_utf8(version.revision.body).is_ok()
    };
    let is_text = [base, yours, theirs].into_iter().all(is_text);
    if is_text { merge_lines(b, y, t, &mut |_, _| None) } else { None }
}

/// A change, and whose it is.
struct Edit {
    side: usize,
    change: Change,
}

impl Edit {
    /// True when it may have put lines in beside those that it replaced.
    fn adds(&self) -> bool {
        self.change.after.len() > self.change.before.len()
    }
}

/// What stands where the lines of two sides clash; none to give up.
pub(super) type Settle<'s> = dyn FnMut(&[&[u8]], &[&[u8]]) -> Option<Vec<u8>> + 's;

/// Merges texts by lines; none where they clash and it is not settled.
pub(super) fn merge_lines(
    base: &[u8],
    yours: &[u8],
    theirs: &[u8],
    settle: &mut Settle<'_>,
) -> Option<Vec<u8>> {
    let base = lines::split(base);
    let sides = [lines::split(yours), lines::split(theirs)];
    let mut edits: Vec<Edit> = Vec::new();
    for (side, text) in sides.iter().enumerate() {
        let changes = lines::changes(&base, text).into_iter();
        edits.extend(changes.map(|change| Edit { side, change }));
    }
    edits.sort_by(|a, b| in_order(&a.change.before, &b.change.before));
    let mut out = Out::default();
    let mut at = 0;
    let mut rest = &edits[..];
    while !rest.is_empty() {
        let (group, behind) = rest.split_at(group_length(rest));
        rest = behind;
        let from = group[0].change.before.start;
        let to = group.iter().map(|edit| edit.change.before.end).max().unwrap_or(from);
        out.put(&base[at..from])?;
        at = to;
        // What the group's lines became on either side; equal, or all of one side's making.
        let became = [0, 1].map(|side| {
            let edits = group.iter().filter(|edit| edit.side == side);
            became(&base, &sides[side], from..to, edits.map(|edit| &edit.change))
        });
        let is_of = |side: usize| group.iter().all(|edit| edit.side == side);
        match became {
            [yours, theirs] if yours == theirs || is_of(0) => out.put(&yours)?,
            [_, theirs] if is_of(1) => out.put(&theirs)?,
            [yours, theirs] => out.put(&[&settle(&yours, &theirs)?])?,
        }
    }
    out.put(&base[at..])?;
    Some(out.0)
}

/// By where they begin; what is put in before a line comes before what replaces it.
fn in_order(a: &Range<usize>, b: &Range<usize>) -> Ordering {
    (a.start, a.end).cmp(&(b.start, b.end))
}

/// How many edits from the first on hang together: they replace a line that one before replaces, or
/// add lines where one before does.
fn group_length(edits: &[Edit]) -> usize {
    let (mut end, mut adds) = (0, false);
    for (at, edit) in edits.iter().enumerate() {
        let before = &edit.change.before;
        let meets = before.start < end || before.start == end && adds && edit.adds();
        if at > 0 && !meets {
            return at;
        }
        end = end.max(before.end);
        adds |= edit.adds();
    }
    edits.len()
}

/// What one side made of the base's lines.
fn became<'a>(
    base: &[&'a [u8]],
    text: &[&'a [u8]],
    lines: Range<usize>,
    changes: impl Iterator<Item = &'a Change>,
) -> Vec<&'a [u8]> {
    let mut out = Vec::new();
    let mut at = lines.start;
    for change in changes {
        out.extend_from_slice(&base[at..change.before.start]);
        out.extend_from_slice(&text[change.after.clone()]);
        at = change.before.end;
    }
    out.extend_from_slice(&base[at..lines.end]);
    out
}

/// A text as it grows.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    /// Appends lines; none when one that has no line feed stands before them: two lines would
    /// become one.
    fn put(&mut self, lines: &[&[u8]]) -> Option<()> {
        if lines.is_empty() {
            return Some(());
        }
        if self.0.last().is_some_and(|last| *last != b'\n') {
            return None;
        }
        for line in lines {
            self.0.extend_from_slice(line);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(body: &[u8]) -> Version<'_> {
        Version { revision: Revision { body, ..Revision::default() }, media_type: "text/plain" }
    }

    fn body(base: &str, yours: &str, theirs: &str) -> Option<String> {
        let merged = |y: &str, t: &str| {
            merge(&version(base.as_bytes()), &version(y.as_bytes()), &version(t.as_bytes()))
                .ok()
                .map(|merged| String::from_utf8(merged.body).unwrap())
        };
        let made = merged(yours, theirs);
        assert_eq!(made, merged(theirs, yours), "the same from the other side");
        made
    }

    #[track_caller]
    fn makes(base: &str, yours: &str, theirs: &str, wanted: &str) {
        assert_eq!(body(base, yours, theirs).as_deref(), Some(wanted));
    }

    #[track_caller]
    fn clashes(base: &str, yours: &str, theirs: &str) {
        assert_eq!(body(base, yours, theirs), None);
    }

    #[test]
    fn changes_of_different_lines_come_together() {
        makes("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n");
        makes("a\nb\n", "A\nb\n", "a\nB\n", "A\nB\n");
        makes("a\nb\n", "a\n", "A\nb\n", "A\n");
        makes("a\nb\nc\n", "b\nc\n", "a\nb\nc\nd\n", "b\nc\nd\n");
        makes("a\nb\n", "a\nb\nc\n", "a\nB\n", "a\nB\nc\n");
        makes("a\nb\n", "0\na\nb\n", "A\nb\n", "0\nA\nb\n");
        makes("a\nb\nc\n", "c\n", "a\nb\nC\n", "C\n");
    }

    #[test]
    fn the_same_change_on_both_sides_is_made_once() {
        makes("a\nb\nc\n", "a\nX\nc\n", "a\nX\nc\n", "a\nX\nc\n");
        makes("a\n", "a\nb\n", "a\nb\n", "a\nb\n");
        makes("a\nb\nc\nd\n", "a\nb\nn\nc\nd\n", "A\nb\nn\nc\nd\n", "A\nb\nn\nc\nd\n");
        makes("", "x\n", "x\n", "x\n");
    }

    #[test]
    fn different_changes_of_a_line_clash_and_so_do_lines_put_in_at_one_place() {
        clashes("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n");
        clashes("a\nb\nc\n", "a\nc\n", "a\nY\nc\n");
        clashes("a\nb\nc\n", "a\nX\nc\n", "a\nX\nC\n");
        clashes("a\nc\n", "a\nx\nc\n", "a\ny\nc\n");
        clashes("a\n", "a\nx\n", "a\ny\n");
        clashes("", "x\n", "y\n");
        // Which of the new lines comes first, nobody can say.
        clashes("a\nb\n", "a\nB\nx\n", "a\nb\ny\n");
    }

    #[test]
    fn a_last_line_without_its_end_is_another_line_and_never_runs_into_the_next() {
        makes("a\nb\nc", "A\nb\nc", "a\nb\nc\n", "A\nb\nc\n");
        makes("a\nb", "A\nb", "a\nb\nc", "A\nb\nc");
        makes("a\nb\n", "A\nb\n", "a\nb", "A\nb");
        clashes("a\nb\n", "a\nb", "a\nb\nc\n");
        clashes("a\nb", "a\nB", "a\nb\nc\n");
        makes("a\nb\nc", "a\nb\n", "A\nb\nc", "A\nb\n");
    }

    #[test]
    fn line_ends_are_part_of_their_lines() {
        makes("a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n", "A\r\nb\r\nC\r\n");
        clashes("a\nb\n", "a\r\nb\r\n", "A\nb\n");
        makes("a\nb\n", "a\r\nb\r\n", "a\nb\n", "a\r\nb\r\n");
        makes("a\rb\nc\n", "A\rb\nc\n", "a\rb\nC\n", "A\rb\nC\n");
    }

    #[test]
    fn fields_are_taken_from_the_side_that_changed_them_or_clash_by_name() {
        let base = Version {
            revision: Revision {
                headline: "h",
                section: "s",
                summary: "first",
                language: "en",
                body: b"\xff",
                ..Revision::default()
            },
            media_type: "image/png",
        };
        let (mut yours, mut theirs) = (base, base);
        (yours.revision.headline, yours.revision.summary) = ("H", "mine");
        yours.revision.located = Some(Located { lat_udeg: 1, lon_udeg: 2 });
        (theirs.revision.section, theirs.revision.summary) = ("S", "also");
        (theirs.revision.body, theirs.media_type) = (b"\xfe", "image/gif");
        let merged = merge(&base, &yours, &theirs).unwrap();
        let revision = merged.revision("t", 7);
        assert_eq!((revision.headline, revision.section, revision.language), ("H", "S", "en"));
        assert_eq!((revision.summary, revision.author), ("also; mine", "merge"));
        assert_eq!((revision.body, merged.media_type()), (&b"\xfe"[..], "image/gif"));
        assert_eq!((revision.located, revision.generation), (yours.revision.located, 7));
        (theirs.revision.headline, theirs.revision.language) = ("other", "de");
        (yours.revision.body, yours.revision.language) = (b"\xfd", "fr");
        let clash = merge(&base, &yours, &theirs).unwrap_err();
        assert_eq!(clash.fields, ["headline", "language", "body"]);
    }

    #[test]
    fn a_merge_has_one_name_whatever_the_order_of_its_parents() {
        let [a, b] = [Cid([1; 32]), Cid([2; 32])];
        let alias = merge_alias(&[a, b], "text/plain", b"x");
        assert_eq!(alias, merge_alias(&[b, a], "text/plain", b"x"));
        assert_eq!(alias.len(), 70);
        for other in [
            merge_alias(&[a, a], "text/plain", b"x"),
            merge_alias(&[a, b], "text/html", b"x"),
            merge_alias(&[a, b], "text/plain", b"y"),
        ] {
            assert_ne!(alias, other);
        }
    }

    #[test]
    fn what_is_no_text_is_never_merged_by_lines() {
        let of = |body, media_type| Version { media_type, ..version(body) };
        let [b, y, t] = [&b"a\nb\nc\n"[..], b"A\nb\nc\n", b"a\nb\nC\n"];
        let merged = |kind| merge(&of(b, kind), &of(y, kind), &of(t, kind));
        assert!(merged("text/markdown").is_ok());
        assert_eq!(merged("image/png").unwrap_err().fields, ["body"]);
        assert_eq!(merged("text/plain; charset=latin1").unwrap_err().fields, ["body"]);
        let broken = merge(&version(b), &version(b"\xff\nb\nc\n"), &version(t));
        assert_eq!(broken.unwrap_err().fields, ["body"]);
    }

    #[test]
    fn stories_without_a_common_revision_merge_only_what_is_the_same() {
        let (same, other) = (version(b"x\n"), version(b"y\n"));
        let none = Version::default();
        assert_eq!(merge(&none, &same, &same).unwrap().body, b"x\n");
        assert_eq!(merge(&none, &same, &other).unwrap_err().fields, ["body"]);
    }

    fn text() -> impl Strategy<Value = String> {
        let line = prop_oneof!["[ab]?\n", "[a-z]{2}\n", "a\r\n"];
        (prop::collection::vec(line, 0..12), "(|z)").prop_map(|(lines, end)| lines.concat() + &end)
    }

    /// Lines of their own, and for each what is done to it by whom.
    fn disjoint() -> impl Strategy<Value = Vec<(u8, bool)>> {
        prop::collection::vec((0..6_u8, any::<bool>()), 1..40)
    }

    proptest! {
        #[test]
        fn a_side_that_changed_nothing_gives_way(b in text(), x in text()) {
            prop_assert_eq!(body(&b, &x, &b), Some(x.clone()));
            prop_assert_eq!(body(&b, &b, &x), Some(x.clone()));
            prop_assert_eq!(body(&b, &x, &x), Some(x));
        }

        #[test]
        fn both_sides_see_the_same_and_all_lines_come_from_somewhere(
            b in text(), x in text(), y in text(),
        ) {
            // `body` compares both orders.
            if let Some(merged) = body(&b, &x, &y) {
                let known = [&b, &x, &y].map(|text| lines::split(text.as_bytes()));
                for line in lines::split(merged.as_bytes()) {
                    prop_assert!(known.iter().any(|text| text.contains(&line)));
                }
            }
        }

        #[test]
        fn edits_of_different_lines_never_clash_and_all_of_them_stand(steps in disjoint()) {
            let mut texts = [String::new(), String::new(), String::new(), String::new()];
            for (at, (step, is_yours)) in steps.iter().enumerate() {
                let line = format!("line {at}\n");
                let edited = match step {
                    0 => format!("new {at}\n"),
                    1 => String::new(),
                    2 => format!("new {at}\n{line}"),
                    _ => line.clone(),
                };
                // Beside a line that both leave, so that no two put lines in at one place.
                let [base, yours, theirs, both] = &mut texts;
                for (text, edit) in [
                    (base, false), (yours, *is_yours), (theirs, !is_yours), (both, true)
                ] {
                    *text += if edit { &edited } else { &line };
                    *text += "kept ";
                    *text += &line;
                }
            }
            let [base, yours, theirs, both] = texts;
            prop_assert_eq!(body(&base, &yours, &theirs), Some(both.clone()));
            // Merging again what is merged changes nothing.
            prop_assert_eq!(body(&base, &both, &yours), Some(both.clone()));
            prop_assert_eq!(body(&yours, &both, &yours), Some(both));
        }

        #[test]
        fn replaced_neighbours_never_clash(owners in prop::collection::vec(0..3_u8, 1..30)) {
            let text = |by: &dyn Fn(u8) -> bool| -> String {
                let line = |(at, owner): (usize, &u8)| {
                    if by(*owner) { format!("new {at}\n") } else { format!("line {at}\n") }
                };
                owners.iter().enumerate().map(line).collect()
            };
            let merged = body(&text(&|_| false), &text(&|by| by == 1), &text(&|by| by == 2));
            prop_assert_eq!(merged, Some(text(&|by| by != 0)));
        }
    }
}
