//! The node's side of audits: when they are due, a step of one in each turn, what is said of them.

use super::Node;
use crate::config::Limits;
use crate::herd::{AuditEnd, AuditError, AuditSettings, Audited, AuditorSettings};
use crate::proto::peer::AUDIT_BYTES_MAX;
use crate::reactor::{ConnId, Ctx};
use crate::serve::peer::HerdDesk;

/// Between two steps of an audit, so that everything else comes first.
const STEP_MS: u64 = 1;
/// After an unclean start all is compared with some peer once links have come up.
const SOON_MS: u64 = 10_000;
/// How long an answer in an audit may take: the other may have many updates to put in order.
const ANSWER_MS: u64 = 60_000;
/// How long one may take altogether.
const LONGEST_MS: u64 = 600_000;
/// So many audits may be answered in the time between two of our own.
const ANSWERED_MAX: u64 = 64;

/// When this node audits.
pub(super) fn settings(limits: &Limits) -> AuditorSettings {
    AuditorSettings {
        first_ms: limits.audit_ms,
        every_ms: limits.audit_ms,
        rest_ms: (limits.audit_ms / ANSWERED_MAX).max(1),
        longest_ms: LONGEST_MS,
        audit: AuditSettings { message_bytes: AUDIT_BYTES_MAX, answer_ms: ANSWER_MS },
    }
}

impl Node {
    /// The log or its index was not as it was left: what is held is compared soon.
    pub(super) fn audit_soon(&mut self) {
        self.relay.audit_by(SOON_MS.min(self.config.limits.audit_ms));
    }

    /// Sees to it that an audit goes on, a step a turn, and says how one ended.
    pub(super) fn go_on_auditing(&mut self, cx: &mut Ctx<'_, Self>) {
        if let Some(audited) = self.relay.audited() {
            self.say_audited(&audited);
        }
        if !self.relay.is_auditing() || std::mem::replace(&mut self.due.audits, true) {
            return;
        }
        cx.call_later(STEP_MS, |cx, node| {
            node.due.audits = false;
            match node.relay.audit_step(&node.store, cx.now()) {
                Ok(()) => {}
                Err((_, AuditError::Store(error))) => log::error!("an audit fails: {error}"),
                Err((conn, error)) => {
                    log::error!("an audit fails: {error}; the link is closed");
                    cx.transport_of(conn).abort();
                }
            }
            node.wake_links(cx);
        });
    }

    fn say_audited(&mut self, audited: &Audited<ConnId>) {
        let Audited { link, end, view, took_ms, .. } = audited;
        if *end == AuditEnd::Complete {
            self.figures.audits += 1;
            self.figures.audit_differences += view.surplus + view.lacking;
        }
        let peer = self.roll.name_of(*link).unwrap_or("a peer that is gone");
        match end {
            AuditEnd::Complete if view.surplus + view.lacking == 0 => {
                log::info!("{} updates are the same at {peer} ({took_ms} ms)", view.updates);
            }
            AuditEnd::Complete => log::warn!(
                "of {} updates {peer} lacked {}, and had {} that were not here ({took_ms} ms)",
                view.updates,
                view.surplus,
                view.lacking
            ),
            AuditEnd::Stopped(why) => log::debug!("no audit with {peer}: {why}"),
            AuditEnd::Silent => log::warn!("no audit with {peer}: it does not answer"),
        }
    }
}
