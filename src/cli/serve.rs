//! `bellwether serve`: one node of a herd.

use super::Command;
use super::args::{self, Args, Opt};
use super::failure::Failure;
use super::leash;
use crate::config::Config;
use crate::node::{self, Changes, Ended, Orders};
use crate::reactor::Retired;
use log::LevelFilter;
use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2, SIGXFSZ};
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(super) const COMMAND: Command =
    Command { name: "serve", about: "run one node", help: HELP, run };

const HELP: &str = "\
Runs one node as its configuration says. Logs go to standard error; `ready NAME` is printed on
standard output once every listener is bound and the archive is open.

Usage: bellwether serve [OPTION]… CONFIG.toml

Options:
  --check      only check the configuration and the files of TLS that it names: exit 0 when a node
               could run with them
  --log LEVEL  error, warn, info, debug or trace (default info, or [log] level)
  --until-eof  stop, too, when standard input ends: for supervisors
  -h, --help   this page

SIGTERM and ^C drain: no new work is taken, answers are finished, everything goes to disk, within
limits.drain_ms. A second signal ends the process at once. SIGHUP reads the configuration again and
takes from it what can change while the node runs: the level of its log; and certificates whose
files have changed, which are looked at now and then in any case.

SIGUSR2 runs the program's file anew in the place of this process, for a new version or a changed
configuration, if `serve --check` finds nothing wrong with that and no certificate would be lost:
the node drains, and its listening sockets stay open, so that whoever connects meanwhile waits and
nobody is refused.

systemd: endpoints listen on the sockets of a .socket unit; where NOTIFY_SOCKET is set
(Type=notify), READY=1, RELOADING=1, STOPPING=1 and, for WatchdogSec=, WATCHDOG=1 are told, and
EXTEND_TIMEOUT_USEC while the archive opens or closes.

A small configuration:
  name = \"hill\"
  dir = \"data/hill\"
  [[listen]]
  protocol = \"http\"
  endpoint = \"tcp:8001\"

Examples:
  bellwether serve hill.toml
  bellwether serve --check hill.toml
";

const OPTIONS: &[Opt] = &[args::flag("check"), args::value("log"), args::flag(leash::OPTION)];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("serve", OPTIONS, given)?;
    let [file] = args.free() else {
        return Err(args.wrong("name one configuration file"));
    };
    let wrong = |_| args.wrong("--log wants error, warn, info, debug or trace");
    let level = args.text("log")?.map(LevelFilter::from_str).transpose().map_err(wrong)?;
    let config =
        Config::load(Path::new(file)).map_err(|error| Failure::failed(error.to_string()))?;
    if args.has("check") {
        return check(&config, &file.to_string_lossy(), out);
    }
    let level_now = level.or(config.log.level).unwrap_or(LevelFilter::Info);
    super::logging::start(level_now, config.log.format, &config.name)?;
    outlive_signals()?;
    let held = args.has(leash::OPTION);
    let mut said = Ok(());
    let program = program()
        .map_err(|error| Failure::failed(format!("cannot find this program's file: {error}")))?;
    let ended = node::run(config, orders(Path::new(file), &program), |running| {
        said = writeln!(out, "ready {}", running.name).and_then(|()| out.flush());
        if held && let Err(error) = leash::hold() {
            log::error!("standard input can't be watched: {error}");
        }
    })
    .map_err(|error| Failure::failed(error.to_string()))?;
    log::logger().flush();
    match ended {
        Ended::Stopped => Ok(said?),
        Ended::Replaced(sockets) => Err(replace(&program, sockets)),
    }
}

/// Says whether a node could run, and what it would leave out.
fn check(config: &Config, file: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let without = node::check(config).map_err(|error| Failure::failed(error.to_string()))?;
    writeln!(out, "{file} is fine: node {}", config.name)?;
    for line in without {
        writeln!(out, "left out: {line}")?;
    }
    Ok(())
}

/// What the node asks for while it runs.
fn orders(
    file: &Path,
    program: &Path,
) -> Orders<
    impl Fn() -> Result<Changes, String> + Send + Sync + 'static,
    impl Fn() -> Result<(), String> + Send + Sync + 'static,
> {
    let (read, checked, program) = (file.to_owned(), file.to_owned(), program.to_owned());
    let reread = move || {
        let config = Config::load(&read).map_err(|error| error.to_string())?;
        Ok(Changes { level: config.log.level.unwrap_or(LevelFilter::Info) })
    };
    let check = move || {
        let mut command = process::Command::new(&program);
        let said = command.args(["serve", "--check"]).arg(&checked).output();
        let said = said.map_err(|error| format!("{}: {error}", program.display()))?;
        let why = || String::from_utf8_lossy(&said.stderr).trim_end().to_owned();
        if said.status.success() { Ok(()) } else { Err(why()) }
    };
    Orders { reread, check }
}

/// This program's file, as it was named: where that is a link, it may lead elsewhere by now.
fn program() -> io::Result<PathBuf> {
    let named = env::args_os().next().map(PathBuf::from);
    match named.filter(|named| named.components().count() > 1) {
        Some(named) => std::path::absolute(named),
        None => env::current_exe(),
    }
}

/// Runs the program's file in the place of this process. Returns only when it can't.
fn replace(program: &Path, sockets: Vec<Retired>) -> Failure {
    let mut command = process::Command::new(program);
    command.args(env::args_os().skip(1));
    let error = match Retired::hand_on(&mut command, sockets) {
        Ok(()) => command.exec(),
        Err(error) => error,
    };
    Failure::failed(format!("{} can't take over: {error}", program.display()))
}

/// A file that may not grow (`ulimit -f`) is a full disk, which a node lives through: writes fail
/// and are refused. The signal that comes with the error would end the process; so would one that
/// asks a node for something while it still opens its archive.
fn outlive_signals() -> Result<(), Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for number in [SIGXFSZ, SIGHUP, SIGUSR1, SIGUSR2] {
        signal_hook::flag::register(number, Arc::clone(&flag))
            .map_err(|error| Failure::failed(format!("cannot catch signals: {error}")))?;
    }
    Ok(())
}
