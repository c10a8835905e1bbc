//! The receiving end: payloads that are being put together, and which pieces to ask of whom.

use super::{BlobError, tree};
use crate::base::{Chunk, Tick};
use crate::proto::peer::{ASK_PIECES_MAX, AskPieces, Manifest, PIECE_BYTES, Piece};
use crate::update::{Cid, Dot, Update};
use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::ops::Range;

/// The bounds of a node's assemblies.
#[derive(Clone, Copy, Debug)]
pub struct BlobSettings {
    /// Updates put together at a time.
    pub assemblies_max: usize,
    /// Their bytes altogether.
    pub bytes_max: usize,
    /// Pieces asked of one link and not come, at a time.
    pub asks_max: usize,
    /// One that got no piece for so long is given up.
    pub idle_ms: u64,
}

impl Default for BlobSettings {
    fn default() -> Self {
        Self { assemblies_max: 4, bytes_max: 64 << 20, asks_max: 4, idle_ms: 30_000 }
    }
}

/// What became of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Its pieces are to be asked for.
    Begins,
    /// They are being asked for already; this link is one more that has them.
    Joins,
    /// Too much is being put together: ask for the update again later.
    Full,
}

/// How it stands with one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State<L> {
    /// To be asked for; better not of the link that did not bring it.
    Missing(Option<L>),
    Asked(L, Tick),
    Here,
}

/// One update being put together.
///
/// Invariants: `missing` counts the pieces that are not here; `raw` is there from the first piece
/// that proved itself on, and nobody else has it.
#[derive(Debug)]
struct Assembly<L> {
    stub: Update,
    hashes: Vec<[u8; 32]>,
    pieces: Vec<State<L>>,
    missing: usize,
    raw: Option<Chunk>,
    /// Who has it, and who turned out not to.
    sources: Vec<L>,
    without: Vec<L>,
    /// When it last got a piece.
    progress: Tick,
}

impl<L: Copy + Ord> Assembly<L> {
    fn cid(&self) -> Cid {
        self.stub.cid()
    }

    fn bytes(&self) -> usize {
        self.stub.raw().len() + self.stub.payload_bytes()
    }

    /// Which bytes of the payload a piece is.
    fn part(&self, index: usize) -> Range<usize> {
        let end = self.stub.payload_bytes().min((index + 1) * PIECE_BYTES);
        index * PIECE_BYTES..end
    }

    /// Up to `limit` pieces to ask of a link.
    fn wanted(&mut self, link: L, limit: usize, until: Tick) -> Vec<u16> {
        if !self.sources.contains(&link) {
            return Vec::new();
        }
        let is_alone = self.sources.len() == 1;
        let missing = self.pieces.iter_mut().zip(0_u16..).filter(|(state, _)| match state {
            State::Missing(not_from) => is_alone || *not_from != Some(link),
            State::Asked(..) | State::Here => false,
        });
        let chosen = missing.take(limit);
        chosen
            .map(|(state, index)| {
                *state = State::Asked(link, until);
                index
            })
            .collect()
    }

    /// Every piece asked of a link for which `is_over` holds is to be asked for again.
    fn forget(&mut self, is_over: impl Fn(L, Tick) -> bool) {
        for state in &mut self.pieces {
            if let State::Asked(link, until) = *state
                && is_over(link, until)
            {
                *state = State::Missing(Some(link));
            }
        }
    }

    /// Takes a piece in if it proves itself.
    fn take(&mut self, index: usize, bytes: &[u8]) -> Result<(), BlobError> {
        let part = self.part(index);
        let is_true = part.len() == bytes.len()
            && tree::hash(index, self.hashes.len(), bytes) == self.hashes[index];
        if !is_true {
            return Err(BlobError::Piece);
        }
        let payload_bytes = self.stub.payload_bytes();
        let raw = self.raw.get_or_insert_with(|| blank(&self.stub));
        let payload_at = raw.len() - payload_bytes;
        let raw = Chunk::get_mut(raw).ok_or(BlobError::Piece)?;
        raw[payload_at..][part].copy_from_slice(bytes);
        self.pieces[index] = State::Here;
        self.missing -= 1;
        Ok(())
    }
}

/// An envelope with zeros for its payload.
fn blank(stub: &Update) -> Chunk {
    let head = stub.head();
    let mut raw: Chunk = repeat_n(0, head.len() + stub.payload_bytes()).collect();
    if let Some(raw) = Chunk::get_mut(&mut raw) {
        raw[..head.len()].copy_from_slice(&head);
    }
    raw
}

