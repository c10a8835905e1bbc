//! What became of everything that was found, counted by reason; shared by the threads.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many reasons are told apart; the rest is counted together.
const REASONS_MAX: usize = 100;

/// Counts of one import.
#[derive(Default)]
pub(super) struct Tally {
    accepted: AtomicU64,
    duplicate: AtomicU64,
    refused: Reasons,
    repaired: Reasons,
}

/// How often each reason occurred, and where first.
#[derive(Default)]
struct Reasons(Mutex<BTreeMap<String, (u64, String)>>);

impl Reasons {
    fn add(&self, why: &str, what: &str) {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = reasons.contains_key(why) || reasons.len() < REASONS_MAX;
        let why = if known { why } else { "another reason" };
        let entry = reasons.entry(why.to_owned()).or_insert_with(|| (0, what.to_owned()));
        entry.0 += 1;
    }

    fn total(&self) -> u64 {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.values().map(|(count, _)| count).sum()
    }

    fn write(&self, out: &mut dyn Write, outcome: &str) -> io::Result<()> {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (why, (count, first)) in &*reasons {
            writeln!(out, "  {count} {outcome}: {why} (first: {first})")?;
        }
        Ok(())
    }
}

impl Tally {
    /// The node has it now.
    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// It was there before.
    pub(super) fn duplicate(&self) {
        self.duplicate.fetch_add(1, Ordering::Relaxed);
    }

    /// It is left out.
    pub(super) fn refuse(&self, why: &str, what: &str) {
        self.refused.add(why, what);
    }

    /// It was put right before it went on.
    pub(super) fn repair(&self, how: &str, what: &str) {
        self.repaired.add(how, what);
    }

    /// Whether the node has anything of the import.
    pub(super) fn is_useful(&self) -> bool {
        self.accepted.load(Ordering::Relaxed) + self.duplicate.load(Ordering::Relaxed) > 0
    }

    /// `accepted 3, duplicate 0, refused 1`.
    pub(super) fn line(&self) -> String {
        let accepted = self.accepted.load(Ordering::Relaxed);
        let duplicate = self.duplicate.load(Ordering::Relaxed);
        format!("accepted {accepted}, duplicate {duplicate}, refused {}", self.refused.total())
    }

    /// The line, and below it each reason with the first that it applied to.
    pub(super) fn report(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.line())?;
        self.refused.write(out, "refused")?;
        self.repaired.write(out, "repaired")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_counts_by_reason_and_names_the_first() {
        let tally = Tally::default();
        assert!(!tally.is_useful());
        tally.refuse("no text", "line 3");
        tally.refuse("no text", "line 4");
        tally.repair("not UTF-8", "line 5");
        tally.accept();
        let mut out = Vec::new();
        tally.report(&mut out).unwrap();
        let wanted = "accepted 1, duplicate 0, refused 2\n  \
                      2 refused: no text (first: line 3)\n  \
                      1 repaired: not UTF-8 (first: line 5)\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
        for reason in 0..1000 {
            tally.refuse(&reason.to_string(), "x");
        }
        assert_eq!(tally.refused.total(), 1002);
        assert!(tally.refused.0.lock().unwrap().len() <= REASONS_MAX + 1);
    }
}
