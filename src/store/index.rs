//! The index: sorted bytes to bytes. New entries stand in an overlay in memory; a checkpoint
//! freezes it, writes it to the engine's file, and lets it go. Reads look through all three.
//!
//! Keys that start with an upper-case letter are the store's own, not to be asked for by
//! [`Index::get`] and [`Index::scan`]; the others belong to whoever derives them from updates. It
//! holds nothing that the log cannot tell again.

use super::engine::{Checkpoint, CheckpointDone, Engine};
use super::error::StoreError;
use super::frame::Place;
use crate::update::{Cid, Dot, Epoch, Hlc, SEAL_UPDATES_MAX, Seal, Span, Update};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::{Arc, Weak};

pub(super) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);
/// A key with its value; `None` where it is deleted.
pub(super) type Item = Result<(Vec<u8>, Option<Vec<u8>>), StoreError>;

/// A key with its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Which end of a range a scan starts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the least key.
    Up,
    /// From the greatest key.
    Down,
}

/// What an entry costs in memory beside its bytes, about.
const ENTRY_COST_BYTES: usize = 96;
/// What an update that is to leave the file costs in memory, about.
const BURIED_COST_BYTES: usize = 64;
/// What the two entries of an update cost in memory, about.
const UPDATE_COST_BYTES: usize = 120;

/// What a seal is found by: the last dot under it, then the first sequence number, then the start
/// of its last id. Of a fork both branches may have seals that end alike, and an origin may sign
/// anew what it sealed in smaller parts: each is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SealName {
    last: Dot,
    from: u64,
    tail: u64,
}

impl SealName {
    /// Of a seal, and the dots under it.
    pub(super) fn of(span: Span, seal: &Seal) -> Self {
        let start = seal.cids.last().and_then(|cid| cid.0.first_chunk());
        let tail = start.map_or(0, |start| u64::from_be_bytes(*start));
        Self { last: Dot { epoch: span.epoch, seq: span.to }, from: span.from, tail }
    }

    /// The least and the greatest name of seals that end with this dot.
    fn least(last: Dot) -> Self {
        Self { last, from: 0, tail: 0 }
    }

    fn greatest(last: Dot) -> Self {
        Self { last, from: u64::MAX, tail: u64::MAX }
    }
}

/// Entries that are not in the file yet; deletions among them. The store's own, two for each
/// update, are kept as what they are: no allocation, and no pointer to follow at each comparison.
#[derive(Debug, Default, Clone)]
pub(super) struct Overlay {
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    dots: BTreeMap<Dot, (Place, Hlc)>,
    cids: BTreeMap<Cid, Dot>,
    seals: BTreeMap<SealName, Place>,
    /// Updates and seals that are gone: their entries are in the file only, are not looked for any
    /// more, and leave the file before anything enters it.
    buried: Vec<(Dot, Cid)>,
    buried_seals: Vec<SealName>,
    /// The file is to be made anew, so that nothing is left in it of entries that it had once.
    renews: bool,
    bytes: usize,
}

