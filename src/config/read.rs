//! A configuration out of its file: each section in turn, then what must hold between them.

use super::document::{Document, Section};
use super::{
    ClosePolicy, Config, ConfigError, Durability, FeedRules, Limits, Listen, Peer, PeerKind,
    Service, logs, retention,
};
use crate::base::{ClientEndpoint, ServerEndpoint, Wildmat};
use crate::update::{ORIGIN_BYTES_MAX, PublicKey};
use std::path::PathBuf;

const ROOT_KEYS: [&str; 11] = [
    "name",
    "dir",
    "durability",
    "catch_up",
    "listen",
    "peer",
    "accounts",
    "limits",
    "places",
    "retention",
    "log",
];
const LISTEN_KEYS: [&str; 5] = ["protocol", "protocols", "endpoint", "close", "certificates"];
/// Protocols in which a client may ask for TLS, or begin it.
const UPGRADES: [&str; 2] = ["nntp", "auto"];
const PEER_KEYS: [&str; 9] =
    ["name", "endpoint", "kind", "key", "per_update", "accept", "offer", "from", "trusts_cancels"];

pub(super) fn config(text: &str, file: &str) -> Result<Config, ConfigError> {
    let document = Document { file, text };
    let table = document.parse()?;
    let root = Section::root(&document, &table, &ROOT_KEYS)?;
    let name = name(&root)?;
    let dir = root.required("dir")?;
    if dir.is_empty() {
        return Err(root.error("dir", "is empty: name the directory of the node's store"));
    }
    let durability = durability(&root)?;
    let catch_up = root.flag("catch_up")?.unwrap_or(true);
    let listen = listeners(&root)?;
    let peers = peers(&root, &name)?;
    let limits = limits(&root)?;
    root.section("places", &[])?;
    let accounts = root.section("accounts", &["open"])?;
    let accounts_open = accounts.map_or(Ok(None), |section| section.flag("open"))?;
    let retention = retention::read(&root)?;
    let log = logs::read(&root)?;
    Ok(Config {
        name,
        dir: dir.into(),
        durability,
        catch_up,
        listen,
        peers,
        accounts_open,
        retention,
        log,
        limits,
    })
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
    word.parse().map_err(|error| root.error("durability", error))
}

fn listeners(root: &Section<'_>) -> Result<Vec<Listen>, ConfigError> {
    let mut listeners: Vec<Listen> = Vec::new();
    for section in root.sections("listen", &LISTEN_KEYS)? {
        let service = section.required_parsed("protocol")?;
        let endpoint: ServerEndpoint = section.required_parsed("endpoint")?;
        if let Some(other) = listeners.iter().find(|other| collide(&other.endpoint, &endpoint)) {
            let what = format!("{endpoint} is taken by the {} listener above", other.service);
            return Err(section.error("endpoint", what));
        }
        let protocols = protocols(&section, service)?;
        let listen = Listen { protocols, ..Listen::new(service, endpoint) };
        let endpoint = &listen.endpoint;
        if listen.speaks(Service::At) && !endpoint.is_local() {
            let what = format!(
                "{endpoint} is beyond this machine, and whoever says AT moves anyone: use a \
                 loopback or unix endpoint, or a line listener and a peer of kind \"at\""
            );
            return Err(section.error("endpoint", what));
        }
        let close: Option<ClosePolicy> = section.parsed("close")?;
        if close.is_some() && !listen.speaks(Service::Line) {
            let what = format!("belongs to the line protocol, not to {service}");
            return Err(section.error("close", what));
        }
        let certificates = secured(&section, &listen)?;
        let close = close.unwrap_or_default();
        listeners.push(Listen { close, certificates, ..listen });
    }
    Ok(listeners)
}

