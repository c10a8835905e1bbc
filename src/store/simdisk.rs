//! A disk in memory that keeps only what it promised. Writes reach it at once for readers; a crash
//! keeps what was synced, and of the rest whatever the dice say: whole writes, torn ones, later
//! ones without earlier ones, lengths forgotten, new names forgotten. Seeded: the same calls with
//! the same seed end in the same image.

use super::disk::{Disk, DiskFile, DiskLock};
use crate::base::Rng;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

const PAGE_BYTES: usize = 4096;
/// A write reaches a disk in pieces of this size, in any order.
const SECTOR_BYTES: usize = 512;

/// What a simulated disk refuses to do, until [`SimDisk::heal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No write may make a file longer (ENOSPC); a write fails after a part of it was done.
    Full,
    /// Whoever writes panics.
    Panic,
    /// Writes fail after a part of them was done (EIO).
    Write,
    /// Syncs fail (EIO). What was to be synced is forgotten, or not, and no later sync saves it.
    Sync,
}

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<World>>);

struct World {
    rng: Rng,
    files: Vec<SimFile>,
    names: BTreeMap<String, usize>,
    names_synced: BTreeMap<String, usize>,
    lock: Weak<()>,
    identity: u64,
    fault: Option<Fault>,
    /// How many more changing calls are carried out before the power fails.
    calls_left: Option<u64>,
    calls: u64,
    reads: u64,
}

#[derive(Clone, Default)]
struct SimFile {
    live: Image,
    synced: Image,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// The bytes of a file, in pages that clones share.
#[derive(Clone, Default)]
struct Image {
    pages: BTreeMap<u64, Arc<[u8; PAGE_BYTES]>>,
    len: u64,
}

impl Image {
    fn read(&self, at: u64, out: &mut [u8]) -> usize {
        let count = (self.len.saturating_sub(at)).min(out.len() as u64) as usize;
        for (page, skip, range) in pieces(at, count, PAGE_BYTES) {
            let out = &mut out[range];
            match self.pages.get(&page) {
                Some(bytes) => out.copy_from_slice(&bytes[skip..skip + out.len()]),
                None => out.fill(0),
            }
        }
        count
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        for (page, skip, range) in pieces(at, bytes.len(), PAGE_BYTES) {
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE_BYTES]));
            Arc::make_mut(page)[skip..skip + range.len()].copy_from_slice(&bytes[range]);
        }
        self.len = self.len.max(at + bytes.len() as u64);
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len {
            let first_gone = len.div_ceil(PAGE_BYTES as u64);
            self.pages.split_off(&first_gone);
            if let Some(page) = self.pages.get_mut(&(len / PAGE_BYTES as u64)) {
                Arc::make_mut(page)[(len % PAGE_BYTES as u64) as usize..].fill(0);
            }
        }
        self.len = len;
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write(at, bytes) => self.write(*at, bytes),
            Change::Length(len) => self.set_len(*len),
        }
    }

    /// Does the last changes that `later` has seen: shares its pages where a whole one was written.
    fn apply_as_in(&mut self, change: &Change, later: &Self) {
        let Change::Write(at, bytes) = change else { return self.apply(change) };
        for (page, skip, range) in pieces(*at, bytes.len(), PAGE_BYTES) {
            match later.pages.get(&page).filter(|_| range.len() == PAGE_BYTES) {
                Some(whole) => drop(self.pages.insert(page, Arc::clone(whole))),
                None => self.write(page * PAGE_BYTES as u64 + skip as u64, &bytes[range]),
            }
        }
        self.len = self.len.max(at + bytes.len() as u64);
    }

    /// Does a part of a change: some of the sectors of a write, and perhaps a piece of one.
    fn tear(&mut self, change: &Change, rng: &mut Rng) {
        let Change::Write(at, bytes) = change else { return };
        let torn_at = rng.below(bytes.len() as u64 + 1) as usize;
        if rng.chance(1, 2) {
            return self.write(*at, &bytes[..torn_at]);
        }
        for (_, _, range) in pieces(*at, bytes.len(), SECTOR_BYTES) {
            if rng.chance(1, 2) {
                self.write(at + range.start as u64, &bytes[range]);
            }
        }
    }
}