/// The figures of a node's assemblies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AssembliesView {
    /// Updates being put together.
    pub assemblies: usize,
    /// What they may take in memory.
    pub bytes: usize,
    /// Pieces that came and proved themselves.
    pub pieces: u64,
    /// Pieces that came from two links.
    pub twice: u64,
}

/// All updates that a node puts together out of pieces.
///
/// Order of calls: [`Assemblies::on_manifest`] for each manifest, and [`Assemblies::begin`] for one
/// of an update that is wanted; then, for each link, whenever something
/// happened, [`Assemblies::ask`] while it gives something; [`Assemblies::on_piece`] for each piece;
/// [`Assemblies::lost`] for a link that is gone; [`Assemblies::on_time`] at the deadline.
#[derive(Debug)]
pub struct Assemblies<L> {
    settings: BlobSettings,
    /// The oldest first.
    underway: Vec<Assembly<L>>,
    /// Pieces that each link was asked for and did not bring, those given up included.
    owed: BTreeMap<L, usize>,
    pieces: u64,
    twice: u64,
}

impl<L: Copy + Ord> Assemblies<L> {
    /// None yet.
    pub fn new(settings: BlobSettings) -> Self {
        Self { settings, underway: Vec::new(), owed: BTreeMap::new(), pieces: 0, twice: 0 }
    }

    /// Behind a manifest of one piece comes the piece, unasked.
    pub fn on_manifest(&mut self, link: L, manifest: &Manifest<'_>) {
        *self.owed.entry(link).or_default() += usize::from(manifest.hashes.len() == 1);
    }

    /// Takes a manifest from a link. `wanted` is the id that the update must have: one that a
    /// verified seal names. The link has until `until` to bring the piece, if it is one.
    pub fn begin(
        &mut self,
        link: L,
        manifest: &Manifest<'_>,
        wanted: Cid,
        (now, until): (Tick, Tick),
    ) -> Result<Begun, BlobError> {
        let stub = Update::decode(manifest.stub.into()).map_err(BlobError::Envelope)?;
        let is_true = stub.is_erased()
            && stub.cid() == wanted
            && stub.payload_bytes() > 0
            && manifest.hashes.len() == tree::count(stub.payload_bytes())
            && tree::root(manifest.hashes) == Some(stub.payload_hash());
        if !is_true {
            return Err(BlobError::Manifest);
        }
        if self.joins(link, wanted) {
            return Ok(Begun::Joins);
        }
        let count = manifest.hashes.len();
        let assembly = Assembly {
            stub,
            hashes: manifest.hashes.to_vec(),
            pieces: if count == 1 {
                vec![State::Asked(link, until)]
            } else {
                vec![State::Missing(None); count]
            },
            missing: count,
            raw: None,
            sources: vec![link],
            without: Vec::new(),
            progress: now,
        };
        let is_full = self.underway.len() >= self.settings.assemblies_max
            || self.bytes() + assembly.bytes() > self.settings.bytes_max;
        if is_full && !self.underway.is_empty() {
            return Ok(Begun::Full);
        }
        self.underway.push(assembly);
        Ok(Begun::Begins)
    }

    /// Says that a link has an update too. True if it is being put together.
    pub fn joins(&mut self, link: L, cid: Cid) -> bool {
        let Some(assembly) = self.underway.iter_mut().find(|a| a.cid() == cid) else {
            return false;
        };
        if !assembly.sources.contains(&link) && !assembly.without.contains(&link) {
            assembly.sources.push(link);
        }
        true
    }

    /// How many more updates may be put together.
    pub fn free(&self) -> usize {
        self.settings.assemblies_max.saturating_sub(self.underway.len())
    }

