//! Commands out of lines and back, all of them: readers', feeders', and the older ones.

use super::argument::{is_group_name, number};
use super::{CommandError, CommandFault, MessageId, NumberRange, When};
use crate::base::Wildmat;
use std::fmt;

/// The longest command line, in bytes, without its CRLF (RFC 3977, 3.1).
pub(super) const COMMAND_BYTES_MAX: usize = 510;
/// No keyword is longer, in bytes.
const KEYWORD_BYTES_MAX: usize = 12;

/// How much of an article is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Article,
    /// Its headers.
    Head,
    /// Its body.
    Body,
    /// Only whether it is there.
    Stat,
}

/// One article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected<'a> {
    /// The current one of the current group.
    Current,
    /// One of the current group.
    Number(u64),
    /// One by its id.
    Id(MessageId<'a>),
}

/// Articles of which something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Articles<'a> {
    /// The current one of the current group.
    Current,
    /// Those of the current group.
    Range(NumberRange),
    /// One by its id.
    Id(MessageId<'a>),
}

/// What LIST lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List<'a> {
    /// Groups with their marks.
    Active(Wildmat<'a>),
    /// Groups with when and by whom they were made.
    ActiveTimes(Wildmat<'a>),
    /// Groups with what they are about.
    Newsgroups(Wildmat<'a>),
    /// Groups with their marks and how many articles they have (RFC 6048).
    Counts(Wildmat<'a>),
    /// The fields of OVER.
    OverviewFmt,
    /// What HDR may be asked for: by MSGID or by RANGE, it is the same.
    Headers,
    /// A list that RFC 3977 or 6048 knows, and we have not.
    Other(&'a str),
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// What can the server do?
    Capabilities,
    /// A reader comes.
    ModeReader,
    /// A feeder comes that wants to stream (RFC 4644).
    ModeStream,
    /// The end.
    Quit,
    /// What commands are there?
    Help,
    /// What time is it?
    Date,
    /// Makes a group the current one.
    Group(&'a str),
    /// The same, and lists its article numbers.
    ListGroup {
        /// The group; the current one if `None`.
        group: Option<&'a str>,
        /// Which numbers; all if `None`.
        range: Option<NumberRange>,
    },
    /// Goes to the article before the current one.
    Last,
    /// Goes to the article behind the current one.
    Next,
    /// ARTICLE, HEAD, BODY or STAT.
    Show {
        /// Which of them.
        shown: Shown,
        /// Of which article.
        selected: Selected<'a>,
    },
    /// An article is to be posted.
    Post,
    /// An article is offered, one at a time.
    Ihave(MessageId<'a>),
    /// Is this article wanted?
    Check(MessageId<'a>),
    /// This article comes now: a block follows at once.
    TakeThis(MessageId<'a>),
    /// Groups made since.
    NewGroups(When),
    /// Ids of articles that came since.
    NewNews {
        /// In which groups.
        groups: Wildmat<'a>,
        /// Since when.
        since: When,
    },
    /// One of the lists.
    List(List<'a>),
    /// What the groups are about, answered by 282 (RFC 2980).
    Xgtitle(Wildmat<'a>),
    /// OVER, or XOVER, which knows no ids.
    Over(Articles<'a>),
    /// HDR; or XHDR, which is answered by 221.
    Hdr {
        /// A header, or `:bytes` or `:lines`.
        field: &'a str,
        /// Of which articles.
        articles: Articles<'a>,
        /// XHDR was said.
        is_old: bool,
    },
    /// Articles of which a header matches (RFC 2980).
    Xpat {
        /// A header.
        field: &'a str,
        /// Of which articles; never the current one.
        articles: Articles<'a>,
        /// What it must match. May have spaces.
        pattern: Wildmat<'a>,
    },
    /// AUTHINFO USER.
    AuthUser(&'a str),
    /// AUTHINFO PASS. May have spaces inside.
    AuthPass(&'a str),
    /// AUTHINFO with anything else: the name of what was asked for.
    AuthOther(&'a str),
    /// TLS from here on.
    StartTls,
    /// Compression from here on, by the algorithm of this name.
    Compress(&'a str),
}

impl<'a> Command<'a> {
    /// Reads a line without its end, in time linear in its length.
    pub fn parse(line: &'a [u8]) -> Result<Self, CommandError> {
        if line.len() > COMMAND_BYTES_MAX {
            return Err(CommandError { fault: CommandFault::TooLong, offset: COMMAND_BYTES_MAX });
        }
        let text = std::str::from_utf8(line).map_err(|error| CommandError {
            fault: CommandFault::Byte,
            offset: error.valid_up_to(),
        })?;
        if let Some(offset) = line.iter().position(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Err(CommandError { fault: CommandFault::Byte, offset });
        }
        let mut words = Words { text, at: 0, start: 0 };
        let keyword = words.next().unwrap_or_default();
        let mut upper = [0; KEYWORD_BYTES_MAX];
        let known = words.upper(keyword, &mut upper, CommandFault::Unknown)?;
        let command = Self::read(known, &mut words)?;
        words.end()?;
        Ok(command)
    }

    fn read(keyword: &[u8], words: &mut Words<'a>) -> Result<Self, CommandError> {
        Ok(match keyword {
            b"CHECK" => Self::Check(words.id()?),
            b"TAKETHIS" => Self::TakeThis(words.id()?),
            b"IHAVE" => Self::Ihave(words.id()?),
            b"ARTICLE" => Self::Show { shown: Shown::Article, selected: words.selected()? },
            b"HEAD" => Self::Show { shown: Shown::Head, selected: words.selected()? },
            b"BODY" => Self::Show { shown: Shown::Body, selected: words.selected()? },
            b"STAT" => Self::Show { shown: Shown::Stat, selected: words.selected()? },
            b"OVER" | b"XOVER" => Self::Over(words.articles()?),
            b"HDR" | b"XHDR" => Self::Hdr {
                field: words.field()?,
                articles: words.articles()?,
                is_old: keyword == b"XHDR",
            },
            b"XPAT" => Self::read_xpat(words)?,
            b"GROUP" => Self::Group(words.group()?),
            b"LISTGROUP" => Self::read_list_group(words)?,
            b"LAST" => Self::Last,
            b"NEXT" => Self::Next,
            b"LIST" => Self::List(List::read(words)?),
            b"XGTITLE" => Self::Xgtitle(words.wildmat_or_all()?),
            b"NEWGROUPS" => Self::NewGroups(words.when()?),
            b"NEWNEWS" => Self::NewNews { groups: words.wildmat()?, since: words.when()? },
            b"POST" => Self::Post,
            b"CAPABILITIES" => Self::read_capabilities(words)?,
            b"MODE" => Self::read_mode(words)?,
            b"AUTHINFO" => Self::read_authinfo(words)?,
            b"STARTTLS" => Self::StartTls,
            b"COMPRESS" => Self::Compress(words.need()?),
            b"DATE" => Self::Date,
            b"HELP" => Self::Help,
            b"QUIT" => Self::Quit,
            _ => return Err(CommandError { fault: CommandFault::Unknown, offset: 0 }),
        })
    }

    /// RFC 3977, 5.2: a server ignores a keyword that it does not know.
    fn read_capabilities(words: &mut Words<'a>) -> Result<Self, CommandError> {
        if let Some(keyword) = words.next() {
            let is_label =
                keyword.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
            if keyword.len() < 3 || !is_label {
                return Err(words.malformed("capability"));
            }
        }
        Ok(Self::Capabilities)
    }

    fn read_mode(words: &mut Words<'a>) -> Result<Self, CommandError> {
        let variant = words.need()?;
        if variant.eq_ignore_ascii_case("READER") {
            Ok(Self::ModeReader)
        } else if variant.eq_ignore_ascii_case("STREAM") {
            Ok(Self::ModeStream)
        } else {
            Err(words.fault(CommandFault::Variant))
        }
    }

    fn read_authinfo(words: &mut Words<'a>) -> Result<Self, CommandError> {
        let variant = words.need()?;
        if variant.eq_ignore_ascii_case("USER") {
            Ok(Self::AuthUser(words.need()?))
        } else if variant.eq_ignore_ascii_case("PASS") {
            Ok(Self::AuthPass(words.rest()?))
        } else {
            while words.next().is_some() {}
            Ok(Self::AuthOther(variant))
        }
    }

    fn read_list_group(words: &mut Words<'a>) -> Result<Self, CommandError> {
        let group = words.next().map(|_| words.as_group()).transpose()?;
        let range = words.next().map(|_| words.as_range()).transpose()?;
        Ok(Self::ListGroup { group, range })
    }

    fn read_xpat(words: &mut Words<'a>) -> Result<Self, CommandError> {
        let field = words.field()?;
        let articles = match words.articles()? {
            Articles::Current => return Err(words.missing()),
            articles => articles,
        };
        let pattern = words.rest()?;
        let pattern = Wildmat::parse(pattern).map_err(|error| CommandError {
            fault: CommandFault::Malformed("wildmat"),
            offset: words.start + error.offset,
        })?;
        Ok(Self::Xpat { field, articles, pattern })
    }
}

impl<'a> List<'a> {
    fn read(words: &mut Words<'a>) -> Result<Self, CommandError> {
        let Some(keyword) = words.next() else { return Ok(Self::Active(Wildmat::ALL)) };
        let mut upper = [0; 16];
        Ok(match words.upper(keyword, &mut upper, CommandFault::Variant)? {
            b"ACTIVE" => Self::Active(words.wildmat_or_all()?),
            b"ACTIVE.TIMES" => Self::ActiveTimes(words.wildmat_or_all()?),
            b"NEWSGROUPS" => Self::Newsgroups(words.wildmat_or_all()?),
            b"COUNTS" => Self::Counts(words.wildmat_or_all()?),
            b"OVERVIEW.FMT" => Self::OverviewFmt,
            b"HEADERS" => Self::read_headers(words)?,
            b"DISTRIB.PATS" | b"DISTRIBUTIONS" | b"MODERATORS" | b"MOTD" => Self::Other(keyword),
            b"SUBSCRIPTIONS" => {
                words.wildmat_or_all()?;
                Self::Other(keyword)
            }
            _ => return Err(words.fault(CommandFault::Variant)),
        })
    }

    fn read_headers(words: &mut Words<'a>) -> Result<Self, CommandError> {
        let is_one = |word: &str| ["MSGID", "RANGE"].iter().any(|is| word.eq_ignore_ascii_case(is));
        match words.next() {
            Some(word) if !is_one(word) => Err(words.fault(CommandFault::Variant)),
            _ => Ok(Self::Headers),
        }
    }
}

/// The words of a line, divided by spaces and tabs.
struct Words<'a> {
    text: &'a str,
    /// Where to look for the next word.
    at: usize,
    /// Where the last word began.
    start: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let bare = rest.trim_start_matches([' ', '\t']);
        self.start = self.text.len() - bare.len();
        if bare.is_empty() {
            return None;
        }
        let end = bare.find([' ', '\t']).unwrap_or(bare.len());
        self.at = self.start + end;
        Some(&bare[..end])
    }

    fn fault(&self, fault: CommandFault) -> CommandError {
        CommandError { fault, offset: self.start }
    }

    fn missing(&self) -> CommandError {
        CommandError { fault: CommandFault::Missing, offset: self.text.len() }
    }

    fn malformed(&self, what: &'static str) -> CommandError {
        self.fault(CommandFault::Malformed(what))
    }

    /// A word in upper case; too long a one is none that is known.
    fn upper<'b>(
        &self,
        word: &str,
        upper: &'b mut [u8],
        fault: CommandFault,
    ) -> Result<&'b [u8], CommandError> {
        let upper = upper.get_mut(..word.len()).ok_or_else(|| self.fault(fault))?;
        upper.copy_from_slice(word.as_bytes());
        upper.make_ascii_uppercase();
        Ok(upper)
    }

    fn need(&mut self) -> Result<&'a str, CommandError> {
        self.next().ok_or_else(|| self.missing())
    }

    /// All that is left, without white space around it.
    fn rest(&mut self) -> Result<&'a str, CommandError> {
        self.need()?;
        self.at = self.text.len();
        Ok(self.text[self.start..].trim_end_matches([' ', '\t']))
    }

    fn end(&mut self) -> Result<(), CommandError> {
        match self.next() {
            Some(_) => Err(self.fault(CommandFault::Extra)),
            None => Ok(()),
        }
    }

    /// The last word.
    fn last(&self) -> &'a str {
        &self.text[self.start..self.at]
    }

    fn as_group(&self) -> Result<&'a str, CommandError> {
        let name = self.last();
        if is_group_name(name) { Ok(name) } else { Err(self.malformed("name of a group")) }
    }

    fn as_range(&self) -> Result<NumberRange, CommandError> {
        NumberRange::parse(self.last()).ok_or_else(|| self.malformed("range of numbers"))
    }

    fn as_id(&self) -> Result<MessageId<'a>, CommandError> {
        MessageId::parse(self.last()).ok_or_else(|| self.malformed("message-id"))
    }

    fn as_wildmat(&self) -> Result<Wildmat<'a>, CommandError> {
        Wildmat::parse(self.last()).map_err(|error| CommandError {
            fault: CommandFault::Malformed("wildmat"),
            offset: self.start + error.offset,
        })
    }

    fn id(&mut self) -> Result<MessageId<'a>, CommandError> {
        self.need()?;
        self.as_id()
    }

    fn group(&mut self) -> Result<&'a str, CommandError> {
        self.need()?;
        self.as_group()
    }

    fn wildmat(&mut self) -> Result<Wildmat<'a>, CommandError> {
        self.need()?;
        self.as_wildmat()
    }

    fn wildmat_or_all(&mut self) -> Result<Wildmat<'a>, CommandError> {
        match self.next() {
            Some(_) => self.as_wildmat(),
            None => Ok(Wildmat::ALL),
        }
    }

    fn selected(&mut self) -> Result<Selected<'a>, CommandError> {
        match self.next() {
            None => Ok(Selected::Current),
            Some(word) if word.starts_with('<') => Ok(Selected::Id(self.as_id()?)),
            Some(word) => {
                number(word).map(Selected::Number).ok_or_else(|| self.malformed("article number"))
            }
        }
    }

    fn articles(&mut self) -> Result<Articles<'a>, CommandError> {
        match self.next() {
            None => Ok(Articles::Current),
            Some(word) if word.starts_with('<') => Ok(Articles::Id(self.as_id()?)),
            Some(_) => Ok(Articles::Range(self.as_range()?)),
        }
    }

    /// The name of a header, or of what is told beside headers, with a colon before it.
    fn field(&mut self) -> Result<&'a str, CommandError> {
        let field = self.need()?;
        let name = field.strip_prefix(':').unwrap_or(field);
        let is_name = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if is_name && !name.is_empty() { Ok(field) } else { Err(self.malformed("header")) }
    }

    /// A date and a time, with or without `GMT`; some clients say `UTC`, which is the same.
    fn when(&mut self) -> Result<When, CommandError> {
        let date = self.need()?;
        let from = self.start;
        let time = self.need()?;
        let when = When::parse(date, time).ok_or(CommandError {
            fault: CommandFault::Malformed("date and time"),
            offset: from,
        })?;
        match self.next() {
            Some(zone) if !["GMT", "UTC"].iter().any(|utc| zone.eq_ignore_ascii_case(utc)) => {
                Err(self.malformed("time zone"))
            }
            _ => Ok(when),
        }
    }
}

