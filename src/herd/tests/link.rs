//! Links: greeting, what is streamed, credit, silence, and every rule that a peer can break.

use super::*;
use crate::update::Vector;

fn linked(a: Store, b: Store) -> (End, End) {
    let (mut a, mut b) = (End::new(a, SETTINGS), End::new(b, SETTINGS));
    talk(&mut a, &mut b);
    (a, b)
}

#[test]
fn ends_that_hold_the_same_are_done_in_one_round_trip() {
    let (mut a, mut b) = (open(1), open(2));
    for store in [&mut a, &mut b] {
        hold(store, (1..=50).map(|seq| dot(9, seq)));
    }
    let (mut a, mut b) = (End::new(a, SETTINGS), End::new(b, SETTINGS));
    let (hello_a, hello_b) = (a.written(), b.written());
    b.hear(&hello_a).unwrap();
    a.hear(&hello_b).unwrap();
    assert!(a.link.is_up() && b.link.is_up());
    talk(&mut a, &mut b);
    for end in [&mut a, &mut b] {
        assert_eq!(end.frames(), ["hello", "synced"]);
        assert!(end.bytes < 200, "{} bytes", end.bytes);
        assert_eq!(end.link.view(&end.store).state, "up");
    }
}

#[test]
fn exactly_what_the_other_lacks_is_streamed_and_in_order() {
    let (mut a, mut b) = (open(1), open(2));
    hold(&mut a, (1..=40).map(|seq| dot(8, seq)));
    hold(&mut a, (1..=5).map(|seq| dot(1, seq)));
    hold(&mut b, (1..=25).map(|seq| dot(8, seq)));
    hold(&mut b, (1..=7).map(|seq| dot(9, seq)));
    let (a, b) = linked(a, b);
    let mut expected: Vec<Dot> = (26..=40).map(|seq| dot(8, seq)).collect();
    expected.extend((1..=5).map(|seq| dot(1, seq)));
    let mut got = b.got.clone();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected);
    assert_eq!(a.got, (1..=7).map(|seq| dot(9, seq)).collect::<Vec<_>>());
    assert_eq!((a.duplicates, b.duplicates), (0, 0));
    for epoch in [1, 8] {
        let seqs = b.got.iter().filter(|dot| dot.epoch == Epoch(epoch)).map(|dot| dot.seq);
        assert!(seqs.is_sorted());
    }
    assert_eq!(a.store.seen(), b.store.seen());
}

#[test]
fn an_update_goes_on_to_others_and_not_back() {
    let (mut a, mut b) = linked(open(1), open(2));
    relay(&mut a.store, dot(9, 1));
    talk(&mut a, &mut b);
    assert_eq!(b.got, [dot(9, 1)]);
    assert_eq!((a.got.len(), a.duplicates), (0, 0));
}

#[test]
fn what_is_only_in_memory_is_not_in_the_vector_and_is_sent_again() {
    let (mut a, mut b) = (open(1), open(2));
    hold(&mut a, [dot(9, 1)]);
    relay(&mut b, dot(9, 1));
    let (_, b) = linked(a, b);
    assert_eq!((b.got.len(), b.duplicates), (0, 1));
}

#[test]
fn news_of_other_origins_come_while_a_backlog_streams_and_news_of_its_own_behind_it() {
    let mut a = open(1);
    hold(&mut a, (1..=60).map(|seq| dot(8, seq)));
    let (mut a, mut b) = (End::new(a, SETTINGS), End::new(open(2), SETTINGS));
    for _ in 0..2 {
        let (from_a, from_b) = (a.written(), b.written());
        b.hear(&from_a).unwrap();
        a.hear(&from_b).unwrap();
    }
    a.fill(1_000);
    let some = a.written();
    b.hear(&some).unwrap();
    assert!((1..20).contains(&b.got.len()), "the backlog streams: {}", b.got.len());
    let before = b.got.len();
    relay(&mut a.store, dot(8, 61));
    relay(&mut a.store, dot(7, 1));
    talk(&mut a, &mut b);
    let place = |dot| b.got.iter().position(|got| *got == dot).unwrap();
    assert!(place(dot(7, 1)) <= before + 2, "{:?}", b.got);
    assert_eq!(b.got.len(), 62);
    let own = b.got.iter().filter(|got| got.epoch == Epoch(8)).map(|got| got.seq);
    assert_eq!(own.collect::<Vec<_>>(), (1..=61).collect::<Vec<_>>());
}

