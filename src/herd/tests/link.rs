//! The life of a link: hello, state, requests, credit, silence; and whatever a peer may do to it.

use super::memory::Memory;
use super::net::{Net, Node, SETTINGS, draft, payloads, seeded};
use crate::herd::{Archive, LinkError, LinkSettings, RelaySettings};
use crate::proto::peer::{Credit, Frame, RefuseCode, StateFrame, put_seal};
use crate::update::{Cid, Dot, Epoch, Seal, SigningKey, Span, Update, Vector};

fn with_link(link: LinkSettings) -> RelaySettings {
    RelaySettings { link, ..SETTINGS }
}

/// Updates of another origin, from `from` on, as one batch of it.
pub(super) struct Origin {
    key: SigningKey,
    salt: u64,
    next: u64,
    previous: Cid,
}

impl Origin {
    pub(super) fn new(seed: u64) -> Self {
        Self { key: seeded(1_000 + seed), salt: 1, next: 1, previous: Cid::ZERO }
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch::of(&self.key.public(), self.salt)
    }

    pub(super) fn batch(&mut self, payloads: &[Vec<u8>]) -> (Vec<Update>, Seal) {
        let from = self.next;
        let mut updates = Vec::new();
        for payload in payloads {
            let dot = Dot { epoch: self.epoch(), seq: self.next };
            let update = draft(dot, self.previous, payload);
            (self.next, self.previous) = (self.next + 1, update.cid());
            updates.push(update);
        }
        let cids = updates.iter().map(Update::cid).collect();
        (updates, Seal::sign(&self.key, self.salt, from, cids))
    }
}

pub(super) fn hold(node: &mut Node, (updates, seal): &(Vec<Update>, Seal)) {
    node.archive.append_seal(seal);
    for update in updates {
        node.archive.append(update);
    }
}

/// Two nodes, the first with this many updates of one origin, the second with fewer of them.
fn unequal(settings: RelaySettings, first: usize, second: usize) -> Net {
    let mut net = Net::new(2, 1, settings);
    let mut origin = Origin::new(1);
    for at in (0..first).step_by(10) {
        let batch = origin.batch(&payloads(10.min(first - at), 100));
        hold(&mut net.nodes[0], &batch);
        if at < second {
            hold(&mut net.nodes[1], &batch);
        }
    }
    net
}

fn frames(net: &Net, at: usize, link: usize) -> &[&'static str] {
    &net.nodes[at].ends[&link].frames
}

