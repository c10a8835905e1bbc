//! The processes of a herd: started, watched, started again, ended together.
//!
//! One thread decides, and only it touches the processes; others wait for lines and signals and
//! tell it. Each process is in a group of its own, so that ^C reaches the supervisor alone and a
//! node is asked to stop once: by the end of its standard input, see `leash`. That end also comes
//! when the supervisor is killed.

use super::super::failure::Failure;
use super::plan::NodePlan;
use super::show;
use crate::base::Rng;
use crate::herd::Backoff;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Beyond its own time to drain, a node gets so long to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A process that died is started again after such a time, doubled each time it dies anew.
const REST_MS: (u64, u64) = (200, 5_000);
/// One that lived so long was healthy: what went before is forgotten.
const HEALTHY: Duration = Duration::from_secs(10);

/// Makes the command that serves a node.
pub(super) type Launch<'a> = &'a dyn Fn(&NodePlan) -> Command;

/// What the other threads tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The process of a node says that it is ready; told with its id, since a later one may live.
    Ready { node: usize, process: u32 },
    /// Some process ended.
    Ended,
    /// Somebody wants the herd to stop.
    Stop,
}

/// Runs the herd until it is asked to stop; the table goes to `out` when all nodes are ready.
pub(super) fn run(
    nodes: &[NodePlan],
    launch: Launch<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (tell, events) = channel();
    let listener = Listener::new(&[SIGCHLD, SIGHUP, SIGINT, SIGTERM], tell.clone())?;
    let mut herd = Herd::new(nodes, launch, tell);
    let done = herd.start().and_then(|()| herd.watch(&events, out));
    herd.stop();
    herd.await_end(&events);
    listener.close();
    done
}

/// The thread that turns signals into events.
struct Listener {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Listener {
    fn new(signals: &[i32], tell: Sender<Event>) -> Result<Self, Failure> {
        let failed = |error| Failure::failed(format!("cannot catch signals: {error}"));
        let mut signals = Signals::new(signals).map_err(failed)?;
        let handle = signals.handle();
        let thread = thread::spawn(move || {
            for signal in &mut signals {
                let event = if signal == SIGCHLD { Event::Ended } else { Event::Stop };
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Self { handle, thread })
    }

    fn close(self) {
        self.handle.close();
        // It ends by the closed handle; a panic in it has nothing more to break.
        let _ = self.thread.join();
    }
}

/// One node's process.
struct Member<'a> {
    plan: &'a NodePlan,
    life: Life,
    backoff: Backoff,
    was_ready: bool,
}

enum Life {
    /// Not started yet, or ended for good.
    None,
    /// Will be started then.
    Due(Instant),
    Running {
        child: Child,
        /// Its end is the sign to stop.
        leash: Option<ChildStdin>,
        /// Since when it is ready.
        ready: Option<Instant>,
    },
}

struct Herd<'a> {
    members: Vec<Member<'a>>,
    launch: Launch<'a>,
    tell: Sender<Event>,
    is_shown: bool,
    rng: Rng,
}

/// Empties a node's archive: all but the key, which is who the node is.
fn forget(dir: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::failed(format!("{}: {error}", dir.display()));
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().is_some_and(|name| name != "key") {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

impl<'a> Herd<'a> {
    fn new(nodes: &'a [NodePlan], launch: Launch<'a>, tell: Sender<Event>) -> Self {
        let member = |plan| Member {
            plan,
            life: Life::None,
            backoff: Backoff::new(REST_MS.0, REST_MS.1),
            was_ready: false,
        };
        // The jitter is no secret: any number will do.
        let rng = Rng::new(u64::from(std::process::id()));
        Self { members: nodes.iter().map(member).collect(), launch, tell, is_shown: false, rng }
    }

    fn start(&mut self) -> Result<(), Failure> {
        (0..self.members.len()).try_for_each(|node| self.start_one(node))
    }

    fn start_one(&mut self, node: usize) -> Result<(), Failure> {
        let plan = self.members[node].plan;
        let mut command = (self.launch)(plan);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy().into_owned();
            Failure::failed(format!("cannot start {program} for {}: {error}", plan.name))
        })?;
        let process = child.id();
        let leash = child.stdin.take();
        if let Some(stdout) = child.stdout.take() {
            let (tell, line) = (self.tell.clone(), format!("ready {}", plan.name));
            forward(stdout, plan.name.clone(), move |said| {
                // Nobody listens any more when the herd is stopping.
                said == line.as_bytes() && tell.send(Event::Ready { node, process }).is_ok()
            });
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, plan.name.clone(), |_| false);
        }
        self.members[node].life = Life::Running { child, leash, ready: None };
        Ok(())
    }

    /// Keeps the herd running until it is told to stop.
    fn watch(&mut self, events: &Receiver<Event>, out: &mut dyn Write) -> Result<(), Failure> {
        loop {
            match next(events, self.due()) {
                Some(Event::Stop) => return Ok(()),
                event => self.step(event, out)?,
            }
        }
    }

    /// When the next process must be started again.
    fn due(&self) -> Option<Instant> {
        self.members.iter().filter_map(Member::due).min()
    }

