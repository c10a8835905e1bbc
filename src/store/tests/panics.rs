//! A disk whose code panics: the store takes it for one that failed.

use super::super::{DiskFile, DiskLock};
use super::*;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Panics at whatever changes or opens a file, while it is told to.
#[derive(Clone)]
struct Panicking {
    disk: SimDisk,
    panics: Arc<AtomicBool>,
}

struct PanickingFile {
    file: Arc<dyn DiskFile>,
    panics: Arc<AtomicBool>,
}

fn panic_if(panics: &AtomicBool) {
    assert!(!panics.load(Ordering::Relaxed), "the disk's code panics on purpose");
}

impl Disk for Panicking {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        panic_if(&self.panics);
        let (file, panics) = (self.disk.open(name, create)?, Arc::clone(&self.panics));
        Ok(Arc::new(PanickingFile { file, panics }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn lock(&self) -> io::Result<DiskLock> {
        self.disk.lock()
    }

    fn identity(&self) -> io::Result<[u64; 3]> {
        self.disk.identity()
    }
}

impl DiskFile for PanickingFile {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, out)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        panic_if(&self.panics);
        self.file.write_at(at, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        panic_if(&self.panics);
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

#[test]
fn a_batch_that_panics_has_failed_and_the_next_one_goes_through() {
    let panics = Arc::new(AtomicBool::new(false));
    let disk = Panicking { disk: SimDisk::new(1), panics: Arc::clone(&panics) };
    let (mut store, _) = Store::open(Arc::new(disk.clone()), options(5)).unwrap();
    let a = own(&mut store, "a", Apply::OnCommit);
    panics.store(true, Ordering::Relaxed);
    let done = batch(&mut store).unwrap().run();
    assert!(!done.is_ok());
    assert_eq!(store.finish(done).unwrap_err().refused, [a]);
    assert!(store.is_failing());
    panics.store(false, Ordering::Relaxed);
    commit(&mut store);
    let b = own(&mut store, "b", Apply::OnCommit);
    commit(&mut store);
    let (store, report, _) = open(&disk.disk.kill(), 6).unwrap();
    assert_eq!((report.cut, read_all(&store)), (None, vec![b]));
}

#[test]
fn a_checkpoint_that_panics_has_failed_and_the_log_still_has_all() {
    let panics = Arc::new(AtomicBool::new(false));
    let disk = Panicking { disk: SimDisk::new(1), panics: Arc::clone(&panics) };
    let (mut store, _) = Store::open(Arc::new(disk.clone()), options(5)).unwrap();
    let a = own(&mut store, "a", Apply::OnCommit);
    commit(&mut store);
    panics.store(true, Ordering::Relaxed);
    let done = store.take_checkpoint().unwrap().run();
    assert!(!done.is_ok());
    store.finish_checkpoint(done).unwrap_err();
    panics.store(false, Ordering::Relaxed);
    let b = own(&mut store, "b", Apply::OnCommit);
    commit(&mut store);
    let (store, _, replayed) = open(&disk.disk.kill(), 6).unwrap();
    assert_eq!((replayed, read_all(&store)), (vec![a.clone(), b.clone()], vec![a, b]));
}
