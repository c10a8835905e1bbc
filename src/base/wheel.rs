//! A hierarchical timer wheel (Varghese and Lauck, 1987): arming and cancelling are O(1), time
//! over which nothing is due costs nothing. It has no clock: it is told what time it is.

use super::{Key, Slots, Tick};

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Enough levels of 6 bits for every 64-bit deadline.
const LEVELS: usize = 64_usize.div_ceil(BITS as usize);

/// Names one armed timer; finds nothing once it has been popped or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey(Key);

/// Where a timer is linked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// Armed for a time that had come already: due at the next advance.
    Late,
    /// Due, waiting to be popped.
    Fired,
    /// In a slot of a level.
    Slot(u8, u8),
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    due: Tick,
    spot: Spot,
    before: Key,
    after: Key,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: Key,
    last: Key,
}

const EMPTY: List = List { first: Key::NONE, last: Key::NONE };

/// Timers in order of (deadline, arming), where a deadline that has passed when it is armed
/// counts as the present.
///
/// Invariant: a timer in level `l`, slot `s` has the present's digits (base 64) above digit `l`,
/// and `s`, greater than the present's, as digit `l`. So the earliest timer is in the lowest level
/// that has any, in its first slot, and timers of one deadline always share a list, in order.
#[derive(Debug)]
pub struct Wheel<T> {
    now: Tick,
    entries: Slots<Entry<T>>,
    occupied: [u64; LEVELS],
    slots: Box<[[List; SLOTS]; LEVELS]>,
    late: List,
    fired: List,
}

impl<T> Wheel<T> {
    /// A wheel without timers, at `now`.
    pub fn new(now: Tick) -> Self {
        Self {
            now,
            entries: Slots::new(),
            occupied: [0; LEVELS],
            slots: Box::new([[EMPTY; SLOTS]; LEVELS]),
            late: EMPTY,
            fired: EMPTY,
        }
    }

    /// How many timers are armed or due and not yet popped.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is no timer.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Arms a timer. One whose time has come already is due at the next [`Wheel::advance`], not
    /// before: timers armed by timers cannot starve the rest of a turn.
    pub fn arm(&mut self, due: Tick, value: T) -> TimerKey {
        let spot = if due <= self.now { Spot::Late } else { self.spot_of(due) };
        let entry = Entry { value, due, spot, before: Key::NONE, after: Key::NONE };
        let key = self.entries.insert(entry);
        self.link(key, spot);
        TimerKey(key)
    }

