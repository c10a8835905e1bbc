//! Readers: gaps are told once and exactly, laggards get the newest, and nobody else is spared.

use super::*;
use crate::herd::{Feed, Gap, Item, LagLimits, Reader, Verdict};
use crate::update::{Cursor, Span, Vector};

const LAG: LagLimits = LagLimits { updates: 100, ms: 10_000 };

fn reader(store: &Store, has: Vector) -> Reader {
    Reader::new(Feed::after(store, has), LAG)
}

fn has(spans: &[(u64, u64, u64)]) -> Vector {
    let mut vector = Vector::new();
    for &(epoch, from, to) in spans {
        vector.insert_span(span(epoch, from, to));
    }
    vector
}

/// All that a reader gets now. Updates are left out as `judge` says.
fn rest_by(
    reader: &mut Reader,
    store: &Store,
    judge: impl Fn(&Update, bool) -> Verdict,
) -> (Vec<Dot>, Vec<Gap>) {
    let (mut dots, mut gaps) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next(store, |u, newest| Ok(judge(u, newest))).unwrap() {
        match item {
            Item::Update(update) => dots.push(update.dot()),
            Item::Gap(gap) => gaps.push(gap),
            Item::Passed => {}
        }
    }
    (dots, gaps)
}

fn rest(reader: &mut Reader, store: &Store) -> (Vec<Dot>, Vec<Gap>) {
    rest_by(
        reader,
        store,
        |update, _| {
            if update.is_erased() { Verdict::LeaveOut } else { Verdict::Give }
        },
    )
}

/// What a gap says is exactly what is missing.
#[track_caller]
fn missing(gap: &Gap) -> Vector {
    let mut missing = Vector::new();
    for span in gap.to.0.beyond(&gap.from.0) {
        missing.insert_span(span);
    }
    assert_eq!(missing.count(), gap.count);
    assert!(gap.to.0.covers(&gap.from.0));
    missing
}

fn span(epoch: u64, from: u64, to: u64) -> Span {
    Span { epoch: dot(epoch, 1).epoch, from, to }
}

#[test]
fn what_was_dropped_is_a_gap_that_is_told_once_wherever_its_reader_goes_on() {
    let mut store = open(1);
    hold(&mut store, (1..=10).map(|seq| dot(9, seq)));
    hold(&mut store, (1..=3).map(|seq| dot(8, seq)));
    drop_rows(&mut store, (2..=5).chain([7]).map(|seq| dot(9, seq)));
    drop_rows(&mut store, [dot(8, 3)]);
    let mut all = reader(&store, Vector::new());
    let (dots, gaps) = rest(&mut all, &store);
    assert_eq!(dots.len(), 7);
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!(missing(gap), has(&[(8, 3, 3), (9, 2, 5), (9, 7, 7)]));
    assert_eq!(gap.to, all.cursor());
    assert_eq!(rest(&mut all, &store), (vec![], vec![]));
    // Whoever comes back behind the gap is not told again; who comes back before it is.
    let mut behind = reader(&store, gap.to.0.clone());
    assert_eq!(rest(&mut behind, &store), (vec![], vec![]));
    let mut before = reader(&store, gap.from.0.clone());
    assert_eq!(rest(&mut before, &store), (vec![], vec![gap.clone()]));
}

#[test]
fn a_reader_cut_at_any_point_is_told_all_in_the_end_and_nothing_twice() {
    let mut store = open(1);
    hold(&mut store, (1..=60).flat_map(|seq| [dot(9, seq), dot(8, seq)]));
    drop_rows(&mut store, (1..=60).filter(|seq| seq % 3 == 0).map(|seq| dot(9, seq)));
    for stop in 1..=30 {
        let (mut told, mut cursor) = (Vector::new(), Cursor::default());
        loop {
            let mut reader = reader(&store, cursor.0.clone());
            let steps: Vec<Item> = (0..stop)
                .map_while(|_| reader.next(&store, |_, _| Ok(Verdict::Give)).unwrap())
                .collect();
            for item in &steps {
                match item {
                    Item::Update(update) => assert!(told.insert(update.dot()), "{update:?} twice"),
                    Item::Gap(gap) => {
                        let twice = gap.to.0.beyond(&gap.from.0);
                        for span in twice {
                            assert_eq!(told.gaps(span), [span], "{span:?} is told twice");
                            told.insert_span(span);
                        }
                    }
                    Item::Passed => {}
                }
            }
            if steps.is_empty() {
                break;
            }
            cursor = reader.cursor();
            assert_eq!(cursor.0, told, "the cursor is what was given and told");
            // A poll tells at its end what it left out.
            if stop % 2 == 0
                && let Some(gap) = reader.settle()
            {
                gap.to.0.beyond(&gap.from.0).into_iter().for_each(|span| told.insert_span(span));
                cursor = gap.to;
            }
        }
        assert_eq!(told, *store.held(), "by {stop}");
    }
}

