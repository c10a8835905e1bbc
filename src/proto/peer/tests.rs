//! Tests of this module.

use super::*;
use crate::base::InBuf;
use crate::proto::testing::{cut, each_piece};
use crate::update::{
    Cid, Dot, Epoch, PublicKey, Seal, Signature, Statement, Vector, VectorError, Word,
};
use proptest::prelude::*;

const FRAME_BYTES_MAX: usize = 4096;

/// A frame that owns what it says.
#[derive(Clone, Debug)]
enum Owned {
    Hello(u16, String, [u64; 3], [u8; 16], Option<Vector>),
    State(bool, Vector, Vec<(Epoch, u64)>, Vec<(Epoch, Cid)>),
    Vector(u8, Vector),
    Held(bool, Word),
    Update(Vec<u8>),
    Credit(Credit),
    Digest([u8; 32]),
    Exhibit(Vec<u8>, Seal),
    Number(bool, u64),
    Refuse(u8, String),
    Inquire(u64, u8, Vec<u8>),
    Tell(Statement),
}

impl Owned {
    fn frame(&self) -> Frame<'_> {
        match self {
            Self::Hello(protocol, name, [epoch, instance, clock_ms], hash, wants) => {
                Frame::Hello(Hello {
                    protocol: *protocol,
                    name,
                    epoch: Epoch(*epoch),
                    instance: *instance,
                    state_hash: *hash,
                    clock_ms: *clock_ms,
                    window_bytes: 7 << 20,
                    version: "0.3.1",
                    wants: wants.clone(),
                })
            }
            Self::State(more, offers, lows, tips) => Frame::State(StateFrame {
                more: *more,
                offers: offers.clone(),
                lows: lows.clone(),
                tips: tips.clone(),
            }),
            Self::Vector(0, dots) => Frame::Offer(dots.clone()),
            Self::Vector(1, dots) => Frame::Passed(dots.clone()),
            Self::Vector(n, dots) => Frame::Pull { versions: *n == 2, dots: dots.clone() },
            Self::Held(urgent, word) => Frame::Held { urgent: *urgent, word: word.clone() },
            Self::Update(raw) => Frame::Update(raw),
            Self::Credit(credit) => Frame::Credit(*credit),
            Self::Digest(hash) => Frame::Digest(*hash),
            Self::Exhibit(raw, seal) => Frame::Exhibit { raw, seal: seal.clone() },
            Self::Number(true, number) => Frame::Ping(*number),
            Self::Number(false, number) => Frame::Pong(*number),
            Self::Inquire(number, hops, about) => {
                Frame::Inquire(Inquire { number: *number, hops: *hops, about })
            }
            Self::Tell(said) => Frame::Tell(said.clone()),
            Self::Refuse(code, text) => Frame::Refuse { code: RefuseCode::from_code(*code), text },
        }
    }
}

fn vectors() -> impl Strategy<Value = Vector> {
    prop::collection::vec((0..4_u64, 1..50_u64), 0..20).prop_map(|dots| {
        let mut vector = Vector::new();
        for (epoch, seq) in dots {
            vector.insert(Dot { epoch: Epoch(epoch), seq });
        }
        vector
    })
}

fn seals() -> impl Strategy<Value = Seal> {
    let cids = prop::collection::vec(any::<[u8; 32]>(), 1..20);
    (any::<[u8; 32]>(), any::<u64>(), 1..1_000_u64, cids).prop_map(|(bytes, salt, from, cids)| {
        let signature = [bytes, bytes].concat().try_into().map(Signature);
        let cids = cids.into_iter().map(Cid).collect();
        Seal { key: PublicKey(bytes), salt, from, cids, signature: signature.unwrap() }
    })
}

fn words() -> impl Strategy<Value = Word> {
    ("[a-zé]{1,32}", any::<[u8; 32]>(), vectors()).prop_map(|(node, bytes, held)| {
        let signature = [bytes, bytes].concat().try_into().map(Signature);
        Word { key: PublicKey(bytes), node, held, signature: signature.unwrap() }
    })
}