#[test]
fn a_sender_stays_within_the_window_and_goes_on_with_credit() {
    let mut a = open(1);
    hold(&mut a, (1..=50).map(|seq| dot(8, seq)));
    let small = LinkSettings { window_bytes: 1_000, ..SETTINGS };
    let (mut a, mut b) = (End::new(a, SETTINGS), End::new(open(2), small));
    for _ in 0..2 {
        let (from_a, from_b) = (a.written(), b.written());
        b.hear(&from_a).unwrap();
        a.hear(&from_b).unwrap();
    }
    let envelope = update(dot(8, 1), 100).raw().len();
    a.fill(1 << 20);
    a.fill(1 << 20);
    let unanswered = a.link.view(&a.store).unacknowledged_bytes as usize;
    assert!((1_000..1_000 + envelope).contains(&unanswered), "{unanswered}");
    let sent = a.written();
    assert!(sent.len() < 1_000 + envelope + 20 * HEAD_BYTES);
    b.hear(&sent).unwrap();
    talk(&mut a, &mut b);
    assert_eq!(b.got.len(), 50, "credit comes, all goes");
    assert!(a.frames().contains(&"credit"));
}

#[test]
fn an_update_larger_than_the_window_passes() {
    let mut a = open(1);
    a.append(&update(dot(8, 1), 5_000), Apply::Now);
    a.append(&update(dot(8, 2), 5_000), Apply::Now);
    let small = LinkSettings { window_bytes: 1_000, ..SETTINGS };
    let (mut a, mut b) = (End::new(a, small), End::new(open(2), small));
    talk(&mut a, &mut b);
    assert_eq!(b.got, [dot(8, 1), dot(8, 2)]);
}

#[test]
fn a_peer_that_sends_past_its_window_is_cut() {
    let small = LinkSettings { window_bytes: 1_000, ..SETTINGS };
    let (mut a, mut b) = (End::new(open(1), SETTINGS), End::new(open(2), small));
    talk(&mut a, &mut b);
    let mut results = (1..=20).map(|seq| b.take(Frame::Update(update(dot(8, seq), 100).raw())));
    assert!(results.any(|result| matches!(result, Err(LinkError::Window))));
}

#[test]
fn a_frame_at_the_wrong_time_ends_the_link() {
    let hello = |store: &Store| {
        let mut end = End::new(open(store.epoch().0 + 100), SETTINGS);
        end.written()
    };
    let early = update(dot(9, 1), 10);
    let mut a = End::new(open(1), SETTINGS);
    let error = a.take(Frame::Update(early.raw())).unwrap_err();
    assert!(matches!(error, LinkError::Unexpected("an update")), "{error}");
    let error = a.take(Frame::Vector(Vector::new())).unwrap_err();
    assert!(matches!(error, LinkError::Unexpected("a vector")), "{error}");
    let bytes = hello(&a.store);
    a.hear(&bytes).unwrap();
    let error = a.hear(&bytes).unwrap_err();
    assert!(matches!(error, LinkError::Unexpected("a second hello")), "{error}");
    let error = a.take(Frame::Vector(Vector::new())).unwrap_err();
    assert!(matches!(error, LinkError::Unexpected("a vector")), "the hashes were equal: {error}");
    let error = a.take(Frame::Credit(1)).unwrap_err();
    assert!(matches!(error, LinkError::Unexpected(_)), "{error}");
    let error = a.take(Frame::Update(&early.raw()[1..])).unwrap_err();
    assert!(matches!(error, LinkError::Envelope(_)), "{error}");
}

