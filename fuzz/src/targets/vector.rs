//! Vectors and cursors: sets of dots as bytes and as text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwether::news::{RevisionMark, StoryMark};
use bellwether::update::{
    After, CURSOR_BYTES_MAX, Cid, Cursor, Dot, Mark, PublicKey, Reader, Span, Vector,
};
use std::fmt::{Debug, Display};
use std::str::FromStr;

const RUNS_MAX: usize = 4096;

fn put(vector: &Vector) -> Vec<u8> {
    let mut bytes = Vec::new();
    vector.encode(&mut bytes);
    bytes
}

/// The vector at the front, which must have been in the one form that it has.
fn take(reader: &mut Reader<'_>) -> Option<Vector> {
    let before = reader.rest();
    let vector = Vector::decode(reader, RUNS_MAX).ok()?;
    let taken = &before[..before.len() - reader.rest().len()];
    assert_eq!(put(&vector), taken);
    assert!(vector.runs() <= RUNS_MAX);
    Some(vector)
}

/// Two vectors, one behind the other.
pub(crate) fn vector(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Some(a) = take(&mut reader) else { return };
    look_at(&a);
    let b = take(&mut reader).unwrap_or_default();
    let mut both = a.clone();
    both.merge(&b);
    assert!(both.covers(&a) && both.covers(&b));
    let (more, other) = (a.beyond(&b), b.beyond(&a));
    let mut sum = b.clone();
    for span in &more {
        sum.insert_span(*span);
    }
    assert_eq!(sum, both, "b and what a has beyond it");
    for span in &more {
        assert!(span.from <= span.to && ends(*span).all(|dot| a.contains(dot) && !b.contains(dot)));
    }
    assert_eq!(more.is_empty(), b.covers(&a));
    assert_eq!(more.is_empty() && other.is_empty(), a == b);
    assert_eq!(a.hash() == b.hash(), a == b);
}

fn ends(span: Span) -> impl Iterator<Item = Dot> {
    [span.from, span.to].into_iter().map(move |seq| Dot { epoch: span.epoch, seq })
}

fn look_at(vector: &Vector) {
    let mut again = Vector::new();
    vector.spans().for_each(|span| again.insert_span(span));
    assert_eq!(again, *vector);
    assert_eq!(vector.spans().count(), vector.runs());
    assert_eq!(vector.is_empty(), vector.count() == 0);
    for dot in vector.spans().flat_map(ends).take(64) {
        assert!(vector.contains(dot) && vector.last(dot.epoch) >= dot.seq);
        let mut less = vector.clone();
        assert!(less.remove(dot) && !less.contains(dot) && !less.remove(dot));
        assert_eq!(less.gaps(Span { epoch: dot.epoch, from: dot.seq, to: dot.seq }).len(), 1);
        assert!(less.insert(dot) && !less.insert(dot));
        assert_eq!(less, *vector);
    }
}

/// Texts that stand for places and names come back as the same value; where there is but one form,
/// as the same text.
fn comes_back<T: FromStr + Display + PartialEq + Debug>(text: &str, has_one_form: bool) {
    let Ok(value) = text.parse::<T>() else { return };
    let shown = value.to_string();
    let again = shown.parse::<T>().ok();
    assert_eq!(again.as_ref(), Some(&value), "{shown}");
    assert!(!has_one_form || shown == text, "{text} is shown as {shown}");
}

/// What readers send as cursors, tokens and ids.
pub(crate) fn cursor(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(After::Whole(vector)) = text.parse() {
            shown_as_cursor(vector);
        }
        comes_back::<StoryMark>(text, true);
        comes_back::<RevisionMark>(text, true);
        // Hexadecimal digits may be of either case.
        comes_back::<Cid>(text, false);
        comes_back::<PublicKey>(text, false);
    }
    // The check at a cursor's end is past guessing: here it is made.
    if let Some(vector) = take(&mut Reader::new(bytes)) {
        shown_as_cursor(vector);
    }
    let mut sketched = [&[2], bytes].concat();
    let check = blake3::hash(&sketched);
    sketched.extend_from_slice(&check.as_bytes()[..2]);
    if let Ok(After::Sketched(_, sketch)) = URL_SAFE_NO_PAD.encode(sketched).parse() {
        let mut proof = sketch.prove();
        proof.try_below(&Vector::new());
        proof.try_near(&Vector::new());
        assert!(proof.into_vector().is_empty());
    }
}

/// A cursor is short, and whole unless it would be long.
fn shown_as_cursor(vector: Vector) {
    let is_whole = Cursor::is_whole(&vector);
    let cursor = Cursor(vector, Mark::default());
    let text = cursor.to_string();
    assert!(text.len() <= CURSOR_BYTES_MAX, "{text}");
    match text.parse() {
        Ok(After::Whole(vector)) => assert!(is_whole && vector == cursor.0, "{text}"),
        Ok(After::Sketched(..)) => assert!(!is_whole, "{text}"),
        Err(error) => panic!("{text}: {error}"),
    }
}
