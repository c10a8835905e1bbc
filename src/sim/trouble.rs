//! What befalls a simulated herd, and what ends it.

use super::host::{Backup, Host, Up};
use super::laws::{Breach, Kept, Law};
use super::plan::Misfortune;
use super::world::World;
use crate::node::Node;
use crate::serve::Desk;
use crate::store::Fault;
use std::ops::RangeInclusive;

/// How far a clock jumps: an hour, either way.
const JUMP_MS: i64 = 3_600_000;

/// Something that ends what befell the herd, or goes on with it, at its time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Start(usize),
    PowerFails(usize),
    Resume(usize),
    HealDisk(usize),
    HealWay(usize, usize),
    /// A link that flaps is cut and healed so many times more.
    Flap(usize, u64),
}

impl World {
    /// What befalls the herd in this slice of time, if anything does.
    pub(super) fn trouble(&mut self) -> Kept {
        let Some(misfortune) = self.weather.misfortune(&mut self.rng) else { return Ok(()) };
        let host = self.rng.below(self.hosts.len() as u64) as usize;
        log::info!("node{host}, or a link: {misfortune:?}");
        match misfortune {
            Misfortune::Crash => return self.crash(host),
            Misfortune::PowerFails => self.power_fails_soon(host),
            Misfortune::Stop => self.stop(host),
            Misfortune::Pause => self.pause(host),
            Misfortune::Slow => self.slow(host),
            Misfortune::Cut => self.cut(),
            Misfortune::Flap => self.flap(),
            Misfortune::Reset => self.reset(),
            Misfortune::BadDisk => self.spoil_disk(host),
            Misfortune::SlowDisk => self.slow_disk(host),
            Misfortune::Weather => self.change_weather(),
            Misfortune::ClockJump => self.clock_jumps(host),
            Misfortune::ReaderMoves => self.move_reader(host),
            Misfortune::Restore => return self.restore(host),
        }
        Ok(())
    }

    fn later(&mut self, ms: RangeInclusive<u64>, deed: Deed) {
        let due = self.now() + self.rng.range(ms);
        self.deeds += 1;
        self.later.insert((due, self.deeds), deed);
    }

    pub(super) fn act(&mut self, deed: Deed) -> Kept {
        match deed {
            Deed::Start(host) => return self.start(host),
            Deed::PowerFails(host) => {
                self.hosts[host].is_doomed = false;
                return self.crash(host);
            }
            Deed::Resume(host) => {
                self.set_paused(host, false);
                self.set_rest(host, 0);
            }
            Deed::HealDisk(host) => self.heal_disk(host),
            Deed::HealWay(from, to) => self.heal_way(from, to),
            Deed::Flap(link, times) => self.flap_link(link, times),
        }
        Ok(())
    }

    /// Starts a node on what its disk holds.
    pub(super) fn start(&mut self, host: usize) -> Kept {
        if self.hosts[host].up.is_some() {
            return Ok(());
        }
        let seed = self.rng.next_u64();
        log::info!("node{host} is started");
        if !self.hosts[host].start(&self.net, seed)? {
            self.later(100..=500, Deed::Start(host));
        }
        Ok(())
    }

    /// The power fails, or the process is killed: now, between two turns.
    fn crash(&mut self, host: usize) -> Kept {
        if self.hosts[host].is_doomed || self.take_down(host)?.is_none() {
            return Ok(());
        }
        let gone = &mut self.hosts[host];
        gone.disk =
            if self.rng.chance(2, 3) { gone.disk.crash(&mut self.rng) } else { gone.disk.kill() };
        gone.has_bad_disk = false;
        self.tally.crashes += 1;
        self.later(1..=1_500, Deed::Start(host));
        Ok(())
    }

    /// The disk is copied, or an old copy is put in its place.
    fn restore(&mut self, host: usize) -> Kept {
        if !self.hosts[host].is_free() {
            return Ok(());
        }
        let Some(backup) = self.hosts[host].backup.take() else {
            self.back_up(host);
            return Ok(());
        };
        if self.take_down(host)?.is_none() {
            return Ok(());
        }
        let Backup { disk, promised, epoch, may_fork } = backup;
        let retired = self.council.retired();
        let others = self.hosts.iter().enumerate();
        let others =
            others.filter(|(number, other)| *number != host && retired != Some(&other.name[..]));
        self.ledger.set_back(&promised, others.map(|(_, other)| &other.promised));
        if may_fork {
            self.ledger.doubt(epoch, &promised);
        }
        let restored = &mut self.hosts[host];
        (restored.disk, restored.promised, restored.goes_on) = (disk, promised, None);
        restored.has_bad_disk = false;
        self.tally.restores += 1;
        self.later(1..=1_500, Deed::Start(host));
        Ok(())
    }

