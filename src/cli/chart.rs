//! Charts one under the other in an SVG file, drawn by hand: what `sim` and `load` show.

use super::failure::Failure;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 56.0;
/// More bars than this can't be told apart.
const BARS_MAX: usize = 120;

/// A picture of charts.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    body: String,
    charts: usize,
}

/// One chart of a picture. Places in it are shares of its width and height, from its lower left
/// corner.
#[derive(Debug)]
pub(crate) struct Chart<'p> {
    svg: &'p mut String,
    top: f64,
}

impl Picture {
    /// A picture without charts.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a chart below the others, with its title and what stands at the ends of its axes, which
    /// begin at 0.
    pub(crate) fn chart(&mut self, title: &str, x_end: &str, y_end: &str) -> Chart<'_> {
        let top = MARGIN + self.charts as f64 * (HEIGHT + 2.0 * MARGIN);
        self.charts += 1;
        let mut chart = Chart { svg: &mut self.body, top };
        let (right, bottom) = (MARGIN + WIDTH, top + HEIGHT);
        chart.text(MARGIN, top - 12.0, "start", title);
        chart.text(right, bottom + 18.0, "end", x_end);
        chart.text(MARGIN, bottom + 18.0, "start", "0");
        chart.text(MARGIN - 6.0, top + 4.0, "end", y_end);
        chart.text(MARGIN - 6.0, bottom, "end", "0");
        let _ = writeln!(
            chart.svg,
            "<path d=\"M{MARGIN} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#444\"/>"
        );
        chart
    }

    /// The picture as SVG.
    pub(crate) fn svg(&self) -> String {
        let width = WIDTH + 2.0 * MARGIN;
        let height = self.charts as f64 * (HEIGHT + 2.0 * MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n",
            self.body
        )
    }

    /// Writes the picture into a file.
    pub(crate) fn save(&self, file: &Path) -> Result<(), Failure> {
        let written = fs::write(file, self.svg());
        written.map_err(|error| Failure::failed(format!("can't write {}: {error}", file.display())))
    }
}

impl Chart<'_> {
    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// Names a place of the horizontal axis.
    pub(crate) fn mark(&mut self, x: f64, text: &str) {
        let (x, bottom) = (MARGIN + WIDTH * x, self.top + HEIGHT);
        self.text(x, bottom + 18.0, "middle", text);
        let _ = writeln!(self.svg, "<path d=\"M{x:.1} {bottom}v5\" stroke=\"#444\"/>");
    }

    /// A curve that stays until the next point and steps there; it begins at 0.
    pub(crate) fn steps(&mut self, points: impl Iterator<Item = (f64, f64)>) {
        let mut path = format!("M{MARGIN} {:.1}", self.top + HEIGHT);
        for (x, y) in points {
            let (x, y) = (MARGIN + WIDTH * x, self.top + HEIGHT * (1.0 - y));
            let _ = write!(path, "H{x:.1}V{y:.1}");
        }
        let _ = writeln!(
            self.svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"2\"/>"
        );
    }

    /// A straight line from point to point.
    pub(crate) fn line(&mut self, points: impl Iterator<Item = (f64, f64)>) {
        let mut places = String::new();
        for (x, y) in points {
            let (x, y) = (MARGIN + WIDTH * x, self.top + HEIGHT * (1.0 - y));
            let _ = write!(places, "{x:.1},{y:.1} ");
        }
        let places = places.trim_end();
        let _ = writeln!(
            self.svg,
            "<polyline points=\"{places}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"2\"/>"
        );
    }

    /// Bars of these heights, of which some are left out when there are too many.
    pub(crate) fn bars(&mut self, heights: &[f64]) {
        let bars = heights.len().clamp(1, BARS_MAX);
        let wide = WIDTH / bars as f64;
        for bar in 0..bars.min(heights.len()) {
            let high = HEIGHT * heights[bar * heights.len() / bars];
            let (x, y) = (MARGIN + wide * bar as f64, self.top + HEIGHT - high);
            let width = wide * 0.8;
            let _ = writeln!(
                self.svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{high:.1}\" \
                 fill=\"#c60\"/>"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_stand_one_under_the_other_and_titles_are_escaped() {
        let mut picture = Picture::new();
        picture.chart("a<b & c", "1", "2").line([(0.0, 0.0), (1.0, 1.0)].into_iter());
        picture.chart("below", "1", "2").bars(&[0.5; 500]);
        let svg = picture.svg();
        assert!(svg.contains("viewBox=\"0 0 832 704\"") && svg.contains("a&lt;b &amp; c"), "{svg}");
        assert!(svg.contains("points=\"56.0,296.0 776.0,56.0\""), "{svg}");
        assert_eq!(svg.matches("fill=\"#c60\"").count(), BARS_MAX);
    }
}