/// Splits a range at multiples of `size`: (number of the piece, offset in it, range of bytes).
fn pieces(
    at: u64,
    len: usize,
    size: usize,
) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let from = at + done as u64;
        let skip = (from % size as u64) as usize;
        let count = (size - skip).min(len - done);
        let range = done..done + count;
        done += count;
        (count > 0).then_some((from / size as u64, skip, range))
    })
}

impl SimFile {
    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.changes.push(change);
    }

    fn sync(&mut self) {
        for change in self.changes.drain(..) {
            self.synced.apply_as_in(&change, &self.live);
        }
    }

    /// A sync that fails: some of the changes reach the disk, the rest never will by themselves.
    fn fail_sync(&mut self, rng: &mut Rng) {
        for change in std::mem::take(&mut self.changes) {
            if rng.chance(1, 2) {
                self.synced.apply(&change);
            }
        }
    }

    /// What is left after a crash.
    fn crash(&self, rng: &mut Rng) -> Self {
        let mut image = self.synced.clone();
        // All of it, nothing of it, or each change by itself.
        let mode = rng.below(4);
        for change in &self.changes {
            match if mode < 2 { mode } else { rng.below(3) } {
                0 => {}
                1 => image.apply(change),
                _ => image.tear(change, rng),
            }
        }
        if image.len > self.synced.len && rng.chance(1, 8) {
            image.set_len(self.synced.len + rng.below(image.len - self.synced.len));
        }
        Self { live: image.clone(), synced: image, changes: Vec::new() }
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            rng: Rng::new(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            names_synced: BTreeMap::new(),
            lock: Weak::new(),
            identity: 0,
            fault: None,
            calls_left: None,
            calls: 0,
            reads: 0,
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk as it is after the power failed at this moment: another disk, free to be locked.
    /// This one goes on as if nothing had happened.
    pub fn crash(&self, rng: &mut Rng) -> Self {
        let world = self.world();
        let mut names = world.names_synced.clone();
        let all = world.names.iter().chain(&world.names_synced).map(|(name, _)| name);
        for name in all.collect::<std::collections::BTreeSet<_>>() {
            let (live, synced) = (world.names.get(name), world.names_synced.get(name));
            if live != synced && rng.chance(1, 2) {
                match live {
                    Some(&file) => names.insert(name.clone(), file),
                    None => names.remove(name),
                };
            }
        }
        let files = world.files.iter().map(|file| file.crash(rng)).collect();
        let after = Self::new(rng.next_u64());
        let mut image = after.world();
        image.files = files;
        image.identity = world.identity;
        image.names.clone_from(&names);
        image.names_synced = names;
        drop(image);
        after
    }

    /// The disk as it is after the process died and the machine went on: nothing is lost.
    pub fn kill(&self) -> Self {
        let world = self.world();
        let after = Self::new(0);
        let mut image = after.world();
        image.rng = world.rng.clone();
        image.identity = world.identity;
        image.files.clone_from(&world.files);
        image.names.clone_from(&world.names);
        image.names_synced.clone_from(&world.names_synced);
        drop(image);
        after
    }

    /// What a backup of the files makes: the same as after [`SimDisk::kill`], elsewhere.
    pub fn copied(&self) -> Self {
        let copy = self.kill();
        copy.world().identity += 1;
        copy
    }

    /// From now on, calls of this kind fail.
    pub fn fail_writes(&self, fault: Fault) {
        self.world().fault = Some(fault);
    }

    /// From now on, no call fails.
    pub fn heal(&self) {
        self.world().fault = None;
    }

    /// Carries out `calls` more calls that change anything, and none after them: as if the power
    /// failed at that moment, so that [`SimDisk::crash`] can be taken of it later.
    pub fn stop_after(&self, calls: u64) {
        self.world().calls_left = Some(calls);
    }

    /// True once the power has failed.
    pub fn is_stopped(&self) -> bool {
        self.world().calls_left == Some(0)
    }

    /// How many calls that change anything were made.
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// How many reads were made.
    pub fn reads(&self) -> u64 {
        self.world().reads
    }

    /// Every byte that is on it, file by file: as readers find it, and, where that differs, as a
    /// crash might leave it.
    pub fn images(&self) -> Vec<Vec<u8>> {
        let world = self.world();
        let read = |image: &Image| {
            let mut bytes = vec![0; image.len as usize];
            image.read(0, &mut bytes);
            bytes
        };
        let live = world.names.values().map(|file| read(&world.files[*file].live));
        let is_stale = |(name, file): &(&String, &usize)| {
            !world.files[**file].changes.is_empty() || world.names.get(*name) != Some(file)
        };
        let stale = world.names_synced.iter().filter(is_stale);
        let stale = stale.map(|(_, file)| read(&world.files[*file].synced));
        live.chain(stale).collect()
    }

    /// Changes one byte of a file, as a failing medium would: on disk, without a write.
    pub fn flip(&self, name: &str, at: u64, mask: u8) -> io::Result<()> {
        let mut world = self.world();
        let file = world.find(name)?;
        let file = &mut world.files[file];
        for image in [&mut file.live, &mut file.synced] {
            let mut byte = [0];
            image.read(at, &mut byte);
            image.write(at, &[byte[0] ^ mask]);
        }
        Ok(())
    }
}

impl World {
    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Counts a call that changes something; an error once the power has failed.
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match &mut self.calls_left {
            Some(0) => Err(io::Error::other("the simulated power has failed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        let file = match world.find(name) {
            Err(_) if create => {
                world.call()?;
                if world.fault == Some(Fault::Full) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                world.files.push(SimFile::default());
                let file = world.files.len() - 1;
                world.names.insert(name.to_owned(), file);
                file
            }
            found => found?,
        };
        Ok(Arc::new(Handle { disk: self.clone(), file }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.world().names.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        world.find(name)?;
        world.call()?;
        world.names.remove(name);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        let file = world.find(from)?;
        world.call()?;
        world.names.remove(from);
        world.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.world();
        world.call()?;
        if world.fault == Some(Fault::Sync) {
            return Err(io::Error::other("simulated failure of a sync"));
        }
        world.names_synced = world.names.clone();
        Ok(())
    }

    fn lock(&self) -> io::Result<DiskLock> {
        let mut world = self.world();
        if world.lock.strong_count() > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let held = Arc::new(());
        world.lock = Arc::downgrade(&held);
        Ok(DiskLock::new(held))
    }

    fn identity(&self) -> io::Result<[u64; 3]> {
        Ok([self.world().identity, 0, 0])
    }
}

struct Handle {
    disk: SimDisk,
    file: usize,
}

impl DiskFile for Handle {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut world = self.disk.world();
        world.reads += 1;
        Ok(world.files[self.file].live.read(at, out))
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut guard = self.disk.world();
        let world = &mut *guard;
        world.call()?;
        if world.fault == Some(Fault::Panic) {
            drop(guard);
            panic!("the simulated disk's code panics on purpose");
        }
        let file = &mut world.files[self.file];
        let grows = at + bytes.len() as u64 > file.live.len;
        let failure = match world.fault {
            Some(Fault::Write) => Some(io::Error::other("simulated failure of a write")),
            Some(Fault::Full) if grows => Some(io::ErrorKind::StorageFull.into()),
            _ => None,
        };
        let Some(failure) = failure else {
            file.change(Change::Write(at, bytes.to_vec()));
            return Ok(());
        };
        let part = world.rng.below(bytes.len() as u64 + 1) as usize;
        file.change(Change::Write(at, bytes[..part].to_vec()));
        Err(failure)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut guard = self.disk.world();
        let world = &mut *guard;
        world.call()?;
        let file = &mut world.files[self.file];
        if world.fault == Some(Fault::Sync) {
            file.fail_sync(&mut world.rng);
            return Err(io::Error::other("simulated failure of a sync"));
        }
        file.sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.world().files[self.file].live.len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut guard = self.disk.world();
        let world = &mut *guard;
        world.call()?;
        let file = &mut world.files[self.file];
        if world.fault == Some(Fault::Full) && len > file.live.len {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.change(Change::Length(len));
        Ok(())
    }
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let world = self.world();
        write!(f, "SimDisk of {} files after {} calls", world.names.len(), world.calls)
    }
}
