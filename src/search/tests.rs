//! The index in memory and on disk.

use super::*;
use crate::store::Place;
use crate::update::{Cid, Dot, Epoch, Hlc};
use proptest::prelude::*;

fn story(n: u64, headline: &str, body: &str) -> Story {
    Story {
        id: Cid([n as u8; 32]),
        at: Hlc::from_ms(1_700_000_000_000 + n * 1_000),
        headline: headline.to_owned(),
        section: String::new(),
        author: String::new(),
        body: body.to_owned(),
    }
}

fn batch(stories: impl IntoIterator<Item = (&'static str, Option<Story>)>) -> Batch {
    let own = |(title, story): (&str, Option<Story>)| (title.to_owned(), story);
    Batch { stories: stories.into_iter().map(own).collect(), mark: None }
}

fn full(stories: &[(&'static str, &str, &str)]) -> Index {
    let mut index = Index::in_memory().unwrap();
    let story = |(n, (title, headline, body)): (usize, &(&'static str, &str, &str))| {
        (*title, Some(story(n as u64, headline, body)))
    };
    index.take(&batch(stories.iter().enumerate().map(story))).unwrap();
    index
}

fn ask(typed: &str) -> Ask {
    Ask::read(typed, 10).unwrap()
}

fn titles(index: &Index, ask: &Ask) -> Vec<String> {
    index.find(ask).unwrap().hits.into_iter().map(|hit| hit.title).collect()
}

#[track_caller]
fn finds(index: &Index, typed: &str, expected: &[&str]) {
    let mut found = titles(index, &ask(typed));
    found.sort_unstable();
    assert_eq!(found, expected, "{typed}");
}

#[test]
fn words_phrases_prefixes_and_what_must_not_occur() {
    let index = full(&[
        ("a", "High water", "The river rose overnight."),
        ("b", "Low water", "The high road is closed."),
        ("c", "Ice", "Überall Glatteis, naïve drivers; 東京で大雪。"),
    ]);
    finds(&index, "water", &["a", "b"]);
    finds(&index, "WATER river", &["a"]);
    finds(&index, "\"high water\"", &["a"]);
    finds(&index, "high water", &["a", "b"]);
    assert_eq!(titles(&index, &ask("high water")), ["a", "b"]);
    finds(&index, "wat*", &["a", "b"]);
    finds(&index, "water -road", &["a"]);
    finds(&index, "uberall", &["c"]);
    finds(&index, "naive", &["c"]);
    finds(&index, "東京", &["c"]);
    finds(&index, "京東", &[]);
    finds(&index, "大雪", &["c"]);
    finds(&index, "大*", &["c"]);
    finds(&index, "nowhere", &[]);
}

#[test]
fn a_headline_weighs_more_than_a_body_and_both_show_what_matched() {
    let long = format!("{} A flood came. {}", "Words. ".repeat(100), "More. ".repeat(100));
    let index = full(&[("x", "Flood in Hill", "Nothing."), ("y", "News", &long)]);
    let found = index.find(&ask("flood")).unwrap();
    let titles: Vec<&str> = found.hits.iter().map(|hit| &hit.title[..]).collect();
    assert_eq!(titles, ["x", "y"]);
    let part = |text: &str, is_match| Part { text: text.to_owned(), is_match };
    assert_eq!(found.hits[0].headline, [part("Flood", true), part(" in Hill", false)]);
    assert_eq!(found.hits[0].snippet, [part("Nothing.", false)]);
    let snippet = &found.hits[1].snippet;
    assert!(snippet.contains(&part("flood", true)), "{snippet:?}");
    let bytes: usize = snippet.iter().map(|part| part.text.len()).sum();
    assert!(bytes < 300, "{snippet:?}");
}

#[test]
fn sections_and_times_narrow_and_pages_go_on() {
    let mut index = Index::in_memory().unwrap();
    let titles_of = ["s0", "s1", "s2", "s3", "s4", "s5"];
    let story = |n: usize| {
        let section = if n.is_multiple_of(2) { "World \"news\"" } else { "world" };
        Story { section: section.to_owned(), ..story(n as u64, "Same", "same words") }
    };
    index.take(&batch((0..6).map(|n| (titles_of[n], Some(story(n)))))).unwrap();
    let mut asked = ask("same");
    assert_eq!(titles(&index, &asked).len(), 6);
    asked.section = Some("World \"news\"".to_owned());
    assert_eq!(titles(&index, &asked), ["s4", "s2", "s0"]);
    asked.since_ms = Some(1_700_000_002_000);
    asked.until_ms = Some(1_700_000_004_000);
    assert_eq!(titles(&index, &asked), ["s2"]);
    asked.since_ms = Some(u64::MAX);
    assert_eq!(titles(&index, &asked), [""; 0]);
    let mut asked = Ask { limit: 4, ..ask("same") };
    let found = index.find(&asked).unwrap();
    assert_eq!((found.hits.len(), found.is_more), (4, true));
    asked.offset = 4;
    let found = index.find(&asked).unwrap();
    assert_eq!((found.hits.len(), found.is_more), (2, false));
    asked.offset = usize::MAX;
    assert_eq!(index.find(&asked).unwrap().hits, []);
}

#[test]
fn a_story_is_found_as_it_stands_and_no_more_once_it_does_not() {
    let mut index = full(&[("a", "", "one"), ("b", "", "one")]);
    index.take(&batch([("a", Some(story(9, "", "two")))])).unwrap();
    finds(&index, "one", &["b"]);
    finds(&index, "two", &["a"]);
    index.take(&batch([("a", Some(story(9, "", "same id: not looked at")))])).unwrap();
    finds(&index, "two", &["a"]);
    index.take(&batch([("a", None), ("b", None), ("c", None)])).unwrap();
    finds(&index, "two", &[]);
    assert_eq!(index.stories().unwrap(), 0);
}

#[test]
fn stories_of_one_moment_stand_side_by_side() {
    let titles = ["a", "b", "c", "d"];
    let mut index = Index::in_memory().unwrap();
    index.take(&batch(titles.map(|title| (title, Some(story(1, "", "word")))))).unwrap();
    assert_eq!(index.find(&ask("word")).unwrap().hits.len(), 4);
    index.take(&batch([("b", None)])).unwrap();
    finds(&index, "word", &["a", "c", "d"]);
}

#[test]
fn a_mark_comes_with_its_batch_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    let mark =
        Mark { place: Place(77), last: (Dot { epoch: Epoch(3), seq: 4 }, Cid([5; 32]), Place(66)) };
    let mut opened = Opened::open(&path, false).unwrap();
    assert_eq!(opened.mark, None);
    let stories = batch([("a", Some(story(1, "", "word")))]);
    opened.writer.take(&Batch { mark: Some(mark), ..stories }).unwrap();
    finds(&opened.reader, "word", &["a"]);
    drop(opened);
    let opened = Opened::open(&path, false).unwrap();
    assert_eq!(opened.mark, Some(mark));
    finds(&opened.reader, "word", &["a"]);
    drop(opened);
    let anew = Opened::open(&path, true).unwrap();
    assert_eq!((anew.mark, anew.reader.stories().unwrap()), (None, 0));
}

#[test]
fn a_file_that_is_no_index_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
    let mut opened = Opened::open(&path, false).unwrap();
    opened.writer.take(&batch([("a", Some(story(1, "", "word")))])).unwrap();
    opened.writer.conn.pragma_update(None, "user_version", 99).unwrap();
    drop(opened);
    assert_eq!(Opened::open(&path, false).unwrap().reader.stories().unwrap(), 0);
}

/// The files of a folder in which some bytes stand, whatever their case.
fn files_with(folder: &std::path::Path, needle: &str) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| {
            let bytes = std::fs::read(path).unwrap().to_ascii_lowercase();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        })
        .collect()
}

