//! What is said to a foreign server, over a real store on a simulated disk.

use super::*;
use crate::store::{Apply, Birth, SimDisk, StoreOptions};
use crate::update::{Draft, Epoch, Update};
use std::sync::Arc;

fn store() -> Store {
    let disk = Arc::new(SimDisk::new(1));
    let fresh = Birth { epoch: Epoch(7), salt: 7 };
    let options = StoreOptions { fresh, ..StoreOptions::default() };
    Store::open(disk, options).expect("it opens").0
}

fn hold(store: &mut Store, seqs: std::ops::RangeInclusive<u64>, kind: Kind) {
    for seq in seqs {
        let update = Update::seal(Draft {
            dot: Dot { epoch: Epoch(9), seq },
            kind,
            topic: "places",
            payload: format!("report {seq}").as_bytes(),
            ..Draft::sample(seq)
        });
        store.append(&update.expect("a good draft"), Apply::Now);
    }
}

/// A table of so many reports; the key is the number of the last.
fn table(rows: usize) -> impl Fn(Option<&[u8]>, usize) -> Result<ReportPage, StoreError> {
    move |after, limit| {
        let from = after.map_or(0, |key| usize::from_be_bytes(key.try_into().unwrap()) + 1);
        let to = rows.min(from + limit);
        let lines = (from..to).map(|row| format!("row {row}").into_bytes()).collect();
        Ok((lines, (to < rows).then(|| (to - 1).to_be_bytes().to_vec())))
    }
}

fn lines(out: &OutBuf) -> Vec<String> {
    let text = String::from_utf8(out.as_one().unwrap_or_default().to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_server_that_was_away_gets_a_share_a_turn_and_in_the_end_everything_once() {
    let mut store = store();
    let mut outpour = Outpour::new(&store);
    hold(&mut store, 1..=1_000, Kind::Report);
    let mut out = OutBuf::new();
    let mut turns = 0;
    loop {
        let before = lines(&out).len();
        let poured = outpour.pour(&store, table(500), 1 << 20, &mut out).unwrap();
        assert!(lines(&out).len() - before <= TURN_ITEMS);
        turns += 1;
        if poured == Poured::All {
            break;
        }
    }
    assert!(turns > 1_500 / TURN_ITEMS, "{turns} turns");
    let lines = lines(&out);
    assert_eq!(lines.len(), 1_500);
    assert!(lines[499].ends_with("row 499") && lines[500].ends_with("report 1"));
    assert!(lines[1_499].ends_with("report 1000"));
}

#[test]
fn what_is_no_report_is_passed_over_a_share_a_turn() {
    let mut store = store();
    let mut outpour = Outpour::new(&store);
    hold(&mut store, 1..=1_000, Kind::Data);
    let mut out = OutBuf::new();
    for turn in 0..1_000 / TURN_ITEMS as u64 {
        let poured = outpour.pour(&store, table(0), 1 << 20, &mut out).unwrap();
        assert_eq!(poured, Poured::Share, "turn {turn}");
        assert_eq!(outpour.feed.cursor().0.count(), (turn + 1) * TURN_ITEMS as u64);
    }
    assert_eq!(outpour.pour(&store, table(0), 1 << 20, &mut out).unwrap(), Poured::All);
    assert!(out.is_empty());
}

#[test]
fn no_more_is_written_than_there_is_room_for() {
    let mut store = store();
    let mut outpour = Outpour::new(&store);
    hold(&mut store, 1..=1_000, Kind::Report);
    let mut out = OutBuf::new();
    assert_eq!(outpour.pour(&store, table(0), 100, &mut out).unwrap(), Poured::Share);
    assert!((100..150).contains(&out.len()), "{} bytes", out.len());
}
