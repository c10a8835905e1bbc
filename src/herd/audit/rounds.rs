//! The rounds of an audit: what was heard and not yet answered, and what is to be named.
//!
//! A message that would grow too large, or take too much work, leaves the rest of what was heard
//! for the next one. What was heard last is answered first, so that a range is settled before the
//! next is split, and what waits stays within some messages' worth.

use super::set::OrderedSet;
use super::{AuditError, AuditSet};
use crate::proto::peer::{
    AUDIT_IDS_MAX, AUDIT_NAME_BYTES_MAX, AUDIT_RANGE_BYTES_MAX, AUDIT_ROUND_BYTES_MAX, AuditBound,
    AuditLeft, AuditMessage, AuditName, AuditRange, AuditRanges, AuditRangesWriter, Bits,
    RangeSays, ShortId, short,
};
use std::collections::VecDeque;
use std::ops::Range;

/// Into how many parts a range is split.
const PARTS: usize = 16;
/// Our updates in a range of which the peer told its ids are looked at one by one if there are no
/// more than these; else the range is split.
const SETTLE_UPDATES: usize = 512;
/// What a message may cost, in updates looked at; a fingerprint is some hundred.
const WORK_MAX: usize = 1 << 19;
const FINGERPRINT_WORK: usize = 256;
/// Names in one message: each is looked up in the archive.
const NAMES_MAX: usize = 256;
/// An honest peer stops splitting ranges long before so much waits.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// So much may wait before the peer is told that it is much.
const WAITING_BYTES_MUCH: usize = 128 << 10;
/// What is said of ranges while much waits at the peer: less than it answers meanwhile.
const SPARING_BYTES: usize = 2048;

/// The most bytes of the answer to one range.
const ANSWER_BYTES_MAX: usize = AUDIT_RANGE_BYTES_MAX + PARTS * 59;

/// Ranges of a message that were not answered yet.
#[derive(Debug)]
struct Heard {
    bytes: Vec<u8>,
    /// How many of the bytes were answered, and where the next range begins.
    done: usize,
    at: AuditBound,
}

/// What a round said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) names: u64,
    /// Neither end has any more to say.
    pub(super) is_end: bool,
}

/// The state of the rounds on one side.
#[derive(Debug)]
pub(super) struct Rounds {
    message_bytes: usize,
    waiting: Vec<Heard>,
    /// What these messages take in memory.
    waiting_bytes: usize,
    /// Positions of updates that the peer lacks and that were not named.
    surplus: VecDeque<Range<usize>>,
    /// The whole window is in doubt: nothing was compared.
    is_fresh: bool,
    /// What we said last, and what we heard last, was nothing.
    said_nothing: bool,
    heard_nothing: bool,
    /// What the peer has still to say.
    peer_left: AuditLeft,
}

impl Rounds {
    pub(super) fn new(message_bytes: usize) -> Self {
        Self {
            message_bytes,
            waiting: Vec::new(),
            waiting_bytes: 0,
            surplus: VecDeque::new(),
            is_fresh: false,
            said_nothing: false,
            heard_nothing: false,
            peer_left: AuditLeft::Nothing,
        }
    }

    /// Nothing was compared yet: the whole window is in doubt.
    pub(super) fn doubt(&mut self) {
        self.is_fresh = true;
    }

    /// Takes what a round says. True when neither end has any more to say.
    pub(super) fn hear(
        &mut self,
        first: AuditBound,
        bytes: &[u8],
        left: AuditLeft,
        has_names: bool,
    ) -> Result<bool, AuditError> {
        let mut ranges = AuditRanges::new(bytes, first);
        while ranges.read()?.is_some() {}
        if !bytes.is_empty() {
            self.waiting_bytes += bytes.len();
            if self.waiting_bytes > WAITING_BYTES_MAX {
                return Err(AuditError::Unexpected("more than can be answered"));
            }
            self.waiting.push(Heard { bytes: bytes.to_vec(), done: 0, at: first });
        }
        self.peer_left = left;
        self.heard_nothing = bytes.is_empty() && left == AuditLeft::Nothing && !has_names;
        Ok(self.heard_nothing && self.said_nothing)
    }

    /// Appends the body of our next round.
    pub(super) fn say(
        &mut self,
        set: &OrderedSet,
        first: AuditBound,
        archive: &impl AuditSet,
        out: &mut Vec<u8>,
    ) -> Result<Said, AuditError> {
        let room = self.message_bytes - AUDIT_ROUND_BYTES_MAX;
        let mut answer = Answer { set, writer: AuditRangesWriter::new(first), work: 0 };
        if std::mem::take(&mut self.is_fresh) {
            answer.doubt(first, AuditBound::END, set.position(first)..set.len());
        }
        let ranges_room = match self.peer_left {
            AuditLeft::Much => SPARING_BYTES,
            AuditLeft::Some | AuditLeft::Nothing => room,
        };
        self.answer_waiting(&mut answer, first, ranges_room)?;
        let ranges = answer.writer.into_bytes();
        let names = self.name(set, archive, room - ranges.len())?;
        let left = self.left();
        self.said_nothing = ranges.is_empty() && names.is_empty() && left == AuditLeft::Nothing;
        let said =
            Said { names: names.len() as u64, is_end: self.said_nothing && self.heard_nothing };
        AuditMessage::Round { left, names, ranges: &ranges }.encode(out);
        Ok(said)
    }

    fn left(&self) -> AuditLeft {
        if self.waiting_bytes > WAITING_BYTES_MUCH {
            AuditLeft::Much
        } else if self.waiting.is_empty() && self.surplus.is_empty() {
            AuditLeft::Nothing
        } else {
            AuditLeft::Some
        }
    }

