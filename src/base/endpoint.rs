//! Endpoint strings in Twisted's grammar: `type:positional:key=value`, with a backslash before a
//! `:`, `=` or `\` that is meant as itself (`tcp6:8001:interface=\:\:1`). Only the grammar: nothing
//! is opened or looked up here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

const BACKLOG_DEFAULT: u32 = 1024;
const MODE_DEFAULT: u32 = 0o660;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEndpoint {
    /// `tcp:PORT[:interface=IP][:backlog=N][:reusePort=yes]`, `tcp6:…`. The interface is 127.0.0.1
    /// (`::1` for tcp6) unless named; port 0 lets the system choose.
    Tcp {
        /// The address to bind.
        addr: SocketAddr,
        /// How many connections may wait to be accepted.
        backlog: u32,
        /// Other processes of the same user may bind it, too, if they all say so; each connection
        /// goes to one of them.
        reuse_port: bool,
    },
    /// `unix:PATH[:mode=OCTAL][:backlog=N]`.
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// How many connections may wait to be accepted.
        backlog: u32,
    },
    /// `tls:DIR:port=PORT[:interface=IP][:backlog=N][:clientCA=FILE]`: TLS over TCP. The interface
    /// is 127.0.0.1 unless named, port 0 lets the system choose.
    Tls {
        /// The folder of certificates with their keys, as `NAME.pem` by server name.
        folder: PathBuf,
        /// The authorities of which clients must show a certificate; `None`: they need none.
        client_ca: Option<PathBuf>,
        /// The address to bind.
        addr: SocketAddr,
        /// How many connections may wait to be accepted.
        backlog: u32,
    },
    /// `systemd:domain=INET:index=N`, or `…:name=NAME`: a socket that listens already and that
    /// whoever started this process handed over (`sd_listen_fds(3)`).
    Systemd {
        /// What it must be: INET, INET6 or UNIX.
        domain: SocketDomain,
        /// Which one it is.
        socket: HandedSocket,
    },
    /// `haproxy:` before another endpoint: proxies connect there, and say first whose connection
    /// it is (the PROXY protocol).
    Haproxy(Box<ServerEndpoint>),
}

/// The kind of a socket that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketDomain {
    /// TCP over IPv4.
    Inet,
    /// TCP over IPv6.
    Inet6,
    /// A Unix socket.
    Unix,
}

impl SocketDomain {
    const ALL: [Self; 3] = [Self::Inet, Self::Inet6, Self::Unix];

    fn name(self) -> &'static str {
        match self {
            Self::Inet => "INET",
            Self::Inet6 => "INET6",
            Self::Unix => "UNIX",
        }
    }
}

/// Which of the sockets handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandedSocket {
    /// The one of this place, from 0 on.
    Index(usize),
    /// The first one of this name (`FileDescriptorName=`).
    Name(String),
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEndpoint {
    /// `tcp:HOST:PORT[:timeout=SECONDS]`, also `tcp6:`; a host name, or an address with its colons
    /// escaped.
    Tcp {
        /// A name or an IP address.
        host: String,
        /// The port, not 0.
        port: u16,
        /// How long to try.
        timeout_ms: Option<u64>,
    },
    /// `unix:PATH[:timeout=SECONDS]`.
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// How long to try.
        timeout_ms: Option<u64>,
    },
    /// `tls:HOST:PORT[:trustRoots=PATH][:certificate=FILE][:timeout=SECONDS]`: TLS over TCP; the
    /// server must show a certificate of this host.
    Tls {
        /// A name or an IP address.
        host: String,
        /// The port, not 0.
        port: u16,
        /// A file of authorities, or a folder of such files; `None`: those of the system.
        trust_roots: Option<PathBuf>,
        /// The certificate with its key that is shown when the server asks for one.
        certificate: Option<PathBuf>,
        /// How long to try.
        timeout_ms: Option<u64>,
    },
}

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// A type that exists in Twisted or later versions, but not here.
    Unsupported(String),
    /// A type that nobody knows.
    UnknownType(String),
    /// Nothing stands where this should.
    Missing(&'static str),
    /// A value that can't be one of these.
    Invalid(&'static str, String),
    /// A key that this type doesn't have.
    UnknownKey(String),
    /// A key or positional value too many.
    Extra(String),
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(kind) => {
                let known = "tcp, tcp6, unix, tls";
                write!(f, "{kind} endpoints are not supported by this version: use {known}")
            }
            Self::UnknownType(kind) => {
                write!(
                    f,
                    "{kind:?} is no endpoint type: use tcp, tcp6, unix, tls, systemd or haproxy, \
                     as in tcp:8001"
                )
            }
            Self::Missing(what) => write!(f, "the endpoint has no {what}"),
            Self::Invalid(what, text) => write!(f, "{text:?} is not a valid {what}"),
            Self::UnknownKey(key) => write!(f, "an endpoint of this type has no key {key:?}"),
            Self::Extra(text) => write!(f, "{text:?} is one part too many"),
        }
    }
}

