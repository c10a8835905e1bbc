//! Where load goes: `SCHEME://HOST[:PORT][/TARGET]`.

use super::plan::schemes;
use crate::base::ClientEndpoint;
use std::str::FromStr;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Line,
    Sse,
    Publish,
    Ws,
    Pb,
}

pub(super) const SCHEMES: [Scheme; 6] =
    [Scheme::Http, Scheme::Line, Scheme::Sse, Scheme::Publish, Scheme::Ws, Scheme::Pb];

impl Scheme {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Line => "line",
            Self::Sse => "sse",
            Self::Publish => "publish",
            Self::Ws => "ws",
            Self::Pb => "pb",
        }
    }

    fn default_target(self) -> &'static str {
        match self {
            Self::Http | Self::Line => "/",
            Self::Sse => "/v1/stream",
            Self::Publish => "/v1/topics/load",
            Self::Ws => "/v1/ws/echo",
            Self::Pb => "/hello",
        }
    }

    /// The port of the first node of a herd, where there is no other that everybody expects.
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Line => 9001,
            Self::Sse | Self::Publish | Self::Ws => 8001,
            Self::Pb => 8787,
        }
    }
}

/// An address to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    host: String,
    port: Option<u16>,
    /// Path and query.
    pub(super) target: String,
}

impl Url {
    pub(super) fn endpoint(&self) -> ClientEndpoint {
        let host = self.host.trim_matches(['[', ']']).to_owned();
        let port = self.port.unwrap_or(self.scheme.default_port());
        ClientEndpoint::Tcp { host, port, timeout_ms: None }
    }

    /// What the Host field says.
    pub(super) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("{text:?} is no URL: as in http://127.0.0.1:8001/hello"));
        };
        let Some(scheme) = SCHEMES.into_iter().find(|known| known.name() == scheme) else {
            return Err(format!("load does not speak {scheme}: it knows {}", schemes()));
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains('#') {
            return Err(format!("{text:?} has characters that no URL holds: percent-encode them"));
        }
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('?') => (&rest[..at], format!("/{}", &rest[at..])),
            Some(at) if at + 1 < rest.len() => (&rest[..at], rest[at..].to_owned()),
            Some(at) => (&rest[..at], scheme.default_target().to_owned()),
            None => (rest, scheme.default_target().to_owned()),
        };
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = match colon {
            None => (authority, None),
            Some(at) => match authority[at + 1..].parse::<u16>() {
                Ok(port) if port > 0 => (&authority[..at], Some(port)),
                _ => return Err(format!("{text:?} names no port from 1 to 65535")),
            },
        };
        if host.is_empty() || host.contains('@') {
            return Err(format!("{text:?} names no host"));
        }
        Ok(Self { scheme, host: host.to_owned(), port, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let parts = |text: &str| {
            let url: Url = text.parse().unwrap();
            let ClientEndpoint::Tcp { host, port, .. } = url.endpoint() else { panic!() };
            format!("{} {host} {port} {} {}", url.scheme.name(), url.target, url.authority())
        };
        assert_eq!(parts("http://a:81/b/c?d=e"), "http a 81 /b/c?d=e a:81");
        assert_eq!(parts("http://a"), "http a 80 / a");
        assert_eq!(parts("http://a?b"), "http a 80 /?b a");
        assert_eq!(parts("line://[::1]:9002"), "line ::1 9002 / [::1]:9002");
        assert_eq!(parts("line://[::1]"), "line ::1 9001 / [::1]");
        assert_eq!(parts("sse://a:1"), "sse a 1 /v1/stream a:1");
        assert_eq!(parts("ws://a"), "ws a 8001 /v1/ws/echo a");
        assert_eq!(parts("pb://a/read/b%20c"), "pb a 8787 /read/b%20c a");
        assert_eq!(parts("publish://a:1/"), "publish a 1 /v1/topics/load a:1");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "a:81",
            "http://",
            "http://:80",
            "http://a:x",
            "http://a:70000/",
            "http://a b/",
            "http://a/#b",
            "http://é/",
            "http://me@a/",
            "https://a/",
            "wss://a/",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
}
