//! `bellwether serve`: one node of a herd.

use super::Command;
use super::args::{self, Args, Opt};
use super::failure::Failure;
use super::leash;
use crate::config::Config;
use crate::node::{self, Changes};
use log::LevelFilter;
use signal_hook::consts::SIGXFSZ;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
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
  --check      only check the configuration: exit 0 when a node could run with it
  --log LEVEL  error, warn, info, debug or trace (default info, or [log] level)
  --until-eof  stop, too, when standard input ends: for supervisors
  -h, --help   this page

SIGTERM and ^C drain: no new work is taken, answers are finished, everything goes to disk, within
limits.drain_ms. A second signal ends the process at once. SIGHUP reads the configuration again and
takes from it what can change while the node runs: the level of its log; and certificates whose
files have changed, which are looked at now and then in any case.

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
        return Ok(writeln!(out, "{} is fine: node {}", file.to_string_lossy(), config.name)?);
    }
    let level_now = level.or(config.log.level).unwrap_or(LevelFilter::Info);
    super::logging::start(level_now, config.log.format, &config.name)?;
    outlive_the_file_limit()?;
    let held = args.has(leash::OPTION);
    let mut said = Ok(());
    let path = PathBuf::from(file);
    let reread = move || {
        let config = Config::load(&path).map_err(|error| error.to_string())?;
        Ok(Changes { level: config.log.level.unwrap_or(LevelFilter::Info) })
    };
    node::run(config, reread, |running| {
        said = writeln!(out, "ready {}", running.name).and_then(|()| out.flush());
        if held && let Err(error) = leash::hold() {
            log::error!("standard input can't be watched: {error}");
        }
    })
    .map_err(|error| Failure::failed(error.to_string()))?;
    log::logger().flush();
    Ok(said?)
}

/// A file that may not grow (`ulimit -f`) is a full disk, which a node lives through: writes fail
/// and are refused. The signal that comes with the error would end the process.
fn outlive_the_file_limit() -> Result<(), Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGXFSZ, flag)
        .map(drop)
        .map_err(|error| Failure::failed(format!("cannot catch signals: {error}")))
}
