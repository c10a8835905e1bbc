//! The opening handshake (RFC 6455, 4): what makes an HTTP request an upgrade, and its answer.

use super::extension::{Agreement, Malformed, Policy};
use crate::proto::http::{Fields, Head, Method, ResponseHead, Status, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::fmt;

/// The one version that there is.
pub const VERSION: &str = "13";
/// What both ends put behind the key (1.3).
const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client's key: what shows that its server speaks this protocol and no cache answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// Reads its 24 characters.
    fn parse(text: &[u8]) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// As it stands in `Sec-WebSocket-Key`.
    pub fn text(self) -> String {
        STANDARD.encode(self.0)
    }

    /// What the server answers to it.
    pub fn accept(self) -> String {
        let both = [self.text().as_bytes(), SUFFIX].concat();
        STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &both))
    }
}

/// A request that asks for a WebSocket as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// What is agreed about deflating; its text is the value of `Sec-WebSocket-Extensions`.
    pub deflate: Option<Agreement>,
}

/// Why a request is no upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeError {
    /// It does not ask for one.
    Absent,
    /// It asks for another version.
    Version,
    /// Its key is missing, stands twice, or is not 16 bytes in base64.
    Key,
    /// It has a body.
    Body,
    /// What it offers has not the form of extensions.
    Extensions,
}

impl UpgradeError {
    /// The status to answer with. Behind 426 stand `Upgrade` and `Sec-WebSocket-Version`.
    pub fn status(self) -> Status {
        match self {
            Self::Absent | Self::Version => Status::UPGRADE_REQUIRED,
            Self::Key | Self::Body | Self::Extensions => Status::BAD_REQUEST,
        }
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "a WebSocket is here: send GET with Upgrade: websocket over HTTP/1.1",
            Self::Version => "Sec-WebSocket-Version is 13 here",
            Self::Key => "Sec-WebSocket-Key is 16 bytes in base64, once",
            Self::Body => "an upgrade has no body",
            Self::Extensions => "Sec-WebSocket-Extensions has the form NAME; NAME=VALUE, NAME",
        })
    }
}

impl std::error::Error for UpgradeError {}

impl Upgrade {
    /// Reads what a client asks for.
    pub fn read(head: &Head<'_>, policy: Policy) -> Result<Self, UpgradeError> {
        let fields = &head.fields;
        let is_upgrade = head.method == Method::Get
            && head.version == Version::Http11
            && fields.has_token("upgrade", "websocket")
            && fields.has_token("connection", "upgrade");
        if !is_upgrade {
            return Err(UpgradeError::Absent);
        }
        if only(fields, "sec-websocket-version") != Some(VERSION.as_bytes()) {
            return Err(UpgradeError::Version);
        }
        let key = only(fields, "sec-websocket-key").and_then(Key::parse);
        let key = key.ok_or(UpgradeError::Key)?;
        if !head.body.is_empty() {
            return Err(UpgradeError::Body);
        }
        let deflate = Agreement::read(fields, policy);
        let deflate = deflate.map_err(|Malformed| UpgradeError::Extensions)?;
        Ok(Self { accept: key.accept(), deflate })
    }
}

/// The value of a field that stands once.
fn only<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = fields.all(name);
    let first = values.next();
    if values.next().is_some() { None } else { first }
}

/// True when this is the server's answer to a request with this key that offered no extension.
pub fn is_upgraded(head: &ResponseHead<'_>, key: Key) -> bool {
    let fields = &head.fields;
    head.status == Status::SWITCHING_PROTOCOLS
        && fields.has_token("upgrade", "websocket")
        && fields.has_token("connection", "upgrade")
        && fields.first("sec-websocket-extensions").is_none()
        && only(fields, "sec-websocket-accept") == Some(key.accept().as_bytes())
}
