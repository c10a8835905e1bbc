//! Opening: finds the log's end, cuts a torn tail, matches the index against the log, and decides
//! whether our epoch may go on. What the index lacks is then handed out by
//! [`Store::replay`](super::Store::replay).

use super::StoreOptions;
use super::disk::{Disk, DiskFile, DiskLock};
use super::engine::{Engine, INDEX_NAME};
use super::error::{StoreError, at_file};
use super::frame::{FrameKind, HEADER_BYTES, Header, HeaderError, Place, put_frame};
use super::frame::{segment_name, segment_number};
use super::pending::Tail;
use super::report::{Cut, NewEpoch, OpenReport};
use super::scan::{Found, Scan, Spot};
use super::segment::Segments;
use super::state::{COVERED_KEY, Covered, Own};
use crate::update::{Epoch, Update, Vector};
use std::sync::Arc;

/// An opened log with its index.
pub(super) struct Recovered {
    pub(super) segments: Segments,
    pub(super) engine: Engine,
    pub(super) tail: Tail,
    pub(super) file: Arc<dyn DiskFile>,
    /// Its epoch is set and its tip resolved.
    pub(super) own: Own,
    /// All dots in the log and the index.
    pub(super) vector: Vector,
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
    own: Own,
    vector: Vector,
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
    // Frames may have been written, and the segment made, without a sync before the process was
    // killed: from here on they count.
    at_file(&segment_name(last), file.sync_data())?;
    at_file("", disk.sync_dir())?;
    let because = new_epoch_because(&walked.own, cut.as_ref(), ahead);
    let report = OpenReport {
        epoch: walked.own.epoch.unwrap_or(options.fresh_epoch),
        new_epoch_because: because,
        cut,
        index_rebuilt,
        segments: numbers.len(),
        updates: walked.vector.count(),
        updates_to_replay: walked.updates,
    };
    finish(segments, engine, file, walked, covered, report, options)
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
    let (first, last) = (segments.start().segment(), covered.last.place);
    if covered.first_segment < first {
        return Err(StoreError::SegmentMissing { segment: covered.first_segment });
    }
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
    let is_broken = matches!(Header::decode(&header), Err(HeaderError::NotOne));
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
        own: covered.map_or_else(Own::new, |covered| covered.own.clone()),
        vector: covered.map(|covered| covered.vector.clone()).unwrap_or_default(),
        updates: 0,
        cut_bytes: 0,
    };
    loop {
        match scan.next(segments)? {
            Found::Frame(place, kind) => {
                let payload = scan.payload();
                walked.own.on_frame(place, kind, payload);
                walked.last = Spot { place, check: scan.spot().check };
                walked.last_end = scan.spot().place;
                if kind == FrameKind::Update {
                    let dot = Update::peek_dot(payload).map_err(|_| scan.damaged())?;
                    walked.vector.insert(dot);
                    walked.updates += 1;
                }
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

fn new_epoch_because(own: &Own, cut: Option<&Cut>, ahead: bool) -> Option<NewEpoch> {
    if ahead {
        Some(NewEpoch::IndexAhead)
    } else if cut.is_some() {
        Some(NewEpoch::Cut)
    } else if own.epoch.is_none() {
        Some(NewEpoch::LogBorn)
    } else {
        own.early.then_some(NewEpoch::SentEarly)
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
    let Walked { spot, last, last_end, salt, mut own, vector, updates, .. } = walked;
    let mut tail = Tail { spot, last, last_end, salt, fresh: None };
    if report.new_epoch_because.is_some() {
        let epoch = options.fresh_epoch;
        if epoch == Epoch(0) || own.epoch == Some(epoch) || vector.last(epoch) > 0 {
            return Err(StoreError::NoFreshEpoch);
        }
        begin_epoch(&mut tail, &*file, epoch)?;
        own = Own { epoch: Some(epoch), ..Own::new() };
        report.epoch = epoch;
    }
    if let Some(place) = own.tip_at.take() {
        own.tip = segments.update_at(place, tail.spot.place)?.0.cid();
    }
    let mut catch_up = None;
    if updates > 0 {
        let scan = scan_from(&segments, covered.as_ref(), tail.spot.place)?;
        let known = covered.as_ref().map_or(Place::START, |covered| covered.last.place);
        let covered = covered.unwrap_or_else(|| Covered {
            until: scan.spot(),
            last: scan.spot(),
            last_end: scan.spot().place,
            first_segment: segments.start().segment(),
            own: Own::new(),
            vector: Vector::new(),
        });
        catch_up = Some(CatchUp { scan, covered, known });
    }
    Ok(Recovered { segments, engine, tail, file, own, vector, catch_up, report })
}

/// Writes the mark of a new epoch at the log's end, as a batch of its own.
fn begin_epoch(tail: &mut Tail, file: &dyn DiskFile, epoch: Epoch) -> Result<(), StoreError> {
    let Spot { place, check } = tail.spot;
    let mut bytes = Vec::new();
    let check = put_frame(&mut bytes, tail.salt, check, FrameKind::Begin, &[0; 8]);
    let mark = place.plus(bytes.len());
    let number = epoch.0.to_be_bytes();
    let check = put_frame(&mut bytes, tail.salt, check, FrameKind::Epoch, &number);
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
        own: Own::new(),
        vector: Vector::new(),
        updates: 0,
        cut_bytes: 0,
    };
    let because = if ahead { NewEpoch::IndexAhead } else { NewEpoch::LogBorn };
    let report = OpenReport {
        epoch: options.fresh_epoch,
        new_epoch_because: Some(because),
        cut,
        index_rebuilt: ahead,
        segments: 1,
        updates: 0,
        updates_to_replay: 0,
    };
    let segments = Segments::new(Arc::clone(disk), 1, options.cache_bytes);
    finish(segments, engine, file, walked, None, report, options)
}
