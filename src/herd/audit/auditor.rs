//! When a node audits and with whom: one audit at a time, asked for by this node whenever one is
//! due or answered for a peer. `L` names a link.

use super::{Audit, AuditEnd, AuditError, AuditSet, AuditSettings, AuditView};
use crate::base::Tick;
use crate::proto::peer::{AuditMessage, AuditName, AuditStop};
use crate::store::StoreError;
use crate::update::Hlc;

/// How many updates are read in one step, off the disk.
const PAGE_UPDATES: usize = 256;

/// When to audit.
#[derive(Clone, Copy, Debug)]
pub struct AuditorSettings {
    /// Before the first audit: shorter after an unclean start.
    pub first_ms: u64,
    /// Between the end of one that we asked for and the next.
    pub every_ms: u64,
    /// After an audit that did not come to its end, and between two that we answer.
    pub rest_ms: u64,
    /// How long one may take altogether.
    pub longest_ms: u64,
    /// The bounds of each.
    pub audit: AuditSettings,
}

#[derive(Debug)]
struct Running<L> {
    link: L,
    audit: Audit,
    began: Tick,
    /// We asked for it.
    is_ours: bool,
}

/// What becomes of a peer's wish for an audit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Answer,
    Refuse,
    Ignore,
}

/// An audit that is over.
#[derive(Clone, Copy, Debug)]
pub struct Audited<L> {
    /// On which link it was.
    pub link: L,
    /// This node asked for it.
    pub is_ours: bool,
    /// How it ended.
    pub end: AuditEnd,
    /// Its figures.
    pub view: AuditView,
    /// How long it took.
    pub took_ms: u64,
}

/// The audits of a node.
///
/// Order of calls: [`Auditor::begin`] when [`Auditor::is_due`]; [`Auditor::on_message`] for each
/// message; [`Auditor::step`], once a turn, while [`Auditor::is_working`]; [`Auditor::on_time`] at
/// each heartbeat; [`Auditor::lost`] when a link is gone; after each of these, [`Auditor::over`].
#[derive(Debug)]
pub struct Auditor<L> {
    settings: AuditorSettings,
    running: Option<Running<L>>,
    due: Tick,
    /// No peer's audit is answered before.
    rests_until: Tick,
    over: Option<Audited<L>>,
}

impl<L: Copy + Eq> Auditor<L> {
    /// For a node that starts now.
    pub fn new(settings: AuditorSettings) -> Self {
        Self { settings, running: None, due: settings.first_ms, rests_until: 0, over: None }
    }

    /// Makes the next audit due at this tick at the latest.
    pub fn due_by(&mut self, at: Tick) {
        self.due = self.due.min(at);
    }

    /// True when this node should ask for an audit now.
    pub fn is_due(&self, now: Tick) -> bool {
        self.running.is_none() && self.due <= now
    }

    /// Asks the peer of a link for an audit of the updates with clocks from `since` to before
    /// `until`. What came in the last moments is better left out: it may still be on its way.
    pub fn begin(&mut self, link: L, since: Hlc, until: Hlc, now: Tick) {
        let audit = Audit::ask(self.settings.audit, since, until);
        self.running = Some(Running { link, audit, began: now, is_ours: true });
    }

    /// What to do with a peer's wish for an audit. When two ask each other at once, the one that
    /// yields answers, and the other takes its own wish for granted.
    fn judge(&self, link: L, yields: bool, now: Tick) -> Asked {
        match &self.running {
            Some(running)
                if running.link == link && running.is_ours && !running.audit.is_heard() =>
            {
                if yields { Asked::Answer } else { Asked::Ignore }
            }
            None if now >= self.rests_until => Asked::Answer,
            Some(_) | None => Asked::Refuse,
        }
    }

