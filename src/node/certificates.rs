//! The certificates of a node's TLS listeners: read before it begins, and again when their files
//! have changed, off the loop. A file that is broken then changes nothing: what was good stays.

mod source;

use super::{Node, NodeError};
use crate::base::ClientEndpoint;
use crate::config::{Config, Listen, PeerKind, PemError, Service, read_authorities, read_pem};
use crate::reactor::{
    Authorities, CertificateFault, Certificates, Ctx, Finish, TlsClient, TlsServer,
};
use source::{Contents, LeftOut, Look, Seen, Source, alpn_of};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a TLS endpoint can't be used. One line, which names the file.
#[derive(Debug)]
pub enum TlsError {
    /// A file or folder can't be read.
    Unread(PemError),
    /// What is in a file can't be used.
    Unfit(PathBuf, CertificateFault),
    /// A folder has no certificate that can be used; why its first file can't, if it has one.
    Empty(PathBuf, Option<String>),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(error) => write!(f, "{error}"),
            Self::Unfit(path, fault) => write!(f, "{}: {fault}", path.display()),
            Self::Empty(folder, first) => {
                let why = first.as_deref().unwrap_or("bellwether dev-cert makes some");
                let folder = folder.display();
                write!(f, "{folder}: no NAME.pem there has a certificate with its key ({why})")
            }
        }
    }
}

impl std::error::Error for TlsError {}

impl From<PemError> for TlsError {
    fn from(error: PemError) -> Self {
        Self::Unread(error)
    }
}

/// One listener's.
#[derive(Debug)]
struct Shelf {
    listen: Listen,
    source: Source,
    seen: Seen,
    contents: Contents,
    server: TlsServer,
}

/// Those of all listeners that speak TLS.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    shelves: Vec<Shelf>,
    is_looking: bool,
}

impl Shelves {
    /// Reads the certificates of every listener that needs some, at `wall_ns` or later.
    pub(super) fn open(config: &Config, wall_ns: u64) -> Result<Self, NodeError> {
        let mut shelves = Vec::new();
        for listen in &config.listen {
            let Some(source) = Source::of(listen) else { continue };
            let (seen, contents, server) =
                source.open(wall_ns).map_err(|error| unusable(listen, error))?;
            let names: Vec<_> = contents.shown.names().collect();
            log::info!("{} shows the certificates of {}", listen.endpoint, names.join(", "));
            shelves.push(Shelf { listen: listen.clone(), source, seen, contents, server });
        }
        Ok(Self { shelves, is_looking: false })
    }

    /// What secures the connections of a listener, if it has certificates.
    pub(super) fn server(&self, listen: &Listen) -> Option<&TlsServer> {
        let mut shelves = self.shelves.iter();
        shelves.find(|shelf| shelf.listen == *listen).map(|shelf| &shelf.server)
    }

    /// For a thread of the pool: the first file that is broken by now, and of which what it was
    /// before is shown still. Who begins anew would have nothing in its place.
    pub(super) fn losses(&self) -> impl FnOnce() -> Option<String> + Send + 'static {
        let of = |shelf: &Shelf| (shelf.source.clone(), shelf.contents.shown.clone());
        let shelves: Vec<_> = self.shelves.iter().map(of).collect();
        move || {
            let found = shelves.into_iter().filter_map(|(source, shown)| source.check(&shown).ok());
            found.flatten().find(|file| file.is_kept).map(|file| file.to_string())
        }
    }
}

fn unusable(listen: &Listen, error: TlsError) -> NodeError {
    NodeError::Certificates(listen.endpoint.clone(), Box::new(error))
}

/// What secures a connection to an endpoint that asks for it; reads the files that it names.
pub(super) fn client(
    endpoint: &ClientEndpoint,
    service: Service,
) -> Result<Option<TlsClient>, TlsError> {
    let ClientEndpoint::Tls { host, trust_roots, certificate, .. } = endpoint else {
        return Ok(None);
    };
    let texts = read_authorities(trust_roots.as_deref())?;
    let roots = trust_roots.as_deref().unwrap_or(Path::new("the system's authorities"));
    let authorities = Authorities::of(texts.iter().map(Vec::as_slice))
        .map_err(|fault| TlsError::Unfit(roots.to_owned(), fault))?;
    let own = certificate.as_deref().map(read_pem).transpose()?;
    let client = TlsClient::certified(host, &authorities, own.as_deref(), alpn_of(service));
    let named = certificate.as_deref().unwrap_or(Path::new(host));
    client.map(Some).map_err(|fault| TlsError::Unfit(named.to_owned(), fault))
}

/// Reads all files that a node of this configuration needs for TLS before it begins. What it would
/// have to do without, a line for each file; or why it could not begin.
pub fn check(config: &Config) -> Result<Vec<String>, NodeError> {
    let mut without = Vec::new();
    for listen in &config.listen {
        let Some(source) = Source::of(listen) else { continue };
        let left_out = source.check(&Certificates::default());
        without.extend(left_out.map_err(|error| unusable(listen, error))?);
    }
    for peer in &config.peers {
        let service = match peer.kind {
            PeerKind::Herd => continue,
            PeerKind::At { .. } => Service::At,
            PeerKind::Nntp(_) => Service::Nntp,
        };
        let Some(endpoint) = &peer.endpoint else { continue };
        client(endpoint, service)
            .map_err(|error| NodeError::Dial(peer.name.clone(), Box::new(error)))?;
    }
    Ok(without.iter().map(LeftOut::to_string).collect())
}

impl Node {
    /// Looks at the certificates now and then, for ever, if there are any.
    pub(super) fn tend_certificates_for_ever(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.shelves.shelves.is_empty() {
            return;
        }
        cx.call_later(self.config.limits.certificates_ms, |cx, node| {
            node.look_at_certificates(cx);
            node.tend_certificates_for_ever(cx);
        });
    }

    /// Reads certificates again whose files have changed, off the loop.
    pub(super) fn look_at_certificates(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.shelves.shelves.is_empty() || self.shelves.is_looking {
            return;
        }
        let of = |shelf: &Shelf| {
            let Shelf { source, seen, contents, server, .. } = shelf;
            (source.clone(), seen.clone(), contents.clone(), server.clone())
        };
        let shelves: Vec<_> = self.shelves.shelves.iter().map(of).collect();
        let wall_ns = cx.wall_ns();
        let job = move || -> Finish<Self> {
            let looks: Vec<_> = shelves
                .into_iter()
                .map(|(source, seen, contents, server)| {
                    source.look(&seen, &contents, &server, wall_ns)
                })
                .collect();
            Box::new(move |_, node: &mut Self| node.shelves.take_in(looks))
        };
        match cx.offload(Box::new(job)) {
            Ok(()) => self.shelves.is_looking = true,
            Err(full) => log::debug!("certificates are not looked at now: {full}"),
        }
    }
}

impl Shelves {
    fn take_in(&mut self, looks: Vec<Look>) {
        self.is_looking = false;
        for (shelf, Look { seen, found }) in self.shelves.iter_mut().zip(looks) {
            shelf.seen = seen;
            match found {
                Ok(None) => {}
                Ok(Some((contents, server))) => {
                    let names: Vec<_> = contents.shown.names().collect();
                    let (endpoint, names) = (&shelf.listen.endpoint, names.join(", "));
                    log::info!("{endpoint} shows from now on the certificates of {names}");
                    shelf.server.change_to(&server);
                    shelf.contents = contents;
                }
                Err(error) => {
                    let endpoint = &shelf.listen.endpoint;
                    log::error!("{endpoint}: its certificates stay as they were: {error}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
