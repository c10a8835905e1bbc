//! What has to hold of a store at any moment of a history, and after each reopening.

use super::*;

impl History {
    pub(super) fn check(&mut self) {
        let visible = self.visible();
        assert_eq!(read_all(&self.store), visible);
        let waiting = self.said.iter().filter(|said| !said.refused);
        let passed = || self.passed.iter();
        let seen = vector(waiting.map(|said| &said.update), passed());
        assert_eq!(self.store.seen(), &seen);
        let durable = self.said.iter().filter(|said| said.durable);
        let held =
            vector(durable.map(|said| &said.update), passed().filter(|passed| passed.durable));
        assert_eq!(self.store.held(), &held);
        let exposed = self.said.iter().filter(|said| said.exposed && !said.refused);
        assert_eq!(self.store.visible(), vector(exposed.map(|said| &said.update), passed()));
        let dropped = self.said.iter().filter(|said| said.loss.of == Lost::All);
        assert_eq!(self.store.gone(), &vector(dropped.map(|said| &said.update), passed()));
        for vector in [seen, held] {
            let mut before = None;
            for span in vector.spans() {
                assert!(span.from == 1 && before != Some(span.epoch), "{span:?} behind a gap");
                before = Some(span.epoch);
            }
        }
        if !visible.is_empty() {
            let probe = &visible[self.rng.below(visible.len() as u64) as usize];
            assert_eq!(self.store.get(probe.dot()).unwrap().as_ref(), Some(probe));
            assert_eq!(self.store.by_cid(probe.cid()).unwrap().as_ref(), Some(probe));
            let from = Place(self.rng.below(self.store.log_end().0 + 1));
            // A place of whatever origin: an answer or an error, no panic.
            let _ = self.store.read_from(from);
        }
        let is_hidden = |said: &&Said| !said.exposed && !said.refused || said.loss.of == Lost::All;
        for said in self.said.iter().filter(is_hidden) {
            assert_eq!(self.store.get(said.update.dot()).unwrap(), None);
            assert!(!self.store.contains(said.update.dot()));
        }
        self.check_tips();
        if self.rng.chance(1, 4) {
            self.check_seals(&visible);
        }
        self.check_exhibits();
        if !self.drops {
            self.check_index(&visible);
        }
        self.check_replay(visible);
    }

    fn check_tips(&self) {
        let tip = |dot: Dot, counts: fn(&Said) -> bool| {
            let mut said = self.said.iter().filter(|said| counts(said));
            let found = said.find(|said| said.update.dot() == dot);
            Tip { seq: dot.seq, cid: found.map(|said| said.update.cid()) }
        };
        for Span { epoch, to, .. } in self.store.seen().spans() {
            let dot = Dot { epoch, seq: to };
            assert_eq!(self.store.tip(epoch), Some(tip(dot, |said| !said.refused)));
        }
        let mut ids = Vec::new();
        let mut tips = self.store.tips();
        for Span { epoch, to, .. } in self.store.held().spans() {
            let tip = tip(Dot { epoch, seq: to }, |said| said.durable);
            assert_eq!(tips.next(), Some((epoch, tip)));
            ids.extend(tip.cid.map(|cid| (epoch, cid)));
        }
        assert_eq!(tips.next(), None);
        let hash = crate::update::state_hash(self.store.held(), ids);
        assert_eq!(self.store.state_hash(), hash);
    }

    /// Each update is sealed, or an own one that the store says wants a seal.
    fn check_seals(&mut self, visible: &[Update]) {
        let reserved = self.store.reserved();
        let mut place = Place::START;
        let mut is_all_sealed = true;
        while let Some((update, next)) = self.store.read_from(place).unwrap() {
            let dot = update.dot();
            let is_sealed = self.store.is_sealed(dot);
            let sealed = self.store.seal_of(dot).unwrap().and_then(|seal| seal.cid_of(dot));
            assert_eq!(sealed, is_sealed.then_some(update.cid()), "{dot}");
            assert!(is_sealed || reserved.contains(dot), "links would carry {dot}");
            is_all_sealed &= is_sealed;
            place = next;
        }
        assert!(is_all_sealed || self.store.unsealed().is_some());
        if let Some(probe) = visible.first()
            && let Some(seal) = self.store.seal_of(probe.dot()).unwrap()
        {
            assert!(seal.verify());
        }
    }

    fn check_exhibits(&self) {
        let mut kept: Vec<Update> =
            self.store.exhibits().map(|exhibit| exhibit.unwrap().0).collect();
        let mut expected: Vec<Update> =
            self.exhibits.iter().map(|(update, _)| update.clone()).collect();
        kept.sort_by_key(Update::cid);
        expected.sort_by_key(Update::cid);
        assert_eq!(kept, expected);
        for update in kept {
            assert_eq!(self.store.by_cid(update.cid()).unwrap().as_ref(), Some(&update));
        }
    }

