//! Stories against a plain model: what is read depends on which updates were applied, never on
//! their order or number.

use super::*;
use crate::update::{Dot, Draft, Hlc};
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
    alias: usize,
}

const TITLES: [&str; 3] = ["Flood", "Flood ", "Match/1 é"];
const ALIASES: [&str; 5] = ["", "", "", "guid", "guid 2"];
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
        (prop::bool::weighted(0.05), 0..ALIASES.len()),
    );
    let step = step.prop_map(|(title, parents, section, clock, claim, located, last)| {
        let (is_withdrawal, alias) = last;
        Step { title, parents, section, clock, claim, located, is_withdrawal, alias }
    });
    prop::collection::vec(step, 1..25)
}

fn seal(seq: u64, clock: u64, kind: Kind, parents: Vec<Cid>, payload: &[u8]) -> Update {
    aliased_as("", seq, clock, kind, parents, payload)
}

fn aliased_as(
    alias: &str,
    seq: u64,
    clock: u64,
    kind: Kind,
    parents: Vec<Cid>,
    payload: &[u8],
) -> Update {
    let topic = if kind == Kind::Data { "weather" } else { TOPIC_STORIES };
    Update::seal(Draft {
        clock: Hlc(clock),
        kind,
        topic,
        alias,
        parents,
        payload,
        ..Draft::sample(seq)
    })
    .unwrap()
}

