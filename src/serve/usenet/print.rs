//! Revisions and withdrawals as articles. What came as an article is said again as it came, with
//! the Path lengthened; what was made in the herd is printed in UTF-8.

use super::groups::group_of;
use super::names::{cancel_id, is_own, message_id};
use crate::news::{self, Revision, Story, Withdrawal};
use crate::proto::article::{
    Article, Coding, Extent, Field, Path, cancel_key, cancel_lock, encode_words, put_date,
};
use crate::serve::Desk;
use crate::store::StoreError;
use crate::update::{Cid, Kind, Update};

/// So many revisions before one are named in its References.
const REFERENCES_MAX: usize = 8;
/// The address of who has none. Reserved (RFC 2606): no mail goes there.
const NOBODY: &str = "nobody@bellwether.invalid";

/// An article of which only the head is printed; its body is measured.
#[derive(Debug)]
pub(in crate::serve) struct Outline {
    /// Its head; the body is left out.
    pub(in crate::serve) head: Article,
    /// How large its body is.
    pub(in crate::serve) body: Extent,
}

impl Outline {
    /// How many bytes the whole article has.
    pub(in crate::serve) fn bytes(&self) -> usize {
        self.head.bytes() + self.body.bytes
    }
}

/// A body that is not copied yet.
enum Body<'a> {
    /// As it came.
    Wire(&'a [u8]),
    /// What a story says, to be carried so.
    Coded(Coding, &'a [u8]),
}

impl Body<'_> {
    fn print(&self) -> Vec<u8> {
        match self {
            Self::Wire(body) => body.to_vec(),
            Self::Coded(coding, body) => coding.encode(body),
        }
    }

    fn extent(&self) -> Extent {
        match self {
            Self::Wire(body) => Extent::of(body),
            Self::Coded(coding, body) => coding.extent(body),
        }
    }
}

/// A revision as an article, whole; `None` for other updates, and for what is erased.
pub(in crate::serve) fn article_of<D: Desk>(
    desk: &D,
    update: &Update,
) -> Result<Option<Article>, StoreError> {
    printed(desk, update, |head, body| Article { body: body.print(), ..head })
}

/// The same but for the body, which may be large and is not copied.
pub(in crate::serve) fn outline_of<D: Desk>(
    desk: &D,
    update: &Update,
) -> Result<Option<Outline>, StoreError> {
    printed(desk, update, |head, body| Outline { body: body.extent(), head })
}

/// The head alone: the body is neither copied nor measured.
pub(in crate::serve) fn head_of<D: Desk>(
    desk: &D,
    update: &Update,
) -> Result<Option<Article>, StoreError> {
    printed(desk, update, |head, _| head)
}

fn printed<D: Desk, T>(
    desk: &D,
    update: &Update,
    make: impl FnOnce(Article, Body<'_>) -> T,
) -> Result<Option<T>, StoreError> {
    let is_story = update.kind() == Kind::Revision && update.topic() == news::TOPIC_STORIES;
    if !is_story || update.is_erased() {
        return Ok(None);
    }
    let Ok(revision) = Revision::decode(update.payload()) else { return Ok(None) };
    if let Some((mut head, body)) = kept(revision.wire) {
        let body = body.map_or(Body::Coded(Coding::EightBit, revision.body), Body::Wire);
        head.set("Path", path_from(desk, update, head.path()));
        return Ok(Some(make(head, body)));
    }
    let is_text = is_text(update.media_type());
    let coding = Coding::of(revision.body, is_text);
    let head = made(desk, update, &revision, coding)?;
    Ok(Some(make(head, Body::Coded(coding, revision.body))))
}

fn is_text(media_type: &str) -> bool {
    media_type.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))
}

/// The head that was kept of an article from outside, and its body, if that was; `None` where there
/// is none.
fn kept(wire: &[u8]) -> Option<(Article, Option<&[u8]>)> {
    let (head, body) = kept_parts(wire);
    let fields = Article::parse_head(head).ok()?;
    let is_article = fields.iter().any(|field| field.is("message-id"));
    is_article.then_some((Article { fields, body: Vec::new() }, body))
}

/// What was kept of an article in two: the fields of its head, and the body, which is kept only
/// where the text does not say how it came.
pub(super) fn kept_parts(wire: &[u8]) -> (&[u8], Option<&[u8]>) {
    match wire.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(end) => (&wire[..end + 2], Some(&wire[end + 4..])),
        None => (wire, None),
    }
}

