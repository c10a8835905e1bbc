//! `bellwether key`: the public key of a node, made if it has none yet.

use super::Command;
use super::args::{self, Args, Opt};
use super::failure::Failure;
use crate::config::{Config, load_or_make_key};
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

pub(super) const COMMAND: Command =
    Command { name: "key", about: "print a node's public key", help: HELP, run };

const HELP: &str = "\
Prints the public key of a node, 64 hexadecimal digits: what others write into their configuration
as the `key` of this [[peer]]. The secret stays in the file `key` in the node's directory; when it
is not there it is made, so that keys can be exchanged before any node runs.

Usage: bellwether key --config CONFIG.toml

Options:
  --config FILE  the node's configuration
  -h, --help     this page

Examples:
  bellwether key --config hill.toml
  ssh river bellwether key --config /etc/bellwether/river.toml
";

const OPTIONS: &[Opt] = &[args::value("config")];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("key", OPTIONS, given)?;
    args.none_free()?;
    let Some(file) = args.raw("config") else {
        return Err(args.wrong("name the node's configuration with --config"));
    };
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let config = Config::load(Path::new(file)).map_err(|error| failed(&error))?;
    let key = load_or_make_key(&config.dir).map_err(|error| failed(&error))?;
    Ok(writeln!(out, "{}", key.public())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_printed_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hill.toml");
        let config = Config::new("hill", dir.path().join("hill"));
        std::fs::write(&file, config.to_toml()).unwrap();
        let said = || {
            let mut out = Vec::new();
            run(&["--config".into(), file.clone().into()], &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let key = said();
        assert_eq!((key.len(), key.trim_end().len()), (65, 64));
        assert_eq!(said(), key);
        let secret = std::fs::read_to_string(dir.path().join("hill/key")).unwrap();
        assert_ne!(secret, key, "the secret stays");
    }

    #[test]
    fn without_a_configuration_it_says_so() {
        assert_eq!(run(&[], &mut Vec::new()).unwrap_err().exit_code(), 2);
        let failure = run(&["--config=/nowhere.toml".into()], &mut Vec::new()).unwrap_err();
        assert!(failure.to_string().starts_with("/nowhere.toml: "), "{failure}");
        assert_eq!(failure.exit_code(), 1);
    }
}
