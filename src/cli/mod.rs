//! Layer 6: the commands. Each is one module that parses its own arguments and talks to nodes over
//! HTTP only, so that it works against any herd of the same version, local or not.
//!
//! To add a command: write its module with a `COMMAND`, and name it in `COMMANDS`.

mod account;
mod args;
mod chart;
mod charter;
mod client;
mod dev_cert;
mod failure;
mod follow;
mod herd;
mod history;
mod import;
mod key;
mod leash;
mod load;
mod local;
mod logging;
mod nearest;
mod pb;
mod publish;
mod read;
mod search;
mod serve;
mod sim;
mod status;
mod table;
#[cfg(test)]
mod testing;
mod token;
mod trace;
mod withdraw;

use failure::Failure;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// One command of the program.
struct Command {
    /// As typed.
    name: &'static str,
    /// What it does, in a line of `bellwether --help`.
    about: &'static str,
    /// What `bellwether NAME --help` prints.
    help: &'static str,
    /// Runs it with the arguments after its name; what it says to the user goes to the writer.
    run: fn(&[OsString], &mut dyn Write) -> Result<(), Failure>,
}

/// All commands, in the order in which the help shows them.
const COMMANDS: &[Command] = &[
    serve::COMMAND,
    herd::COMMAND,
    import::COMMAND,
    publish::COMMAND,
    read::COMMAND,
    history::COMMAND,
    search::COMMAND,
    withdraw::COMMAND,
    follow::COMMAND,
    status::COMMAND,
    trace::COMMAND,
    key::COMMAND,
    charter::COMMAND,
    account::COMMAND,
    token::COMMAND,
    dev_cert::COMMAND,
    pb::COMMAND,
    load::COMMAND,
    sim::COMMAND,
];

/// Runs the command that the process was started with. Exit code 0: done; 1: failed; 2: wrong
/// usage. An error is one line on stderr; a reader that closed our stdout ends us quietly.
#[must_use]
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut out = io::stdout().lock();
    let done = run(&args, &mut out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) | Err(Failure::PipeClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            // The failure stands last, behind all that was logged.
            log::logger().flush();
            // Nothing is left to do when stderr is closed too.
            let _ = writeln!(io::stderr(), "bellwether: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Finds the command and runs it; `--help` and `--version` are answered here.
fn run(args: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let Some((first, rest)) = args.split_first() else {
        out.write_all(overview().as_bytes())?;
        return Err(Failure::usage("name a command: see the list above"));
    };
    let name = first.to_string_lossy();
    match &*name {
        "--help" | "-h" => return Ok(out.write_all(overview().as_bytes())?),
        "--version" | "-V" => {
            return Ok(writeln!(out, "bellwether {}", env!("CARGO_PKG_VERSION"))?);
        }
        "help" => return help_of(rest, out),
        _ => {}
    }
    let command = find(&name)?;
    match (command.run)(rest, out) {
        Err(Failure::Help) => Ok(out.write_all(command.help.as_bytes())?),
        done => done,
    }
}

/// `bellwether help [COMMAND]`.
fn help_of(rest: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let text = match rest.first() {
        Some(name) => find(&name.to_string_lossy())?.help.to_owned(),
        None => overview(),
    };
    Ok(out.write_all(text.as_bytes())?)
}

fn find(name: &str) -> Result<&'static Command, Failure> {
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(command);
    }
    let kind = if name.starts_with('-') { "option" } else { "command" };
    let hint = nearest::hint(name, COMMANDS.iter().map(|command| command.name));
    Err(Failure::usage(format!("no such {kind}: {name}{hint} (see bellwether --help)")))
}

/// What `bellwether --help` prints, but for the list of commands in its middle.
const OVERVIEW: [&str; 2] = [
    "\
Bellwether: a herd of application servers for news. Stories that are published on one node are read,
edited and followed on all.

Usage: bellwether COMMAND [OPTION]…   (bellwether COMMAND --help says more)

Commands:
",
    "
Options:
  -h, --help     this page
  -V, --version  the version

Commands that talk to a node take --node URL (default http://127.0.0.1:8001, or what the variable
BELLWETHER_NODE names); where accounts are closed, writers put a token into BELLWETHER_TOKEN. They
exit with 0 when done, 1 when they failed, 2 when the command line was wrong; errors are one line on
stderr.

Examples:
  bellwether herd --preset ucla-2022
  echo 'It rains.' | bellwether publish Weather && bellwether read Weather
",
];

fn overview() -> String {
    let line = |command: &Command| format!("  {:<9} {}\n", command.name, command.about);
    let commands: Vec<String> = COMMANDS.iter().map(line).collect();
    OVERVIEW.join(&commands.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(args: &[&str]) -> (Result<(), Failure>, String) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let mut out = Vec::new();
        let done = run(&args, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_command_has_a_help_with_options_and_two_examples() {
        for command in COMMANDS {
            let (done, text) = said(&[command.name, "--help"]);
            assert!(done.is_ok(), "{}: {done:?}", command.name);
            let usage = format!("Usage: bellwether {}", command.name);
            assert!(text.contains(&usage), "{}", command.name);
            let examples = text.split("Examples:").nth(1).expect("examples");
            let shown = format!("bellwether {}", command.name);
            assert!(examples.matches(&shown).count() >= 2, "{}", command.name);
            assert!(text.ends_with('\n') && text.lines().all(|line| line.chars().count() <= 100));
            assert_eq!(said(&["help", command.name]).1, text);
        }
    }

    #[test]
    fn the_overview_names_every_command() {
        let (done, text) = said(&["--help"]);
        assert!(done.is_ok());
        for command in COMMANDS {
            assert!(text.contains(&format!("\n  {} ", command.name)), "{}", command.name);
        }
        assert!(said(&["--version"]).1.starts_with("bellwether "));
    }

    #[test]
    fn a_wrong_command_is_a_usage_error_with_the_nearest_one() {
        let failure = said(&["publsh"]).0.unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("did you mean publish?"), "{failure}");
        assert_eq!(said(&[]).0.unwrap_err().exit_code(), 2);
        assert!(said(&["--nope"]).0.unwrap_err().to_string().contains("no such option"));
    }

    #[test]
    fn every_command_refuses_an_unknown_option_before_it_does_anything() {
        for command in COMMANDS {
            let failure = said(&[command.name, "--no-such-thing"]).0.unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{}: {failure}", command.name);
        }
    }
}
