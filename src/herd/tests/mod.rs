//! What feeds and links promise, over real stores on simulated disks. Two links talk through their
//! bytes alone.

mod feed;
mod link;

use super::{Arrival, Identity, Link, LinkError, LinkSettings};
use crate::base::{InBuf, OutBuf, Tick};
use crate::proto::peer::{Frame, PeerCodec};
use crate::store::{Apply, SimDisk, Store, StoreOptions};
use crate::update::{Cid, Dot, Draft, Epoch, Hlc, Kind, Update};
use std::sync::Arc;

/// A frame's head.
const HEAD_BYTES: usize = 5;

fn dot(epoch: u64, seq: u64) -> Dot {
    Dot { epoch: Epoch(epoch), seq }
}

fn update(dot: Dot, bytes: usize) -> Update {
    Update::seal(Draft {
        dot,
        clock: Hlc(dot.seq),
        asked: 1,
        origin: "hill",
        kind: Kind::Data,
        topic: "weather",
        media_type: "text/plain",
        alias: "",
        parents: Vec::new(),
        previous: Cid::ZERO,
        payload: &vec![b'x'; bytes],
    })
    .expect("a good draft")
}

fn open_on(disk: &SimDisk, epoch: u64) -> Store {
    let options = StoreOptions { fresh_epoch: Epoch(epoch), ..StoreOptions::default() };
    let (mut store, _) = Store::open(Arc::new(disk.clone()), options).expect("it opens");
    while !store.replay(100).expect("it replays").is_empty() {}
    store
}

/// A store of this epoch, which is in no other store unless told.
fn open(epoch: u64) -> Store {
    open_on(&SimDisk::new(epoch), epoch)
}

/// Updates of any origin, on disk.
fn hold(store: &mut Store, dots: impl IntoIterator<Item = Dot>) {
    dots.into_iter().for_each(|dot| relay(store, dot));
    commit(store);
}

/// An update of another origin, or of an epoch that is over: not yet on disk.
fn relay(store: &mut Store, dot: Dot) {
    let is_own = dot.epoch == store.epoch();
    store.append(&update(dot, 100), if is_own { Apply::OnCommit } else { Apply::Now });
}

fn commit(store: &mut Store) {
    while let Some(batch) = store.take_batch() {
        store.finish(batch.run()).expect("the disk is good");
    }
}

/// One end of a link, with its store.
struct End {
    link: Link,
    store: Store,
    out: OutBuf,
    input: InBuf,
    codec: PeerCodec,
    now: Tick,
    /// Frames that came, by name, and the dots of new updates.
    frames: Vec<&'static str>,
    got: Vec<Dot>,
    duplicates: usize,
    /// All bytes that came.
    bytes: usize,
}

const SETTINGS: LinkSettings =
    LinkSettings { window_bytes: 1 << 20, heartbeat_ms: 1_000, silence_ms: 5_000 };

impl End {
    fn new(store: Store, settings: LinkSettings) -> Self {
        let mut end = Self {
            link: Link::new(settings),
            store,
            out: OutBuf::new(),
            input: InBuf::new(1 << 20),
            codec: PeerCodec::new(1 << 20),
            now: 0,
            frames: Vec::new(),
            got: Vec::new(),
            duplicates: 0,
            bytes: 0,
        };
        let name = format!("node-{}", end.store.epoch());
        let me = Identity { name, epoch: end.store.epoch(), instance: end.store.epoch().0 };
        end.link.greet(&me, &end.store, 0, 0, &mut end.out);
        end
    }

    /// Takes what another end wrote; the updates go into the log.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.bytes += bytes.len();
        assert_eq!(self.input.push(bytes), bytes.len());
        while let Some(frame) = self.codec.next(&mut self.input).expect("good frames") {
            self.frames.push(name_of(&frame));
            match self.link.on_frame(frame, &self.store, self.now, &mut self.out)? {
                Arrival::Update(update) => {
                    self.got.push(update.dot());
                    self.store.append(&update, Apply::Now);
                }
                Arrival::Duplicate => self.duplicates += 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes one frame of whatever kind.
    fn take(&mut self, frame: Frame<'_>) -> Result<Arrival, LinkError> {
        self.link.on_frame(frame, &self.store, self.now, &mut self.out)
    }

    fn fill(&mut self, room: usize) {
        self.link.fill(&self.store, room, &mut self.out).expect("the archive is read");
    }

    /// What it wrote, gone from it.
    fn written(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !self.out.is_empty() {
            let (slices, count) = self.out.io_slices::<16>();
            let before = bytes.len();
            slices[..count].iter().for_each(|slice| bytes.extend_from_slice(slice));
            let taken = bytes.len() - before;
            self.out.advance(taken);
        }
        bytes
    }

    fn frames(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.frames)
    }
}

fn name_of(frame: &Frame<'_>) -> &'static str {
    match frame {
        Frame::Hello(_) => "hello",
        Frame::Vector(_) => "vector",
        Frame::Held(_) => "held",
        Frame::Update(_) => "update",
        Frame::Credit(_) => "credit",
        Frame::Ping(_) => "ping",
        Frame::Pong(_) => "pong",
        Frame::Refuse { .. } => "refuse",
        Frame::Synced => "synced",
    }
}

/// Carries bytes both ways until nobody has anything to say.
fn talk(a: &mut End, b: &mut End) {
    loop {
        for end in [&mut *a, &mut *b] {
            end.link.grant(&mut end.out);
            end.fill(1 << 20);
        }
        let (from_a, from_b) = (a.written(), b.written());
        if from_a.is_empty() && from_b.is_empty() {
            return;
        }
        b.hear(&from_a).expect("no rule is broken");
        a.hear(&from_b).expect("no rule is broken");
    }
}