impl Overlay {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_cost = key.len() + ENTRY_COST_BYTES;
        self.bytes += key_cost + value.as_ref().map_or(0, Vec::len);
        if let Some(before) = self.entries.insert(key, value) {
            self.bytes -= key_cost + before.map_or(0, |value| value.len());
        }
    }

    fn set_update(&mut self, dot: Dot, cid: Cid, place: (Place, Hlc)) {
        self.cids.insert(cid, dot);
        if self.dots.insert(dot, place).is_none() {
            self.bytes += UPDATE_COST_BYTES;
        }
    }

    fn set_seal(&mut self, name: SealName, place: Place) {
        if self.seals.insert(name, place).is_none() {
            self.bytes += UPDATE_COST_BYTES;
        }
    }

    fn unset_seal(&mut self, name: SealName) {
        if self.seals.remove(&name).is_some() {
            self.bytes -= UPDATE_COST_BYTES;
        }
    }

    /// Takes in what was set after all that is here.
    fn extend(&mut self, newer: Self) {
        for (key, value) in newer.entries {
            self.set(key, value);
        }
        let before = self.dots.len() + self.seals.len();
        self.dots.extend(newer.dots);
        self.cids.extend(newer.cids);
        self.seals.extend(newer.seals);
        self.bytes += (newer.buried.len() + newer.buried_seals.len()) * BURIED_COST_BYTES;
        self.renews |= newer.renews;
        self.buried.extend(newer.buried);
        self.buried_seals.extend(newer.buried_seals);
        self.bytes += (self.dots.len() + self.seals.len() - before) * UPDATE_COST_BYTES;
    }

    fn is_empty(&self) -> bool {
        let is_burying = !self.buried.is_empty() || !self.buried_seals.is_empty();
        let has_rows = !self.dots.is_empty() || !self.seals.is_empty();
        self.entries.is_empty() && !has_rows && !is_burying && !self.renews
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn renews(&self) -> bool {
        self.renews
    }

    /// True when the value of a key in the file is not the one that counts.
    pub(super) fn hides(&self, key: &[u8]) -> bool {
        self.entries.contains_key(key)
    }

    /// The content ids that it knows, each with its dot, by id; those that left have none.
    pub(super) fn ids(&self) -> impl Iterator<Item = (Cid, Option<Dot>)> + '_ {
        let left = self.buried.iter().map(|(_, cid)| (*cid, None));
        let left = left.filter(|(cid, _)| !self.cids.contains_key(cid));
        let here = self.cids.iter().map(|(cid, dot)| (*cid, Some(*dot)));
        let mut ids: Vec<_> = left.chain(here).collect();
        ids.sort_unstable_by_key(|(cid, _)| *cid);
        ids.dedup_by_key(|(cid, _)| *cid);
        ids.into_iter()
    }

    /// Calls `write` with each key and value, as they stand in the file, by key, but for ids.
    pub(super) fn each(
        &self,
        mut write: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for (dot, _) in &self.buried {
            write(&dot_key(*dot), None)?;
        }
        for name in &self.buried_seals {
            write(&seal_key(*name), None)?;
        }
        let is_before = |key: &[u8]| key < &[DOT_TABLE][..];
        let mut entries = self.entries.iter().peekable();
        while let Some((key, value)) = entries.next_if(|(key, _)| is_before(key)) {
            write(key, value.as_deref())?;
        }
        for (dot, place) in &self.dots {
            write(&dot_key(*dot), Some(&place_value(*dot, *place)))?;
        }
        for (name, place) in &self.seals {
            write(&seal_key(*name), Some(&place.0.to_be_bytes()))?;
        }
        entries.try_for_each(|(key, value)| write(key, value.as_deref()))
    }

    fn range(
        &self,
        bounds: Bounds<'_>,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = Item> + '_> {
        let items = self
            .entries
            .range::<[u8], _>(bounds)
            .map(|(key, value)| Ok((key.clone(), value.clone())));
        match direction {
            Direction::Up => Box::new(items),
            Direction::Down => Box::new(items.rev()),
        }
    }

    /// The entries of dots, as they stand in the file.
    fn range_of_dots(&self, from: Dot, to: Dot) -> impl Iterator<Item = Item> + '_ {
        let row = |(dot, place): (&Dot, &(Place, Hlc))| {
            Ok((dot_key(*dot).to_vec(), Some(place_value(*dot, *place).to_vec())))
        };
        self.dots.range(from..=to).map(row)
    }
}

/// An overlay that no longer changes, on its way to the file.
struct Frozen {
    overlay: Arc<Overlay>,
    /// The log must be on disk up to here before the file may say what follows from it.
    end: Place,
    /// Alive while a checkpoint of it is out.
    out: Weak<()>,
}

/// The index of a store.
pub struct Index {
    overlay: Overlay,
    frozen: Option<Frozen>,
    /// What the last checkpoint took into the file.
    spent: Option<Arc<Overlay>>,
    engine: Engine,
    empty: Overlay,
}

impl Index {
    pub(super) fn new(engine: Engine) -> Self {
        let (overlay, empty) = (Overlay::default(), Overlay::default());
        Self { overlay, frozen: None, spent: None, engine, empty }
    }

