//! The rules: each reads one source and says where it is broken, as `file:line: what`.

use crate::source::{Source, block_after, name_at, words};

pub(crate) const FILE_LINES_MAX: usize = 700;
pub(crate) const FUNCTION_LINES_MAX: usize = 70;
pub(crate) const COLUMNS_MAX: usize = 100;

/// Which modules stand in which layer, lowest first. A module imports from strictly lower layers.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["update"],
    &["proto", "metrics", "config", "store"],
    &["reactor", "herd", "news", "search", "accounts"],
    &["serve"],
    &["node"],
    &["sim"],
    &["cli"],
    &["main"],
];

/// What may be in the crate's top folder besides hidden files.
const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "bench",
    "contrib",
    "examples",
    "fuzz",
    "src",
    "tests",
];

/// What `.gitignore` names: made by builds and runs.
const MADE: &[&str] = &["target", "herd-data"];

/// Things of the outside world and the files that own them.
struct Owned {
    what: &'static str,
    names: &'static [&'static str],
    owners: &'static [&'static str],
}

const OWNED: &[Owned] = &[
    Owned {
        what: "a clock",
        names: &[
            "Instant::now",
            "SystemTime::now",
            "Timestamp::now",
            "Zoned::now",
            "thread::sleep",
        ],
        owners: &["src/reactor/os.rs", "src/cli/", "src/main.rs"],
    },
    Owned {
        what: "a socket",
        names: &[
            "mio",
            "socket2",
            "TcpListener",
            "TcpStream",
            "UdpSocket",
            "UnixDatagram",
            "UnixListener",
            "UnixStream",
            "ToSocketAddrs",
            "to_socket_addrs",
        ],
        owners: &["src/reactor/", "src/cli/", "src/main.rs"],
    },
    Owned {
        what: "a file",
        names: &["std::fs", "fs::", "std::os::unix::fs"],
        // A unix socket is a file too, and so is the descriptor held in reserve: os.rs. So is what
        // the system says of the process: process.rs.
        owners: &[
            "src/store/files.rs",
            "src/config/",
            "src/reactor/os.rs",
            "src/reactor/process.rs",
            "src/search/files.rs",
            "src/cli/",
            "src/main.rs",
        ],
    },
    Owned {
        what: "a map of random order",
        names: &["HashMap", "HashSet", "RandomState"],
        owners: &["src/cli/", "src/main.rs"],
    },
];

/// Modules that `module` may not import from, and modules the table does not know.
pub(crate) fn layers(source: &Source) -> Vec<String> {
    let own = source.module();
    if own == "lib" {
        return Vec::new();
    }
    let Some(from) = layer(own) else {
        return vec![format!("{}:1: module {own} is in no layer: add it to tidy's", source.path)];
    };
    let mut found = Vec::new();
    for (offset, module) in imports(source) {
        let why = match layer(&module) {
            _ if module == own => continue,
            Some(to) if to < from => continue,
            Some(to) if to == from => "its sibling",
            Some(_) => "of a higher layer",
            None => "no module of a layer",
        };
        let (path, line) = (&source.path, source.line(offset));
        found.push(format!("{path}:{line}: {own} imports {module}, {why}"));
    }
    found
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&module))
}

/// The modules at the crate's root that a source names, with the place.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut found = Vec::new();
    for root in ["crate", "bellwether"] {
        for at in words(code, root) {
            if let Some(path) = after_colons(&code[at + root.len()..]) {
                found.extend(heads(path).into_iter().map(|module| (at, module)));
            }
        }
    }
    found.extend(climbs(source));
    found
}

/// Paths of `super`s that climb up to the crate's root.
fn climbs(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let modules = source.inline_modules();
    let mut found = Vec::new();
    for at in words(code, "super") {
        if code[..at].trim_end().ends_with("super::") {
            continue;
        }
        let depth = source.depth() + modules.iter().filter(|block| block.contains(&at)).count();
        let mut climbed = 0;
        let mut rest = &code[at..];
        while name_at(rest) == "super" {
            climbed += 1;
            rest = after_colons(&rest["super".len()..]).unwrap_or("");
        }
        if depth > 0 && climbed >= depth {
            found.extend(heads(rest).into_iter().map(|module| (at, module)));
        }
    }
    found
}

fn after_colons(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix("::").map(str::trim_start)
}

