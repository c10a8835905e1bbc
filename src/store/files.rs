//! The real disk: a directory of the file system. The only file of the store that touches one.

use super::disk::{Disk, DiskFile, DiskLock};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const LOCK_NAME: &str = "lock";

/// A directory; made at the first lock if it is not there.
#[derive(Debug)]
pub struct FileDisk {
    dir: PathBuf,
    work: Arc<DiskWork>,
}

impl FileDisk {
    /// A disk over `dir`. Touches nothing yet.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, work: Arc::default() }
    }

    /// What tells whether it is at work, on whatever thread.
    pub fn work(&self) -> Arc<DiskWork> {
        Arc::clone(&self.work)
    }
}

/// Counts what a disk does: by this it can be told whether one that takes long is stuck.
#[derive(Debug, Default)]
pub struct DiskWork {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl DiskWork {
    /// True while something is being done, or when it was since `last`, which remembers how far
    /// that has come.
    pub fn goes_on(&self, last: &mut u64) -> bool {
        let ended = self.ended.load(Ordering::Acquire);
        let has_moved = std::mem::replace(last, ended) != ended;
        has_moved || self.begun.load(Ordering::Acquire) != ended
    }

    fn count<T>(&self, work: impl FnOnce() -> T) -> T {
        self.begun.fetch_add(1, Ordering::AcqRel);
        let done = work();
        self.ended.fetch_add(1, Ordering::AcqRel);
        done
    }
}

impl Disk for FileDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create).truncate(false).mode(0o600);
        let file = options.open(self.dir.join(name))?;
        Ok(Arc::new(OsFile { file, work: self.work() }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            // A name that is not UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.work.count(|| fs::remove_file(self.dir.join(name)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.work.count(|| File::open(&self.dir)?.sync_all())
    }

    fn lock(&self) -> io::Result<DiskLock> {
        if !self.dir.is_dir() {
            fs::create_dir_all(&self.dir)?;
            if let Some(parent) = self.dir.parent().filter(|parent| parent.is_dir()) {
                File::open(parent)?.sync_all()?;
            }
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(self.dir.join(LOCK_NAME))?;
        match file.try_lock() {
            Ok(()) => Ok(DiskLock::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn identity(&self) -> io::Result<[u64; 3]> {
        // Made once and never written. Its number may be used again after a removal; the time of
        // its last change is the system's own, which no program that copies files can set.
        let lock = fs::metadata(self.dir.join(LOCK_NAME))?;
        Ok([lock.ino(), lock.ctime() as u64, lock.ctime_nsec() as u64])
    }
}

#[derive(Debug)]
struct OsFile {
    file: File,
    work: Arc<DiskWork>,
}

impl OsFile {
    fn fill(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < out.len() {
            match self.file.read_at(&mut out[done..], at + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

impl DiskFile for OsFile {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        self.work.count(|| self.fill(at, out))
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.work.count(|| self.file.write_all_at(bytes, at))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.work.count(|| self.file.sync_data())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.work.count(|| self.file.set_len(len))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Apply, Birth, NewEpoch, Place, Store, StoreError, StoreOptions};
    use super::*;
    use crate::update::{Dot, Draft, Epoch, Kind, Update};

    #[test]
    fn a_disk_is_at_work_while_it_does_something_and_when_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(dir.path().to_owned());
        let (work, mut last) = (disk.work(), 0);
        assert!(!work.goes_on(&mut last));
        let file = disk.open("a", true).unwrap();
        for step in [file.write_at(0, b"a"), file.sync_data(), file.set_len(9), disk.sync_dir()] {
            step.unwrap();
        }
        assert!(work.goes_on(&mut last));
        assert!(!work.goes_on(&mut last));
        work.count(|| {
            assert!(work.goes_on(&mut last) && work.goes_on(&mut last));
        });
        assert!(work.goes_on(&mut last));
        assert!(!work.goes_on(&mut last));
        file.read_at(0, &mut [0]).unwrap();
        assert!(work.goes_on(&mut last));
    }

    fn disk(dir: &tempfile::TempDir) -> Arc<dyn Disk> {
        Arc::new(FileDisk::new(dir.path().join("made/at/lock")))
    }

    fn options(epoch: u64) -> StoreOptions {
        let fresh = Birth { epoch: Epoch(epoch), salt: 0 };
        StoreOptions { segment_bytes: 4096, fresh, ..StoreOptions::default() }
    }

    fn publish(store: &mut Store, seq: u64) -> Update {
        let update = Update::seal(Draft {
            dot: Dot { epoch: Epoch(99), seq },
            kind: Kind::Data,
            topic: "t",
            payload: &[b'x'; 300],
            ..Draft::sample(seq)
        })
        .unwrap();
        store.append(&update, Apply::Now);
        update
    }

    fn read_all(store: &Store) -> Vec<Update> {
        let mut place = Place::START;
        std::iter::from_fn(|| {
            let (update, next) = store.read_from(place).unwrap()?;
            place = next;
            Some(update)
        })
        .collect()
    }

    #[test]
    fn a_store_on_files_comes_back_after_a_drop_a_tear_and_the_loss_of_its_index() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, report) = Store::open(disk(&dir), options(1)).unwrap();
        assert_eq!(report.new_epoch_because, Some(NewEpoch::LogBorn));
        assert!(matches!(Store::open(disk(&dir), options(2)), Err(StoreError::Locked)));
        let all: Vec<Update> = (1..=50).map(|seq| publish(&mut store, seq)).collect();
        while let Some(batch) = store.take_batch() {
            store.finish(batch.run()).unwrap();
        }
        assert!(store.log_end().segment() > 3);
        let checkpoint = store.take_checkpoint().unwrap();
        store.finish_checkpoint(checkpoint.run()).unwrap();
        drop(store);

        let (mut store, report) = Store::open(disk(&dir), options(2)).unwrap();
        assert_eq!((report.epoch, report.updates_to_replay), (Epoch(1), 0));
        assert_eq!(read_all(&store), all);
        publish(&mut store, 51);
        let last = store.log_end();
        store.close().unwrap();

        let home = dir.path().join("made/at/lock");
        fs::remove_file(home.join("index.redb")).unwrap();
        let name = format!("log-{:010}.seg", last.segment());
        let file = OpenOptions::new().write(true).open(home.join(name)).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        let (mut store, report) = Store::open(disk(&dir), options(3)).unwrap();
        assert_eq!(report.new_epoch_because, Some(NewEpoch::Cut));
        assert!(report.index_rebuilt && report.to_string().contains("torn bytes"));
        assert_eq!(store.replay(1000).unwrap(), all);
        assert_eq!(store.replay(1000).unwrap(), []);
        assert_eq!(store.by_cid(all[7].cid()).unwrap().as_ref(), Some(&all[7]));
        store.close().unwrap();
    }
}