    /// The updates that are being put together.
    pub fn names(&self) -> impl Iterator<Item = (Dot, Cid)> + '_ {
        self.underway.iter().map(|assembly| (assembly.stub.dot(), assembly.cid()))
    }

    /// True while an update of this name is being put together.
    pub fn has(&self, dot: Dot) -> bool {
        self.underway.iter().any(|assembly| assembly.stub.dot() == dot)
    }

    /// What to ask of a link now; it has `wait_ms` to bring it.
    pub fn ask(&mut self, link: L, now: Tick, wait_ms: u64) -> Option<AskPieces> {
        let asks_max = self.settings.asks_max;
        let owed = self.owed.get(&link).copied().unwrap_or(0);
        // A link that did not bring what was given up may be asked as much once more, no further.
        let limit =
            asks_max.saturating_sub(self.asked(link)).min((2 * asks_max).saturating_sub(owed));
        let limit = limit.min(ASK_PIECES_MAX);
        for assembly in &mut self.underway {
            let pieces = assembly.wanted(link, limit, now + wait_ms);
            if !pieces.is_empty() {
                *self.owed.entry(link).or_default() += pieces.len();
                return Some(AskPieces { dot: assembly.stub.dot(), cid: assembly.cid(), pieces });
            }
        }
        None
    }

    /// How many pieces a link is asked for and may still bring in time.
    fn asked(&self, link: L) -> usize {
        let pieces = self.underway.iter().flat_map(|assembly| &assembly.pieces);
        pieces.filter(|state| matches!(state, State::Asked(asked, _) if *asked == link)).count()
    }

    /// Takes a piece. Gives the whole envelope, not yet checked, when it was the last.
    pub fn on_piece(
        &mut self,
        link: L,
        piece: &Piece<'_>,
        now: Tick,
    ) -> Result<Option<Chunk>, BlobError> {
        let owed = self.owed.get_mut(&link).filter(|owed| **owed > 0).ok_or(BlobError::Unasked)?;
        *owed -= 1;
        let Some(at) = self.underway.iter().position(|a| a.cid() == piece.cid) else {
            // It was given up, or is whole by what others brought.
            return Ok(None);
        };
        let (assembly, index) = (&mut self.underway[at], usize::from(piece.index));
        let state = *assembly.pieces.get(index).ok_or(BlobError::Unasked)?;
        if piece.bytes.is_empty() {
            assembly.sources.retain(|source| *source != link);
            assembly.without.push(link);
            assembly.forget(|asked, _| asked == link);
            return Ok(None);
        }
        if state == State::Here {
            self.twice += 1;
            return Ok(None);
        }
        if let Err(error) = assembly.take(index, piece.bytes) {
            assembly.pieces[index] = State::Missing(Some(link));
            return Err(error);
        }
        assembly.progress = now;
        self.pieces += 1;
        if assembly.missing > 0 {
            return Ok(None);
        }
        Ok(self.underway.remove(at).raw)
    }

    /// A link is gone: what it was asked for is asked of others. What came stays, also while nobody
    /// else has it; but an update of which nothing came, and that nobody else has, gives its place
    /// to others. Those are returned: a liar may not hold all places by promises.
    pub fn lost(&mut self, link: L) -> Vec<Dot> {
        self.owed.remove(&link);
        for assembly in &mut self.underway {
            assembly.sources.retain(|source| *source != link);
            assembly.without.retain(|without| *without != link);
            assembly.forget(|asked, _| asked == link);
        }
        let is_idle = |a: &mut Assembly<L>| a.sources.is_empty() && a.missing == a.pieces.len();
        self.underway.extract_if(.., is_idle).map(|assembly| assembly.stub.dot()).collect()
    }

    /// Drops, and returns, updates of which every link that had them says that it has them no more:
    /// they are to be asked for from the start, to hear what became of them.
    pub fn abandoned(&mut self) -> Vec<Dot> {
        let is_abandoned = |a: &mut Assembly<L>| a.sources.is_empty() && !a.without.is_empty();
        self.underway.extract_if(.., is_abandoned).map(|assembly| assembly.stub.dot()).collect()
    }

    /// When [`Assemblies::on_time`] is to be called.
    pub fn deadline(&self) -> Option<Tick> {
        let idle = self.underway.iter().map(|a| a.progress + self.settings.idle_ms);
        let pieces = self.underway.iter().flat_map(|assembly| &assembly.pieces);
        let asked = pieces.filter_map(|state| match state {
            State::Asked(_, until) => Some(*until),
            State::Missing(_) | State::Here => None,
        });
        idle.chain(asked).min()
    }

    /// Gives up what did not come in time. Returns the updates that got nothing for too long:
    /// they are to be asked for from the start.
    pub fn on_time(&mut self, now: Tick) -> Vec<Dot> {
        let idle_ms = self.settings.idle_ms;
        for assembly in &mut self.underway {
            assembly.forget(|_, until| until <= now);
        }
        let is_idle = |assembly: &mut Assembly<L>| assembly.progress + idle_ms <= now;
        self.underway.extract_if(.., is_idle).map(|assembly| assembly.stub.dot()).collect()
    }

    fn bytes(&self) -> usize {
        self.underway.iter().map(Assembly::bytes).sum()
    }

    /// Their figures.
    pub fn view(&self) -> AssembliesView {
        AssembliesView {
            assemblies: self.underway.len(),
            bytes: self.bytes(),
            pieces: self.pieces,
            twice: self.twice,
        }
    }
}
