//! What pieces promise: the whole envelope and nothing else, from however many links, whatever
//! breaks off, lies or stays silent; within the bounds.

use super::*;
use crate::base::{Chunk, OutBuf, Rng, Tick};
use crate::proto::peer::{AskPieces, HEADER_BYTES, Manifest, PIECE_BYTES, Piece};
use crate::update::{Cid, Dot, Draft, Epoch, Kind, Update};
use proptest::prelude::*;

fn update(seq: u64, payload: &[u8]) -> Update {
    Update::seal(Draft {
        dot: Dot { epoch: Epoch(9), seq },
        kind: Kind::Data,
        topic: "pictures",
        media_type: "image/png",
        parents: vec![Cid([3; 32])],
        payload,
        ..Draft::sample(seq)
    })
    .expect("a good draft")
}

/// An update with this many bytes, no two pieces alike.
fn large(seq: u64, bytes: usize) -> Update {
    let payload: Vec<u8> =
        (0..bytes).map(|at| (at % 251) as u8 ^ (at / PIECE_BYTES) as u8 ^ seq as u8).collect();
    update(seq, &payload)
}

/// The body of an update's manifest.
fn manifest(update: &Update) -> Vec<u8> {
    let (stub, hashes) = prove(update);
    let mut body = Vec::new();
    Manifest { stub: stub.raw(), hashes: &hashes }.encode(&mut body);
    body
}

fn begin(
    assemblies: &mut Assemblies<u8>,
    link: u8,
    body: &[u8],
    wanted: Cid,
) -> Result<Begun, BlobError> {
    let manifest = Manifest::decode(body).expect("a good body");
    assemblies.on_manifest(link, &manifest);
    assemblies.begin(link, &manifest, wanted, (0, 1_000))
}

/// The body of a served piece.
fn body(served: &Served) -> Vec<u8> {
    let mut out = OutBuf::new();
    served.put(&mut out);
    let (slices, used) = out.io_slices::<4>();
    let bytes: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect();
    bytes[HEADER_BYTES..].to_vec()
}

/// A receiver and the updates that its neighbours have.
struct World {
    updates: Vec<Update>,
    assemblies: Assemblies<u8>,
    serving: Serving<u8>,
    now: Tick,
    whole: Vec<Chunk>,
}

impl World {
    fn new(updates: Vec<Update>, settings: BlobSettings) -> Self {
        let (assemblies, serving) = (Assemblies::new(settings), Serving::new());
        Self { updates, assemblies, serving, now: 0, whole: Vec::new() }
    }

    /// A manifest comes; if it is of one piece, that is on its way.
    fn begin(&mut self, link: u8, index: usize) -> Begun {
        let update = &self.updates[index];
        let first = AskPieces { dot: update.dot(), cid: update.cid(), pieces: vec![0] };
        if update.payload().len() <= PIECE_BYTES {
            let _ = self.serving.on_ask(link, &first);
        }
        begin(&mut self.assemblies, link, &manifest(update), update.cid()).expect("it is true")
    }

    /// Asks a link for what there is to ask. How many pieces that was.
    fn ask(&mut self, link: u8) -> usize {
        let mut count = 0;
        while let Some(ask) = self.assemblies.ask(link, self.now, 1_000) {
            count += ask.pieces.len();
            self.serving.on_ask(link, &ask).expect("no more than may be");
        }
        count
    }

    /// The neighbour of a link sends one piece.
    fn serve(&mut self, link: u8) -> Option<Vec<u8>> {
        let get = |dot| Ok(self.updates.iter().find(|update| update.dot() == dot).cloned());
        let served = self.serving.next(link, get).expect("the archive is read");
        served.map(|served| body(&served))
    }

    fn take(&mut self, link: u8, body: &[u8]) -> Result<(), BlobError> {
        let piece = Piece::decode(body).expect("a good body");
        self.whole.extend(self.assemblies.on_piece(link, &piece, self.now)?);
        Ok(())
    }

