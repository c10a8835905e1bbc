//! What the system says of this process: `/proc`, read when someone asks. Nothing where there is
//! no `/proc`.

use std::fs;

/// Ticks of CPU time a second in `/proc`: the same on all of Linux, whatever the kernel's own.
const TICKS_PER_S: u64 = 100;

/// The figures of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessFigures {
    /// CPU time used, in milliseconds.
    pub cpu_ms: u64,
    /// Memory that is not swapped out, in bytes.
    pub resident_bytes: u64,
    /// Address space, in bytes.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors; `None` where the kernel does not say without a list of them.
    pub open_fds: Option<u64>,
    /// How long it runs, in seconds.
    pub age_s: u64,
}

/// The figures of this process, as of now.
pub fn process_figures() -> Option<ProcessFigures> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{name}")).ok();
    let mut figures = parse(&read("self/stat")?, &read("self/status")?, &read("uptime")?)?;
    // Since Linux 6.2 the size of the folder is the number of descriptors.
    let fds = fs::metadata("/proc/self/fd").map_or(0, |folder| folder.len());
    figures.open_fds = (fds > 0).then_some(fds);
    Some(figures)
}

/// `stat` has a line of numbers behind the command's name, which may hold anything; `status` says
/// sizes in kB; `uptime` begins with seconds.
fn parse(stat: &str, status: &str, uptime: &str) -> Option<ProcessFigures> {
    let numbers = &stat[stat.rfind(')')? + 1..];
    let field = |number: usize| numbers.split_ascii_whitespace().nth(number - 3)?.parse().ok();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    let (user, system): (u64, u64) = (field(14)?, field(15)?);
    let started: u64 = field(22)?;
    let uptime_s: u64 = uptime.split('.').next()?.parse().ok()?;
    Some(ProcessFigures {
        cpu_ms: (user + system) * 1000 / TICKS_PER_S,
        resident_bytes: kib("VmRSS")? * 1024,
        virtual_bytes: kib("VmSize")? * 1024,
        threads: field(20)?,
        open_fds: None,
        age_s: uptime_s.saturating_sub(started / TICKS_PER_S),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_read_whatever_the_command_is_called() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 126 0 0 0 150 50 0 0 20 0 3 0 1459242 31 394";
        let status = "Name:\ta\nVmSize:\t    3060 kB\nVmRSS:\t    1576 kB\n";
        let figures = ProcessFigures {
            cpu_ms: 2_000,
            resident_bytes: 1576 * 1024,
            virtual_bytes: 3060 * 1024,
            threads: 3,
            open_fds: None,
            age_s: 408,
        };
        let uptime = "15000.25 29000.00\n";
        assert_eq!(parse(stat, status, uptime), Some(figures));
        for (stat, status, uptime) in
            [("no", status, uptime), (stat, "", uptime), (stat, status, "")]
        {
            assert_eq!(parse(stat, status, uptime), None);
        }
    }

    #[test]
    fn this_process_has_figures() {
        let figures = process_figures().expect("there is a /proc");
        assert!(figures.resident_bytes > 1 << 20 && figures.threads > 0, "{figures:?}");
    }
}
