//! Questions to the herd, from this node's side: who is asked, what has come, who waits for it.
//! What this node itself answers is in `answers`, how questions travel in `herd`.

use super::Node;
use crate::base::Tick;
use crate::proto::peer::TOLD_BYTES_MAX;
use crate::reactor::{ConnId, Ctx};
use crate::serve::peer::HerdDesk;
use crate::serve::{About, Gathered, Told};
use crate::update::Statement;
use std::collections::{BTreeMap, BTreeSet};

/// Who is asked has so long to answer.
const ANSWER_MS: u64 = 1_000;
/// Who asks the same within this shares the answers.
const SHARED_MS: u64 = 1_000;
/// Answers are kept so long for who asked.
const KEPT_MS: u64 = 5_000;
/// Questions that are remembered; the oldest that is answered goes.
const QUESTIONS_MAX: usize = 64;
/// Questions of one kind that wait for answers at once: whoever may read may ask for traces.
const ALIKE_MAX: usize = 8;
/// What a node said of its metrics stands in for an answer that did not come, up to this age.
const STALE_MS: u64 = 30_000;
/// Nodes of which that is kept.
const SAID_MAX: usize = 1024;
/// An answer, once it is no longer compressed.
const BODY_BYTES_MAX: usize = 1 << 20;
/// zstd's level for answers: they are made while someone waits.
const COMPRESSION: i32 = 1;

/// One question to the herd.
#[derive(Debug)]
struct Question {
    about: About,
    asked_at: Tick,
    asked_ms: u64,
    /// Who has yet to answer.
    missing: BTreeSet<String>,
    told: BTreeMap<String, Told>,
    /// This node's own answer.
    own: Option<Told>,
    done: Option<Gathered>,
    waiting: BTreeSet<ConnId>,
}

/// The questions that were asked here lately.
#[derive(Debug, Default)]
pub(super) struct Questions {
    by_number: BTreeMap<u64, Question>,
    /// Nodes that did not answer the last time: nobody waits for them again until they do.
    silent: BTreeSet<String>,
    /// The last metrics of each node, as they came, and when.
    said: BTreeMap<String, (Tick, Vec<u8>)>,
}

impl Questions {
    /// One that was asked a moment ago, or is still open.
    fn shared(&self, about: &About, now: Tick) -> Option<u64> {
        let is_fresh = |question: &Question| {
            question.about == *about
                && (question.done.is_none() || now - question.asked_at < SHARED_MS)
        };
        self.by_number.iter().find(|(_, question)| is_fresh(question)).map(|(number, _)| *number)
    }

    fn forget_old(&mut self, now: Tick) {
        self.by_number
            .retain(|_, question| question.done.is_none() || now - question.asked_at < KEPT_MS);
        while self.by_number.len() >= QUESTIONS_MAX {
            let done = self.by_number.iter().filter(|(_, question)| question.done.is_some());
            let oldest = done.min_by_key(|(_, question)| question.asked_at);
            let Some(number) = oldest.map(|(number, _)| *number) else { return };
            self.by_number.remove(&number);
        }
    }

    /// False while too many of this kind wait for answers.
    fn has_room_for(&self, about: &About) -> bool {
        let kind = std::mem::discriminant(about);
        let open = self.by_number.values().filter(|question| question.done.is_none());
        let alike = open.filter(|question| std::mem::discriminant(&question.about) == kind);
        alike.count() < ALIKE_MAX
    }

    fn keep(&mut self, node: &str, now: Tick, body: &[u8]) {
        if self.said.len() >= SAID_MAX && !self.said.contains_key(node) {
            self.said.retain(|_, (at, _)| now - *at <= STALE_MS);
        }
        if self.said.len() < SAID_MAX || self.said.contains_key(node) {
            self.said.insert(node.to_owned(), (now, body.to_vec()));
        }
    }

    /// What stands for a node that did not answer.
    fn silence_of(&self, node: &str, about: &About, (now, wall_ms): (Tick, u64)) -> Told {
        let kept = self.said.get(node).filter(|_| *about == About::Metrics);
        let kept =
            kept.map(|(at, body)| (now - at, body)).filter(|(age_ms, _)| *age_ms <= STALE_MS);
        Told {
            node: node.to_owned(),
            body: kept.and_then(|(_, body)| opened(body)).unwrap_or_default(),
            is_up: false,
            age_ms: kept.map(|(age_ms, _)| age_ms),
            between_ms: (wall_ms, wall_ms),
        }
    }
}

