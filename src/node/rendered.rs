//! Updates as JSON, each made once for all that read it at about the same time. What is said of a
//! story's heads, and that it says anything at all, changes with the story: then what was made of
//! its updates is forgotten.

use crate::base::Chunk;
use crate::news;
use crate::update::{Cid, Update};
use std::collections::{BTreeMap, BTreeSet};

const BYTES_MAX: usize = 4 << 20;

/// The JSON of the updates read last, bounded by bytes.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pages: BTreeMap<Cid, Page>,
    /// The ids by when they were made.
    order: BTreeMap<u64, Cid>,
    /// The ids by the story that they are about.
    stories: BTreeMap<String, BTreeSet<Cid>>,
    made: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Page {
    chunk: Chunk,
    made: u64,
    title: Option<String>,
}

impl Rendered {
    /// The JSON of an update, by `render` when it was not made lately.
    pub(super) fn of(&mut self, update: &Update, render: impl FnOnce() -> Vec<u8>) -> Chunk {
        let cid = update.cid();
        if let Some(page) = self.pages.get(&cid) {
            return Chunk::clone(&page.chunk);
        }
        let chunk: Chunk = render().into();
        let title = news::title_of(update).map(str::to_owned);
        self.made += 1;
        self.bytes += chunk.len();
        self.order.insert(self.made, cid);
        if let Some(title) = &title {
            self.stories.entry(title.clone()).or_default().insert(cid);
        }
        self.pages.insert(cid, Page { chunk: Chunk::clone(&chunk), made: self.made, title });
        while self.bytes > BYTES_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.remove(oldest);
        }
        chunk
    }

    /// The story changed: its updates are to be made anew.
    pub(super) fn forget(&mut self, title: &str) {
        for cid in self.stories.remove(title).into_iter().flatten() {
            self.remove(cid);
        }
    }

    fn remove(&mut self, cid: Cid) {
        let Some(page) = self.pages.remove(&cid) else { return };
        self.bytes -= page.chunk.len();
        self.order.remove(&page.made);
        if let Some(title) = page.title
            && let Some(cids) = self.stories.get_mut(&title)
        {
            cids.remove(&cid);
            if cids.is_empty() {
                self.stories.remove(&title);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::news::Revision;
    use crate::update::Draft;

    fn revision(seq: u64, title: &str) -> Update {
        let revision = Revision { generation: 1, title, ..Revision::default() };
        Update::seal(Draft { payload: &revision.encode().unwrap(), ..Draft::sample(seq) }).unwrap()
    }

    #[test]
    fn a_story_that_changed_is_made_anew_and_others_are_not() {
        let mut rendered = Rendered::default();
        let (a, b) = (revision(1, "a"), revision(2, "b"));
        assert_eq!(&rendered.of(&a, || b"a 1".to_vec())[..], b"a 1");
        assert_eq!(&rendered.of(&b, || b"b 1".to_vec())[..], b"b 1");
        assert_eq!(&rendered.of(&a, || b"a 2".to_vec())[..], b"a 1");
        rendered.forget("a");
        rendered.forget("nothing of this title was made");
        assert_eq!(&rendered.of(&a, || b"a 2".to_vec())[..], b"a 2");
        assert_eq!(&rendered.of(&b, || b"b 2".to_vec())[..], b"b 1");
        assert_eq!((rendered.order.len(), rendered.bytes), (2, 6));
    }

    #[test]
    fn the_oldest_give_way_and_leave_nothing_behind() {
        let mut rendered = Rendered::default();
        for seq in 1..=40 {
            rendered.of(&revision(seq, &format!("story {seq}")), || vec![0; BYTES_MAX / 10]);
        }
        assert!(rendered.bytes <= BYTES_MAX);
        let counts = [rendered.pages.len(), rendered.order.len(), rendered.stories.len()];
        assert_eq!(counts, [10; 3]);
    }
}
