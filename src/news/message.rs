//! Articles from outside of the herd, by their Message-IDs: which story one is, on every node the
//! same without talking.
//!
//! The story of an article is called by its Message-ID, as a `news:` URI (RFC 5538); the revision
//! has the Message-ID as its alias, so that what came to two nodes is shown once. An article that
//! supersedes another is a revision of that one's story, so its own Message-ID leads nowhere by
//! itself: for those, and for cancels, table `u` says which story they are of.

use super::rows::{alias_key, key_range, message_key, table};
use super::story::alias_row;
use super::{Shelf, Story, story};
use crate::proto::article::MessageId;
use crate::store::{Direction, StoreError};
use crate::update::Cid;
use std::ops::Bound;

/// How the titles of articles begin.
const SCHEME: &str = "news:";
/// More stories are not looked at for one Message-ID: there is one, but for what someone made up.
const STORIES_MAX: usize = 8;

/// What is known under a Message-ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Nothing.
    Unknown,
    /// A revision of a story.
    Revision {
        /// The story.
        title: String,
        /// What readers see of it.
        cid: Cid,
    },
    /// Its story was withdrawn, or it is what withdrew it.
    Withdrawn {
        /// The story.
        title: String,
    },
    /// The story is here but this revision is not: it was superseded before it came.
    Superseded {
        /// The story.
        title: String,
    },
}

/// The title of the story that an article of this Message-ID begins: `news:` and the Message-ID
/// without its brackets.
pub fn message_title(message_id: &str) -> String {
    let inner = message_id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    format!("{SCHEME}{}", inner.unwrap_or(message_id))
}

/// The Message-ID of the article that a story of this title began as; none for other titles.
pub fn title_message(title: &str) -> Option<String> {
    let inner = title.strip_prefix(SCHEME)?;
    is_message(&format!("<{inner}>")).then(|| format!("<{inner}>"))
}

/// True for an alias that is a Message-ID: printable ASCII in brackets, with an `@`.
pub fn is_message(alias: &str) -> bool {
    MessageId::parse(alias.as_bytes()).is_some()
}

/// Looks a Message-ID up.
pub fn message(shelf: &impl Shelf, message_id: &str) -> Result<Message, StoreError> {
    let title = message_title(message_id);
    if let Some(story) = story(shelf, &title)? {
        return of_story(shelf, story, message_id);
    }
    let (from, to) = key_range(table::MESSAGE, message_id);
    let (from, to) = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
    let rows = shelf.scan(from, to, STORIES_MAX, Direction::Up)?;
    for (key, _) in &rows {
        let title = key.get(message_id.len() + 2..).unwrap_or_default();
        let title = std::str::from_utf8(title).map_err(|_| StoreError::IndexBroken)?;
        if let Some(story) = story(shelf, title)? {
            return of_story(shelf, story, message_id);
        }
    }
    Ok(Message::Unknown)
}

fn of_story(shelf: &impl Shelf, story: Story, message_id: &str) -> Result<Message, StoreError> {
    let title = story.title;
    if story.withdrawn.is_some() {
        return Ok(Message::Withdrawn { title });
    }
    Ok(match alias_row(shelf, &title, message_id)? {
        Some(row) => Message::Revision { title, cid: row.cid },
        None => Message::Superseded { title },
    })
}

/// Notes which story an alias leads to, where it does not lead there by itself.
pub(super) fn note(shelf: &mut impl Shelf, alias: &str, title: &str) {
    if is_message(alias) && message_title(alias) != title {
        shelf.put(message_key(alias, title), Vec::new());
    }
}

/// Takes the note away with the alias of a story, given the key of its row in `a`.
pub(super) fn forget_alias(shelf: &mut impl Shelf, title: &str, alias_row: &[u8]) {
    let prefix = alias_key(title, "").len();
    let alias = alias_row.get(prefix..).and_then(|alias| std::str::from_utf8(alias).ok());
    if let Some(alias) = alias.filter(|alias| is_message(alias)) {
        shelf.delete(&message_key(alias, title));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Revision, Withdrawal, apply};
    use super::*;
    use crate::update::{Draft, Kind, Update};
    use std::collections::BTreeMap;

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    fn seal(seq: u64, kind: Kind, alias: &str, parents: Vec<Cid>, payload: &[u8]) -> Update {
        Update::seal(Draft { kind, alias, parents, payload, ..Draft::sample(seq) }).unwrap()
    }

    fn revision(seq: u64, title: &str, alias: &str, parents: Vec<Cid>) -> Update {
        let generation = 1 + parents.len() as u32;
        let revision = Revision { title, generation, body: b"b", ..Revision::default() };
        seal(seq, Kind::Revision, alias, parents, &revision.encode().unwrap())
    }

    #[test]
    fn titles_and_message_ids_lead_to_each_other() {
        assert_eq!(message_title("<a@b>"), "news:a@b");
        assert_eq!(title_message("news:a@b").unwrap(), "<a@b>");
        for other in ["a@b", "news:", "news:a", "news:a b@c", "news:@b", "news:a>@b"] {
            assert_eq!(title_message(other), None, "{other}");
        }
        assert!(!is_message("guid") && !is_message("<@>") && !is_message("<>"));
    }

    #[test]
    fn an_article_and_what_supersedes_it_are_found_until_the_story_is_withdrawn() {
        let mut shelf = Map::new();
        let first = revision(1, "news:a@x", "<a@x>", vec![]);
        let second = revision(2, "news:a@x", "<b@x>", vec![first.cid()]);
        for update in [&first, &second] {
            apply(&mut shelf, update).unwrap();
        }
        let title = "news:a@x".to_owned();
        for (id, cid) in [("<a@x>", first.cid()), ("<b@x>", second.cid())] {
            let found = Message::Revision { title: title.clone(), cid };
            assert_eq!(message(&shelf, id).unwrap(), found);
        }
        assert_eq!(message(&shelf, "<c@x>").unwrap(), Message::Unknown);
        let gone = Withdrawal { title: &title, reason: "", wire: b"" }.encode().unwrap();
        let gone = seal(3, Kind::Withdrawal, "<c@x>", vec![], &gone);
        apply(&mut shelf, &gone).unwrap();
        for id in ["<a@x>", "<c@x>"] {
            assert_eq!(message(&shelf, id).unwrap(), Message::Withdrawn { title: title.clone() });
        }
        assert_eq!(message(&shelf, "<b@x>").unwrap(), Message::Unknown);
        // The rows are a function of the set.
        let mut other = Map::new();
        for update in [&gone, &second, &first] {
            apply(&mut other, update).unwrap();
        }
        assert_eq!(shelf, other);
    }

    #[test]
    fn an_article_that_was_superseded_before_it_came_is_known() {
        let mut shelf = Map::new();
        apply(&mut shelf, &revision(1, "news:a@x", "<b@x>", vec![])).unwrap();
        let title = "news:a@x".to_owned();
        assert_eq!(message(&shelf, "<a@x>").unwrap(), Message::Superseded { title });
    }
}