impl std::error::Error for EndpointError {}

/// An endpoint string taken apart; each part is taken out once and the rest must be empty.
struct Parts {
    kind: String,
    positional: Vec<String>,
    keyed: Vec<(String, String)>,
}

impl Parts {
    fn split(text: &str) -> Result<Self, EndpointError> {
        let mut fields = vec![(None, String::new())];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let last = fields.last_mut();
            let (key, value) = last.ok_or(EndpointError::Missing("type"))?;
            match c {
                '\\' => {
                    let escaped = chars.next();
                    value.push(escaped.ok_or(EndpointError::Missing("escaped character"))?);
                }
                ':' => fields.push((None, String::new())),
                '=' if key.is_none() => *key = Some(std::mem::take(value)),
                other => value.push(other),
            }
        }
        let mut parts = Self { kind: String::new(), positional: Vec::new(), keyed: Vec::new() };
        for (key, value) in fields {
            match key {
                Some(key) => parts.keyed.push((key, value)),
                None if parts.kind.is_empty() && parts.positional.is_empty() => parts.kind = value,
                None => parts.positional.push(value),
            }
        }
        Ok(parts)
    }

    /// The first positional value, or the one of this key, as Twisted lets users write either.
    fn positional(&mut self, key: &'static str) -> Result<String, EndpointError> {
        if self.positional.is_empty() {
            return self.keyed(key).ok_or(EndpointError::Missing(key));
        }
        Ok(self.positional.remove(0))
    }

    fn keyed(&mut self, key: &str) -> Option<String> {
        let at = self.keyed.iter().position(|(name, _)| name == key)?;
        Some(self.keyed.remove(at).1)
    }

    fn number<T: FromStr>(&mut self, key: &'static str) -> Result<Option<T>, EndpointError> {
        let Some(text) = self.keyed(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| EndpointError::Invalid(key, text))
    }

    /// Seconds, possibly with a fraction, as milliseconds.
    fn timeout_ms(&mut self) -> Result<Option<u64>, EndpointError> {
        let Some(text) = self.keyed("timeout") else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => {
                Ok(Some((seconds * 1000.0).round() as u64))
            }
            _ => Err(EndpointError::Invalid("timeout", text)),
        }
    }

    fn finish(self) -> Result<(), EndpointError> {
        if let Some(extra) = self.positional.into_iter().next() {
            return Err(EndpointError::Extra(extra));
        }
        match self.keyed.into_iter().next() {
            Some((key, _)) => Err(EndpointError::UnknownKey(key)),
            None => Ok(()),
        }
    }

    fn refuse_kind(self) -> EndpointError {
        match &self.kind[..] {
            "" => EndpointError::Missing("type"),
            "ssl" | "systemd" | "haproxy" | "stdio" => EndpointError::Unsupported(self.kind),
            _ => EndpointError::UnknownType(self.kind),
        }
    }

    /// `yes` or `no`, which is the default.
    fn flag(&mut self, key: &'static str) -> Result<bool, EndpointError> {
        match self.keyed(key).as_deref() {
            None | Some("no") => Ok(false),
            Some("yes") => Ok(true),
            Some(other) => Err(EndpointError::Invalid(key, other.to_owned())),
        }
    }

    fn path(&mut self) -> Result<PathBuf, EndpointError> {
        match self.positional("path")? {
            empty if empty.is_empty() => Err(EndpointError::Missing("path")),
            path => Ok(path.into()),
        }
    }

    /// A path that may be left out, but not be empty.
    fn keyed_path(&mut self, key: &'static str) -> Result<Option<PathBuf>, EndpointError> {
        match self.keyed(key) {
            Some(empty) if empty.is_empty() => Err(EndpointError::Missing(key)),
            path => Ok(path.map(PathBuf::from)),
        }
    }

    fn host_and_port(&mut self) -> Result<(String, u16), EndpointError> {
        let host = self.positional("host")?;
        if host.is_empty() {
            return Err(EndpointError::Missing("host"));
        }
        match port(self.positional("port")?)? {
            0 => Err(EndpointError::Invalid("port", "0".to_owned())),
            port => Ok((host, port)),
        }
    }
}