#[test]
fn a_second_vector_ends_the_link() {
    let mut a = open(1);
    hold(&mut a, [dot(9, 1)]);
    let (mut a, _b) = linked(a, open(2));
    let error = a.take(Frame::Vector(Vector::new())).unwrap_err();
    assert!(matches!(error, LinkError::Unexpected("a vector")), "{error}");
}

#[test]
fn a_peer_is_dead_once_it_was_silent_for_too_long() {
    let (mut a, mut b) = linked(open(1), open(2));
    for now in (1_000..20_000).step_by(1_000) {
        (a.now, b.now) = (now, now);
        a.link.tick(&a.store, now, &mut a.out).expect("the peer answers");
        talk(&mut a, &mut b);
    }
    assert_eq!(a.link.view(&a.store).rtt_ms, Some(0));
    let last = a.now;
    a.link.tick(&a.store, last + 5_000, &mut a.out).expect("not yet");
    let error = a.link.tick(&a.store, last + 5_001, &mut a.out).unwrap_err();
    assert!(matches!(error, LinkError::Silent(5_001)), "{error}");
}

#[test]
fn heartbeats_say_what_has_come_to_the_disk_since_the_last_one() {
    let (mut a, mut b) = linked(open(1), open(2));
    relay(&mut a.store, dot(9, 1));
    talk(&mut a, &mut b);
    a.link.tick(&a.store, 1, &mut a.out).unwrap();
    b.link.tick(&b.store, 1, &mut b.out).unwrap();
    talk(&mut a, &mut b);
    assert!(!a.link.peer_holds(dot(9, 1)), "it is in memory only");
    assert!(!a.frames().contains(&"held"));
    commit(&mut b.store);
    b.link.tick(&b.store, 2, &mut b.out).unwrap();
    b.link.tick(&b.store, 3, &mut b.out).unwrap();
    talk(&mut a, &mut b);
    assert!(a.link.peer_holds(dot(9, 1)));
    let said = a.frames().into_iter().filter(|name| *name == "held").count();
    assert_eq!(said, 1, "once");
    assert_eq!(a.link.view(&a.store).lag_updates, 0);
}

/// Node 1 as it was, two updates ago, and a peer that holds them.
fn after_amnesia() -> (Store, Store) {
    let disk = SimDisk::new(1);
    let (mut past, mut peer) = (open_on(&disk, 1), open(2));
    hold(&mut past, (1..=3).map(|seq| dot(1, seq)));
    drop(past);
    hold(&mut peer, (1..=5).map(|seq| dot(1, seq)));
    (open_on(&disk, 77), peer)
}

#[test]
fn a_vector_with_more_of_our_epoch_than_we_know_of_is_amnesia() {
    let (a, b) = after_amnesia();
    assert_eq!(a.next_dot(), dot(1, 4));
    let (mut a, mut b) = (End::new(a, SETTINGS), End::new(b, SETTINGS));
    let hellos = (a.written(), b.written());
    b.hear(&hellos.0).unwrap();
    a.hear(&hellos.1).unwrap();
    let arrival = a.take(Frame::Vector(b.store.held().clone())).unwrap();
    assert!(matches!(arrival, Arrival::Amnesia(None)), "{arrival:?}");
    // As the node does. The updates then come as any other.
    a.store.begin_epoch(Epoch(78));
    b.written();
    talk(&mut a, &mut b);
    assert_eq!(a.got, [dot(1, 4), dot(1, 5)]);
}

#[test]
fn an_update_of_our_epoch_that_we_do_not_know_is_amnesia_and_is_not_lost() {
    let (a, _) = after_amnesia();
    let mut b = open(2);
    hold(&mut b, (1..=3).map(|seq| dot(1, seq)));
    let (mut a, _b) = linked(a, b);
    let unknown = update(dot(1, 4), 100);
    let arrival = a.take(Frame::Update(unknown.raw())).unwrap();
    let Arrival::Amnesia(Some(update)) = arrival else { panic!("{arrival:?}") };
    assert_eq!(update, unknown);
}