    fn check_index(&mut self, visible: &[Update]) {
        let expected = derived(visible);
        let mut bound = || match self.rng.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(vec![b'a' + self.rng.below(20) as u8, self.rng.below(6) as u8]),
            _ => Bound::Excluded(vec![b'a' + self.rng.below(20) as u8, self.rng.below(6) as u8]),
        };
        let (from, to) = (bound(), bound());
        let from = if from == Bound::Unbounded { Bound::Included(b"a".to_vec()) } else { from };
        let limit = self.rng.below(6) as usize + 1;
        let all = |key: &Vec<u8>| {
            let after = match &from {
                Bound::Included(from) => key >= from,
                Bound::Excluded(from) => key > from,
                Bound::Unbounded => true,
            };
            let before = match &to {
                Bound::Included(to) => key <= to,
                Bound::Excluded(to) => key < to,
                Bound::Unbounded => true,
            };
            after && before
        };
        let inside = expected.iter().filter(|(key, _)| all(key));
        let inside = inside.map(|(key, value)| (key.clone(), value.clone()));
        let up: Vec<_> = inside.clone().take(limit).collect();
        let down: Vec<_> = inside.rev().take(limit).collect();
        let (from, to) = (from.as_ref().map(|key| &key[..]), to.as_ref().map(|key| &key[..]));
        let index = self.store.index();
        assert_eq!(index.scan(from, to, limit, Direction::Up).unwrap(), up);
        assert_eq!(index.scan(from, to, limit, Direction::Down).unwrap(), down);
        for (key, value) in &expected {
            assert_eq!(index.get(key).unwrap().as_ref(), Some(value));
        }
        let whole =
            index.scan(Bound::Included(b"a"), Bound::Unbounded, usize::MAX, Direction::Up).unwrap();
        assert_eq!(whole, expected.into_iter().collect::<Vec<_>>());
    }

    fn check_replay(&self, mut visible: Vec<Update>) {
        let spans: Vec<Span> = self.store.visible().spans().collect();
        let mut replay = Replay::new(spans, ReplayOrder::Clock);
        let mut got = Vec::new();
        while let Some(update) = replay.next(&self.store).unwrap() {
            got.push(update);
        }
        let mut last = BTreeMap::new();
        for update in &got {
            let seq = update.dot().seq;
            assert!(last.insert(update.dot().epoch, seq).is_none_or(|before| before < seq));
        }
        got.sort_by_key(Update::dot);
        visible.sort_by_key(Update::dot);
        assert_eq!(got, visible);
    }

    /// Compares what came back with what was said, and goes on from it.
    pub(super) fn adopt(&mut self) {
        let read = read_all(&self.store);
        let there: BTreeMap<Cid, Update> =
            read.iter().map(|update| (update.cid(), update.clone())).collect();
        let mut expected = self.said.iter().filter(|said| there.contains_key(&said.update.cid()));
        for update in &read {
            let said = expected.next().expect("nothing is invented, nothing is twice");
            assert_eq!(said.update.cid(), update.cid(), "the order is kept");
            let exposed = self.exposed.get(&update.dot());
            assert!(exposed.is_none_or(|cid| *cid == update.cid()), "{} has two", update.dot());
        }
        let gone = self.store.gone().clone();
        let mut is_cut = false;
        self.said.retain_mut(|said| {
            let dot = said.update.dot();
            let found = there.get(&said.update.cid());
            let is_dropped = said.loss.of == Lost::All && gone.contains(dot);
            let is_there = found.is_some() || is_dropped;
            assert!(is_there || !said.durable, "{dot} was on disk");
            assert!(said.refused || !(is_cut && is_there), "what is lost is the end");
            is_cut |= !said.refused && !is_there;
            let lost = match found {
                None => Lost::All,
                Some(update) if update.is_erased() => Lost::Payload,
                Some(_) => Lost::Nothing,
            };
            if is_there {
                assert!(lost <= said.loss.of, "{dot} lost what nobody asked for");
                assert!(lost == said.loss.of || !said.loss.for_good, "{dot} came back");
            }
            said.loss = Loss { of: lost, for_good: true };
            (said.exposed, said.durable, said.refused) = (true, true, false);
            is_there
        });
        for update in &read {
            self.exposed.insert(update.dot(), update.cid());
        }
        self.adopt_marks(&gone);
        assert!(!self.exposed.contains_key(&self.store.next_dot()));
        let (epoch, tip) = (self.store.epoch(), self.store.previous());
        let mut own = self.said.iter().filter(|said| said.update.dot().epoch == epoch);
        assert_eq!(tip, own.next_back().map_or(Cid::ZERO, |said| said.update.cid()));
        self.check();
    }

    fn adopt_marks(&mut self, gone: &Vector) {
        self.passed.retain_mut(|PassedBy { span: Span { epoch, to, .. }, durable }| {
            let is_there = gone.contains(Dot { epoch: *epoch, seq: *to });
            assert!(is_there || !*durable);
            *durable = true;
            is_there
        });
        let kept: Vec<Update> = self.store.exhibits().map(|exhibit| exhibit.unwrap().0).collect();
        for (update, _) in self.exhibits.iter().filter(|(_, durable)| *durable) {
            assert!(kept.iter().any(|kept| kept.cid() == update.cid()));
        }
        self.exhibits = kept.into_iter().map(|update| (update, true)).collect();
    }
}
