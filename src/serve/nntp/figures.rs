//! What newsreaders and feeders are counted by.

use crate::metrics::Exposition;
use crate::reactor::{ConnId, Ctx};
use std::collections::{BTreeMap, BTreeSet};

/// Counters of NNTP, one value for a node.
#[derive(Debug, Default)]
pub struct Figures {
    commands: BTreeMap<&'static str, u64>,
    /// Connections open now.
    open: BTreeSet<ConnId>,
    /// Those of them that are compressed.
    pub compressed: u64,
    /// Articles shown, whole or in part.
    pub articles: u64,
    /// Articles posted.
    pub posted: u64,
    /// Articles whose posting failed.
    pub refused: u64,
}

impl Figures {
    /// Counts a command. `verb` comes from a closed list: never from the peer.
    pub(super) fn on_command(&mut self, verb: &'static str) {
        *self.commands.entry(verb).or_default() += 1;
    }

    /// A connection is opened.
    pub(super) fn enter(&mut self, conn: ConnId) {
        self.open.insert(conn);
    }

    /// It is gone.
    pub(super) fn leave(&mut self, conn: ConnId) {
        self.open.remove(&conn);
    }

    /// Notifies all connections: the node is about to stop.
    pub fn tell<S: 'static>(&self, cx: &mut Ctx<'_, S>) {
        for conn in &self.open {
            cx.transport_of(*conn).notify();
        }
    }

    /// Writes all counters.
    pub fn expose(&self, out: &mut Exposition) {
        for (verb, count) in &self.commands {
            let help = "Commands of NNTP, by verb.";
            out.counter("bellwether_nntp_commands_total", help, &[("verb", verb)], *count);
        }
        let help = "NNTP connections open now.";
        out.gauge("bellwether_nntp_connections_open", help, &[], self.open.len() as u64);
        let help = "NNTP connections that are compressed now.";
        out.gauge("bellwether_nntp_connections_compressed", help, &[], self.compressed);
        let help = "Articles shown to newsreaders, whole or in part.";
        out.counter("bellwether_nntp_articles_shown_total", help, &[], self.articles);
        let help = "Articles posted by newsreaders.";
        out.counter("bellwether_nntp_posts_total", help, &[], self.posted);
        let help = "Articles of newsreaders whose posting failed.";
        out.counter("bellwether_nntp_posts_refused_total", help, &[], self.refused);
    }
}
