//! The log's files for reading: their headers, where each one ends, and single frames by place.
//! Reads only what is on disk for good, through caches bounded in bytes; never writes.

use super::body;
use super::cache::Cache;
use super::disk::{Disk, DiskFile};
use super::error::{StoreError, at_file};
use super::frame::segment_name;
use super::frame::{FrameKind, HEAD_BYTES, HEADER_BYTES, Head, Header, HeaderError, Place};
use crate::base::Chunk;
use crate::update::{Cid, Seal, Update};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const BLOCK_BYTES: u64 = 16 * 1024;
const FILES_OPEN_MAX: usize = 32;
/// Where a frame is not whole, so much is looked at at a time for the next one that is.
const SEARCH_BYTES: usize = 64 * 1024;
/// For so many broken places it is remembered what was found.
const FOUND_BEHIND_MAX: usize = 1024;
/// What an update or a seal costs in the cache beside its bytes.
const UPDATE_COST_BYTES: usize = 200;

/// Reads segments.
pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    first: u32,
    files: RefCell<Cache<u32, Arc<dyn DiskFile>>>,
    headers: RefCell<BTreeMap<u32, Header>>,
    blocks: RefCell<Cache<(u32, u64), Chunk>>,
    /// By place, with where the next frame starts.
    updates: RefCell<Cache<Place, (Update, Place)>>,
    seals: RefCell<Cache<Place, Arc<Seal>>>,
    /// By the place of a frame that is not whole, where the next one starts that is: looked for
    /// once, and not by each reader that comes by.
    found_behind: RefCell<BTreeMap<Place, Place>>,
    /// Read from this file, whatever stands under the segment's name by now.
    pinned: Option<(u32, Arc<dyn DiskFile>)>,
    /// Segments that were written anew: places in them that were taken before may be in the middle
    /// of what is gone.
    rewritten: BTreeSet<u32>,
}

/// A frame as it was read.
struct Frame {
    head: Head,
    /// What counts of its payload.
    payload: Chunk,
}

impl Frame {
    fn body(&self) -> &[u8] {
        &self.payload[self.head.body_at()..]
    }
}

impl Segments {
    /// Over the segments from number `first` on; the caches take at most `cache_bytes`.
    pub(super) fn new(disk: Arc<dyn Disk>, first: u32, cache_bytes: usize) -> Self {
        Self {
            disk,
            first,
            files: RefCell::new(Cache::new(FILES_OPEN_MAX)),
            headers: RefCell::default(),
            blocks: RefCell::new(Cache::new(cache_bytes / 4)),
            updates: RefCell::new(Cache::new(cache_bytes - cache_bytes / 4 - cache_bytes / 8)),
            seals: RefCell::new(Cache::new(cache_bytes / 8)),
            found_behind: RefCell::default(),
            pinned: None,
            rewritten: BTreeSet::new(),
        }
    }

    /// Goes on reading a segment as it is now, until it is said to be written anew or removed.
    pub(super) fn pin(&mut self, number: u32) -> Result<(), StoreError> {
        self.pinned = Some((number, self.file(number)?));
        Ok(())
    }

    /// A segment was written anew: what was read of it counts no more.
    pub(super) fn rewritten(&mut self, number: u32) {
        self.pinned = None;
        self.files.get_mut().retain(|of| of != number);
        self.blocks.get_mut().retain(|(of, _)| of != number);
        self.updates.get_mut().retain(|place| place.segment() != number);
        self.seals.get_mut().retain(|place| place.segment() != number);
        self.found_behind.get_mut().retain(|place, _| place.segment() != number);
        self.rewritten.insert(number);
    }

    /// The first segment was removed.
    pub(super) fn removed(&mut self, number: u32) {
        self.rewritten(number);
        self.headers.get_mut().remove(&number);
        self.rewritten.remove(&number);
        self.first = number + 1;
    }

    /// The place of the log's first frame.
    pub(super) fn start(&self) -> Place {
        Place::new(self.first, HEADER_BYTES as u32)
    }