fn frames() -> impl Strategy<Value = Vec<Owned>> {
    let wants = prop::option::of(vectors());
    let hello = ("[a-zé]{1,32}", any::<[u64; 3]>(), any::<[u8; 16]>(), wants);
    let pairs = |n: usize| prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..n);
    let state = (any::<bool>(), vectors(), pairs(5), pairs(5));
    let frame = prop_oneof![
        hello.prop_map(|(name, n, hash, wants)| Owned::Hello(PROTOCOL, name, n, hash, wants)),
        state.prop_map(|(more, offers, lows, tips)| {
            let lows = lows.into_iter().map(|(epoch, low)| (Epoch(epoch), low));
            let tips = tips.into_iter().map(|(epoch, n)| (Epoch(epoch), Cid([n as u8; 32])));
            Owned::State(more, offers, lows.collect(), tips.collect())
        }),
        (0..4_u8, vectors()).prop_map(|(n, vector)| Owned::Vector(n, vector)),
        (any::<bool>(), words()).prop_map(|(urgent, word)| Owned::Held(urgent, word)),
        prop::collection::vec(any::<u8>(), 1..300).prop_map(Owned::Update),
        any::<[u64; 3]>()
            .prop_map(|[bytes, updates, news]| { Owned::Credit(Credit { bytes, updates, news }) }),
        any::<[u8; 32]>().prop_map(Owned::Digest),
        (prop::collection::vec(any::<u8>(), 0..99), seals())
            .prop_map(|(raw, seal)| Owned::Exhibit(raw, seal)),
        any::<(bool, u64)>().prop_map(|(ping, number)| Owned::Number(ping, number)),
        (any::<u8>(), "\\PC{0,60}").prop_map(|(code, text)| Owned::Refuse(code, text)),
        (any::<u64>(), any::<u8>(), prop::collection::vec(any::<u8>(), 1..ABOUT_BYTES_MAX + 1))
            .prop_map(|(number, hops, about)| Owned::Inquire(number, hops, about)),
        (any::<u64>(), words(), prop::collection::vec(any::<u8>(), 0..99)).prop_map(
            |(inquiry, Word { key, node, signature, .. }, body)| {
                Owned::Tell(Statement { inquiry, key, node, body, signature })
            }
        ),
    ];
    prop::collection::vec(frame, 1..8)
}

/// Feeds bytes in pieces through a buffer that is never larger than the codec asks for, and checks
/// each frame against `check`; returns how many came and the error that ended it.
fn feed(
    bytes: &[u8],
    sizes: &[usize],
    mut check: impl FnMut(usize, &Frame<'_>),
) -> (usize, Option<FrameError>) {
    let mut codec = PeerCodec::new(FRAME_BYTES_MAX);
    let (mut count, mut ended) = (0, None);
    each_piece(&cut(bytes, sizes), codec.needed(), |input| {
        loop {
            match codec.next(input) {
                Ok(Some(frame)) => check(count, &frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(codec.next(input), Err(error), "an error stays");
                    ended = Some(error);
                    return false;
                }
            }
            count += 1;
        }
        input.set_cap(codec.needed());
        true
    });
    (count, ended)
}

fn fault(bytes: &[u8]) -> Option<FrameFault> {
    let mut codec = PeerCodec::new(FRAME_BYTES_MAX);
    let mut input = InBuf::new(1 << 20);
    input.push(bytes);
    codec.next(&mut input).err().map(|error| error.fault)
}

fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 1).to_be_bytes()[..], &[kind], body].concat()
}

