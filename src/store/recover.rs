//! Opening: finds the log's end, cuts a torn tail, matches the index against the log, and decides
//! whether our epoch may go on. What the index lacks is then handed out by
//! [`Store::replay`](super::Store::replay).

use super::disk::{Disk, DiskFile, DiskLock};
use super::engine::{Engine, INDEX_NAME, RENEWED_NAME};
use super::error::{StoreError, at_file};
use super::frame::{FrameKind, HEADER_BYTES, Header, HeaderError, Place, put_frame};
use super::frame::{segment_name, segment_number};
use super::home;
use super::pending::Tail;
use super::report::{Cut, NewEpoch, OpenReport};
use super::rewrite::REWRITE_NAME;
use super::scan::{Found, Scan, Spot};
use super::segment::Segments;
use super::state::{COVERED_KEY, Covered};
use super::told::Told;
use super::{Birth, StoreOptions};
use crate::update::Epoch;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// How much is written again at a time.
const PIECE_BYTES: usize = 1 << 20;

/// An opened log with its index.
pub(super) struct Recovered {
    pub(super) segments: Segments,
    pub(super) engine: Engine,
    pub(super) tail: Tail,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) birth: Birth,
    /// What all of the log tells, with every id resolved.
    pub(super) told: Told,
    /// Segments with updates that were dropped, and their bytes, as far as the index knows.
    pub(super) dropped: BTreeMap<u32, u64>,
    /// The index needs nothing of what is before this segment.
    pub(super) settled: u32,
    /// What the index does not cover.
    pub(super) catch_up: Option<CatchUp>,
    pub(super) report: OpenReport,
}

/// The part of the log that the index does not cover, on its way into it.
pub(super) struct CatchUp {
    pub(super) scan: Scan,
    /// Where the index stands now. Updates up to its `last` may be in the index already.
    pub(super) covered: Covered,
    /// Up to here the index was already known to hold some updates when it was opened.
    pub(super) known: Place,
}

/// What the first pass over the log found.
struct Walked {
    spot: Spot,
    last: Spot,
    last_end: Place,
    salt: u32,
    told: Told,
    /// Frames from which something follows in the index, and how many of them are updates.
    entries: u64,
    updates: u64,
    cut_bytes: u64,
}

/// Opens the log and the index of `disk`, which `lock` holds.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    lock: &Arc<DiskLock>,
    options: &StoreOptions,
) -> Result<Recovered, StoreError> {
    let mut cut = None;
    let names = at_file("", disk.list())?;
    // What a crash left of work on copies.
    for copy in [REWRITE_NAME, RENEWED_NAME] {
        if names.iter().any(|name| name == copy) {
            at_file(copy, disk.remove(copy))?;
        }
    }
    let numbers = segments_of(disk, &names, &mut cut)?;
    let had_index = names.iter().any(|name| name == INDEX_NAME);
    let (mut engine, mut covered) = open_index(disk, lock, options)?;
    let Some((&first, &last)) = numbers.first().zip(numbers.last()) else {
        return born(disk, lock, options, covered.is_some(), cut);
    };
    let segments = Segments::new(Arc::clone(disk), first, options.cache_bytes);
    let length = at_file(&segment_name(last), segments.file(last)?.len())?;
    let end = Place::new(last, u32::try_from(length).unwrap_or(u32::MAX));
    let ahead = match &covered {
        Some(covered) => is_ahead(&segments, covered, end)?,
        None => false,
    };
    // What the index knows to have been on disk can't be torn, if the log is as long as it was.
    let known = covered.as_ref().filter(|covered| covered.last_end <= end);
    let known = known.map(|covered| covered.last.place);
    if ahead {
        covered = None;
    }
    let walked = walk(&segments, covered.as_ref(), known, end)?;
    let needed = walked.told.first_needed.max(1);
    if needed < first {
        return Err(StoreError::SegmentMissing { segment: needed });
    }
    let index_rebuilt = walked.updates > 0 && (engine.was_damaged() || ahead || !had_index);
    if covered.is_none() && engine.has_entries() {
        drop(engine);
        engine = Engine::create(disk, lock, options.index_cache_bytes)?;
    }
    let file = segments.file(last)?;
    let offset = u64::from(walked.spot.place.offset());
    if walked.cut_bytes > 0 {
        at_file(&segment_name(last), file.set_len(offset))?;
        cut = Some(Cut { segment: last, offset, bytes: walked.cut_bytes });
    }
    let known_end = covered.as_ref().map(|covered| covered.last_end);
    let in_last = known_end.filter(|known| known.segment() == last).map_or(0, Place::offset);
    at_file(&segment_name(last), write_again(&*file, u64::from(in_last)..offset))?;
    // Frames may have been written, and the segment made, without a sync before the process was
    // killed: from here on they count.
    at_file(&segment_name(last), file.sync_data())?;
    at_file("", disk.sync_dir())?;
    let is_copy = home::is_another(disk, &names)?;
    let because = new_epoch_because(&walked.told, cut.as_ref(), ahead, is_copy);
    let report = OpenReport {
        epoch: walked.told.birth.unwrap_or(options.fresh).epoch,
        new_epoch_because: because,
        cut,
        index_rebuilt,
        segments: numbers.len(),
        updates: walked.told.vector.count(),
        updates_to_replay: walked.updates,
    };
    let recovered = finish(segments, engine, file, walked, covered, report, options)?;
    if is_copy {
        home::settle(disk)?;
    }
    Ok(recovered)
}

