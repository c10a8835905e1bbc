//! A configuration out of its file: each section in turn, then what must hold between them.

use super::document::{Document, Section};
use super::{
    ClosePolicy, Config, ConfigError, Durability, Limits, Listen, Peer, PeerKind, Service,
};
use crate::base::{ClientEndpoint, ServerEndpoint};
use crate::update::ORIGIN_BYTES_MAX;

const ROOT_KEYS: [&str; 9] = [
    "name",
    "dir",
    "durability",
    "insecure_peers",
    "listen",
    "peer",
    "limits",
    "places",
    "retention",
];
const LISTEN_KEYS: [&str; 3] = ["protocol", "endpoint", "close"];
const PEER_KEYS: [&str; 4] = ["name", "endpoint", "kind", "per_update"];

pub(super) fn config(text: &str, file: &str) -> Result<Config, ConfigError> {
    let document = Document { file, text };
    let table = document.parse()?;
    let root = Section::root(&document, &table, &ROOT_KEYS)?;
    let name = name(&root)?;
    let dir = root.required("dir")?;
    if dir.is_empty() {
        return Err(root.error("dir", "is empty: name the directory of the node's store"));
    }
    let insecure_peers = root.flag("insecure_peers")?.unwrap_or(false);
    let durability = durability(&root)?;
    let listen = listeners(&root, insecure_peers)?;
    let peers = peers(&root, &name, insecure_peers)?;
    let limits = limits(&root)?;
    root.section("places", &[])?;
    root.section("retention", &[])?;
    Ok(Config { name, dir: dir.into(), durability, insecure_peers, listen, peers, limits })
}

fn name(section: &Section<'_>) -> Result<String, ConfigError> {
    let name = section.required("name")?;
    if name.is_empty() || name.len() > ORIGIN_BYTES_MAX {
        let what = format!("must have 1 to {ORIGIN_BYTES_MAX} bytes, not {}", name.len());
        return Err(section.error("name", what));
    }
    if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let what = format!("{name:?} has white space or control characters in it");
        return Err(section.error("name", what));
    }
    Ok(name.to_owned())
}

fn durability(root: &Section<'_>) -> Result<Durability, ConfigError> {
    let Some(word) = root.word("durability")? else { return Ok(Durability::Local) };
    let durability = word.parse().and_then(Durability::supported);
    durability.map_err(|error| root.error("durability", error))
}

fn listeners(root: &Section<'_>, insecure_peers: bool) -> Result<Vec<Listen>, ConfigError> {
    let mut listeners: Vec<Listen> = Vec::new();
    for section in root.sections("listen", &LISTEN_KEYS)? {
        let service = section.required_parsed("protocol")?;
        let endpoint: ServerEndpoint = section.required_parsed("endpoint")?;
        if let Some(other) = listeners.iter().find(|other| collide(&other.endpoint, &endpoint)) {
            let what = format!("{endpoint} is taken by the {} listener above", other.service);
            return Err(section.error("endpoint", what));
        }
        let is_peer = matches!(service, Service::Peer | Service::At);
        if is_peer && !insecure_peers && !endpoint.is_local() {
            return Err(section.error("endpoint", beyond(&endpoint.to_string())));
        }
        let close: Option<ClosePolicy> = section.parsed("close")?;
        if close.is_some() && service != Service::Line {
            let what = format!("belongs to the line protocol, not to {service}");
            return Err(section.error("close", what));
        }
        listeners.push(Listen { service, endpoint, close: close.unwrap_or_default() });
    }
    Ok(listeners)
}

/// True when both can't be bound.
fn collide(a: &ServerEndpoint, b: &ServerEndpoint) -> bool {
    match (a, b) {
        (ServerEndpoint::Tcp { addr: a, .. }, ServerEndpoint::Tcp { addr: b, .. }) => {
            let is_all = a.ip().is_unspecified() || b.ip().is_unspecified();
            let same_ip = a.ip() == b.ip() || (is_all && a.is_ipv4() == b.is_ipv4());
            a.port() != 0 && a.port() == b.port() && same_ip
        }
        (ServerEndpoint::Unix { path: a, .. }, ServerEndpoint::Unix { path: b, .. }) => a == b,
        _ => false,
    }
}

fn beyond(endpoint: &str) -> String {
    format!(
        "{endpoint} is beyond this machine, where peer links are not yet encrypted: use a loopback \
         or unix endpoint, or set insecure_peers = true on a network that you trust"
    )
}

fn peers(
    root: &Section<'_>,
    own_name: &str,
    insecure_peers: bool,
) -> Result<Vec<Peer>, ConfigError> {
    let mut peers: Vec<Peer> = Vec::new();
    for section in root.sections("peer", &PEER_KEYS)? {
        let name = name(&section)?;
        if name == own_name {
            return Err(section.error("name", format!("{name:?} is this node's own name")));
        }
        if peers.iter().any(|other| other.name == name) {
            return Err(section.error("name", format!("{name:?} is the name of a peer above")));
        }
        let endpoint: ClientEndpoint = section.required_parsed("endpoint")?;
        if let Some(other) = peers.iter().find(|other| same_place(&other.endpoint, &endpoint)) {
            let what = format!("{endpoint} is where peer {:?} is", other.name);
            return Err(section.error("endpoint", what));
        }
        if !insecure_peers && !endpoint.is_local() {
            return Err(section.error("endpoint", beyond(&endpoint.to_string())));
        }
        let kind = peer_kind(&section)?;
        peers.push(Peer { name, endpoint, kind });
    }
    Ok(peers)
}

/// True when both lead to one server, whatever their time-outs.
fn same_place(a: &ClientEndpoint, b: &ClientEndpoint) -> bool {
    match (a, b) {
        (
            ClientEndpoint::Tcp { host: a, port: a_port, .. },
            ClientEndpoint::Tcp { host: b, port: b_port, .. },
        ) => (a, a_port) == (b, b_port),
        (ClientEndpoint::Unix { path: a, .. }, ClientEndpoint::Unix { path: b, .. }) => a == b,
        _ => false,
    }
}

fn peer_kind(section: &Section<'_>) -> Result<PeerKind, ConfigError> {
    let kind = section.parsed("kind")?.unwrap_or(PeerKind::Herd);
    match (kind, section.flag("per_update")?) {
        (PeerKind::Herd, Some(_)) => {
            Err(section.error("per_update", "belongs to peers of kind \"at\""))
        }
        (PeerKind::At { .. }, Some(per_update)) => Ok(PeerKind::At { per_update }),
        (kind, None) => Ok(kind),
    }
}

fn limits(root: &Section<'_>) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    let names: Vec<&'static str> = Limits::TABLE.iter().map(|limit| limit.name).collect();
    let Some(section) = root.section("limits", &names)? else { return Ok(limits) };
    for limit in Limits::TABLE {
        let Some(number) = section.whole(limit.name)? else { continue };
        let value = u64::try_from(number).ok();
        let Some(value) = value.filter(|value| (limit.min..=limit.max).contains(value)) else {
            let (min, max, default) = (limit.min, limit.max, limit.default);
            let what = format!("must be within {min} and {max} (default {default})");
            return Err(section.error(limit.name, what));
        };
        limits.set(limit.name, value);
    }
    let Some(clash) = limits.clash() else { return Ok(limits) };
    // The defaults do not clash, so at least one of the two was set.
    let blamed = if section.has(clash.key) { clash.key } else { clash.other };
    let what = format!("{} = {}", clash.key, clash.what);
    Err(section.error(blamed, what))
}
