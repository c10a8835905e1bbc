//! Which updates are offered to a news server, and the articles that they are.

use super::names::message_id;
use super::print::{article_of, cancels_of, lock, outline_of};
use crate::base::Wildmat;
use crate::news;
use crate::proto::article::{Article, Path};
use crate::serve::Desk;
use crate::store::StoreError;
use crate::update::{Kind, Update};

/// What goes to one server.
#[derive(Debug)]
pub(in crate::serve) struct Outgoing {
    /// What it is called in a Path.
    site: String,
    /// A wildmat.
    offer: String,
    /// Of the locks of articles that were made here.
    secret: [u8; 32],
}

impl Outgoing {
    /// For a server of this name, which is its name in a Path as well.
    pub(in crate::serve) fn new(name: &str, offer: &str, secret: [u8; 32]) -> Self {
        Self { site: Path::identity(name), offer: offer.to_owned(), secret }
    }

    /// The articles that an update makes, in order: one of a revision, of a withdrawal one for each
    /// article that it takes away; none of others.
    pub(in crate::serve) fn articles<D: Desk>(
        &self,
        desk: &D,
        update: &Update,
    ) -> Result<Vec<Article>, StoreError> {
        if update.kind() == Kind::Withdrawal {
            return cancels_of(desk, update, &self.secret);
        }
        let mut article = article_of(desk, update)?;
        if let Some(article) = &mut article {
            lock(article, update.origin(), &self.secret);
        }
        Ok(article.into_iter().collect())
    }

    /// Of these the ones to be offered, by number, with their Message-IDs: for groups that the
    /// server gets, and not been there yet. No body is printed for that.
    pub(in crate::serve) fn wanted<D: Desk>(
        &self,
        desk: &D,
        update: &Update,
    ) -> Result<Vec<(usize, String)>, StoreError> {
        if update.topic() != news::TOPIC_STORIES || !is_shown(desk, update)? {
            return Ok(Vec::new());
        }
        let articles = if update.kind() == Kind::Withdrawal {
            cancels_of(desk, update, &self.secret)?
        } else {
            outline_of(desk, update)?.map(|outline| outline.head).into_iter().collect()
        };
        let wanted = articles.iter().enumerate().filter(|(_, article)| self.is_for(article));
        let id = |article: &Article| match article.message_id() {
            Some(id) => id.as_str().to_owned(),
            None => message_id(update),
        };
        Ok(wanted.map(|(number, article)| (number, id(article))).collect())
    }

    fn is_for(&self, article: &Article) -> bool {
        let groups = article.groups();
        let is_meant = Wildmat::parse(&self.offer)
            .is_ok_and(|offer| groups.iter().any(|group| offer.matches(group)));
        is_meant && !article.path().passed(&self.site)
    }
}

/// False for a revision behind another of its alias: that one is offered.
fn is_shown<D: Desk>(desk: &D, update: &Update) -> Result<bool, StoreError> {
    if update.kind() != Kind::Revision {
        return Ok(true);
    }
    let place = news::revision_place(desk.store().index(), update.cid())?;
    Ok(place.is_some_and(|place| place.shown == update.cid()))
}
