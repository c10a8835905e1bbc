//! Revisions and withdrawals as articles. What came as an article is said again as it came, with
//! the Path lengthened; what was made in the herd is printed in UTF-8.

use super::groups::group_of;
use super::names::{cancel_id, is_own, message_id};
use crate::news::{self, Revision, Story, Withdrawal};
use crate::proto::article::{
    Article, Field, Path, cancel_key, cancel_lock, encode_body, encode_words, put_date, wire_lines,
};
use crate::serve::Desk;
use crate::store::StoreError;
use crate::update::{Cid, Kind, Update};

/// So many revisions before one are named in its References.
const REFERENCES_MAX: usize = 8;
/// The address of who has none. Reserved (RFC 2606): no mail goes there.
const NOBODY: &str = "nobody@bellwether.invalid";

/// A revision as an article, whole; `None` for other updates, and for what is erased.
pub(in crate::serve) fn article_of<D: Desk>(
    desk: &D,
    update: &Update,
) -> Result<Option<Article>, StoreError> {
    let is_story = update.kind() == Kind::Revision && update.topic() == news::TOPIC_STORIES;
    if !is_story || update.is_erased() {
        return Ok(None);
    }
    let Ok(revision) = Revision::decode(update.payload()) else { return Ok(None) };
    if let Some(mut article) = kept(revision.wire) {
        if !has_body(revision.wire) {
            article.body = wire_lines(revision.body);
        }
        article.set("Path", path_from(desk, update, article.path()));
        return Ok(Some(article));
    }
    made(desk, update, &revision).map(Some)
}

/// The article that was kept of one from outside; `None` where there is none.
fn kept(wire: &[u8]) -> Option<Article> {
    let end = blank_line(wire);
    let head = &wire[..end.map_or(wire.len(), |end| end + 2)];
    let fields = Article::parse_head(head).ok()?;
    let body = end.map(|end| wire[end + 4..].to_vec()).unwrap_or_default();
    fields.iter().any(|field| field.is("message-id")).then_some(Article { fields, body })
}

fn has_body(wire: &[u8]) -> bool {
    blank_line(wire).is_some()
}

fn blank_line(wire: &[u8]) -> Option<usize> {
    wire.windows(4).position(|four| four == b"\r\n\r\n")
}

/// This node before the path of an update, if it came from another.
fn path_from<D: Desk>(desk: &D, update: &Update, mut path: Path) -> Vec<u8> {
    let (own, origin) = (Path::identity(&desk.config().name), Path::identity(update.origin()));
    if own != origin {
        path.relay(&own, &origin);
    }
    path.value()
}

/// A revision that was made in the herd.
fn made<D: Desk>(
    desk: &D,
    update: &Update,
    revision: &Revision<'_>,
) -> Result<Article, StoreError> {
    let subject = if revision.headline.is_empty() { revision.title } else { revision.headline };
    let origin = Path::identity(update.origin());
    let mut path = Path::new();
    path.inject(&origin);
    let mut date = Vec::new();
    put_date(&mut date, update.clock().ms());
    let mut fields = vec![
        Field::new("Path", path_from(desk, update, path)),
        Field::new("From", mailbox(revision.author)),
        Field::new("Newsgroups", group_of(revision.section)),
        Field::new("Subject", encode_words(subject, "Subject: ".len())),
        Field::new("Date", date.clone()),
        Field::new("Message-ID", message_id(update)),
    ];
    fields.extend(thread(desk, update)?);
    if !revision.summary.is_empty() {
        let line = revision.summary.replace(['\n', '\t'], " ");
        fields.push(Field::new("Comments", encode_words(line.trim(), "Comments: ".len())));
    }
    fields.push(Field::new("Injection-Date", date));
    fields.push(Field::new("Injection-Info", origin));
    if !revision.language.is_empty() {
        fields.push(Field::new("Content-Language", revision.language));
    }
    let media_type = update.media_type();
    let is_text = media_type.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"));
    let body = encode_body(revision.body, is_text);
    fields.push(Field::new("MIME-Version", "1.0"));
    fields.push(Field::new("Content-Type", with_charset(media_type, is_text)));
    fields.push(Field::new("Content-Transfer-Encoding", body.coding));
    fields.retain(|field| !field.value.trim_ascii().is_empty());
    Ok(Article { fields, body: body.body })
}

/// A text's media type with its charset, which in the herd is always UTF-8.
fn with_charset(media_type: &str, is_text: bool) -> String {
    let essence = media_type.split(';').next().unwrap_or(media_type).trim();
    if is_text { format!("{essence}; charset=UTF-8") } else { media_type.to_owned() }
}

/// References and Supersedes of an edit: what it follows.
fn thread<D: Desk>(desk: &D, update: &Update) -> Result<Vec<Field>, StoreError> {
    let mut ids: Vec<String> = Vec::new();
    let mut parents: Vec<Cid> = update.parents().collect();
    while let Some(parent) = greatest(desk, &parents)? {
        ids.push(message_id(&parent));
        if ids.len() == REFERENCES_MAX {
            break;
        }
        parents = parent.parents().collect();
    }
    let Some(superseded) = ids.first().cloned() else { return Ok(Vec::new()) };
    ids.reverse();
    Ok(vec![Field::new("References", ids.join("\r\n ")), Field::new("Supersedes", superseded)])
}

