//! `bellwether token`: what programs show instead of a password.

use super::Command;
use super::account::{act, checked, each, scopes};
use super::args::{self, Args, Opt};
use super::client::plain;
use super::failure::{Failure, one_line};
use super::local::Local;
use super::table;
use crate::accounts::{Act, Token, TokenId};
use std::ffi::OsString;
use std::io::Write;

pub(super) const COMMAND: Command =
    Command { name: "token", about: "make and revoke bearer tokens", help: HELP, run };

const HELP: &str = "\
Makes a bearer token, prints it once, and keeps nothing of it but hashes. Programs send it as
`Authorization: Bearer TOKEN`; on the line protocol as `AUTH TOKEN`; the commands of this program
take it from the variable BELLWETHER_TOKEN. It is good at every node of the herd until it is
revoked, or the account of its name removed.

Usage: bellwether token --config CONFIG.toml --name NAME --scope SCOPES
       bellwether token list --config CONFIG.toml
       bellwether token revoke ID --config CONFIG.toml

Options:
  --config FILE   the node's configuration; the node must run
  --name NAME     who writes with it; there need not be an account of this name
  --scope SCOPES  read, write, withdraw and admin, with commas
  -h, --help      this page

Examples:
  bellwether token --config hill.toml --name importer --scope read,write
  bellwether token revoke 5f0c7a2be1c94d1e8a6b3f2d9c0e7a41 --config hill.toml
";

const OPTIONS: &[Opt] = &[args::value("config"), args::value("name"), args::value("scope")];
const PATH: &str = "/v1/tokens";

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("token", OPTIONS, given)?;
    match args.words()?[..] {
        [] => make(&args, out),
        ["list"] => list(&Local::of(&args)?, out),
        ["revoke", id] => {
            let id: Result<TokenId, _> = id.parse();
            let id = id.map_err(|error| args.wrong(&error.to_string()))?;
            let local = Local::of(&args)?;
            let found = local.get(&format!("{PATH}?id={id}"))?.into_json()?;
            if found["tokens"][0].is_null() {
                return Err(Failure::failed(format!("no token has the id {id}, or not any more")));
            }
            act(&local, &Act::Revoke { id })
        }
        _ => Err(args.wrong("say --name NAME --scope SCOPES, list, or revoke ID")),
    }
}

fn make(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(name) = args.text("name")? else {
        return Err(args.wrong("name who writes with it with --name"));
    };
    let name = checked(args, name)?.to_owned();
    let Some(scopes) = scopes(args)? else {
        return Err(args.wrong("say with --scope what it may do"));
    };
    let local = Local::of(args)?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| Failure::failed(error.to_string()))?;
    let token = Token::of(secret);
    act(&local, &Act::Token { id: token.id(), name, scopes, digest: token.digest() })?;
    Ok(writeln!(out, "{}", token.text())?)
}

fn list(local: &Local, out: &mut dyn Write) -> Result<(), Failure> {
    let keys = ["id", "name", "scopes", "at"];
    let mut rows = vec![table::row(["ID", "NAME", "SCOPES", "MADE"])];
    each(local, PATH, "tokens", |line| {
        rows.push(keys.map(|key| one_line(&plain(&line[key]))).to_vec());
    })?;
    Ok(table::write(out, &rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_before_a_node_is_looked_for() {
        let said = |words: &[&str]| {
            let given: Vec<OsString> = words.iter().map(OsString::from).collect();
            let failure = run(&given, &mut Vec::new()).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{words:?}: {failure}");
            failure.to_string()
        };
        assert!(said(&[]).contains("--name"));
        assert!(said(&["--name=ann"]).contains("--scope"));
        assert!(said(&["--name=ann", "--scope=wriet"]).contains("\"wriet\" is no scope"));
        assert!(said(&["--name=a b", "--scope=write"]).contains("is no name"));
        assert!(said(&["revoke", "5f"]).contains("32 hexadecimal digits"));
        assert!(said(&["--name=ann", "--scope=write"]).contains("--config"));
    }
}