    fn back_up(&mut self, host: usize) {
        let is_snapshot = self.rng.chance(1, 3);
        let copied = &mut self.hosts[host];
        let Some(epoch) = copied.up.as_ref().map(Up::epoch) else { return };
        // What was on its way to the disk may be in the copy, and its name be given to another
        // update if a crash loses it here. So may what a failed batch left: nobody was told of it,
        // it is still to be read in the file, and its name is free until something else is there.
        let is_unsure = |node: &Node| {
            let store = node.store();
            store.is_failing() || store.seen().last(epoch) > store.held().last(epoch)
        };
        let is_writing = copied.node().is_some_and(is_unsure);
        let disk = if is_snapshot { copied.disk.kill() } else { copied.disk.copied() };
        let promised = copied.promised.clone();
        let may_fork = is_snapshot || is_writing;
        copied.backup = Some(Backup { disk, promised, epoch, may_fork });
    }

    /// The disk takes a few more calls and then none, and a while later the node is gone: so a
    /// crash falls into the middle of a write.
    fn power_fails_soon(&mut self, host: usize) {
        if self.hosts[host].is_free() {
            self.hosts[host].disk.stop_after(self.rng.below(8));
            self.hosts[host].is_doomed = true;
            self.later(0..=60, Deed::PowerFails(host));
        }
    }

    /// The node is asked to stop.
    pub(super) fn stop(&mut self, host: usize) {
        if self.hosts[host].is_free()
            && let Some(up) = &mut self.hosts[host].up
        {
            up.sim.with(|cx, _| cx.stop());
            up.is_stopping = true;
            self.tally.stops += 1;
        }
    }

    /// The loop has ended.
    pub(super) fn close(&mut self, host: usize) -> Kept {
        let Some(up) = self.take_down(host)? else { return Ok(()) };
        let Host { name, goes_on, has_bad_disk, .. } = &mut self.hosts[host];
        let epoch = up.epoch();
        match up.close() {
            Ok(()) => *goes_on = Some(epoch),
            Err(_) if *has_bad_disk => {}
            Err(error) => {
                return Err(Breach::new(Law::Life, format!("{name} does not close: {error}")));
            }
        }
        self.later(1..=1_500, Deed::Start(host));
        Ok(())
    }

    fn pause(&mut self, host: usize) {
        if self.hosts[host].is_free() {
            self.set_paused(host, true);
            self.tally.pauses += 1;
            self.later(1..=3_000, Deed::Resume(host));
        }
    }

    /// Its turns come late for a while, as on a machine with too much to do.
    fn slow(&mut self, host: usize) {
        if self.hosts[host].is_free() {
            let rest_ms = self.rng.range(2..=80);
            self.set_rest(host, rest_ms);
            self.tally.pauses += 1;
            self.later(100..=3_000, Deed::Resume(host));
        }
    }

    pub(super) fn set_paused(&mut self, host: usize, is_paused: bool) {
        self.hosts[host].is_paused = is_paused;
        self.hosts[host].steady_since = self.now();
        self.net.set_paused(host, is_paused);
    }

    pub(super) fn set_rest(&mut self, host: usize, rest_ms: u64) {
        self.hosts[host].steady_since = self.now();
        self.net.set_rest(host, rest_ms);
    }

    fn link(&mut self) -> Option<usize> {
        let links = self.links.len() as u64;
        (links > 0).then(|| self.rng.below(links) as usize)
    }

    fn cut(&mut self) {
        let Some(link) = self.link() else { return };
        let (a, b) = self.links[link];
        let ways = [vec![(a, b)], vec![(b, a)], vec![(a, b), (b, a)], vec![(a, b), (b, a)]];
        for &(from, to) in &ways[self.rng.below(4) as usize] {
            self.cut_way(from, to);
            self.later(10..=4_000, Deed::HealWay(from, to));
        }
        self.tally.cuts += 1;
    }

    fn flap(&mut self) {
        let Some(link) = self.link() else { return };
        let times = self.rng.range(2..=12);
        self.tally.cuts += 1;
        self.flap_link(link, times);
    }

