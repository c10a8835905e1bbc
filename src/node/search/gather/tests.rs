//! What is gathered from a log that is whole, damaged, or not on disk yet.

use super::*;
use crate::news::Withdrawal;
use crate::store::{Apply, Birth, SimDisk, StoreOptions};
use crate::update::{Draft, Kind, Seal, SigningKey};
use std::sync::Arc;

fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

/// A log, and what is gathered of it.
struct Bench {
    disk: SimDisk,
    store: Store,
    gather: Gather,
}

impl Bench {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let fresh = Birth::of(&key().public(), 7);
        // Without a cache what is damaged on disk is met at once.
        let options = StoreOptions { fresh, cache_bytes: 0, ..StoreOptions::default() };
        let (mut store, _) = Store::open(Arc::new(disk.clone()), options).unwrap();
        store.mark_early();
        let mut bench = Self { disk, store, gather: Gather::default() };
        bench.commit();
        bench
    }

    fn commit(&mut self) {
        self.store.seal(&key());
        while let Some(batch) = self.store.take_batch() {
            self.store.finish(batch.run()).unwrap();
        }
    }

    /// Writes an update of a story, which is named thereby.
    fn write(&mut self, kind: Kind, title: &str, payload: &[u8]) -> Update {
        let dot = self.store.next_dot();
        let update = Update::seal(Draft {
            dot,
            kind,
            previous: self.store.previous(),
            payload,
            ..Draft::sample(dot.seq)
        });
        let update = update.unwrap();
        self.store.append(&update, Apply::Now);
        news::apply(self.store.index_mut(), &update).unwrap();
        self.gather.last = Some((dot, update.cid()));
        self.gather.add(title, self.store.log_end());
        update
    }

    fn revise(&mut self, title: &str) -> Update {
        let revision = Revision { generation: 1, title, body: b"It rose.", ..Revision::default() };
        self.write(Kind::Revision, title, &revision.encode().unwrap())
    }

    fn withdraw(&mut self, title: &str) {
        let withdrawal = Withdrawal { title, reason: "", wire: b"" };
        self.write(Kind::Withdrawal, title, &withdrawal.encode().unwrap());
    }

    fn damage(&self, update: &Update) -> Seal {
        let seal = self.store.seal_of(update.dot()).unwrap().unwrap();
        let place = self.store.place_of(update.dot()).unwrap().unwrap();
        let name = format!("log-{:010}.seg", place.segment());
        let from = u64::from(place.offset());
        for at in from..from + update.raw().len() as u64 {
            self.disk.flip(&name, at, 0x55).unwrap();
        }
        seal
    }

    /// The titles of the next batch, and whether they have a text.
    fn batch(&mut self) -> Vec<(String, bool)> {
        let stories = self.gather.batch(&self.store).unwrap().stories;
        stories.into_iter().map(|(title, story)| (title, story.is_some())).collect()
    }
}

fn said(stories: &[(&str, bool)]) -> Vec<(String, bool)> {
    stories.iter().map(|(title, has_text)| ((*title).to_owned(), *has_text)).collect()
}

#[test]
fn a_damaged_head_hinders_no_other_story() {
    let mut bench = Bench::new();
    bench.revise("a");
    let lost = bench.revise("b");
    bench.revise("c");
    bench.withdraw("a");
    bench.commit();
    let seal = bench.damage(&lost);
    assert_eq!(bench.batch(), said(&[("a", false), ("b", false), ("c", true)]));
    assert!(bench.store.is_lost(lost.dot()) && !bench.gather.is_behind());
    // Reading the log comes past it, too.
    bench.gather.read_from(Place::default(), bench.store.log_end());
    assert_eq!(bench.batch(), said(&[("a", false), ("c", true)]));
    assert!(bench.gather.is_read());
    // It is given back.
    assert!(bench.store.restore(&lost, &seal).unwrap());
    bench.gather.add("b", bench.store.log_end());
    bench.commit();
    assert_eq!(bench.batch(), said(&[("b", true)]));
}

#[test]
fn a_name_waits_until_the_disk_has_what_it_names() {
    let mut bench = Bench::new();
    bench.revise("b");
    bench.commit();
    bench.revise("a");
    assert_eq!(bench.batch(), said(&[("b", true)]));
    assert_eq!(bench.batch(), []);
    assert!(bench.gather.has_names());
    // What is edited before its batch waits again.
    bench.commit();
    bench.withdraw("a");
    assert_eq!(bench.batch(), []);
    bench.commit();
    assert_eq!(bench.batch(), said(&[("a", false)]));
    assert!(!bench.gather.is_behind());
}
