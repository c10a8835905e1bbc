//! The pages for people, as a browser gets them.

use super::*;

#[test]
fn the_front_page_lists_and_links_the_stories() {
    let mut bench = Bench::new();
    assert!(bench.get("/").is(200).body.contains("Nothing is here yet"));
    let target = "/v1/stories/a%2Fb?headline=%3Cb%3EBold%3C/b%3E+%26+so&section=World%20News";
    bench.put_text(target, "x").is(201);
    let page = bench.get("/").is(200);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.field("content-security-policy").unwrap().starts_with("default-src 'none'"));
    for part in [
        "<a href=\"/stories/a%2Fb\">&#60;b&#62;Bold&#60;/b&#62; &#38; so</a>",
        "<a href=\"/?section=World%20News\">World News</a>",
        "2026-01-01 00:00 UTC",
        "name=\"viewport\"",
    ] {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
    assert!(!page.body.contains("<script"));
    for n in 0..40 {
        bench.put_text(&format!("/v1/stories/s{n}?section=S&durability=none"), "x").is(201);
    }
    let page = bench.get("/?section=S").body;
    assert!(page.contains("aria-current=\"page\">S</a>"), "{page}");
    let older = page.split("<a href=\"/?section=S&#38;before=").nth(1);
    let token = older.unwrap_or_else(|| panic!("{page}")).split('"').next().unwrap();
    let page = bench.get(&format!("/?section=S&before={token}")).body;
    assert!(page.contains("/stories/s9\"") && !page.contains("/stories/s10\""), "{page}");
    assert_eq!(bench.get("/?before=x").status, 400);
}

#[test]
fn a_story_is_shown_with_its_body_by_type() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a?author=Ann&language=de", "One <i>\nstill one\n\n\nTwo\n").is(201);
    let page = bench.get("/stories/a").is(200).body;
    assert!(
        page.contains(
            "<p class=\"text\">One &#60;i&#62;\nstill one</p>\n<p class=\"text\">Two</p>"
        )
    );
    assert!(page.contains("<html lang=\"de\">") && page.contains("Ann"), "{page}");
    bench
        .put("/v1/stories/m", "Content-Type: text/markdown\r\n", "*soft* <script>x</script>")
        .is(201);
    let page = bench.get("/stories/m").body;
    assert!(page.contains("<em>soft</em>") && !page.contains("<script"), "{page}");
    bench.put("/v1/stories/p", "Content-Type: image/png\r\n", "png").is(201);
    let page = bench.get("/stories/p").body;
    assert!(page.contains("<img src=\"/v1/stories/p?as=body&#38;rev="), "{page}");
    bench.put("/v1/stories/h", "Content-Type: text/html\r\n", "<b>x").is(201);
    let page = bench.get("/stories/h").body;
    assert!(page.contains(" download>") && !page.contains("<b>x"), "{page}");
}

#[test]
fn conflicts_history_and_older_revisions_are_shown() {
    let mut bench = Bench::new();
    let first = bench.put_text("/v1/stories/a?summary=began", "one").is(201).id();
    bench.put_text(&format!("/v1/stories/a?base={first}"), "two").is(200);
    bench.put_text(&format!("/v1/stories/a?base={first}&conflict=keep"), "three").is(200);
    let page = bench.get("/stories/a").body;
    assert!(page.contains("edited in several places"), "{page}");
    let old = bench.get(&format!("/stories/a?rev={first}")).body;
    assert!(old.contains("older revision") && old.contains("one"), "{old}");
    let history = bench.get("/stories/a/history").is(200).body;
    assert!(history.contains(&first) && history.contains("began"), "{history}");
    assert_eq!(bench.get("/stories/none").status, 404);
    assert_eq!(bench.get("/stories/a?rev=x").status, 400);
    bench.withdraw("a", "<wrong>");
    let gone = bench.get("/stories/a");
    assert_eq!(gone.status, 410);
    assert!(gone.body.contains("&#60;wrong&#62;"), "{}", gone.body);
    assert_eq!(bench.get("/stories/a/history").status, 410);
}

#[test]
fn the_stylesheet_is_there() {
    let mut bench = Bench::new();
    let reply = bench.get("/style.css").is(200);
    assert_eq!(reply.field("content-type"), Some("text/css; charset=utf-8"));
    assert!(reply.body.contains("prefers-color-scheme: dark"));
}