/// This node before the path of an update, if it came from another.
fn path_from<D: Desk>(desk: &D, update: &Update, mut path: Path) -> Vec<u8> {
    let (own, origin) = (Path::identity(&desk.config().name), Path::identity(update.origin()));
    if own != origin {
        path.relay(&own, &origin);
    }
    path.value()
}

/// The head of a revision that was made in the herd.
fn made<D: Desk>(
    desk: &D,
    update: &Update,
    revision: &Revision<'_>,
    coding: Coding,
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
    fields.push(Field::new("MIME-Version", "1.0"));
    fields.push(Field::new("Content-Type", with_charset(update.media_type())));
    fields.push(Field::new("Content-Transfer-Encoding", coding.name()));
    fields.retain(|field| !field.value.trim_ascii().is_empty());
    Ok(Article { fields, body: Vec::new() })
}

/// A text's media type with its charset, which in the herd is always UTF-8.
fn with_charset(media_type: &str) -> String {
    let essence = media_type.split(';').next().unwrap_or(media_type).trim();
    let is_text = is_text(media_type);
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
/// key of what it supersedes. `origin` is the node at which the update was made: where that node
/// injected the article, ours come behind those of who posted it (RFC 8315, 3.1); what another
/// site has locked is handed on as it is.
pub(super) fn lock(article: &mut Article, origin: &str, secret: &[u8]) {
    let is_injected = article.unfolded("injection-info") == Path::identity(origin);
    let is_locked = article.first("cancel-lock").is_some();
    let is_ours = is_injected || !is_locked;
    let id = article.message_id().filter(|id| is_ours && is_own(id.as_str()));
    let Some(id) = id else { return };
    if let Some(lock) = cancel_lock(&cancel_key(secret, id.as_str())) {
        add(article, "Cancel-Lock", &lock);
    }
    if let Some(superseded) = article.first("supersedes") {
        let superseded = String::from_utf8_lossy(superseded.trim_ascii()).into_owned();
        add(article, "Cancel-Key", &cancel_key(secret, &superseded));
    }
}

/// Puts an element behind those that a field has, on a line of its own.
fn add(article: &mut Article, name: &str, element: &str) {
    let mut value = article.first(name).map(<[u8]>::to_vec).unwrap_or_default();
    if !value.is_empty() {
        value.extend_from_slice(b"\r\n ");
    }
    value.extend_from_slice(element.as_bytes());
    article.set(name, value);
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
    if let Some((head, body)) = kept(withdrawal.wire) {
        let mut article = Article { body: body.unwrap_or_default().to_vec(), ..head };
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
    let coding = Coding::of(reason.as_bytes(), true);
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
            Field::new("Content-Transfer-Encoding", coding.name()),
        ],
        body: coding.encode(reason.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::article::is_unlocked;

    #[test]
    fn our_lock_is_added_to_that_of_who_posted_here_and_to_nobody_elses() {
        let id = "<p0@bellwether.invalid>";
        let theirs = cancel_lock(&cancel_key(b"theirs", id)).unwrap();
        let article = |injected: &str, lock: &str| {
            let mut article = Article::default();
            article.set("Message-ID", id);
            article.set("Injection-Info", injected);
            article.set("Supersedes", "<old@b>");
            if !lock.is_empty() {
                article.set("Cancel-Lock", lock);
                article.set("Cancel-Key", "sha256:x");
            }
            super::lock(&mut article, "Hill 1", b"ours");
            article
        };
        let opens = |article: &Article, secret: &[u8]| {
            let lock = article.first("cancel-lock").unwrap_or_default();
            is_unlocked(lock, cancel_key(secret, id).as_bytes())
        };
        let posted = article("Hill-1", &theirs);
        assert!(opens(&posted, b"ours") && opens(&posted, b"theirs"));
        let keys = posted.unfolded("cancel-key");
        assert_eq!(keys, format!("sha256:x {}", cancel_key(b"ours", "<old@b>")));
        let mut bytes = Vec::new();
        posted.put(&mut bytes);
        assert_eq!(Article::parse(&bytes), Ok(posted));
        let elsewhere = article("other.example", &theirs);
        assert!(!opens(&elsewhere, b"ours") && opens(&elsewhere, b"theirs"));
        assert_eq!(elsewhere.unfolded("cancel-key"), "sha256:x");
        assert!(opens(&article("other.example", ""), b"ours"), "it had none");
    }
}
