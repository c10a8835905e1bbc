//! Data that is much larger than the memory that it is read with.

use super::super::{Direction, Replay, ReplayOrder};
use super::*;
use std::ops::Bound;

#[test]
fn data_ten_times_the_caches_is_written_read_and_caught_up_with() {
    let sim = SimDisk::new(6);
    let small = StoreOptions { segment_bytes: 256 << 10, ..options(5) };
    let (mut store, _) = Store::open(disk(&sim), small).unwrap();
    let text = "y".repeat(900);
    let count = 1500_u64;
    for seq in 1..=count {
        relayed(&mut store, seq, &text);
        let key = [&b"row"[..], &seq.to_be_bytes()].concat();
        store.index_mut().put(key, vec![seq as u8; 8000]);
        if seq % 100 == 0 {
            commit(&mut store);
            // The last third stays out of the index's file.
            assert!(seq > 1000 || checkpoint(&mut store));
        }
    }
    let log: u64 = (1..=store.log_end().segment())
        .map(|number| sim.open(&super::super::frame::segment_name(number), false).unwrap())
        .map(|file| file.len().unwrap())
        .sum();
    assert!(log > 10 * small.cache_bytes as u64, "{log} bytes of log");
    let index = sim.open(super::super::engine::INDEX_NAME, false).unwrap().len().unwrap();
    assert!(index > 7 * small.index_cache_bytes as u64, "{index} bytes of index");

    let (mut store, report) = Store::open(disk(&sim.kill()), small).unwrap();
    assert_eq!(report.updates_to_replay, 500);
    let mut replayed = 0;
    loop {
        let updates = store.replay(20).unwrap();
        // A chunk of twenty on top of the bound, by what it costs here.
        assert!(store.overlay_bytes() < small.overlay_bytes_max + 20 * 600);
        replayed += updates.len() as u64;
        if updates.is_empty() {
            break;
        }
    }
    assert_eq!(replayed, 500);
    assert_eq!(read_all(&store).len() as u64, count);
    let mut replay = Replay::new(store.held().spans().collect(), ReplayOrder::Clock);
    let mut clock = 0;
    while let Some(update) = replay.next(&store).unwrap() {
        assert_eq!(update.clock().0, clock + 1);
        clock += 1;
    }
    assert_eq!(clock, count);
    let rows = (Bound::Included(&b"row"[..]), Bound::Unbounded);
    let last = store.index().scan(rows.0, rows.1, 3, Direction::Down).unwrap();
    assert_eq!(last[0].1, vec![1000_u64 as u8; 8000]);
}

#[test]
fn a_reader_of_the_whole_log_reads_each_byte_about_once() {
    let sim = SimDisk::new(6);
    let (mut store, ..) = open(&sim, 5).unwrap();
    for seq in 1..=1000 {
        relayed(&mut store, seq, "z");
    }
    commit(&mut store);
    let before = sim.reads();
    assert_eq!(read_all(&store).len(), 1000);
    let reads = sim.reads() - before;
    let segments = u64::from(store.log_end().segment());
    // One block and one header a segment, as segments are smaller than a block here.
    assert!(reads <= 3 * segments, "{reads} reads of {segments} segments");
}
