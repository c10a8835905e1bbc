//! Cursors of herds of any size: a reader goes on at its own node exactly, at any other without
//! losing anything silently, and with up to forty origins exactly everywhere.

use super::*;
use crate::herd::{Feed, Item, LagLimits, Reader, Verdict};
use crate::update::{After, CURSOR_BYTES_MAX, Vector};
use proptest::prelude::*;

const LAG: LagLimits = LagLimits { updates: u64::MAX, ms: u64::MAX };

/// What one reader was given, and the cursor it stands at.
struct Person {
    cursor: String,
    had: Vector,
    repeated: u64,
}

impl Person {
    fn new() -> Self {
        Self { cursor: "0".to_owned(), had: Vector::new(), repeated: 0 }
    }

    /// Goes on at a node for at most so many steps, as one who reads nothing but text.
    fn read(&mut self, store: &Store, steps: usize) {
        let after: After = self.cursor.parse().expect("a node gave it");
        let mut reader = Reader::new(Feed::go_on(store, &after).unwrap(), LAG);
        for _ in 0..steps {
            let item = reader.next(store, |_, _| Ok(Verdict::Give)).unwrap();
            match item {
                Some(Item::Update(update)) => self.get(update.dot()),
                Some(Item::Gap(gap)) => {
                    gap.to.0.beyond(&gap.from.0).into_iter().for_each(|s| self.had.insert_span(s));
                }
                Some(Item::Passed) => {}
                None => break,
            }
        }
        self.cursor = reader.cursor().to_string();
        assert!(self.cursor.len() <= CURSOR_BYTES_MAX, "{} bytes", self.cursor.len());
    }

    /// Each origin's updates come in order; one that comes again comes with what follows it.
    fn get(&mut self, dot: Dot) {
        let before = Dot { seq: dot.seq - 1, ..dot };
        assert!(dot.seq == 1 || self.had.contains(before), "{dot} comes without {before}");
        self.repeated += u64::from(!self.had.insert(dot));
    }
}

/// Dots of so many origins, some of which publish far more than others, cut into waves.
fn waves(origins: u64, each: u64, waves: u64) -> Vec<Vec<Dot>> {
    (0..waves)
        .map(|wave| {
            let of = |origin: u64| {
                let count =
                    if origin.is_multiple_of(7) { each } else { u64::from(origin % waves == wave) };
                let before = if origin.is_multiple_of(7) {
                    each * wave
                } else {
                    u64::from(origin % waves < wave)
                };
                (before + 1..=before + count).map(move |seq| dot(100 + origin, seq))
            };
            (0..origins).flat_map(of).collect()
        })
        .collect()
}

/// The same dots in an order of another node.
fn elsewhere(dots: &[Dot]) -> impl Iterator<Item = Dot> {
    let mut dots = dots.to_vec();
    dots.sort_by_key(|dot| (dot.seq, dot.epoch.0.rotate_left(29)));
    dots.into_iter()
}

/// Puts a wave into a store, each update at a moment of the wave's time.
fn hold_at(store: &mut Store, time: u64, dots: impl IntoIterator<Item = Dot>) {
    for dot in dots {
        store.append(&update_at(dot, Hlc(time * 1_000 + dot.seq), 100), Apply::Now);
    }
    commit(store);
}

fn all_of(waves: &[Vec<Dot>]) -> Vector {
    let mut all = Vector::new();
    for dot in waves.iter().flatten() {
        all.insert(*dot);
    }
    all
}

#[test]
fn at_the_same_node_a_reader_goes_on_exactly_whatever_the_number_of_origins() {
    for (origins, each) in [(40, 9), (300, 20), (2_000, 4)] {
        let disk = SimDisk::new(origins);
        let mut store = open_on(&disk, 1);
        let waves = waves(origins, each, 4);
        let mut person = Person::new();
        for (number, wave) in waves.iter().enumerate() {
            hold(&mut store, wave.iter().copied());
            // Now and then it stops half-way, and comes back when much more is there.
            person.read(&store, [37, 4_000, 501, 1_000_000][number]);
            person.read(&store, 13);
        }
        // The node was restarted meanwhile.
        checkpoint(&mut store);
        drop(store.close());
        let store = open_on(&disk, 2);
        person.read(&store, 1_000_000);
        assert_eq!(person.had, all_of(&waves), "{origins} origins");
        assert_eq!(person.repeated, 0, "{origins} origins");
    }
}