/// Writes bytes of a file where they stand. Those whose sync failed in an earlier life can be read
/// and are not on disk, and no sync saves what the system takes for written.
fn write_again(file: &dyn DiskFile, range: Range<u64>) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = range.start;
    while at < range.end {
        let wanted = (range.end - at).min(PIECE_BYTES as u64) as usize;
        let count = file.read_at(at, &mut piece[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(at, &piece[..count])?;
        at += count as u64;
    }
    Ok(())
}

/// Opens the index and reads what it covers. A damaged one is made anew.
fn open_index(
    disk: &Arc<dyn Disk>,
    lock: &Arc<DiskLock>,
    options: &StoreOptions,
) -> Result<(Engine, Option<Covered>), StoreError> {
    let engine = Engine::open(disk, lock, options.index_cache_bytes)?;
    match engine.find(COVERED_KEY) {
        Ok(bytes) => Ok((engine, bytes.as_deref().and_then(Covered::decode))),
        Err(_) if engine.is_broken() => {
            drop(engine);
            Ok((Engine::replace_damaged(disk, lock, options.index_cache_bytes)?, None))
        }
        Err(error) => Err(error),
    }
}

/// True when the log does not hold the frame that the index saw last.
fn is_ahead(segments: &Segments, covered: &Covered, end: Place) -> Result<bool, StoreError> {
    let last = covered.last.place;
    Ok(covered.last_end > end || segments.check_at(last)? != Some(covered.last.check))
}

/// The numbers of the log's segments, ascending and without a gap. A last one that was never
/// begun is removed.
fn segments_of(
    disk: &Arc<dyn Disk>,
    names: &[String],
    cut: &mut Option<Cut>,
) -> Result<Vec<u32>, StoreError> {
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    if let Some(pair) = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        return Err(StoreError::SegmentMissing { segment: pair[0] + 1 });
    }
    let Some(&number) = numbers.last() else { return Ok(numbers) };
    let name = segment_name(number);
    let mut header = [0; HEADER_BYTES];
    let file = at_file(&name, disk.open(&name, false))?;
    at_file(&name, file.read_at(0, &mut header))?;
    let bytes = at_file(&name, file.len())?;
    let header = Header::decode(&header);
    if let Err(HeaderError::Version(version)) = header {
        return Err(StoreError::Version { segment: number, version });
    }
    let is_broken = header.is_err();
    // A header is synced before the first frame is written behind it.
    if is_broken && bytes <= HEADER_BYTES as u64 {
        at_file(&name, disk.remove(&name))?;
        at_file("", disk.sync_dir())?;
        *cut = Some(Cut { segment: number, offset: 0, bytes });
        numbers.pop();
    }
    Ok(numbers)
}

/// The first pass: checks every frame that the index does not cover, and finds the end.
fn walk(
    segments: &Segments,
    covered: Option<&Covered>,
    known: Option<Place>,
    end: Place,
) -> Result<Walked, StoreError> {
    let mut scan = scan_from(segments, covered, end)?;
    let mut walked = Walked {
        spot: scan.spot(),
        last: covered.map_or(scan.spot(), |covered| covered.last),
        last_end: covered.map_or(scan.spot().place, |covered| covered.last_end),
        salt: 0,
        told: covered.map(|covered| covered.told.clone()).unwrap_or_default(),
        entries: 0,
        updates: 0,
        cut_bytes: 0,
    };
    loop {
        match scan.next(segments)? {
            Found::Frame(place, kind) => {
                let told = walked.told.on_frame(place, kind, scan.body());
                told.ok_or_else(|| scan.damaged())?;
                walked.last = Spot { place, check: scan.spot().check };
                walked.last_end = scan.spot().place;
                walked.updates += u64::from(kind.is_update());
                let is_entry = matches!(kind, FrameKind::Seal | FrameKind::Passed);
                walked.entries += u64::from(kind.is_update() || is_entry);
            }
            Found::End => break,
            Found::Torn { .. } if known.is_some_and(|known| scan.spot().place <= known) => {
                return Err(scan.damaged());
            }
            Found::Torn { bytes } => {
                walked.cut_bytes = bytes;
                break;
            }
        }
    }
    walked.spot = scan.spot();
    walked.salt = scan.salt();
    Ok(walked)
}

fn scan_from(
    segments: &Segments,
    covered: Option<&Covered>,
    end: Place,
) -> Result<Scan, StoreError> {
    match covered {
        Some(covered) => Scan::new(segments, covered.until, end),
        None => Scan::from_start(segments, end),
    }
}

