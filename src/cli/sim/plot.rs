//! A simulation's picture: coverage over time, and copies by node. SVG by hand.

use super::super::failure::Failure;
use crate::sim::Report;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 56.0;
/// More bars than this can't be told apart.
const BARS_MAX: usize = 120;

/// Draws the picture into a file.
pub(super) fn draw(file: &Path, report: &Report) -> Result<(), Failure> {
    fs::write(file, picture(report))
        .map_err(|error| Failure::failed(format!("can't write {}: {error}", file.display())))
}

fn picture(report: &Report) -> String {
    let (width, height) = (WIDTH + 2.0 * MARGIN, 2.0 * (HEIGHT + 2.0 * MARGIN));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    coverage(&mut svg, report);
    copies(&mut svg, report);
    svg.push_str("</svg>\n");
    svg
}

/// The frame of a chart with its title, and what stands at the ends of its axes.
fn frame(svg: &mut String, top: f64, title: &str, x_end: &str, y_end: &str) {
    let (right, bottom) = (MARGIN + WIDTH, top + HEIGHT);
    let text = |svg: &mut String, x: f64, y: f64, anchor: &str, text: &str| {
        let _ =
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
    };
    text(svg, MARGIN, top - 12.0, "start", title);
    text(svg, right, bottom + 18.0, "end", x_end);
    text(svg, MARGIN, bottom + 18.0, "start", "0");
    text(svg, MARGIN - 6.0, top + 4.0, "end", y_end);
    text(svg, MARGIN - 6.0, bottom, "end", "0");
    let _ = writeln!(
        svg,
        "<path d=\"M{MARGIN} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#444\"/>"
    );
}

/// The share of all arrivals that had happened, over milliseconds since the update could be read.
fn coverage(svg: &mut String, report: &Report) {
    let top = MARGIN;
    let last = report.curve.len().max(2) - 1;
    let title = "coverage: share of nodes that have an update, by time since it could be read";
    frame(svg, top, title, &format!("{last} ms"), "100 %");
    let all = report.curve.iter().sum::<u64>().max(1) as f64;
    let mut sum = 0;
    let mut path = format!("M{MARGIN} {:.1}", top + HEIGHT);
    for (ms, arrivals) in report.curve.iter().enumerate().filter(|(_, arrivals)| **arrivals > 0) {
        sum += arrivals;
        let x = MARGIN + WIDTH * ms as f64 / last as f64;
        let y = top + HEIGHT * (1.0 - sum as f64 / all);
        let _ = write!(path, "H{x:.1}V{y:.1}");
    }
    let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"2\"/>");
}

/// Copies that came to each node for each update that was new there, ascending.
fn copies(svg: &mut String, report: &Report) {
    let top = 3.0 * MARGIN + HEIGHT;
    let mut copies = report.copies.clone();
    copies.sort_by(f64::total_cmp);
    let most = copies.last().copied().unwrap_or(1.0).max(1.0);
    let title = format!("copies of an update to a node, {:.2} in the mean", report.copies_mean());
    frame(svg, top, &title, &format!("{} nodes", copies.len()), &format!("{most:.1}"));
    let bars = copies.len().clamp(1, BARS_MAX);
    let wide = WIDTH / bars as f64;
    for bar in 0..bars.min(copies.len()) {
        let value = copies[bar * copies.len() / bars];
        let high = HEIGHT * value / most;
        let (x, y) = (MARGIN + wide * bar as f64, top + HEIGHT - high);
        let width = wide * 0.8;
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{high:.1}\" \
             fill=\"#c60\"/>"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_a_line_and_a_bar_for_each_node() {
        let report =
            Report { curve: vec![1, 0, 2, 1], copies: vec![2.0, 4.0, 3.0], ..Report::default() };
        let svg = picture(&report);
        assert_eq!(svg.matches("fill=\"#c60\"").count(), 3);
        assert!(svg.contains("V296.0") || svg.contains("H56.0V236.0"), "{svg}");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(!picture(&Report::default()).contains("NaN"));
    }
}