#[test]
fn a_reader_who_had_all_goes_on_at_another_node_exactly_whatever_the_number_of_origins() {
    for origins in [40, 300, 2_000] {
        let (mut here, mut there) = (open(1), open(2));
        let waves = waves(origins, 30, 3);
        let mut person = Person::new();
        hold_at(&mut here, 0, waves[0].iter().copied());
        person.read(&here, 1_000_000);
        // It comes at once; it comes when many have published again; it is handed back.
        hold_at(&mut there, 0, elsewhere(&waves[0]));
        person.read(&there, 1_000_000);
        assert_eq!(person.repeated, 0, "{origins} origins");
        hold_at(&mut there, 1, elsewhere(&waves[1]));
        person.read(&there, 1_000_000);
        hold_at(&mut here, 1, waves[1].iter().copied());
        hold_at(&mut here, 2, waves[2].iter().copied());
        person.read(&here, 1_000_000);
        assert_eq!(person.had, all_of(&waves), "{origins} origins");
        assert_eq!(person.repeated, 0, "{origins} origins");
    }
}

#[test]
fn what_another_node_has_dropped_is_a_gap_for_who_can_not_prove_to_have_it() {
    let (mut here, mut there) = (open(1), open(2));
    let waves = waves(300, 5, 2);
    let mut person = Person::new();
    hold(&mut here, waves[0].iter().copied());
    person.read(&here, 1_000_000);
    // Clocks say nothing here, and there are origins that the cursor knows nothing of.
    hold(&mut there, elsewhere(&waves[0]));
    hold(&mut there, elsewhere(&waves[1]));
    drop_rows(&mut there, (1..=3).map(|seq| dot(100, seq)));
    let after: After = person.cursor.parse().unwrap();
    let mut reader = Reader::new(Feed::go_on(&there, &after).unwrap(), LAG);
    let mut told = Vector::new();
    while let Some(item) = reader.next(&there, |_, _| Ok(Verdict::Give)).unwrap() {
        if let Item::Gap(gap) = item {
            gap.to.0.beyond(&gap.from.0).into_iter().for_each(|span| told.insert_span(span));
        }
    }
    let dropped = (1..=3).map(|seq| dot(100, seq));
    assert!(dropped.into_iter().all(|dot| told.contains(dot)), "{told:?}");
    assert_eq!(told.count(), 3, "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_that_moves_loses_nothing_silently(
        origins in prop_oneof![2..=40_u64, 41..400_u64, 400..=2_000_u64],
        each in 1..12_u64,
        moves in prop::collection::vec((any::<bool>(), 0..3_000_usize, 0..5_usize), 1..14),
    ) {
        let (mut here, mut there) = (open(1), open(2));
        let waves = waves(origins, each, 4);
        let (mut at_here, mut at_there) = (waves.iter(), waves.iter());
        let mut person = Person::new();
        let mut left = BTreeSet::new();
        for (is_here, steps, grows) in moves {
            // Either may be behind the other.
            if grows.is_multiple_of(2) && let Some(wave) = at_here.next() {
                hold(&mut here, wave.iter().copied());
            }
            if grows > 2 && let Some(wave) = at_there.next() {
                hold(&mut there, elsewhere(wave));
            }
            person.read(if is_here { &here } else { &there }, steps);
            left.insert(is_here);
        }
        at_here.for_each(|wave| hold(&mut here, wave.iter().copied()));
        let last = *left.last().unwrap();
        at_there.for_each(|wave| hold(&mut there, elsewhere(wave)));
        person.read(if last { &here } else { &there }, usize::MAX);
        prop_assert_eq!(&person.had, &all_of(&waves));
        if origins <= 40 || left.len() == 1 {
            prop_assert_eq!(person.repeated, 0);
        }
    }
}
