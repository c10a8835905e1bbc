//! Audits on a relay's links: when one is begun, and what becomes of what it finds.

use super::LinkError;
use super::link::Link;
use super::{Archive, AuditError, Audited, Auditor, AuditorSettings, Relay};
use crate::base::Tick;
use crate::proto::peer::AuditName;
use crate::update::Hlc;

/// What is younger may still be on its way, and is left out.
const YOUNG_MS: u64 = 60_000;

/// The audits of a relay.
#[derive(Debug)]
pub(super) struct Audits<L> {
    auditor: Auditor<L>,
    /// The wall clock, in milliseconds, when the tick was 0.
    wall_at_zero_ms: u64,
    /// How many were begun.
    turns: u64,
}

impl<L: Copy + Ord> Audits<L> {
    pub(super) fn new(settings: AuditorSettings) -> Self {
        Self { auditor: Auditor::new(settings), wall_at_zero_ms: 0, turns: 0 }
    }

    pub(super) fn set_clock(&mut self, (now, wall_ms): (Tick, u64)) {
        self.wall_at_zero_ms = wall_ms.saturating_sub(now);
    }

    pub(super) fn lost(&mut self, link: L, now: Tick) {
        self.auditor.lost(link, now);
    }
}

impl<L: Copy + Ord> Relay<L> {
    /// Takes a message of an audit.
    pub(super) fn on_audit<A: Archive>(
        &mut self,
        link: L,
        body: &[u8],
        archive: &A,
        now: Tick,
    ) -> Result<(), LinkError> {
        let mut reply = Vec::new();
        let since = || archive.whole_since();
        let peer = self.links.get(&link).and_then(|link| link.peer.as_ref());
        let yields = peer.is_some_and(|peer| peer.name < self.me.name);
        let end = (link, yields);
        let names = self.audits.auditor.on_message(end, body, since, now, &mut reply)?;
        self.say_in_audit(link, reply);
        self.judge(link, &names, archive, now)
    }

    /// Looks at what the peer says it has and we lack.
    fn judge<A: Archive>(
        &mut self,
        link: L,
        names: &[AuditName],
        archive: &A,
        now: Tick,
    ) -> Result<(), LinkError> {
        for AuditName { dot, cid } in names {
            let Some(at) = self.links.get_mut(&link) else { return Ok(()) };
            at.has.insert(*dot);
            if !archive.seen().contains(*dot) {
                at.todo.insert(*dot);
                continue;
            }
            // What the log lost is found to be so by this very reading, and is asked for again;
            // what retention dropped is not here either.
            let Some(ours) = archive.get(*dot)? else { continue };
            let is_flagged = self.flagged.contains(&dot.epoch) || archive.is_forked(dot.epoch);
            if ours.cid() != *cid && !is_flagged {
                at.ask_versions(dot.epoch, dot.seq, dot.seq);
                self.wake.insert(link);
            }
        }
        self.plan(archive, now);
        Ok(())
    }

    /// Begins an audit if one is due, with the link that was audited least lately; ends one that
    /// takes too long.
    pub(super) fn audit_if_due<A: Archive>(
        &mut self,
        archive: &A,
        now: Tick,
    ) -> Result<(), LinkError> {
        let mut body = Vec::new();
        if let Some(link) = self.audits.auditor.on_time(now, &mut body) {
            self.say_in_audit(link, body);
        }
        // By lot, so that the nodes of a herd that are all due at once do not find each other busy
        // again and again.
        if !self.audits.auditor.is_due(now) || !self.rng.chance(1, 2) {
            return Ok(());
        }
        let is_fit =
            |link: &Link| link.is_up() && link.todo.is_empty() && link.outflow.backlog() == 0;
        let fit = self.links.iter_mut().filter(|(_, link)| is_fit(link));
        let Some((name, link)) = fit.min_by_key(|(_, link)| link.audit_turn) else { return Ok(()) };
        self.audits.turns += 1;
        link.audit_turn = self.audits.turns;
        let wall_ms = self.audits.wall_at_zero_ms + now;
        let until = Hlc::from_ms(wall_ms.saturating_sub(YOUNG_MS));
        self.audits.auditor.begin(*name, archive.whole_since()?, until, now);
        Ok(())
    }

    /// Asks for an audit at this tick at the latest.
    pub fn audit_by(&mut self, at: Tick) {
        self.audits.auditor.due_by(at);
    }

    /// True while [`Relay::audit_step`] has something to do.
    pub fn is_auditing(&self) -> bool {
        self.audits.auditor.is_working()
    }

    /// Does a bounded piece of an audit's work: call it once a turn while [`Relay::is_auditing`].
    /// After an error that is not the archive's the link is to be closed.
    pub fn audit_step<A: Archive>(
        &mut self,
        archive: &A,
        now: Tick,
    ) -> Result<(), (L, AuditError)> {
        let mut body = Vec::new();
        let said = self.audits.auditor.step(archive, now, &mut body);
        let link = match &said {
            Ok(link) => *link,
            Err((link, _)) => Some(*link),
        };
        if let Some(link) = link {
            self.say_in_audit(link, body);
        }
        said.map(|_| ())
    }

    /// An audit that ended since this was last asked.
    pub fn audited(&mut self) -> Option<Audited<L>> {
        self.audits.auditor.over()
    }

    fn say_in_audit(&mut self, link: L, body: Vec<u8>) {
        if let Some(at) = self.links.get_mut(&link).filter(|_| !body.is_empty()) {
            at.audit_messages.push(body);
            self.wake.insert(link);
        }
    }
}
