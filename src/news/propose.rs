//! What two versions of a story make together, for a person to look over: merged where that can be,
//! and both between markers where lines clash. Nothing of either side is left out.

use super::merge::{merge_lines, pick, summary};
use super::{Located, Version};

/// How the lines begin between which both sides stand.
const OPEN: &str = "<<<<<<< ";
const PARTS: &str = "=======";
const CLOSE: &str = ">>>>>>> ";

/// A version to look over before it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// As in [`Revision`](super::Revision); of what clashes, yours.
    pub headline: String,
    /// As in [`Revision`](super::Revision).
    pub section: String,
    /// Both, where both say something.
    pub summary: String,
    /// As in [`Revision`](super::Revision).
    pub language: String,
    /// As in [`Revision`](super::Revision).
    pub located: Option<Located>,
    /// Of the body.
    pub media_type: String,
    /// Text, with markers where lines clash.
    pub body: String,
    /// The names of the fields that a person has to settle.
    pub clashes: Vec<&'static str>,
}

/// Brings two versions together over their base. `names` say whose lines stand between the markers:
/// yours, theirs.
pub fn propose(
    base: &Version<'_>,
    yours: &Version<'_>,
    theirs: &Version<'_>,
    names: [&str; 2],
) -> Proposal {
    let (b, y, t) = (&base.revision, &yours.revision, &theirs.revision);
    let mut clashes = Vec::new();
    let mut text = |name, base: &str, yours: &str, theirs: &str| {
        let picked = pick(base, yours, theirs);
        if picked.is_none() {
            clashes.push(name);
        }
        picked.unwrap_or(yours).to_owned()
    };
    let headline = text("headline", b.headline, y.headline, t.headline);
    let section = text("section", b.section, y.section, t.section);
    let language = text("language", b.language, y.language, t.language);
    let media_type = text("media_type", base.media_type, yours.media_type, theirs.media_type);
    let located = pick(&b.located, &y.located, &t.located);
    if located.is_none() {
        clashes.push("located");
    }
    let (body, is_clash) = bodies([b.body, y.body, t.body], names);
    if is_clash {
        clashes.push("body");
    }
    Proposal {
        headline,
        section,
        summary: summary("", y.summary, t.summary),
        language,
        located: *located.unwrap_or(&y.located),
        media_type,
        body,
        clashes,
    }
}

/// The bodies brought together, and whether something clashes.
fn bodies([base, yours, theirs]: [&[u8]; 3], [one, other]: [&str; 2]) -> (String, bool) {
    let own = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(body) = pick(base, yours, theirs) {
        return (own(body), false);
    }
    let mut is_clash = false;
    let mut settle = |yours: &[&[u8]], theirs: &[&[u8]]| {
        is_clash = true;
        let (yours, theirs) = (yours.concat(), theirs.concat());
        let mut out = format!("{OPEN}{one}\n").into_bytes();
        out.extend_from_slice(&yours);
        out.extend_from_slice(format!("{PARTS}\n").as_bytes());
        out.extend_from_slice(&theirs);
        out.extend_from_slice(format!("{CLOSE}{other}\n").as_bytes());
        Some(out)
    };
    let [base, ours, others] = [base, yours, theirs].map(ended);
    match merge_lines(&base, &ours, &others, &mut settle) {
        Some(body) => (own(&body), is_clash),
        // Each line has its end, so this is not reached; yours would be what is kept.
        None => (own(yours), true),
    }
}

/// With a line feed at the end of its last line.
fn ended(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text
}

/// True when the markers of a clash are still in a text.
pub fn has_markers(text: &str) -> bool {
    let has = |marker| text.lines().any(|line: &str| line.starts_with(marker));
    has(OPEN) && has(CLOSE)
}

#[cfg(test)]
mod tests {
    use super::super::Revision;
    use super::*;
    use proptest::prelude::*;

    fn version<'a>(headline: &'a str, body: &'a str) -> Version<'a> {
        let revision = Revision { headline, body: body.as_bytes(), ..Revision::default() };
        Version { revision, media_type: "text/plain" }
    }

    fn proposed(base: &str, yours: &str, theirs: &str) -> Proposal {
        let [base, yours, theirs] = [base, yours, theirs].map(|body| version("", body));
        propose(&base, &yours, &theirs, ["yours", "theirs"])
    }

    #[test]
    fn what_does_not_clash_is_merged_and_what_clashes_stands_twice() {
        let clean = proposed("a\nb\n", "A\nb\n", "a\nb\nc\n");
        assert_eq!((&clean.body[..], clean.clashes.len()), ("A\nb\nc\n", 0));
        let clash = proposed("a\nb\nc", "a\nB\nc", "A\nB!\nc");
        let wanted = "<<<<<<< yours\na\nB\n=======\nA\nB!\n>>>>>>> theirs\nc\n";
        assert_eq!((&clash.body[..], &clash.clashes[..]), (wanted, &["body"][..]));
        assert!(has_markers(&clash.body) && !has_markers(&clean.body));
    }

    #[test]
    fn of_a_field_that_both_changed_yours_is_proposed_and_the_field_named() {
        let (base, yours, theirs) = (version("H", "x"), version("Y", "x"), version("T", "x"));
        let made = propose(&base, &yours, &theirs, ["yours", "theirs"]);
        assert_eq!((&made.headline[..], &made.clashes[..]), ("Y", &["headline"][..]));
        let made = propose(&base, &base, &theirs, ["yours", "theirs"]);
        assert_eq!((&made.headline[..], &made.clashes[..]), ("T", &[][..]));
    }

    proptest! {
        #[test]
        fn no_new_line_of_either_side_is_left_out(
            base in "([a-d]\n){0,6}", yours in "([c-g]\n){0,6}", theirs in "([f-k]\n){0,6}"
        ) {
            let body = proposed(&base, &yours, &theirs).body;
            for line in yours.lines().chain(theirs.lines()).filter(|line| !base.contains(line)) {
                prop_assert!(body.lines().any(|has| has == line), "{line} in {body}");
            }
        }
    }
}
