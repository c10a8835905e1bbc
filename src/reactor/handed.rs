//! Listening sockets that outlive processes: those that systemd or another supervisor hands to this
//! one when it starts (`sd_listen_fds(3)`), and those that this one hands to the program that takes
//! its place. For both it is the same: descriptors from 3 on, and variables that say how many and
//! for whom. What each is for, this program says to itself in a variable of its own.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{self, Command};

use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;
use socket2::{Domain, Socket};

use crate::base::{HandedSocket, ServerEndpoint, SocketDomain};

/// The first descriptor handed over.
const FIRST: i32 = 3;
const COUNT: &str = "LISTEN_FDS";
const PROCESS: &str = "LISTEN_PID";
const NAMES: &str = "LISTEN_FDNAMES";
/// What each is for, as a list of texts in JSON: only where this program handed them to itself.
const PURPOSES: &str = "BELLWETHER_SOCKETS";

/// A listening socket without a listener, on its way to the next process.
#[derive(Debug)]
pub struct Retired {
    purpose: String,
    socket: OwnedFd,
}

impl Retired {
    pub(super) fn new(endpoint: &ServerEndpoint, socket: OwnedFd) -> Self {
        Self { purpose: purpose(endpoint), socket }
    }

    /// Has a command find these sockets when it is run in the place of this process
    /// ([`CommandExt::exec`](std::os::unix::process::CommandExt::exec)).
    pub fn hand_on(command: &mut Command, sockets: Vec<Self>) -> io::Result<()> {
        let purposes: Vec<&str> = sockets.iter().map(|socket| &socket.purpose[..]).collect();
        let purposes = serde_json::to_string(&purposes).map_err(io::Error::other)?;
        command.env(COUNT, sockets.len().to_string()).env(PROCESS, process::id().to_string());
        command.env(PURPOSES, purposes).env_remove(NAMES);
        let children = (FIRST..).zip(sockets);
        let mappings =
            children.map(|(child_fd, socket)| FdMapping { parent_fd: socket.socket, child_fd });
        command.fd_mappings(mappings.collect()).map(drop).map_err(io::Error::other)
    }
}

/// What a socket is for, whatever else its endpoint says.
fn purpose(endpoint: &ServerEndpoint) -> String {
    match endpoint {
        ServerEndpoint::Tcp { addr, .. } | ServerEndpoint::Tls { addr, .. } => {
            format!("tcp:{addr}")
        }
        ServerEndpoint::Unix { path, .. } => format!("unix:{}", path.display()),
        ServerEndpoint::Systemd { socket: HandedSocket::Index(index), .. } => by_index(*index),
        ServerEndpoint::Systemd { socket: HandedSocket::Name(name), .. } => by_name(name),
        ServerEndpoint::Haproxy(inner) => purpose(inner),
    }
}

fn by_index(index: usize) -> String {
    format!("systemd:index={index}")
}

fn by_name(name: &str) -> String {
    format!("systemd:name={name}")
}

/// What was handed to this process and no listener has taken yet.
#[derive(Debug, Default)]
pub(super) struct Handed(Vec<Waiting>);

#[derive(Debug)]
struct Waiting {
    purposes: Vec<String>,
    socket: OwnedFd,
}

impl Handed {
    /// Takes what the environment tells of. The second time there is nothing.
    pub(super) fn of_this_process() -> Self {
        let mut given = ListenFd::from_env();
        let said = Said::of_the_environment();
        let mut waiting = Vec::new();
        for index in 0..given.len() {
            match socket(&mut given, index) {
                Ok(socket) => waiting.push(Waiting { purposes: said.purposes(index), socket }),
                Err(error) => log::warn!("the socket {index} that was handed over: {error}"),
            }
        }
        Self(waiting)
    }

    /// Closes what none of these endpoints is: whoever connected there would wait in vain.
    pub(super) fn keep_for<'a>(&mut self, endpoints: impl Iterator<Item = &'a ServerEndpoint>) {
        let wanted: Vec<String> = endpoints.map(purpose).collect();
        self.0.retain(|waiting| {
            let is_wanted = waiting.purposes.iter().any(|one| wanted.contains(one));
            if !is_wanted {
                let purposes = waiting.purposes.join(" or ");
                log::warn!("no listener is for the socket that was handed over as {purposes}");
            }
            is_wanted
        });
    }

    /// The socket for an endpoint, if there is one, as it was handed over.
    pub(super) fn take(&mut self, endpoint: &ServerEndpoint) -> io::Result<Option<Socket>> {
        let purpose = purpose(endpoint);
        let Some(at) = self.0.iter().position(|waiting| waiting.purposes.contains(&purpose)) else {
            return Ok(None);
        };
        let socket = Socket::from(self.0.remove(at).socket);
        if !socket.is_listener()? {
            return Err(io::Error::other("the socket that was handed over does not listen"));
        }
        if let ServerEndpoint::Systemd { domain, .. } = endpoint
            && socket.domain()? != system(*domain)
        {
            return Err(io::Error::other("the socket that was handed over has another domain"));
        }
        socket.set_nonblocking(true)?;
        Ok(Some(socket))
    }
}

