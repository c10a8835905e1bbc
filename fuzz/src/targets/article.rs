//! Netnews articles: what came is handed on as it came, and what is printed is read.

use bellwether::proto::article::{
    Article, Coding, Extent, LINE_BYTES_MAX, MessageId, Path, decode_words, encode_words,
    is_unlocked, message_ids, parse_date, put_date, wire_lines,
};

/// An article, whole.
pub(crate) fn article(bytes: &[u8]) {
    let Ok(article) = Article::parse(bytes) else { return };
    let mut again = Vec::new();
    article.put(&mut again);
    assert_eq!(again.len(), article.bytes());
    assert_eq!(Article::parse(&again).as_ref(), Ok(&article), "it reads as another");
    look_at_body(&article);
    for field in &article.fields {
        look_at_value(&field.value);
    }
    if let Some(id) = article.message_id() {
        assert_eq!(MessageId::parse(id.as_str().as_bytes()), Some(id));
    }
    let (locks, keys) = (article.first("cancel-lock"), article.first("cancel-key"));
    if let (Some(locks), Some(keys)) = (locks, keys) {
        is_unlocked(locks, keys);
    }
    article.groups();
    article.missing(&[]);
}

/// What a body says can be printed and is read as the same.
fn look_at_body(article: &Article) {
    let content = article.content();
    assert!(!content.media_type.is_empty());
    let is_text = content.media_type.starts_with("text/");
    if is_text {
        assert!(std::str::from_utf8(&content.body).is_ok(), "text is UTF-8");
    }
    let coding = Coding::of(&content.body, is_text);
    let coded = coding.encode(&content.body);
    assert_eq!(coding.extent(&content.body), Extent::of(&coded));
    for line in coded.split(|byte| *byte == b'\n') {
        assert!(line.len() <= LINE_BYTES_MAX + 1, "a line of {} bytes", line.len());
    }
    let mut printed = Article::default();
    let charset = if is_text { "; charset=UTF-8" } else { "" };
    printed.set("Content-Type", format!("{}{charset}", content.media_type));
    printed.set("Content-Transfer-Encoding", coding.name());
    printed.body = coded;
    if !content.media_type.starts_with("multipart/") {
        let read = printed.content();
        assert_eq!(wire_lines(&read.body), wire_lines(&content.body), "another body is read");
        assert_eq!(read.media_type, content.media_type);
    }
}

fn look_at_value(value: &[u8]) {
    let text = decode_words(value);
    assert!(!text.chars().any(char::is_control), "{text:?}");
    for line in encode_words(&text, 20).split(|byte| *byte == b'\n') {
        assert!(line.len() <= LINE_BYTES_MAX, "a line of {} bytes", line.len());
    }
    let path = Path::parse(value);
    assert_eq!(Path::parse(&path.value()), path);
    for id in message_ids(value) {
        assert_eq!(MessageId::parse(id.as_str().as_bytes()), Some(id));
    }
    if let Some(seconds) = parse_date(value).and_then(|seconds| u64::try_from(seconds).ok()) {
        let mut date = Vec::new();
        put_date(&mut date, seconds * 1000);
        assert_eq!(parse_date(&date), i64::try_from(seconds).ok(), "{date:?}");
    }
}
