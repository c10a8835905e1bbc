//! A way into a namespace: a port of this machine's loopback that leads to a unix socket, so that
//! the clients of all other tests reach nodes whose network is not theirs.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Leads each connection to the socket until it is dropped.
#[derive(Debug)]
pub(crate) struct Door {
    port: u16,
    is_shut: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

impl Door {
    pub(crate) fn open(port: u16, socket: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port of ours");
        let (is_shut, socket) = (Arc::new(AtomicBool::new(false)), socket.to_owned());
        let told = Arc::clone(&is_shut);
        let keeper = thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                lead(client, socket.clone());
            }
        });
        Self { port, is_shut, keeper: Some(keeper) }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_shut.store(true, Ordering::Relaxed);
        // Wakes the keeper. Should it not wake, the port stays taken, which harms nobody.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            let _ = self.keeper.take().map(JoinHandle::join);
        }
    }
}

/// Carries bytes both ways. The node's end is the end of all; the client's is only its own.
fn lead(client: TcpStream, socket: PathBuf) {
    thread::spawn(move || {
        // A node that is down does not answer: the client's connection ends, too.
        let node = UnixStream::connect(socket)?;
        client.set_nodelay(true)?;
        let (mut from_client, mut to_node) = (client.try_clone()?, node.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_node);
            let _ = to_node.shutdown(Shutdown::Write);
        });
        let copied = io::copy(&mut &node, &mut &client);
        client.shutdown(Shutdown::Both).and(copied)
    });
}
