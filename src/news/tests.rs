//! Stories against a plain model: what is read depends on which updates were applied, never on
//! their order or number.

use super::*;
use crate::update::{Dot, Draft, Epoch, Hlc};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// One of the updates of a generated history.
#[derive(Clone, Debug)]
struct Step {
    title: usize,
    /// Which of the updates before it are its parents, of whatever story.
    parents: Vec<prop::sample::Index>,
    section: usize,
    clock: u64,
    /// Added to what the parents give: a writer may claim anything.
    claim: u32,
    located: Option<(i32, i32)>,
    is_withdrawal: bool,
}

const TITLES: [&str; 3] = ["Flood", "Flood ", "Match/1 é"];
const SECTIONS: [&str; 4] = ["", "sport", "spor", "world"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = prop::option::weighted(0.7, (-3..3_i32, -3..3_i32));
    let step = (
        0..TITLES.len(),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        0..SECTIONS.len(),
        0..20_u64,
        0..3_u32,
        place,
        prop::bool::weighted(0.05),
    );
    let step = step.prop_map(|(title, parents, section, clock, claim, located, is_withdrawal)| {
        Step { title, parents, section, clock, claim, located, is_withdrawal }
    });
    prop::collection::vec(step, 1..25)
}

fn seal(seq: u64, clock: u64, kind: Kind, parents: Vec<Cid>, payload: &[u8]) -> Update {
    Update::seal(Draft {
        dot: Dot { epoch: Epoch(1), seq },
        clock: Hlc(clock),
        asked: 1,
        origin: "Hill",
        kind,
        topic: if kind == Kind::Data { "weather" } else { TOPIC_STORIES },
        media_type: "text/plain",
        alias: "",
        parents,
        previous: Cid::ZERO,
        payload,
    })
    .unwrap()
}

fn build(steps: &[Step]) -> Vec<Update> {
    let mut updates: Vec<Update> = Vec::new();
    for (seq, step) in (1..).zip(steps) {
        let title = TITLES[step.title];
        if step.is_withdrawal {
            let payload = Withdrawal { title, reason: &format!("no {seq}") }.encode().unwrap();
            updates.push(seal(seq, step.clock, Kind::Withdrawal, vec![], &payload));
            continue;
        }
        let parents = match updates.len() {
            0 => vec![],
            n => step.parents.iter().map(|at| updates[at.index(n)].cid()).collect(),
        };
        let body = format!("body {seq}");
        let payload = Revision {
            generation: 1 + step.claim,
            title,
            headline: &format!("headline {seq}"),
            section: SECTIONS[step.section],
            author: "ann",
            summary: "why",
            located: step.located.map(|(lat, lon)| Located { lat_udeg: lat, lon_udeg: lon }),
            body: body.as_bytes(),
            ..Revision::default()
        };
        updates.push(seal(seq, step.clock, Kind::Revision, parents, &payload.encode().unwrap()));
    }
    updates
}

/// Everything that can be read, as one text to compare.
fn readings(shelf: &Map) -> Vec<String> {
    let mut out = Vec::new();
    for title in TITLES {
        out.push(format!("{:?}", story(shelf, title).unwrap()));
        out.push(format!(
            "{:?}",
            pages(|mark| { history(shelf, title, mark.map(|m| m.parse().unwrap()), 2).unwrap() })
        ));
    }
    for section in [None, Some("sport"), Some("spor"), Some("world"), Some("")] {
        out.push(format!("{section:?} {:?}", listed(shelf, section)));
    }
    out.push(format!("{:?}", sections(shelf).unwrap()));
    let from = Located { lat_udeg: 0, lon_udeg: 1 };
    out.push(format!("{:?}", near(shelf, from, 50_000.0, 20).unwrap()));
    out
}

fn pages<T>(page: impl Fn(Option<String>) -> Page<T>) -> Vec<T> {
    let mut lines = Vec::new();
    let mut mark = None;
    loop {
        let page = page(mark);
        lines.extend(page.lines);
        mark = page.next;
        if mark.is_none() {
            return lines;
        }
    }
}

