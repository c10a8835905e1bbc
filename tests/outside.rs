//! The program from outside: the binary is started as its users start it, and spoken to over its
//! sockets. Nothing here reaches into a node; what is checked is what a stranger could see.

#[path = "outside/guests.rs"]
mod guests;
#[path = "outside/harness.rs"]
mod harness;
#[path = "outside/inn.rs"]
mod inn;
#[path = "outside/operator.rs"]
mod operator;
#[path = "outside/process.rs"]
mod process;
#[path = "outside/raw.rs"]
mod raw;
#[path = "outside/speech.rs"]
mod speech;
#[path = "outside/wire.rs"]
mod wire;

#[path = "outside/accounts.rs"]
mod accounts;
#[path = "outside/at.rs"]
mod at;
#[path = "outside/browser.rs"]
mod browser;
#[path = "outside/charter.rs"]
mod charter;
#[path = "outside/clients.rs"]
mod clients;
#[path = "outside/commands.rs"]
mod commands;
#[path = "outside/crash.rs"]
mod crash;
#[path = "outside/disk.rs"]
mod disk;
#[path = "outside/durable.rs"]
mod durable;
#[path = "outside/erasure.rs"]
mod erasure;
#[path = "outside/feed.rs"]
mod feed;
#[path = "outside/herd.rs"]
mod herd;
#[path = "outside/http.rs"]
mod http;
#[path = "outside/line.rs"]
mod line;
#[path = "outside/load.rs"]
mod load;
#[path = "outside/net.rs"]
mod net;
#[path = "outside/nntp.rs"]
mod nntp;
#[path = "outside/panel.rs"]
mod panel;
#[path = "outside/pb.rs"]
mod pb;
#[path = "outside/ports.rs"]
mod ports;
#[path = "outside/protocols.rs"]
mod protocols;
#[path = "outside/search.rs"]
mod search;
#[path = "outside/secured.rs"]
mod secured;
#[path = "outside/telnet.rs"]
mod telnet;
#[path = "outside/tls.rs"]
mod tls;
#[path = "outside/ws.rs"]
mod ws;
