//! Articles as this node has them: found by number or by id, and shown whole or in part.

use crate::news::{self, Group};
use crate::proto::article::Article;
use crate::proto::nntp::{Selected, Shown, Stuffing, put_reply};
use crate::serve::Desk;
use crate::serve::usenet::{self, Outline};
use crate::store::{Direction, StoreError};
use crate::update::{Dot, Update};

/// The group that a reader is in, and the article at which it stands there.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) section: String,
    /// The current article; none in an empty group.
    pub(super) number: Option<u64>,
}

/// Which article is not there, or what would have named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Group,
    Current,
    Next,
    Previous,
    Number,
    Id,
}

impl Absent {
    pub(super) fn reply(self) -> (u16, &'static str) {
        match self {
            Self::Group => (412, "no group is chosen"),
            Self::Current => (420, "there is no current article"),
            Self::Next => (421, "no article is behind this one"),
            Self::Previous => (422, "no article is before this one"),
            Self::Number => (423, "no article has this number"),
            Self::Id => (430, "no article has this id"),
        }
    }
}

/// An article that was looked for.
#[derive(Debug)]
pub(super) struct Located {
    /// In the current group; 0 where it is in another.
    pub(super) number: u64,
    pub(super) update: Update,
}

/// What is said of a group: how many articles, the lowest and the highest number. An empty group's
/// lowest is one above its highest.
pub(super) fn marks<D: Desk>(desk: &D, group: &Group) -> Result<(u64, u64, u64), StoreError> {
    let index = desk.store().index();
    let all = 0..=group.high;
    let lowest = news::numbered(index, &group.section, all, 1, Direction::Up)?;
    let low = lowest.first().map_or(group.high + 1, |lowest| lowest.number);
    Ok((group.articles, low, group.high))
}

/// The update, while readers may see it: not one that is withdrawn or dropped, nor one that stands
/// behind another of its alias.
pub(super) fn visible<D: Desk>(desk: &D, dot: Dot) -> Result<Option<Update>, StoreError> {
    let Some(update) = desk.store().get(dot)?.filter(|update| !update.is_erased()) else {
        return Ok(None);
    };
    let place = news::revision_place(desk.store().index(), update.cid())?;
    Ok(place.filter(|place| place.shown == update.cid()).map(|_| update))
}

/// The article of an update, with where it stands here.
pub(super) fn article<D: Desk>(desk: &D, update: &Update) -> Result<Option<Article>, StoreError> {
    let Some(mut article) = usenet::article_of(desk, update)? else { return Ok(None) };
    set_xref(desk, update, &mut article)?;
    Ok(Some(article))
}

/// The same without its body, which is measured only.
pub(super) fn outline<D: Desk>(desk: &D, update: &Update) -> Result<Option<Outline>, StoreError> {
    let Some(mut outline) = usenet::outline_of(desk, update)? else { return Ok(None) };
    set_xref(desk, update, &mut outline.head)?;
    Ok(Some(outline))
}

/// Its head alone.
pub(super) fn head<D: Desk>(desk: &D, update: &Update) -> Result<Option<Article>, StoreError> {
    let Some(mut head) = usenet::head_of(desk, update)? else { return Ok(None) };
    set_xref(desk, update, &mut head)?;
    Ok(Some(head))
}

fn set_xref<D: Desk>(desk: &D, update: &Update, head: &mut Article) -> Result<(), StoreError> {
    if let Some((section, number)) = news::number_of(desk.store().index(), update.dot())? {
        let group = usenet::group_of(&section);
        head.set("Xref", format!("{} {group}:{number}", host(desk)));
    }
    Ok(())
}

/// The node's name, as a name in Xref may be.
fn host<D: Desk>(desk: &D) -> String {
    let keep = |c: char| if c.is_ascii_graphic() && c != ':' { c } else { '-' };
    desk.config().name.chars().map(keep).collect()
}

/// The article that a command names.
pub(super) fn locate<D: Desk>(
    desk: &D,
    spot: Option<&Spot>,
    selected: Selected<'_>,
) -> Result<Result<Located, Absent>, StoreError> {
    let number = match selected {
        Selected::Id(id) => return by_id(desk, spot, id.as_str()),
        Selected::Number(number) => Some(number),
        Selected::Current => None,
    };
    let Some(spot) = spot else { return Ok(Err(Absent::Group)) };
    let Some(wanted) = number.or(spot.number) else { return Ok(Err(Absent::Current)) };
    let absent = if number.is_some() { Absent::Number } else { Absent::Current };
    let index = desk.store().index();
    let only = wanted..=wanted;
    let found = news::numbered(index, &spot.section, only, 1, Direction::Up)?;
    let Some(found) = found.first() else { return Ok(Err(absent)) };
    let update = visible(desk, found.dot)?;
    Ok(update.map(|update| Located { number: wanted, update }).ok_or(absent))
}

pub(super) fn by_id<D: Desk>(
    desk: &D,
    spot: Option<&Spot>,
    id: &str,
) -> Result<Result<Located, Absent>, StoreError> {
    let Some(update) = usenet::find(desk, id)? else { return Ok(Err(Absent::Id)) };
    let place = news::number_of(desk.store().index(), update.dot())?;
    let here = |(section, _): &(String, u64)| spot.is_some_and(|spot| spot.section == *section);
    let number = place.filter(here).map_or(0, |(_, number)| number);
    Ok(Ok(Located { number, update }))
}

/// The article before or behind the current one.
pub(super) fn beside<D: Desk>(
    desk: &D,
    spot: Option<&Spot>,
    direction: Direction,
) -> Result<Result<Located, Absent>, StoreError> {
    let Some(spot) = spot else { return Ok(Err(Absent::Group)) };
    let Some(mut at) = spot.number else { return Ok(Err(Absent::Current)) };
    let index = desk.store().index();
    let none = match direction {
        Direction::Up => Absent::Next,
        Direction::Down => Absent::Previous,
    };
    loop {
        let range = match direction {
            Direction::Up => at.saturating_add(1)..=u64::MAX,
            Direction::Down => 0..=at.saturating_sub(1),
        };
        let found = news::numbered(index, &spot.section, range, 1, direction)?;
        let Some(found) = found.first() else { return Ok(Err(none)) };
        at = found.number;
        if let Some(update) = visible(desk, found.dot)? {
            return Ok(Ok(Located { number: at, update }));
        }
    }
}

/// The answer to ARTICLE, HEAD, BODY or STAT: the line, and what is asked of the article.
pub(super) fn show(out: &mut Vec<u8>, shown: Shown, number: u64, id: &str, article: &Article) {
    let (code, what) = match shown {
        Shown::Article => (220, "article follows"),
        Shown::Head => (221, "headers follow"),
        Shown::Body => (222, "body follows"),
        Shown::Stat => (223, "article is here"),
    };
    put_reply(out, code, &format!("{number} {id} {what}"));
    if shown == Shown::Stat {
        return;
    }
    let mut stuffing = Stuffing::new();
    if shown != Shown::Body {
        let mut head = Vec::new();
        article.put_head(&mut head);
        stuffing.put(out, &head);
    }
    if shown == Shown::Article {
        stuffing.put(out, b"\r\n");
    }
    if shown != Shown::Head {
        stuffing.put(out, &article.body);
    }
    stuffing.end(out);
}
