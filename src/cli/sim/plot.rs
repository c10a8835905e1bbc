//! A simulation's picture: coverage over time, and copies by node.

use super::super::chart::Picture;
use super::super::failure::Failure;
use crate::sim::Report;
use std::path::Path;

/// Draws the picture into a file.
pub(super) fn draw(file: &Path, report: &Report) -> Result<(), Failure> {
    picture(report).save(file)
}

fn picture(report: &Report) -> Picture {
    let mut picture = Picture::new();
    coverage(&mut picture, report);
    copies(&mut picture, report);
    picture
}

/// The share of all arrivals that had happened, over milliseconds since the update could be read.
fn coverage(picture: &mut Picture, report: &Report) {
    let last = report.curve.len().max(2) - 1;
    let title = "coverage: share of nodes that have an update, by time since it could be read";
    let mut chart = picture.chart(title, &format!("{last} ms"), "100 %");
    let all = report.curve.iter().sum::<u64>().max(1) as f64;
    let mut sum = 0;
    let arrived = report.curve.iter().enumerate().filter(|(_, arrivals)| **arrivals > 0);
    chart.steps(arrived.map(|(ms, arrivals)| {
        sum += arrivals;
        (ms as f64 / last as f64, sum as f64 / all)
    }));
}

/// Copies that came to each node for each update that was new there, ascending.
fn copies(picture: &mut Picture, report: &Report) {
    let mut copies = report.copies.clone();
    copies.sort_by(f64::total_cmp);
    let most = copies.last().copied().unwrap_or(1.0).max(1.0);
    let title = format!("copies of an update to a node, {:.2} in the mean", report.copies_mean());
    let mut chart =
        picture.chart(&title, &format!("{} nodes", copies.len()), &format!("{most:.1}"));
    let heights: Vec<f64> = copies.iter().map(|copies| copies / most).collect();
    chart.bars(&heights);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_a_line_and_a_bar_for_each_node() {
        let report =
            Report { curve: vec![1, 0, 2, 1], copies: vec![2.0, 4.0, 3.0], ..Report::default() };
        let svg = picture(&report).svg();
        assert_eq!(svg.matches("fill=\"#c60\"").count(), 3);
        assert!(svg.contains("V296.0") || svg.contains("H56.0V236.0"), "{svg}");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(!picture(&Report::default()).svg().contains("NaN"));
    }
}
