//! What an audit promises: both ends learn exactly what the other lacks, in few and small
//! messages; and no peer makes it panic, grow or go on for ever.

use super::*;
use crate::base::Rng;
use crate::proto::peer::{AuditLeft, AuditRangesWriter};
use crate::update::Epoch;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// An archive in memory.
#[derive(Clone, Default)]
struct Archive {
    stamps: BTreeMap<Dot, Stamp>,
    dots: BTreeMap<Cid, Dot>,
}

impl Archive {
    fn add(&mut self, clock: u64, number: u64) {
        let dot = Dot { epoch: Epoch(7), seq: number + 1 };
        let cid = Cid(*blake3::hash(&number.to_be_bytes()).as_bytes());
        self.stamps.insert(dot, (Hlc(clock), cid));
        self.dots.insert(cid, dot);
    }

    /// What this one has and another has not.
    fn beyond(&self, other: &Self) -> BTreeSet<AuditName> {
        let only = self.dots.iter().filter(|(cid, _)| !other.dots.contains_key(cid));
        only.map(|(cid, dot)| AuditName { dot: *dot, cid: *cid }).collect()
    }
}

impl AuditSet for Archive {
    fn stamps(&self, after: Option<Dot>, limit: usize) -> Result<StampsPage, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.stamps.range((from, Bound::Unbounded)).take(limit);
        let stamps: Vec<_> = behind.map(|(dot, stamp)| (*dot, *stamp)).collect();
        let last = stamps.last().filter(|_| stamps.len() == limit).map(|(dot, _)| *dot);
        Ok((stamps, last))
    }

    fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError> {
        Ok(self.dots.get(&cid).copied())
    }
}

/// One end of an audit in a test.
struct End<'a> {
    archive: &'a Archive,
    audit: Audit,
    /// What the other named to it.
    heard: Vec<AuditName>,
    largest: usize,
}

impl<'a> End<'a> {
    fn new(archive: &'a Archive, audit: Audit) -> Self {
        Self { archive, audit, heard: Vec::new(), largest: 0 }
    }

    /// Says what it has to say, if anything.
    fn say(&mut self) -> Option<Vec<u8>> {
        self.try_say().unwrap()
    }

    /// The same; what the other said may turn out to be nonsense only now.
    fn try_say(&mut self) -> Result<Option<Vec<u8>>, AuditError> {
        while self.audit.is_gathering() {
            self.audit.gather(self.archive, 100).unwrap();
        }
        let mut out = Vec::new();
        let said = self.audit.say(self.archive, 0, &mut out)?;
        self.largest = self.largest.max(out.len());
        Ok(said.then_some(out))
    }

    fn hear(&mut self, body: &[u8]) -> Result<(), AuditError> {
        let message = AuditMessage::decode(body)?;
        self.heard.extend(self.audit.on_message(message, 0)?);
        Ok(())
    }
}

fn settings(message_bytes: usize) -> AuditSettings {
    AuditSettings { message_bytes, answer_ms: 1_000 }
}

/// Runs an audit of all to its end.
fn audit<'a>(a: &'a Archive, b: &'a Archive, message_bytes: usize) -> (End<'a>, End<'a>) {
    let settings = settings(message_bytes);
    let mut a = End::new(a, Audit::ask(settings, Hlc(0), Hlc(u64::MAX)));
    let mut b = End::new(b, Audit::answer(settings, Hlc(0), Hlc(u64::MAX)));
    a.say().expect("it asks");
    for _ in 0..100_000 {
        let from_b = b.say();
        if let Some(body) = &from_b {
            a.hear(body).unwrap();
        }
        let from_a = a.say();
        if let Some(body) = &from_a {
            b.hear(body).unwrap();
        }
        if from_a.is_none() && from_b.is_none() {
            return (a, b);
        }
    }
    panic!("the audit does not end");
}

/// Two archives with `common` updates in common and some of which only one has.
fn archives(seed: u64, common: u64, only_a: u64, only_b: u64, clocks: u64) -> [Archive; 2] {
    let mut rng = Rng::new(seed);
    let mut both = [Archive::default(), Archive::default()];
    for number in 0..common + only_a + only_b {
        let clock = rng.below(clocks);
        let is_common = number < common;
        if is_common || number < common + only_a {
            both[0].add(clock, number);
        }
        if is_common || number >= common + only_a {
            both[1].add(clock, number);
        }
    }
    both
}