#[test]
fn what_is_dropped_while_it_is_read_is_told_too() {
    let mut store = open(1);
    hold(&mut store, (1..=100).map(|seq| dot(9, seq)));
    let mut replaying = reader(&store, Vector::new());
    let mut live = reader(&store, store.visible());
    assert_eq!(rest(&mut live, &store), (vec![], vec![]));
    for _ in 0..5 {
        replaying.next(&store, |_, _| Ok(Verdict::Give)).unwrap();
    }
    drop_rows(&mut store, (50..=80).map(|seq| dot(9, seq)));
    let (dots, gaps) = rest(&mut replaying, &store);
    assert_eq!(dots.len(), 95 - 31);
    assert_eq!(missing(&gaps[0]), has(&[(9, 50, 80)]));
    assert_eq!(rest(&mut live, &store), (vec![], vec![]), "it had them");
}

/// Dots of which a peer said that nobody has them any more.
fn pass(store: &mut Store, span: Span) {
    let mut dots = Vector::new();
    dots.insert_span(span);
    store.pass(&dots);
    commit(store);
}

#[test]
fn what_a_peer_passed_on_as_gone_is_told_to_live_readers() {
    let mut store = open(1);
    hold(&mut store, [dot(9, 1)]);
    let mut live = reader(&store, store.visible());
    let mut doubting = reader(&store, store.visible());
    assert_eq!(rest(&mut live, &store), (vec![], vec![]));
    assert_eq!(rest(&mut doubting, &store), (vec![], vec![]));
    pass(&mut store, span(9, 2, 5));
    pass(&mut store, span(8, 1, 7));
    // Nothing stands in the log for them: whoever looks finds out, and so does who sees a jump.
    assert_eq!(rest(&mut doubting, &store), (vec![], vec![]));
    assert!(doubting.doubt(&store), "there is something to be told");
    let (dots, gaps) = rest(&mut doubting, &store);
    assert_eq!((dots, missing(&gaps[0])), (vec![], has(&[(8, 1, 7), (9, 2, 5)])));
    hold(&mut store, [dot(9, 6), dot(8, 8)]);
    let (dots, gaps) = rest(&mut live, &store);
    assert_eq!(dots, [dot(9, 6), dot(8, 8)]);
    assert_eq!(missing(&gaps[0]), has(&[(8, 1, 7), (9, 2, 5)]));
    assert_eq!(rest(&mut doubting, &store), (vec![dot(9, 6), dot(8, 8)], vec![]));
    assert_eq!(live.cursor(), doubting.cursor());
    let mut readers = [live, doubting];
    for reader in &mut readers {
        for _ in 0..2 {
            assert!(!reader.doubt(&store));
            assert_eq!(rest(reader, &store), (vec![], vec![]), "once");
        }
    }
    // Whoever looked and found nothing looks again when more was passed on.
    pass(&mut store, span(8, 1, 16));
    for reader in &mut readers {
        assert_eq!(rest(reader, &store), (vec![], vec![]));
        assert!(reader.doubt(&store));
        let (dots, gaps) = rest(reader, &store);
        assert_eq!((dots, missing(&gaps[0])), (vec![], has(&[(8, 9, 16)])));
    }
}

#[test]
fn what_a_reader_had_from_elsewhere_is_neither_sent_again_nor_a_gap() {
    let mut store = open(1);
    hold(&mut store, (1..=4).map(|seq| dot(9, seq)));
    let mut ahead = reader(&store, has(&[(9, 1, 5), (9, 9, 9), (7, 1, 3)]));
    assert_eq!(rest(&mut ahead, &store), (vec![], vec![]), "it has more than this node");
    hold(&mut store, (5..=10).map(|seq| dot(9, seq)));
    hold(&mut store, (1..=4).map(|seq| dot(7, seq)));
    let came = [dot(9, 6), dot(9, 7), dot(9, 8), dot(9, 10), dot(7, 4)];
    assert_eq!(rest(&mut ahead, &store), (came.into(), vec![]));
    assert!(!ahead.doubt(&store));
    assert_eq!(rest(&mut ahead, &store), (vec![], vec![]));
    assert_eq!(ahead.cursor().0, *store.held());
}

#[test]
fn erased_updates_are_gaps_and_those_that_nobody_asked_for_are_not() {
    let mut store = open(1);
    for seq in 1..=6 {
        let update = update(dot(9, seq), 10);
        store.append(&if seq % 2 == 0 { update.erase() } else { update }, Apply::Now);
    }
    commit(&mut store);
    let (dots, gaps) = rest(&mut reader(&store, Vector::new()), &store);
    assert_eq!(dots, [dot(9, 1), dot(9, 3), dot(9, 5)]);
    assert_eq!(missing(&gaps[0]), has(&[(9, 2, 2), (9, 4, 4), (9, 6, 6)]));
    let mut other = reader(&store, Vector::new());
    assert_eq!(rest_by(&mut other, &store, |_, _| Verdict::Pass), (vec![], vec![]));
    assert_eq!(other.cursor().0, *store.held());
}