    /// An open segment.
    pub(super) fn file(&self, number: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        if let Some((_, file)) = self.pinned.as_ref().filter(|(pinned, _)| *pinned == number) {
            return Ok(Arc::clone(file));
        }
        if let Some(file) = self.files.borrow_mut().find(number) {
            return Ok(file);
        }
        let name = segment_name(number);
        let file = match self.disk.open(&name, false) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::SegmentMissing { segment: number });
            }
            other => at_file(&name, other)?,
        };
        self.files.borrow_mut().insert(number, Arc::clone(&file), 1);
        Ok(file)
    }

    /// The header of a segment.
    pub(super) fn header(&self, number: u32) -> Result<Header, StoreError> {
        if let Some(header) = self.headers.borrow().get(&number) {
            return Ok(*header);
        }
        let mut bytes = [0; HEADER_BYTES];
        let file = self.file(number)?;
        at_file(&segment_name(number), file.read_at(0, &mut bytes))?;
        let header = match Header::decode(&bytes) {
            Ok(header) if header.number == number => header,
            Err(HeaderError::Version(version)) => {
                return Err(StoreError::Version { segment: number, version });
            }
            _ => return Err(StoreError::Damaged { segment: number, offset: 0 }),
        };
        self.headers.borrow_mut().insert(number, header);
        Ok(header)
    }

    /// Where the trusted part of a segment ends; `durable_end` is the log's end.
    pub(super) fn end_of(&self, number: u32, durable_end: Place) -> Result<u32, StoreError> {
        if number >= durable_end.segment() {
            return Ok(durable_end.offset());
        }
        Ok(self.header(number + 1)?.before_end)
    }

    /// The update whose frame starts at `place`, and where the next frame starts.
    pub(super) fn update_at(
        &self,
        place: Place,
        durable_end: Place,
    ) -> Result<(Update, Place), StoreError> {
        match self.find_update(place, durable_end)? {
            (Some(update), next) => Ok((update, next)),
            (None, _) => Err(StoreError::BadPlace(place)),
        }
    }

    /// The seal whose frame starts at `place`.
    pub(super) fn seal_at(
        &self,
        place: Place,
        durable_end: Place,
    ) -> Result<Arc<Seal>, StoreError> {
        if let Some(seal) = self.seals.borrow_mut().find(place) {
            return Ok(seal);
        }
        let frame = self.frame_at(place, durable_end)?;
        let seal = (frame.head.kind == FrameKind::Seal).then(|| body::read_seal(frame.body()));
        let seal = Arc::new(seal.flatten().ok_or(StoreError::BadPlace(place))?);
        self.remember_seal(place, Arc::clone(&seal));
        Ok(seal)
    }

    /// Keeps a seal that has just come to the disk: links are about to ask for it.
    pub(super) fn remember_seal(&self, place: Place, seal: Arc<Seal>) {
        let cost = seal.cids.len() * size_of::<Cid>() + UPDATE_COST_BYTES;
        self.seals.borrow_mut().insert(place, seal, cost);
    }

    /// The exhibit whose frame starts at `place`.
    pub(super) fn exhibit_at(
        &self,
        place: Place,
        durable_end: Place,
    ) -> Result<(Update, Seal), StoreError> {
        let frame = self.frame_at(place, durable_end)?;
        let is_one = frame.head.kind == FrameKind::Exhibit;
        let exhibit = is_one.then(|| body::read_exhibit(frame.body()));
        exhibit.flatten().ok_or(StoreError::BadPlace(place))
    }

    /// Keeps an update that has just come to the disk: it is about to be read.
    pub(super) fn remember(&self, place: Place, update: &Update, next: Place) {
        let cost = update.raw().len() + UPDATE_COST_BYTES;
        self.updates.borrow_mut().insert(place, (update.clone(), next), cost);
    }

    /// The first update at or behind `place`, and where to go on; `None` at the log's end.
    pub(super) fn update_from(
        &self,
        place: Place,
        durable_end: Place,
    ) -> Result<Option<(Update, Place)>, StoreError> {
        let mut place = place.max(self.start());
        while place < durable_end {
            if place.offset() >= self.end_of(place.segment(), durable_end)? {
                place = Place::new(place.segment() + 1, HEADER_BYTES as u32);
                continue;
            }
            match self.find_update(place, durable_end) {
                Ok((Some(update), next)) => return Ok(Some((update, next))),
                Ok((None, next)) => place = next,
                Err(error) => {
                    place = match self.frame_behind(place, durable_end, error) {
                        Err(StoreError::Damaged { .. }) => self.whole_behind(place, durable_end)?,
                        found => found?,
                    }
                }
            }
        }
        Ok(None)
    }

    /// Where the first frame behind `place` starts, when that is in the middle of what is gone from
    /// a segment that was written anew; otherwise the `error` that was met there.
    fn frame_behind(
        &self,
        place: Place,
        durable_end: Place,
        error: StoreError,
    ) -> Result<Place, StoreError> {
        let number = place.segment();
        if !self.rewritten.contains(&number) {
            return Err(error);
        }
        let end = u64::from(self.end_of(number, durable_end)?);
        let mut start = Place::new(number, HEADER_BYTES as u32);
        while start < place {
            let mut head = [0; HEAD_BYTES];
            self.read(number, u64::from(start.offset()), &mut head, end)?;
            start = start.plus(Head::parse(&head).ok_or(damaged_at(start))?.frame_bytes());
        }
        if start == place { Err(error) } else { Ok(start) }
    }

    /// Where the first whole frame behind a damaged one starts: the segment's end, if there is
    /// none.
    pub(super) fn whole_behind(
        &self,
        place: Place,
        durable_end: Place,
    ) -> Result<Place, StoreError> {
        if let Some(found) = self.found_behind.borrow().get(&place) {
            return Ok(*found);
        }
        let found = self.search_behind(place, durable_end)?;
        let mut known = self.found_behind.borrow_mut();
        if known.len() >= FOUND_BEHIND_MAX {
            known.clear();
        }
        known.insert(place, found);
        Ok(found)
    }

    fn search_behind(&self, place: Place, durable_end: Place) -> Result<Place, StoreError> {
        let number = place.segment();
        let end = self.end_of(number, durable_end)?;
        let mut window = vec![0; SEARCH_BYTES];
        let mut at = place.offset() + 1;
        while at < end && end - at >= HEAD_BYTES as u32 {
            window.resize(SEARCH_BYTES.min((end - at) as usize), 0);
            self.read_file(number, u64::from(at), &mut window)?;
            for (skip, head) in window.windows(HEAD_BYTES).enumerate() {
                let may_be = head.first_chunk().and_then(Head::parse).is_some();
                let place = Place::new(number, at + skip as u32);
                if may_be && self.frame_at(place, durable_end).is_ok() {
                    return Ok(place);
                }
            }
            at += (window.len() - HEAD_BYTES + 1) as u32;
        }
        Ok(Place::new(number, end))
    }

    /// What the frame at `place`, or the segment behind its end there, carries as the check of the
    /// frame before.
    pub(super) fn before(&self, place: Place, durable_end: Place) -> Result<u32, StoreError> {
        if place.offset() >= self.end_of(place.segment(), durable_end)? {
            return Ok(self.header(place.segment() + 1)?.before_check);
        }
        Ok(self.frame_at(place, durable_end)?.head.before)
    }

    /// How long the frame at `place` is; 0 where there is none any more.
    pub(super) fn frame_bytes(&self, place: Place, durable_end: Place) -> Result<u64, StoreError> {
        match self.head_at(place, durable_end) {
            Ok(head) => Ok(head.frame_bytes() as u64),
            Err(StoreError::Damaged { .. } | StoreError::BadPlace(_)) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// True when a whole frame of an update starts at `place`.
    pub(super) fn is_whole(&self, place: Place, durable_end: Place) -> Result<bool, StoreError> {
        match self.frame_at(place, durable_end) {
            Ok(frame) => Ok(frame.head.kind.is_update()),
            Err(StoreError::Damaged { .. } | StoreError::BadPlace(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The frame at `place`: its update, unless it is of another kind; and where the next starts.
    fn find_update(
        &self,
        place: Place,
        durable_end: Place,
    ) -> Result<(Option<Update>, Place), StoreError> {
        if let Some((update, next)) = self.updates.borrow_mut().find(place) {
            return Ok((Some(update), next));
        }
        let Frame { head, payload } = self.frame_at(place, durable_end)?;
        let next = place.plus(head.frame_bytes());
        if !head.kind.is_update() {
            return Ok((None, next));
        }
        let update = body::read_update(head.kind, payload, head.body_at());
        let update = update.ok_or(damaged_at(place))?;
        self.remember(place, &update, next);
        Ok((Some(update), next))
    }

    /// The head of the frame at `place`, whose payload may be damaged.
    fn head_at(&self, place: Place, durable_end: Place) -> Result<Head, StoreError> {
        let (number, at) = (place.segment(), u64::from(place.offset()));
        let end = u64::from(self.end_of(number, durable_end)?);
        let mut head = [0; HEAD_BYTES];
        if at + HEAD_BYTES as u64 > end || at < HEADER_BYTES as u64 {
            return Err(StoreError::BadPlace(place));
        }
        self.read(number, at, &mut head, end)?;
        let head = Head::parse(&head).ok_or(damaged_at(place))?;
        if at + head.frame_bytes() as u64 > end {
            return Err(damaged_at(place));
        }
        Ok(head)
    }

    /// The frame at `place`.
    fn frame_at(&self, place: Place, durable_end: Place) -> Result<Frame, StoreError> {
        let head = self.head_at(place, durable_end)?;
        let (number, at) = (place.segment(), u64::from(place.offset()));
        let end = u64::from(self.end_of(number, durable_end)?);
        let mut payload: Chunk = std::iter::repeat_n(0, head.counted()).collect();
        if let Some(bytes) = Arc::get_mut(&mut payload) {
            self.read(number, at + HEAD_BYTES as u64, bytes, end)?;
        }
        if !head.is_whole(self.header(number)?.salt, &payload) {
            return Err(damaged_at(place));
        }
        Ok(Frame { head, payload })
    }

    /// The check that the frame at `place` was written with, if a whole one is there. Looks past
    /// the caches: it is asked before it is known where the log ends.
    pub(super) fn check_at(&self, place: Place) -> Result<Option<u32>, StoreError> {
        let number = place.segment();
        let (file, salt) = (self.file(number)?, self.header(number)?.salt);
        let (name, at) = (segment_name(number), u64::from(place.offset()));
        let mut head = [0; HEAD_BYTES];
        at_file(&name, file.read_at(at, &mut head))?;
        let Some(head) = Head::parse(&head) else { return Ok(None) };
        let mut payload = vec![0; head.counted()];
        let read = at_file(&name, file.read_at(at + HEAD_BYTES as u64, &mut payload))?;
        let is_whole = read == payload.len() && head.is_whole(salt, &payload);
        Ok(is_whole.then(|| head.link(&payload)))
    }

    /// Reads bytes that lie before `end`: small reads by way of whole blocks, large ones directly.
    fn read(&self, number: u32, at: u64, out: &mut [u8], end: u64) -> Result<(), StoreError> {
        if out.len() as u64 > BLOCK_BYTES {
            return self.read_file(number, at, out);
        }
        let mut done = 0;
        while done < out.len() {
            let from = at + done as u64;
            let (index, skip) = (from / BLOCK_BYTES, (from % BLOCK_BYTES) as usize);
            let wanted = (BLOCK_BYTES as usize - skip).min(out.len() - done);
            let block = self.block(number, index, skip + wanted, end)?;
            out[done..done + wanted].copy_from_slice(&block[skip..skip + wanted]);
            done += wanted;
        }
        Ok(())
    }

    /// A block of which at least `wanted` bytes are there.
    fn block(&self, number: u32, index: u64, wanted: usize, end: u64) -> Result<Chunk, StoreError> {
        if let Some(block) = self.blocks.borrow_mut().find((number, index))
            && block.len() >= wanted
        {
            return Ok(block);
        }
        // Only bytes that are on disk for good are read: they never change any more.
        let length = (end - index * BLOCK_BYTES).min(BLOCK_BYTES) as usize;
        let mut block: Chunk = std::iter::repeat_n(0, length).collect();
        if let Some(bytes) = Arc::get_mut(&mut block) {
            self.read_file(number, index * BLOCK_BYTES, bytes)?;
        }
        self.blocks.borrow_mut().insert((number, index), Chunk::clone(&block), length);
        Ok(block)
    }

    fn read_file(&self, number: u32, at: u64, out: &mut [u8]) -> Result<(), StoreError> {
        let name = segment_name(number);
        let count = at_file(&name, self.file(number)?.read_at(at, out))?;
        if count < out.len() {
            return Err(StoreError::Damaged { segment: number, offset: at + count as u64 });
        }
        Ok(())
    }
}

fn damaged_at(place: Place) -> StoreError {
    StoreError::Damaged { segment: place.segment(), offset: u64::from(place.offset()) }
}
