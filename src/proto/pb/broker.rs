//! The broker: what both ends of a connection know of each other's objects and calls.

use super::error::{PbError, PbFault};
use super::failure::{FAILURE_TAG, Failure};
use super::jelly::{Jelly, ObjectId};
use super::message::{Message, RequestId};
use super::unjelly::{JellyError, Unjelly};
use crate::base::InBuf;
use crate::proto::banana::{BananaLimits, Dialect, Item, Scanner, Writer};
use std::collections::BTreeMap;

/// The version of the protocol that is spoken.
const VERSION: i64 = 6;
/// The name of the object that a server begins with.
const ROOT: &[u8] = b"root";
/// How often the bound on references may be met before the connection ends.
const VIOLATIONS_MAX: u32 = 3;

/// What one connection may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PbLimits {
    /// The bytes of a message. The buffer that it is read from must hold as many.
    pub message_bytes: usize,
    /// The items that a message is made of.
    pub message_items: usize,
    /// Lists in lists.
    pub depth: usize,
    /// References at a time, in each direction.
    pub references: usize,
}

impl Default for PbLimits {
    fn default() -> Self {
        Self { message_bytes: 2 << 20, message_items: 1 << 16, depth: 64, references: 1024 }
    }
}

/// Something that came.
#[derive(Debug, PartialEq)]
pub enum Event<'a, O, C> {
    /// A message that the broker has dealt with.
    Handled,
    /// One of our objects is called.
    Call(Call<'a, O>),
    /// A call of ours is answered.
    Answer(C, Jelly<'a>),
    /// A call of ours has failed.
    Failed(C, Failure<'a>),
    /// The peer has let go of one of our objects for good.
    Released(O),
}

/// A call of one of our objects.
#[derive(Debug, PartialEq)]
pub struct Call<'a, O> {
    /// What it is to be answered by; none where no answer is wanted.
    pub id: Option<RequestId>,
    /// The object.
    pub object: O,
    /// The method.
    pub method: &'a str,
    /// Arguments by place.
    pub args: Vec<Jelly<'a>>,
    /// Arguments by name.
    pub named: Vec<(&'a str, Jelly<'a>)>,
}

/// There are as many references as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyReferences {
    /// It was so too often: the connection should end.
    pub is_last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A server that has offered its dialects, or is about to.
    Offered,
    /// A client that waits for them.
    Waiting,
    /// The dialect is chosen.
    Running,
}

#[derive(Debug)]
struct Ours<O> {
    object: O,
    /// How many references the peer holds.
    count: u64,
}

/// One end of a connection, sans-I/O. `O` is what we know of an object of ours, `C` what we know of
/// a call of ours until its answer comes.
///
/// Call [`Broker::start`] once, then [`Broker::next`] until `None` whenever bytes came. References
/// of the peer's that come with an event are let go of at the next call of `next`, unless
/// [`Broker::keep`] is called for them before. What is written is in whole messages, in the order
/// of these calls. After an error, nothing more can be read.
#[derive(Debug)]
pub struct Broker<O, C> {
    stage: Stage,
    dialect: Dialect,
    limits: PbLimits,
    scanner: Scanner,
    /// Bytes of whole messages so far.
    read_bytes: u64,
    /// Those of the last one.
    last_bytes: usize,
    /// What the peer knows as the root; a client has none.
    root: Option<O>,
    ours: BTreeMap<i64, Ours<O>>,
    last_object: i64,
    /// How often there were too many references.
    violations: u32,
    asked: BTreeMap<i64, C>,
    last_request: i64,
    /// References that came with the last event.
    fresh: Vec<i64>,
    /// How many references of the peer's are kept.
    kept: usize,
    failures: i64,
}

impl<O: Clone, C> Broker<O, C> {
    /// The end that was connected to. Its root is what the peer may call first.
    pub fn server(limits: PbLimits, root: O) -> Self {
        Self::new(limits, Stage::Offered, Some(root))
    }

    /// The end that connected.
    pub fn client(limits: PbLimits) -> Self {
        Self::new(limits, Stage::Waiting, None)
    }