    fn flap_link(&mut self, link: usize, times: u64) {
        let (a, b) = self.links[link];
        for (from, to) in [(a, b), (b, a)] {
            if times > 0 && times.is_multiple_of(2) {
                self.cut_way(from, to);
            } else {
                self.heal_way(from, to);
            }
        }
        if times > 0 {
            self.later(10..=400, Deed::Flap(link, times - 1));
        }
    }

    pub(super) fn cut_way(&mut self, from: usize, to: usize) {
        self.net.cut(&self.hosts[from].name, &self.hosts[to].name);
    }

    pub(super) fn heal_way(&mut self, from: usize, to: usize) {
        self.net.heal(&self.hosts[from].name, &self.hosts[to].name);
    }

    fn reset(&mut self) {
        let Some(link) = self.link() else { return };
        let (a, b) = self.links[link];
        self.net.reset(&self.hosts[a].name, &self.hosts[b].name);
        self.tally.resets += 1;
    }

    fn spoil_disk(&mut self, host: usize) {
        if self.hosts[host].is_doomed {
            return;
        }
        let fault = [Fault::Full, Fault::Write, Fault::Sync][self.rng.below(3) as usize];
        self.hosts[host].disk.fail_writes(fault);
        self.hosts[host].has_bad_disk = true;
        self.tally.disks += 1;
        self.later(1..=2_500, Deed::HealDisk(host));
    }

    fn slow_disk(&mut self, host: usize) {
        let slowest = self.rng.range(20..=400);
        self.net.set_job_ms(host, Some(1..=slowest));
        self.tally.disks += 1;
        self.later(100..=2_500, Deed::HealDisk(host));
    }

    /// Each write to a host's disk takes this long from now on.
    #[cfg(test)]
    pub(super) fn slow_disk_by(&mut self, host: usize, ms: u64) {
        self.net.set_job_ms(host, Some(ms..=ms));
    }

    fn heal_disk(&mut self, host: usize) {
        self.net.set_job_ms(host, None);
        let steady_since = self.now();
        let healed = &mut self.hosts[host];
        healed.disk.heal();
        healed.has_bad_disk = false;
        healed.steady_since = steady_since;
    }

    fn change_weather(&mut self) {
        self.net.set_faults(self.weather.faults(&mut self.rng));
        for _ in 0..self.links.len().div_ceil(4) {
            if let Some(link) = self.link() {
                self.lay_way(link);
            }
        }
    }

    fn clock_jumps(&mut self, host: usize) {
        let off_ms = [-JUMP_MS, 0, JUMP_MS][self.rng.below(3) as usize];
        self.net.set_clock_off(host, off_ms);
        self.tally.jumps += 1;
    }

    fn move_reader(&mut self, to: usize) {
        let reader = self.rng.below(self.readers.len() as u64) as usize;
        self.readers[reader].reading.leave();
        self.readers[reader].at = to;
        self.tally.moves += 1;
    }

    /// Ends everything that befell the herd.
    pub(super) fn heal(&mut self) -> Kept {
        log::info!("everything is healed");
        self.net.set_faults(self.weather.healed());
        self.weather.early = 0;
        self.mute_villain();
        self.end_deeds()?;
        for link in 0..self.links.len() {
            let (a, b) = self.links[link];
            for (from, to) in [(a, b), (b, a)] {
                self.heal_way(from, to);
                let way = self.weather.healed_way(&mut self.rng);
                self.net.set_way(&self.hosts[from].name, &self.hosts[to].name, way);
            }
        }
        for host in 0..self.hosts.len() {
            self.heal_disk(host);
            self.set_paused(host, false);
            self.set_rest(host, 0);
            self.net.set_clock_off(host, 0);
        }
        self.end_deeds()?;
        self.move_readers_home();
        Ok(())
    }

    /// Whoever reads at a node that is to be retired, or is, goes elsewhere.
    fn move_readers_home(&mut self) {
        let home = |host: &Host| self.council.retired() != Some(&host.name[..]);
        let Some(home) = self.hosts.iter().position(home) else { return };
        for reader in &mut self.readers {
            if self.council.retired() == Some(&self.hosts[reader.at].name[..]) {
                reader.reading.leave();
                reader.at = home;
            }
        }
    }

    /// What was to be done later is done now; links flap no more.
    fn end_deeds(&mut self) -> Kept {
        let deeds = std::mem::take(&mut self.later).into_values();
        deeds.filter(|deed| !matches!(deed, Deed::Flap(..))).try_for_each(|deed| self.act(deed))
    }
}