fn listed(shelf: &Map, section: Option<&str>) -> Vec<StoryLine> {
    pages(|mark| list(shelf, section, mark.map(|m| m.parse().unwrap()).as_ref(), 1).unwrap())
}

/// What the rules say of a story, from the updates alone.
fn check_against_model(shelf: &Map, updates: &[Update]) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut newest: BTreeSet<(u64, &str)> = BTreeSet::new();
    for title in TITLES {
        let revisions: Vec<(&Update, Revision<'_>)> = updates
            .iter()
            .filter(|update| update.kind() == Kind::Revision)
            .map(|update| (update, Revision::decode(update.payload()).unwrap()))
            .filter(|(_, revision)| revision.title == title)
            .collect();
        let withdrawn = updates
            .iter()
            .filter(|update| update.kind() == Kind::Withdrawal)
            .filter(|update| Withdrawal::decode(update.payload()).unwrap().title == title)
            .map(|update| (update.clock(), update.cid()))
            .min();
        let followed: BTreeSet<Cid> = revisions.iter().flat_map(|(u, _)| u.parents()).collect();
        let mut heads: Vec<_> = revisions
            .iter()
            .filter(|(update, _)| !followed.contains(&update.cid()))
            .map(|(update, revision)| (revision.generation, update.cid(), update.clock(), revision))
            .collect();
        heads.sort_by_key(|(generation, cid, ..)| (*generation, *cid));
        heads.reverse();
        let Some(story) = story(shelf, title).unwrap() else {
            assert!(revisions.is_empty() && withdrawn.is_none());
            continue;
        };
        let cids: Vec<Cid> = heads.iter().map(|(_, cid, ..)| *cid).collect();
        assert_eq!(story.heads.iter().map(|head| head.cid).collect::<Vec<_>>(), cids);
        assert_eq!(story.conflicts as usize, cids.len().saturating_sub(1));
        assert_eq!(story.revisions as usize, revisions.len());
        assert_eq!(story.withdrawn.map(|w| (w.at, w.cid)), withdrawn);
        let lines = history(shelf, title, None, 1000).unwrap().lines;
        assert!(lines.is_sorted_by(|a, b| (a.at, a.cid) > (b.at, b.cid)));
        assert_eq!(lines.len(), if withdrawn.is_some() { 0 } else { revisions.len() });
        if let (Some((_, _, clock, head)), None) = (heads.first(), withdrawn) {
            newest.insert((clock.0, title));
            *counts.entry(head.section.to_owned()).or_default() += 1;
        }
    }
    let lines = listed(shelf, None);
    let order: Vec<(u64, &str)> =
        lines.iter().map(|line| (line.head.clock.0, line.title.as_str())).collect();
    assert_eq!(order, newest.into_iter().rev().collect::<Vec<_>>());
    counts.remove("");
    let counted = sections(shelf).unwrap().into_iter().map(|line| (line.section, line.stories));
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), counts);
    for (section, stories) in counts {
        assert_eq!(listed(shelf, Some(&section)).len() as u64, stories);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn order_and_repeats_change_nothing_that_is_read(
        steps in steps(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let updates = build(&steps);
        let mut in_order = Map::new();
        for update in &updates {
            prop_assert!(!matches!(apply(&mut in_order, update).unwrap(), Applied::Malformed(_)));
        }
        let mut shuffled = Map::new();
        for pick in picks {
            apply(&mut shuffled, pick.get(&updates)).unwrap();
        }
        for update in updates.iter().rev() {
            apply(&mut shuffled, update).unwrap();
        }
        prop_assert_eq!(readings(&in_order), readings(&shuffled));
        check_against_model(&in_order, &updates);
        for update in &updates {
            prop_assert_eq!(apply(&mut shuffled, update).unwrap(), Applied::Known);
        }
    }
}

fn revision(seq: u64, title: &str, generation: u32, parents: Vec<Cid>) -> Update {
    let payload = Revision { generation, title, section: "world", ..Revision::default() };
    seal(seq, seq, Kind::Revision, parents, &payload.encode().unwrap())
}

fn changed(applied: Applied) -> StoryChange {
    match applied {
        Applied::Story(change) => change,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_says_what_became_of_the_story() {
    let mut shelf = Map::new();
    let first = revision(1, "Flood", 1, vec![]);
    let change = changed(apply(&mut shelf, &first).unwrap());
    assert!(change.is_created && change.is_new_head && !change.is_withdrawn);
    assert_eq!((change.title.as_str(), change.section.as_str()), ("Flood", "world"));
    assert_eq!((change.head, change.conflicts), (Some(first.cid()), 0));
    let [mut left, mut right] = [2, 3].map(|seq| revision(seq, "Flood", 2, vec![first.cid()]));
    if left.cid() < right.cid() {
        (left, right) = (right, left);
    }
    assert!(changed(apply(&mut shelf, &left).unwrap()).is_new_head);
    let change = changed(apply(&mut shelf, &right).unwrap());
    assert_eq!((change.is_new_head, change.conflicts), (false, 1));
    assert_eq!(change.head, Some(left.cid()));
    let joined = revision(4, "Flood", 3, vec![left.cid(), right.cid()]);
    assert_eq!(changed(apply(&mut shelf, &joined).unwrap()).conflicts, 0);
    let payload = Withdrawal { title: "Flood", reason: "wrong" }.encode().unwrap();
    let withdrawal = seal(5, 5, Kind::Withdrawal, vec![], &payload);
    assert!(changed(apply(&mut shelf, &withdrawal).unwrap()).is_withdrawn);
    let late = revision(6, "Flood", 4, vec![joined.cid()]);
    assert!(changed(apply(&mut shelf, &late).unwrap()).is_withdrawn);
    assert_eq!(list(&shelf, None, None, 10).unwrap().lines, []);
    assert_eq!(sections(&shelf).unwrap(), []);
}

#[test]
fn an_edit_is_judged_by_what_is_on_the_shelf() {
    let mut shelf = Map::new();
    let (ours, other) = (revision(1, "Flood", 1, vec![]), revision(2, "Match", 1, vec![]));
    apply(&mut shelf, &ours).unwrap();
    apply(&mut shelf, &other).unwrap();
    let judged = |base| judge_in(&shelf, "Flood", base, Ask::default()).unwrap().0;
    let edit = Verdict::Edit { parents: vec![ours.cid()], generation: 2 };
    assert_eq!(judged(Some(ours.cid())), edit);
    assert_eq!(judged(Some(other.cid())), Verdict::BaseElsewhere);
    assert_eq!(judged(Some(Cid([3; 32]))), Verdict::BaseUnknown);
    assert_eq!(judged(None), Verdict::BaseRequired);
    let created = judge_in(&shelf, "New", None, Ask::default()).unwrap();
    assert_eq!(created, (Verdict::Create, None));
    let place = revision_place(&shelf, ours.cid()).unwrap().unwrap();
    assert_eq!((place.title.as_str(), place.dot, place.generation), ("Flood", ours.dot(), 1));
}

#[test]
fn many_heads_cost_a_reader_no_more_than_sixty_four() {
    let mut shelf = Map::new();
    for seq in 1..=100 {
        apply(&mut shelf, &revision(seq, "Flood", 1, vec![])).unwrap();
    }
    let story = story(&shelf, "Flood").unwrap().unwrap();
    assert_eq!((story.heads.len(), story.conflicts), (64, 99));
    assert!(story.heads.is_sorted_by(|a, b| a.cid > b.cid));
    let ask = Ask { conflict: Some(Conflict::Overwrite), ..Ask::default() };
    let Verdict::Edit { parents, generation: 2 } = judge(Some(&story), &ask) else { panic!() };
    assert_eq!(parents.len(), 64);
    assert_eq!(apply(&mut shelf, &revision(200, "Flood", 2, parents)).unwrap(), {
        let head = list(&shelf, None, None, 1).unwrap().lines[0].head.cid;
        Applied::Story(StoryChange {
            title: "Flood".into(),
            section: "world".into(),
            head: Some(head),
            is_new_head: true,
            is_created: false,
            conflicts: 36,
            is_withdrawn: false,
        })
    });
}

#[test]
fn a_wrong_topic_or_payload_shows_nothing() {
    let mut shelf = Map::new();
    let broken = seal(1, 1, Kind::Revision, vec![], b"\x01\0");
    let applied = apply(&mut shelf, &broken).unwrap();
    assert_eq!(applied, Applied::Malformed(PayloadError::Truncated));
    let misfiled = Update::seal(Draft {
        dot: Dot { epoch: Epoch(1), seq: 2 },
        clock: Hlc(2),
        asked: 1,
        origin: "Hill",
        kind: Kind::Revision,
        topic: "sport",
        media_type: "text/plain",
        alias: "",
        parents: vec![],
        previous: Cid::ZERO,
        payload: revision(2, "Flood", 1, vec![]).payload(),
    });
    let applied = apply(&mut shelf, &misfiled.unwrap()).unwrap();
    assert_eq!(applied, Applied::Malformed(PayloadError::Topic));
    let data = seal(3, 3, Kind::Data, vec![], b"\0");
    assert_eq!(apply(&mut shelf, &data).unwrap(), Applied::Data);
    assert!(shelf.is_empty());
}

#[test]
fn a_section_with_a_zero_byte_is_no_way_into_another() {
    let mut shelf = Map::new();
    let update = revision(1 << 60, "Flood", 1, vec![]);
    apply(&mut shelf, &update).unwrap();
    for section in ["", "world\0", "world\0\u{10}", "worl", "world "] {
        let page = list(&shelf, Some(section), None, 10).unwrap();
        assert_eq!(page, Page { lines: vec![], next: None }, "{section:?}");
    }
    assert_eq!(list(&shelf, Some("world"), None, 10).unwrap().lines.len(), 1);
}

#[test]
fn a_damaged_row_is_a_broken_index() {
    let mut shelf = Map::new();
    apply(&mut shelf, &revision(1, "Flood", 1, vec![])).unwrap();
    for row in shelf.values_mut() {
        row.truncate(3);
    }
    assert!(matches!(story(&shelf, "Flood"), Err(StoreError::IndexBroken)));
    assert!(matches!(sections(&shelf), Err(StoreError::IndexBroken)));
    assert!(matches!(list(&shelf, None, None, 1), Err(StoreError::IndexBroken)));
}

#[test]
fn a_filter_passes_what_it_names() {
    let revision = revision(1, "Flood", 1, vec![]);
    let payload = Withdrawal { title: "Flood", reason: "" }.encode().unwrap();
    let withdrawal = seal(2, 2, Kind::Withdrawal, vec![], &payload);
    let data = seal(3, 3, Kind::Data, vec![], b"");
    let broken = seal(4, 4, Kind::Revision, vec![], b"");
    let passed = |section: Option<&str>, topic: Option<&str>| {
        let filter = Filter { section: section.map(Into::into), topic: topic.map(Into::into) };
        [&revision, &withdrawal, &data, &broken].map(|update| filter.matches(update))
    };
    assert_eq!(passed(None, None), [true; 4]);
    assert_eq!(passed(Some("world"), None), [true, true, false, false]);
    assert_eq!(passed(Some("sport"), None), [false, true, false, false]);
    assert_eq!(passed(None, Some("weather")), [false, false, true, false]);
    assert_eq!(passed(None, Some("stories")), [true, true, false, true]);
    assert_eq!(passed(Some("world"), Some("weather")), [false; 4]);
}
