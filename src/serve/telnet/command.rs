//! A line typed at the prompt, as the command that it is. Commands may be shortened as long as no
//! other begins so.

use crate::proto::sniff::is_of_http;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    More,
    Read,
    History,
    Sections,
    Search,
    Follow,
    Publish,
    Edit,
    Withdraw,
    Login,
    Logout,
    Who,
    Status,
    Charset,
    Help,
    Quit,
}

/// A command: its words, what may stand behind it, what it does, and more about that.
pub(super) struct About {
    pub(super) verb: Verb,
    pub(super) name: &'static str,
    pub(super) takes: &'static str,
    pub(super) does: &'static str,
    pub(super) more: &'static str,
}

impl Verb {
    /// The command's name.
    pub(super) fn name(self) -> &'static str {
        about(self).map_or("", |about| about.name)
    }
}

/// What is known of a command.
pub(super) fn about(verb: Verb) -> Option<&'static About> {
    COMMANDS.iter().find(|about| about.verb == verb)
}

/// All commands, as they are explained.
pub(super) const COMMANDS: [About; 17] = [
    About {
        verb: Verb::List,
        name: "list",
        takes: "[SECTION]",
        does: "the newest stories, of all or of one section",
        more: "Each has a number, by which the commands that take a title know it until the next \
               list or search.",
    },
    About {
        verb: Verb::More,
        name: "more",
        takes: "",
        does: "older stories of the same list",
        more: "",
    },
    About {
        verb: Verb::Read,
        name: "read",
        takes: "TITLE or NUMBER",
        does: "a story, a window at a time",
        more: "Space shows the next window, Enter one more line, q ends.",
    },
    About {
        verb: Verb::History,
        name: "history",
        takes: "TITLE or NUMBER",
        does: "who changed a story, when and why",
        more: "",
    },
    About {
        verb: Verb::Sections,
        name: "sections",
        takes: "",
        does: "the sections, and how many stories are in each",
        more: "",
    },
    About {
        verb: Verb::Search,
        name: "search",
        takes: "WORDS",
        does: "stories with all of these words",
        more: "\"high water\" finds a phrase, flo* words that begin so, -rain no story with that \
               word. What is found has numbers as in a list.",
    },
    About {
        verb: Verb::Follow,
        name: "follow",
        takes: "[SECTION]",
        does: "what is published from now on; any key ends it",
        more: "It comes from all nodes of the herd, whoever published it by whatever protocol.",
    },
    About {
        verb: Verb::Publish,
        name: "publish",
        takes: "TITLE",
        does: "writes a new story",
        more: "You are asked for a headline, a section and the text. The text ends with a line \
               that is a single dot, or with ^D; ^C gives up. While you type it, ~p shows it, ~e 3 \
               goes to line 3, ~i 3 puts lines before it, ~d 3 or ~d 3 5 takes lines out, ~a goes \
               on at the end, ~q gives up, ~~ begins a line with ~, and .. is a line that is a \
               single dot. The arrows go from line to line.",
    },
    About {
        verb: Verb::Edit,
        name: "edit",
        takes: "TITLE or NUMBER",
        does: "changes a story",
        more: "As publish, beginning with the text as you read it. If someone else has changed \
               the story by then, you are asked what to do: merge both, keep both side by side, or \
               overwrite theirs.",
    },
    About {
        verb: Verb::Withdraw,
        name: "withdraw",
        takes: "TITLE or NUMBER, then REASON",
        does: "takes a story back, for good",
        more: "The reason is shown in its place. There is no way back: you are asked whether you \
               mean it.",
    },
    About {
        verb: Verb::Login,
        name: "login",
        takes: "NAME",
        does: "says who you are, by password or token",
        more: "Neither is shown while you type it, if your program leaves that to us.",
    },
    About { verb: Verb::Logout, name: "logout", takes: "", does: "you are nobody again", more: "" },
    About {
        verb: Verb::Who,
        name: "who",
        takes: "",
        does: "the nodes of the herd, and who is at a console of this one",
        more: "",
    },
    About {
        verb: Verb::Status,
        name: "status",
        takes: "",
        does: "how this node is, and what it knows of your terminal",
        more: "",
    },
    About {
        verb: Verb::Charset,
        name: "charset",
        takes: "utf-8, iso-8859-1 or us-ascii",
        does: "the characters that your terminal has",
        more: "Needed only if your program could not say so itself.",
    },
    About {
        verb: Verb::Help,
        name: "help",
        takes: "[COMMAND]",
        does: "this, or more about one command",
        more: "",
    },
    About { verb: Verb::Quit, name: "quit", takes: "", does: "ends the connection", more: "" },
];

/// Other words for some of them.
const ALIASES: [(&str, Verb); 5] = [
    ("exit", Verb::Quit),
    ("bye", Verb::Quit),
    ("?", Verb::Help),
    ("ls", Verb::List),
    ("find", Verb::Search),
];

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing but spaces.
    Empty,
    /// A command, and what stands behind it.
    Command(Verb, &'a str),
    /// Several commands begin so.
    Several(Vec<&'static str>),
    /// No command.
    Unknown(&'a str),
    /// A request of HTTP: a browser was led here by someone's page, and writes for them.
    Http,
}

impl<'a> Line<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Empty;
        }
        if is_of_http(text.as_bytes()) {
            return Self::Http;
        }
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let lower = word.to_ascii_lowercase();
        let is_whole = |about: &&About| about.name == lower;
        let whole = COMMANDS.iter().find(is_whole).map(|about| about.verb);
        let alias = || ALIASES.iter().find(|(name, _)| *name == lower).map(|(_, verb)| *verb);
        if let Some(verb) = whole.or_else(alias) {
            return Self::Command(verb, rest.trim());
        }
        let begin: Vec<&About> =
            COMMANDS.iter().filter(|about| about.name.starts_with(&lower)).collect();
        match &begin[..] {
            [] => Self::Unknown(word),
            [one] => Self::Command(one.verb, rest.trim()),
            many => Self::Several(many.iter().map(|about| about.name).collect()),
        }
    }
}

/// A text in quotation marks, and what stands behind it.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.strip_prefix('"')?.split_once('"')?;
    Some((inside, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whole_or_as_far_as_they_are_plain() {
        assert_eq!(Line::read("  "), Line::Empty);
        assert_eq!(Line::read("LIST"), Line::Command(Verb::List, ""));
        assert_eq!(Line::read("read  A title "), Line::Command(Verb::Read, "A title"));
        assert_eq!(Line::read("exit"), Line::Command(Verb::Quit, ""));
        assert_eq!(Line::read("pub x"), Line::Command(Verb::Publish, "x"));
        assert_eq!(Line::read("log x"), Line::Several(vec!["login", "logout"]));
        assert_eq!(Line::read("se"), Line::Several(vec!["sections", "search"]));
        assert_eq!(Line::read("frobnicate x"), Line::Unknown("frobnicate"));
        assert_eq!(Line::read("POST / HTTP/1.1"), Line::Http);
        assert_eq!(Line::read("publish x HTTP/1.1"), Line::Http);
    }

    #[test]
    fn every_command_is_explained_and_found_by_its_name() {
        for about in &COMMANDS {
            assert_eq!(Line::read(about.name), Line::Command(about.verb, ""));
            assert_eq!(about.verb.name(), about.name);
            assert!(!about.does.is_empty());
        }
    }

    #[test]
    fn a_title_in_quotation_marks_ends_where_they_do() {
        assert_eq!(quoted("\"A title\" why not"), Some(("A title", "why not")));
        assert_eq!(quoted("A title"), None);
        assert_eq!(quoted("\"A title"), None);
    }
}