    /// Answers what was heard, the last first, as far as the room and the work allowed go.
    fn answer_waiting(
        &mut self,
        answer: &mut Answer<'_>,
        first: AuditBound,
        room: usize,
    ) -> Result<(), AuditError> {
        while let Some(mut heard) = self.waiting.pop() {
            let mut ranges = AuditRanges::resume(&heard.bytes[heard.done..], first, heard.at);
            while answer.writer.len() + ANSWER_BYTES_MAX <= room && answer.work < WORK_MAX {
                let Some(range) = ranges.read()? else { break };
                heard.at = range.to;
                answer.range(&range, &mut self.surplus)?;
            }
            heard.done = heard.bytes.len() - ranges.left_bytes();
            if heard.done < heard.bytes.len() {
                self.waiting.push(heard);
                break;
            }
            self.waiting_bytes -= heard.bytes.len();
        }
        Ok(())
    }

    /// The names of some updates that the peer lacks.
    fn name(
        &mut self,
        set: &OrderedSet,
        archive: &impl AuditSet,
        room: usize,
    ) -> Result<Vec<AuditName>, AuditError> {
        let mut names = Vec::new();
        for _ in 0..NAMES_MAX.min(room / AUDIT_NAME_BYTES_MAX) {
            let Some(position) = self.next_surplus() else { break };
            if let Some((_, cid)) = set.get(position)
                && let Some(dot) = archive.dot_of(cid)?
            {
                names.push(AuditName { dot, cid });
            }
        }
        Ok(names)
    }

    fn next_surplus(&mut self) -> Option<usize> {
        let run = self.surplus.front_mut()?;
        let position = run.next();
        if run.start >= run.end {
            self.surplus.pop_front();
        }
        position
    }
}

/// One answer being written.
struct Answer<'a> {
    set: &'a OrderedSet,
    writer: AuditRangesWriter,
    work: usize,
}

impl Answer<'_> {
    /// Answers one range; notes which of our updates the peer lacks.
    fn range(
        &mut self,
        range: &AuditRange<'_>,
        surplus: &mut VecDeque<Range<usize>>,
    ) -> Result<(), AuditError> {
        let ours = self.set.position(range.from)..self.set.position(range.to);
        self.work += FINGERPRINT_WORK;
        match range.says {
            RangeSays::Nothing => {}
            RangeSays::Fingerprint(theirs) => {
                if self.set.fingerprint(ours.clone()) != theirs {
                    self.doubt(range.from, range.to, ours);
                }
            }
            RangeSays::Ids(theirs) if ours.len() <= SETTLE_UPDATES => {
                self.settle(range, theirs, ours, surplus);
            }
            RangeSays::Ids(_) => self.doubt(range.from, range.to, ours),
            RangeSays::Lacks(bits) => Self::lacked(bits, ours, surplus)?,
        }
        Ok(())
    }

    /// The two ends differ in a range: tells what we have in it, in part or in whole.
    fn doubt(&mut self, from: AuditBound, to: AuditBound, ours: Range<usize>) {
        if ours.len() < AUDIT_IDS_MAX {
            self.work += ours.len();
            self.writer.ids(from, to, self.set.range(ours).map(|(_, cid)| cid));
            return;
        }
        let mut from = from;
        for part in 1..=PARTS {
            let start = ours.start + ours.len() * (part - 1) / PARTS;
            let end = ours.start + ours.len() * part / PARTS;
            let pair = self.set.get(end - 1).zip(self.set.get(end));
            let part_to = match pair {
                Some((before, behind)) if part < PARTS => AuditBound::between(before, behind),
                _ => to,
            };
            self.work += FINGERPRINT_WORK;
            self.writer.fingerprint(from, part_to, self.set.fingerprint(start..end));
            from = part_to;
        }
    }

    /// The peer told all it has in a range: answers which of these we lack.
    fn settle(
        &mut self,
        range: &AuditRange<'_>,
        theirs: &[ShortId],
        ours: Range<usize>,
        surplus: &mut VecDeque<Range<usize>>,
    ) {
        self.work += ours.len();
        let mut sorted: Vec<(&ShortId, usize)> = theirs.iter().zip(0..).collect();
        sorted.sort_unstable();
        let mut lacks = vec![true; theirs.len()];
        for (position, (_, cid)) in ours.clone().zip(self.set.range(ours)) {
            match sorted.binary_search_by_key(&short(&cid), |(id, _)| id) {
                Ok(at) => lacks[sorted[at].1] = false,
                Err(_) => mark(surplus, position),
            }
        }
        if lacks.contains(&true) {
            self.writer.lacks(range.from, range.to, lacks.into_iter());
        }
    }

    /// The peer answered the ids that we told of a range.
    fn lacked(
        bits: Bits<'_>,
        ours: Range<usize>,
        surplus: &mut VecDeque<Range<usize>>,
    ) -> Result<(), AuditError> {
        if bits.count() != ours.len() {
            return Err(AuditError::Unexpected("an answer to what was not said"));
        }
        let lacked = ours.zip(bits.iter()).filter(|(_, lacks)| *lacks);
        lacked.for_each(|(position, _)| mark(surplus, position));
        Ok(())
    }
}

/// Adds a position; those that come one after the other are one run.
fn mark(surplus: &mut VecDeque<Range<usize>>, position: usize) {
    match surplus.back_mut() {
        Some(run) if run.end == position => run.end += 1,
        _ => surplus.push_back(position..position + 1),
    }
}