fn build(steps: &[Step]) -> Vec<Update> {
    let mut updates: Vec<Update> = Vec::new();
    for (seq, step) in (1..).zip(steps) {
        let title = TITLES[step.title];
        if step.is_withdrawal {
            let payload =
                Withdrawal { title, reason: &format!("no {seq}"), wire: b"" }.encode().unwrap();
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
        let (alias, payload) = (ALIASES[step.alias], payload.encode().unwrap());
        updates.push(aliased_as(alias, seq, step.clock, Kind::Revision, parents, &payload));
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
    out.push(format!("{:?}", changed_lines(shelf)));
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

fn changed_lines(shelf: &Map) -> Vec<ChangeLine> {
    let wanted = Wanted::default();
    pages(|mark| changes(shelf, &wanted, mark.map(|m| m.parse().unwrap()), 2).unwrap())
}

fn listed(shelf: &Map, section: Option<&str>) -> Vec<StoryLine> {
    pages(|mark| list(shelf, section, mark.map(|m| m.parse().unwrap()).as_ref(), 1).unwrap())
}

/// What is one to readers: the id of the least revision of the title and alias.
fn shown_of(updates: &[Update], update: &Update) -> Cid {
    let named = |update: &Update| {
        let revision = Revision::decode(update.payload()).ok()?;
        Some((revision.title.to_owned(), update.alias().to_owned()))
    };
    if update.alias().is_empty() {
        return update.cid();
    }
    let same = updates
        .iter()
        .filter(|other| other.kind() == Kind::Revision && named(other) == named(update));
    same.map(Update::cid).min().unwrap()
}

/// What the rules say of a story, from the updates alone.
fn check_against_model(shelf: &Map, updates: &[Update]) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut newest: BTreeSet<(u64, &str)> = BTreeSet::new();
    let mut changes: BTreeSet<(Hlc, Cid)> = BTreeSet::new();
    let shown: BTreeMap<Cid, Cid> =
        updates.iter().map(|update| (update.cid(), shown_of(updates, update))).collect();
    for title in TITLES {
        let all: Vec<(&Update, Revision<'_>)> = updates
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
        let Some(story) = story(shelf, title).unwrap() else {
            assert!(all.is_empty() && withdrawn.is_none());
            continue;
        };
        assert_eq!(story.withdrawn.as_ref().map(|w| (w.at, w.cid)), withdrawn);
        let lines = history(shelf, title, None, 1000).unwrap().lines;
        if let Some((at, _)) = withdrawn {
            assert_eq!((story.heads, story.revisions, story.first), (vec![], 0, at));
            assert_eq!(lines, []);
            changes.extend(withdrawn);
            continue;
        }
        let followed: BTreeSet<Cid> = all
            .iter()
            .flat_map(|(update, _)| {
                let by = shown[&update.cid()];
                update.parents().map(|parent| shown[&parent]).filter(move |of| *of != by)
            })
            .collect();
        let one: Vec<_> = all.iter().filter(|(u, _)| shown[&u.cid()] == u.cid()).collect();
        let mut heads: Vec<_> = one
            .iter()
            .filter(|(update, _)| !followed.contains(&update.cid()))
            .map(|(update, revision)| (revision.generation, update.cid(), update.clock(), revision))
            .collect();
        heads.sort_by_key(|(generation, cid, ..)| (*generation, *cid));
        heads.reverse();
        let mut cids: Vec<Cid> = heads.iter().map(|(_, cid, ..)| *cid).collect();
        let newest_one = one.iter().map(|(update, _)| (update.clock(), update.cid())).max();
        if let (true, Some((_, cid))) = (cids.is_empty(), newest_one) {
            cids.push(cid);
        }
        assert_eq!(story.heads.iter().map(|head| head.cid).collect::<Vec<_>>(), cids);
        assert_eq!(story.conflicts as usize, cids.len().saturating_sub(1));
        assert_eq!(story.revisions as usize, one.len());
        assert!(lines.is_sorted_by(|a, b| (a.at, a.cid) > (b.at, b.cid)));
        let in_history: BTreeSet<Cid> = lines.iter().map(|line| line.cid).collect();
        changes.extend(one.iter().map(|(update, _)| (update.clock(), update.cid())));
        assert_eq!(in_history, one.iter().map(|(update, _)| update.cid()).collect());
        match (heads.first(), newest_one) {
            (Some((_, _, clock, head)), _) => {
                newest.insert((clock.0, title));
                *counts.entry(head.section.to_owned()).or_default() += 1;
            }
            (None, Some((clock, _))) => {
                newest.insert((clock.0, title));
            }
            (None, None) => unreachable!("a story has a revision or is withdrawn"),
        }
    }
    let changed = changed_lines(shelf).into_iter().map(|line| (line.at, line.cid));
    assert_eq!(changed.collect::<Vec<_>>(), changes.into_iter().rev().collect::<Vec<_>>());
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

/// The titles that are withdrawn by any of the updates.
fn withdrawn_titles(updates: &[Update]) -> BTreeSet<String> {
    let withdrawals = updates.iter().filter(|update| update.kind() == Kind::Withdrawal);
    withdrawals.map(|u| Withdrawal::decode(u.payload()).unwrap().title.to_owned()).collect()
}

/// The updates whose payloads are to be erased, when all is known.
fn to_erase(updates: &[Update]) -> BTreeSet<Dot> {
    let titles = withdrawn_titles(updates);
    let is_gone = |update: &&Update| {
        update.kind() == Kind::Revision
            && titles.contains(Revision::decode(update.payload()).unwrap().title)
    };
    updates.iter().filter(is_gone).map(Update::dot).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn order_and_repeats_change_no_row(
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
        prop_assert_eq!(&in_order, &shuffled);
        prop_assert_eq!(readings(&in_order), readings(&shuffled));
        check_against_model(&in_order, &updates);
        for update in &updates {
            match apply(&mut shuffled, update).unwrap() {
                Applied::Known => {}
                // Nothing says any more that it was here; it is to be erased all the same.
                Applied::Story(change) => prop_assert_eq!(change.erase, vec![update.dot()]),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(&in_order, &shuffled);
    }

    #[test]
    fn stubs_leave_what_the_whole_updates_leave_and_all_that_was_withdrawn_is_erased(
        steps in steps(),
        order in Just((0..25_usize).collect::<Vec<_>>()).prop_shuffle(),
        erased_early in prop::collection::vec(any::<bool>(), 25),
    ) {
        let updates = build(&steps);
        let erase = to_erase(&updates);
        let mut whole = Map::new();
        let mut told = BTreeSet::new();
        for update in &updates {
            if let Applied::Story(change) = apply(&mut whole, update).unwrap() {
                told.extend(change.erase);
            }
        }
        prop_assert_eq!(&told, &erase);
        let mut stubs = Map::new();
        for at in order.into_iter().filter(|at| *at < updates.len()) {
            let update = &updates[at];
            // A late node gets some as stubs, others whole from nodes that know no better yet.
            if erased_early[at] && erase.contains(&update.dot()) {
                prop_assert_eq!(apply(&mut stubs, &update.erase()).unwrap(), Applied::Erased);
            } else {
                apply(&mut stubs, update).unwrap();
            }
        }
        prop_assert_eq!(whole, stubs);
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
    let payload = Withdrawal { title: "Flood", reason: "wrong", wire: b"" }.encode().unwrap();
    let withdrawal = seal(5, 5, Kind::Withdrawal, vec![], &payload);
    let change = changed(apply(&mut shelf, &withdrawal).unwrap());
    let dots = [&first, &left, &right, &joined].map(Update::dot);
    assert_eq!((change.is_withdrawn, change.head), (true, None));
    assert_eq!(change.erase.iter().copied().collect::<BTreeSet<_>>(), dots.into());
    let late = revision(6, "Flood", 4, vec![joined.cid()]);
    let change = changed(apply(&mut shelf, &late).unwrap());
    assert_eq!((change.is_withdrawn, change.erase), (true, vec![late.dot()]));
    assert_eq!(list(&shelf, None, None, 10).unwrap().lines, []);
    assert_eq!(sections(&shelf).unwrap(), []);
}

#[test]
fn two_revisions_of_one_alias_are_one_to_readers() {
    let mut shelf = Map::new();
    let first = revision(1, "Flood", 1, vec![]);
    let payload = Revision { generation: 2, title: "Flood", ..Revision::default() };
    let payload = payload.encode().unwrap();
    let [a, b] =
        [2, 3].map(|seq| aliased_as("guid", seq, seq, Kind::Revision, vec![first.cid()], &payload));
    let (least, other) = if a.cid() < b.cid() { (&a, &b) } else { (&b, &a) };
    let child = revision(4, "Flood", 3, vec![other.cid()]);
    for update in [&first, other] {
        apply(&mut shelf, update).unwrap();
    }
    assert_eq!(aliased(&shelf, "Flood", "guid").unwrap(), Some(other.cid()));
    assert_eq!(aliased(&shelf, "Match", "guid").unwrap(), None);
    let change = changed(apply(&mut shelf, least).unwrap());
    assert_eq!((change.head, change.conflicts), (Some(least.cid()), 0));
    // A writer who read the other may go on from it, and a condition that names it holds.
    let edit = Verdict::Edit { parents: vec![least.cid()], generation: 3 };
    let judged = |base, ask| judge_in(&shelf, "Flood", base, ask).unwrap().0;
    assert_eq!(judged(Some(other.cid()), Ask::default()), edit);
    let if_match = Condition::Ids(vec![other.cid()]);
    assert_eq!(judged(None, Ask { if_match, ..Ask::default() }), edit);
    let change = changed(apply(&mut shelf, &child).unwrap());
    assert_eq!((change.head, change.conflicts), (Some(child.cid()), 0));
    let lines = history(&shelf, "Flood", None, 10).unwrap().lines;
    let shown: Vec<Cid> = lines.iter().map(|line| line.cid).collect();
    assert_eq!(shown, [child.cid(), least.cid(), first.cid()]);
    assert_eq!(lines[0].parents, [least.cid()]);
    assert_eq!(revision_place(&shelf, other.cid()).unwrap().unwrap().shown, least.cid());
}

#[test]
fn the_common_ancestor_is_the_nearest_revision_that_both_began_from() {
    let mut shelf = Map::new();
    let root = revision(1, "Flood", 1, vec![]);
    let fork = revision(2, "Flood", 2, vec![root.cid()]);
    let left = revision(3, "Flood", 3, vec![fork.cid()]);
    let right = revision(4, "Flood", 3, vec![fork.cid()]);
    let joined = revision(5, "Flood", 4, vec![left.cid(), right.cid()]);
    let later = revision(6, "Flood", 4, vec![right.cid()]);
    let apart = revision(7, "Flood", 1, vec![]);
    for update in [&root, &fork, &left, &right, &joined, &later, &apart] {
        apply(&mut shelf, update).unwrap();
    }
    let common = |a: &Update, b: &Update| {
        let found = common_ancestor(&shelf, "Flood", a.cid(), b.cid()).unwrap();
        assert_eq!(found, common_ancestor(&shelf, "Flood", b.cid(), a.cid()).unwrap());
        found
    };
    assert_eq!(common(&left, &right), Some(fork.cid()));
    assert_eq!(common(&joined, &later), Some(right.cid()));
    assert_eq!(common(&joined, &root), Some(root.cid()));
    assert_eq!(common(&left, &left), Some(left.cid()));
    assert_eq!(common(&joined, &apart), None);
    let unknown = common_ancestor(&shelf, "Flood", left.cid(), Cid([1; 32])).unwrap();
    assert_eq!(unknown, None);
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
            erase: vec![],
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
        topic: "sport",
        payload: revision(2, "Flood", 1, vec![]).payload(),
        ..Draft::sample(2)
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
    let payload = Withdrawal { title: "Flood", reason: "", wire: b"" }.encode().unwrap();
    let withdrawal = seal(2, 2, Kind::Withdrawal, vec![], &payload);
    let data = seal(3, 3, Kind::Data, vec![], b"");
    let broken = seal(4, 4, Kind::Revision, vec![], b"");
    let all = [&revision, &withdrawal, &data, &broken];
    let passed = |section: Option<&str>, topic: Option<&str>| {
        let (section, topic) = (section.map(Into::into), topic.map(Into::into));
        let filter = Filter { section, topic, title: None };
        all.map(|update| filter.matches(update))
    };
    let of_story = |title: &str| {
        let filter = Filter { title: Some(title.to_owned()), ..Filter::default() };
        all.map(|update| filter.matches(update))
    };
    assert_eq!(of_story("Flood"), [true, true, false, false]);
    assert_eq!(of_story("Flood "), [false; 4]);
    assert_eq!(passed(None, None), [true; 4]);
    assert_eq!(passed(Some("world"), None), [true, true, false, false]);
    assert_eq!(passed(Some("sport"), None), [false, true, false, false]);
    assert_eq!(passed(None, Some("weather")), [false, false, true, false]);
    assert_eq!(passed(None, Some("stories")), [true, true, false, true]);
    assert_eq!(passed(Some("world"), Some("weather")), [false; 4]);
}
