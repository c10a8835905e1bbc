//! What the console says of itself.

use super::command::{COMMANDS, Line, about};
use std::fmt::Write;

/// The columns of a command and what it takes.
const COMMAND_COLUMNS: usize = 38;

/// All commands, or more about one.
pub(super) fn help(asked: &str) -> String {
    match Line::read(asked) {
        Line::Command(verb, _) => about(verb).map_or_else(String::new, |about| {
            let head = format!("{} {}", about.name, about.takes);
            format!("{}: {}.\n{}", head.trim(), about.does, about.more)
        }),
        Line::Empty => all(),
        _ => format!("No command {asked}.\n{}", all()),
    }
}

fn all() -> String {
    let mut text = String::new();
    for about in &COMMANDS {
        let head = format!("{} {}", about.name, about.takes);
        let written = writeln!(text, "  {head:COMMAND_COLUMNS$} {}", about.does);
        debug_assert!(written.is_ok(), "a String takes all");
    }
    text.push_str(
        "A command may be shortened. ^C gives up what you are doing, ^D or quit ends; the arrows \
         bring earlier lines back.\n",
    );
    text
}