proptest! {
    #[test]
    fn both_ends_learn_exactly_what_the_other_lacks(
        seed: u64,
        common in prop_oneof![Just(0_u64), 0_u64..2000],
        only_a in prop_oneof![Just(0_u64), 0_u64..1500],
        only_b in prop_oneof![Just(0_u64), 0_u64..1500],
        clocks in prop_oneof![Just(1_u64), 1_u64..100, Just(1_u64 << 48)],
        message_bytes in 4096_usize..=32_768,
    ) {
        let [a, b] = archives(seed, common, only_a, only_b, clocks);
        let (end_a, end_b) = audit(&a, &b, message_bytes);
        for (end, expected) in [(&end_b, a.beyond(&b)), (&end_a, b.beyond(&a))] {
            prop_assert_eq!(end.audit.end(), Some(AuditEnd::Complete));
            prop_assert_eq!(end.heard.len(), expected.len(), "each is named once");
            prop_assert_eq!(end.heard.iter().copied().collect::<BTreeSet<_>>(), expected);
            prop_assert!(end.largest <= message_bytes, "{} bytes", end.largest);
        }
        let (a, b) = (end_a.audit.view(), end_b.audit.view());
        prop_assert_eq!((a.surplus, a.lacking), (b.lacking, b.surplus));
    }

    #[test]
    fn no_message_makes_an_end_panic(
        seed: u64,
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
        sensible: bool,
    ) {
        let [archive, _] = archives(seed, 300, 0, 0, 1 << 20);
        let mut end = End::new(&archive, Audit::answer(settings(4096), Hlc(0), Hlc(u64::MAX)));
        end.say().expect("it is ready");
        for body in bodies {
            let mut round = vec![2, 0, 0];
            round.extend(body);
            let heard = end.hear(if sensible { &round } else { &round[3..] });
            if heard.and_then(|()| end.try_say()).is_err() {
                break;
            }
        }
    }
}

/// Bytes and messages both ways.
fn cost(a: &End<'_>, b: &End<'_>) -> (u64, u64) {
    let (a, b) = (a.audit.view(), b.audit.view());
    (a.bytes + b.bytes, a.messages + b.messages)
}

#[test]
fn equal_archives_are_done_in_five_small_messages() {
    let [a, b] = archives(1, 5_000, 0, 0, 1 << 40);
    let (end_a, end_b) = audit(&a, &b, 32_768);
    let (bytes, messages) = cost(&end_a, &end_b);
    assert!(messages <= 5 && bytes <= 450, "{messages} messages, {bytes} bytes");
}

#[test]
fn a_lone_difference_costs_little_more_than_its_way_through_the_splits() {
    let [a, b] = archives(2, 30_000, 1, 0, 1 << 40);
    let (end_a, end_b) = audit(&a, &b, 32_768);
    assert_eq!(end_b.heard.len(), 1);
    let (bytes, messages) = cost(&end_a, &end_b);
    assert!(messages <= 9 && bytes <= 2_500, "{messages} messages, {bytes} bytes");
}

#[test]
fn what_one_missed_in_a_row_costs_some_bytes_an_update() {
    // The last 2,000 of 22,000, as after a night away.
    let (mut a, mut b) = (Archive::default(), Archive::default());
    for number in 0..22_000 {
        a.add(number * 1_000, number);
        if number < 20_000 {
            b.add(number * 1_000, number);
        }
    }
    for (one, other) in [(&a, &b), (&b, &a)] {
        let (end_a, end_b) = audit(one, other, 32_768);
        assert_eq!(end_a.heard.len() + end_b.heard.len(), 2_000);
        let (bytes, messages) = cost(&end_a, &end_b);
        assert!(
            bytes <= 2_000 * 64 + 4_000 && messages <= 40,
            "{messages} messages, {bytes} bytes"
        );
    }
}

#[test]
fn an_empty_archive_learns_of_all_of_another() {
    let [a, b] = archives(3, 0, 10_000, 0, 1 << 40);
    for (one, other) in [(&a, &b), (&b, &a)] {
        let (end_a, end_b) = audit(one, other, 8_192);
        assert_eq!(end_a.heard.len() + end_b.heard.len(), 10_000);
    }
}

#[test]
fn the_window_leaves_out_what_is_before_and_behind_it_at_both_ends() {
    let (mut a, mut b) = (Archive::default(), Archive::default());
    for number in 0..100 {
        a.add(number, number);
        b.add(number, 1_000 + number);
    }
    let mut end_a = End::new(&a, Audit::ask(settings(8_192), Hlc(10), Hlc(30)));
    let mut end_b = End::new(&b, Audit::answer(settings(8_192), Hlc(20), Hlc(30)));
    end_a.say().expect("it asks");
    while let Some(body) = end_b.say() {
        end_a.hear(&body).unwrap();
        if let Some(body) = end_a.say() {
            end_b.hear(&body).unwrap();
        }
    }
    let seqs = |end: &End<'_>| end.heard.iter().map(|name| name.dot.seq).collect::<BTreeSet<_>>();
    assert_eq!(seqs(&end_b), (21..=30).collect());
    assert_eq!(seqs(&end_a), (1_021..=1_030).collect());
}