/// Of an update's parents the one that was the head.
fn greatest<D: Desk>(desk: &D, parents: &[Cid]) -> Result<Option<Update>, StoreError> {
    let mut greatest = None;
    for cid in parents {
        let Some(place) = news::revision_place(desk.store().index(), *cid)? else { continue };
        greatest = greatest.max(Some((place.generation, place.shown)));
    }
    match greatest {
        Some((_, cid)) => desk.store().by_cid(cid),
        None => Ok(None),
    }
}

/// An author as a mailbox (RFC 5322, 3.4): as they gave it if it is one, else with the address of
/// nobody.
fn mailbox(author: &str) -> Vec<u8> {
    let (name, address) = match author.rsplit_once('<') {
        Some((name, rest)) => (name.trim(), rest.strip_suffix('>').unwrap_or_default()),
        None if is_address(author) => ("", author),
        None => (author, NOBODY),
    };
    let (name, address) = if is_address(address) { (name, address) } else { (author, NOBODY) };
    let name = name.trim_matches(|c| c == '"' || c == ' ');
    if name.is_empty() {
        return address.into();
    }
    let is_atoms =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -_'+".contains(&byte));
    let mut out = if is_atoms {
        name.as_bytes().to_vec()
    } else if name.is_ascii() {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")).into_bytes()
    } else {
        encode_words(name, "From: ".len())
    };
    out.extend_from_slice(format!(" <{address}>").as_bytes());
    out
}

fn is_address(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&byte);
    let at = text.split_once('@');
    at.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && text.bytes().all(is_plain)
}

/// What an article that this node hands on says beside what every reader sees: its lock, and the
/// key of what it supersedes.
pub(super) fn lock(article: &mut Article, secret: &[u8]) {
    let is_locked = article.first("cancel-lock").is_some();
    let id = article.message_id().filter(|id| !is_locked && is_own(id.as_str()));
    let Some(id) = id else { return };
    if let Some(lock) = cancel_lock(&cancel_key(secret, id.as_str())) {
        article.set("Cancel-Lock", lock);
    }
    if let Some(superseded) = article.first("supersedes") {
        let superseded = String::from_utf8_lossy(superseded.trim_ascii()).into_owned();
        article.set("Cancel-Key", cancel_key(secret, &superseded));
    }
}

/// The groups of a story that is withdrawn, for the head of its cancel.
pub(in crate::serve) fn withdrawn_groups(story: &Story) -> Vec<u8> {
    let mut groups: Vec<String> = story.heads.iter().map(|head| group_of(&head.section)).collect();
    groups.sort_unstable();
    groups.dedup();
    let is_plain = groups.len() == 1 && story.heads.iter().all(|head| head.section.is_empty());
    if groups.is_empty() || is_plain {
        return Vec::new();
    }
    groups.truncate(8);
    format!("Newsgroups: {}\r\n", groups.join(",")).into_bytes()
}

/// A withdrawal as articles: the cancel that it came as, else one for each revision that it took
/// away. `secret` makes the keys.
pub(super) fn cancels_of<D: Desk>(
    desk: &D,
    update: &Update,
    secret: &[u8],
) -> Result<Vec<Article>, StoreError> {
    let Ok(withdrawal) = Withdrawal::decode(update.payload()) else { return Ok(Vec::new()) };
    if let Some(mut article) = kept(withdrawal.wire) {
        article.set("Path", path_from(desk, update, article.path()));
        return Ok(vec![article]);
    }
    let mut targets = Vec::new();
    for cid in update.parents() {
        targets.extend(desk.store().by_cid(cid)?.map(|update| message_id(&update)));
    }
    if targets.is_empty() {
        targets.extend(news::title_message(withdrawal.title));
    }
    let cancels = targets.iter().enumerate();
    Ok(cancels
        .map(|(at, target)| cancel(desk, update, &withdrawal, (at, target, secret)))
        .collect())
}

fn cancel<D: Desk>(
    desk: &D,
    update: &Update,
    withdrawal: &Withdrawal<'_>,
    (number, target, secret): (usize, &str, &[u8]),
) -> Article {
    let site = Path::identity(&desk.config().name);
    let mut path = Path::new();
    path.inject(&site);
    let mut date = Vec::new();
    put_date(&mut date, update.clock().ms());
    let groups = Article::parse_head(withdrawal.wire).unwrap_or_default();
    let groups = groups.into_iter().find(|field| field.is("newsgroups"));
    let reason = if withdrawal.reason.is_empty() { "withdrawn" } else { withdrawal.reason };
    let body = encode_body(reason.as_bytes(), true);
    Article {
        fields: vec![
            Field::new("Path", path.value()),
            Field::new("From", mailbox("")),
            groups.unwrap_or_else(|| Field::new("Newsgroups", group_of(""))),
            Field::new("Subject", format!("cmsg cancel {target}")),
            Field::new("Control", format!("cancel {target}")),
            Field::new("Date", date.clone()),
            Field::new("Message-ID", cancel_id(update.cid(), &site, number)),
            Field::new("Injection-Date", date),
            Field::new("Injection-Info", site),
            Field::new("Cancel-Key", cancel_key(secret, target)),
            Field::new("MIME-Version", "1.0"),
            Field::new("Content-Type", "text/plain; charset=UTF-8"),
            Field::new("Content-Transfer-Encoding", body.coding),
        ],
        body: body.body,
    }
}
