//! Writers that never rest: what is acknowledged is kept, what fails is tried at the next node.

use crate::harness::{Client, DEADLINE};
use crate::raw::{Raw, with_body};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// One writer for each of some nodes, until it is told to end.
#[derive(Debug)]
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    writers: Vec<JoinHandle<()>>,
    told: Mutex<Receiver<String>>,
    acknowledged: Vec<String>,
}

impl Load {
    /// A writer goes on at the next of the clients when its own does not answer.
    pub(crate) fn on(clients: &[&Client], durability: &'static str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (tell, told) = channel();
        let writer = |first: usize| {
            let mut clients: Vec<Client> = clients.iter().map(|client| client.fresh()).collect();
            clients.rotate_left(first);
            let (is_over, tell) = (Arc::clone(&is_over), tell.clone());
            let path = format!("/v1/topics/load-{first}?durability={durability}");
            thread::spawn(move || write(&clients, &path, &is_over, &tell))
        };
        let writers = (0..clients.len()).map(writer).collect();
        Self { is_over, writers, told: Mutex::new(told), acknowledged: Vec::new() }
    }

    /// Waits until so many more updates are acknowledged.
    pub(crate) fn await_more(&mut self, updates: usize) {
        let told = self.told.get_mut().expect("nobody panics with it");
        for _ in 0..updates {
            self.acknowledged.push(told.recv_timeout(DEADLINE).expect("an acknowledgement"));
        }
    }

    /// Ends it; the ids of all that was acknowledged.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        for writer in self.writers.drain(..) {
            writer.join().expect("no writer fails");
        }
        let told = self.told.get_mut().expect("nobody panics with it");
        self.acknowledged.extend(told.try_iter());
        self.acknowledged
    }
}

fn write(clients: &[Client], path: &str, is_over: &AtomicBool, tell: &Sender<String>) {
    let mut at = 0;
    for n in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let body = format!("update {n} of {path}");
        match clients[at].try_post(path, body.as_bytes()) {
            Ok(answer) if answer.status == 201 => {
                if tell.send(answer.member("id")).is_err() {
                    return;
                }
            }
            // Down, or "later": the next may take it.
            Ok(_) | Err(_) => {
                at = (at + 1) % clients.len();
                thread::park_timeout(Duration::from_millis(5));
            }
        }
    }
}

/// Posts so many updates of so many bytes over one connection, no faster than so many a second,
/// until each is accepted: a node whose disk is slow for a while says "later".
pub(crate) fn post_evenly(port: u16, updates: u32, per_second: u32, bytes: usize) {
    const IN_FLIGHT: u32 = 20;
    let mut socket = Raw::open(port);
    let path = "/v1/topics/even?durability=none";
    let batch = with_body("POST", path, "", &vec![b'x'; bytes]).repeat(IN_FLIGHT as usize);
    let start = Instant::now();
    let (mut sent, mut accepted) = (0, 0);
    while accepted < updates {
        let due = start + Duration::from_secs(1) * sent / per_second;
        thread::park_timeout(due.saturating_duration_since(Instant::now()));
        socket.send(&batch);
        sent += IN_FLIGHT;
        for _ in 0..IN_FLIGHT {
            match socket.answer().status {
                201 => accepted += 1,
                status => assert_eq!(status, 503, "neither taken nor later"),
            }
        }
    }
}