    /// The value of a key.
    ///
    /// # Panics
    /// When the key is one of the store's own; so do `put` and `scan`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        check_theirs(key);
        match self.overlays().find_map(|overlay| overlay.entries.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.engine.find(key),
        }
    }

    /// Sets the value of a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        check_theirs(&key);
        self.overlay.set(key, Some(value));
    }

    /// Removes a key; nothing happens if it is not there.
    pub fn delete(&mut self, key: &[u8]) {
        self.overlay.set(key.to_vec(), None);
    }

    /// Keys from `from` to `to` with their values, at most `limit`, in the direction's order.
    /// Bounds that hold nothing, inverted ones too, give nothing.
    pub fn scan(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<KeyValue>, StoreError> {
        if limit == 0 || is_empty((from, to)) {
            return Ok(Vec::new());
        }
        if let Bound::Included(first) | Bound::Excluded(first) = from {
            check_theirs(first);
        }
        let bounds = (from, to);
        let frozen = self.frozen.as_ref().map_or(&self.empty, |frozen| &*frozen.overlay);
        let mut overlay = self.overlay.range(bounds, direction);
        let mut frozen = frozen.range(bounds, direction);
        self.engine.scan(bounds, direction, |file| {
            merge([&mut *overlay, &mut *frozen, file], limit, direction)
        })
    }

    /// Has the index made again from the log at the next open: a row in it is not what was put.
    pub fn condemn(&self) {
        self.engine.condemn();
    }

    /// What the overlays cost in memory, in bytes, about.
    pub(super) fn overlay_bytes(&self) -> usize {
        self.overlay.bytes + self.frozen.as_ref().map_or(0, |frozen| frozen.overlay.bytes)
    }

    /// Makes an update findable at a place.
    pub(super) fn put_update(&mut self, update: &Update, place: Place) {
        self.overlay.set_update(update.dot(), update.cid(), (place, update.clock()));
    }

    /// Makes a seal findable at a place.
    pub(super) fn put_seal(&mut self, name: SealName, place: Place) {
        self.overlay.set_seal(name, place);
    }

    /// Forgets a seal that was put since the overlay was last frozen.
    pub(super) fn forget_seal(&mut self, name: SealName) {
        self.overlay.unset_seal(name);
    }

    /// Updates and seals are gone from the log, and nothing asks for them any more: their entries
    /// leave the file with the next checkpoint.
    pub(super) fn bury(&mut self, updates: Vec<(Dot, Cid)>, seals: &[SealName]) {
        self.overlay.bytes += (updates.len() + seals.len()) * BURIED_COST_BYTES;
        self.overlay.buried.extend(updates);
        self.overlay.buried_seals.extend(seals);
    }

    /// Whether the next checkpoint that is frozen makes the file anew: what is in it then is what
    /// it says, and nothing that it ever said.
    pub(super) fn renew(&mut self, renews: bool) {
        self.overlay.renews = renews;
    }

    pub(super) fn renews(&self) -> bool {
        self.overlay.renews
    }

    /// Shows the places of seals that cover the whole span, until `is_it` says yes; says whether it
    /// did.
    pub(super) fn any_seal_over(
        &self,
        span: Span,
        mut is_it: impl FnMut(Place) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let first = Dot { epoch: span.epoch, seq: span.to };
        let furthest = span.from.saturating_add(SEAL_UPDATES_MAX as u64 - 1);
        let last = Dot { epoch: span.epoch, seq: furthest.max(span.to) };
        let (first, last) = (SealName::least(first), SealName::greatest(last));
        for (depth, overlay) in self.overlays().enumerate() {
            for (name, place) in overlay.seals.range(first..=last) {
                let is_hidden =
                    self.overlays().take(depth).any(|over| over.seals.contains_key(name));
                if name.from <= span.from && !is_hidden && is_it(*place)? {
                    return Ok(true);
                }
            }
        }
        let (first, last) = (seal_key(first), seal_key(last));
        let bounds = (Bound::Included(&first[..]), Bound::Included(&last[..]));
        self.engine.scan(bounds, Direction::Up, |file| {
            for row in file {
                let (key, Some(value)) = row? else { continue };
                let name = read_seal_name(&key)?;
                let place = value.try_into().map_err(|_| StoreError::IndexBroken)?;
                let place = Place(u64::from_be_bytes(place));
                let is_hidden = self.overlays().any(|over| over.seals.contains_key(&name));
                if name.from <= span.from && !is_hidden && is_it(place)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// The overlays, the newer one first.
    fn overlays(&self) -> impl Iterator<Item = &Overlay> {
        std::iter::once(&self.overlay).chain(self.frozen.as_ref().map(|frozen| &*frozen.overlay))
    }

    /// Where an update stands.
    pub(super) fn place_of(&self, dot: Dot) -> Result<Option<Place>, StoreError> {
        if let Some((place, _)) = self.overlays().find_map(|overlay| overlay.dots.get(&dot)) {
            return Ok(Some(*place));
        }
        let Some(value) = self.engine.find(&dot_key(dot))? else { return Ok(None) };
        let (place, _) = self.sound(read_place(dot, &value))?;
        Ok(Some(place))
    }

    /// What a row says; one that is not as it was written has the index made again.
    fn sound<T>(&self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        if read.is_err() {
            self.condemn();
        }
        read
    }

    /// The dot of a content id.
    pub(super) fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError> {
        if let Some(dot) = self.overlays().find_map(|overlay| overlay.cids.get(&cid)) {
            return Ok(Some(*dot));
        }
        self.engine.dot_of(cid)
    }

    /// Sequence numbers, places and moments of updates of one epoch, at most `limit`.
    pub(super) fn places(
        &self,
        epoch: Epoch,
        (from, to): (u64, u64),
        limit: usize,
    ) -> Result<Vec<(u64, Place, Hlc)>, StoreError> {
        if limit == 0 || from > to {
            return Ok(Vec::new());
        }
        let (from, to) = (Dot { epoch, seq: from }, Dot { epoch, seq: to });
        let frozen = self.frozen.as_ref().map_or(&self.empty, |frozen| &*frozen.overlay);
        let mut overlay = self.overlay.range_of_dots(from, to);
        let mut frozen = frozen.range_of_dots(from, to);
        let (from, to) = (dot_key(from), dot_key(to));
        let bounds = (Bound::Included(&from[..]), Bound::Included(&to[..]));
        let found = self.engine.scan(bounds, Direction::Up, |file| {
            merge([&mut overlay, &mut frozen, file], limit, Direction::Up)
        })?;
        found
            .iter()
            .map(|(key, value)| {
                let (_, seq) = read_pair(&key[1..])?;
                let (place, clock) = self.sound(read_place(Dot { epoch, seq }, value))?;
                Ok((seq, place, clock))
            })
            .collect()
    }

    /// True when there is nothing that a checkpoint could write.
    pub(super) fn is_empty(&self) -> bool {
        self.overlay.is_empty() && self.frozen.is_none()
    }

    /// True when an overlay is frozen.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// True while a checkpoint is out.
    pub(super) fn is_out(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.out.strong_count() > 0)
    }

    /// Freezes the overlay. It describes the log up to `end`; `key` and `value` go with it.
    pub(super) fn freeze(&mut self, end: Place, key: Vec<u8>, value: Vec<u8>) {
        debug_assert!(self.frozen.is_none(), "one overlay is frozen at a time");
        let mut overlay = std::mem::take(&mut self.overlay);
        overlay.set(key, Some(value));
        self.frozen = Some(Frozen { overlay: Arc::new(overlay), end, out: Weak::new() });
    }

    /// Puts the frozen overlay back under the newer one.
    pub(super) fn thaw(&mut self) {
        let Some(frozen) = self.frozen.take() else { return };
        let newer = std::mem::replace(&mut self.overlay, Arc::unwrap_or_clone(frozen.overlay));
        self.overlay.extend(newer);
    }

    /// Puts it back, unless its checkpoint is out: then the log is on disk as far as it tells.
    pub(super) fn thaw_unless_out(&mut self) {
        if !self.is_out() {
            self.thaw();
        }
    }

    /// The frozen overlay as work for a pool thread, once the log is on disk far enough.
    pub(super) fn take_checkpoint(&mut self, durable_end: Place) -> Option<Checkpoint> {
        let frozen = self.frozen.as_mut().filter(|frozen| frozen.end <= durable_end)?;
        if frozen.out.strong_count() > 0 {
            return None;
        }
        let token = Arc::new(());
        frozen.out = Arc::downgrade(&token);
        self.engine.checkpoint(Arc::clone(&frozen.overlay), token)
    }

    /// What the last checkpoint took into the file, once.
    pub(super) fn take_spent(&mut self) -> Option<Arc<Overlay>> {
        self.spent.take()
    }

    /// Takes back a checkpoint. One that is not the one that is out is left aside.
    pub(super) fn finish_checkpoint(&mut self, done: CheckpointDone) -> Result<(), StoreError> {
        let is_ours = |frozen: &Frozen| std::ptr::eq(frozen.out.as_ptr(), &raw const *done.token);
        if !self.frozen.as_ref().is_some_and(is_ours) {
            return Ok(());
        }
        if done.result.is_ok() {
            self.spent = self.frozen.take().map(|frozen| frozen.overlay);
        } else {
            self.thaw();
        }
        self.engine.finish(done.result)
    }
}

/// Takes the first `limit` living entries of sorted layers; an upper layer hides a lower one.
fn merge(
    layers: [&mut dyn Iterator<Item = Item>; 3],
    limit: usize,
    direction: Direction,
) -> Result<Vec<KeyValue>, StoreError> {
    let mut layers = layers.map(Iterator::peekable);
    let mut found = Vec::new();
    while found.len() < limit {
        let mut best: Option<(usize, &[u8])> = None;
        for (index, layer) in layers.iter_mut().enumerate() {
            let key = match layer.peek() {
                None => continue,
                Some(Ok((key, _))) => &key[..],
                Some(Err(_)) => &[],
            };
            let is_before = |best: &[u8]| match direction {
                Direction::Up => key < best,
                Direction::Down => key > best,
            };
            // A failed layer is taken at once, for its error.
            if key.is_empty() || best.is_none_or(|(_, best)| is_before(best)) {
                best = Some((index, key));
            }
            if key.is_empty() {
                break;
            }
        }
        let Some(index) = best.map(|(index, _)| index) else { break };
        let Some((key, value)) = layers[index].next().transpose()? else { break };
        for layer in &mut layers[index + 1..] {
            skip(layer, &key);
        }
        found.extend(value.map(|value| (key, value)));
    }
    Ok(found)
}

fn skip(layer: &mut Peekable<&mut dyn Iterator<Item = Item>>, key: &[u8]) {
    layer.next_if(|item| item.as_ref().is_ok_and(|(found, _)| found == key));
}

/// True when no key can lie in the bounds.
fn is_empty(bounds: Bounds<'_>) -> bool {
    use Bound::{Excluded, Included, Unbounded};
    match bounds {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(from), Included(to)) => from > to,
        (Included(from) | Excluded(from), Included(to) | Excluded(to)) => from >= to,
    }
}

/// Holds whoever derives entries to tables of their own: of two owners of one table each would take
/// the other's rows for its own, from the first checkpoint on.
fn check_theirs(key: &[u8]) {
    let is_own = key.first().is_some_and(u8::is_ascii_uppercase);
    assert!(!is_own, "a key of the store's own: {}", key.escape_ascii());
}

/// The letters of the store's own keys.
const DOT_TABLE: u8 = b'D';

const SEAL_TABLE: u8 = b'L';

fn dot_key(dot: Dot) -> [u8; 17] {
    key_of_dot(DOT_TABLE, dot)
}

/// A seal stands under the last dot that it seals.
fn seal_key(name: SealName) -> [u8; 33] {
    let mut key = [SEAL_TABLE; 33];
    key[..17].copy_from_slice(&key_of_dot(SEAL_TABLE, name.last));
    key[17..].copy_from_slice(&pair(name.from, name.tail));
    key
}

fn read_seal_name(key: &[u8]) -> Result<SealName, StoreError> {
    let (dot, rest) = key[1..].split_at_checked(16).ok_or(StoreError::IndexBroken)?;
    let ((epoch, seq), (from, tail)) = (read_pair(dot)?, read_pair(rest)?);
    Ok(SealName { last: Dot { epoch: Epoch(epoch), seq }, from, tail })
}

fn key_of_dot(table: u8, dot: Dot) -> [u8; 17] {
    let mut key = [table; 17];
    key[1..].copy_from_slice(&pair(dot.epoch.0, dot.seq));
    key
}

/// With a check: redb finds no flipped bits in what it reads, and a sound log would look damaged at
/// a wrong place.
fn place_value(dot: Dot, (place, clock): (Place, Hlc)) -> [u8; 20] {
    let mut value = [0; 20];
    value[..16].copy_from_slice(&pair(place.0, clock.0));
    let check = place_check(dot, &value[..16]);
    value[16..].copy_from_slice(&check.to_be_bytes());
    value
}

fn place_check(dot: Dot, said: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&pair(dot.epoch.0, dot.seq));
    hasher.update(said);
    hasher.finalize()
}

fn read_place(dot: Dot, value: &[u8]) -> Result<(Place, Hlc), StoreError> {
    let (said, check) = value.split_last_chunk().ok_or(StoreError::IndexBroken)?;
    if u32::from_be_bytes(*check) != place_check(dot, said) {
        return Err(StoreError::IndexBroken);
    }
    let (place, clock) = read_pair(said)?;
    Ok((Place(place), Hlc(clock)))
}

fn pair(first: u64, second: u64) -> [u8; 16] {
    (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
}

/// The two numbers of an entry of the store's own.
fn read_pair(bytes: &[u8]) -> Result<(u64, u64), StoreError> {
    let pair: [u8; 16] = bytes.try_into().map_err(|_| StoreError::IndexBroken)?;
    let both = u128::from_be_bytes(pair);
    Ok(((both >> 64) as u64, both as u64))
}