    /// Takes a timer back; `None` when it was popped or cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.entries.get(key.0)?;
        self.unlink(key.0);
        self.entries.remove(key.0).map(|entry| entry.value)
    }

    /// Says what time it is: what is due by now can be popped. Time never goes back.
    pub fn advance(&mut self, now: Tick) {
        self.fire_late();
        while let Some((level, slot, start)) = self.first_slot() {
            if start > now {
                break;
            }
            self.now = start;
            self.open_slot(level, slot);
        }
        self.now = self.now.max(now);
    }

    /// The next timer that was due at the last [`Wheel::advance`].
    pub fn pop(&mut self) -> Option<T> {
        let key = self.fired.first;
        self.entries.get(key)?;
        self.unlink(key);
        self.entries.remove(key).map(|entry| entry.value)
    }

    /// When to advance next: never later than the earliest deadline, and equal to it when that is
    /// within the present block of 64 ticks; `None` without timers.
    pub fn next_due(&self) -> Option<Tick> {
        let ready = self.fired.first != Key::NONE || self.late.first != Key::NONE;
        if ready { Some(self.now) } else { self.first_slot().map(|(_, _, start)| start) }
    }

    fn spot_of(&self, due: Tick) -> Spot {
        let level = (due ^ self.now).ilog2() / BITS;
        let slot = (due >> (level * BITS)) as usize % SLOTS;
        Spot::Slot(level as u8, slot as u8)
    }

    /// The slot that is reached first: its level, number and first tick.
    fn first_slot(&self) -> Option<(usize, usize, Tick)> {
        let level = self.occupied.iter().position(|bits| *bits != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        let shift = level as u32 * BITS;
        let above = self.now.checked_shr(shift + BITS).unwrap_or(0);
        let start = above.checked_shl(shift + BITS).unwrap_or(0) | Tick::from(slot) << shift;
        Some((level, slot as usize, start))
    }

    /// Moves the timers of a slot whose first tick is the present down, or out.
    fn open_slot(&mut self, level: usize, slot: usize) {
        let mut key = std::mem::replace(&mut self.slots[level][slot], EMPTY).first;
        self.occupied[level] &= !(1 << slot);
        while let Some(entry) = self.entries.get(key) {
            let (due, after) = (entry.due, entry.after);
            let spot = if due == self.now { Spot::Fired } else { self.spot_of(due) };
            self.link(key, spot);
            key = after;
        }
    }

    fn fire_late(&mut self) {
        let mut key = std::mem::replace(&mut self.late, EMPTY).first;
        while let Some(entry) = self.entries.get(key) {
            let after = entry.after;
            self.link(key, Spot::Fired);
            key = after;
        }
    }

    fn list(&mut self, spot: Spot) -> &mut List {
        match spot {
            Spot::Late => &mut self.late,
            Spot::Fired => &mut self.fired,
            Spot::Slot(level, slot) => &mut self.slots[usize::from(level)][usize::from(slot)],
        }
    }

    /// Appends an entry that is in no list to the list of `spot`.
    fn link(&mut self, key: Key, spot: Spot) {
        if let Spot::Slot(level, slot) = spot {
            self.occupied[usize::from(level)] |= 1 << slot;
        }
        let list = self.list(spot);
        let before = std::mem::replace(&mut list.last, key);
        if list.first == Key::NONE {
            list.first = key;
        }
        if let Some(entry) = self.entries.get_mut(before) {
            entry.after = key;
        }
        if let Some(entry) = self.entries.get_mut(key) {
            (entry.spot, entry.before, entry.after) = (spot, before, Key::NONE);
        }
    }

    fn unlink(&mut self, key: Key) {
        let Some(entry) = self.entries.get(key) else { return };
        let (spot, before, after) = (entry.spot, entry.before, entry.after);
        match self.entries.get_mut(before) {
            Some(entry) => entry.after = after,
            None => self.list(spot).first = after,
        }
        match self.entries.get_mut(after) {
            Some(entry) => entry.before = before,
            None => self.list(spot).last = before,
        }
        if let Spot::Slot(level, slot) = spot
            && self.list(spot).first == Key::NONE
        {
            self.occupied[usize::from(level)] &= !(1 << slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The plain model: (deadline or the present if that is later, order of arming) → value.
    #[derive(Default)]
    struct Model {
        now: Tick,
        armed: BTreeMap<(Tick, u64), u64>,
        late: Vec<((Tick, u64), u64)>,
        fired: Vec<((Tick, u64), u64)>,
        count: u64,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u64),
        ArmFar(u64),
        ArmPast,
        Cancel(usize),
        Advance(u64),
        Jump(u64),
        PopSome(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..200_u64).prop_map(Step::Arm),
            1 => any::<u64>().prop_map(Step::ArmFar),
            1 => Just(Step::ArmPast),
            2 => any::<usize>().prop_map(Step::Cancel),
            3 => (0..100_u64).prop_map(Step::Advance),
            1 => (0..1_000_000_000_u64).prop_map(Step::Jump),
            3 => (0..5_usize).prop_map(Step::PopSome),
        ];
        prop::collection::vec(step, 1..120)
    }

    struct Pair {
        model: Model,
        wheel: Wheel<u64>,
        keys: Vec<(TimerKey, u64)>,
    }

    impl Pair {
        fn arm(&mut self, due: Tick) {
            let model = &mut self.model;
            let value = model.count;
            model.count += 1;
            let place = (due.max(model.now), value);
            if due <= model.now {
                model.late.push((place, value));
            } else {
                model.armed.insert(place, value);
            }
            self.keys.push((self.wheel.arm(due, value), value));
        }

        fn cancel(&mut self, index: usize) {
            let Some(&(key, value)) = self.keys.get(index % self.keys.len().max(1)) else { return };
            let model = &mut self.model;
            let before = model.late.len() + model.fired.len() + model.armed.len();
            model.late.retain(|entry| entry.1 != value);
            model.fired.retain(|entry| entry.1 != value);
            model.armed.retain(|_, armed| *armed != value);
            let was_there = model.late.len() + model.fired.len() + model.armed.len() < before;
            assert_eq!(self.wheel.cancel(key), was_there.then_some(value));
        }

        fn advance(&mut self, by: Tick) {
            let model = &mut self.model;
            model.now = model.now.saturating_add(by);
            model.fired.append(&mut model.late);
            let later = model.armed.split_off(&(model.now, u64::MAX));
            model.fired.extend(std::mem::replace(&mut model.armed, later));
            self.wheel.advance(model.now);
        }

        fn pop(&mut self) {
            let fired = &mut self.model.fired;
            let expected = if fired.is_empty() { None } else { Some(fired.remove(0).1) };
            assert_eq!(self.wheel.pop(), expected);
        }

        fn check(&self) {
            let (model, wheel) = (&self.model, &self.wheel);
            assert_eq!(wheel.len(), model.late.len() + model.fired.len() + model.armed.len());
            let ready = !model.late.is_empty() || !model.fired.is_empty();
            let first = model.armed.keys().next().map(|key| key.0);
            let exact = if ready { Some(model.now) } else { first };
            match (exact, wheel.next_due()) {
                (None, found) => assert_eq!(found, None),
                (Some(exact), Some(found)) if exact / 64 == model.now / 64 => {
                    assert_eq!(found, exact);
                }
                (Some(exact), Some(found)) => assert!(model.now < found && found <= exact),
                (Some(_), None) => panic!("a deadline was forgotten"),
            }
        }
    }

    proptest! {
        #[test]
        fn the_wheel_is_a_sorted_map_of_deadlines(steps in steps(), start in 0..1_000_000_u64) {
            let mut pair = Pair {
                model: Model { now: start, ..Model::default() },
                wheel: Wheel::new(start),
                keys: Vec::new(),
            };
            for step in steps {
                match step {
                    Step::Arm(ahead) => pair.arm(pair.model.now.saturating_add(ahead)),
                    Step::ArmFar(due) => pair.arm(due),
                    Step::ArmPast => pair.arm(pair.model.now / 2),
                    Step::Cancel(index) => pair.cancel(index),
                    Step::Advance(by) | Step::Jump(by) => pair.advance(by),
                    Step::PopSome(n) => (0..n).for_each(|_| pair.pop()),
                }
                pair.check();
            }
        }
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_of_arming_even_across_levels() {
        let mut wheel = Wheel::new(0);
        wheel.arm(5000, 'a');
        wheel.advance(4990);
        wheel.arm(5000, 'b');
        wheel.advance(4999);
        wheel.arm(5000, 'c');
        wheel.advance(5000);
        assert_eq!([wheel.pop(), wheel.pop(), wheel.pop()], [Some('a'), Some('b'), Some('c')]);
    }

    #[test]
    fn a_timer_armed_for_the_present_waits_for_the_next_advance() {
        let mut wheel = Wheel::new(10);
        wheel.arm(10, 'a');
        assert_eq!(wheel.pop(), None);
        wheel.advance(10);
        assert_eq!(wheel.pop(), Some('a'));
        wheel.arm(3, 'b');
        assert_eq!(wheel.pop(), None);
        assert_eq!(wheel.next_due(), Some(10));
    }

    #[test]
    fn the_last_tick_of_all_can_be_armed_and_reached() {
        let mut wheel = Wheel::new(0);
        wheel.arm(u64::MAX, 'z');
        wheel.advance(u64::MAX - 1);
        assert_eq!(wheel.pop(), None);
        wheel.advance(u64::MAX);
        assert_eq!(wheel.pop(), Some('z'));
    }
}
