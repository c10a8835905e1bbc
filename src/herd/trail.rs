//! The way that many feeds go together. Feeds that have the same and are at the same place share
//! where they stand, and a step from there is taken once: whoever comes after follows it without a
//! look at the log. A feed that differs in anything takes its own steps, and is back with the
//! others when it has reached the log's end and has the same.
//!
//! Bounded by what the steps cost. What a step led to is only kept while the log is laid out as it
//! was then, and an update whose payload was erased since, or that was dropped, is not given as it
//! was.

use crate::store::{Place, Store};
use crate::update::{Epoch, Hlc, Update, Vector};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What the steps may cost, in bytes.
const COST_BYTES_MAX: usize = 4 << 20;
/// What a run of a vector is counted as.
const RUN_COST_BYTES: usize = 64;
/// What a step costs at least.
const STEP_COST_BYTES: usize = 256;

/// Where a feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Everything before it was given or had; from here on the log is read.
    pub(super) tail: Place,
    /// What the reader has.
    pub(super) has: Vector,
    /// The greatest clock of what the reader has, as far as it is known.
    pub(super) clock: Hlc,
    /// Our epoch when the feed began: what a mark calls the log.
    pub(super) log: Epoch,
}

impl Stand {
    /// True when both have the same at one place. What they know of clocks is but a hint.
    fn is_with(&self, other: &Self) -> bool {
        self.tail == other.tail && self.log == other.log && self.has == other.has
    }
}

/// The last steps of those feeds that are together, shared by all feeds of a node.
#[derive(Clone, Debug, Default)]
pub struct Trail(Rc<RefCell<Way>>);

/// Invariant: each step leads to where the next begins, the last one to `end`; so their places
/// ascend. There are none without an end.
#[derive(Debug, Default)]
struct Way {
    steps: VecDeque<Step>,
    end: Option<Rc<Stand>>,
    /// The store's layout when the places were good.
    layout: u64,
    /// The store's count of erasures when the updates were noted: no payload is kept past its own.
    erasures: u64,
    cost: usize,
    /// How many came to the log's end elsewhere since the end moved.
    elsewhere: usize,
}

/// One step: to an update, or to where the log ended.
#[derive(Debug)]
struct Step {
    from: Rc<Stand>,
    update: Option<Update>,
    cost: usize,
}

impl Trail {
    /// The step that someone took from here, and where it led.
    pub(super) fn step(
        &self,
        store: &Store,
        from: &Rc<Stand>,
    ) -> Option<(Option<Update>, Rc<Stand>)> {
        let mut steps = self.0.borrow_mut();
        steps.heed(store);
        steps.step(store, from)
    }

    /// True when this is where the last step led: the next one is worth noting.
    pub(super) fn ends_at(&self, store: &Store, stand: &Rc<Stand>) -> bool {
        let mut steps = self.0.borrow_mut();
        steps.heed(store);
        steps.end.as_ref().is_some_and(|end| Rc::ptr_eq(end, stand))
    }

    /// Notes the step that was taken from the end.
    pub(super) fn note(&self, from: Rc<Stand>, update: Option<&Update>, to: &Rc<Stand>) {
        self.0.borrow_mut().note(from, update.cloned(), to);
    }

    /// A feed has come to the log's end: it stands with the others from now on if it has the same.
    /// If more have come to another place than stand at the end, theirs is the end.
    pub(super) fn join(&self, store: &Store, stand: &mut Rc<Stand>) {
        let mut steps = self.0.borrow_mut();
        steps.heed(store);
        steps.join(stand);
    }
}

impl Way {
    /// Forgets everything when the log was laid out anew, or something in it was erased.
    fn heed(&mut self, store: &Store) {
        if (self.layout, self.erasures) != (store.layout(), store.erasures()) {
            let (layout, erasures) = (store.layout(), store.erasures());
            *self = Self { layout, erasures, ..Self::default() };
        }
    }

    fn step(&self, store: &Store, from: &Rc<Stand>) -> Option<(Option<Update>, Rc<Stand>)> {
        let at = self.steps.partition_point(|step| step.from.tail < from.tail);
        let step = self.steps.get(at).filter(|step| Rc::ptr_eq(&step.from, from))?;
        let to = self.steps.get(at + 1).map(|next| &next.from).or(self.end.as_ref())?;
        let update = match &step.update {
            Some(update) if store.gone().contains(update.dot()) => return None,
            Some(update) => Some(store.as_stands(update.clone())),
            None => None,
        };
        Some((update, Rc::clone(to)))
    }

    fn note(&mut self, from: Rc<Stand>, update: Option<Update>, to: &Rc<Stand>) {
        debug_assert!(self.end.as_ref().is_some_and(|end| Rc::ptr_eq(end, &from)));
        debug_assert!(from.tail < to.tail, "a step leads on");
        let bytes = update.as_ref().map_or(0, |update| update.raw().len());
        let cost = STEP_COST_BYTES + from.has.runs() * RUN_COST_BYTES + bytes;
        self.steps.push_back(Step { from, update, cost });
        self.cost += cost;
        self.end = Some(Rc::clone(to));
        self.elsewhere = 0;
        while self.cost > COST_BYTES_MAX
            && let Some(oldest) = self.steps.pop_front()
        {
            self.cost -= oldest.cost;
        }
    }

    fn join(&mut self, stand: &mut Rc<Stand>) {
        if let Some(end) = &self.end {
            if Rc::ptr_eq(end, stand) {
                return;
            }
            if end.is_with(stand) {
                *stand = Rc::clone(end);
                return;
            }
            let there = Rc::strong_count(end) - 1;
            self.elsewhere += 1;
            if self.elsewhere <= there {
                return;
            }
        }
        let end = Some(Rc::clone(stand));
        let Self { layout, erasures, .. } = *self;
        *self = Self { end, layout, erasures, ..Self::default() };
    }
}
