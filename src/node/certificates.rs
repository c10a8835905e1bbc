//! The certificates of a node's TLS listeners: read before it begins, and again when their files
//! have changed, off the loop. A file that is broken then changes nothing: what was good stays.

use super::{Node, NodeError};
use crate::base::{ClientEndpoint, ServerEndpoint};
use crate::config::{
    Config, Listen, PemError, PemFile, PemStamp, Service, read_authorities, read_folder, read_pem,
};
use crate::reactor::{
    Authorities, CertificateFault, Certificates, Ctx, Finish, TlsClient, TlsServer,
};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a TLS endpoint can't be used. One line, which names the file.
#[derive(Debug)]
pub enum TlsError {
    /// A file or folder can't be read.
    Unread(PemError),
    /// What is in a file can't be used.
    Unfit(PathBuf, CertificateFault),
    /// A folder has no certificate that can be used.
    Empty(PathBuf),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(error) => write!(f, "{error}"),
            Self::Unfit(path, fault) => write!(f, "{}: {fault}", path.display()),
            Self::Empty(folder) => write!(
                f,
                "{}: no NAME.pem there has a certificate with its key (bellwether dev-cert makes \
                 some)",
                folder.display()
            ),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<PemError> for TlsError {
    fn from(error: PemError) -> Self {
        Self::Unread(error)
    }
}

/// Where certificates come from, and for what.
#[derive(Clone, Debug)]
struct Source {
    folder: PathBuf,
    client_ca: Option<PathBuf>,
    /// The protocols that clients may ask for.
    alpn: &'static [&'static [u8]],
}

/// What was read of a source.
#[derive(Clone, Debug)]
struct Contents {
    stamp: PemStamp,
    shown: Certificates,
    /// The text of the file of authorities.
    client_ca: Option<Vec<u8>>,
}

/// One listener's.
#[derive(Debug)]
struct Shelf {
    listen: Listen,
    source: Source,
    contents: Contents,
    server: TlsServer,
}

/// Those of all listeners that speak TLS.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    shelves: Vec<Shelf>,
    is_looking: bool,
}

impl Source {
    /// Of a listener that speaks TLS, at once or when it is asked to.
    fn of(listen: &Listen) -> Option<Self> {
        let (folder, client_ca) = match listen.endpoint.bound() {
            ServerEndpoint::Tls { folder, client_ca, .. } => (folder, client_ca.clone()),
            _ => (listen.certificates.as_ref()?, None),
        };
        Some(Self { folder: folder.clone(), client_ca, alpn: alpn_of(listen.service) })
    }

    fn stamp(&self) -> PemStamp {
        PemStamp::of(&self.folder, self.client_ca.as_deref())
    }

    /// Reads all of it. Of a file that can't be used, what it was `before` stays.
    fn read(&self, before: &Certificates) -> Result<Contents, TlsError> {
        // First, so that what changes from here on is seen the next time.
        let stamp = self.stamp();
        let mut shown = Certificates::default();
        for file in read_folder(&self.folder)? {
            put(&mut shown, file, before);
        }
        if shown.is_empty() {
            return Err(TlsError::Empty(self.folder.clone()));
        }
        let client_ca = self.client_ca.as_deref().map(read_pem).transpose()?;
        Ok(Contents { stamp, shown, client_ca })
    }

    fn server(&self, contents: &Contents) -> Result<TlsServer, TlsError> {
        let clients = contents.client_ca.as_deref().map(|pem| Authorities::of([pem]));
        let unfit = |fault| {
            TlsError::Unfit(self.client_ca.clone().unwrap_or_else(|| self.folder.clone()), fault)
        };
        let clients = clients.transpose().map_err(unfit)?;
        TlsServer::certified(contents.shown.clone(), clients.as_ref(), self.alpn).map_err(unfit)
    }

