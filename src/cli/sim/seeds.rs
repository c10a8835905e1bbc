//! Lives through many seeds, on as many threads as there are cores.

use crate::sim::{Outcome, Plan, Report};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Instant;

/// The bar of one seed has so many steps.
const STEPS: u64 = 1_000;

/// When there are seeds enough.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// After so many.
    Seeds(u64),
    /// When it is so late.
    Moment(Instant),
}

/// What is to be lived through.
pub(super) struct Errand<'a> {
    pub(super) plan: &'a Plan,
    pub(super) first: u64,
    pub(super) until: Until,
    pub(super) jobs: u64,
    /// Each seed twice.
    pub(super) twice: bool,
}

/// A seed that failed.
pub(super) struct Failed {
    pub(super) seed: u64,
    pub(super) what: String,
}

/// All that was found.
pub(super) struct Found {
    pub(super) report: Report,
    /// By seed.
    pub(super) broken: Vec<Failed>,
}

enum News {
    /// How far a seed has come.
    Progress(f64),
    Done(Box<Outcome>, Option<u64>),
}

/// Lives through the seeds of an errand; ends early when one fails.
pub(super) fn live_through(errand: &Errand<'_>) -> Found {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let (tell, news) = channel();
    let bar = bar(errand);
    thread::scope(|scope| {
        for _ in 0..errand.jobs {
            let (tell, next, failed) = (tell.clone(), &next, &failed);
            scope.spawn(move || work(errand, next, failed, &tell));
        }
        drop(tell);
        let mut outcomes = BTreeMap::new();
        for piece in news {
            match piece {
                News::Progress(share) if matches!(errand.until, Until::Seeds(1)) => {
                    bar.set_position((share * STEPS as f64) as u64);
                }
                News::Progress(_) => {}
                News::Done(outcome, again) => {
                    bar.inc(1);
                    bar.set_message(format!("seed {}", outcome.seed));
                    outcomes.insert(outcome.seed, (outcome, again));
                }
            }
        }
        bar.finish_and_clear();
        sum(outcomes.into_values())
    })
}

fn bar(errand: &Errand<'_>) -> ProgressBar {
    let (bar, template) = match errand.until {
        Until::Seeds(1) => (ProgressBar::new(STEPS), "{wide_bar} {percent} % {elapsed}"),
        Until::Seeds(seeds) => (ProgressBar::new(seeds), "{wide_bar} {pos}/{len} {elapsed} {msg}"),
        Until::Moment(_) => (ProgressBar::no_length(), "{spinner} {pos} seeds {elapsed} {msg}"),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn work(errand: &Errand<'_>, next: &AtomicU64, failed: &AtomicBool, tell: &Sender<News>) {
    while !failed.load(Ordering::Relaxed) {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let is_enough = match errand.until {
            Until::Seeds(seeds) => place >= seeds,
            Until::Moment(moment) => Instant::now() >= moment,
        };
        if is_enough {
            return;
        }
        let seed = errand.first.wrapping_add(place);
        let live = |tell: &Sender<News>| {
            // Who asked may be gone; then nobody looks at the bar either.
            crate::sim::run(errand.plan, seed, &mut |share| drop(tell.send(News::Progress(share))))
        };
        let outcome = live(tell);
        let again = errand.twice.then(|| live(tell).report.trace);
        let differs = again.is_some_and(|again| again != outcome.report.trace);
        failed.fetch_or(outcome.broken.is_some() || differs, Ordering::Relaxed);
        drop(tell.send(News::Done(Box::new(outcome), again)));
    }
}

fn sum(outcomes: impl Iterator<Item = (Box<Outcome>, Option<u64>)>) -> Found {
    let mut found = Found { report: Report::default(), broken: Vec::new() };
    for (outcome, again) in outcomes {
        let Outcome { seed, report, broken } = *outcome;
        found.report.add(&report);
        if let Some((at_ms, breach)) = broken {
            let what = format!("at {at_ms} ms: {breach}");
            found.broken.push(Failed { seed, what });
        } else if again.is_some_and(|again| again != report.trace) {
            let what = "two runs came to different ends: something depends on more than the seed";
            found.broken.push(Failed { seed, what: what.to_owned() });
        }
    }
    found
}