proptest! {
    #[test]
    fn frames_come_back_however_their_bytes_are_cut(
        frames in frames(), sizes in prop::collection::vec(1..40_usize, 1..6),
    ) {
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.frame().encode(&mut bytes);
        }
        for sizes in [&sizes[..], &[1], &[bytes.len()]] {
            let check = |index: usize, frame: &Frame<'_>| assert_eq!(*frame, frames[index].frame());
            prop_assert_eq!(feed(&bytes, sizes, check), (frames.len(), None));
        }
    }

    #[test]
    fn any_bytes_give_the_same_frames_and_error_however_they_are_cut(
        frames in frames(), at: prop::sample::Index, flip in 1..=255_u8,
        sizes in prop::collection::vec(1..40_usize, 1..6),
    ) {
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.frame().encode(&mut bytes);
        }
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let mut seen = Vec::new();
        let at_once = feed(&bytes, &[bytes.len()], |_, frame| seen.push(format!("{frame:?}")));
        let mut again = Vec::new();
        let in_pieces = feed(&bytes, &sizes, |_, frame| again.push(format!("{frame:?}")));
        prop_assert_eq!(at_once, in_pieces);
        prop_assert_eq!(seen, again);
    }

    #[test]
    fn random_bytes_never_break_the_codec(
        kind in 0..23_u8, body in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        feed(&raw(kind, &body), &[7], |_, frame| {
            let mut again = Vec::new();
            frame.encode(&mut again);
            let is_other = matches!(frame, Frame::Hello(hello) if hello.protocol != PROTOCOL);
            assert!(is_other || again == raw(kind, &body), "one form only");
        });
    }
}

#[test]
fn a_length_is_judged_before_its_bytes_come() {
    let mut codec = PeerCodec::new(100);
    let mut input = InBuf::new(codec.needed());
    input.push(&101_u32.to_be_bytes());
    let fault = FrameFault::Large { bytes: 101, bytes_max: 100 };
    assert_eq!(codec.next(&mut input), Err(FrameError { fault, offset: 0 }));
    let text = codec.next(&mut input).unwrap_err().to_string();
    assert_eq!(text, "a frame of 101 bytes, over the limit of 100 (at byte 0 of the link)");
    assert_eq!(self::fault(&[0; 4]), Some(FrameFault::Empty));
}

#[test]
fn the_buffer_grows_to_the_frame_at_hand_and_no_further() {
    let mut codec = PeerCodec::new(100);
    let mut input = InBuf::new(codec.needed());
    assert_eq!(input.push(&raw(5, &[7; 99])), HEADER_BYTES);
    assert_eq!(codec.next(&mut input), Ok(None));
    assert_eq!(codec.needed(), 104);
    input.set_cap(codec.needed());
    assert_eq!(input.push(&[7; 200]), 99);
    assert_eq!(codec.next(&mut input), Ok(Some(Frame::Update(&[7; 99]))));
    assert_eq!((codec.needed(), codec.offset()), (HEADER_BYTES, 104));
}

#[test]
fn each_rule_that_a_frame_can_break_has_its_name() {
    let hello = Owned::Hello(PROTOCOL, "Hill".to_owned(), [1, 2, 3], [4; 16], None);
    let mut good = Vec::new();
    hello.frame().encode(&mut good);
    assert_eq!(fault(&good), None);
    let body = &good[HEADER_BYTES..];
    let with_name = |name: &[u8]| {
        let rest = &body[2 + 1 + 4..];
        raw(1, &[&body[..2], &[name.len() as u8], name, rest].concat())
    };
    let later = raw(1, &[&(PROTOCOL + 1).to_be_bytes(), &body[2..], b"more"].concat());
    assert_eq!(fault(&later), None, "a later version may say more in its hello");
    for older in 1..PROTOCOL {
        let older = raw(1, &[&older.to_be_bytes()[..], b"\x04Hillanything"].concat());
        assert_eq!(fault(&older), None, "one of an earlier version can be told so");
    }
    let spaced = [&body[..body.len() - 1], b" "].concat();
    let mut many = Vector::new();
    (0..=HELLO_RUNS_MAX as u64).for_each(|n| {
        many.insert(Dot { epoch: Epoch(n), seq: 1 });
    });
    let mut much = body.to_vec();
    many.encode(&mut much);
    let seal = |from: u8, count: u8, bits: &[u8]| {
        raw(6, &[&[7; 104][..], &[from, count], bits, &[9; 32 * 3]].concat())
    };
    let table = [
        (raw(0, &[]), FrameFault::Type(0)),
        (raw(99, b"x"), FrameFault::Type(99)),
        (raw(15, &[0; 7]), FrameFault::Length { kind: 15, bytes: 7 }),
        (raw(9, &[0]), FrameFault::Length { kind: 9, bytes: 1 }),
        (raw(5, &[]), FrameFault::Length { kind: 5, bytes: 0 }),
        (raw(1, &[body, b"\0more"].concat()), FrameFault::Trailing),
        (raw(1, &much), FrameFault::Vector(VectorError::Large)),
        (raw(17, &[1, 3, b'a', b'b']), FrameFault::Truncated),
        (raw(17, &[1, 1, b'a', b'b']), FrameFault::Trailing),
        (raw(17, &[1, 1, 0xff]), FrameFault::Text),
        (with_name(b"Hi\x07l"), FrameFault::Text),
        (with_name(b"Hi l"), FrameFault::Text),
        (with_name(&[b'x'; 65]), FrameFault::Text),
        (raw(1, &spaced), FrameFault::Text),
        (raw(3, &[1]), FrameFault::Vector(VectorError::Truncated)),
        (raw(7, &[0, 0]), FrameFault::Trailing),
        (raw(4, &[2, 0]), FrameFault::Flag),
        (raw(2, &[7, 0, 0, 0]), FrameFault::Flag),
        (seal(0, 3, &[0]), FrameFault::Seal),
        (seal(1, 0, &[0]), FrameFault::Seal),
        (seal(1, 4, &[16 + 1]), FrameFault::Seal),
        (seal(1, 3, &[1]), FrameFault::Trailing),
    ];
    for (bytes, expected) in table {
        assert_eq!(fault(&bytes), Some(expected));
    }
    assert_eq!(fault(&seal(1, 4, &[1])), None);
    assert_eq!(fault(&with_name(b"")), Some(FrameFault::Text));
    assert_eq!(fault(&with_name(&[b'x'; 64])), None);
}