#[test]
fn rules_of_an_audit_are_kept() {
    let [a, _] = archives(4, 100, 0, 0, 1 << 20);
    let asked = || {
        let mut end = End::new(&a, Audit::ask(settings(8_192), Hlc(5), Hlc(50)));
        end.say().expect("it asks");
        end
    };
    let ready = |since| AuditMessage::Ready { since: Hlc(since) };
    let round =
        |ranges| AuditMessage::Round { left: AuditLeft::Nothing, names: Vec::new(), ranges };
    assert!(asked().audit.on_message(ready(4), 0).is_err(), "earlier than asked for");
    assert!(asked().audit.on_message(round(&[]), 0).is_err(), "before it is ready");
    let mut end = asked();
    end.audit.on_message(ready(6), 0).unwrap();
    assert!(end.audit.on_message(ready(6), 0).is_err(), "twice");
    let mut end = asked();
    end.audit.on_message(AuditMessage::Stop(AuditStop::Busy), 0).unwrap();
    assert_eq!(end.audit.end(), Some(AuditEnd::Stopped(AuditStop::Busy)));
    let mut end = asked();
    assert_eq!(end.audit.deadline(), Some(1_000));
    end.audit.on_time(999);
    assert_eq!(end.audit.end(), None);
    end.audit.on_time(1_000);
    assert_eq!(end.audit.end(), Some(AuditEnd::Silent));
}

#[test]
fn a_peer_that_answers_ids_that_were_not_told_ends_the_audit() {
    let [a, _] = archives(5, 100, 0, 0, 1 << 20);
    let mut end = End::new(&a, Audit::answer(settings(8_192), Hlc(0), Hlc(u64::MAX)));
    end.say().expect("it is ready");
    let mut writer = AuditRangesWriter::new(AuditBound::at(Hlc(0)));
    writer.lacks(AuditBound::at(Hlc(0)), AuditBound::END, [true; 3].into_iter());
    let ranges = writer.into_bytes();
    let round =
        AuditMessage::Round { left: AuditLeft::Nothing, names: Vec::new(), ranges: &ranges };
    end.audit.on_message(round, 0).unwrap();
    let mut out = Vec::new();
    let error = end.audit.say(&a, 0, &mut out).unwrap_err();
    assert!(matches!(error, AuditError::Unexpected(_)), "{error}");
    assert!(out.is_empty());
}

#[test]
fn a_peer_that_never_settles_anything_does_not_fill_the_memory() {
    let [a, _] = archives(6, 5_000, 0, 0, 1 << 40);
    let mut end = End::new(&a, Audit::answer(settings(4_096), Hlc(0), Hlc(u64::MAX)));
    end.say().expect("it is ready");
    let mut writer = AuditRangesWriter::new(AuditBound::at(Hlc(0)));
    for n in 1..1_000_u64 {
        let clock = |n| AuditBound::at(Hlc(n << 30));
        writer.fingerprint(clock(n - 1), clock(n), [n as u8; 16]);
    }
    let ranges = writer.into_bytes();
    let mut rounds = 0;
    let error = loop {
        let round =
            AuditMessage::Round { left: AuditLeft::Some, names: Vec::new(), ranges: &ranges };
        if let Err(error) = end.audit.on_message(round, 0) {
            break error;
        }
        end.say().expect("it answers");
        rounds += 1;
    };
    assert!(matches!(error, AuditError::Unexpected("more than can be answered")), "{error}");
    assert!(rounds < 100, "{rounds} rounds");
}

const AUDITOR: AuditorSettings = AuditorSettings {
    first_ms: 500,
    every_ms: 10_000,
    rest_ms: 100,
    longest_ms: 5_000,
    audit: AuditSettings { message_bytes: 32_768, answer_ms: 1_000 },
};

/// Two nodes' auditors, one link, and what each was told.
struct Pair {
    auditors: [Auditor<u32>; 2],
    archives: [Archive; 2],
    names: [Vec<AuditName>; 2],
    now: Tick,
}

impl Pair {
    fn new(archives: [Archive; 2]) -> Self {
        let idle = AuditorSettings { first_ms: 1 << 40, ..AUDITOR };
        let auditors = [Auditor::new(AUDITOR), Auditor::new(idle)];
        Self { auditors, archives, names: [Vec::new(), Vec::new()], now: 500 }
    }

    fn step(&mut self, index: usize) {
        let mut out = Vec::new();
        let said = self.auditors[index].step(&self.archives[index], self.now, &mut out);
        if said.expect("the archive is read").is_some() {
            self.deliver(1 - index, &out);
        }
    }