/// The folder of certificates of a listener whose clients ask for TLS, or begin it, when they are
/// connected.
fn secured(section: &Section<'_>, listen: &Listen) -> Result<Option<PathBuf>, ConfigError> {
    let service = listen.service;
    let is_tls = matches!(listen.endpoint.bound(), ServerEndpoint::Tls { .. });
    if is_tls && service == Service::Peer {
        let what = "links of the herd are secured by the nodes' keys: use a tcp endpoint";
        return Err(section.error("endpoint", what));
    }
    match section.word("certificates")? {
        None => Ok(None),
        Some(_) if is_tls => {
            Err(section.error("certificates", "are those of the tls endpoint itself"))
        }
        Some(_) if !UPGRADES.contains(&service.name()) => {
            let what = format!("belong to a tls endpoint: {service} knows no way to ask for them");
            Err(section.error("certificates", what))
        }
        Some(folder) => Ok(Some(folder.into())),
    }
}

/// What is told apart on a port of several protocols.
fn protocols(section: &Section<'_>, service: Service) -> Result<Vec<Service>, ConfigError> {
    let wrong = |what: String| Err(section.error("protocols", what));
    let given: Option<Vec<Service>> = section.parsed_list("protocols")?;
    if service != Service::Auto {
        return match given {
            Some(_) => wrong(format!("belongs to protocol = \"auto\", not to \"{service}\"")),
            None => Ok(Vec::new()),
        };
    }
    let protocols = given.unwrap_or_else(|| vec![Service::Http, Service::Line]);
    if protocols.is_empty() {
        return wrong("is empty: name what is spoken there".to_owned());
    }
    for (at, protocol) in protocols.iter().enumerate() {
        if matches!(protocol, Service::Peer | Service::Auto) {
            return wrong(format!("\"{protocol}\" is not told from its first bytes"));
        }
        if protocols[..at].contains(protocol) {
            return wrong(format!("\"{protocol}\" is named twice"));
        }
    }
    let greeters: Vec<_> = protocols.iter().filter(|protocol| protocol.greets()).collect();
    if let [first, second, ..] = greeters[..] {
        let what = format!(
            "\"{first}\" and \"{second}\" can't be told apart: in both the server speaks first"
        );
        return wrong(what);
    }
    Ok(protocols)
}

/// True when both can't be bound.
fn collide(a: &ServerEndpoint, b: &ServerEndpoint) -> bool {
    match (a.bound(), b.bound()) {
        (ServerEndpoint::Unix { path: a, .. }, ServerEndpoint::Unix { path: b, .. }) => a == b,
        (ServerEndpoint::Systemd { socket: a, .. }, ServerEndpoint::Systemd { socket: b, .. }) => {
            a == b
        }
        (a, b) => a.addr().zip(b.addr()).is_some_and(|(a, b)| {
            let is_all = a.ip().is_unspecified() || b.ip().is_unspecified();
            let same_ip = a.ip() == b.ip() || (is_all && a.is_ipv4() == b.is_ipv4());
            a.port() != 0 && a.port() == b.port() && same_ip
        }),
    }
}

fn peers(root: &Section<'_>, own_name: &str) -> Result<Vec<Peer>, ConfigError> {
    let mut peers: Vec<Peer> = Vec::new();
    for section in root.sections("peer", &PEER_KEYS)? {
        let name = name(&section)?;
        if name == own_name {
            return Err(section.error("name", format!("{name:?} is this node's own name")));
        }
        if peers.iter().any(|other| other.name == name) {
            return Err(section.error("name", format!("{name:?} is the name of a peer above")));
        }
        let kind = peer_kind(&section)?;
        let endpoint: Option<ClientEndpoint> = section.parsed("endpoint")?;
        let same = |other: &&Peer| match (&other.endpoint, &endpoint) {
            (Some(other), Some(endpoint)) => same_place(other, endpoint),
            _ => false,
        };
        if let (Some(endpoint), Some(other)) = (&endpoint, peers.iter().find(same)) {
            let what = format!("{endpoint} is where peer {:?} is", other.name);
            return Err(section.error("endpoint", what));
        }
        let key = peer_key(&section, &kind, endpoint.as_ref())?;
        if let Some(other) = peers.iter().find(|other| key.is_some() && other.key == key) {
            return Err(section.error("key", format!("is that of peer {:?}", other.name)));
        }
        peers.push(Peer { name, endpoint, kind, key });
    }
    Ok(peers)
}

