//! The rules' own tests: snippets that break each rule, and their neighbours that do not.

use crate::rules;
use crate::source::Source;

fn broken(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    let breaches = rule(&Source::new(path, text));
    breaches.iter().map(|breach| breach.replace(&format!("{path}:"), "")).collect()
}

fn code(text: &str) -> String {
    Source::new("src/base/x.rs", text).code
}

#[test]
fn comments_and_literals_are_blanked_in_place() {
    for (text, expected) in [
        ("a // } b\nc", "a       \nc"),
        ("a /* } /* { */ } */ b", "a                   b"),
        ("f(\"}\\\"{\", b)", "f(      , b)"),
        ("f(b\"}\", x)", "f(    , x)"),
        ("f(r\"}\\\", x)", "f(     , x)"),
        ("f(r#\"}\"{\"#, x)", "f(        , x)"),
        ("f(br##\"}\"#{\"##, x)", "f(            , x)"),
        ("f('}', '\\'', b'{', '\\u{7d}')", "f(   ,     ,     ,         )"),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("'label: loop {}", "'label: loop {}"),
        ("r#type + bar\"x\"", "r#type + bar   "),
        ("é('é')", "__(    )"),
    ] {
        assert_eq!(code(text), expected, "{text}");
        assert_eq!(code(text).len(), text.len(), "{text}");
    }
}

#[test]
fn what_only_tests_compile_is_left_out() {
    let text = "fn a() {}\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\n\
                #[cfg(test)]\nmod more {\n    fn b() {}\n}\nfn c() {}\n";
    let source = Source::new("src/base/x.rs", text);
    assert_eq!(source.shipped.split_whitespace().collect::<String>(), "fna(){}fnc(){}");
    assert_eq!(source.shipped_lines(), 2);
    let source = Source::new("src/base/tests.rs", text);
    assert!(source.shipped.trim().is_empty());
}

#[test]
fn an_import_from_above_or_beside_is_found() {
    let up = ["1: base imports store, of a higher layer"];
    assert_eq!(broken(rules::layers, "src/base/x.rs", "use crate::store::Disk;"), up);
    let beside = ["2: reactor imports herd, its sibling"];
    assert_eq!(broken(rules::layers, "src/reactor/os.rs", "\nfn f() { crate::herd::g() }"), beside);
    let main = "use bellwether::cli;";
    assert!(broken(rules::layers, "src/main.rs", main).is_empty());
    let unknown = ["1: base imports extras, no module of a layer"];
    assert_eq!(broken(rules::layers, "src/base/x.rs", "use crate::extras::X;"), unknown);
    let all = ["1: base imports *, no module of a layer"];
    assert_eq!(broken(rules::layers, "src/base/x.rs", "use crate::*;"), all);
    assert_eq!(broken(rules::layers, "src/extras.rs", "").len(), 1);
}

#[test]
fn an_import_in_a_group_is_found() {
    let text = "use crate::{base::{Slots, store}, update::Dot, node, news::{Story}};";
    let found = broken(rules::layers, "src/news/x.rs", text);
    assert_eq!(found, ["1: news imports node, of a higher layer"]);
}

#[test]
fn an_import_by_climbing_is_found() {
    let found = ["1: base imports store, of a higher layer"];
    assert_eq!(broken(rules::layers, "src/base/mod.rs", "use super::store::Disk;"), found);
    assert_eq!(broken(rules::layers, "src/base/x.rs", "use super::super::store::Disk;"), found);
    let inline = "mod a { use super::super::super::store::Disk; }";
    assert_eq!(broken(rules::layers, "src/base/x.rs", inline), found);
    let inside = "use super::{wheel, Slots}; mod a { use super::super::store::Disk; }";
    assert!(broken(rules::layers, "src/base/x.rs", inside).is_empty());
}

#[test]
fn an_import_from_below_or_within_or_in_a_comment_is_none() {
    let text = "use crate::base::Slots;\nuse crate::reactor::loops::Turn;\n// crate::node\n\
                /// crate::cli\npub(crate) fn f(x: \"crate::serve\") {}";
    assert!(broken(rules::layers, "src/reactor/os.rs", text).is_empty());
}

#[test]
fn a_long_function_is_found() {
    let body =
        |lines: usize| format!("fn f(x: [u8; 2]) -> u8 {{\n{}}}\n", "    x;\n".repeat(lines));
    let max = rules::FUNCTION_LINES_MAX;
    assert!(broken(rules::lengths, "src/base/x.rs", &body(max)).is_empty());
    let found = broken(rules::lengths, "src/base/x.rs", &body(max + 1));
    assert_eq!(found, [format!("1: fn f: {}, over {max}", max + 1)]);
    let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", body(max + 1));
    assert!(broken(rules::lengths, "src/base/x.rs", &test).is_empty());
    let pointer =
        format!("type F = fn(u8) -> u8;\nstruct S {{\n{}}}\n", "  x: F,\n".repeat(max + 1));
    assert!(broken(rules::lengths, "src/base/x.rs", &pointer).is_empty());
}

