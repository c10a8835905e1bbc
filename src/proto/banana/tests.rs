//! Tests of this module.

use super::*;
use proptest::prelude::*;

const WIDE: BananaLimits = BananaLimits { bytes_max: 1 << 20, items_max: 1 << 16, depth_max: 64 };

/// What top-level items stand in bytes that come in pieces of this size, as their own bytes.
fn scanned(bytes: &[u8], piece: usize, dialect: Dialect) -> (Vec<Vec<u8>>, Option<BananaError>) {
    let mut scanner = Scanner::new(WIDE);
    let (mut held, mut found): (Vec<u8>, _) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        held.extend_from_slice(piece);
        loop {
            match scanner.scan(&held, dialect) {
                Ok(Some(taken)) => found.push(held.drain(..taken).collect()),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fn fault(bytes: &[u8], limits: BananaLimits) -> Option<BananaFault> {
    Scanner::new(limits).scan(bytes, Dialect::Pb).err().map(|error| error.fault)
}

fn written(item: &Item<'_>, dialect: Dialect) -> Vec<u8> {
    fn put(item: &Item<'_>, writer: &mut Writer<'_>) {
        match item {
            Item::Int(value) => writer.int(*value),
            Item::Big(value) => writer.big(*value),
            Item::Float(value) => writer.float(*value),
            Item::Bytes(bytes) => writer.bytes(bytes),
            Item::List(items) => {
                writer.list(items.len());
                for item in items {
                    put(item, writer);
                }
            }
        }
    }
    let mut out = Vec::new();
    put(item, &mut Writer::new(&mut out, dialect));
    out
}

#[test]
fn numbers_are_written_as_twisted_writes_them() {
    for (value, bytes) in [
        (0, &b"\x00\x81"[..]),
        (-1, b"\x01\x83"),
        ((1 << 31) - 1, b"\x7f\x7f\x7f\x7f\x07\x81"),
        (1 << 31, b"\x00\x00\x00\x00\x08\x85"),
        (-(1 << 31), b"\x00\x00\x00\x00\x08\x83"),
        (-(1 << 31) - 1, b"\x01\x00\x00\x00\x08\x86"),
        (i64::MIN, b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x86"),
    ] {
        assert_eq!(written(&Item::Int(value), Dialect::Pb), bytes, "{value}");
        assert_eq!(Item::read(bytes), Some((Item::Int(value), &b""[..])));
    }
    let float = b"\x84\x3f\xf8\x00\x00\x00\x00\x00\x00";
    assert_eq!(written(&Item::Float(1.5), Dialect::None), float);
    assert_eq!(Item::read(float), Some((Item::Float(1.5), &b""[..])));
}

#[test]
fn prefixes_in_other_forms_are_read() {
    for (bytes, value) in [
        (&b"\x81"[..], 0),
        (b"\x83", 0),
        (b"\x05\x00\x00\x81", 5),
        (b"\x05\x85", 5),
        (b"\x05\x86", -5),
        (&[&[0; 64][..], b"\x81"].concat(), 0),
    ] {
        assert_eq!(Item::read(bytes), Some((Item::Int(value), &b""[..])), "{bytes:?}");
    }
    let digits = [0x7f; 10];
    let big = [&digits[..], b"\x85"].concat();
    let value = Item::Big(Big { is_negative: false, digits: &digits });
    assert_eq!(Item::read(&big), Some((value.clone(), &b""[..])));
    assert_eq!(written(&value, Dialect::None), big);
    let Item::Big(value) = value else { unreachable!() };
    assert!((value.as_f64() / 2_f64.powi(70) - 1.0).abs() < 1e-9);
}

#[test]
fn words_are_numbers_in_one_dialect_and_strings_in_the_other() {
    let list = Item::List(vec![Item::Bytes(b"login"), Item::Bytes(b"x"), Item::Bytes(b"uncache")]);
    assert_eq!(written(&list, Dialect::Pb), b"\x03\x80\x14\x87\x01\x82x\x1f\x87");
    assert_eq!(written(&list, Dialect::None), b"\x03\x80\x05\x82login\x01\x82x\x07\x82uncache");
    for dialect in Dialect::ALL {
        assert_eq!(Item::read(&written(&list, dialect)), Some((list.clone(), &b""[..])));
    }
    assert_eq!(scanned(b"\x14\x87", 1, Dialect::Pb).0.len(), 1);
    let error = scanned(b"\x00\x81\x14\x87", 1, Dialect::None).1.unwrap();
    assert_eq!(error, BananaError { fault: BananaFault::Word, offset: 2 });
    for bad in [&b"\x87"[..], b"\x20\x87", &[&[0x7f; 12][..], b"\x87"].concat()] {
        assert_eq!(fault(bad, WIDE), Some(BananaFault::Word));
    }
}

#[test]
fn what_is_over_a_limit_is_refused_before_it_comes() {
    let short = |bytes_max| BananaLimits { bytes_max, ..WIDE };
    // 655,360 and one more, as a string and as a list.
    for (kind, fault_of) in [(0x82, BananaFault::String), (0x80, BananaFault::List)] {
        assert_eq!(fault(&[0x00, 0x00, 0x28, kind], WIDE), None);
        assert_eq!(fault(&[0x01, 0x00, 0x28, kind], WIDE), Some(fault_of));
        assert_eq!(fault(&[&[0x7f; 60][..], &[kind]].concat(), WIDE), Some(fault_of));
    }
    assert_eq!(fault(&[0x00; 64], WIDE), None);
    assert_eq!(fault(&[0x00; 65], WIDE), Some(BananaFault::Prefix));
    assert_eq!(fault(&[&[0x00; 65][..], &[0x81]].concat(), WIDE), Some(BananaFault::Prefix));
    for byte in 0x88..=0xff {
        assert_eq!(fault(&[byte], WIDE), Some(BananaFault::Type(byte)));
    }
    let deep = [1, 0x80].repeat(64);
    assert_eq!(fault(&deep, WIDE), None);
    assert_eq!(fault(&[1, 0x80].repeat(65), WIDE), Some(BananaFault::Depth));
    assert_eq!(fault(b"\x08\x82", short(10)), None);
    assert_eq!(fault(b"\x09\x82", short(10)), Some(BananaFault::Bytes));
    assert_eq!(
        fault(b"\x04\x80\x81\x81\x81", BananaLimits { items_max: 3, ..WIDE }),
        Some(BananaFault::Items)
    );
}

/// A list of lists that says at each level that much will come.
#[test]
fn an_unfinished_list_of_lists_costs_what_was_sent() {
    let mut scanner = Scanner::new(WIDE);
    let bytes = [0x7f, 0x7f, 0x27, 0x80].repeat(60);
    assert_eq!(scanner.scan(&bytes, Dialect::Pb), Ok(None));
    assert_eq!(Item::read(&bytes), None);
}

fn items() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![&b"None"[..], b"list", b"x", b"", b"decref!"]);
    let leaf = prop_oneof![
        any::<i64>().prop_map(|value| written(&Item::Int(value), Dialect::Pb)),
        any::<f64>().prop_map(|value| written(&Item::Float(value), Dialect::Pb)),
        words.prop_map(|word| written(&Item::Bytes(word), Dialect::Pb)),
        prop::collection::vec(1..0x80_u8, 11..60).prop_map(|digits| {
            written(&Item::Big(Big { is_negative: true, digits: &digits }), Dialect::Pb)
        }),
    ];
    leaf.prop_recursive(5, 30, 6, |inner| {
        prop::collection::vec(inner, 0..6).prop_map(|items| {
            let mut out = Vec::new();
            Writer::new(&mut out, Dialect::Pb).list(items.len());
            out.extend(items.concat());
            out
        })
    })
}

proptest! {
    #[test]
    fn items_are_found_and_read_however_they_are_cut(
        all in prop::collection::vec(items(), 0..5),
        piece in 1..20_usize,
    ) {
        let (found, error) = scanned(&all.concat(), piece, Dialect::Pb);
        prop_assert_eq!(error, None);
        prop_assert_eq!(&found, &all);
        for bytes in &all {
            let (item, rest) = Item::read(bytes).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(&written(&item, Dialect::Pb), bytes);
            let plain = written(&item, Dialect::None);
            let (again, _) = Item::read(&plain).unwrap();
            // A float that is no number is not equal to itself.
            prop_assert_eq!(&written(&again, Dialect::Pb), bytes);
        }
    }

    #[test]
    fn any_bytes_are_found_or_refused_however_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![0..4_u8, 0x80..0x8a_u8, any::<u8>()], 0..200),
        piece in 1..9_usize,
    ) {
        for dialect in Dialect::ALL {
            let whole = scanned(&bytes, 1000, dialect);
            prop_assert_eq!(&scanned(&bytes, piece, dialect), &whole);
            for item in &whole.0 {
                prop_assert!(matches!(Item::read(item), Some((_, []))));
            }
        }
    }
}