    fn lose(&mut self, link: u8) {
        self.assemblies.lost(link);
        self.serving.lost(link);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_links_do_the_whole_envelope_comes_together(
        seed: u64,
        sizes in prop::collection::vec((0_usize..6, 0_usize..64, -1_isize..=1), 1..4),
    ) {
        let mut rng = Rng::new(seed);
        let size = |(pieces, leaves, over): (usize, usize, isize)| {
            (pieces * PIECE_BYTES + leaves * 1024).saturating_add_signed(over).max(1)
        };
        let updates = sizes.into_iter().zip(1..).map(|(s, seq)| large(seq, size(s))).collect();
        let mut world = World::new(updates, BlobSettings::default());
        let count = world.updates.len();
        for index in 0..count {
            prop_assert_eq!(world.begin(0, index), Begun::Begins);
        }
        // Link 0 always comes back; 1 to 3 join, lie, stall and break as it falls.
        for _ in 0..20_000 {
            if world.whole.len() == count {
                break;
            }
            let link = rng.below(4) as u8;
            world.now += rng.below(100);
            match rng.below(12) {
                0 => world.lose(link),
                1 | 2 => {
                    let index = rng.below(count as u64) as usize;
                    if !world.whole.contains(world.updates[index].raw()) {
                        world.begin(link, index);
                    }
                }
                3 if link > 0 => {
                    if let Some(mut bytes) = world.serve(link) {
                        let at = rng.below(bytes.len() as u64) as usize;
                        bytes[at] ^= 1 << rng.below(8);
                        if world.take(link, &bytes).is_err() {
                            world.lose(link);
                        }
                    }
                }
                4 => drop(world.serve(link)),
                5 => {
                    let dropped = world.assemblies.on_time(world.now);
                    for dot in dropped {
                        let index = world.updates.iter().position(|u| u.dot() == dot).unwrap();
                        world.begin(0, index);
                    }
                }
                6 | 7 => {
                    world.ask(link);
                }
                _ => {
                    if let Some(bytes) = world.serve(link) {
                        // A neighbour may have it twice to send after a link came back.
                        let _ = world.take(link, &bytes);
                    }
                }
            }
        }
        let mut expected: Vec<&Chunk> = world.updates.iter().map(Update::raw).collect();
        let mut whole: Vec<&Chunk> = world.whole.iter().collect();
        expected.sort_unstable();
        whole.sort_unstable();
        prop_assert!(whole == expected, "{} of {count}", whole.len());
    }

    #[test]
    fn a_manifest_with_a_wrong_bit_is_refused(
        at: prop::sample::Index, bit in 0..8, size in 1_usize..300_000,
    ) {
        let update = large(1, size);
        let mut body = manifest(&update);
        let at = at.index(body.len());
        body[at] ^= 1_u8 << bit;
        let mut assemblies = Assemblies::<u8>::new(BlobSettings::default());
        if let Ok(manifest) = Manifest::decode(&body) {
            prop_assert!(assemblies.begin(0, &manifest, update.cid(), (0, 0)).is_err());
        }
    }
}

#[test]
fn a_true_manifest_of_another_update_is_refused() {
    let mut assemblies = Assemblies::<u8>::new(BlobSettings::default());
    let (wanted, other) = (large(1, 200_000), large(2, 200_000));
    let result = begin(&mut assemblies, 0, &manifest(&other), wanted.cid());
    assert_eq!(result, Err(BlobError::Manifest));
    // The whole envelope in place of its stub.
    let mut body = Vec::new();
    let small = update(1, b"small");
    let hashes = [*blake3::hash(b"small").as_bytes()];
    Manifest { stub: small.raw(), hashes: &hashes }.encode(&mut body);
    assert_eq!(begin(&mut assemblies, 0, &body, small.cid()), Err(BlobError::Manifest));
    // Nothing to be sent in pieces.
    let empty = update(1, b"");
    assert_eq!(begin(&mut assemblies, 0, &manifest(&empty), empty.cid()), Err(BlobError::Manifest));
    assert_eq!(assemblies.view(), AssembliesView::default());
}

#[test]
fn each_link_is_asked_for_four_pieces_and_different_links_for_different_ones() {
    let mut world = World::new(vec![large(1, 16 << 20)], BlobSettings::default());
    assert_eq!(world.begin(0, 0), Begun::Begins);
    assert_eq!(world.begin(1, 0), Begun::Joins);
    assert!(!world.assemblies.joins(2, Cid::ZERO));
    assert_eq!([0, 1, 2].map(|link| world.ask(link)), [4, 4, 0]);
    let bytes = world.serve(0).unwrap();
    world.take(0, &bytes).unwrap();
    assert_eq!([0, 1].map(|link| world.ask(link)), [1, 0]);
    while world.whole.is_empty() {
        for link in [0, 1] {
            if let Some(bytes) = world.serve(link) {
                world.take(link, &bytes).unwrap();
            }
            world.ask(link);
        }
    }
    assert!(world.whole[0] == *world.updates[0].raw());
    assert_eq!(world.assemblies.view().pieces, 256);
    assert_eq!(world.assemblies.view().twice, 0);
}

#[test]
fn what_does_not_come_in_time_is_asked_of_another_link() {
    let mut world = World::new(vec![large(1, 4 * PIECE_BYTES)], BlobSettings::default());
    world.begin(0, 0);
    assert_eq!(world.ask(0), 4);
    world.begin(1, 0);
    assert_eq!(world.ask(1), 0, "all are asked for");
    assert_eq!(world.assemblies.deadline(), Some(1_000));
    world.now = 1_000;
    assert_eq!(world.assemblies.on_time(1_000), []);
    assert_eq!(world.ask(0), 0, "it had its chance");
    assert_eq!(world.ask(1), 4);
    // What comes late is taken all the same.
    let bytes = world.serve(0).unwrap();
    world.take(0, &bytes).unwrap();
    for _ in 0..4 {
        let bytes = world.serve(1).unwrap();
        world.take(1, &bytes).unwrap();
    }
    assert_eq!(world.whole.len(), 1);
    let late = world.serve(0).unwrap();
    world.take(0, &late).expect("it was asked for once");
    assert_eq!(world.assemblies.view().twice, 1);
}

#[test]
fn a_link_alone_is_asked_again_but_no_dead_one_for_ever() {
    let mut world = World::new(vec![large(1, 40 * PIECE_BYTES)], BlobSettings::default());
    world.begin(0, 0);
    for (now, asked) in [(0, 4), (1_000, 4), (2_000, 0)] {
        world.now = now;
        world.assemblies.on_time(now);
        assert_eq!(world.ask(0), asked, "at {now}");
    }
    let bytes = world.serve(0).unwrap();
    world.take(0, &bytes).unwrap();
    assert_eq!(world.ask(0), 1, "it lives");
}

#[test]
fn what_a_lost_link_brought_stays_and_another_goes_on() {
    let mut world = World::new(vec![large(1, 6 * PIECE_BYTES)], BlobSettings::default());
    world.begin(0, 0);
    world.ask(0);
    for _ in 0..3 {
        let bytes = world.serve(0).unwrap();
        world.take(0, &bytes).unwrap();
    }
    world.lose(0);
    assert!(world.assemblies.has(world.updates[0].dot()));
    world.begin(1, 0);
    assert_eq!(world.ask(1), 3);
    while let Some(bytes) = world.serve(1) {
        world.take(1, &bytes).unwrap();
    }
    assert!(world.whole[0] == *world.updates[0].raw());
}

#[test]
fn a_link_that_has_it_no_more_says_so_and_others_are_asked() {
    let mut world = World::new(vec![large(1, 2 * PIECE_BYTES)], BlobSettings::default());
    world.begin(0, 0);
    world.begin(1, 0);
    assert_eq!(world.ask(0), 2);
    world.updates[0] = world.updates[0].erase();
    let none = world.serve(0).unwrap();
    assert_eq!(Piece::decode(&none).unwrap().bytes, b"");
    world.take(0, &none).unwrap();
    assert_eq!((world.ask(0), world.ask(1)), (0, 2));
    assert_eq!(world.assemblies.abandoned(), []);
    let none = world.serve(1).unwrap();
    world.take(1, &none).unwrap();
    assert_eq!(world.assemblies.abandoned(), [world.updates[0].dot()], "nobody has it any more");
    assert_eq!((world.assemblies.free(), world.ask(1)), (4, 0));
}

#[test]
fn pieces_that_are_wrong_or_were_not_asked_for_are_refused() {
    let mut world = World::new(vec![large(1, 3 * PIECE_BYTES + 5)], BlobSettings::default());
    world.begin(0, 0);
    let cid = world.updates[0].cid();
    let payload = world.updates[0].payload().to_vec();
    let piece = |index: u16, bytes: &[u8]| {
        let mut body = Vec::new();
        Piece { cid, index, bytes }.encode(&mut body);
        body
    };
    let first = &payload[..PIECE_BYTES];
    assert_eq!(world.take(0, &piece(0, first)), Err(BlobError::Unasked));
    world.ask(0);
    assert_eq!(world.take(0, &piece(1, first)), Err(BlobError::Piece), "another's bytes");
    assert_eq!(world.take(0, &piece(0, &first[1..])), Err(BlobError::Piece), "too short");
    assert_eq!(world.take(0, &piece(4, first)), Err(BlobError::Unasked), "behind the last");
    assert_eq!(world.take(1, &piece(0, first)), Err(BlobError::Unasked), "by another link");
    world.take(0, &piece(0, first)).unwrap();
    assert_eq!(world.assemblies.view().pieces, 1);
}

#[test]
fn no_more_is_put_together_than_the_bounds_allow() {
    let mut world = World::new(
        vec![large(1, 60_000), large(2, 30_000), large(3, 20_000), large(4, 200_000)],
        BlobSettings { assemblies_max: 2, bytes_max: 100_000, ..BlobSettings::default() },
    );
    assert_eq!(world.begin(0, 0), Begun::Begins);
    assert_eq!(world.begin(0, 3), Begun::Full, "too many bytes");
    assert_eq!(world.begin(0, 1), Begun::Begins);
    assert_eq!(world.begin(0, 2), Begun::Full, "too many");
    let view = world.assemblies.view();
    assert!(view.assemblies == 2 && view.bytes <= 100_000, "{view:?}");
    // Of neither anything came: who leaves makes room.
    let left = world.assemblies.lost(0);
    assert_eq!(left, [world.updates[0].dot(), world.updates[1].dot()]);
    assert_eq!(world.begin(0, 3), Begun::Begins, "one alone may be larger");
    assert_eq!(world.assemblies.on_time(29_999), []);
    assert_eq!(world.assemblies.on_time(30_000), [world.updates[3].dot()]);
}

#[test]
fn a_neighbour_serves_out_of_the_archives_bytes_and_keeps_few_at_hand() {
    let updates: Vec<Update> = (1..=6).map(|seq| large(seq, 100_000)).collect();
    let mut world = World::new(updates, BlobSettings { assemblies_max: 6, ..Default::default() });
    for index in 0..6 {
        world.begin(0, index);
    }
    for _ in 0..3 {
        world.ask(0);
        let get = |dot| Ok(world.updates.iter().find(|update| update.dot() == dot).cloned());
        let served = world.serving.next(0, get).unwrap().unwrap();
        let mut out = OutBuf::new();
        served.put(&mut out);
        drop(served);
        let shared = world.updates.iter().filter(|u| Chunk::strong_count(u.raw()) == 3).count();
        assert_eq!(shared, 1, "one is in the out-buffer too");
        let mut bytes = Vec::new();
        let (slices, used) = out.io_slices::<4>();
        slices[..used].iter().for_each(|slice| bytes.extend_from_slice(slice));
        world.take(0, &bytes[HEADER_BYTES..]).unwrap();
    }
    loop {
        world.ask(0);
        let Some(bytes) = world.serve(0) else { break };
        world.take(0, &bytes).unwrap();
    }
    assert_eq!((world.whole.len(), world.serving.open()), (6, 4));
    world.serving.close(world.updates[5].dot());
    assert_eq!(world.serving.open(), 3);
    world.serving.on_beat();
    assert_eq!(world.serving.open(), 3, "they were used a moment ago");
    world.serving.on_beat();
    assert_eq!(world.serving.open(), 0);
}

#[test]
fn a_peer_that_asks_for_too_much_at_once_is_refused() {
    let mut world = World::new(vec![large(1, 100_000)], BlobSettings::default());
    world.begin(0, 0);
    let ask = world.assemblies.ask(0, 0, 1_000).unwrap();
    let results: Vec<_> = (0..20).map(|_| world.serving.on_ask(0, &ask)).collect();
    assert!(results[0].is_ok() && results.contains(&Err(BlobError::Asks)));
    assert!(world.serving.is_asked(0));
}