/// True when both lead to one server, whatever their time-outs.
fn same_place(a: &ClientEndpoint, b: &ClientEndpoint) -> bool {
    if let (ClientEndpoint::Unix { path: a, .. }, ClientEndpoint::Unix { path: b, .. }) = (a, b) {
        return a == b;
    }
    a.host_and_port().is_some_and(|place| b.host_and_port() == Some(place))
}

fn peer_kind(section: &Section<'_>) -> Result<PeerKind, ConfigError> {
    let kind = section.parsed("kind")?.unwrap_or(PeerKind::Herd);
    let foreign = match &kind {
        PeerKind::Herd => &["per_update", "accept", "offer", "from", "trusts_cancels"][..],
        PeerKind::At { .. } => &["accept", "offer", "from", "trusts_cancels"][..],
        PeerKind::Nntp(_) => &["per_update"][..],
    };
    if let Some(key) = foreign.iter().find(|key| section.has(key)) {
        let other = if *key == "per_update" { "at" } else { "nntp" };
        return Err(section.error(key, format!("belongs to peers of kind {other:?}")));
    }
    Ok(match kind {
        PeerKind::Herd => PeerKind::Herd,
        PeerKind::At { per_update } => {
            PeerKind::At { per_update: section.flag("per_update")?.unwrap_or(per_update) }
        }
        PeerKind::Nntp(rules) => PeerKind::Nntp(FeedRules {
            accept: wildmat(section, "accept")?.unwrap_or(rules.accept),
            offer: wildmat(section, "offer")?.unwrap_or(rules.offer),
            from: section.parsed_list("from")?.unwrap_or(rules.from),
            trusts_cancels: section.flag("trusts_cancels")?.unwrap_or(rules.trusts_cancels),
        }),
    })
}

fn wildmat(section: &Section<'_>, key: &'static str) -> Result<Option<String>, ConfigError> {
    let Some(text) = section.text(key)? else { return Ok(None) };
    // A space may stand in a pattern for headers, in none for names of groups.
    let fault = Wildmat::parse(text).err().map(|error| error.offset).or(text.find(' '));
    let Some(offset) = fault else { return Ok(Some(text.to_owned())) };
    let what = format!(
        "{text:?} is no wildmat at byte {offset}: write group names with * and ?, with commas \
         between them"
    );
    Err(section.error(key, what))
}

fn peer_key(
    section: &Section<'_>,
    kind: &PeerKind,
    endpoint: Option<&ClientEndpoint>,
) -> Result<Option<PublicKey>, ConfigError> {
    let key = section.parsed("key")?;
    match (kind, endpoint) {
        (PeerKind::Herd, Some(ClientEndpoint::Tls { .. })) => {
            let what = "links of the herd are secured by the nodes' keys: use a tcp endpoint";
            Err(section.error("endpoint", what))
        }
        (PeerKind::At { .. } | PeerKind::Nntp(_), _) if key.is_some() => {
            Err(section.error("key", "belongs to peers of kind \"herd\""))
        }
        (_, None) if key.is_none() => {
            let what = "is missing: only a peer of the herd that is known by its key may dial us";
            Err(section.error("endpoint", what))
        }
        (PeerKind::Herd, Some(endpoint)) if key.is_none() && !endpoint.is_local() => {
            let what = format!(
                "is missing: {endpoint} is beyond this machine, and anyone might answer there \
                 (bellwether key prints a node's)"
            );
            Err(section.error("key", what))
        }
        _ => Ok(key),
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
