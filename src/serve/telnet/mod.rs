//! A console for people over Telnet (RFC 854): what a node has can be listed, read a window at a
//! time, followed and searched, and be written with the same roles as everywhere else.
//!
//! From the outside in: `connection` hands keys to whatever is under way and shows what it says;
//! `command` reads a line, `run` does what it asks. `talk` is what goes on over several lines:
//! `login`, `write` (with the text's own editor, `body`) and `find`. `pager` and `follow` show,
//! `tty` draws, `show` and `plain` make text out of what is shown. `sessions` knows who is here.
//!
//! Whatever others wrote reaches a terminal by way of `proto::telnet::wrap` or `Tty::ask` alone,
//! which let no control character through.
//!
//! The tests of a whole console are in `tests.rs`; they share the simulated node of `http/tests`,
//! since what one protocol writes is read by the other there.

mod body;
mod command;
mod connection;
mod find;
mod follow;
mod help;
mod login;
mod pager;
mod plain;
mod run;
mod sessions;
mod show;
mod talk;
mod tty;
mod user;
mod write;

pub use connection::TelnetConnection;
pub use sessions::Sessions;
