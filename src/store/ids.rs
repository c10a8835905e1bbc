//! Where the index's file keeps the content ids of updates, each with its dot. Ids are random: with
//! a row each, every update would have a page of its own written anew, and the more pages there
//! are, the more so. So each checkpoint writes its ids as one sorted run, in rows of
//! [`BLOCK_IDS`]; a run that is not larger than those after it goes into one with them. An id is
//! thus written a few times, in whole pages, and there are about as many runs as the number of ids
//! has binary digits.
//!
//! A newer run hides an older one; an id that left is one without a dot, until nothing is below it.

use super::engine::{Rows, ViewOfRows};
use super::error::{StoreError, index_error};
use crate::update::{Cid, Dot, Epoch};
use redb::ReadableTable;
use std::ops::Bound;

/// The row that lists the runs.
const LIST_KEY: &[u8] = b"I";
/// The table of their rows: number of the run, first id of the row.
const RUN_TABLE: u8 = b'R';
/// Ids of one row: with them a page of the file is about full.
const BLOCK_IDS: usize = 80;
const CID_BYTES: usize = 32;
const ID_BYTES: usize = CID_BYTES + 16;
/// Stands for the dot of an id that left.
const LEFT: Dot = Dot { epoch: Epoch(0), seq: 0 };

/// A sorted run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    number: u64,
    ids: u64,
}

/// The runs of a file, the newest first.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Runs(Vec<Run>);

/// True for rows that belong to runs.
pub(super) fn is_of_runs(key: &[u8]) -> bool {
    key == LIST_KEY || key.first() == Some(&RUN_TABLE)
}

impl Runs {
    /// The runs that a file has.
    pub(super) fn read(rows: &impl ReadableTable<&'static [u8], &'static [u8]>) -> Found<Self> {
        let Some(list) = rows.get(LIST_KEY).map_err(index_error)? else {
            return Ok(Self::default());
        };
        let (pairs, rest) = list.value().as_chunks::<16>();
        if !rest.is_empty() {
            return Err(StoreError::IndexBroken);
        }
        let run = |bytes: &[u8; 16]| {
            let both = u128::from_be_bytes(*bytes);
            Run { number: (both >> 64) as u64, ids: both as u64 }
        };
        Ok(Self(pairs.iter().map(run).collect()))
    }

    fn write(&self, rows: &mut Rows<'_>) -> Found<()> {
        let pair = |run: &Run| (u128::from(run.number) << 64 | u128::from(run.ids)).to_be_bytes();
        let list: Vec<u8> = self.0.iter().flat_map(pair).collect();
        rows.insert(LIST_KEY, &list[..]).map_err(index_error)?;
        Ok(())
    }

    /// The dot of an id.
    pub(super) fn find(&self, rows: &ViewOfRows, cid: Cid) -> Found<Option<Dot>> {
        for run in &self.0 {
            let (first, at) = (key(run.number, [0; CID_BYTES]), key(run.number, cid.0));
            let mut range = rows.range::<&[u8]>(&first[..]..=&at[..]).map_err(index_error)?;
            let Some(row) = range.next_back() else { continue };
            let (_, block) = row.map_err(index_error)?;
            if let Some(dot) = find_in(block.value(), cid)? {
                return Ok((dot != LEFT).then_some(dot));
            }
        }
        Ok(None)
    }

    /// How many of the newest go into one with so many new ids.
    fn swallowed(&self, mut ids: u64) -> usize {
        let mut count = 0;
        for run in &self.0 {
            if run.ids > ids {
                break;
            }
            ids += run.ids;
            count += 1;
        }
        count
    }

    /// The runs once these ids are written, an id that left with [`None`]. They are sorted, each is
    /// there once. `view` is what the file, or the one that it is made from, had before; `rows` are
    /// those of the same file unless all is written anew.
    pub(super) fn add(
        rows: &mut Rows<'_>,
        view: Option<&ViewOfRows>,
        ids: impl Iterator<Item = (Cid, Option<Dot>)>,
        is_anew: bool,
    ) -> Found<()> {
        let fresh = block(ids);
        let runs = view.map_or_else(|| Ok(Self::default()), Self::read)?;
        if fresh.is_empty() && !is_anew {
            return Ok(());
        }
        let count =
            if is_anew { runs.0.len() } else { runs.swallowed((fresh.len() / ID_BYTES) as u64) };
        let (old, kept) = runs.0.split_at(count);
        let mut sources = vec![Source::of(fresh)];
        for run in old {
            sources.extend(view.map(|view| Source::read(view, run.number)).transpose()?);
        }
        let number = runs.0.iter().map(|run| run.number + 1).max().unwrap_or(0);
        let ids = write_run(rows, number, sources, kept.is_empty())?;
        if !is_anew {
            for run in old {
                let (first, last) = (key(run.number, [0; 32]), key(run.number, [u8::MAX; 32]));
                let gone = rows.retain_in::<&[u8], _>(&first[..]..=&last[..], |_, _| false);
                gone.map_err(index_error)?;
            }
        }
        let new = (ids > 0).then_some(Run { number, ids });
        Self(new.into_iter().chain(kept.iter().copied()).collect()).write(rows)
    }
}