    fn deliver(&mut self, index: usize, body: &[u8]) {
        let mut out = Vec::new();
        let names = self.auditors[index].on_message(
            (1, index == 1),
            body,
            || Ok(Hlc(0)),
            self.now,
            &mut out,
        );
        self.names[index].extend(names.expect("good messages"));
        if !out.is_empty() {
            self.deliver(1 - index, &out);
        }
    }

    fn run(&mut self) {
        while self.auditors.iter().any(Auditor::is_working) {
            self.step(0);
            self.step(1);
        }
    }
}

#[test]
fn an_auditor_asks_when_it_is_due_and_again_after_its_time() {
    let mut pair = Pair::new(archives(7, 3_000, 5, 7, 1 << 40));
    assert!(!pair.auditors[0].is_due(499) && pair.auditors[0].is_due(500));
    pair.auditors[0].begin(1, Hlc(0), Hlc(u64::MAX), 500);
    assert!(!pair.auditors[0].is_due(500), "one at a time");
    pair.run();
    assert_eq!((pair.names[0].len(), pair.names[1].len()), (7, 5));
    for (index, is_ours) in [(0, true), (1, false)] {
        let over = pair.auditors[index].over().expect("it ended");
        assert_eq!((over.end, over.is_ours), (AuditEnd::Complete, is_ours));
        assert_eq!(over.view.updates, [3_005, 3_007][index]);
    }
    assert!(!pair.auditors[0].is_due(10_499) && pair.auditors[0].is_due(10_500));
}

#[test]
fn an_auditor_answers_one_at_a_time_with_a_rest_between() {
    let mut pair = Pair::new(archives(8, 10, 0, 0, 1 << 40));
    let mut begin = Vec::new();
    AuditMessage::Begin { since: Hlc(0), until: Hlc(9) }.encode(&mut begin);
    let busy = |auditor: &mut Auditor<u32>, link, now| {
        let mut out = Vec::new();
        auditor.on_message((link, false), &begin, || Ok(Hlc(0)), now, &mut out).unwrap();
        !out.is_empty()
    };
    let auditor = &mut pair.auditors[1];
    assert!(!busy(auditor, 1, 500));
    assert!(busy(auditor, 2, 500) && busy(auditor, 1, 500));
    auditor.lost(1, 600);
    assert!(auditor.over().is_some() && !auditor.is_working());
    assert!(busy(auditor, 2, 699));
    assert!(!busy(auditor, 2, 700));
}

#[test]
fn two_that_ask_each_other_at_once_have_one_audit() {
    let mut pair = Pair::new(archives(11, 1_000, 3, 4, 1 << 40));
    for auditor in &mut pair.auditors {
        auditor.begin(1, Hlc(0), Hlc(u64::MAX), 500);
    }
    // Both wishes are on their way before either is read.
    let bodies = [0, 1].map(|index| {
        let mut out = Vec::new();
        pair.auditors[index].step(&pair.archives[index], 500, &mut out).expect("it is read");
        out
    });
    pair.deliver(1, &bodies[0]);
    pair.deliver(0, &bodies[1]);
    pair.run();
    assert_eq!((pair.names[0].len(), pair.names[1].len()), (4, 3));
    let ends = [0, 1].map(|index| pair.auditors[index].over().expect("it ended"));
    assert_eq!(ends.map(|over| over.end), [AuditEnd::Complete; 2]);
    assert_eq!(ends.map(|over| over.is_ours), [true, false]);
}

#[test]
fn an_auditor_gives_up_on_a_silent_peer_and_tries_again_soon() {
    let mut pair = Pair::new(archives(9, 10, 0, 0, 1 << 40));
    let auditor = &mut pair.auditors[0];
    auditor.begin(1, Hlc(0), Hlc(u64::MAX), 500);
    let mut out = Vec::new();
    while auditor.is_working() {
        auditor.step(&pair.archives[0], 500, &mut out).expect("the archive is read");
    }
    assert_eq!(auditor.on_time(1_499, &mut out), None);
    out.clear();
    assert_eq!(auditor.on_time(1_500, &mut out), Some(1));
    assert_eq!(AuditMessage::decode(&out), Ok(AuditMessage::Stop(AuditStop::Late)));
    assert_eq!(auditor.over().expect("it ended").end, AuditEnd::Silent);
    assert!(!auditor.is_due(1_599) && auditor.is_due(1_600));
}

#[test]
fn messages_of_an_audit_that_is_over_are_left_aside() {
    let mut pair = Pair::new(archives(10, 10, 0, 0, 1 << 40));
    let mut body = Vec::new();
    AuditMessage::Ready { since: Hlc(0) }.encode(&mut body);
    pair.deliver(0, &body);
    assert!(!pair.auditors[0].is_working());
}
