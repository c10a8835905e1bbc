//! What must hold for any bytes whatever, one function for each way by which bytes come in.
//!
//! Each takes bytes, does with them what the program would, and panics where a promise is broken.
//! libFuzzer calls them with what it finds (`fuzz_targets/`), `make test` with `corpus/`.

mod article;
mod config;
mod cut;
mod door;
mod http;
mod line;
mod nntp;
mod pb;
mod peer;
mod sse;
mod telnet;
mod update;
mod vector;
mod ws;

/// One way in.
pub(crate) type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub(crate) const TARGETS: [(&str, Target); 17] = [
    ("article", article::article),
    ("config", config::config),
    ("cursor", vector::cursor),
    ("envelope", update::envelope),
    ("http_request", http::request),
    ("http_response", http::response),
    ("line", line::line),
    ("nntp", nntp::nntp),
    ("payload", update::payload),
    ("pb", pb::pb),
    ("peer", peer::frames),
    ("proxy", door::proxy),
    ("sniff", door::sniff),
    ("sse", sse::events),
    ("telnet", telnet::telnet),
    ("vector", vector::vector),
    ("ws", ws::frames),
];