/// Gives frames, as they are written, to a link of node 0.
pub(super) fn give(net: &mut Net, link: usize, frames: &[Frame<'_>]) -> Result<(), LinkError> {
    frames.iter().try_for_each(|frame| net.take(0, link, frame.clone()))
}

/// Gives a seal's frame; `is_left_out` as [`put_seal`] asks.
pub(super) fn give_seal(
    net: &mut Net,
    link: usize,
    seal: &Seal,
    is_left_out: impl Fn(u64) -> bool,
) -> Result<(), LinkError> {
    let mut bytes = Vec::new();
    put_seal(&mut bytes, seal, is_left_out);
    let mut input = crate::base::InBuf::new(1 << 20);
    input.push(&bytes);
    let mut codec = crate::proto::peer::PeerCodec::new(1 << 20);
    let frame = codec.next(&mut input).expect("a good frame").expect("a whole one");
    net.take(0, link, frame)
}

#[test]
fn ends_that_hold_the_same_are_done_in_one_round_trip() {
    let mut net = unequal(SETTINGS, 50, 50);
    let (a, b) = net.link(0, 1, 20);
    net.run(40);
    for (at, link) in [(0, a), (1, b)] {
        assert!(net.nodes[at].relay.is_up(link));
        assert_eq!(frames(&net, at, link), ["hello"]);
        let bytes = net.nodes[at].ends[&link].bytes;
        assert!(bytes < 200, "{bytes} bytes");
        let node = &mut net.nodes[at];
        assert_eq!(node.relay.view(link, &node.archive, 40).state, "up");
    }
}

#[test]
fn exactly_what_the_other_lacks_is_pulled_and_in_order() {
    let mut net = unequal(SETTINGS, 40, 20);
    net.nodes[1].write(&payloads(7, 50));
    net.link(0, 1, 20);
    net.run(1_000);
    assert!(net.agrees() && net.errors.is_empty(), "{}", net.describe());
    assert_eq!((net.nodes[0].copies, net.nodes[1].copies), (7, 20));
}

#[test]
fn what_is_missed_comes_after_one_round_trip_in_slices_with_little_around_it() {
    let mut net = Net::new(2, 1, SETTINGS);
    let mut origin = Origin::new(1);
    let batches: Vec<_> = (0..8).map(|_| origin.batch(&payloads(250, 500))).collect();
    for batch in &batches {
        hold(&mut net.nodes[0], batch);
    }
    batches.iter().take(4).for_each(|batch| hold(&mut net.nodes[1], batch));
    let (_, b) = net.link(0, 1, 10);
    // The hello asks for the first of it.
    net.run(19);
    assert_eq!(net.nodes[1].copies, 0);
    net.run(2);
    assert_eq!(net.nodes[1].archive.log.len(), 1_000 + 32);
    // What is asked for by name follows a round trip later.
    net.run(18);
    assert_eq!(net.nodes[1].copies, 32);
    net.run(200);
    assert!(net.agrees(), "{}", net.describe());
    assert_eq!(net.nodes[1].copies, 1_000, "nothing comes twice");
    let payload: usize =
        batches.iter().skip(4).flat_map(|batch| &batch.0).map(|update| update.raw().len()).sum();
    let bytes = net.nodes[1].ends[&b].bytes;
    assert!(bytes * 100 < payload * 105, "{bytes} bytes for {payload}");
}

#[test]
fn an_update_goes_on_to_others_and_not_back() {
    let mut net = Net::new(3, 1, SETTINGS);
    net.link(0, 1, 5);
    net.link(1, 2, 5);
    net.run(100);
    net.publish(0, &payloads(3, 100));
    net.run(12);
    assert!(net.agrees(), "{}", net.describe());
    let copies: Vec<usize> = net.nodes.iter().map(|node| node.copies).collect();
    assert_eq!(copies, [0, 3, 3]);
}

#[test]
fn news_of_other_origins_come_while_a_backlog_streams() {
    let mut net = Net::new(2, 1, SETTINGS);
    net.room = 4 << 10;
    let mut origin = Origin::new(1);
    for _ in 0..20 {
        let batch = origin.batch(&payloads(250, 500));
        hold(&mut net.nodes[0], &batch);
    }
    net.link(0, 1, 20);
    net.run(120);
    let before = net.nodes[1].archive.log.len();
    assert!((1..4_000).contains(&before), "the backlog streams: {before}");
    let dot = net.publish(0, &payloads(1, 100))[0];
    net.run(60);
    assert!(net.has(1).contains(dot));
    assert!(!net.agrees(), "the backlog still streams");
    net.settle(2_000);
}

#[test]
fn a_sender_stays_within_the_window_and_goes_on_with_credit() {
    let link = LinkSettings { window_bytes: 4_000, ..SETTINGS.link };
    let mut net = unequal(with_link(link), 100, 0);
    let (_, b) = net.link(0, 1, 5);
    net.settle(2_000);
    assert!(net.errors.is_empty(), "{:?}", net.errors);
    let credits = net.nodes[0].ends.values().flat_map(|end| &end.frames);
    assert!(credits.filter(|frame| **frame == "credit").count() > 3);
    let node = &mut net.nodes[1];
    assert_eq!(node.relay.view(b, &node.archive, 0).unacknowledged_bytes, 0);
}

#[test]
fn an_update_larger_than_the_window_passes() {
    let link = LinkSettings { window_bytes: 1_000, ..SETTINGS.link };
    let mut net = Net::new(2, 1, with_link(link));
    net.nodes[0].write(&payloads(2, 50_000));
    net.link(0, 1, 5);
    net.settle(2_000);
    net.publish(0, &payloads(2, 5_000));
    net.settle(2_000);
    assert!(net.errors.is_empty(), "{:?}", net.errors);
}

#[test]
fn while_the_log_takes_nothing_nothing_is_asked_for_and_no_credit_is_given() {
    let link = LinkSettings { window_bytes: 4_000, ..SETTINGS.link };
    let mut net = Net::new(2, 1, with_link(link));
    net.link(0, 1, 5);
    net.run(50);
    net.nodes[1].is_full = true;
    net.steps(1);
    for _ in 0..100 {
        net.publish(0, &payloads(1, 200));
        net.run(100);
    }
    assert!(net.nodes[1].archive.log.is_empty());
    let waiting = net.nodes[1].relay.waiting_bytes();
    assert!(waiting < 4_000 + 16 * 500, "{waiting} bytes wait");
    net.nodes[1].is_full = false;
    net.steps(1);
    net.wake(1);
    net.settle(3_000);
}

#[test]
fn a_redial_does_not_get_round_the_bound_of_what_may_wait() {
    let settings = RelaySettings { gate_bytes: 10_000, ..SETTINGS };
    let mut net = Net::new(2, 1, settings);
    net.nodes[1].is_full = true;
    for _ in 0..20 {
        let (a, _) = net.link(0, 1, 1);
        net.run(20);
        net.publish(0, &payloads(20, 200));
        net.run(20);
        let waiting = net.nodes[1].relay.waiting_bytes();
        assert!(waiting < 11_000, "{waiting} bytes wait");
        net.cut(0, a);
    }
    net.nodes[1].is_full = false;
    net.steps(1);
    net.link(0, 1, 1);
    net.settle(3_000);
}

#[test]
fn a_peer_that_sends_past_its_window_is_cut() {
    let link = LinkSettings { window_bytes: 1_000, ..SETTINGS.link };
    let mut net = Net::new(2, 1, with_link(link));
    let (a, _) = net.link(0, 1, 5);
    net.run(50);
    let (updates, _) = Origin::new(1).batch(&payloads(20, 100));
    let mut results = updates.iter().map(|update| net.take(0, a, Frame::Update(update.raw())));
    assert!(results.any(|result| matches!(result, Err(LinkError::Window))));
}

#[test]
fn a_frame_at_the_wrong_time_ends_the_link() {
    let mut net = unequal(SETTINGS, 10, 10);
    let (a, _) = net.link(0, 1, 10);
    let early: [Frame<'_>; 6] = [
        Frame::Update(&[]),
        Frame::State(StateFrame::default()),
        Frame::Offer(Vector::new()),
        Frame::Pull { versions: false, dots: Vector::new() },
        Frame::Digest([0; 32]),
        Frame::Credit(Credit::default()),
    ];
    for frame in early {
        let error = net.take(0, a, frame).unwrap_err();
        assert!(matches!(error, LinkError::Unexpected(_)), "{error}");
    }
    net.run(10);
    let hello = net.nodes[0].archive.hash(&Vector::new()).expect("memory is read");
    let again = Frame::Hello(crate::proto::peer::Hello {
        protocol: crate::proto::peer::PROTOCOL,
        name: "node1",
        epoch: Epoch(1),
        instance: 1,
        state_hash: *hello.first_chunk().expect("a hash"),
        clock_ms: 0,
        window_bytes: 1,
        version: "1",
        wants: None,
    });
    let error = net.take(0, a, again).unwrap_err();
    assert!(matches!(error, LinkError::Unexpected("a second hello")), "{error}");
    let credit = Credit { bytes: 1, updates: 0, news: 0 };
    let error = net.take(0, a, Frame::Credit(credit)).unwrap_err();
    assert!(matches!(error, LinkError::Unexpected(_)), "{error}");
    let (updates, _) = Origin::new(2).batch(&payloads(1, 10));
    let error = net.take(0, a, Frame::Update(&updates[0].raw()[..50])).unwrap_err();
    assert!(matches!(error, LinkError::Envelope(_)), "{error}");
    let refused = Frame::Refuse { code: RefuseCode::Busy, text: "no" };
    assert!(net.take(0, a, refused).is_ok());
}

#[test]
fn an_older_version_of_the_protocol_is_told_so() {
    let mut net = Net::new(2, 1, SETTINGS);
    let (a, _) = net.link(0, 1, 10);
    let hello = Frame::Hello(crate::proto::peer::Hello {
        protocol: 1,
        name: "node1",
        epoch: Epoch(1),
        instance: 1,
        state_hash: [0; 16],
        clock_ms: 0,
        window_bytes: 1,
        version: "",
        wants: None,
    });
    let error = net.take(0, a, hello).unwrap_err();
    assert!(matches!(error, LinkError::Protocol(1)), "{error}");
}

#[test]
fn the_first_of_what_is_missed_is_wanted_of_one_neighbour_by_who_was_alone() {
    let mut net = Net::new(3, 1, SETTINGS);
    let batch = Origin::new(1).batch(&payloads(200, 100));
    hold(&mut net.nodes[0], &batch);
    hold(&mut net.nodes[1], &batch);
    let (_, first) = net.link(0, 2, 10);
    net.link(1, 2, 10);
    net.run(200);
    assert!(net.agrees() && net.errors.is_empty(), "{}", net.describe());
    assert_eq!(net.nodes[2].copies, 200, "nothing comes twice");
    // Who had a link a moment ago asks for what it lacks by name.
    let alone: Vec<usize> = net.nodes[2].ends.keys().copied().collect();
    assert!(alone.contains(&first));
    for link in alone {
        net.cut(2, link);
    }
    net.nodes[0].write(&payloads(10, 100));
    net.link(0, 2, 10);
    net.run(39);
    assert_eq!(net.nodes[2].copies, 200);
    net.run(200);
    assert_eq!(net.nodes[2].copies, 210);
}

#[test]
fn who_wants_only_what_is_new_is_sent_nothing_old_unasked() {
    let mut net = Net::new(2, 1, RelaySettings { catches_up: false, ..SETTINGS });
    hold(&mut net.nodes[0], &Origin::new(1).batch(&payloads(100, 100)));
    net.link(0, 1, 10);
    net.run(500);
    assert_eq!(net.nodes[1].copies, 0);
}

#[test]
fn what_was_published_one_by_one_is_caught_up_under_few_seals() {
    let mut net = Net::new(2, 1, SETTINGS);
    let payload: usize =
        (0..600).map(|_| net.nodes[0].write(&payloads(1, 1_000))[0].0.raw().len()).sum();
    let (_, b) = net.link(0, 1, 10);
    net.run(1_000);
    assert!(net.agrees() && net.errors.is_empty(), "{}", net.describe());
    let end = &net.nodes[1].ends[&b];
    let seals = end.frames.iter().filter(|name| **name == "seal").count();
    assert!(seals <= 8, "{seals} seals");
    assert!(end.bytes * 100 < payload * 102, "{} bytes for {payload}", end.bytes);
}

#[test]
fn nothing_is_taken_before_a_seal_that_covers_it_was_verified() {
    let mut net = Net::new(2, 1, SETTINGS);
    let (a, _) = net.link(0, 1, 5);
    net.run(50);
    let mut origin = Origin::new(1);
    let (updates, seal) = origin.batch(&payloads(3, 100));
    for update in &updates {
        give(&mut net, a, &[Frame::Update(update.raw())]).unwrap();
    }
    assert!(net.nodes[0].archive.log.is_empty());
    // A seal that leaves out what did not come is no reason to believe the rest.
    let (more, later) = origin.batch(&payloads(2, 100));
    give(&mut net, a, &[Frame::Update(more[0].raw())]).unwrap();
    give_seal(&mut net, a, &later, |_| true).unwrap();
    assert!(net.nodes[0].archive.log.is_empty());
    give_seal(&mut net, a, &seal, |seq| seq != 2).unwrap();
    assert_eq!(net.nodes[0].archive.log.len(), 3);
    // The same again costs nothing, and changes nothing.
    give(&mut net, a, &[Frame::Update(updates[0].raw())]).unwrap();
    give_seal(&mut net, a, &seal, |seq| seq == 1).unwrap();
    assert_eq!(net.nodes[0].archive.log.len(), 3);
}

#[test]
fn a_seal_that_is_not_its_owners_word_ends_the_link_and_nothing_is_kept() {
    let forge: [fn(&mut Seal); 4] = [
        |seal| seal.signature.0[9] ^= 1,
        |seal| seal.cids[1] = Cid([1; 32]),
        |seal| seal.key = seeded(77).public(),
        |seal| seal.salt ^= 1,
    ];
    for forge in forge {
        let mut net = Net::new(2, 1, SETTINGS);
        let (a, _) = net.link(0, 1, 5);
        net.run(50);
        let (updates, mut seal) = Origin::new(1).batch(&payloads(3, 100));
        for update in &updates {
            give(&mut net, a, &[Frame::Update(update.raw())]).unwrap();
        }
        forge(&mut seal);
        let given = give_seal(&mut net, a, &seal, |_| false);
        let is_of_others = seal.epoch() != updates[0].dot().epoch;
        assert!(is_of_others || matches!(given, Err(LinkError::Seal(_))), "{given:?}");
        assert!(net.nodes[0].archive.log.is_empty());
        net.cut(0, a);
        assert_eq!(net.nodes[0].relay.waiting_bytes(), 0);
    }
}

#[test]
fn what_comes_out_of_turn_waits_and_the_furthest_is_dropped_when_it_is_too_much() {
    let settings = RelaySettings { gate_bytes: 5_000, ..SETTINGS };
    let mut net = Net::new(2, 1, settings);
    let (a, _) = net.link(0, 1, 5);
    net.run(50);
    let (updates, seal) = Origin::new(1).batch(&payloads(50, 100));
    for update in updates.iter().skip(1) {
        give(&mut net, a, &[Frame::Update(update.raw())]).unwrap();
    }
    give_seal(&mut net, a, &seal, |seq| seq > 1).unwrap();
    assert!(net.nodes[0].archive.log.is_empty());
    assert!(net.nodes[0].relay.waiting_bytes() <= 5_000);
    give(&mut net, a, &[Frame::Update(updates[0].raw())]).unwrap();
    give_seal(&mut net, a, &seal, |seq| seq == 1).unwrap();
    let taken = net.nodes[0].archive.log.len();
    assert!((5..50).contains(&taken), "{taken}");
    let wanted =
        (taken as u64 + 1..=50).all(|seq| !net.has(0).contains(Dot { epoch: seal.epoch(), seq }));
    assert!(wanted, "the last ones were dropped");
}

#[test]
fn a_peer_is_dead_once_it_was_silent_for_too_long() {
    let mut net = Net::new(2, 1, SETTINGS);
    let (a, b) = net.link(0, 1, 5);
    net.run(20_000);
    assert!(net.errors.is_empty() && net.nodes[0].relay.is_up(a));
    let node = &mut net.nodes[0];
    assert_eq!(node.relay.view(a, &node.archive, 0).rtt_ms, Some(10));
    net.nodes[1].ends.remove(&b);
    net.run(6_500);
    assert!(matches!(net.errors[..], [LinkError::Silent(5_001..)]), "{:?}", net.errors);
}

#[test]
fn a_node_that_slept_hears_what_came_meanwhile_before_it_judges() {
    let mut net = Net::new(2, 1, SETTINGS);
    let (a, _) = net.link(0, 1, 5);
    net.run(2_000);
    let now = net.now + 60_000;
    let node = &mut net.nodes[0];
    let end = node.ends.get_mut(&a).expect("it is there");
    node.relay.on_timer(a, &node.archive, now, &mut end.out).expect("not yet");
    node.relay.on_bytes(a, now);
    let due = node.relay.due(a).expect("it is there");
    assert!(due <= now + 1);
    node.relay.on_timer(a, &node.archive, due, &mut end.out).expect("it was heard");
    let later = now + 10_000;
    node.relay.on_timer(a, &node.archive, later, &mut end.out).expect("it may be read yet");
    let result = node.relay.on_timer(a, &node.archive, later + 1, &mut end.out);
    assert!(matches!(result, Err(LinkError::Silent(_))), "{result:?}");
}

#[test]
fn what_was_lost_without_a_trace_is_found_by_digest() {
    let settings = with_link(LinkSettings { digest_ms: 2_000, ..SETTINGS.link });
    let mut net = Net::new(2, 1, settings);
    net.link(0, 1, 5);
    net.run(100);
    // As if a bug had swallowed it: it is in the archive, and no link was told.
    net.nodes[0].write(&payloads(2, 100));
    net.settle(10_000);
    assert!(net.errors.is_empty());
}

#[test]
fn a_peer_that_has_more_of_our_epoch_than_we_know_of_tells_us_that_we_forgot() {
    let mut net = Net::new(2, 1, SETTINGS);
    net.nodes[0].write(&payloads(3, 100));
    let forgotten = Memory { own: net.nodes[0].archive.own, ..Memory::default() };
    net.link(0, 1, 5);
    net.settle(1_000);
    let mut again = Net::new(2, 1, SETTINGS);
    again.nodes[1].archive = std::mem::take(&mut net.nodes[1].archive);
    again.nodes[0].archive = forgotten;
    let before = again.nodes[0].epoch();
    again.link(0, 1, 5);
    again.settle(1_000);
    assert_ne!(again.nodes[0].epoch(), before);
    assert_eq!(again.nodes[0].archive.log.len(), 3);
}

#[test]
fn a_peer_that_claims_more_of_our_epoch_and_never_shows_it_changes_nothing_else() {
    let mut net = Net::new(2, 1, SETTINGS);
    net.nodes[1].write(&payloads(1, 10));
    let (a, _) = net.link(0, 1, 5);
    net.run(7);
    let mut offers = Vector::new();
    offers.insert_span(Span { epoch: net.nodes[0].epoch(), from: 1, to: u64::MAX });
    give(&mut net, a, &[Frame::State(StateFrame { offers, ..StateFrame::default() })]).unwrap();
    net.pump(0, a);
    net.run(50);
    let before = net.nodes[0].archive.log.clone();
    assert!(before.iter().all(|dot| dot.epoch == net.nodes[1].epoch()));
    net.publish(0, &payloads(1, 10));
    assert_eq!(net.nodes[0].archive.log.len(), before.len() + 1);
}

#[test]
fn two_updates_of_one_name_are_found_by_the_ends_of_equal_vectors_and_shown_to_all() {
    for extra in [0, 1] {
        let mut net = Net::new(4, 1, SETTINGS);
        let (mut one, mut other) = (Origin::new(1), Origin::new(1));
        let common = one.batch(&payloads(2, 100));
        other.batch(&payloads(2, 100));
        let ours = one.batch(&payloads(1, 100));
        // With one more behind it, it is the link to what went before that does not fit.
        let theirs = other.batch(&payloads(1 + extra, 200));
        for at in 0..2 {
            hold(&mut net.nodes[at], &common);
            hold(&mut net.nodes[at], &ours);
        }
        for at in 2..4 {
            hold(&mut net.nodes[at], &common);
            hold(&mut net.nodes[at], &theirs);
        }
        net.link(0, 1, 5);
        net.link(2, 3, 5);
        net.run(100);
        assert!(net.nodes.iter().all(|node| node.forks.is_empty()));
        net.link(1, 2, 5);
        net.settle(2_000);
        net.run(1_000);
        for node in &net.nodes {
            let forked = Dot { epoch: one.epoch(), seq: 3 };
            assert_eq!(node.forks.first(), Some(&forked), "{extra}");
            let beside = node.archive.exhibits.iter().map(|(update, _)| update);
            let mut cids: Vec<Cid> = beside
                .chain(node.archive.updates.values())
                .filter(|update| update.dot() == forked)
                .map(Update::cid)
                .collect();
            cids.sort_unstable();
            cids.dedup();
            assert_eq!(cids.len(), 2, "{} has both", node.name);
            assert!(node.archive.exhibits.iter().all(|(update, seal)| {
                seal.verify() && seal.cid_of(update.dot()) == Some(update.cid())
            }));
        }
    }
}

#[test]
fn a_node_that_publishes_under_a_forked_epoch_is_told_and_begins_another() {
    let mut net = Net::new(2, 1, SETTINGS);
    net.nodes[0].write(&payloads(1, 100));
    let seal = net.nodes[0].archive.seals.values().next().cloned().expect("it is sealed");
    net.link(0, 1, 5);
    net.settle(1_000);
    // The same node, restored from a backup that knew nothing, said something else.
    let mut again = Net::new(2, 1, SETTINGS);
    again.nodes[1].archive = std::mem::take(&mut net.nodes[1].archive);
    again.nodes[0].write(&payloads(3, 200));
    let before = again.nodes[0].epoch();
    assert_eq!(before, seal.epoch());
    again.link(0, 1, 5);
    again.run(1_000);
    assert_ne!(again.nodes[0].epoch(), before);
    assert_eq!(again.nodes[1].forks.first(), Some(&Dot { epoch: before, seq: 1 }));
    // On the link that stands, it is no longer taken for who publishes there.
    assert_eq!(again.has(1).last(before), 3);
}

#[test]
fn what_a_peer_does_not_send_in_time_is_asked_of_the_next() {
    let mut net = Net::new(3, 1, SETTINGS);
    let (a, b) = net.link(0, 1, 5);
    net.link(0, 2, 5);
    net.run(50);
    // Node 1 offers, and is never heard again.
    let written = net.nodes[2].write(&payloads(1, 100));
    let mut dots = Vector::new();
    dots.insert(written[0].0.dot());
    give(&mut net, a, &[Frame::Offer(dots)]).unwrap();
    net.pump(0, a);
    net.nodes[1].ends.remove(&b);
    net.nodes[2].relay.publish(&written[0].0, &written[0].1, net.now);
    // The other one only offers it, too.
    let link = *net.nodes[2].ends.keys().next().expect("it is there");
    let its = net.nodes[0].ends.keys().copied().find(|link| *link != a).expect("it is there");
    let mut dots = Vector::new();
    dots.insert(written[0].0.dot());
    give(&mut net, its, &[Frame::Offer(dots)]).unwrap();
    assert!(!net.nodes[2].relay.is_up(a) && net.nodes[2].relay.is_up(link));
    net.run(60);
    assert!(net.has(0).contains(written[0].0.dot()));
}

#[test]
fn a_backlog_comes_from_several_neighbours_at_once_and_nothing_of_it_twice() {
    let mut net = Net::new(4, 1, SETTINGS);
    let mut origins: Vec<Origin> = (0..4).map(Origin::new).collect();
    for origin in &mut origins {
        for _ in 0..4 {
            let batch = origin.batch(&payloads(250, 100));
            (1..4).for_each(|at| hold(&mut net.nodes[at], &batch));
        }
    }
    let links: Vec<usize> = (1..4).map(|at| net.link(0, at, 10).0).collect();
    net.settle(3_000);
    assert_eq!(net.nodes[0].copies, 4_000);
    let came = links.iter().map(|link| net.nodes[0].ends[link].bytes);
    assert!(came.filter(|bytes| *bytes > 50_000).count() >= 2, "two at a time");
}

#[test]
fn an_origin_over_its_rate_is_offered_and_not_lost() {
    let settings = RelaySettings { origin_updates_per_s: 10, ..SETTINGS };
    let mut net = Net::new(2, 1, settings);
    let (_, b) = net.link(0, 1, 5);
    net.run(50);
    for _ in 0..40 {
        net.publish(0, &payloads(1, 100));
        net.run(1);
    }
    net.settle(3_000);
    assert!(frames(&net, 1, b).contains(&"offer"));
    assert_eq!(net.nodes[1].copies, 40);
}

#[test]
fn a_link_that_fell_behind_what_is_new_loses_nothing() {
    let settings = RelaySettings {
        ring_bytes: 4_000,
        link: LinkSettings { window_bytes: 2_000, ..SETTINGS.link },
        ..SETTINGS
    };
    let mut net = Net::new(2, 1, settings);
    net.link(0, 1, 50);
    net.run(200);
    for _ in 0..30 {
        net.publish(0, &payloads(20, 200));
        net.run(1);
    }
    net.settle(30_000);
    // A request may cross a push.
    assert!((600..610).contains(&net.nodes[1].copies), "{}", net.nodes[1].copies);
}

#[test]
fn a_node_that_does_not_catch_up_counts_what_is_old_as_had_and_takes_what_is_new() {
    let mut net = Net::new(2, 1, RelaySettings { catches_up: false, ..SETTINGS });
    net.nodes[0].write(&payloads(50, 100));
    net.link(0, 1, 5);
    net.run(2_000);
    assert!(net.nodes[1].archive.log.is_empty());
    net.publish(0, &payloads(3, 100));
    net.run(2_000);
    assert_eq!(net.nodes[1].archive.log.len(), 3);
    assert!(net.errors.is_empty(), "{:?}", net.errors);
}
