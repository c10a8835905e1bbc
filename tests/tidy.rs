//! Style is a test over the source: the layers, the caps, and who may touch the outside world.
//! ARCHITECTURE.md argues for these rules; the tables here are what holds.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/samples.rs"]
mod samples;
#[path = "tidy/source.rs"]
mod source;

use source::Source;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All `.rs` files under the folder, in order of their names.
fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    let relative = |path: &PathBuf| {
        let path = path.strip_prefix(root()).expect("found under the root");
        path.to_str().expect("names are UTF-8").replace('\\', "/")
    };
    paths.iter().map(|path| Source::read(&root(), &relative(path))).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Holds the rule to each source of the folders, and shows all breaches at once.
fn hold(folders: &[&str], rule: fn(&Source) -> Vec<String>) {
    let sources: Vec<Source> = folders.iter().flat_map(|folder| sources(folder)).collect();
    assert!(!sources.is_empty(), "no sources under {folders:?}");
    let breaches: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

const ALL: &[&str] = &["src", "tests", "bench", "examples"];

#[test]
fn modules_import_only_from_lower_layers() {
    hold(&["src"], rules::layers);
}

#[test]
fn files_and_functions_are_short() {
    hold(&["src"], rules::lengths);
}

#[test]
fn lines_are_narrow() {
    hold(ALL, rules::columns);
}

#[test]
fn the_outside_world_is_touched_only_by_its_owners() {
    hold(&["src"], rules::ownership);
}

#[test]
fn each_file_says_what_it_is() {
    hold(ALL, rules::header);
}

#[test]
fn lints_are_lifted_only_with_an_argument() {
    hold(ALL, rules::allows);
}

/// Cells of README's tables lead to tests: `[yes](FILE "NAME")`.
#[test]
fn readme_leads_to_tests_that_are_there() {
    let root = root();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut links = 0;
    for link in readme.split("](").skip(1) {
        let Some((target, _)) = link.split_once(')') else { continue };
        let Some((file, name)) = target.split_once(" \"") else { continue };
        let name = name.trim_end_matches('"');
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        assert!(text.contains(&format!("fn {name}(")), "{file} has no test {name}");
        links += 1;
    }
    assert!(links > 20, "{links} links in README lead to tests");
}

#[test]
fn the_top_folder_holds_what_it_should() {
    let entries = std::fs::read_dir(root()).expect("the crate's folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let breaches = rules::top_level(&names);
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}
