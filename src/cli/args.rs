//! Command-line options, declared by each command and parsed here over lexopt, so that every
//! command answers a wrong one in the same way: one line with the nearest option it knows.

use super::failure::Failure;
use super::nearest;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Where a node is looked for when neither `--node` nor `BELLWETHER_NODE` names one.
pub(crate) const DEFAULT_NODE: &str = "http://127.0.0.1:8001";

/// The environment variable that names nodes (several: separated by commas or spaces).
const NODE_VARIABLE: &str = "BELLWETHER_NODE";

/// One option that a command knows.
#[derive(Clone, Copy)]
pub(crate) struct Opt {
    long: &'static str,
    /// A letter that stands for it.
    short: Option<char>,
    has_value: bool,
}

impl Opt {
    /// The same, also known by a letter.
    pub(crate) const fn or(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }
}

/// An option with a value: `--long VALUE` or `--long=VALUE`.
pub(crate) const fn value(long: &'static str) -> Opt {
    Opt { long, short: None, has_value: true }
}

/// An option without a value.
pub(crate) const fn flag(long: &'static str) -> Opt {
    Opt { long, short: None, has_value: false }
}

/// What a command was given.
#[derive(Debug)]
pub(crate) struct Args {
    command: &'static str,
    options: Vec<(&'static str, OsString)>,
    free: Vec<OsString>,
}

impl Args {
    /// Parses what follows the name of `command`. `--help` and `-h` end as `Failure::Help`.
    pub(crate) fn parse(
        command: &'static str,
        known: &'static [Opt],
        given: &[OsString],
    ) -> Result<Self, Failure> {
        let mut parser = lexopt::Parser::from_args(given.iter().cloned());
        let mut args = Self { command, options: Vec::new(), free: Vec::new() };
        loop {
            let option = match parser.next().map_err(|error| args.wrong(&error.to_string()))? {
                None => return Ok(args),
                Some(lexopt::Arg::Value(word)) => {
                    args.free.push(word);
                    continue;
                }
                Some(lexopt::Arg::Short('h') | lexopt::Arg::Long("help")) => {
                    return Err(Failure::Help);
                }
                Some(lexopt::Arg::Short(letter)) => {
                    let option = known.iter().find(|option| option.short == Some(letter));
                    option.ok_or_else(|| args.wrong(&format!("no such option: -{letter}")))?
                }
                Some(lexopt::Arg::Long(long)) => {
                    let option = known.iter().find(|option| option.long == long);
                    option.ok_or_else(|| args.no_such(long, known))?
                }
            };
            let value = if option.has_value {
                let long = option.long;
                parser.value().map_err(|_| args.wrong(&format!("--{long} wants a value")))?
            } else {
                OsString::new()
            };
            args.options.push((option.long, value));
        }
    }

    fn no_such(&self, long: &str, known: &[Opt]) -> Failure {
        let hint = nearest::nearest(long, known.iter().map(|option| option.long));
        let hint = hint.map_or(String::new(), |near| format!(": did you mean --{near}?"));
        self.wrong(&format!("no such option: --{long}{hint}"))
    }

    /// A usage error of this command: `what`, and where to read on.
    pub(crate) fn wrong(&self, what: &str) -> Failure {
        let command = self.command;
        Failure::usage(format!("{command}: {what} (see bellwether {command} --help)"))
    }

    /// Whether the flag was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    /// The value of the option, as given last, unchecked.
    pub(crate) fn raw(&self, long: &str) -> Option<&OsStr> {
        let last = self.options.iter().rfind(|(name, _)| *name == long);
        last.map(|(_, value)| value.as_os_str())
    }

