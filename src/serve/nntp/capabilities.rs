//! What this server says of itself: the greeting, CAPABILITIES, HELP, and lists that never change.

use super::NntpConnection;
use super::fields::OVERVIEW;
use crate::accounts::Scope;
use crate::proto::nntp::{put_end, put_line, put_reply};
use crate::reactor::Ctx;
use crate::serve::Desk;

/// The commands, for people.
const HELP: &[&str] = &[
    "ARTICLE [number|<id>]        BODY [number|<id>]",
    "HEAD [number|<id>]           STAT [number|<id>]",
    "GROUP group                  LISTGROUP [group [range]]",
    "LAST                         NEXT",
    "OVER [range|<id>]            HDR field [range|<id>]",
    "XOVER [range]                XHDR field [range|<id>]",
    "XPAT field range|<id> wildmat",
    "LIST [ACTIVE|ACTIVE.TIMES|COUNTS|NEWSGROUPS [wildmat]]",
    "LIST OVERVIEW.FMT            LIST HEADERS [MSGID|RANGE]",
    "NEWGROUPS date time [GMT]    NEWNEWS wildmat date time [GMT]",
    "POST                         XGTITLE [wildmat]",
    "AUTHINFO USER name           AUTHINFO PASS password",
    "CAPABILITIES                 COMPRESS DEFLATE",
    "STARTTLS",
    "DATE     HELP     MODE READER     QUIT",
    "A group is a section, an article a revision of a story. Passwords may be tokens.",
];

impl NntpConnection {
    /// Whether whoever is there may post, or can sign in and then may.
    fn may_post<D: Desk>(&self, desk: &D) -> bool {
        let visitor = self.guest.visitor(desk);
        let may = visitor.is_ok_and(|visitor| visitor.may(Scope::Write).is_ok());
        may || (!self.guest.is_known() && self.may_sign_in())
    }

    /// Whether a password may be told: nobody can listen, and nothing can be learnt of it from how
    /// small it becomes (RFC 8054, 2.2.2).
    pub(super) fn may_sign_in(&self) -> bool {
        self.guest.is_safe() && !self.outlet.is_compressed()
    }

    /// The greeting, and the answer to MODE READER.
    pub(super) fn greet<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D) {
        let name = &desk.config().name;
        if self.may_post(desk) {
            let text = format!("{name} Bellwether, posting allowed");
            self.outlet.reply(cx, 200, &text);
        } else {
            let text = format!("{name} Bellwether, posting not allowed");
            self.outlet.reply(cx, 201, &text);
        }
    }

    pub(super) fn capabilities<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D) {
        let version = env!("CARGO_PKG_VERSION");
        let mut lines =
            vec!["VERSION 2".to_owned(), format!("IMPLEMENTATION Bellwether {version}")];
        let mut add = |line: &str| lines.push(line.to_owned());
        add("READER");
        if self.may_post(desk) {
            add("POST");
        }
        if self.transit.is_some() && !self.outlet.is_compressed() {
            add("IHAVE");
            add("STREAMING");
        }
        add("LIST ACTIVE ACTIVE.TIMES COUNTS HEADERS NEWSGROUPS OVERVIEW.FMT");
        add("NEWNEWS");
        add("OVER MSGID");
        add("HDR");
        add("XPAT");
        if !self.guest.is_known() {
            add(if self.may_sign_in() { "AUTHINFO USER" } else { "AUTHINFO" });
        }
        if self.may_upgrade(cx) {
            add("STARTTLS");
        }
        if self.may_compress(desk) {
            add("COMPRESS DEFLATE");
        }
        self.outlet.put(cx, |out| {
            put_reply(out, 101, "this server can");
            for line in lines {
                put_line(out, line.as_bytes());
            }
            put_end(out);
        });
    }

    pub(super) fn help<S>(&mut self, cx: &mut Ctx<'_, S>) {
        self.put_lines(cx, (100, "these commands are known"), HELP);
    }

    pub(super) fn overview_format<S>(&mut self, cx: &mut Ctx<'_, S>) {
        self.put_lines(cx, (215, "fields of OVER follow"), &OVERVIEW);
    }

    /// Every header can be asked for, whatever the articles are named by.
    pub(super) fn header_names<S>(&mut self, cx: &mut Ctx<'_, S>) {
        self.put_lines(cx, (215, "fields of HDR follow"), &[":", ":bytes", ":lines"]);
    }

    fn put_lines<S>(&mut self, cx: &mut Ctx<'_, S>, reply: (u16, &str), lines: &[&str]) {
        self.outlet.put(cx, |out| {
            put_reply(out, reply.0, reply.1);
            for line in lines {
                put_line(out, line.as_bytes());
            }
            put_end(out);
        });
    }

    /// Whether TLS may begin (RFC 4642, 2.2): before anybody signs in or compresses.
    pub(super) fn may_upgrade<S>(&self, cx: &mut Ctx<'_, S>) -> bool {
        let is_fresh = !self.guest.is_known() && !self.outlet.is_compressed();
        is_fresh && self.tls.is_some() && !cx.transport().is_secure()
    }

    /// Whether compression may begin: not beside a feed, which writes by itself, and not on more
    /// connections than the node has memory for.
    pub(super) fn may_compress<D: Desk>(&self, desk: &D) -> bool {
        let is_allowed = desk.config().limits.compressed_connections > 0;
        is_allowed && !self.outlet.is_compressed() && !self.has_fed
    }
}
