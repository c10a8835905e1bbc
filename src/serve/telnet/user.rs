//! Who is at a console, as far as they said so, and what their numbers stand for.

use super::command::quoted;
use super::show::{broken, withdrawn};
use crate::accounts::{self, Scope, TokenId};
use crate::news::{self, Story};
use crate::serve::visitor::by_token_id;
use crate::serve::{Desk, Lacks, Visitor, anyone};
use crate::store::StoreError;
use crate::update::{Cid, Update};

/// Words of a line that a title may have, where others may stand behind it.
const TITLE_WORDS_MAX: usize = 40;

/// How a user has shown who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Shown {
    /// Not at all.
    #[default]
    Nothing,
    /// By the token of this id.
    Token(TokenId),
    /// By the password of an account, which was made by this act.
    Password(String, Cid),
}

/// A user.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) shown: Shown,
    /// The titles that were listed last: the first is number 1.
    pub(super) titles: Box<[Box<str>]>,
    /// The section of that list, and where it goes on.
    pub(super) older: Option<(Option<Box<str>>, Box<str>)>,
}

impl User {
    /// Who they are and what they may do as the node knows it now: tokens and accounts may be gone.
    pub(super) fn visitor<D: Desk>(&self, desk: &D) -> Visitor {
        let found = self.known(desk).unwrap_or_else(|error| {
            log::error!("a visitor can't be looked up: {error}");
            None
        });
        let visitor = found.unwrap_or_default();
        // Whether a program on this machine speaks for someone elsewhere is not known here: what
        // only who is near may do is not offered.
        let scopes = visitor.scopes.or(anyone(desk, false));
        Visitor { scopes, ..visitor }
    }

    fn known<D: Desk>(&self, desk: &D) -> Result<Option<Visitor>, StoreError> {
        match &self.shown {
            Shown::Nothing => Ok(None),
            Shown::Token(id) => by_token_id(desk, *id),
            Shown::Password(name, act) => {
                let account = accounts::account(desk.store().index(), name)?;
                let account = account.filter(|account| account.act == *act);
                Ok(account.map(|account| Visitor {
                    name: account.name,
                    scopes: account.scopes,
                    ..Visitor::default()
                }))
            }
        }
    }

    /// Who they are, if they may do this; else what to tell them.
    pub(super) fn who_may<D: Desk>(&self, desk: &D, scope: Scope) -> Result<Visitor, String> {
        let visitor = self.visitor(desk);
        match visitor.may(scope) {
            Ok(()) => Ok(visitor),
            Err(Lacks::SignIn(_)) => Err("You may not do that here: log in first.".to_owned()),
            Err(Lacks::Scope(_)) => {
                let (name, scope) = (&visitor.name, scope.name());
                Err(format!("You may not do that: {name} has not the scope {scope}."))
            }
        }
    }

    /// The title of a story that is named by its title or its number in the last list.
    pub(super) fn title(&self, named: &str) -> Result<String, String> {
        if let Some((title, _)) = quoted(named) {
            return Ok(title.to_owned());
        }
        if named.is_empty() {
            return Err("Which story? Give its title, or its number in the last list.".to_owned());
        }
        Ok(self.numbered(named).unwrap_or(named).to_owned())
    }

    fn numbered(&self, named: &str) -> Option<&str> {
        let number: usize = named.parse().ok()?;
        self.titles.get(number.checked_sub(1)?).map(|title| &**title)
    }

    /// A title and what stands behind it: in quotation marks, a number, the longest beginning that
    /// is a story here, or else the first word.
    pub(super) fn title_and_rest<'a, D: Desk>(
        &self,
        desk: &D,
        text: &'a str,
    ) -> Result<(String, &'a str), String> {
        if let Some((title, rest)) = quoted(text) {
            return Ok((title.to_owned(), rest));
        }
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        if let Some(title) = self.numbered(first) {
            return Ok((title.to_owned(), rest.trim()));
        }
        let ends = text.match_indices(' ').map(|(at, _)| at).take(TITLE_WORDS_MAX);
        let mut ends: Vec<usize> = ends.chain([text.len()]).collect();
        while let Some(end) = ends.pop() {
            let title = text[..end].trim_end();
            let story = news::story(desk.store().index(), title).map_err(|e| broken(&e))?;
            if story.is_some() {
                return Ok((title.to_owned(), text[end..].trim()));
            }
        }
        Ok((self.title(first)?, rest.trim()))
    }
}

/// The story as it stands, or why it can't be read.
pub(super) fn standing<D: Desk>(desk: &D, title: &str) -> Result<Story, String> {
    let story = news::story(desk.store().index(), title).map_err(|error| broken(&error))?;
    match story {
        None => Err(format!("No story {title} is here.")),
        Some(Story { withdrawn: Some(how), .. }) => Err(withdrawn(title, &how)),
        Some(story) => Ok(story),
    }
}

/// The story as it stands with its head, or why that can't be read.
pub(super) fn standing_head<D: Desk>(desk: &D, title: &str) -> Result<(Story, Update), String> {
    let story = standing(desk, title)?;
    let head = story.head().ok_or_else(|| unreadable(title))?;
    let update = desk.store().by_cid(head.cid).map_err(|error| broken(&error))?;
    let update = update.filter(|update| !update.is_erased()).ok_or_else(|| unreadable(title))?;
    Ok((story, update))
}

/// What is told of a story that is here, but not what it says.
pub(super) fn unreadable(title: &str) -> String {
    format!("{title} can't be read here now: try another node.")
}