#[test]
fn a_long_file_is_found() {
    let max = rules::FILE_LINES_MAX;
    assert!(broken(rules::lengths, "src/base/x.rs", &"// x\n".repeat(max)).is_empty());
    let found = broken(rules::lengths, "src/base/x.rs", &"// x\n".repeat(max + 1));
    assert_eq!(found, [format!("1: {} lines, over {max}", max + 1)]);
    let tests = format!("{}#[cfg(test)]\nmod t {{\n{}}}\n", "x;\n".repeat(max), "x;\n".repeat(9));
    assert!(broken(rules::lengths, "src/base/x.rs", &tests).is_empty());
}

#[test]
fn a_wide_line_is_found_by_its_characters() {
    let max = rules::COLUMNS_MAX;
    assert!(broken(rules::columns, "src/base/x.rs", &"é".repeat(max)).is_empty());
    let found = broken(rules::columns, "src/base/x.rs", &format!("\n{}", "é".repeat(max + 1)));
    assert_eq!(found, [format!("2: {} columns, over {max}", max + 1)]);
}

#[test]
fn the_outside_world_in_the_wrong_file_is_found() {
    for (path, text) in [
        ("src/base/x.rs", "let now = std::time::Instant::now();"),
        ("src/reactor/sim.rs", "let now = SystemTime::now();"),
        ("src/serve/http.rs", "use mio::Token;"),
        ("src/herd/link.rs", "use std::net::{SocketAddr, TcpStream};"),
        ("src/store/log.rs", "use std::fs;"),
        ("src/store/log.rs", "use std::{fs::File, io};"),
        ("src/node/mod.rs", "let x = std::collections::HashMap::new();"),
        ("src/news/x.rs", "use std::collections::{BTreeMap, HashSet};"),
    ] {
        assert_eq!(broken(rules::ownership, path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn the_outside_world_in_its_owners_and_in_tests_is_fine() {
    for (path, text) in [
        ("src/reactor/os.rs", "let now = Instant::now(); let s: mio::net::TcpStream;"),
        ("src/store/files.rs", "use std::fs::File;"),
        ("src/cli/import.rs", "use std::collections::HashMap; use std::fs; Instant::now();"),
        ("src/base/endpoint.rs", "use std::net::SocketAddr;"),
        ("src/base/x.rs", "// HashMap\nlet map = \"HashMap\"; fn offs() {} offs::<u8>();"),
        ("src/base/x.rs", "#[cfg(test)]\nmod tests { use std::collections::HashMap; }"),
        ("src/base/tests.rs", "use std::collections::HashMap;"),
    ] {
        assert!(broken(rules::ownership, path, text).is_empty(), "{path}: {text}");
    }
}

#[test]
fn a_file_without_a_header_is_found() {
    assert_eq!(
        broken(rules::header, "src/base/x.rs", "use x;\n//! Late."),
        ["1: starts without //!"]
    );
    assert!(broken(rules::header, "src/base/x.rs", "//! What it owns.\n").is_empty());
}

#[test]
fn a_lint_lifted_without_an_argument_is_found() {
    let found = ["2: a lint is allowed without an argument"];
    for text in [
        "struct A;\n#[allow(dead_code)]\nfn f() {}",
        "\n#![allow(clippy::all)]",
        "/// Documents f.\n#[allow(dead_code)]\nfn f() {}",
        "\n#[cfg_attr(test, allow(dead_code))]\nfn f() {}",
        "\n    #[expect(dead_code)]\nfn f() {}",
    ] {
        assert_eq!(broken(rules::allows, "src/base/x.rs", text), found, "{text}");
    }
    for text in [
        "// The table is read by people.\n#[allow(clippy::too_many_lines)]\nfn f() {}",
        "    // Indented.\n    #[allow(dead_code)]\n    fn f() {}",
        "#[allow(missing_docs)] // The names are the RFC's.\nenum E {}",
        "#[allow(dead_code, reason = \"drawn by the macro\")]\nfn f() {}",
        "#[derive(Debug)]\nfn f() { allow(1); x.expect(\"y\"); }",
    ] {
        assert!(broken(rules::allows, "src/base/x.rs", text).is_empty(), "{text}");
    }
}

#[test]
fn a_stray_file_in_the_top_folder_is_found() {
    let names = ["Cargo.toml", "src", ".gitignore", "target", "notes.md"].map(String::from);
    assert_eq!(rules::top_level(&names), ["notes.md: not a file of the top folder"]);
}
