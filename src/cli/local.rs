//! The running node of a configuration, asked on its own machine: over the first HTTP listener that
//! is reachable from here, a unix socket too. Who can read the node's key may ask for everything,
//! and shows that by a pass, signed with the key and good for a minute.

use super::args::Args;
use super::client::Answer;
use super::failure::{Failure, one_line};
use crate::accounts::Pass;
use crate::base::{InBuf, ServerEndpoint};
use crate::config::{Config, Service, load_or_make_key};
use crate::proto::http::{Event, HttpLimits, Request, ResponseCodec};
use crate::update::SigningKey;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the node may take for an answer.
const TIMEOUT: Duration = Duration::from_mins(1);
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Where the node listens.
#[derive(Debug)]
enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A node on this machine.
pub(crate) struct Local {
    name: String,
    door: Door,
    key: SigningKey,
}

/// A connection to it.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Local {
    /// The node of the configuration that `--config` names. Nothing is sent yet.
    pub(crate) fn of(args: &Args) -> Result<Self, Failure> {
        let Some(file) = args.raw("config") else {
            return Err(args.wrong("name the node's configuration with --config"));
        };
        let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
        let config = Config::load(Path::new(file)).map_err(|error| failed(&error))?;
        let key = load_or_make_key(&config.dir).map_err(|error| failed(&error))?;
        let mut http = config.listen.iter().filter(|listen| listen.speaks(Service::Http));
        let door = http.find_map(|listen| door(&listen.endpoint));
        let door = door.ok_or_else(|| {
            Failure::failed(format!(
                "{}: no HTTP listener of a fixed port that this machine can reach: add one",
                file.to_string_lossy()
            ))
        })?;
        Ok(Self { name: config.name, door, key })
    }

    /// GET of a path.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask("GET", path, None)
    }

    /// POST of JSON.
    pub(crate) fn post(&self, path: &str, json: &[u8]) -> Result<Answer, Failure> {
        self.ask("POST", path, Some(json))
    }

    fn ask(
        &self,
        method: &'static str,
        path: &str,
        json: Option<&[u8]>,
    ) -> Result<Answer, Failure> {
        let mut bytes = Vec::new();
        let pass = format!("Bearer {}", self.pass());
        let request = Request::new(&mut bytes, method, path, "localhost")
            .field("Connection", "close")
            .field("Accept", "application/json")
            .field("Authorization", pass);
        match json {
            Some(json) => request.field("Content-Type", "application/json").body(json),
            None => request.end(),
        }
        self.exchange(&bytes).map_err(|error| {
            let (name, cause) = (&self.name, one_line(&error.to_string()));
            let place = match &self.door {
                Door::Tcp(addr) => addr.to_string(),
                Door::Unix(path) => path.display().to_string(),
            };
            Failure::failed(format!("the node {name} does not run at {place}: {cause}; start it"))
        })
    }

    fn pass(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let pass = Pass { expires_ms: now.as_millis() as u64 + Pass::GOOD_MS };
        pass.signed(self.key.public(), |message| self.key.sign(message))
    }

    fn exchange(&self, request: &[u8]) -> io::Result<Answer> {
        let mut stream: Box<dyn Stream> = match &self.door {
            Door::Tcp(addr) => {
                let stream = TcpStream::connect_timeout(addr, TIMEOUT)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                Box::new(stream)
            }
            Door::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                Box::new(stream)
            }
        };
        stream.write_all(request)?;
        read(&mut *stream)
    }
}

/// Where this machine reaches an endpoint; none for a port that the system chooses.
fn door(endpoint: &ServerEndpoint) -> Option<Door> {
    match endpoint {
        ServerEndpoint::Tcp { addr, .. } if addr.port() == 0 => None,
        ServerEndpoint::Tcp { addr, .. } => {
            let ip = match addr.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                // Elsewhere the node would see us come from an address that is not loopback, from
                // which it takes no pass.
                ip if ip.is_loopback() => ip,
                _ => return None,
            };
            Some(Door::Tcp(SocketAddr::new(ip, addr.port())))
        }
        ServerEndpoint::Unix { path, .. } => Some(Door::Unix(path.clone())),
        // We do not know its address, or are no proxy; and only by its own name would it show a
        // certificate that we could trust.
        ServerEndpoint::Systemd { .. }
        | ServerEndpoint::Haproxy(_)
        | ServerEndpoint::Tls { .. } => None,
    }
}

/// Reads one answer.
fn read(stream: &mut dyn Stream) -> io::Result<Answer> {
    let mut codec = ResponseCodec::new(HttpLimits::default());
    let mut input = InBuf::new(64 << 10);
    let (mut status, mut body) = (0, Vec::new());
    loop {
        while let Some(event) = codec.next(&mut input).map_err(io::Error::other)? {
            match event {
                Event::Head(head) => status = head.status.code(),
                Event::Body(piece) => body.extend_from_slice(piece),
                Event::End if status >= 200 => return Ok(Answer::new(status, body)),
                Event::End => {}
            }
            if body.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other("its answer is too long"));
            }
        }
        let mut bytes = [0; 16 << 10];
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.push(&bytes[..count]);
    }
}
