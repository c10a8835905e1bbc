//! POST: an article as a person's newsreader sends it (RFC 5537, 3.4 and 3.5). What it lacks is put
//! in; what only servers may say is taken out.

use super::names::posted_id;
use super::section_of;
use super::take::{Arrived, Refused, Take, Who, check_date};
use crate::news;
use crate::proto::article::{Article, Path, put_date};
use crate::reactor::Ctx;
use crate::serve::{Desk, Visitor};
use std::fmt;

/// Fields that servers make, whatever a person says in them. A Cancel-Lock is not among them: a
/// newsreader may have the key, and servers only add to it (RFC 8315, 3.1).
const SERVERS: [&str; 4] = ["injection-date", "injection-info", "path", "xref"];

/// Why an article can't be posted: what stands behind 441.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) struct PostRefusal(Refused);

impl fmt::Display for PostRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Refused::Group => f.write_str("there is no such group here"),
            other => write!(f, "{other}"),
        }
    }
}

/// An article that is being posted.
#[derive(Debug)]
pub(in crate::serve) struct Posting {
    /// Its way to the disk.
    pub(in crate::serve) take: Take,
    /// What it is called.
    pub(in crate::serve) message_id: String,
}

/// Reads what a visitor posts. Whether they may is found out when it is written.
pub(in crate::serve) fn post<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &D,
    bytes: &[u8],
    visitor: &Visitor,
) -> Result<Posting, PostRefusal> {
    let random = [cx.rng().next_u64(), cx.rng().next_u64()];
    let arrived = arrive(cx, desk, (bytes, posted_id(random)), visitor).map_err(PostRefusal)?;
    let message_id = arrived.message_id.clone();
    Ok(Posting { take: arrived.into(), message_id })
}

fn arrive<D: Desk>(
    cx: &Ctx<'_, D>,
    desk: &D,
    (bytes, own_id): (&[u8], String),
    visitor: &Visitor,
) -> Result<Arrived, Refused> {
    let mut article = Article::parse(bytes).map_err(Refused::Malformed)?;
    if let Some(name) = article.missing(&["date", "message-id", "path"]) {
        return Err(Refused::Missing(name));
    }
    article.fields.retain(|field| !SERVERS.iter().any(|name| field.is(name)));
    let mut now = Vec::new();
    put_date(&mut now, cx.wall_ns() / 1_000_000);
    if article.first("date").is_none() {
        article.set("Date", now.clone());
    }
    if article.first("message-id").is_none() {
        article.set("Message-ID", own_id);
    }
    check_date(cx, &article)?;
    let message_id = article.message_id().map(|id| id.as_str().to_owned());
    let message_id = message_id.filter(|id| news::is_message(id)).ok_or(Refused::OtherId)?;
    let section = section(desk, &article)?;
    let site = Path::identity(&desk.config().name);
    let mut path = Path::new();
    path.inject(&site);
    article.set("Path", path.value());
    article.set("Injection-Date", now);
    article.set("Injection-Info", site);
    Ok(Arrived { article, message_id, section, who: Who::Visitor(visitor.clone()) })
}

/// The section of the first of its groups that is here.
fn section<D: Desk>(desk: &D, article: &Article) -> Result<String, Refused> {
    for group in article.groups() {
        let Some(section) = section_of(group) else { continue };
        let is_here = news::has_section(desk.store().index(), &section).unwrap_or_default();
        if section.is_empty() || is_here {
            return Ok(section);
        }
    }
    Err(Refused::Group)
}