/// A body as it goes over links.
pub(super) fn packed(body: &[u8]) -> Option<Vec<u8>> {
    let packed = zstd::bulk::compress(body, COMPRESSION).ok()?;
    (packed.len() <= TOLD_BYTES_MAX && body.len() <= BODY_BYTES_MAX).then_some(packed)
}

fn opened(packed: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::decompress(packed, BODY_BYTES_MAX).ok()
}

impl Node {
    /// See [`crate::serve::Console::ask_herd`].
    pub(super) fn ask_all(&mut self, cx: &mut Ctx<'_, Self>, about: &About) -> Option<u64> {
        let (now, wall_ms) = (cx.now(), cx.wall_ns() / 1_000_000);
        if let Some(number) = self.questions.shared(about, now) {
            return Some(number);
        }
        self.questions.forget_old(now);
        if !self.questions.has_room_for(about) {
            return None;
        }
        let number = cx.rng().next_u64();
        let missing = self.expected(about);
        let is_alone = missing.is_empty();
        // Who could not be asked is not silent: then there is no answer rather than a wrong one.
        if !is_alone && !self.relay.inquire(number, &about.encode(), now) {
            return None;
        }
        let own = self.answer(cx, about).map(|body| Told {
            node: self.config.name.clone(),
            body,
            is_up: true,
            age_ms: Some(0),
            between_ms: (wall_ms, wall_ms),
        });
        let question = Question {
            about: about.clone(),
            asked_at: now,
            asked_ms: wall_ms,
            missing,
            told: BTreeMap::new(),
            own,
            done: None,
            waiting: BTreeSet::new(),
        };
        self.questions.by_number.insert(number, question);
        if is_alone {
            self.end_question(cx, number);
        } else {
            self.wake_links(cx);
            cx.call_later(ANSWER_MS, move |cx, node| node.end_question(cx, number));
        }
        Some(number)
    }

    /// Who is waited for: the neighbours whose link is up, and whoever is known by a key, unless
    /// they did not answer the last time.
    fn expected(&self, about: &About) -> BTreeSet<String> {
        let me = &self.config.name;
        if let About::Detail(name) = about {
            return Some(name.clone()).filter(|name| name != me).into_iter().collect();
        }
        let is_up = |link: Option<ConnId>| link.is_some_and(|link| self.relay.is_up(link));
        let silent = &self.questions.silent;
        let is_expected =
            |name: &str, link| is_up(link) || self.is_known_by_key(name) && !silent.contains(name);
        let members = self.roll.members();
        let expected = members.filter(|(name, member)| is_expected(name, member.link));
        expected.map(|(name, _)| name.to_owned()).collect()
    }

    /// See [`crate::serve::Console::answers`].
    pub(super) fn answers_to(&mut self, number: u64, conn: ConnId) -> Option<Gathered> {
        let Some(question) = self.questions.by_number.get_mut(&number) else {
            return Some(Gathered::default());
        };
        if question.done.is_none() {
            question.waiting.insert(conn);
        }
        question.done.clone()
    }

    /// Someone asks all nodes: says what this one has to say.
    pub(super) fn inquired_of(&mut self, cx: &mut Ctx<'_, Self>, number: u64, about: &[u8]) {
        let Some(body) = About::decode(about).and_then(|about| self.answer(cx, &about)) else {
            return;
        };
        let Some(packed) = packed(&body) else {
            return log::warn!("an answer of {} bytes is too long for a link", body.len());
        };
        let said = Statement::sign(&self.key, number, &self.config.name, packed);
        self.relay.tell(said, None, cx.now());
    }

    /// A node's answer came on a link: it is passed on to who asked, or counts here.
    pub(super) fn heard_told(&mut self, cx: &mut Ctx<'_, Self>, link: ConnId, said: Statement) {
        let now = cx.now();
        let is_worth_it =
            self.relay.awaits(&said, Some(link), now) && self.relay.may_verify_answer(link, now);
        if !is_worth_it || !said.verify() {
            return;
        }
        let Some(said) = self.relay.tell(said, Some(link), now) else { return };
        if said.node == self.config.name || !self.is_key_of(&said.key, &said.node) {
            return log::debug!("an answer of {} does not count: its key is not known", said.node);
        }
        let wall_ms = cx.wall_ns() / 1_000_000;
        let Some(question) = self.questions.by_number.get_mut(&said.inquiry) else { return };
        self.questions.silent.remove(&said.node);
        if question.done.is_some() {
            return;
        }
        let Some(body) = opened(&said.body) else {
            return log::debug!("an answer of {} does not read", said.node);
        };
        question.missing.remove(&said.node);
        let told = Told {
            node: said.node.clone(),
            body,
            is_up: true,
            age_ms: Some(0),
            between_ms: (question.asked_ms, wall_ms),
        };
        question.told.insert(said.node.clone(), told);
        let (is_whole, is_kept) = (question.missing.is_empty(), question.about == About::Metrics);
        if is_kept {
            self.questions.keep(&said.node, now, &said.body);
        }
        if is_whole {
            self.end_question(cx, said.inquiry);
        }
    }

