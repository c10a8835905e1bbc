//! What a node remembers of those who come to it: whose session it has verified, who has guessed
//! wrong, which passwords are being checked. One value for the whole node, all of it bounded.
//!
//! A password is hashed on the pool, one at a time, so that guessing costs one thread and 19 MiB at
//! most. Who waits is notified; whoever finds the queue full is sent away at once.

use super::Desk;
use crate::accounts::{self, Account, PasswordHash, Slowdown, Wait};
use crate::base::Tick;
use crate::reactor::{ConnId, Ctx, Job, Peer};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

/// Passwords that may wait to be checked.
const WAITING_MAX: usize = 16;
/// Results that may wait to be asked for; those of connections that are gone give way.
const DONE_MAX: usize = 64;
/// A check that takes so long has died with its thread.
const CHECK_MS_MAX: Tick = 60_000;
/// Sessions whose signatures are known to be good: each took 80 µs.
const VERIFIED_MAX: usize = 1024;
/// The longest wait for a name: someone who knows it must not shut its owner out for long.
const NAME_WAIT_MS_MAX: u64 = 60_000;
/// The longest wait for an address.
const ADDRESS_WAIT_MS_MAX: u64 = 900_000;

/// Names a check under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckId(u64);

/// Why a password is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Too many were wrong: try again in so many milliseconds.
    Slower(u64),
    /// Too many wait: try again soon.
    Busy,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password of this account.
    Good(Box<Account>),
    /// Wrong, or there is no such account.
    Wrong,
    /// It could not be checked: try again soon.
    Busy,
}

/// A password that waits for the pool.
#[derive(Debug)]
struct Check {
    id: CheckId,
    conn: ConnId,
    /// None for a name that nobody has.
    account: Option<Account>,
    password: Vec<u8>,
    who: Who,
}

/// Whose failures are counted.
#[derive(Clone, Debug)]
struct Who {
    name: String,
    /// None for who is on this machine, as it is for limits of connections.
    address: Option<Vec<u8>>,
}

impl Who {
    fn of(name: &str, from: &Peer) -> Self {
        let address = match from {
            Peer::Tcp(addr) if !from.is_local() => Some(match addr.ip().to_canonical() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                // Whoever has one address of version 6 has all of its network.
                IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
            }),
            _ => None,
        };
        Self { name: name.to_owned(), address }
    }
}

/// What a node remembers of those who come to it.
#[derive(Debug)]
pub struct Gate {
    verified: BTreeSet<[u8; 32]>,
    /// The same, the oldest first.
    order: VecDeque<[u8; 32]>,
    by_name: Slowdown,
    by_address: Slowdown,
    waiting: VecDeque<Check>,
    /// The check that the pool has, and since when.
    out: Option<(CheckId, Tick)>,
    done: BTreeMap<CheckId, Verdict>,
    last_id: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            verified: BTreeSet::new(),
            order: VecDeque::new(),
            by_name: Slowdown::new(NAME_WAIT_MS_MAX),
            by_address: Slowdown::new(ADDRESS_WAIT_MS_MAX),
            waiting: VecDeque::new(),
            out: None,
            done: BTreeMap::new(),
            last_id: 0,
        }
    }
}

impl Gate {
    /// True when the session of this hash was found to be signed as it says.
    pub(super) fn is_verified(&self, hash: &[u8; 32]) -> bool {
        self.verified.contains(hash)
    }

    /// Remembers that it was.
    pub(super) fn note_verified(&mut self, hash: [u8; 32]) {
        if self.verified.insert(hash) {
            self.order.push_back(hash);
        }
        while self.order.len() > VERIFIED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.verified.remove(&oldest);
        }
    }

    /// Counts a try, unless it may not be made now.
    fn admit(&mut self, who: &Who, now: Tick) -> Result<(), Denied> {
        let by_name = self.by_name.wait(who.name.as_bytes(), now);
        let address = who.address.as_deref();
        let by_address = address.and_then(|address| self.by_address.wait(address, now));
        let waits = [by_name, by_address].into_iter().flatten();
        if let Some(ms) = waits.map(|Wait(ms)| ms).max() {
            return Err(Denied::Slower(ms));
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(Denied::Busy);
        }
        self.by_name.tried(who.name.as_bytes(), now);
        if let Some(address) = address {
            self.by_address.tried(address, now);
        }
        Ok(())
    }

    fn end(&mut self, id: CheckId, who: &Who, verdict: Verdict) {
        match verdict {
            Verdict::Good(_) => {
                self.by_name.succeeded(who.name.as_bytes());
                self.take_back(who);
            }
            Verdict::Wrong => {}
            Verdict::Busy => {
                self.by_name.take_back(who.name.as_bytes());
                self.take_back(who);
            }
        }
        self.done.insert(id, verdict);
        while self.done.len() > DONE_MAX {
            self.done.pop_first();
        }
    }

    fn take_back(&mut self, who: &Who) {
        if let Some(address) = &who.address {
            self.by_address.take_back(address);
        }
    }

    /// How a check ended, once; `None` while it is under way.
    pub(super) fn take(&mut self, id: CheckId) -> Option<Verdict> {
        self.done.remove(&id)
    }
}

