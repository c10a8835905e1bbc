//! Each command and its answer.

use super::articles::{Absent, Spot, article, beside, by_id, head, locate, marks, outline, show};
use super::fields::Field;
use super::listing::{Each, Listing, Of};
use super::{CHECK_MS_MAX, NntpConnection, Task};
use crate::base::Wildmat;
use crate::news;
use crate::proto::article::Article;
use crate::proto::nntp::{
    Articles, Command, CommandError, CommandFault, Inflate, List, MessageId, NumberRange, Selected,
    Shown, put_end, put_line, put_reply,
};
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::serve::usenet;
use crate::serve::visitor::note_led_browser;
use crate::store::{Direction, StoreError};

impl NntpConnection {
    /// Takes a command or what should be one.
    pub(super) fn command<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        command: Result<Command<'_>, CommandError>,
    ) {
        let answered = match command {
            Ok(command) => {
                desk.tally().nntp.on_command(verb(&command));
                self.read_command(cx, desk, command)
            }
            Err(error) => {
                let is_of_http = error.fault == CommandFault::Http;
                desk.tally().nntp.on_command(if is_of_http { "HTTP" } else { "bad" });
                self.fault(cx, error);
                Ok(())
            }
        };
        if let Err(error) = answered {
            log::error!("a newsreader can't be answered: {error}");
            self.outlet.reply(cx, 403, "this node can't read its archive");
        }
    }

    fn fault<S>(&mut self, cx: &mut Ctx<'_, S>, error: CommandError) {
        let is_plain = !self.outlet.is_compressed();
        match &mut self.transit {
            // The block behind a TAKETHIS comes, whatever is wrong with it.
            Some(transit) if is_plain && self.codec.is_in_block() => transit.takethis(None),
            _ => self.outlet.reply(cx, error.code(), &error.to_string()),
        }
        if error.fault == CommandFault::Http {
            note_led_browser(cx, "nntp");
            cx.transport().close();
        }
    }

    fn read_command<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        command: Command<'_>,
    ) -> Result<(), StoreError> {
        match command {
            Command::Group(group) => self.group(cx, desk, group)?,
            Command::ListGroup { group, range } => self.list_group(cx, desk, group, range)?,
            Command::Last => self.go_beside(cx, desk, Direction::Down)?,
            Command::Next => self.go_beside(cx, desk, Direction::Up)?,
            Command::Show { shown, selected } => self.show(cx, desk, shown, selected)?,
            Command::Over(articles) => self.over(cx, desk, articles)?,
            Command::Hdr { field, articles, is_old } => {
                self.header(cx, desk, field, articles, is_old)?;
            }
            Command::Xpat { field, articles, pattern } => {
                self.pattern(cx, desk, field, articles, pattern)?;
            }
            Command::NewGroups(since) => {
                let since_ms = since_ms(since.unix_s(cx.wall_ns() / 1_000_000_000));
                let reply = (231, "new groups follow");
                self.list(cx, desk, Listing::groups(reply, Of::Active, Wildmat::ALL, since_ms));
            }
            Command::NewNews { groups, since } => {
                let since_ms = since_ms(since.unix_s(cx.wall_ns() / 1_000_000_000));
                self.list(cx, desk, Listing::news(groups, since_ms));
            }
            Command::List(list) => self.lists(cx, desk, list),
            Command::Xgtitle(groups) => {
                let reply = (282, "groups follow");
                self.list(cx, desk, Listing::groups(reply, Of::Newsgroups, groups, 0));
            }
            Command::Post => self.post(cx, desk)?,
            Command::Ihave(_) | Command::Check(_) | Command::TakeThis(_) | Command::ModeStream => {
                self.transit(cx, desk, command);
            }
            other => self.plain(cx, desk, other),
        }
        Ok(())
    }

    /// Commands that are about no article.
    fn plain<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, command: Command<'_>) {
        match command {
            Command::Capabilities => self.capabilities(cx, desk),
            Command::ModeReader => self.greet(cx, desk),
            Command::Help => self.help(cx),
            Command::Date => {
                let now = crate::proto::nntp::When::at(cx.wall_ns() / 1_000_000_000);
                self.outlet.reply(cx, 111, &now.to_string().replace(' ', ""));
            }
            Command::Quit => {
                self.outlet.reply(cx, 205, "goodbye");
                self.outlet.flush(cx);
                cx.transport().close();
            }
            Command::AuthUser(_) | Command::AuthPass(_) | Command::AuthOther(_)
                if self.outlet.is_compressed() =>
            {
                self.outlet.reply(cx, 502, "sign in before you compress");
            }
            Command::AuthUser(name) => {
                let (code, text) = self.guest.user(name);
                self.outlet.reply(cx, code, text);
            }
            Command::AuthPass(password) => {
                let sign_in = self.guest.pass(cx, desk, password);
                self.due = Some(cx.now() + CHECK_MS_MAX);
                self.signed_in(cx, sign_in);
            }
            Command::AuthOther(_) => self.outlet.reply(cx, 503, "only USER and PASS are known"),
            Command::Compress(algorithm) => self.compress(cx, desk, algorithm),
            Command::StartTls => self.start_tls(cx),
            _ => self.outlet.reply(cx, 503, "this is not done here"),
        }
    }

    fn start_tls<S>(&mut self, cx: &mut Ctx<'_, S>) {
        let Some(tls) = self.tls.clone() else {
            return self.outlet.reply(cx, 580, "this listener has no certificates");
        };
        if !self.may_upgrade(cx) {
            return self.outlet.reply(cx, 502, "it is too late for that");
        }
        self.outlet.reply(cx, 382, "begin");
        cx.transport().start_tls(&tls);
        self.task = Task::Upgrading;
    }

    fn compress<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, algorithm: &str) {
        if !algorithm.eq_ignore_ascii_case("DEFLATE") {
            return self.outlet.reply(cx, 503, "only DEFLATE is known");
        }
        if self.outlet.is_compressed() {
            return self.outlet.reply(cx, 502, "this is compressed already");
        }
        let most = desk.config().limits.compressed_connections as u64;
        if !self.may_compress(desk) || desk.tally().nntp.compressed >= most {
            return self.outlet.reply(cx, 403, "compression is not to be had now");
        }
        self.outlet.reply(cx, 206, "compressed from here on");
        self.outlet.compress();
        self.inflate = Some(Box::new(Inflate::new()));
        desk.tally().nntp.compressed += 1;
    }

    /// What feeders say. Of those who may not feed, what they offer is refused.
    fn transit<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, command: Command<'_>) {
        let is_plain = !self.outlet.is_compressed();
        if is_plain && self.transit.is_none() {
            // Who dials us may do so before its name was looked up here.
            self.find_feeder(cx, desk);
        }
        let Some(transit) = self.transit.as_mut().filter(|_| is_plain) else {
            // The article behind a TAKETHIS is read and dropped.
            return self.outlet.reply(cx, 480, "only feeders that are configured may do so");
        };
        self.has_fed = true;
        match command {
            Command::ModeStream => self.outlet.reply(cx, 203, "stream on"),
            Command::Check(id) => transit.check(cx, desk, id.as_str()),
            Command::TakeThis(id) => transit.takethis(Some(id.as_str())),
            Command::Ihave(id) if transit.ihave(cx, desk, id.as_str()) => {
                self.codec.expect_block();
            }
            _ => {}
        }
    }

    /// The group of this name, if there is one.
    fn find_group<D: Desk>(desk: &D, name: &str) -> Result<Option<news::Group>, StoreError> {
        let Some(section) = usenet::section_of(name) else { return Ok(None) };
        news::group(desk.store().index(), &section)
    }

    fn group<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &D,
        name: &str,
    ) -> Result<(), StoreError> {
        let Some(group) = Self::find_group(desk, name)? else {
            self.outlet.reply(cx, 411, "there is no such group");
            return Ok(());
        };
        let (count, low, high) = marks(desk, &group)?;
        self.outlet.reply(cx, 211, &format!("{count} {low} {high} {name}"));
        self.spot = Some(Spot { section: group.section, number: (low <= high).then_some(low) });
        Ok(())
    }

    fn list_group<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        name: Option<&str>,
        range: Option<NumberRange>,
    ) -> Result<(), StoreError> {
        let group = match (name, &self.spot) {
            (Some(name), _) => Self::find_group(desk, name)?,
            (None, Some(spot)) => news::group(desk.store().index(), &spot.section)?,
            (None, None) => {
                self.absent(cx, Absent::Group);
                return Ok(());
            }
        };
        let Some(group) = group else {
            self.outlet.reply(cx, 411, "there is no such group");
            return Ok(());
        };
        let (count, low, high) = marks(desk, &group)?;
        let name = usenet::group_of(&group.section);
        let section = group.section;
        self.spot = Some(Spot { section: section.clone(), number: (low <= high).then_some(low) });
        let bounds = range.map_or((low, high), |range| bounds(range, high));
        let reply = (211, format!("{count} {low} {high} {name} list follows"));
        self.list(cx, desk, Listing::articles(reply, Each::Number, section, bounds, None));
        Ok(())
    }

    fn go_beside<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &D,
        direction: Direction,
    ) -> Result<(), StoreError> {
        match beside(desk, self.spot.as_ref(), direction)? {
            Ok(found) => {
                let id = usenet::message_id(&found.update);
                self.stand_at(found.number);
                self.outlet.reply(cx, 223, &format!("{} {id} article is here", found.number));
            }
            Err(absent) => self.absent(cx, absent),
        }
        Ok(())
    }

    fn stand_at(&mut self, number: u64) {
        if let Some(spot) = &mut self.spot {
            spot.number = Some(number);
        }
    }

    fn absent<S>(&mut self, cx: &mut Ctx<'_, S>, absent: Absent) {
        let (code, text) = absent.reply();
        self.outlet.reply(cx, code, text);
    }

    fn show<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        shown: Shown,
        selected: Selected<'_>,
    ) -> Result<(), StoreError> {
        let found = match locate(desk, self.spot.as_ref(), selected)? {
            Ok(found) => found,
            Err(absent) => {
                self.absent(cx, absent);
                return Ok(());
            }
        };
        let id = usenet::message_id(&found.update);
        let article = match shown {
            // It says where the article is, and nothing of it.
            Shown::Stat => Some(Article::default()),
            Shown::Head => head(desk, &found.update)?,
            Shown::Article | Shown::Body => article(desk, &found.update)?,
        };
        let Some(article) = article else {
            let is_by_id = matches!(selected, Selected::Id(_));
            self.absent(cx, if is_by_id { Absent::Id } else { Absent::Number });
            return Ok(());
        };
        if matches!(selected, Selected::Number(_)) {
            self.stand_at(found.number);
        }
        desk.tally().nntp.articles += u64::from(shown != Shown::Stat);
        self.outlet.put(cx, |out| show(out, shown, found.number, &id, &article));
        Ok(())
    }

    fn over<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        articles: Articles<'_>,
    ) -> Result<(), StoreError> {
        let reply = (224, "overview follows");
        self.each(cx, desk, articles, Each::Overview, reply, true)
    }

    fn header<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        field: &str,
        articles: Articles<'_>,
        is_old: bool,
    ) -> Result<(), StoreError> {
        let Some(field) = Field::parse(field) else {
            self.outlet.reply(cx, 503, "nothing is known under this name");
            return Ok(());
        };
        let reply = (if is_old { 221 } else { 225 }, "headers follow");
        self.each(cx, desk, articles, Each::Field(field), reply, true)
    }

    fn pattern<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        field: &str,
        articles: Articles<'_>,
        pattern: Wildmat<'_>,
    ) -> Result<(), StoreError> {
        let Some(field) = Field::parse(field) else {
            self.outlet.reply(cx, 503, "nothing is known under this name");
            return Ok(());
        };
        let each = Each::Matching(field, pattern.as_str().to_owned());
        self.each(cx, desk, articles, each, (221, "what matches follows"), false)
    }

    /// Tells something of each of some articles. Where `needs_one`, none of them is an error.
    fn each<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        articles: Articles<'_>,
        each: Each,
        reply: (u16, &str),
        needs_one: bool,
    ) -> Result<(), StoreError> {
        let found = match articles {
            Articles::Range(range) => {
                let Some(spot) = &self.spot else {
                    self.absent(cx, Absent::Group);
                    return Ok(());
                };
                let section = spot.section.clone();
                let high = news::group(desk.store().index(), &section)?.map_or(0, |row| row.high);
                let reply = (reply.0, reply.1.to_owned());
                let if_none = needs_one.then_some((423, "no article is in this range"));
                let bounds = bounds(range, high);
                let listing = Listing::articles(reply, each, section, bounds, if_none);
                self.list(cx, desk, listing);
                return Ok(());
            }
            Articles::Current => locate(desk, self.spot.as_ref(), Selected::Current)?,
            Articles::Id(id) => self.by_id(desk, id)?,
        };
        let is_by_id = matches!(articles, Articles::Id(_));
        let none = if is_by_id { Absent::Id } else { Absent::Current };
        let line = match found {
            Ok(found) => outline(desk, &found.update)?
                .map(|outline| each.line(found.number, &outline))
                .ok_or(none),
            Err(absent) => Err(absent),
        };
        let line = match line {
            Ok(line) => line,
            Err(absent) => {
                self.absent(cx, absent);
                return Ok(());
            }
        };
        self.outlet.put(cx, |out| {
            put_reply(out, reply.0, reply.1);
            if let Some(line) = line {
                put_line(out, line.as_bytes());
            }
            put_end(out);
        });
        Ok(())
    }

    fn by_id<D: Desk>(
        &self,
        desk: &D,
        id: MessageId<'_>,
    ) -> Result<Result<super::articles::Located, Absent>, StoreError> {
        by_id(desk, self.spot.as_ref(), id.as_str())
    }

    fn lists<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, list: List<'_>) {
        let groups = |of, text, wildmat| Listing::groups((215, text), of, wildmat, 0);
        let listing = match list {
            List::Active(wildmat) => groups(Of::Active, "groups follow", wildmat),
            List::Counts(wildmat) => groups(Of::Counts, "groups follow", wildmat),
            List::ActiveTimes(wildmat) => groups(Of::Times, "groups and times follow", wildmat),
            List::Newsgroups(wildmat) => groups(Of::Newsgroups, "descriptions follow", wildmat),
            List::OverviewFmt => return self.overview_format(cx),
            List::Headers => return self.header_names(cx),
            List::Other(_) => return self.outlet.reply(cx, 503, "there is no such list here"),
        };
        self.list(cx, desk, listing);
    }
}