fn port(text: String) -> Result<u16, EndpointError> {
    text.parse().map_err(|_| EndpointError::Invalid("port", text))
}

impl FromStr for ServerEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(inner) = text.strip_prefix("haproxy:") {
            return Self::behind_proxies(inner);
        }
        let mut parts = Parts::split(text)?;
        let endpoint = match &parts.kind[..] {
            "systemd" => Self::systemd(&mut parts)?,
            "tcp" => Self::tcp(&mut parts, Ipv4Addr::LOCALHOST.into())?,
            "tcp6" => Self::tcp(&mut parts, Ipv6Addr::LOCALHOST.into())?,
            "tls" => Self::tls(&mut parts)?,
            "unix" => {
                let path = parts.path()?;
                let mode = match parts.keyed("mode") {
                    Some(octal) => u32::from_str_radix(&octal, 8)
                        .ok()
                        .filter(|mode| *mode <= 0o777)
                        .ok_or(EndpointError::Invalid("mode", octal))?,
                    None => MODE_DEFAULT,
                };
                let backlog = parts.number("backlog")?.unwrap_or(BACKLOG_DEFAULT);
                Self::Unix { path, mode, backlog }
            }
            _ => return Err(parts.refuse_kind()),
        };
        parts.finish()?;
        Ok(endpoint)
    }
}

impl ServerEndpoint {
    fn tcp(parts: &mut Parts, local: IpAddr) -> Result<Self, EndpointError> {
        let (addr, backlog) = bound(parts, local)?;
        let reuse_port = parts.flag("reusePort")?;
        Ok(Self::Tcp { addr, backlog, reuse_port })
    }

    fn tls(parts: &mut Parts) -> Result<Self, EndpointError> {
        let folder = match parts.positional("certificates")? {
            empty if empty.is_empty() => {
                return Err(EndpointError::Missing("folder of certificates"));
            }
            folder => folder.into(),
        };
        let client_ca = parts.keyed_path("clientCA")?;
        let (addr, backlog) = bound(parts, Ipv4Addr::LOCALHOST.into())?;
        Ok(Self::Tls { folder, client_ca, addr, backlog })
    }

