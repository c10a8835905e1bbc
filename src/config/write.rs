//! A configuration as the TOML text that is read back as the same.

use super::{ClosePolicy, Config, Durability, PeerKind, logs, retention};
use std::fmt::{self, Write};

pub(super) fn config(config: &Config) -> String {
    let mut out = String::new();
    let written = write_config(config, &mut out);
    debug_assert!(written.is_ok(), "writing to a String does not fail");
    out
}

fn write_config(config: &Config, out: &mut String) -> fmt::Result {
    writeln!(out, "name = {}", quoted(&config.name))?;
    writeln!(out, "dir = {}", quoted(&config.dir.to_string_lossy()))?;
    match config.durability {
        Durability::Nodes(nodes) => writeln!(out, "durability = {nodes}")?,
        other => writeln!(out, "durability = \"{other}\"")?,
    }
    if !config.catch_up {
        writeln!(out, "catch_up = false")?;
    }
    for listen in &config.listen {
        writeln!(out, "\n[[listen]]\nprotocol = \"{}\"", listen.service)?;
        if !listen.protocols.is_empty() {
            let words: Vec<_> = listen.protocols.iter().map(|word| quoted(word.name())).collect();
            writeln!(out, "protocols = [{}]", words.join(", "))?;
        }
        writeln!(out, "endpoint = {}", quoted(&listen.endpoint.to_string()))?;
        if listen.close != ClosePolicy::Never {
            writeln!(out, "close = \"{}\"", listen.close)?;
        }
        if let Some(folder) = &listen.certificates {
            writeln!(out, "certificates = {}", quoted(&folder.to_string_lossy()))?;
        }
    }
    for peer in &config.peers {
        writeln!(out, "\n[[peer]]\nname = {}", quoted(&peer.name))?;
        if let Some(endpoint) = &peer.endpoint {
            writeln!(out, "endpoint = {}", quoted(&endpoint.to_string()))?;
        }
        writeln!(out, "kind = \"{}\"", peer.kind.name())?;
        if let Some(key) = peer.key {
            writeln!(out, "key = \"{key}\"")?;
        }
        match &peer.kind {
            PeerKind::At { per_update: true } => writeln!(out, "per_update = true")?,
            PeerKind::Nntp(rules) => {
                writeln!(out, "accept = {}", quoted(&rules.accept))?;
                writeln!(out, "offer = {}", quoted(&rules.offer))?;
                if !rules.from.is_empty() {
                    let from: Vec<_> = rules.from.iter().map(|ip| format!("\"{ip}\"")).collect();
                    writeln!(out, "from = [{}]", from.join(", "))?;
                }
                writeln!(out, "trusts_cancels = {}", rules.trusts_cancels)?;
            }
            PeerKind::Herd | PeerKind::At { .. } => {}
        }
    }
    if let Some(open) = config.accounts_open {
        writeln!(out, "\n[accounts]\nopen = {open}")?;
    }
    retention::write(&config.retention, out)?;
    logs::write(config.log, out)?;
    let changed = config.limits.values().filter(|(limit, value)| limit.default != *value);
    for (index, (limit, value)) in changed.enumerate() {
        if index == 0 {
            writeln!(out, "\n[limits]")?;
        }
        writeln!(out, "{} = {value}", limit.name)?;
    }
    Ok(())
}

/// A TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