/// The first and the last number of a range in a group.
fn bounds(range: NumberRange, high: u64) -> (u64, u64) {
    (range.first, range.last.map_or(high, |last| last.min(high)))
}

/// Milliseconds since 1970, for a moment in seconds that may lie before.
fn since_ms(unix_s: i64) -> u64 {
    u64::try_from(unix_s).map_or(0, |s| s.saturating_mul(1000))
}

/// What a command counts as.
fn verb(command: &Command<'_>) -> &'static str {
    match command {
        Command::Capabilities => "CAPABILITIES",
        Command::ModeReader | Command::ModeStream => "MODE",
        Command::Quit => "QUIT",
        Command::Help => "HELP",
        Command::Date => "DATE",
        Command::Group(_) => "GROUP",
        Command::ListGroup { .. } => "LISTGROUP",
        Command::Last => "LAST",
        Command::Next => "NEXT",
        Command::Show { shown: Shown::Article, .. } => "ARTICLE",
        Command::Show { shown: Shown::Head, .. } => "HEAD",
        Command::Show { shown: Shown::Body, .. } => "BODY",
        Command::Show { shown: Shown::Stat, .. } => "STAT",
        Command::Post => "POST",
        Command::Ihave(_) => "IHAVE",
        Command::Check(_) => "CHECK",
        Command::TakeThis(_) => "TAKETHIS",
        Command::NewGroups(_) => "NEWGROUPS",
        Command::NewNews { .. } => "NEWNEWS",
        Command::List(_) => "LIST",
        Command::Xgtitle(_) => "XGTITLE",
        Command::Over(_) => "OVER",
        Command::Hdr { .. } => "HDR",
        Command::Xpat { .. } => "XPAT",
        Command::AuthUser(_) | Command::AuthPass(_) | Command::AuthOther(_) => "AUTHINFO",
        Command::StartTls => "STARTTLS",
        Command::Compress(_) => "COMPRESS",
    }
}