impl fmt::Display for Selected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => Ok(()),
            Self::Number(number) => write!(f, " {number}"),
            Self::Id(id) => write!(f, " {id}"),
        }
    }
}

impl fmt::Display for Articles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => Ok(()),
            Self::Range(range) => write!(f, " {range}"),
            Self::Id(id) => write!(f, " {id}"),
        }
    }
}

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active(groups) => write!(f, "ACTIVE {groups}"),
            Self::ActiveTimes(groups) => write!(f, "ACTIVE.TIMES {groups}"),
            Self::Newsgroups(groups) => write!(f, "NEWSGROUPS {groups}"),
            Self::Counts(groups) => write!(f, "COUNTS {groups}"),
            Self::OverviewFmt => f.write_str("OVERVIEW.FMT"),
            Self::Headers => f.write_str("HEADERS"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Article => "ARTICLE",
            Self::Head => "HEAD",
            Self::Body => "BODY",
            Self::Stat => "STAT",
        })
    }
}

/// The line, without its end.
impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capabilities => f.write_str("CAPABILITIES"),
            Self::ModeReader => f.write_str("MODE READER"),
            Self::ModeStream => f.write_str("MODE STREAM"),
            Self::Quit => f.write_str("QUIT"),
            Self::Help => f.write_str("HELP"),
            Self::Date => f.write_str("DATE"),
            Self::Group(group) => write!(f, "GROUP {group}"),
            Self::ListGroup { group: None, .. } => f.write_str("LISTGROUP"),
            Self::ListGroup { group: Some(group), range: None } => write!(f, "LISTGROUP {group}"),
            Self::ListGroup { group: Some(group), range: Some(range) } => {
                write!(f, "LISTGROUP {group} {range}")
            }
            Self::Last => f.write_str("LAST"),
            Self::Next => f.write_str("NEXT"),
            Self::Show { shown, selected } => write!(f, "{shown}{selected}"),
            Self::Post => f.write_str("POST"),
            Self::Ihave(id) => write!(f, "IHAVE {id}"),
            Self::Check(id) => write!(f, "CHECK {id}"),
            Self::TakeThis(id) => write!(f, "TAKETHIS {id}"),
            Self::NewGroups(since) => write!(f, "NEWGROUPS {since} GMT"),
            Self::NewNews { groups, since } => write!(f, "NEWNEWS {groups} {since} GMT"),
            Self::List(list) => write!(f, "LIST {list}"),
            Self::Xgtitle(groups) => write!(f, "XGTITLE {groups}"),
            Self::Over(articles) => write!(f, "OVER{articles}"),
            Self::Hdr { field, articles, is_old: false } => write!(f, "HDR {field}{articles}"),
            Self::Hdr { field, articles, is_old: true } => write!(f, "XHDR {field}{articles}"),
            Self::Xpat { field, articles, pattern } => {
                write!(f, "XPAT {field}{articles} {pattern}")
            }
            Self::AuthUser(name) => write!(f, "AUTHINFO USER {name}"),
            Self::AuthPass(password) => write!(f, "AUTHINFO PASS {password}"),
            Self::AuthOther(kind) => write!(f, "AUTHINFO {kind}"),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Compress(algorithm) => write!(f, "COMPRESS {algorithm}"),
        }
    }
}
