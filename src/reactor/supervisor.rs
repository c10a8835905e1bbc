//! What a supervisor such as systemd is told of this process (`sd_notify(3)`), where it wants to
//! know: a datagram to the socket that the environment names.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

/// Says it if anyone listens, as in `READY=1`. Never blocks; that nobody hears is logged.
pub fn tell_supervisor(words: &str) {
    let Some(place) = place() else { return };
    if let Err(error) = send(&place, words) {
        log::warn!("the supervisor at {} can't be told {words}: {error}", place.display());
    }
}

/// Asks for so much time, counted from now, to start or to end, or before the next word is due;
/// time that there is anyway stays.
pub fn ask_supervisor_for(time: Duration) {
    tell_supervisor(&format!("EXTEND_TIMEOUT_USEC={}", time.as_micros()));
}

/// True when a supervisor wants to be told.
pub fn has_supervisor() -> bool {
    place().is_some()
}

fn place() -> Option<OsString> {
    env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty())
}

fn send(place: &OsStr, words: &str) -> io::Result<()> {
    // A name without a file is written with an @ in front.
    let address = match place.as_bytes().strip_prefix(b"@") {
        Some(name) => SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))?,
        None => SockAddr::unix(Path::new(place))?,
    };
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.send_to(words.as_bytes(), &address).map(drop)
}

/// How long this process may be silent before its supervisor takes it for stuck, if it looks.
pub fn watchdog() -> Option<Duration> {
    let is_other = |process: String| process.parse() != Ok(std::process::id());
    if env::var("WATCHDOG_PID").is_ok_and(is_other) {
        return None;
    }
    let us: u64 = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (us > 0).then(|| Duration::from_micros(us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn words_arrive_at_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1").unwrap();
        let mut heard = [0; 64];
        let length = supervisor.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
        assert!(send(dir.path().join("nobody").as_os_str(), "READY=1").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn words_arrive_at_a_name_without_a_file() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let name = format!("bellwether-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let supervisor = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
        let mut heard = [0; 64];
        let length = supervisor.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"STOPPING=1");
    }
}