    fn new(limits: PbLimits, stage: Stage, root: Option<O>) -> Self {
        let banana = BananaLimits {
            bytes_max: limits.message_bytes,
            items_max: limits.message_items,
            depth_max: limits.depth,
        };
        Self {
            stage,
            dialect: Dialect::None,
            limits,
            scanner: Scanner::new(banana),
            read_bytes: 0,
            last_bytes: 0,
            root,
            ours: BTreeMap::new(),
            last_object: 0,
            violations: 0,
            asked: BTreeMap::new(),
            last_request: 0,
            fresh: Vec::new(),
            kept: 0,
            failures: 0,
        }
    }

    /// The connection is up: a server offers its dialects, a client has nothing to say yet.
    pub fn start(&self, out: &mut Vec<u8>) {
        if self.stage == Stage::Offered {
            let mut writer = self.writer(out);
            writer.list(Dialect::ALL.len());
            for dialect in Dialect::ALL {
                writer.text(dialect.name());
            }
        }
    }

    /// True once the dialect is chosen: calls may be made.
    pub fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// How many bytes the last message had.
    pub fn last_bytes(&self) -> usize {
        self.last_bytes
    }

    /// Takes the next whole message; `None` when there is none. What is to be said to it without
    /// our doing is written.
    pub fn next<'a>(
        &mut self,
        input: &'a mut InBuf,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a, O, C>>, PbError> {
        self.let_go(out);
        let Some(bytes) = self.scanner.scan(input.data(), self.dialect)? else { return Ok(None) };
        self.read_bytes += bytes as u64;
        self.last_bytes = bytes;
        let end = self.read_bytes;
        let fail = |fault| PbError::Message(fault, end);
        let Some((item, _)) = Item::read(input.take(bytes)) else {
            return Err(fail(PbFault::Form));
        };
        let taken = match self.stage {
            Stage::Offered => self.take_choice(&item, out).map(|()| Event::Handled),
            Stage::Waiting => self.take_offer(&item, out).map(|()| Event::Handled),
            Stage::Running => self.take(&item, out),
        };
        taken.map(Some).map_err(fail)
    }

    fn take_choice(&mut self, item: &Item<'_>, out: &mut Vec<u8>) -> Result<(), PbFault> {
        let Item::Bytes(name) = item else { return Err(PbFault::Dialect) };
        self.choose(name, out).ok_or(PbFault::Dialect)
    }

    fn take_offer(&mut self, item: &Item<'_>, out: &mut Vec<u8>) -> Result<(), PbFault> {
        let Item::List(offers) = item else { return Err(PbFault::Dialect) };
        let names = offers.iter().filter_map(|offer| match offer {
            Item::Bytes(name) => Some(*name),
            _ => None,
        });
        let is_known = |name: &&[u8]| Dialect::ALL.iter().any(|d| d.name().as_bytes() == *name);
        let name = names.into_iter().find(is_known).ok_or(PbFault::Dialect)?;
        self.writer(out).bytes(name);
        self.choose(name, out).ok_or(PbFault::Dialect)
    }

    /// Both sides say their version as the first thing in the dialect.
    fn choose(&mut self, name: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.dialect = Dialect::ALL.into_iter().find(|d| d.name().as_bytes() == name)?;
        self.stage = Stage::Running;
        let mut writer = self.writer(out);
        writer.list(2);
        writer.text("version");
        writer.int(VERSION);
        Some(())
    }

    fn take<'a>(&mut self, item: &Item<'a>, out: &mut Vec<u8>) -> Result<Event<'a, O, C>, PbFault> {
        match Message::read(item)? {
            Message::Version(VERSION) | Message::DidNotUnderstand => Ok(Event::Handled),
            Message::Version(_) => Err(PbFault::Version),
            Message::Call { id, object, method, args, named } => {
                let called = self.called(object, method, args, named);
                let text;
                let failure = match called {
                    Ok((object, method, args, named)) => {
                        return Ok(Event::Call(Call { id, object, method, args, named }));
                    }
                    Err(Uncallable::Object) => Failure::invalid_object(),
                    Err(Uncallable::Over) => return Err(PbFault::References),
                    Err(Uncallable::Full) => Failure::too_many_references(),
                    Err(Uncallable::Jelly(error)) => {
                        text = error.to_string();
                        Failure::insecure_jelly(&text)
                    }
                };
                self.fail(out, id.as_ref(), &failure);
                Ok(Event::Handled)
            }
            Message::Answer(id, item) => {
                let call = self.asked.remove(&id).ok_or(PbFault::Answer)?;
                match self.value(item) {
                    Ok(value) => Ok(Event::Answer(call, value)),
                    Err(error) => Ok(Event::Failed(call, Failure::refused(&error))),
                }
            }
            Message::Error(id, item) => {
                let call = self.asked.remove(&id).ok_or(PbFault::Answer)?;
                let failure = match self.value(item) {
                    Ok(value) => Failure::read(&value),
                    Err(error) => Failure::refused(&error),
                };
                Ok(Event::Failed(call, failure))
            }
            Message::Decref(id) => self.decref(id),
        }
    }

    /// Reads what a call carries.
    fn called<'a>(
        &mut self,
        object: ObjectId<'a>,
        method: &'a [u8],
        args: &Item<'a>,
        named: &Item<'a>,
    ) -> Result<Called<'a, O>, Uncallable> {
        let object = self.object(object).cloned().ok_or(Uncallable::Object)?;
        let malformed = |what| Uncallable::Jelly(JellyError::Malformed(what));
        let method = std::str::from_utf8(method).map_err(|_| malformed("method"))?;
        let (args, named) = (self.value(args), self.value(named));
        let (Jelly::Tuple(args) | Jelly::List(args)) = args.map_err(Uncallable::Jelly)? else {
            return Err(malformed("tuple of arguments"));
        };
        let Jelly::Dict(named) = named.map_err(Uncallable::Jelly)? else {
            return Err(malformed("dictionary of arguments"));
        };
        let named = named.into_iter().map(|(key, value)| Some((key.name()?, value)));
        let named = named.collect::<Option<Vec<_>>>().ok_or(malformed("name of an argument"))?;
        if self.kept + self.fresh.len() > self.limits.references {
            return Err(self.violate());
        }
        Ok((object, method, args, named))
    }

    fn violate(&mut self) -> Uncallable {
        self.violations += 1;
        if self.violations > VIOLATIONS_MAX { Uncallable::Over } else { Uncallable::Full }
    }

    /// The object of ours that is meant.
    pub(super) fn object(&self, id: ObjectId<'_>) -> Option<&O> {
        match id {
            ObjectId::Number(id) => self.ours.get(&id).map(|ours| &ours.object),
            ObjectId::Name(ROOT) => self.root.as_ref(),
            ObjectId::Name(_) => None,
        }
    }

    fn decref<'a>(&mut self, id: i64) -> Result<Event<'a, O, C>, PbFault> {
        let ours = self.ours.get_mut(&id).ok_or(PbFault::Reference)?;
        ours.count -= 1;
        if ours.count > 0 {
            return Ok(Event::Handled);
        }
        let ours = self.ours.remove(&id).ok_or(PbFault::Reference)?;
        Ok(Event::Released(ours.object))
    }

    /// Reads a value, and notes the references in it.
    fn value<'a>(&mut self, item: &Item<'a>) -> Result<Jelly<'a>, JellyError> {
        const TAGS: &[&str] = &[FAILURE_TAG];
        let mut reader = Unjelly::new(TAGS);
        let value = reader.read(item);
        self.fresh.append(&mut reader.remotes);
        value
    }

    /// A reference of the peer's that came with the last event stays until [`Broker::release`];
    /// false when none of this id came that is not kept yet.
    pub fn keep(&mut self, id: i64) -> bool {
        let Some(at) = self.fresh.iter().position(|fresh| *fresh == id) else { return false };
        self.fresh.swap_remove(at);
        self.kept += 1;
        true
    }

    /// Lets go of a reference that was kept.
    pub fn release(&mut self, out: &mut Vec<u8>, id: i64) {
        self.kept = self.kept.saturating_sub(1);
        put_decref(&mut self.writer(out), id);
    }

    fn let_go(&mut self, out: &mut Vec<u8>) {
        for id in std::mem::take(&mut self.fresh) {
            put_decref(&mut self.writer(out), id);
        }
    }

    /// Gives the peer an object of ours, which it has to be sent as [`Jelly::Remote`] of this id.
    pub fn export(&mut self, object: O) -> Result<i64, TooManyReferences> {
        if self.ours.len() >= self.limits.references {
            self.violations += 1;
            return Err(TooManyReferences { is_last: self.violations > VIOLATIONS_MAX });
        }
        self.last_object += 1;
        self.ours.insert(self.last_object, Ours { object, count: 1 });
        Ok(self.last_object)
    }

    /// Gives the peer once more what it holds, as Twisted does; false when it does not hold it.
    #[cfg(test)]
    pub(crate) fn export_again(&mut self, id: i64) -> bool {
        let Some(ours) = self.ours.get_mut(&id) else { return false };
        ours.count += 1;
        true
    }

    /// Calls an object of the peer's. What is known of the call comes back with its answer; without
    /// that, none is asked for.
    pub fn call(
        &mut self,
        out: &mut Vec<u8>,
        object: ObjectId<'_>,
        method: &str,
        (args, named): (Vec<Jelly<'_>>, Vec<(Jelly<'_>, Jelly<'_>)>),
        known: Option<C>,
    ) {
        self.last_request += 1;
        let (id, wants_answer) = (self.last_request, known.is_some());
        if let Some(known) = known {
            self.asked.insert(id, known);
        }
        let mut writer = self.writer(out);
        writer.list(7);
        writer.text("message");
        writer.int(id);
        match object {
            ObjectId::Number(object) => writer.int(object),
            ObjectId::Name(name) => writer.bytes(name),
        }
        writer.text(method);
        writer.int(wants_answer.into());
        Jelly::Tuple(args).put(&mut writer);
        Jelly::Dict(named).put(&mut writer);
    }

    /// Calls the root of the peer.
    pub fn call_root(
        &mut self,
        out: &mut Vec<u8>,
        method: &str,
        arguments: (Vec<Jelly<'_>>, Vec<(Jelly<'_>, Jelly<'_>)>),
        known: C,
    ) {
        self.call(out, ObjectId::Name(ROOT), method, arguments, Some(known));
    }

    /// Answers a call. One that wants no answer gets none.
    pub fn answer(&mut self, out: &mut Vec<u8>, id: Option<&RequestId>, value: &Jelly<'_>) {
        let Some(id) = id else { return };
        let mut writer = self.writer(out);
        writer.list(3);
        writer.text("answer");
        id.put(&mut writer);
        value.put(&mut writer);
    }

    /// Answers a call with a failure.
    pub fn fail(&mut self, out: &mut Vec<u8>, id: Option<&RequestId>, failure: &Failure<'_>) {
        let Some(id) = id else { return };
        self.failures += 1;
        let jelly = failure.jelly(self.failures);
        let mut writer = self.writer(out);
        writer.list(3);
        writer.text("error");
        id.put(&mut writer);
        jelly.put(&mut writer);
    }

    fn writer<'w>(&self, out: &'w mut Vec<u8>) -> Writer<'w> {
        Writer::new(out, self.dialect)
    }
}

/// Object, method and arguments of a call.
type Called<'a, O> = (O, &'a str, Vec<Jelly<'a>>, Vec<(&'a str, Jelly<'a>)>);

/// Why a call can't be made.
enum Uncallable {
    Object,
    Jelly(JellyError),
    Full,
    /// Full once too often.
    Over,
}

fn put_decref(writer: &mut Writer<'_>, id: i64) {
    writer.list(2);
    writer.text("decref");
    writer.int(id);
}
