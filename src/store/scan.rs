//! Reads the log front to back at open: checks every frame, finds the end, and tells a torn tail
//! from damage. Memory is one window, or one frame if that is larger.

use super::error::{StoreError, at_file};
use super::frame::{FrameKind, HEAD_BYTES, HEADER_BYTES, Head, Place, segment_name};
use super::segment::Segments;

const WINDOW_BYTES: usize = 256 * 1024;
const BEGIN_BYTES: usize = HEAD_BYTES + 8;

/// A position in the log, and what the frame there must carry as the check of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spot {
    pub(super) place: Place,
    pub(super) check: u32,
}

/// What stands at the scan's position.
pub(super) enum Found {
    /// A whole frame at this place; its body is [`Scan::body`].
    Frame(Place, FrameKind),
    /// The log's end.
    End,
    /// The last segment goes on, but not with a whole frame, and no batch begins further on.
    Torn {
        /// How many bytes stand behind the scan's position.
        bytes: u64,
    },
}

/// A reader of all frames from some position on.
pub(super) struct Scan {
    spot: Spot,
    salt: u32,
    /// Where the last segment's bytes end, and its number.
    end: Place,
    /// Where the bytes of the segment being read end.
    limit: u64,
    window: Vec<u8>,
    /// The offset of the window's first byte.
    window_at: u64,
    /// Where in the window the last frame stands, as far as it counts, and its body.
    frame: (usize, usize),
    body: (usize, usize),
}

impl Scan {
    /// From `spot` to `end`: the last segment's number and the length of its file.
    pub(super) fn new(segments: &Segments, spot: Spot, end: Place) -> Result<Self, StoreError> {
        let number = spot.place.segment();
        let salt = segments.header(number)?.salt;
        let limit = u64::from(segments.end_of(number, end)?);
        let window_at = u64::from(spot.place.offset());
        Ok(Self {
            spot,
            salt,
            end,
            limit,
            window: Vec::new(),
            window_at,
            frame: (0, 0),
            body: (0, 0),
        })
    }

    /// From the log's first frame.
    pub(super) fn from_start(segments: &Segments, end: Place) -> Result<Self, StoreError> {
        let check = segments.header(segments.start().segment())?.check();
        Self::new(segments, Spot { place: segments.start(), check }, end)
    }

    /// Where the next frame starts.
    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    /// The salt of the segment that is read.
    pub(super) fn salt(&self) -> u32 {
        self.salt
    }

    /// The body of the frame that [`Scan::next`] found last: what counts of its payload, without
    /// its link.
    pub(super) fn body(&self) -> &[u8] {
        &self.window[self.body.0..self.body.1]
    }

    /// That frame's bytes, as far as they count.
    pub(super) fn frame(&self) -> &[u8] {
        &self.window[self.frame.0..self.frame.1]
    }

    /// The next frame.
    pub(super) fn next(&mut self, segments: &Segments) -> Result<Found, StoreError> {
        while self.offset() >= self.limit {
            if self.is_last() {
                return Ok(Found::End);
            }
            self.enter_next(segments)?;
        }
        let place = self.spot.place;
        if let Some((head, link)) = self.read_frame(segments)? {
            self.spot = Spot { place: place.plus(head.frame_bytes()), check: link };
            return Ok(Found::Frame(place, head.kind));
        }
        if !self.is_last() || self.begins_behind(segments)? {
            return Err(self.damaged());
        }
        Ok(Found::Torn { bytes: self.limit - self.offset() })
    }

    /// Goes on behind what is damaged at the position, with the next whole frame of the segment, or
    /// at its end.
    pub(super) fn skip_damage(&mut self, segments: &Segments) -> Result<(), StoreError> {
        let end = Place::new(self.spot.place.segment(), self.limit as u32);
        let place = segments.whole_behind(self.spot.place, end)?;
        self.spot = Spot { place, check: segments.before(place, end)? };
        Ok(())
    }