    /// Reads it again if it has changed: what is there now, and what secures with it. Sessions are
    /// not taken up again where other clients are let in than before.
    fn renew(
        &self,
        before: &Contents,
        server: &TlsServer,
    ) -> Result<Option<(Contents, TlsServer)>, TlsError> {
        if self.stamp() == before.stamp {
            return Ok(None);
        }
        let contents = self.read(&before.shown)?;
        let server = if contents.client_ca == before.client_ca {
            server.showing(contents.shown.clone())
        } else {
            self.server(&contents)?
        };
        Ok(Some((contents, server)))
    }
}

/// Puts a file's certificate on show, or leaves the one of its name as it was before.
fn put(shown: &mut Certificates, file: PemFile, before: &Certificates) {
    let PemFile { name, path, text, is_open } = file;
    if is_open {
        log::warn!("{}: anyone on this machine may read this key: chmod 600 it", path.display());
    }
    let put = match text {
        Ok(pem) => shown.put(&name, &pem).map_err(|fault| format!("{}: {fault}", path.display())),
        Err(error) => Err(error.to_string()),
    };
    if let Err(why) = put {
        let kept = shown.keep(&name, before);
        log::error!("{why}{}", if kept { "; the certificate of before stays" } else { "" });
    }
}

/// What clients of a service may ask for by ALPN; nothing: they may ask for anything.
fn alpn_of(service: Service) -> &'static [&'static [u8]] {
    match service.name() {
        "http" => &[b"http/1.1"],
        "nntp" => &[b"nntp"],
        _ => &[],
    }
}

impl Shelves {
    /// Reads the certificates of every listener that needs some.
    pub(super) fn open(config: &Config) -> Result<Self, NodeError> {
        let mut shelves = Vec::new();
        for listen in &config.listen {
            let Some(source) = Source::of(listen) else { continue };
            let endpoint = listen.endpoint.clone();
            let read = source.read(&Certificates::default());
            let opened = read.and_then(|contents| Ok((source.server(&contents)?, contents)));
            match opened {
                Ok((server, contents)) => {
                    let names: Vec<_> = contents.shown.names().collect();
                    log::info!("{endpoint} shows the certificates of {}", names.join(", "));
                    let listen = listen.clone();
                    shelves.push(Shelf { listen, source, contents, server });
                }
                Err(error) => return Err(NodeError::Certificates(endpoint, Box::new(error))),
            }
        }
        Ok(Self { shelves, is_looking: false })
    }

    /// What secures the connections of a listener, if it has certificates.
    pub(super) fn server(&self, listen: &Listen) -> Option<&TlsServer> {
        let mut shelves = self.shelves.iter();
        shelves.find(|shelf| shelf.listen == *listen).map(|shelf| &shelf.server)
    }
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
        let of =
            |shelf: &Shelf| (shelf.source.clone(), shelf.contents.clone(), shelf.server.clone());
        let shelves: Vec<_> = self.shelves.shelves.iter().map(of).collect();
        let job = move || -> Finish<Self> {
            let renewed: Vec<_> = shelves
                .into_iter()
                .map(|(source, contents, server)| source.renew(&contents, &server))
                .collect();
            Box::new(move |_, node: &mut Self| node.shelves.take_in(renewed))
        };
        match cx.offload(Box::new(job)) {
            Ok(()) => self.shelves.is_looking = true,
            Err(full) => log::debug!("certificates are not looked at now: {full}"),
        }
    }
}

impl Shelves {
    fn take_in(&mut self, renewed: Vec<Result<Option<(Contents, TlsServer)>, TlsError>>) {
        self.is_looking = false;
        for (shelf, renewed) in self.shelves.iter_mut().zip(renewed) {
            match renewed {
                Ok(None) => {}
                Ok(Some((contents, server))) => {
                    let names: Vec<_> = contents.shown.names().collect();
                    let (endpoint, names) = (&shelf.listen.endpoint, names.join(", "));
                    log::info!("{endpoint} shows from now on the certificates of {names}");
                    shelf.server.change_to(&server);
                    shelf.contents = contents;
                }
                Err(error) => {
                    log::error!(
                        "{}: its certificates stay as they were: {error}",
                        shelf.listen.endpoint
                    );
                    // Said once; the next change is looked at again.
                    shelf.contents.stamp = shelf.source.stamp();
                }
            }
        }
    }
}