    /// All have answered, or the time for it is up.
    fn end_question(&mut self, cx: &mut Ctx<'_, Self>, number: u64) {
        let moment = (cx.now(), cx.wall_ns() / 1_000_000);
        let Some(mut question) = self.questions.by_number.remove(&number) else { return };
        if question.done.is_none() {
            let is_of_all = !matches!(question.about, About::Detail(_));
            if is_of_all {
                self.questions.silent = std::mem::take(&mut question.missing);
            }
            let mut all: Vec<Told> = question.own.take().into_iter().collect();
            let known = self.roll.members().map(|(name, _)| name.to_owned());
            let silent = known.filter(|name| is_of_all && !question.told.contains_key(name));
            let silent: Vec<Told> = silent
                .map(|name| self.questions.silence_of(&name, &question.about, moment))
                .collect();
            let mut others: Vec<Told> =
                std::mem::take(&mut question.told).into_values().chain(silent).collect();
            others.sort_by(|a, b| a.node.cmp(&b.node));
            all.extend(others);
            question.done = Some(all.into());
            for conn in std::mem::take(&mut question.waiting) {
                cx.transport_of(conn).notify();
            }
        }
        self.questions.by_number.insert(number, question);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_back_within_its_bounds() {
        let body = vec![7; BODY_BYTES_MAX];
        let bytes = packed(&body).unwrap();
        assert!(bytes.len() < 1_000);
        assert_eq!(opened(&bytes), Some(body));
        let bomb = zstd::bulk::compress(&vec![7; 2 * BODY_BYTES_MAX], 1).unwrap();
        assert_eq!(opened(&bomb), None);
        assert_eq!(opened(b"no"), None);
        let mut rng = crate::base::Rng::new(1);
        let noise: Vec<u8> = (0..2 * TOLD_BYTES_MAX).map(|_| rng.next_u64() as u8).collect();
        assert_eq!(packed(&noise), None);
    }

    fn question(about: About, asked_at: Tick, is_done: bool) -> Question {
        Question {
            about,
            asked_at,
            asked_ms: 0,
            missing: BTreeSet::new(),
            told: BTreeMap::new(),
            own: None,
            done: is_done.then(Gathered::default),
            waiting: BTreeSet::new(),
        }
    }

    fn trace(number: u64) -> About {
        About::Trace(crate::update::Cid([number as u8; 32]))
    }

    #[test]
    fn traces_leave_room_for_the_metrics_and_what_waits_is_not_forgotten() {
        let mut questions = Questions::default();
        for number in 0..ALIKE_MAX as u64 {
            assert!(questions.has_room_for(&trace(number)));
            questions.by_number.insert(number, question(trace(number), 0, false));
        }
        assert!(!questions.has_room_for(&trace(99)));
        assert!(questions.has_room_for(&About::Metrics) && questions.has_room_for(&About::Glance));
        for number in 100..2 * QUESTIONS_MAX as u64 + 100 {
            questions.forget_old(number);
            questions.by_number.insert(number, question(trace(number), number, true));
        }
        assert_eq!(questions.by_number.len(), QUESTIONS_MAX);
        let open = questions.by_number.values().filter(|question| question.done.is_none());
        assert_eq!(open.count(), ALIKE_MAX);
    }

    #[test]
    fn what_a_silent_node_said_last_stands_for_a_while() {
        let mut questions = Questions::default();
        questions.keep("a", 1_000, &packed(b"x 1\n").unwrap());
        let told = questions.silence_of("a", &About::Metrics, (1_000 + STALE_MS, 5));
        assert_eq!((&told.body[..], told.is_up, told.age_ms), (&b"x 1\n"[..], false, Some(30_000)));
        let told = questions.silence_of("a", &About::Metrics, (1_001 + STALE_MS, 5));
        assert_eq!((told.body.len(), told.age_ms), (0, None));
        assert_eq!(questions.silence_of("a", &About::Glance, (1_000, 5)).age_ms, None);
        for name in 0..2 * SAID_MAX {
            questions.keep(&name.to_string(), 2_000, b"");
        }
        assert_eq!(questions.said.len(), SAID_MAX);
    }
}