fn new_epoch_because(
    told: &Told,
    cut: Option<&Cut>,
    ahead: bool,
    is_copy: bool,
) -> Option<NewEpoch> {
    if ahead {
        Some(NewEpoch::IndexAhead)
    } else if cut.is_some() {
        Some(NewEpoch::Cut)
    } else if told.birth.is_none() {
        Some(NewEpoch::LogBorn)
    } else if is_copy {
        Some(NewEpoch::Copied)
    } else {
        told.early.then_some(NewEpoch::SentEarly)
    }
}

/// Begins an epoch if one is needed, and sets up the second pass.
fn finish(
    segments: Segments,
    engine: Engine,
    file: Arc<dyn DiskFile>,
    walked: Walked,
    covered: Option<Covered>,
    mut report: OpenReport,
    options: &StoreOptions,
) -> Result<Recovered, StoreError> {
    let Walked { spot, last, last_end, salt, mut told, entries, .. } = walked;
    let mut tail = Tail { spot, last, last_end, salt, fresh: None };
    if report.new_epoch_because.is_some() {
        let fresh = options.fresh;
        let is_used = told.vector.last(fresh.epoch) > 0;
        if fresh.epoch == Epoch(0) || told.birth == Some(fresh) || is_used {
            return Err(StoreError::NoFreshEpoch);
        }
        begin_epoch(&mut tail, &*file, fresh)?;
        told.begin(fresh);
        report.epoch = fresh.epoch;
    }
    let birth = told.birth.unwrap_or(options.fresh);
    let end = tail.spot.place;
    told.resolve(|place| Ok(segments.update_at(place, end)?.0.cid()))?;
    let (dropped, settled) = match &covered {
        Some(covered) => (covered.dropped.clone(), covered.settled()),
        None => (BTreeMap::new(), 0),
    };
    let mut catch_up = None;
    if entries > 0 {
        let scan = scan_from(&segments, covered.as_ref(), end)?;
        let known = covered.as_ref().map_or(Place::START, |covered| covered.last.place);
        let covered = covered.unwrap_or_else(|| Covered {
            until: scan.spot(),
            last: scan.spot(),
            last_end: scan.spot().place,
            told: Told::default(),
            dropped: BTreeMap::new(),
        });
        catch_up = Some(CatchUp { scan, covered, known });
    }
    Ok(Recovered { segments, engine, tail, file, birth, told, dropped, settled, catch_up, report })
}

/// Writes the mark of a new epoch at the log's end, as a batch of its own.
fn begin_epoch(tail: &mut Tail, file: &dyn DiskFile, fresh: Birth) -> Result<(), StoreError> {
    let Spot { place, check } = tail.spot;
    let mut bytes = Vec::new();
    let check = put_frame(&mut bytes, tail.salt, check, FrameKind::Begin, &[0; 8]);
    let mark = place.plus(bytes.len());
    let check = put_frame(&mut bytes, tail.salt, check, FrameKind::Epoch, &fresh.encode());
    let name = segment_name(place.segment());
    at_file(&name, file.write_at(u64::from(place.offset()), &bytes))?;
    at_file(&name, file.sync_data())?;
    tail.last = Spot { place: mark, check };
    tail.spot = Spot { place: place.plus(bytes.len()), check };
    tail.last_end = tail.spot.place;
    Ok(())
}

/// Makes the first segment of a new log.
fn born(
    disk: &Arc<dyn Disk>,
    lock: &Arc<DiskLock>,
    options: &StoreOptions,
    ahead: bool,
    cut: Option<Cut>,
) -> Result<Recovered, StoreError> {
    let engine = Engine::create(disk, lock, options.index_cache_bytes)?;
    let header = Header { number: 1, before_end: 0, before_check: 0, salt: options.salt };
    let name = segment_name(1);
    let file = at_file(&name, disk.open(&name, true))?;
    at_file(&name, file.write_at(0, &header.encode()))?;
    at_file(&name, file.sync_data())?;
    at_file("", disk.sync_dir())?;
    let spot = Spot { place: Place::new(1, HEADER_BYTES as u32), check: header.check() };
    let walked = Walked {
        spot,
        last: spot,
        last_end: spot.place,
        salt: options.salt,
        told: Told::default(),
        entries: 0,
        updates: 0,
        cut_bytes: 0,
    };
    let because = if ahead { NewEpoch::IndexAhead } else { NewEpoch::LogBorn };
    let report = OpenReport {
        epoch: options.fresh.epoch,
        new_epoch_because: Some(because),
        cut,
        index_rebuilt: ahead,
        segments: 1,
        updates: 0,
        updates_to_replay: 0,
    };
    let segments = Segments::new(Arc::clone(disk), 1, options.cache_bytes);
    let recovered = finish(segments, engine, file, walked, None, report, options)?;
    home::settle(disk)?;
    Ok(recovered)
}
