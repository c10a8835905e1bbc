//! Processes under test: what they print is read by threads, and waiting for it is waiting on a
//! condition, never a sleep. Every wait has a deadline, and says what it waited for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// No wait is longer. A busy machine is slow; one that needs longer than this is stuck.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The program.
pub(crate) fn bellwether() -> Command {
    Command::new(env!("CARGO_BIN_EXE_bellwether"))
}

/// How a command that ends by itself ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::of_process(Process::start(command.stdin(Stdio::null())), &format!("{command:?}"))
    }

    /// The same for one that has this on its standard input.
    pub(crate) fn fed(command: &mut Command, input: &[u8]) -> Self {
        let mut process = Process::start(command.stdin(Stdio::piped()));
        // One that needs no input may be gone by now.
        drop(process.input().write_all(input));
        Self::of_process(process, &format!("{command:?}"))
    }

    fn of_process(mut process: Process, shown: &str) -> Self {
        let status = process.await_end();
        let (stdout, stderr) = (process.stdout.text(), process.stderr.text());
        eprintln!("{shown}: {status}\n{stdout}{stderr}");
        Self { status, stdout, stderr }
    }

    /// The same, for a command that must succeed; its standard output.
    pub(crate) fn well(command: &mut Command) -> String {
        let ended = Self::of(command);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended.stdout
    }
}

/// Text that a thread reads from a pipe as it comes.
#[derive(Clone, Debug)]
pub(crate) struct Output(Arc<(Mutex<Text>, Condvar)>);

#[derive(Debug, Default)]
struct Text {
    text: String,
    is_at_end: bool,
}

impl Output {
    fn read(source: impl Read + Send + 'static) -> (Self, JoinHandle<()>) {
        let output = Self(Arc::default());
        let filled = output.clone();
        let thread = thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            loop {
                let read = source.read_until(b'\n', &mut line);
                let mut text = filled.lock();
                text.text.push_str(&String::from_utf8_lossy(&line));
                line.clear();
                text.is_at_end = !read.is_ok_and(|bytes| bytes > 0);
                filled.0.1.notify_all();
                if text.is_at_end {
                    return;
                }
            }
        });
        (output, thread)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Text> {
        // A waiter that failed leaves the text as good as it was.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that came so far.
    pub(crate) fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// Waits until the text satisfies `done`; the text, or what there is of it at its end or at the
    /// deadline.
    pub(crate) fn wait(&self, done: impl Fn(&str) -> bool) -> Result<String, String> {
        let limit = Instant::now() + DEADLINE;
        let mut text = self.lock();
        loop {
            if done(&text.text) {
                return Ok(text.text.clone());
            }
            let left = limit.saturating_duration_since(Instant::now());
            if text.is_at_end || left.is_zero() {
                return Err(text.text.clone());
            }
            let waited = self.0.1.wait_timeout(text, left);
            text = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A child with both its outputs read. It does not outlive this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it; its standard input is as the command says.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let (stdout, out_reader) = Output::read(child.stdout.take().expect("a pipe"));
        let (stderr, err_reader) = Output::read(child.stderr.take().expect("a pipe"));
        Self { child, readers: vec![out_reader, err_reader], stdout, stderr, ended: None }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, once, if the command made it a pipe.
    pub(crate) fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a pipe")
    }

    /// Sends a signal by its name, as in `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Kills it at once, as a power cut would.
    pub(crate) fn kill9(&mut self) {
        if self.ended.is_none() {
            self.child.kill().expect("the child is ours");
            self.reap();
        }
    }

    /// Waits for its end; all its output has come then.
    pub(crate) fn await_end(&mut self) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        // Both pipes end when it does.
        for output in [&self.stdout, &self.stderr] {
            let is_at_end = output.wait(|_| false).is_err() && output.lock().is_at_end;
            assert!(is_at_end, "process {} did not end in time", self.id());
        }
        self.reap()
    }

    fn reap(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("the child is ours");
        self.readers.drain(..).for_each(|reader| reader.join().expect("readers do not panic"));
        self.ended = Some(status);
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // Both fail only if it is gone already, which is what is wanted.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to one process by its id.
pub(crate) fn signal(process: u32, name: &str) {
    let mut kill = Command::new("sh");
    let kill = kill.args(["-c", "kill -s \"$0\" \"$1\"", name, &process.to_string()]);
    assert!(kill.status().expect("a shell").success(), "kill -s {name} {process}");
}

/// Looks again and again for what nobody announces; fails, with what `look` said last, when it does
/// not come in time.
pub(crate) fn await_that<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let limit = Instant::now() + DEADLINE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < limit, "{what} did not come: {why}"),
        }
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// A TCP port of 127.0.0.1 that is this test's alone: below those that the system hands out, and
/// marked as taken, for other tests and other runs, by the UDP port of the same number.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _mark: UdpSocket,
}

impl Port {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;

    /// Takes a free one.
    pub(crate) fn take() -> Self {
        Self::block(1).remove(0)
    }

    /// Takes so many in a row.
    pub(crate) fn block(count: u16) -> Vec<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let own = std::process::id() as u16;
        for _ in 0..Self::COUNT / count {
            let next = NEXT.fetch_add(count, Ordering::Relaxed).wrapping_add(own.wrapping_mul(37));
            let first = Self::FIRST + next % (Self::COUNT - count);
            let block: Option<Vec<Self>> = (first..first + count).map(Self::mark).collect();
            if let Some(block) = block {
                return block;
            }
        }
        panic!("no {count} free ports");
    }

    /// Takes this one, if it is free.
    fn mark(number: u16) -> Option<Self> {
        let at = (Ipv4Addr::LOCALHOST, number);
        let mark = UdpSocket::bind(at).ok()?;
        TcpListener::bind(at).is_ok().then_some(Self { number, _mark: mark })
    }
}