#[test]
fn a_seal_comes_back_with_the_ids_that_were_left_out_from_elsewhere() {
    let cids: Vec<Cid> = (0..20).map(|n| Cid([n; 32])).collect();
    let (key, signature) = (PublicKey([1; 32]), Signature([2; 64]));
    let seal = Seal { key, salt: 3, from: 100, cids, signature };
    for is_left_out in [|_| false, |_| true, |seq| seq % 3 == 0] {
        let mut bytes = Vec::new();
        put_seal(&mut bytes, &seal, is_left_out);
        let mut codec = PeerCodec::new(FRAME_BYTES_MAX);
        let mut input = InBuf::new(1 << 20);
        input.push(&bytes);
        let frame = codec.next(&mut input).unwrap();
        let Some(Frame::Seal(said)) = frame else { panic!("{frame:?}") };
        let mut asked = Vec::new();
        let rebuilt = said.rebuild(|seq| {
            asked.push(seq);
            seal.cid_at(seq)
        });
        assert_eq!(rebuilt.as_ref(), Some(&seal));
        assert_eq!(asked, (100..120).filter(|seq| is_left_out(*seq)).collect::<Vec<_>>());
        let nothing_left_out = asked.is_empty();
        assert_eq!(said.rebuild(|_| None).is_some(), nothing_left_out);
    }
}

#[test]
fn the_offset_of_an_error_is_where_its_frame_begins() {
    let bytes = [raw(3, &[0]), raw(15, &[0; 8]), raw(77, &[])].concat();
    let (count, error) = feed(&bytes, &[3], |_, _| {});
    assert_eq!((count, error), (2, Some(FrameError { fault: FrameFault::Type(77), offset: 19 })));
}

#[test]
fn a_long_refusal_is_cut_at_a_character_and_a_shared_envelope_has_the_same_head() {
    let mut bytes = Vec::new();
    Frame::Refuse { code: RefuseCode::Busy, text: &"é".repeat(200) }.encode(&mut bytes);
    let text = "é".repeat(127);
    feed(&bytes, &[9], |_, frame| {
        assert_eq!(*frame, Frame::Refuse { code: RefuseCode::Busy, text: &text });
    });
    let mut head = Vec::new();
    put_update_head(&mut head, 7);
    let mut whole = Vec::new();
    Frame::Update(b"sevenby").encode(&mut whole);
    assert_eq!([&head[..], b"sevenby"].concat(), whole);
}
