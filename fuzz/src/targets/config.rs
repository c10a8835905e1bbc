//! The configuration file: what an operator may write, by mistake as well.

use bellwether::config::Config;

/// A file.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text, "node.toml") {
        Ok(config) => {
            let again = config.to_toml();
            assert_eq!(Config::parse(&again, "node.toml"), Ok(config), "written as {again}");
        }
        Err(error) => {
            let (line, shown) = (error.line.expect("a place in the file"), error.to_string());
            assert!((1..=text.split('\n').count()).contains(&line), "{shown}");
            assert!(shown.starts_with(&format!("node.toml:{line}: ")), "{shown}");
            assert!(!shown.contains(['\n', '\r']), "more than one line: {shown:?}");
        }
    }
}