#[test]
fn cursors_stay_small_however_many_pieces_are_missing() {
    let mut store = open(1);
    for seq in 1..=2_000 {
        let update = update(dot(9, seq), 10);
        store.append(&if seq % 2 == 0 { update.erase() } else { update }, Apply::Now);
    }
    commit(&mut store);
    let mut reader = reader(&store, Vector::new());
    let (mut given, mut told) = (0, 0);
    while let Some(item) = reader
        .next(&store, |update, _| {
            Ok(if update.is_erased() { Verdict::LeaveOut } else { Verdict::Give })
        })
        .unwrap()
    {
        assert!(reader.cursor().0.runs() <= 34, "{} runs", reader.cursor().0.runs());
        match item {
            Item::Update(_) => given += 1,
            Item::Gap(gap) => told += missing(&gap).runs(),
            Item::Passed => {}
        }
    }
    assert_eq!((given, told), (1_000, 1_000));
}

/// Every tenth update is the newest of something.
fn newest(update: &Update, newest_only: bool) -> Verdict {
    let is_given = !newest_only || update.dot().seq.is_multiple_of(10);
    if is_given { Verdict::Give } else { Verdict::LeaveOut }
}

#[test]
fn a_reader_that_catches_up_does_not_lag_and_a_live_one_does() {
    let mut store = open(1);
    hold(&mut store, (1..=500).map(|seq| dot(9, seq)));
    let mut reader = reader(&store, Vector::new());
    for _ in 0..100 {
        reader.look_at_lag(&store, 1_000_000);
        reader.next(&store, |u, n| Ok(newest(u, n))).unwrap();
    }
    let (dots, gaps) = rest_by(&mut reader, &store, newest);
    assert_eq!((dots.len(), gaps.len()), (400, 0), "a replay leaves nothing out");
    // Live now: 101 behind is too much, 100 is not.
    hold(&mut store, (501..=600).map(|seq| dot(9, seq)));
    reader.look_at_lag(&store, 2_000_000);
    assert_eq!(rest_by(&mut reader, &store, newest).0.len(), 100);
    hold(&mut store, (601..=701).map(|seq| dot(9, seq)));
    reader.look_at_lag(&store, 2_000_000);
    assert_eq!(reader.take_lagged(), 1);
    let before = reader.cursor();
    let (dots, gaps) = rest_by(&mut reader, &store, newest);
    assert_eq!(dots, (61..=70).map(|ten| dot(9, ten * 10)).collect::<Vec<_>>());
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.count, &gap.to), (91, &reader.cursor()));
    // All that was left out can be read behind `from`, and before it nothing was lost.
    let mut again = Reader::new(Feed::after(&store, gap.from.0.clone()), LAG);
    assert_eq!(rest_by(&mut again, &store, newest).0.len(), 91);
    assert!(gap.from.0.covers(&before.0));
    // It is live again, and is given everything.
    hold(&mut store, (702..=710).map(|seq| dot(9, seq)));
    reader.look_at_lag(&store, 2_000_100);
    assert_eq!(rest_by(&mut reader, &store, newest).0.len(), 9);
}

#[test]
fn a_live_reader_that_has_not_come_to_the_end_for_long_lags() {
    let mut store = open(1);
    let mut reader = reader(&store, Vector::new());
    assert_eq!(rest_by(&mut reader, &store, newest), (vec![], vec![]));
    hold(&mut store, (1..=20).map(|seq| dot(9, seq)));
    reader.look_at_lag(&store, 5);
    reader.next(&store, |u, n| Ok(newest(u, n))).unwrap();
    reader.look_at_lag(&store, 10_005);
    assert_eq!(reader.take_lagged(), 0);
    reader.look_at_lag(&store, 10_006);
    assert_eq!(reader.take_lagged(), 1);
    let (dots, gaps) = rest_by(&mut reader, &store, newest);
    assert_eq!(dots, [dot(9, 10), dot(9, 20)]);
    assert_eq!(missing(&gaps[0]), has(&[(9, 2, 9), (9, 11, 19)]));
}

#[test]
fn a_reader_that_had_nothing_to_read_for_long_is_given_what_comes() {
    let mut store = open(1);
    let mut reader = reader(&store, Vector::new());
    assert_eq!(rest_by(&mut reader, &store, newest), (vec![], vec![]));
    hold(&mut store, [dot(9, 1)]);
    reader.look_at_lag(&store, 1_000_000);
    assert_eq!(rest_by(&mut reader, &store, newest), (vec![dot(9, 1)], vec![]));
}

#[test]
fn what_comes_while_a_laggard_catches_up_is_given_whole() {
    let mut store = open(1);
    hold(&mut store, (1..=30).map(|seq| dot(9, seq)));
    let mut reader = reader(&store, Vector::new());
    reader.want_newest(&store);
    let first = reader.next(&store, |u, n| Ok(newest(u, n))).unwrap();
    assert_eq!(first, Some(Item::Passed));
    hold(&mut store, (31..=33).map(|seq| dot(9, seq)));
    let (dots, gaps) = rest_by(&mut reader, &store, newest);
    assert_eq!(dots, [10, 20, 30, 31, 32, 33].map(|seq| dot(9, seq)));
    assert_eq!(gaps.len(), 1);
}
