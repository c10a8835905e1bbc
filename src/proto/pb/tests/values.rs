//! Values: what is written is read as the same, and what is not known is refused.

use super::super::failure::FAILURE_TAG;
use super::super::unjelly::{JellyError, Unjelly};
use super::*;
use crate::proto::banana::{BananaLimits, Big, Item, SIZE_MAX, Scanner};
use proptest::prelude::*;
use serde_json::json;

const TAGS: &[&str] = &["a.Known", FAILURE_TAG];

fn read(bytes: &[u8]) -> (Result<Jelly<'_>, JellyError>, Vec<i64>) {
    let (item, _) = Item::read(bytes).unwrap();
    let mut reader = Unjelly::new(TAGS);
    let value = reader.read(&item);
    let remotes = std::mem::take(&mut reader.remotes);
    (value, remotes)
}

/// Bytes of a list: words as strings, lists in brackets, numbers as they are.
fn written(text: &str) -> Vec<u8> {
    fn one(words: &mut std::iter::Peekable<std::str::SplitWhitespace<'_>>) -> Vec<u8> {
        let word = words.next().unwrap();
        let mut out = Vec::new();
        if word != "[" {
            let mut writer = Writer::new(&mut out, Dialect::None);
            match word.parse() {
                Ok(number) => writer.int(number),
                Err(_) => writer.text(word),
            }
            return out;
        }
        let mut items = Vec::new();
        while words.peek() != Some(&"]") {
            items.push(one(words));
        }
        words.next();
        Writer::new(&mut out, Dialect::None).list(items.len());
        out.extend(items.concat());
        out
    }
    one(&mut text.split_whitespace().peekable())
}

fn error(text: &str) -> JellyError {
    read(&written(text)).0.unwrap_err()
}

#[test]
fn what_is_shared_is_read_twice_and_its_references_counted_once() {
    let bytes = written("[ tuple [ reference 1 [ tuple [ remote 5 ] ] ] [ dereference 1 ] ]");
    let (value, remotes) = read(&bytes);
    let one = Jelly::Tuple(vec![Jelly::Remote(5)]);
    assert_eq!(value, Ok(Jelly::Tuple(vec![one.clone(), one])));
    assert_eq!(remotes, [5]);
    // As Twisted sends echo((), ()).
    let bytes = written("[ tuple [ reference 1 [ tuple ] ] [ dereference 1 ] ]");
    assert_eq!(read(&bytes).0, Ok(Jelly::Tuple(vec![Jelly::Tuple(vec![]); 2])));
}

#[test]
fn cycles_and_what_stands_for_too_much_are_refused() {
    assert_eq!(error("[ reference 1 [ list [ dereference 1 ] ] ]"), JellyError::Cycle);
    let twice = "[ reference 1 [ list [ reference 2 [ list [ dereference 1 ] ] ] ] ]";
    assert_eq!(error(twice), JellyError::Cycle);
    assert_eq!(error("[ dereference 1 ]"), JellyError::Malformed("dereference"));
    // Each level says the one below twice.
    let mut text = "[ reference 0 [ list ] ]".to_owned();
    for level in 1..25 {
        text = format!("[ reference {level} [ list {text} [ dereference {} ] ] ]", level - 1);
    }
    assert_eq!(error(&text), JellyError::TooMany);
}

#[test]
fn a_long_string_is_repeated_for_so_many_bytes_and_no_more() {
    let long = "x".repeat(200_000);
    let said = |form: &str, times: usize| {
        let again = "[ dereference 1 ] ".repeat(times);
        format!("[ list [ reference 1 {form} ] {again}]")
    };
    for form in [long.clone(), format!("[ unicode {long} ]")] {
        assert!(read(&written(&said(&form, 5))).0.is_ok());
        assert_eq!(error(&said(&form, 6)), JellyError::TooMany);
    }
}

#[test]
fn classes_that_are_not_registered_are_refused() {
    let known = written("[ a.Known [ dictionary ] ]");
    assert_eq!(read(&known).0, Ok(Jelly::Copy("a.Known", Box::new(Jelly::Dict(vec![])))));
    for text in [
        "[ b.Other [ dictionary ] ]",
        "[ class b.Other ]",
        "[ instance b.Other [ dictionary ] ]",
        "[ function os.system ]",
        "[ module os ]",
        "[ persistent x ]",
        "[ cached 1 ]",
        "[ lcache 1 ]",
        "[ method x [ None ] [ class y ] ]",
        "[ a.known [ None ] ]",
    ] {
        assert!(matches!(error(text), JellyError::Unknown(_)), "{text}");
    }
    let bytes = written(&format!("[ {} 1 ]", "x.".repeat(500)));
    let Err(JellyError::Unknown(tag)) = read(&bytes).0 else { panic!("it is known") };
    assert_eq!(tag.len(), 100);
}