/// Begins to check a password. The connection at hand is notified when it is done.
pub(super) fn check<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    name: &str,
    password: &[u8],
) -> Result<CheckId, Denied> {
    let who = Who::of(name, &cx.transport().peer());
    let now = cx.now();
    desk.gate().admit(&who, now)?;
    let account = accounts::account(desk.store().index(), name).unwrap_or_else(|error| {
        log::error!("an account can't be read: {error}");
        None
    });
    let gate = desk.gate();
    gate.last_id += 1;
    let id = CheckId(gate.last_id);
    let (conn, password) = (cx.id(), password.to_vec());
    gate.waiting.push_back(Check { id, conn, account, password, who });
    go_on(cx, desk);
    Ok(id)
}

/// Gives the pool the next password, unless it has one.
fn go_on<D: Desk>(cx: &mut Ctx<'_, D>, desk: &mut D) {
    let now = cx.now();
    let gate = desk.gate();
    if gate.out.is_some_and(|(_, since)| now.saturating_sub(since) < CHECK_MS_MAX) {
        return;
    }
    let Some(check) = gate.waiting.pop_front() else { return };
    let Check { id, conn, account, password, who } = check;
    gate.out = Some((id, now));
    let whose = who.clone();
    let job: Job<D> = Box::new(move || {
        let found = judge(account, &password);
        Box::new(move |cx, desk: &mut D| end(cx, desk, (id, conn), &whose, found))
    });
    if let Err(full) = cx.offload(job) {
        log::warn!("{full}: a password is not checked");
        gate.end(id, &who, Verdict::Busy);
        gate.out = None;
        cx.transport_of(conn).notify();
    }
}

/// On the pool: the same work for a name that nobody has.
fn judge(account: Option<Account>, password: &[u8]) -> Verdict {
    match account {
        Some(account) if account.password.is_of(password) => Verdict::Good(Box::new(account)),
        Some(_) => Verdict::Wrong,
        None => {
            // What it says of this password is that it is wrong; the time is what matters.
            let is_good = PasswordHash::stand_in().is_of(password);
            if is_good { Verdict::Busy } else { Verdict::Wrong }
        }
    }
}

fn end<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    (id, conn): (CheckId, ConnId),
    who: &Who,
    verdict: Verdict,
) {
    let gate = desk.gate();
    if gate.out.is_some_and(|(out, _)| out == id) {
        gate.out = None;
    }
    gate.end(id, who, verdict);
    cx.transport_of(conn).notify();
    go_on(cx, desk);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str, from: &str) -> Who {
        Who::of(name, &Peer::Tcp(from.parse().unwrap()))
    }

    #[test]
    fn tries_are_counted_by_name_and_by_address_but_not_by_this_machines() {
        let mut gate = Gate::default();
        for port in 1000..1005 {
            gate.admit(&who("ann", &format!("192.0.2.1:{port}")), 0).unwrap();
        }
        assert_eq!(gate.admit(&who("ann", "198.51.100.1:1"), 0), Err(Denied::Slower(2_000)));
        assert_eq!(gate.admit(&who("bob", "192.0.2.1:1"), 0), Err(Denied::Slower(2_000)));
        gate.admit(&who("bob", "198.51.100.1:1"), 0).unwrap();
        for n in 0..20 {
            gate.admit(&who(&format!("n{n}"), "127.0.0.1:1"), 0).unwrap();
        }
        for n in 0..5 {
            gate.admit(&who(&format!("m{n}"), &format!("[2001:db8::{n}]:1")), 0).unwrap();
        }
        let same_net = who("x", "[2001:db8::ffff]:1");
        assert_eq!(gate.admit(&same_net, 0), Err(Denied::Slower(2_000)));
    }

    #[test]
    fn a_good_password_clears_its_name_and_not_its_address() {
        let mut gate = Gate::default();
        let ann = who("ann", "192.0.2.1:1");
        for at in 0..4 {
            gate.admit(&ann, at).unwrap();
            gate.end(CheckId(at), &ann, Verdict::Wrong);
        }
        gate.admit(&ann, 5).unwrap();
        let account = Account {
            name: "ann".to_owned(),
            act: crate::update::Cid::ZERO,
            password: PasswordHash::stand_in(),
            scopes: accounts::Scopes::WRITER,
        };
        gate.end(CheckId(5), &ann, Verdict::Good(Box::new(account)));
        gate.admit(&ann, 6).unwrap();
        // The four before are still counted for the address.
        assert_eq!(gate.admit(&who("bob", "192.0.2.1:1"), 6), Err(Denied::Slower(2_000)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut gate = Gate::default();
        for n in 0..VERIFIED_MAX + 10 {
            gate.note_verified(*blake3::hash(&n.to_be_bytes()).as_bytes());
        }
        assert_eq!((gate.verified.len(), gate.order.len()), (VERIFIED_MAX, VERIFIED_MAX));
        let ann = who("ann", "127.0.0.1:1");
        for n in 0..DONE_MAX as u64 + 10 {
            gate.end(CheckId(n), &ann, Verdict::Wrong);
        }
        assert_eq!(gate.done.len(), DONE_MAX);
        assert_eq!(gate.take(CheckId(9)), None);
        assert_eq!(gate.take(CheckId(10)), Some(Verdict::Wrong));
        assert_eq!(gate.take(CheckId(10)), None);
    }
}
