//! Lets redb live on a [`Disk`](super::Disk)'s file.
//!
//! In shadow mode nothing is written: what redb writes stays in memory. So the index can still be
//! read when the disk takes no writes, as opening a redb file writes its header.

use super::disk::DiskFile;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const PAGE_BYTES: usize = 4096;

/// A file as redb wants it.
pub(super) struct RedbBackend {
    file: Arc<dyn DiskFile>,
    shadow: Option<Mutex<Shadow>>,
}

/// The pages that differ from the file's, and the length.
struct Shadow {
    pages: BTreeMap<u64, Vec<u8>>,
    len: u64,
}

impl RedbBackend {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, shadow: None }
    }

    pub(super) fn shadow(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let shadow = Shadow { pages: BTreeMap::new(), len: file.len()? };
        Ok(Self { file, shadow: Some(Mutex::new(shadow)) })
    }

    fn lock(shadow: &Mutex<Shadow>) -> MutexGuard<'_, Shadow> {
        shadow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shadow {
    /// Splits a range into parts that each lie in one page: (page, offset in it, done, count).
    fn parts(at: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let from = at + done as u64;
            let skip = (from % PAGE_BYTES as u64) as usize;
            let count = (PAGE_BYTES - skip).min(len - done);
            let part = (from / PAGE_BYTES as u64, skip, done, count);
            done += count;
            (count > 0).then_some(part)
        })
    }

    fn page(&self, number: u64, file: &dyn DiskFile) -> io::Result<Vec<u8>> {
        if let Some(page) = self.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE_BYTES];
        file.read_at(number * PAGE_BYTES as u64, &mut page)?;
        Ok(page)
    }

    fn read(&self, at: u64, out: &mut [u8], file: &dyn DiskFile) -> io::Result<()> {
        if at + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, skip, done, count) in Self::parts(at, out.len()) {
            let page = self.page(number, file)?;
            out[done..done + count].copy_from_slice(&page[skip..skip + count]);
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8], file: &dyn DiskFile) -> io::Result<()> {
        for (number, skip, done, count) in Self::parts(at, bytes.len()) {
            let mut page = self.page(number, file)?;
            page[skip..skip + count].copy_from_slice(&bytes[done..done + count]);
            self.pages.insert(number, page);
        }
        self.len = self.len.max(at + bytes.len() as u64);
        Ok(())
    }
}

impl fmt::Debug for RedbBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedbBackend")
    }
}

impl redb::StorageBackend for RedbBackend {
    fn len(&self) -> io::Result<u64> {
        match &self.shadow {
            Some(shadow) => Ok(Self::lock(shadow).len),
            None => self.file.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if let Some(shadow) = &self.shadow {
            return Self::lock(shadow).read(offset, out, &*self.file);
        }
        if self.file.read_at(offset, out)? < out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match &self.shadow {
            Some(shadow) => {
                Self::lock(shadow).len = len;
                Ok(())
            }
            None => self.file.set_len(len),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.shadow.is_some() { Ok(()) } else { self.file.sync_data() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match &self.shadow {
            Some(shadow) => Self::lock(shadow).write(offset, data, &*self.file),
            None => self.file.write_at(offset, data),
        }
    }
}
