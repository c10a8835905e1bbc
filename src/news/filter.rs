//! What a subscriber wants to see.

use super::{Revision, title_of};
use crate::update::{Kind, Update};

/// A filter of updates: those that pass all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Revisions of this section only; of a withdrawal nobody knows the section, so each passes.
    pub section: Option<String>,
    /// Updates of this topic only.
    pub topic: Option<String>,
    /// Revisions and the withdrawal of this story only.
    pub title: Option<String>,
}

impl Filter {
    /// True when the update passes. The payload is read only when a section or a story is asked
    /// for.
    pub fn matches(&self, update: &Update) -> bool {
        let is_topic = self.topic.as_ref().is_none_or(|topic| topic == update.topic());
        let is_story = || self.title.as_ref().is_none_or(|of| title_of(update) == Some(of));
        is_topic
            && is_story()
            && self.section.as_ref().is_none_or(|section| is_in_section(update, section))
    }
}

fn is_in_section(update: &Update, section: &str) -> bool {
    match update.kind() {
        Kind::Revision => {
            Revision::decode(update.payload()).is_ok_and(|revision| revision.section == section)
        }
        Kind::Withdrawal => true,
        Kind::Report | Kind::Data | Kind::Charter | Kind::Account => false,
    }
}