    /// Takes the body of an audit frame. `yields` says which of two ends that ask each other at
    /// once gives way: true at one end of each link. `since` tells the first clock from which on we
    /// hold all that we ever had. Gives what the peer holds and thinks that we do not. What is to
    /// be answered at once is appended to `out`.
    pub fn on_message(
        &mut self,
        (link, yields): (L, bool),
        body: &[u8],
        since: impl FnOnce() -> Result<Hlc, StoreError>,
        now: Tick,
        out: &mut Vec<u8>,
    ) -> Result<Vec<AuditName>, AuditError> {
        let message = AuditMessage::decode(body)?;
        if let AuditMessage::Begin { since: asked, until } = message {
            match self.judge(link, yields, now) {
                Asked::Answer => {
                    let audit = Audit::answer(self.settings.audit, since()?.max(asked), until);
                    self.running = Some(Running { link, audit, began: now, is_ours: false });
                }
                Asked::Refuse => AuditMessage::Stop(AuditStop::Busy).encode(out),
                Asked::Ignore => {}
            }
            return Ok(Vec::new());
        }
        let running = self.running.as_mut().filter(|running| running.link == link);
        let Some(running) = running else {
            // The rest of an audit that is over here.
            return Ok(Vec::new());
        };
        let names = running.audit.on_message(message, now)?;
        self.close_if_over(now);
        Ok(names)
    }

    /// True when [`Auditor::step`] has something to do.
    pub fn is_working(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.audit.is_working())
    }

    /// Does a bounded piece of work: reads some updates, or writes the body of a message for the
    /// link that it gives. When the archive can't be read, the peer is told, with what is in `out`;
    /// after any other error the link is to be closed.
    pub fn step(
        &mut self,
        set: &impl AuditSet,
        now: Tick,
        out: &mut Vec<u8>,
    ) -> Result<Option<L>, (L, AuditError)> {
        let Some(running) = &mut self.running else { return Ok(None) };
        let link = running.link;
        let result = match running.audit.say(set, now, out) {
            Ok(false) if running.audit.is_gathering() => {
                running.audit.gather(set, PAGE_UPDATES).map(|()| false).map_err(AuditError::Store)
            }
            said => said,
        };
        let result = result.map(|said| said.then_some(link)).map_err(|error| {
            running.audit.stop(AuditStop::Failed);
            if matches!(error, AuditError::Store(_)) {
                AuditMessage::Stop(AuditStop::Failed).encode(out);
            }
            (link, error)
        });
        self.close_if_over(now);
        result
    }

    /// Ends an audit that takes too long. The message in `out`, if there is one, is for the link.
    pub fn on_time(&mut self, now: Tick, out: &mut Vec<u8>) -> Option<L> {
        let running = self.running.as_mut()?;
        let link = running.link;
        running.audit.on_time(now);
        if now - running.began > self.settings.longest_ms {
            running.audit.stop(AuditStop::Late);
        }
        let is_over = running.audit.end().is_some();
        self.close_if_over(now);
        is_over.then(|| {
            AuditMessage::Stop(AuditStop::Late).encode(out);
            link
        })
    }

    /// A link is gone.
    pub fn lost(&mut self, link: L, now: Tick) {
        if let Some(running) = self.running.as_mut().filter(|running| running.link == link) {
            running.audit.stop(AuditStop::Late);
        }
        self.close_if_over(now);
    }

    /// An audit that ended since this was last asked.
    pub fn over(&mut self) -> Option<Audited<L>> {
        self.over.take()
    }

    fn close_if_over(&mut self, now: Tick) {
        let Some(end) = self.running.as_ref().and_then(|running| running.audit.end()) else {
            return;
        };
        let Some(Running { link, audit, began, is_ours }) = self.running.take() else { return };
        let AuditorSettings { every_ms, rest_ms, .. } = self.settings;
        if is_ours {
            self.due = now + if end == AuditEnd::Complete { every_ms } else { rest_ms };
        } else {
            self.rests_until = now + rest_ms;
        }
        let view = audit.view();
        self.over = Some(Audited { link, is_ours, end, view, took_ms: now - began });
    }
}