    /// The address to bind, unless it is a path.
    pub fn addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { addr, .. } | Self::Tls { addr, .. } => Some(*addr),
            Self::Unix { .. } | Self::Systemd { .. } => None,
            Self::Haproxy(inner) => inner.addr(),
        }
    }

    fn systemd(parts: &mut Parts) -> Result<Self, EndpointError> {
        let domain = parts.positional("domain")?;
        let known = SocketDomain::ALL.into_iter().find(|known| known.name() == domain);
        let domain = known.ok_or(EndpointError::Invalid("domain", domain))?;
        let socket = match (parts.number("index")?, parts.keyed("name")) {
            (Some(index), None) => HandedSocket::Index(index),
            (None, Some(name)) if !name.is_empty() => HandedSocket::Name(name),
            (Some(_), Some(name)) => return Err(EndpointError::Extra(format!("name={name}"))),
            _ => return Err(EndpointError::Missing("index or name")),
        };
        Ok(Self::Systemd { domain, socket })
    }

    fn behind_proxies(inner: &str) -> Result<Self, EndpointError> {
        match inner.parse()? {
            Self::Haproxy(_) => Err(EndpointError::Extra("haproxy".to_owned())),
            inner => Ok(Self::Haproxy(Box::new(inner))),
        }
    }

    /// The endpoint that is bound: the one behind `haproxy:`, or itself.
    pub fn bound(&self) -> &Self {
        match self {
            Self::Haproxy(inner) => inner,
            other => other,
        }
    }

    /// True when only this machine can reach it. Who comes by way of a proxy is from anywhere; and
    /// what address a socket has that was handed over is not known here.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp { addr, .. } | Self::Tls { addr, .. } => addr.ip().is_loopback(),
            Self::Unix { .. } => true,
            Self::Systemd { domain, .. } => *domain == SocketDomain::Unix,
            Self::Haproxy(_) => false,
        }
    }
}

/// The address and backlog of a TCP listener; `local` is the interface unless one is named.
fn bound(parts: &mut Parts, local: IpAddr) -> Result<(SocketAddr, u32), EndpointError> {
    let port = port(parts.positional("port")?)?;
    let ip: IpAddr = match parts.keyed("interface") {
        // An empty interface is Twisted's way to say all of them.
        Some(all) if all.is_empty() => match local {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        },
        Some(text) => text.parse().map_err(|_| EndpointError::Invalid("interface", text))?,
        None => local,
    };
    if local.is_ipv6() && ip.is_ipv4() {
        return Err(EndpointError::Invalid("interface of tcp6", ip.to_string()));
    }
    let backlog = parts.number("backlog")?.unwrap_or(BACKLOG_DEFAULT);
    Ok((SocketAddr::new(ip, port), backlog))
}

impl FromStr for ClientEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let mut parts = Parts::split(text)?;
        let endpoint = match &parts.kind[..] {
            "tcp" | "tcp6" => {
                let (host, port) = parts.host_and_port()?;
                Self::Tcp { host, port, timeout_ms: parts.timeout_ms()? }
            }
            "tls" => {
                let (host, port) = parts.host_and_port()?;
                let trust_roots = parts.keyed_path("trustRoots")?;
                let certificate = parts.keyed_path("certificate")?;
                let timeout_ms = parts.timeout_ms()?;
                Self::Tls { host, port, trust_roots, certificate, timeout_ms }
            }
            "unix" => {
                let path = parts.path()?;
                Self::Unix { path, timeout_ms: parts.timeout_ms()? }
            }
            _ => return Err(parts.refuse_kind()),
        };
        parts.finish()?;
        Ok(endpoint)
    }
}

impl ClientEndpoint {
    /// How long to try, if the string says it.
    pub fn timeout_ms(&self) -> Option<u64> {
        match self {
            Self::Tcp { timeout_ms, .. }
            | Self::Unix { timeout_ms, .. }
            | Self::Tls { timeout_ms, .. } => *timeout_ms,
        }
    }

    /// The host and port, unless it is a path.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        match self {
            Self::Tcp { host, port, .. } | Self::Tls { host, port, .. } => Some((host, *port)),
            Self::Unix { .. } => None,
        }
    }

    /// True when it is sure to be on this machine: a loopback address or `localhost`, or a path.
    pub fn is_local(&self) -> bool {
        self.host_and_port().is_none_or(|(host, _)| {
            host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        })
    }
}

