//! The disk as the store sees it: a flat directory of files that are read and written by offset.
//!
//! Small enough to lie through: `FileDisk` is the real one, `SimDisk` tears, reorders and forgets
//! what was not synced. Nothing here knows what the files hold.

use std::any::Any;
use std::io;
use std::sync::Arc;

/// A directory of files.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file for reading and writing; with `create`, makes an empty one if there is none.
    /// A new file survives a crash only after [`Disk::sync_dir`].
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>>;

    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a file; open handles of it stay good.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in one step; a file that had it is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes creations, removals and renames survive a crash.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the directory for this process, for as long as the lock lives.
    /// [`io::ErrorKind::WouldBlock`] when another holder has it.
    fn lock(&self) -> io::Result<DiskLock>;

    /// Numbers that this directory keeps and no copy of it has. To be asked for under the lock.
    fn identity(&self) -> io::Result<[u64; 3]>;
}

/// One open file.
pub trait DiskFile: Send + Sync {
    /// Fills `out` from offset `at`, as far as the file reaches; says how many bytes that were.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at offset `at`, growing the file as needed. An error may have left
    /// any part of them written.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written, and the file's length, survive a crash. After an error nothing is
    /// known about any byte written since the last success: they must be written again.
    fn sync_data(&self) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// True when the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or grows it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// Holds a disk for one store; dropping it lets the disk go.
pub struct DiskLock(#[expect(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>);

impl DiskLock {
    /// A lock that is let go when `held` is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

impl std::fmt::Debug for DiskLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DiskLock")
    }
}
