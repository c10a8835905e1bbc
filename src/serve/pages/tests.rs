//! What is put into a page stays what it is.

use super::body::paragraphs;
use super::*;

#[test]
fn paragraphs_are_parted_by_empty_lines() {
    assert_eq!(paragraphs(""), [""; 0]);
    assert_eq!(paragraphs("\n \n"), [""; 0]);
    assert_eq!(paragraphs("a"), ["a"]);
    assert_eq!(paragraphs("a\nb\r\n\r\nc  \n\t\n\n d\n"), ["a\nb", "c", " d"]);
}

#[test]
fn a_plain_page_escapes_what_it_says() {
    let html = plain(&PlainPage { heading: "<h>", text: "\"a\" & 'b' <c>" });
    assert!(html.contains("<title>&#60;h&#62; – Bellwether</title>"), "{html}");
    assert!(!html.contains("<c>"), "{html}");
}

#[test]
fn titles_make_safe_addresses() {
    assert_eq!(story_href("a/b?c=\"d\""), "/stories/a%2Fb%3Fc%3D%22d%22");
    assert_eq!(headline("  ", "title"), "title");
}