/// `:key=PATH`, if there is one.
fn write_path(f: &mut fmt::Formatter<'_>, key: &str, path: Option<&PathBuf>) -> fmt::Result {
    path.map_or(Ok(()), |path| write!(f, ":{key}={}", escaped(&path.to_string_lossy())))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ':' | '=' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl fmt::Display for ServerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backlog = match self {
            Self::Tcp { addr, backlog, reuse_port } => {
                let kind = if addr.is_ipv6() { "tcp6" } else { "tcp" };
                let interface = escaped(&addr.ip().to_string());
                write!(f, "{kind}:{}:interface={interface}", addr.port())?;
                if *reuse_port {
                    f.write_str(":reusePort=yes")?;
                }
                backlog
            }
            Self::Unix { path, mode, backlog } => {
                write!(f, "unix:{}", escaped(&path.to_string_lossy()))?;
                if *mode != MODE_DEFAULT {
                    write!(f, ":mode={mode:o}")?;
                }
                backlog
            }
            Self::Tls { folder, client_ca, addr, backlog } => {
                let interface = escaped(&addr.ip().to_string());
                write!(f, "tls:{}:port={}", escaped(&folder.to_string_lossy()), addr.port())?;
                write!(f, ":interface={interface}")?;
                write_path(f, "clientCA", client_ca.as_ref())?;
                backlog
            }
            Self::Systemd { domain, socket } => {
                write!(f, "systemd:domain={}", domain.name())?;
                return match socket {
                    HandedSocket::Index(index) => write!(f, ":index={index}"),
                    HandedSocket::Name(name) => write!(f, ":name={}", escaped(name)),
                };
            }
            Self::Haproxy(inner) => return write!(f, "haproxy:{inner}"),
        };
        if *backlog == BACKLOG_DEFAULT { Ok(()) } else { write!(f, ":backlog={backlog}") }
    }
}

