//! `search`: asked of the node's index; what is found is shown as its stories stand now.

use super::show::{broken, hit};
use super::talk::{At, Next};
use crate::news;
use crate::search::{Ask, Fault, Found, Hit, Part};
use crate::serve::{Desk, SearchRefusal};

/// Hits that are shown.
const HITS_MAX: usize = 20;
/// Who waits longer for an answer hears "later".
const WAIT_MS_MAX: u64 = 5_000;

/// Asks; else what to tell.
pub(super) fn begin<D: Desk>(at: &mut At<'_, '_, D>, words: &str) -> Result<Next, String> {
    let ask = Ask::read(words, HITS_MAX).map_err(|error| format!("Not asked: {error}."))?;
    at.desk.search(at.cx, ask).map_err(|refusal| match refusal {
        SearchRefusal::Absent => "This node has no search now: try another node.".to_owned(),
        SearchRefusal::Busy => "Too many searches here now: try again soon.".to_owned(),
    })?;
    Ok(Next::Wait(WAIT_MS_MAX))
}

/// Shows the answer, once there is one.
pub(super) fn advance<D: Desk>(at: &mut At<'_, '_, D>) -> Next {
    match at.desk.found(at.cx.id()) {
        None => return Next::Wait(WAIT_MS_MAX),
        Some(Ok(found)) => show(at, found),
        Some(Err(Fault::Ended)) => at.say("This search takes too long: ask for rarer words."),
        Some(Err(_)) => at.say("This node's search failed: try another node."),
    }
    Next::Over
}

fn show<D: Desk>(at: &mut At<'_, '_, D>, found: Found) {
    let backlog = at.desk.search_backlog();
    let mut titles: Vec<Box<str>> = Vec::new();
    for hit in found.hits {
        match shown(at.desk, hit, titles.len() + 1) {
            Ok(Some((title, text))) => {
                titles.push(title.into());
                at.said.push_str(&text);
            }
            Ok(None) => {}
            Err(told) => return at.say(told),
        }
    }
    if titles.is_empty() {
        at.say("Nothing is found.");
    } else if found.is_more {
        at.say("There are more: ask for more words.");
    }
    if backlog.is_reading || backlog.stories > 0 {
        at.say("(Some stories are so new that the search does not know them yet.)");
    }
    at.user.titles = titles.into();
    at.user.older = None;
}

/// A hit as its story stands now; none when it does not stand. Of a story that changed meanwhile
/// only what it is called now is shown.
fn shown<D: Desk>(desk: &D, found: Hit, number: usize) -> Result<Option<(String, String)>, String> {
    let story = news::story(desk.store().index(), &found.title).map_err(|error| broken(&error))?;
    let Some(story) = story.filter(|story| story.withdrawn.is_none()) else { return Ok(None) };
    let Some(head) = story.head() else { return Ok(None) };
    let text = if head.cid == found.id {
        hit(number, &found.title, &found.headline, head.clock, &found.snippet)
    } else {
        let now = Part { text: head.headline.clone(), is_match: false };
        hit(number, &found.title, &[now], head.clock, &[])
    };
    Ok(Some((found.title, text)))
}