    /// Does what an event asks for; without one it is time to start a process again.
    fn step(&mut self, event: Option<Event>, out: &mut dyn Write) -> Result<(), Failure> {
        match event {
            Some(Event::Ready { node, process }) => self.on_ready(node, process, out),
            Some(Event::Ended) => self.on_ended(),
            Some(Event::Stop) | None => self.restart(),
        }
    }

    fn on_ready(&mut self, node: usize, process: u32, out: &mut dyn Write) -> Result<(), Failure> {
        let member = &mut self.members[node];
        match &mut member.life {
            Life::Running { child, ready, .. } if child.id() == process => {
                *ready = Some(Instant::now());
            }
            _ => return Ok(()),
        }
        if member.was_ready {
            note(&format!("{} is back, as process {process}", member.plan.name));
        }
        member.was_ready = true;
        if !self.is_shown && self.members.iter().all(|member| member.was_ready) {
            self.is_shown = true;
            let plans: Vec<NodePlan> = self.members.iter().map(|m| m.plan.clone()).collect();
            let processes: Vec<u32> = self.members.iter().map(Member::process).collect();
            show(&plans, &processes, out)?;
        }
        Ok(())
    }

    /// Looks which processes ended, and plans their next lives.
    fn on_ended(&mut self) -> Result<(), Failure> {
        for member in &mut self.members {
            let Some((status, lived)) = member.ended() else { continue };
            let name = &member.plan.name;
            if !member.was_ready {
                member.life = Life::None;
                return Err(Failure::failed(format!(
                    "{name} did not start ({status}): what it says above tells why"
                )));
            }
            let wait = member.rest(lived, &mut self.rng);
            let seconds = wait.as_secs_f32();
            note(&format!("{name} died ({status}); starting it again in {seconds} s"));
            member.life = Life::Due(Instant::now() + wait);
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        for node in 0..self.members.len() {
            if self.members[node].due().is_some_and(|due| due <= now) {
                let config = &self.members[node].plan.config;
                if !config.catch_up {
                    forget(&config.dir)?;
                }
                self.start_one(node)?;
            }
        }
        Ok(())
    }

    /// Asks all processes to stop.
    fn stop(&mut self) {
        for member in &mut self.members {
            match &mut member.life {
                Life::Running { leash, .. } => drop(leash.take()),
                Life::Due(_) => member.life = Life::None,
                Life::None => {}
            }
        }
    }

    /// Waits until all processes ended; kills those that take too long, or all when told again.
    fn await_end(&mut self, events: &Receiver<Event>) {
        let drain = self.members.iter().map(|member| member.plan.config.limits.drain_ms).max();
        let mut deadline = Some(Instant::now() + Duration::from_millis(drain.unwrap_or(0)) + GRACE);
        loop {
            for member in &mut self.members {
                if member.ended().is_some() {
                    member.life = Life::None;
                }
            }
            let living = self.members.iter().filter(|m| matches!(m.life, Life::Running { .. }));
            if living.count() == 0 {
                return;
            }
            let event = next(events, deadline);
            if matches!(event, Some(Event::Stop) | None) {
                deadline = None;
                self.kill();
            }
        }
    }

    fn kill(&mut self) {
        for member in &mut self.members {
            if let Life::Running { child, .. } = &mut member.life {
                note(&format!("{} is killed", member.plan.name));
                // It fails for one that ended by itself just now: all the better.
                let _ = child.kill();
            }
        }
    }
}

impl Member<'_> {
    fn due(&self) -> Option<Instant> {
        if let Life::Due(due) = self.life { Some(due) } else { None }
    }

    fn process(&self) -> u32 {
        if let Life::Running { child, .. } = &self.life { child.id() } else { 0 }
    }

    /// How long to wait after a life so long.
    fn rest(&mut self, lived: Duration, rng: &mut Rng) -> Duration {
        if lived >= HEALTHY {
            self.backoff.reset();
        }
        Duration::from_millis(self.backoff.fail(rng))
    }

    /// How its process ended and how long it was ready, if it did end.
    fn ended(&mut self) -> Option<(ExitStatus, Duration)> {
        let Life::Running { child, ready, .. } = &mut self.life else { return None };
        let status = child.try_wait().ok().flatten()?;
        Some((status, ready.map_or(Duration::ZERO, |since| since.elapsed())))
    }
}

/// The next event, or none when the deadline passed before it.
fn next(events: &Receiver<Event>, deadline: Option<Instant>) -> Option<Event> {
    let Some(deadline) = deadline else { return events.recv().ok() };
    events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

/// Copies lines to stderr with the node's name before them, except those that `takes` takes.
fn forward(
    output: impl Read + Send + 'static,
    name: String,
    takes: impl Fn(&[u8]) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if !takes(line.trim_ascii_end()) {
                let mut shown = format!("[{name}] ").into_bytes();
                shown.extend_from_slice(line.trim_ascii_end());
                shown.push(b'\n');
                // With stderr gone the node must still be read, or it would block.
                let _ = io::stderr().write_all(&shown);
            }
            line.clear();
        }
    });
}

/// Says something of the herd itself.
fn note(text: &str) {
    // Without stderr nobody reads it.
    let _ = writeln!(io::stderr(), "herd: {text}");
}

#[cfg(test)]
mod tests;