#[test]
fn what_was_withdrawn_or_replaced_is_in_no_byte_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    let mut opened = Opened::open(&path, false).unwrap();
    let titles: Vec<String> = (0..300).map(|n| format!("story-{n}")).collect();
    for (n, title) in titles.iter().enumerate() {
        let words: Vec<String> = (0..40).map(|m| format!("w{}x", n * 7919 % 1000 + m)).collect();
        let secret = if n % 50 == 7 { "qzsecretq of the vxsourcev" } else { "" };
        let text = story(n as u64, secret, &format!("{} {secret}", words.join(" ")));
        let stories = vec![(title.clone(), Some(text))];
        opened.writer.take(&Batch { stories, mark: None }).unwrap();
    }
    assert!(!files_with(folder.path(), "qzsecretq of the").is_empty());
    for n in (7..300).step_by(50) {
        let now = (n % 100 == 7).then(|| story(n as u64 + 1, "", "harmless"));
        let stories = vec![(titles[n].clone(), now)];
        opened.writer.take(&Batch { stories, mark: None }).unwrap();
    }
    assert!(opened.writer.is_unpurged());
    finds(&opened.reader, "qzsecretq", &[]);
    opened.writer.purge().unwrap();
    assert!(!opened.writer.is_unpurged());
    for needle in ["qzsecretq", "vxsourcev", "secretq", "sourcev"] {
        assert_eq!(files_with(folder.path(), needle), [""; 0].map(std::path::PathBuf::from));
    }
    assert_eq!(opened.reader.stories().unwrap(), 297);
}

#[test]
fn an_interrupt_without_a_question_ends_nothing() {
    let index = full(&[("a", "", "word")]);
    index.interrupt().end();
    finds(&index, "word", &["a"]);
}

proptest! {
    #[test]
    fn whatever_is_typed_is_a_question_or_none(
        typed in "[a-c \"*\\-:(){}^+'\\\\\u{0}\u{1}東é、ORNOTEAD]{0,60}",
        section in "[a\"'*:]{0,5}",
    ) {
        let index = full(&[("a", "b", "a b c \"a\" 東")]);
        if let Ok(mut asked) = Ask::read(&typed, 3) {
            asked.section = Some(section);
            prop_assert!(index.find(&asked).is_ok(), "{asked:?}");
        }
    }
}
