//! `bellwether account`: who may sign in.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{encoded, plain};
use super::failure::{Failure, one_line};
use super::local::Local;
use super::table;
use crate::accounts::{
    Act, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PasswordHash, Scopes, is_account_name,
};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{self, Read, Write};

pub(super) const COMMAND: Command =
    Command { name: "account", about: "say who may sign in and write", help: HELP, run };

const HELP: &str = "\
Makes and removes accounts. A change is an update that floods to every node of the herd, so an
account is good at all of them. The node must run; it is asked on its own machine, by whoever can
read its key file. A password comes on standard input, its first line; what leaves this program is
an argon2id hash of it.

Usage: bellwether account add NAME --config CONFIG.toml [--scope SCOPES]
       bellwether account passwd NAME --config CONFIG.toml
       bellwether account remove NAME --config CONFIG.toml
       bellwether account list --config CONFIG.toml

With another password, everyone who is signed in by this name has to sign in again. Removing an
account also ends the tokens of its name.

Options:
  --config FILE   the node's configuration
  --scope SCOPES  read, write, withdraw and admin, with commas (default read,write); with passwd
                  the scopes stay unless it is given
  -h, --help      this page

Examples:
  pass show ann | bellwether account add ann --config hill.toml --scope read,write,withdraw
  bellwether account list --config hill.toml
";

const OPTIONS: &[Opt] = &[args::value("config"), args::value("scope")];
const PATH: &str = "/v1/accounts";

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("account", OPTIONS, given)?;
    let scopes = scopes(&args)?;
    match args.words()?[..] {
        ["list"] => list(&Local::of(&args)?, out),
        ["add", name] => {
            let local = Local::of(&args)?;
            if find(&args, &local, name)?.is_some() {
                let line = format!("there is an account {name}: bellwether account passwd {name}");
                return Err(Failure::failed(line));
            }
            set(&local, name, scopes.unwrap_or(Scopes::WRITER))
        }
        ["passwd", name] => {
            let local = Local::of(&args)?;
            let account = known(find(&args, &local, name)?, name)?;
            let before = plain(&account["scopes"]).parse().unwrap_or(Scopes::WRITER);
            set(&local, name, scopes.unwrap_or(before))
        }
        ["remove", name] => {
            let local = Local::of(&args)?;
            known(find(&args, &local, name)?, name)?;
            act(&local, &Act::Remove { name: name.to_owned() })
        }
        _ => Err(args.wrong("say add NAME, passwd NAME, remove NAME or list")),
    }
}

/// What `--scope` says.
pub(super) fn scopes(args: &Args) -> Result<Option<Scopes>, Failure> {
    let given = args.text("scope")?.map(str::parse).transpose();
    given.map_err(|error| args.wrong(&format!("--scope: {error}")))
}

/// Has the node publish an act.
pub(super) fn act(local: &Local, act: &Act) -> Result<(), Failure> {
    local.post(PATH, &act.encode())?.into_json().map(drop)
}

/// Refuses what can't be a name.
pub(super) fn checked<'a>(args: &Args, name: &'a str) -> Result<&'a str, Failure> {
    if is_account_name(name) {
        return Ok(name);
    }
    Err(args.wrong(&format!("{name:?} is no name: 1 to 64 bytes without white space")))
}

fn find(args: &Args, local: &Local, name: &str) -> Result<Option<Value>, Failure> {
    let name = checked(args, name)?;
    let found = local.get(&format!("{PATH}?name={}", encoded(name)))?.into_json()?;
    Ok(found["accounts"].get(0).cloned())
}

fn known(account: Option<Value>, name: &str) -> Result<Value, Failure> {
    account.ok_or_else(|| Failure::failed(format!("there is no account {name}")))
}

fn set(local: &Local, name: &str, scopes: Scopes) -> Result<(), Failure> {
    let password = password(&mut io::stdin().lock())?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| Failure::failed(error.to_string()))?;
    let password = PasswordHash::of(&password, salt);
    act(local, &Act::Account { name: name.to_owned(), password, scopes })
}

/// The first line of the input.
fn password(input: &mut dyn Read) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = input.take(PASSWORD_BYTES_MAX as u64 + 2).read_to_end(&mut text);
    read.map_err(|error| Failure::failed(format!("no password on standard input: {error}")))?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&line.len()) {
        return Ok(line.to_vec());
    }
    let (least, most) = (PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
    Err(Failure::failed(format!("a password has {least} to {most} bytes: give it on stdin")))
}

fn list(local: &Local, out: &mut dyn Write) -> Result<(), Failure> {
    let mut rows = vec![table::row(["NAME", "SCOPES"])];
    each(local, PATH, "accounts", |line| {
        rows.push(["name", "scopes"].map(|key| one_line(&plain(&line[key]))).to_vec());
    })?;
    Ok(table::write(out, &rows)?)
}

/// Each line of a list that comes in pages.
pub(super) fn each(
    local: &Local,
    path: &str,
    list: &str,
    mut take: impl FnMut(&Value),
) -> Result<(), Failure> {
    let mut target = format!("{path}?limit=1000");
    loop {
        let page = local.get(&target)?.into_json()?;
        page[list].as_array().into_iter().flatten().for_each(&mut take);
        match page["next"].as_str() {
            Some(next) => target = format!("{path}?limit=1000&after={}", encoded(next)),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_password_is_the_first_line_and_long_enough() {
        let read = |text: &str| password(&mut text.as_bytes());
        assert_eq!(read("correct horse\r\nx"), Ok(b"correct horse".to_vec()));
        assert_eq!(read("12345678"), Ok(b"12345678".to_vec()));
        for bad in ["", "1234567\n89", &"x".repeat(PASSWORD_BYTES_MAX + 1)] {
            assert_eq!(read(bad).unwrap_err().exit_code(), 1);
        }
    }

    #[test]
    fn where_no_node_runs_it_says_so_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hill.toml");
        let mut config = Config::new("hill", dir.path().join("hill"));
        std::fs::write(&file, config.to_toml()).unwrap();
        let said = || {
            let given = ["list".into(), "--config".into(), file.clone().into()];
            run(&given, &mut Vec::new()).unwrap_err().to_string()
        };
        assert!(said().contains("no HTTP listener"), "{}", said());
        let socket = dir.path().join("http.sock");
        config = Config::parse(
            &format!(
                "{}[[listen]]\nprotocol = \"http\"\nendpoint = \"unix:{}\"\n",
                config.to_toml(),
                socket.display()
            ),
            "hill.toml",
        )
        .unwrap();
        std::fs::write(&file, config.to_toml()).unwrap();
        assert!(said().starts_with("the node hill does not run at "), "{}", said());
    }
}