impl fmt::Display for ClientEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => write!(f, "tcp:{}:{port}", escaped(host))?,
            Self::Unix { path, .. } => write!(f, "unix:{}", escaped(&path.to_string_lossy()))?,
            Self::Tls { host, port, trust_roots, certificate, .. } => {
                write!(f, "tls:{}:{port}", escaped(host))?;
                write_path(f, "trustRoots", trust_roots.as_ref())?;
                write_path(f, "certificate", certificate.as_ref())?;
            }
        }
        match self.timeout_ms() {
            Some(ms) if ms % 1000 == 0 => write!(f, ":timeout={}", ms / 1000),
            Some(ms) => write!(f, ":timeout={}.{:03}", ms / 1000, ms % 1000),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_strings_mean_what_twisted_means() {
        let table = [
            ("tcp:8001", "tcp:8001:interface=127.0.0.1"),
            ("tcp:port=8001", "tcp:8001:interface=127.0.0.1"),
            ("tcp:0:interface=0.0.0.0", "tcp:0:interface=0.0.0.0"),
            ("tcp:80:interface=", "tcp:80:interface=0.0.0.0"),
            ("tcp:80:interface=10.0.0.1:backlog=5", "tcp:80:interface=10.0.0.1:backlog=5"),
            ("tcp6:80", "tcp6:80:interface=\\:\\:1"),
            ("tcp6:80:interface=\\:\\:", "tcp6:80:interface=\\:\\:"),
            ("unix:/run/a\\:b", "unix:/run/a\\:b"),
            ("unix:path=/run/x:mode=600", "unix:/run/x:mode=600"),
            ("tls:/d:port=443", "tls:/d:port=443:interface=127.0.0.1"),
            ("tls:certificates=/d:port=443", "tls:/d:port=443:interface=127.0.0.1"),
            ("tls:/d:1:interface=\\:\\::backlog=9", "tls:/d:port=1:interface=\\:\\::backlog=9"),
            ("tls:/d:0:clientCA=/c\\:a", "tls:/d:port=0:interface=127.0.0.1:clientCA=/c\\:a"),
            (
                "tcp:80:reusePort=yes:backlog=9",
                "tcp:80:interface=127.0.0.1:reusePort=yes:backlog=9",
            ),
            ("tcp:80:reusePort=no", "tcp:80:interface=127.0.0.1"),
            ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
            ("systemd:UNIX:name=a\\:b", "systemd:domain=UNIX:name=a\\:b"),
            ("haproxy:tcp:80:interface=", "haproxy:tcp:80:interface=0.0.0.0"),
            ("haproxy:systemd:INET6:index=2", "haproxy:systemd:domain=INET6:index=2"),
        ];
        for (text, canonical) in table {
            let endpoint: ServerEndpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(endpoint));
        }
    }

    #[test]
    fn client_strings_mean_what_twisted_means() {
        let table = [
            ("tcp:127.0.0.1:7002", true),
            ("tcp:localhost:7002:timeout=2", true),
            ("tcp:\\:\\:1:7002", true),
            ("tcp:example.org:7002:timeout=0.250", false),
            ("unix:/run/x", true),
            ("tls:localhost:7443", true),
            ("tls:example.org:7443:trustRoots=/ca:certificate=/me.pem:timeout=2", false),
        ];
        for (text, local) in table {
            let endpoint: ClientEndpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
            assert_eq!(endpoint.is_local(), local, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_endpoint_is_said() {
        let servers = [
            ("", "the endpoint has no type"),
            ("tcp", "the endpoint has no port"),
            ("tcp:http", "\"http\" is not a valid port"),
            ("tcp:65536", "\"65536\" is not a valid port"),
            ("tcp:1:interface=all", "\"all\" is not a valid interface"),
            ("tcp6:1:interface=127.0.0.1", "\"127.0.0.1\" is not a valid interface of tcp6"),
            ("tcp:1:color=red", "an endpoint of this type has no key \"color\""),
            ("tcp:1:2", "\"2\" is one part too many"),
            ("unix:", "the endpoint has no path"),
            ("unix:/x:mode=9", "\"9\" is not a valid mode"),
            (
                "udp:1",
                "\"udp\" is no endpoint type: use tcp, tcp6, unix, tls, systemd or haproxy, as in \
                 tcp:8001",
            ),
            ("tls::port=1", "the endpoint has no folder of certificates"),
            ("tls:/d", "the endpoint has no port"),
            ("tls:/d:1:clientCA=", "the endpoint has no clientCA"),
            ("tcp:1:reusePort=1", "\"1\" is not a valid reusePort"),
            ("systemd:domain=IPX:index=0", "\"IPX\" is not a valid domain"),
            ("systemd:domain=INET", "the endpoint has no index or name"),
            ("systemd:domain=INET:index=0:name=x", "\"name=x\" is one part too many"),
            ("systemd:domain=INET:index=-1", "\"-1\" is not a valid index"),
            ("haproxy:", "the endpoint has no type"),
            ("haproxy:haproxy:tcp:1", "\"haproxy\" is one part too many"),
            ("tcp:1\\", "the endpoint has no escaped character"),
            ("ssl:1", "ssl endpoints are not supported by this version: use tcp, tcp6, unix, tls"),
        ];
        for (text, message) in servers {
            let error = text.parse::<ServerEndpoint>().unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
        for text in [
            "tcp:h",
            "tcp::1",
            "tls:h",
            "tls:h:0",
            "tcp:h:0",
            "tcp:h:1:timeout=no",
            "tcp:h:1:timeout=-1",
        ] {
            assert!(text.parse::<ClientEndpoint>().is_err(), "{text}");
        }
    }
}
