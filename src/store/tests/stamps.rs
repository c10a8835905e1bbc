//! What an audit reads, a page at a time.

use super::*;

#[test]
fn a_page_of_stamps_reads_so_many_bytes_of_long_updates_and_no_more() {
    let sim = SimDisk::new(1);
    let large = StoreOptions { segment_bytes: 4 << 20, ..options(5) };
    let (mut store, _) = Store::open(disk(&sim), large).unwrap();
    let long = "x".repeat(300 << 10);
    let texts = ["short", &long, &long, &long, &long, "short", &long, "short", &long.repeat(5)];
    let all: Vec<Update> =
        texts.iter().map(|text| own(&mut store, text, Apply::OnCommit)).collect();
    commit(&mut store);
    let (mut after, mut read, mut pages) = (None, Vec::new(), Vec::new());
    loop {
        let (stamps, last) = store.stamps(after, 256).unwrap();
        pages.push(stamps.len());
        read.extend(stamps);
        match last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    assert_eq!(pages, [4, 4, 1], "1 MiB, or one update alone");
    let stamp = |update: &Update| (update.dot(), (update.clock(), update.cid()));
    assert_eq!(read, all.iter().map(stamp).collect::<Vec<_>>());
    // By number, too; at the end there is no place to go on behind.
    let (stamps, last) = store.stamps(Some(all[4].dot()), 2).unwrap();
    assert_eq!((stamps.len(), last), (2, Some(all[6].dot())));
    assert_eq!(store.stamps(Some(all[8].dot()), 2).unwrap(), (Vec::new(), None));
}