fn system(domain: SocketDomain) -> Domain {
    match domain {
        SocketDomain::Inet => Domain::IPV4,
        SocketDomain::Inet6 => Domain::IPV6,
        SocketDomain::Unix => Domain::UNIX,
    }
}

/// A stream socket of either kind, closed when another program is run.
fn socket(given: &mut ListenFd, index: usize) -> io::Result<OwnedFd> {
    if let Ok(Some(listener)) = given.take_tcp_listener(index) {
        return Ok(listener.into());
    }
    match given.take_unix_listener(index)? {
        Some(listener) => Ok(listener.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// What was said of the sockets, beside how many they are.
struct Said {
    purposes: Option<Vec<String>>,
    names: Vec<String>,
}

impl Said {
    fn of_the_environment() -> Self {
        let purposes = env::var(PURPOSES).ok().and_then(|text| serde_json::from_str(&text).ok());
        let names = env::var(NAMES).unwrap_or_default();
        Self { purposes, names: names.split(':').map(str::to_owned).collect() }
    }

    fn purposes(&self, index: usize) -> Vec<String> {
        if let Some(purposes) = &self.purposes {
            return purposes.get(index).cloned().into_iter().collect();
        }
        let name = self.names.get(index).filter(|name| !name.is_empty());
        [Some(by_index(index)), name.map(|name| by_name(name))].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn endpoint(text: &str) -> ServerEndpoint {
        text.parse().unwrap()
    }

    fn handed(purposes: &[&[&str]]) -> Handed {
        let waiting = |purposes: &&[&str]| Waiting {
            purposes: purposes.iter().map(|&one| one.to_owned()).collect(),
            socket: TcpListener::bind("127.0.0.1:0").unwrap().into(),
        };
        Handed(purposes.iter().map(waiting).collect())
    }

    #[test]
    fn what_a_supervisor_says_is_by_place_and_name_and_our_own_word_is_by_purpose() {
        let names = vec!["web".to_owned(), String::new()];
        let said = Said { purposes: None, names: names.clone() };
        assert_eq!(said.purposes(0), ["systemd:index=0", "systemd:name=web"]);
        assert_eq!(said.purposes(1), ["systemd:index=1"]);
        assert_eq!(said.purposes(2), ["systemd:index=2"]);
        let own = Said { purposes: Some(vec!["tcp:127.0.0.1:1".to_owned()]), names };
        assert_eq!(own.purposes(0), ["tcp:127.0.0.1:1"]);
        assert!(own.purposes(1).is_empty());
    }

    #[test]
    fn a_socket_goes_to_the_endpoint_it_is_for_once() {
        let mut all = handed(&[&["systemd:index=0", "systemd:name=web"], &["tcp:127.0.0.1:80"]]);
        assert!(all.take(&endpoint("systemd:domain=INET:index=1")).unwrap().is_none());
        assert!(all.take(&endpoint("systemd:domain=INET:name=web")).unwrap().is_some());
        assert!(all.take(&endpoint("systemd:domain=INET:index=0")).unwrap().is_none());
        let other_options = endpoint("tcp:80:backlog=7:reusePort=yes");
        assert!(all.take(&other_options).unwrap().is_some());
        assert!(all.0.is_empty());
    }

    #[test]
    fn a_socket_of_another_domain_is_an_error() {
        let mut all = handed(&[&["systemd:index=0"]]);
        let error = all.take(&endpoint("systemd:domain=INET6:index=0")).unwrap_err();
        assert!(error.to_string().contains("another domain"), "{error}");
    }

    #[test]
    fn what_nobody_wants_is_closed() {
        let mut all = handed(&[&["systemd:index=0"], &["tcp:127.0.0.1:80"], &["unix:/a"]]);
        let wanted = [endpoint("haproxy:tcp:80"), endpoint("unix:/b")];
        all.keep_for(wanted.iter());
        assert_eq!(all.0.len(), 1);
        assert_eq!(all.0[0].purposes, ["tcp:127.0.0.1:80"]);
    }
}