type Found<T> = Result<T, StoreError>;

fn key(run: u64, first: [u8; CID_BYTES]) -> [u8; 41] {
    let mut key = [RUN_TABLE; 41];
    key[1..9].copy_from_slice(&run.to_be_bytes());
    key[9..].copy_from_slice(&first);
    key
}

fn block(ids: impl Iterator<Item = (Cid, Option<Dot>)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (cid, dot) in ids {
        let Dot { epoch: Epoch(epoch), seq } = dot.unwrap_or(LEFT);
        block.extend_from_slice(&cid.0);
        block.extend_from_slice(&epoch.to_be_bytes());
        block.extend_from_slice(&seq.to_be_bytes());
    }
    block
}

fn dot_of(entry: &[u8; ID_BYTES]) -> Dot {
    let (words, _) = entry.as_chunks::<8>();
    Dot { epoch: Epoch(u64::from_be_bytes(words[4])), seq: u64::from_be_bytes(words[5]) }
}

fn find_in(block: &[u8], cid: Cid) -> Found<Option<Dot>> {
    let (entries, rest) = block.as_chunks::<ID_BYTES>();
    if !rest.is_empty() {
        return Err(StoreError::IndexBroken);
    }
    let at = entries.binary_search_by(|entry| entry[..CID_BYTES].cmp(&cid.0));
    Ok(at.ok().map(|at| dot_of(&entries[at])))
}

/// Entries in order, of which some are in memory.
struct Source {
    rows: Option<redb::Range<'static, &'static [u8], &'static [u8]>>,
    block: Vec<u8>,
    at: usize,
}

impl Source {
    fn of(block: Vec<u8>) -> Self {
        Self { rows: None, block, at: 0 }
    }

    fn read(view: &ViewOfRows, run: u64) -> Found<Self> {
        let (first, last) = (key(run, [0; CID_BYTES]), key(run, [u8::MAX; CID_BYTES]));
        let bounds = (Bound::Included(&first[..]), Bound::Included(&last[..]));
        let rows = view.range::<&[u8]>(bounds).map_err(index_error)?;
        let mut source = Self { rows: Some(rows), block: Vec::new(), at: 0 };
        source.fill()?;
        Ok(source)
    }

    fn entry(&self) -> Option<&[u8; ID_BYTES]> {
        self.block[self.at..].first_chunk()
    }

    fn step(&mut self) -> Found<()> {
        self.at += ID_BYTES;
        if self.at >= self.block.len() { self.fill() } else { Ok(()) }
    }

    fn fill(&mut self) -> Found<()> {
        (self.block, self.at) = (Vec::new(), 0);
        let next = self.rows.as_mut().and_then(Iterator::next).transpose();
        if let Some((_, block)) = next.map_err(index_error)? {
            self.block = block.value().to_vec();
        }
        Ok(())
    }
}

/// Writes all entries of some sources, the newer ones first, as one run; says how many those are.
fn write_run(
    rows: &mut Rows<'_>,
    number: u64,
    mut sources: Vec<Source>,
    is_lowest: bool,
) -> Found<u64> {
    let (mut block, mut ids) = (Vec::with_capacity(BLOCK_IDS * ID_BYTES), 0);
    while let Some(entry) = take_least(&mut sources)? {
        if is_lowest && dot_of(&entry) == LEFT {
            continue;
        }
        block.extend_from_slice(&entry);
        ids += 1;
        if block.len() == BLOCK_IDS * ID_BYTES {
            write_block(rows, number, &mut block)?;
        }
    }
    write_block(rows, number, &mut block)?;
    Ok(ids)
}

/// The entry of the least id, of the newest source that has it; all go on behind it.
fn take_least(sources: &mut [Source]) -> Found<Option<[u8; ID_BYTES]>> {
    let least = sources.iter().filter_map(Source::entry).min_by_key(|entry| &entry[..CID_BYTES]);
    let Some(entry) = least.copied() else { return Ok(None) };
    let is_same = |source: &&mut Source| {
        source.entry().is_some_and(|other| other[..CID_BYTES] == entry[..CID_BYTES])
    };
    sources.iter_mut().filter(is_same).try_for_each(Source::step)?;
    Ok(Some(entry))
}