    /// The value of the option, as given last.
    pub(crate) fn text(&self, long: &str) -> Result<Option<&str>, Failure> {
        match self.raw(long) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some(text) => Ok(Some(text)),
                None => Err(self.wrong(&format!("the value of --{long} is not UTF-8"))),
            },
        }
    }

    /// All values of an option that may be given more than once.
    pub(crate) fn texts(&self, long: &str) -> Result<Vec<String>, Failure> {
        let given = self.options.iter().filter(|(name, _)| *name == long);
        given
            .map(|(_, value)| match value.to_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(self.wrong(&format!("the value of --{long} is not UTF-8"))),
            })
            .collect()
    }

    /// A number in `range`, or `default` when the option was not given.
    pub(crate) fn number<T>(
        &self,
        long: &str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, Failure>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = self.text(long)? else { return Ok(default) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(self.wrong(&format!(
                "--{long} wants a number from {} to {}, not {text:?}",
                range.start(),
                range.end()
            ))),
        }
    }

    /// One of `words`, or nothing when the option was not given.
    pub(crate) fn one_of(
        &self,
        long: &str,
        words: &[&'static str],
    ) -> Result<Option<&str>, Failure> {
        let Some(text) = self.text(long)? else { return Ok(None) };
        if words.contains(&text) {
            return Ok(Some(text));
        }
        let hint = nearest::hint(text, words.iter().copied());
        let wanted = words.join(", ");
        Err(self.wrong(&format!("--{long} wants one of {wanted}, not {text:?}{hint}")))
    }

    /// The arguments that are not options.
    pub(crate) fn free(&self) -> &[OsString] {
        &self.free
    }

    /// The arguments that are not options, as text.
    pub(crate) fn words(&self) -> Result<Vec<&str>, Failure> {
        let words = self.free.iter().map(|word| word.to_str());
        words.map(|word| word.ok_or_else(|| self.wrong("say it in UTF-8"))).collect()
    }

    /// The one argument that is no option, called `what` in messages.
    pub(crate) fn only(&self, what: &str) -> Result<&str, Failure> {
        let word = match self.free() {
            [] => return Err(self.wrong(&format!("name a {what}"))),
            [word] => word.to_str(),
            [_, extra, ..] => return Err(self.surplus(extra, what)),
        };
        word.ok_or_else(|| self.wrong(&format!("the {what} is not UTF-8")))
    }

    /// Refuses arguments that are no options.
    pub(crate) fn none_free(&self) -> Result<(), Failure> {
        match self.free() {
            [] => Ok(()),
            [extra, ..] => Err(self.wrong(&format!("what is {:?} for?", extra.to_string_lossy()))),
        }
    }

    fn surplus(&self, extra: &OsStr, what: &str) -> Failure {
        let extra = extra.to_string_lossy();
        self.wrong(&format!("one {what}, please: quote it if it has spaces (then came {extra:?})"))
    }

    /// The nodes to talk to, at least one: `--node`, else `BELLWETHER_NODE`, else the default.
    pub(crate) fn nodes(&self) -> Result<Vec<String>, Failure> {
        Ok(nodes_or_default(self.texts("node")?, std::env::var(NODE_VARIABLE).ok()))
    }
}

fn nodes_or_default(given: Vec<String>, variable: Option<String>) -> Vec<String> {
    if !given.is_empty() {
        return given;
    }
    let named = variable.unwrap_or_default();
    let named = named.split([',', ' ']).filter(|url| !url.is_empty());
    let named: Vec<String> = named.map(str::to_owned).collect();
    if named.is_empty() { vec![DEFAULT_NODE.to_owned()] } else { named }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Opt] = &[value("node"), value("limit"), flag("json")];

    fn parse(words: &[&str]) -> Result<Args, Failure> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Args::parse("read", KNOWN, &words)
    }

    #[test]
    fn options_and_words_come_in_any_order() {
        let args = parse(&["--json", "A title", "--node=x", "--node", "y", "--", "-z"]).unwrap();
        assert!(args.has("json"));
        assert_eq!(args.texts("node").unwrap(), ["x", "y"]);
        assert_eq!(args.text("node").unwrap(), Some("y"));
        assert_eq!(args.free(), ["A title", "-z"]);
        assert_eq!(args.only("title").unwrap_err().exit_code(), 2);
        assert_eq!(parse(&["--help", "--nope"]).unwrap_err(), Failure::Help);
    }

    #[test]
    fn a_wrong_option_names_the_nearest() {
        let said = |words: &[&str]| parse(words).unwrap_err().to_string();
        assert!(said(&["--limt", "3"]).contains("did you mean --limit?"));
        assert!(said(&["--zebra"]).starts_with("read: no such option: --zebra (see"));
        assert!(said(&["-x"]).contains("no such option: -x"));
        assert!(said(&["--limit"]).contains("--limit wants a value"));
        assert!(said(&["--json=1"]).contains("--json"));
    }

    #[test]
    fn numbers_are_checked_against_their_range() {
        let args = parse(&["--limit", "70"]).unwrap();
        assert_eq!(args.number("limit", 5, 1..=100), Ok(70));
        assert!(args.number("limit", 5, 1..=10).is_err());
        assert_eq!(parse(&[]).unwrap().number("limit", 5, 1..=10), Ok(5));
        assert!(parse(&["--limit=x"]).unwrap().number("limit", 5, 1..=10).is_err());
        let one = parse(&["--limit", "rnig"]).unwrap();
        assert!(one.one_of("limit", &["ring", "mesh"]).unwrap_err().to_string().contains("ring"));
    }

    #[test]
    fn nodes_come_from_the_options_then_the_variable_then_the_default() {
        let some = || Some("http://a, http://b".to_owned());
        assert_eq!(nodes_or_default(vec!["http://c".into()], some()), ["http://c"]);
        assert_eq!(nodes_or_default(vec![], some()), ["http://a", "http://b"]);
        assert_eq!(nodes_or_default(vec![], Some(String::new())), [DEFAULT_NODE]);
        assert_eq!(nodes_or_default(vec![], None), [DEFAULT_NODE]);
    }
}