#[test]
fn forms_with_something_else_in_them_are_refused() {
    for text in [
        "[ ]",
        "[ 1 ]",
        "[ [ list ] ]",
        "[ boolean maybe ]",
        "[ unicode 1 ]",
        "[ dictionary 1 ]",
        "[ dictionary [ 1 ] ]",
        "[ dictionary [ 1 2 3 ] ]",
        "[ date 2024 ]",
        "[ date x ]",
        "[ local [ list ] ]",
        "[ a.Known ]",
    ] {
        assert!(matches!(error(text), JellyError::Malformed(_)), "{text}");
    }
    let not_text = [&b"\x02\x80\x07\x82unicode"[..], b"\x01\x82\xff"].concat();
    assert_eq!(read(&not_text).0, Err(JellyError::Malformed("unicode")));
}

#[test]
fn texts_over_the_limit_are_named_in_place_of_being_sent() {
    let long = "x".repeat(SIZE_MAX + 1);
    let json = json!({"a": 1, "b": long, "c": {"d": "x".repeat(SIZE_MAX)}});
    let jelly = Jelly::of_json(&json);
    assert!(jelly.is_sendable());
    let mut wanted = json.clone();
    wanted.as_object_mut().unwrap().shift_remove("b");
    wanted["left_out"] = json!(["b"]);
    assert_eq!(jelly.to_json(), wanted);
    assert!(!Jelly::List(vec![Jelly::Text(&long)]).is_sendable());
    assert!(!Jelly::Dict(vec![(Jelly::None, Jelly::Bytes(long.as_bytes()))]).is_sendable());
}

#[test]
fn json_is_shown_as_it_was() {
    let json = json!({
        "none": null, "yes": true, "n": -5, "f": 0.5, "t": "\u{1f40f}", "l": [1, [2], {"x": []}],
        "big": 18_446_744_073_709_551_615_u64,
    });
    let jelly = Jelly::of_json(&json);
    let mut wanted = json.clone();
    wanted["big"] = json!(18_446_744_073_709_551_615.0);
    assert_eq!(jelly.to_json(), wanted);
    let odd = Jelly::Dict(vec![
        (Jelly::Int(1), Jelly::Bytes(b"\xff")),
        (Jelly::Bytes(b"k"), Jelly::Decimal(150, -2)),
        (Jelly::Text("n"), Jelly::Float(f64::NAN)),
    ]);
    assert_eq!(odd.to_json(), json!({"1": {"base64": "/w=="}, "k": "150e-2", "n": null}));
}

fn values() -> impl Strategy<Value = Jelly<'static>> {
    const TEXTS: [&str; 5] = ["", "x", "None", "login", "\u{1f40f}"];
    let text = || prop::sample::select(TEXTS.to_vec());
    let leaf = prop_oneof![
        Just(Jelly::None),
        any::<bool>().prop_map(Jelly::Bool),
        any::<i64>().prop_map(Jelly::Int),
        (-1e300..1e300).prop_map(Jelly::Float),
        text().prop_map(|text| Jelly::Bytes(text.as_bytes())),
        text().prop_map(Jelly::Text),
        any::<(i64, i64)>().prop_map(|(value, exponent)| Jelly::Decimal(value, exponent)),
        any::<i64>().prop_map(Jelly::Remote),
        any::<i64>().prop_map(|id| Jelly::Local(ObjectId::Number(id))),
        Just(Jelly::Local(ObjectId::Name(b"root"))),
        text().prop_map(Jelly::Unpersistable),
        any::<[i64; 3]>().prop_map(|numbers| Jelly::Moment(Moment::Date, numbers.to_vec())),
        any::<[i64; 4]>().prop_map(|numbers| Jelly::Moment(Moment::Time, numbers.to_vec())),
        any::<[i64; 7]>().prop_map(|numbers| Jelly::Moment(Moment::DateTime, numbers.to_vec())),
        any::<[i64; 3]>().prop_map(|numbers| Jelly::Moment(Moment::Span, numbers.to_vec())),
        Just(Jelly::Big(Big { is_negative: true, digits: &[9; 20] })),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let many = || prop::collection::vec(inner.clone(), 0..5);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..5);
        prop_oneof![
            many().prop_map(Jelly::List),
            many().prop_map(Jelly::Tuple),
            many().prop_map(Jelly::Set),
            many().prop_map(Jelly::FrozenSet),
            pairs.prop_map(Jelly::Dict),
            inner.clone().prop_map(|state| Jelly::Copy("a.Known", Box::new(state))),
        ]
    })
}

proptest! {
    #[test]
    fn values_come_back_from_their_bytes(value in values()) {
        for dialect in Dialect::ALL {
            let bytes = put(&value, dialect);
            let limits = BananaLimits { bytes_max: 1 << 20, items_max: 1 << 16, depth_max: 64 };
            prop_assert_eq!(Scanner::new(limits).scan(&bytes, dialect), Ok(Some(bytes.len())));
            prop_assert_eq!(read(&bytes).0, Ok(value.clone()));
        }
    }
}
