//! A run's picture: latency by percentile, and throughput over time.

use super::super::chart::Picture;
use super::super::failure::Failure;
use super::fleet::Found;
use super::plan::Plan;
use super::show::duration;
use super::tally::Times;
use std::path::Path;

/// Points of the curve for each tenfold rarer answer.
const POINTS_PER_DECADE: u32 = 50;

/// Draws the picture into a file.
pub(super) fn draw(file: &Path, plan: &Plan, found: &Found) -> Result<(), Failure> {
    picture(plan, found).save(file)
}

fn picture(plan: &Plan, found: &Found) -> Picture {
    let mut picture = Picture::new();
    match found.deliveries.times() {
        Some(times) => latency(&mut picture, "delivery", plan, times),
        None => latency(&mut picture, "latency", plan, &found.tally.latency),
    }
    throughput(&mut picture, found);
    picture
}

/// Each decade of rarity (9 of 10, 99 of 100 …) is as wide as the others: the slow ones are what
/// one wants to see.
fn latency(picture: &mut Picture, what: &str, plan: &Plan, times: &Times) {
    let decades = (times.len().max(10) as f64).log10().ceil();
    let most = times.max().max(1);
    let title = format!("{what} by percentile: {}", plan.url);
    let mut chart = picture.chart(&title, "", &duration(most));
    let points = (0..=decades as u32 * POINTS_PER_DECADE).map(|point| {
        let rarity = f64::from(point) / f64::from(POINTS_PER_DECADE);
        let percent = 100.0 * (1.0 - 10_f64.powf(-rarity));
        (rarity / decades, times.percentile(percent) as f64 / most as f64)
    });
    chart.line(points);
    for (rarity, name) in [(0.301, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %")] {
        if rarity <= decades {
            chart.mark(rarity / decades, name);
        }
    }
}

fn throughput(picture: &mut Picture, found: &Found) {
    let tally = &found.tally;
    // The last slice is not a whole one.
    let slices = &tally.slices[..tally.slices.len().saturating_sub(1)];
    let per_s = |count: u64| count as f64 * 1e9 / tally.slice_ns() as f64;
    let most = per_s(slices.iter().copied().max().unwrap_or(0).max(1));
    let seconds = slices.len() as f64 * tally.slice_ns() as f64 / 1e9;
    let mut chart = picture.chart(
        "throughput over time, a second",
        &format!("{seconds:.1} s"),
        &format!("{most:.0}"),
    );
    let wide = 1.0 / slices.len().max(1) as f64;
    let points = slices.iter().enumerate();
    chart.steps(points.map(|(slice, count)| (slice as f64 * wide, per_s(*count) / most)));
}
