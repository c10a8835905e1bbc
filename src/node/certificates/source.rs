//! Where the certificates of one listener come from: files that are read and judged, and looked at
//! again. All of it blocks: it is for the start, and for threads of the pool.

use super::TlsError;
use crate::base::ServerEndpoint;
use crate::config::{Listen, PemFile, PemStamp, Service, read_folder, read_pem};
use crate::reactor::{Authorities, Certificates, TlsServer};
use std::fmt;
use std::path::PathBuf;

/// Where certificates come from, and for what.
#[derive(Clone, Debug)]
pub(super) struct Source {
    folder: PathBuf,
    client_ca: Option<PathBuf>,
    /// The protocols that clients may ask for.
    alpn: &'static [&'static [u8]],
}

/// What a source was when it was last looked at: its stamp, and the hash of what was read.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    stamp: PemStamp,
    print: blake3::Hash,
}

/// The texts of a source, as they are in its files.
struct Texts {
    files: Vec<PemFile>,
    /// Of the file of authorities.
    client_ca: Option<Vec<u8>>,
}

/// What is shown of a source.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    pub(super) shown: Certificates,
    /// The text of the file of authorities.
    client_ca: Option<Vec<u8>>,
}

/// A file of a folder that can't be used.
#[derive(Debug)]
pub(super) struct LeftOut {
    why: String,
    /// What it was before stays in its place.
    pub(super) is_kept: bool,
}

/// What came of a look at a source: what it is now, and what is shown from now on if that is
/// something else.
pub(super) struct Look {
    pub(super) seen: Seen,
    pub(super) found: Result<Option<(Contents, TlsServer)>, TlsError>,
}

impl Source {
    /// Of a listener that speaks TLS, at once or when it is asked to.
    pub(super) fn of(listen: &Listen) -> Option<Self> {
        let (folder, client_ca) = match listen.endpoint.bound() {
            ServerEndpoint::Tls { folder, client_ca, .. } => (folder, client_ca.clone()),
            _ => (listen.certificates.as_ref()?, None),
        };
        Some(Self { folder: folder.clone(), client_ca, alpn: alpn_of(listen.service) })
    }

    fn stamp(&self, wall_ns: u64) -> PemStamp {
        PemStamp::of(&self.folder, self.client_ca.as_deref(), wall_ns)
    }

    fn read(&self) -> Result<Texts, TlsError> {
        let files = read_folder(&self.folder)?;
        let client_ca = self.client_ca.as_deref().map(read_pem).transpose()?;
        Ok(Texts { files, client_ca })
    }

    /// What can be shown of these texts, and which files can't. Of such a file, what it was
    /// `before` stays.
    fn judge(
        &self,
        texts: Texts,
        before: &Certificates,
    ) -> Result<(Contents, Vec<LeftOut>), TlsError> {
        let mut shown = Certificates::default();
        let put = |file| put(&mut shown, file, before).err();
        let left_out: Vec<LeftOut> = texts.files.into_iter().filter_map(put).collect();
        if shown.is_empty() {
            let first = left_out.into_iter().next().map(|file| file.why);
            return Err(TlsError::Empty(self.folder.clone(), first));
        }
        Ok((Contents { shown, client_ca: texts.client_ca }, left_out))
    }

    fn server(&self, contents: &Contents) -> Result<TlsServer, TlsError> {
        let clients = contents.client_ca.as_deref().map(|pem| Authorities::of([pem]));
        let unfit = |fault| {
            TlsError::Unfit(self.client_ca.clone().unwrap_or_else(|| self.folder.clone()), fault)
        };
        let clients = clients.transpose().map_err(unfit)?;
        TlsServer::certified(contents.shown.clone(), clients.as_ref(), self.alpn).map_err(unfit)
    }

    /// Reads all of it for the first time, at `wall_ns` or later.
    pub(super) fn open(&self, wall_ns: u64) -> Result<(Seen, Contents, TlsServer), TlsError> {
        let stamp = self.stamp(wall_ns);
        let texts = self.read();
        let seen = Seen { stamp, print: print(&texts) };
        let (contents, left_out) = self.judge(texts?, &Certificates::default())?;
        let server = self.server(&contents)?;
        for file in &left_out {
            log::error!("{file}");
        }
        Ok((seen, contents, server))
    }

    /// Reads all of it and uses none: which files can't be used.
    pub(super) fn check(&self, before: &Certificates) -> Result<Vec<LeftOut>, TlsError> {
        let (contents, left_out) = self.judge(self.read()?, before)?;
        self.server(&contents)?;
        Ok(left_out)
    }

    /// Looks at it again, at `wall_ns` or later. What was said of what it is now is not said twice.
    pub(super) fn look(
        &self,
        seen: &Seen,
        before: &Contents,
        server: &TlsServer,
        wall_ns: u64,
    ) -> Look {
        // First, so that what changes from here on is seen the next time.
        let stamp = self.stamp(wall_ns);
        if seen.stamp.still_holds(&stamp) {
            return Look { seen: seen.clone(), found: Ok(None) };
        }
        let texts = self.read();
        let print = print(&texts);
        let found = if print == seen.print {
            Ok(None)
        } else {
            texts.and_then(|texts| self.renew(texts, before, server)).map(Some)
        };
        Look { seen: Seen { stamp, print }, found }
    }

    /// What these texts are, and what secures with it. Sessions are not taken up again where other
    /// clients are let in than before.
    fn renew(
        &self,
        texts: Texts,
        before: &Contents,
        server: &TlsServer,
    ) -> Result<(Contents, TlsServer), TlsError> {
        let (contents, left_out) = self.judge(texts, &before.shown)?;
        let server = if contents.client_ca == before.client_ca {
            server.showing(contents.shown.clone())
        } else {
            self.server(&contents)?
        };
        for file in &left_out {
            log::error!("{file}");
        }
        Ok((contents, server))
    }
}

/// The hash of what was read, or of why nothing was.
fn print(texts: &Result<Texts, TlsError>) -> blake3::Hash {
    let mut print = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        print.update(&(bytes.len() as u64).to_be_bytes()).update(bytes);
    };
    match texts {
        Ok(Texts { files, client_ca }) => {
            for PemFile { name, text, .. } in files {
                add(name.as_bytes());
                match text {
                    Ok(text) => add(text),
                    Err(error) => add(error.to_string().as_bytes()),
                }
            }
            add(client_ca.as_deref().unwrap_or_default());
        }
        Err(error) => add(error.to_string().as_bytes()),
    }
    print.finalize()
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = if self.is_kept { "; the certificate of before stays" } else { "" };
        write!(f, "{}{rest}", self.why)
    }
}

/// Puts a file's certificate on show, or leaves the one of its name as it was before.
fn put(shown: &mut Certificates, file: PemFile, before: &Certificates) -> Result<(), LeftOut> {
    let PemFile { name, path, text, is_open } = file;
    if is_open {
        log::warn!("{}: anyone on this machine may read this key: chmod 600 it", path.display());
    }
    let put = match text {
        Ok(pem) => shown.put(&name, &pem).map_err(|fault| format!("{}: {fault}", path.display())),
        Err(error) => Err(error.to_string()),
    };
    put.map_err(|why| LeftOut { why, is_kept: shown.keep(&name, before) })
}

/// What clients of a service may ask for by ALPN; nothing: they may ask for anything.
pub(super) fn alpn_of(service: Service) -> &'static [&'static [u8]] {
    match service.name() {
        "http" => &[b"http/1.1"],
        "nntp" => &[b"nntp"],
        _ => &[],
    }
}