fn write_block(rows: &mut Rows<'_>, number: u64, block: &mut Vec<u8>) -> Found<()> {
    if let Some(first) = block.first_chunk() {
        rows.insert(&key(number, *first)[..], &block[..]).map_err(index_error)?;
        block.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use redb::{Database, ReadableDatabase, TableDefinition};
    use std::collections::BTreeMap;

    const TABLE: TableDefinition<'static, &'static [u8], &'static [u8]> =
        TableDefinition::new("rows");

    fn open() -> Database {
        let memory = redb::backends::InMemoryBackend::new();
        Database::builder().create_with_backend(memory).unwrap()
    }

    fn view(database: &Database) -> Option<ViewOfRows> {
        database.begin_read().unwrap().open_table(TABLE).ok()
    }

    /// Writes ids as a checkpoint does, into the same file or from it into another one.
    fn add(from: &Database, to: Option<&Database>, ids: &BTreeMap<Cid, Option<Dot>>) {
        let writing = to.unwrap_or(from).begin_write().unwrap();
        let mut rows = writing.open_table(TABLE).unwrap();
        let ids = ids.iter().map(|(cid, dot)| (*cid, *dot));
        Runs::add(&mut rows, view(from).as_ref(), ids, to.is_some()).unwrap();
        drop(rows);
        writing.commit().unwrap();
    }

    fn cid(n: u64) -> Cid {
        Cid(*blake3::hash(&n.to_be_bytes()).as_bytes())
    }

    fn dot(seq: u64) -> Dot {
        Dot { epoch: Epoch(7), seq }
    }

    fn rows_of_runs(database: &Database) -> usize {
        let rows = view(database).unwrap();
        rows.range::<&[u8]>(..)
            .unwrap()
            .filter(|row| row.as_ref().unwrap().0.value() != LIST_KEY)
            .count()
    }

    #[test]
    fn runs_are_few_and_their_rows_full() {
        let database = open();
        for checkpoint in 0..100 {
            let ids = checkpoint * 100..(checkpoint + 1) * 100;
            add(&database, None, &ids.map(|n| (cid(n), Some(dot(n)))).collect());
        }
        let rows = view(&database).unwrap();
        let runs = Runs::read(&rows).unwrap();
        assert!(runs.0.len() <= 8, "{runs:?}");
        assert_eq!(runs.0.iter().map(|run| run.ids).sum::<u64>(), 10_000);
        assert!(rows_of_runs(&database) <= 10_000 / BLOCK_IDS + runs.0.len());
        for n in [0, 99, 100, 5_000, 9_999] {
            assert_eq!(runs.find(&rows, cid(n)).unwrap(), Some(dot(n)));
        }
        assert_eq!(runs.find(&rows, cid(10_000)).unwrap(), None);
    }

    #[test]
    fn of_an_id_that_left_nothing_stays_in_a_file_made_anew() {
        let (old, new) = (open(), open());
        add(&old, None, &(0..500).map(|n| (cid(n), Some(dot(n)))).collect());
        add(&old, None, &[(cid(3), None)].into());
        add(&old, Some(&new), &[(cid(4), None), (cid(500), Some(dot(500)))].into());
        let rows = view(&new).unwrap();
        let runs = Runs::read(&rows).unwrap();
        assert_eq!(runs.0.iter().map(|run| run.ids).collect::<Vec<_>>(), [499]);
        let has = |cid: Cid| {
            let of_row =
                |row: &[u8]| row.as_chunks::<ID_BYTES>().0.iter().any(|id| id[..32] == cid.0);
            rows.range::<&[u8]>(..).unwrap().any(|row| of_row(row.unwrap().1.value()))
        };
        assert_eq!([3, 4, 5, 500].map(|n| has(cid(n))), [false, false, true, true]);
    }

    #[test]
    fn rows_that_are_not_runs_are_named_broken() {
        let database = open();
        let writing = database.begin_write().unwrap();
        writing.open_table(TABLE).unwrap().insert(LIST_KEY, &[0; 17][..]).unwrap();
        writing.commit().unwrap();
        let read = Runs::read(&view(&database).unwrap());
        assert!(matches!(read, Err(StoreError::IndexBroken)), "{read:?}");
        assert!(find_in(&[0; 47], cid(1)).is_err());
    }

    /// Of one checkpoint: numbers of ids, and of their dots.
    fn ids() -> impl Strategy<Value = BTreeMap<u64, Option<u64>>> {
        prop::collection::btree_map(0..200_u64, prop::option::of(1..9_u64), 0..120)
    }

    proptest! {
        #[test]
        fn what_runs_say_is_what_a_map_says(
            checkpoints in prop::collection::vec((ids(), prop::bool::weighted(0.1)), 0..12),
        ) {
            let mut database = open();
            let mut known = BTreeMap::new();
            for (ids, is_anew) in checkpoints {
                let ids: BTreeMap<Cid, Option<Dot>> =
                    ids.into_iter().map(|(n, seq)| (cid(n), seq.map(dot))).collect();
                known.extend(ids.clone());
                if is_anew {
                    let new = open();
                    add(&database, Some(&new), &ids);
                    database = new;
                } else {
                    add(&database, None, &ids);
                }
                let Some(rows) = view(&database) else { continue };
                let runs = Runs::read(&rows).unwrap();
                for n in 0..200 {
                    let wanted = known.get(&cid(n)).copied().flatten();
                    prop_assert_eq!(runs.find(&rows, cid(n)).unwrap(), wanted);
                }
            }
        }
    }
}