    /// The position, named as damage.
    pub(super) fn damaged(&self) -> StoreError {
        StoreError::Damaged { segment: self.spot.place.segment(), offset: self.offset() }
    }

    fn offset(&self) -> u64 {
        u64::from(self.spot.place.offset())
    }

    fn is_last(&self) -> bool {
        self.spot.place.segment() == self.end.segment()
    }

    fn enter_next(&mut self, segments: &Segments) -> Result<(), StoreError> {
        let number = self.spot.place.segment() + 1;
        let header = segments.header(number)?;
        // The scan stands at the header's `before_end`: that was this segment's limit.
        if header.before_check != self.spot.check {
            return Err(StoreError::Damaged { segment: number, offset: 0 });
        }
        let place = Place::new(number, HEADER_BYTES as u32);
        self.spot = Spot { place, check: header.check() };
        self.salt = header.salt;
        self.limit = u64::from(segments.end_of(number, self.end)?);
        self.window.clear();
        self.window_at = self.offset();
        Ok(())
    }

    /// Reads the frame at the position into the window, and its link; `None` if there is no whole
    /// one.
    fn read_frame(&mut self, segments: &Segments) -> Result<Option<(Head, u32)>, StoreError> {
        let offset = self.offset();
        let Some(start) = self.fill(segments, offset, HEAD_BYTES)? else { return Ok(None) };
        let Some(head) = self.window[start..].first_chunk().and_then(Head::parse) else {
            return Ok(None);
        };
        if head.before != self.spot.check || offset + head.frame_bytes() as u64 > self.limit {
            return Ok(None);
        }
        let Some(start) = self.fill(segments, offset, HEAD_BYTES + head.counted())? else {
            return Ok(None);
        };
        let payload = (start + HEAD_BYTES, start + HEAD_BYTES + head.counted());
        self.frame = (start, payload.1);
        self.body = (payload.0 + head.body_at(), payload.1);
        let counted = &self.window[payload.0..payload.1];
        Ok(head.is_whole(self.salt, counted).then(|| (head, head.link(counted))))
    }

    /// Sees to it that the window holds `count` bytes from offset `at` on; says where in it they
    /// start. `None` if the segment ends before. A window never moves back.
    fn fill(
        &mut self,
        segments: &Segments,
        at: u64,
        count: usize,
    ) -> Result<Option<usize>, StoreError> {
        if at + count as u64 > self.limit {
            return Ok(None);
        }
        let start = (at - self.window_at) as usize;
        if start + count <= self.window.len() {
            return Ok(Some(start));
        }
        let kept = self.window.len().saturating_sub(start);
        self.window.drain(..self.window.len() - kept);
        self.window_at = at;
        let from = at + kept as u64;
        let length = (self.limit - from).min(WINDOW_BYTES.max(count - kept) as u64) as usize;
        self.window.resize(kept + length, 0);
        let number = self.spot.place.segment();
        let read = segments.file(number)?.read_at(from, &mut self.window[kept..]);
        let read = at_file(&segment_name(number), read)?;
        self.window.truncate(kept + read);
        Ok((self.window.len() >= count).then_some(0))
    }

    /// True when a batch begins somewhere behind the position. Its writer had synced all that
    /// stands before it: so what is broken at the position was whole once.
    fn begins_behind(&mut self, segments: &Segments) -> Result<bool, StoreError> {
        let mut at = self.offset() + 1;
        while let Some(start) = self.fill(segments, at, BEGIN_BYTES)? {
            let window = &self.window[start..];
            for frame in window.windows(BEGIN_BYTES) {
                let head = frame.first_chunk().and_then(Head::parse);
                let is_begin = |head: Head| {
                    head.kind == FrameKind::Begin && head.is_whole(self.salt, &frame[HEAD_BYTES..])
                };
                if head.is_some_and(is_begin) {
                    return Ok(true);
                }
            }
            at += (window.len() - BEGIN_BYTES + 1) as u64;
        }
        Ok(false)
    }
}
