//! What must hold for any bytes whatever, one function for each way by which bytes come in.
//!
//! Each takes bytes, does with them what the program would, and panics where a promise is broken.
//! libFuzzer calls them with what it finds (`fuzz_targets/`), `make test` with `corpus/`.

mod config;
mod cut;
mod door;
mod http;
mod line;
mod peer;
mod sse;
mod update;
mod vector;

/// One way in.
pub(crate) type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub(crate) const TARGETS: [(&str, Target); 12] = [
    ("config", config::config),
    ("cursor", vector::cursor),
    ("envelope", update::envelope),
    ("http_request", http::request),
    ("http_response", http::response),
    ("line", line::line),
    ("payload", update::payload),
    ("peer", peer::frames),
    ("proxy", door::proxy),
    ("sniff", door::sniff),
    ("sse", sse::events),
    ("vector", vector::vector),
];