/// The first names of a path: `["a"]` of `a::b`, `["a", "c"]` of `{a::b, c}`.
fn heads(path: &str) -> Vec<String> {
    let Some(block) = path.strip_prefix('{') else {
        let name = name_at(path);
        return vec![if name.is_empty() { "*".to_owned() } else { name.to_owned() }];
    };
    let mut depth = 0_usize;
    let mut start = true;
    let mut found = Vec::new();
    for (at, c) in block.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                start = false;
                let name = name_at(&block[at..]);
                found.push(if name.is_empty() { c.to_string() } else { name.to_owned() });
            }
            _ => {}
        }
    }
    found
}

/// Files and functions that are too long, tests left out.
pub(crate) fn lengths(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.shipped_lines();
    if lines > FILE_LINES_MAX {
        found.push(format!("{}:1: {lines} lines, over {FILE_LINES_MAX}", source.path));
    }
    for at in words(&source.shipped, "fn") {
        let name = name_at(source.shipped[at + 2..].trim_start());
        let Some(body) = block_after(&source.shipped, at).filter(|_| !name.is_empty()) else {
            continue;
        };
        let first = source.line(body.start);
        let lines = (source.line(body.end - 1) - first).saturating_sub(1);
        if lines > FUNCTION_LINES_MAX {
            let path = &source.path;
            found.push(format!("{path}:{first}: fn {name}: {lines}, over {FUNCTION_LINES_MAX}"));
        }
    }
    found
}

/// Lines that are too wide, in characters.
pub(crate) fn columns(source: &Source) -> Vec<String> {
    let wide = |(_, line): &(usize, &str)| line.chars().count() > COLUMNS_MAX;
    let lines = source.text.lines().enumerate().filter(wide);
    lines
        .map(|(index, line)| {
            let columns = line.chars().count();
            format!("{}:{}: {columns} columns, over {COLUMNS_MAX}", source.path, index + 1)
        })
        .collect()
}

/// Clocks, sockets, files and maps of random order outside the files that own them; tests may.
pub(crate) fn ownership(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for owned in OWNED {
        let owns = |owner: &str| {
            source.path == owner || (owner.ends_with('/') && source.path.starts_with(owner))
        };
        if owned.owners.iter().any(|owner| owns(owner)) {
            continue;
        }
        for name in owned.names {
            for at in words(&source.shipped, name.trim_end_matches(':')) {
                if source.shipped[at..].starts_with(name) {
                    let (path, line) = (&source.path, source.line(at));
                    let what = owned.what;
                    found.push(format!("{path}:{line}: {name} is {what}; it has an owner"));
                }
            }
        }
    }
    found
}

/// A file that does not start by saying what it is.
pub(crate) fn header(source: &Source) -> Vec<String> {
    let missing = !source.text.starts_with("//! ");
    missing.then(|| format!("{}:1: starts without //!", source.path)).into_iter().collect()
}

/// Lints switched off without an argument: `reason =`, or a comment on the line above or behind.
pub(crate) fn allows(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["#[", "#!["] {
        for (at, _) in source.code.match_indices(attribute) {
            let end = source.code[at..].find(']').map_or(source.code.len(), |length| at + length);
            let inside = &source.code[at..end];
            let lifts = ["allow", "expect"]
                .iter()
                .any(|word| words(inside, word).any(|i| inside[i + word.len()..].starts_with('(')));
            if lifts && !inside.contains("reason =") && !has_comment(source, at, end) {
                let (path, line) = (&source.path, source.line(at));
                found.push(format!("{path}:{line}: a lint is allowed without an argument"));
            }
        }
    }
    found
}

fn has_comment(source: &Source, attribute: usize, end: usize) -> bool {
    let behind = source.text[end..].lines().next().unwrap_or("");
    let above = source.text[..attribute].split('\n').rev().nth(1).unwrap_or("").trim_start();
    above.starts_with("// ") || above.starts_with("//! ") || behind.contains("] // ")
}

/// Files and folders that do not belong into the crate's top folder.
pub(crate) fn top_level(names: &[String]) -> Vec<String> {
    let stray = |name: &&String| {
        let name = name.as_str();
        !name.starts_with('.') && !TOP_LEVEL.contains(&name) && !MADE.contains(&name)
    };
    names.iter().filter(stray).map(|name| format!("{name}: not a file of the top folder")).collect()
}
