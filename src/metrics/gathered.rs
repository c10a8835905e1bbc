//! The metrics of several nodes as one page, each sample under the label of its node. What other
//! nodes say is read strictly: a page with a line that is not what an [`super::Exposition`] writes
//! counts for nothing, so that no node can speak under the label of another.

use super::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Lines of one node's page.
const LINES_MAX: usize = 8192;

/// The kind of a family that only who gathers speaks of.
const OURS: &str = "";

/// A line that an exposition does not have: its number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine(pub usize);

/// A sample's labels: their values by their names.
type Labels<'a> = BTreeMap<&'a str, &'a str>;

/// The families of one node, their samples labelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Family {
    /// `HELP` and `TYPE` as they stand.
    head: String,
    kind: String,
    samples: String,
}

/// One page under way.
#[derive(Debug, Default)]
pub struct GatheredPage {
    order: Vec<String>,
    families: BTreeMap<String, Family>,
}

impl GatheredPage {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// A number of a node that who gathers knows. What nodes say under this name is left out.
    pub fn gauge(&mut self, name: &str, help: &str, node: &str, value: impl Into<Value>) {
        let family = self.families.entry(name.to_owned()).or_insert_with(|| {
            self.order.push(name.to_owned());
            let head = format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
            Family { head, kind: OURS.to_owned(), samples: String::new() }
        });
        let (node, value) = (escaped(node), value.into());
        let written = writeln!(family.samples, "{name}{{node=\"{node}\"}} {value}");
        debug_assert!(written.is_ok(), "writing to a String does not fail");
    }

    /// Adds the page of a node. A family whose type differs from what an earlier node said is left
    /// out. After an error nothing of the page was added.
    pub fn add(&mut self, node: &str, page: &str) -> Result<(), BadLine> {
        for (name, family) in families(node, page)? {
            match self.families.get_mut(&name) {
                None => {
                    self.order.push(name.clone());
                    self.families.insert(name, family);
                }
                Some(known) if known.kind == family.kind => {
                    known.samples.push_str(&family.samples);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The page: families in the order in which they were first seen.
    pub fn finish(&self) -> String {
        let mut out = String::new();
        for family in self.order.iter().filter_map(|name| self.families.get(name)) {
            out.push_str(&family.head);
            out.push_str(&family.samples);
        }
        out
    }
}

/// The families of a page, in its order.
fn families(node: &str, page: &str) -> Result<Vec<(String, Family)>, BadLine> {
    let mut found: Vec<(String, Family)> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut series = BTreeSet::new();
    let mut lines = page.lines().enumerate();
    let label = escaped(node);
    while let Some((at, line)) = lines.next() {
        let bad = BadLine(at + 1);
        if at >= LINES_MAX {
            return Err(bad);
        }
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, _) = help.split_once(' ').ok_or(bad)?;
            let (_, kind) = lines.next().ok_or(bad)?;
            let kind = kind.strip_prefix("# TYPE ").and_then(|rest| rest.strip_prefix(name));
            let kind = kind.and_then(|kind| kind.strip_prefix(' ')).ok_or(bad)?;
            let is_known = ["counter", "gauge", "histogram"].contains(&kind);
            if !is_known || !is_name(name) || !seen.insert(name.to_owned()) {
                return Err(bad);
            }
            let head = format!("# HELP {help}\n# TYPE {name} {kind}\n");
            let family = Family { head, kind: kind.to_owned(), samples: String::new() };
            found.push((name.to_owned(), family));
            continue;
        }
        let (family, under) = found.last_mut().ok_or(bad)?;
        let sample = Sample::read(line).filter(|sample| sample.is_of(family, &under.kind));
        let sample = sample.ok_or(bad)?;
        sample.write(&label, &mut under.samples);
        if !series.insert((sample.name, sample.values)) {
            return Err(bad);
        }
    }
    Ok(found)
}

/// One line: name, labels with their braces left out, value.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    /// The labels' values as they stand, by their names: with the name, what no two samples share.
    values: Labels<'a>,
    value: &'a str,
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(end);
        let (labels, values, value) = if let Some(rest) = rest.strip_prefix('{') {
            let (end, values) = read_labels(rest)?;
            (&rest[..end], values, rest[end..].strip_prefix("} ")?)
        } else {
            ("", Labels::new(), rest.strip_prefix(' ')?)
        };
        let is_value = !value.is_empty()
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            && value.parse::<f64>().is_ok();
        is_value.then_some(Self { name, labels, values, value })
    }

    fn is_of(&self, family: &str, kind: &str) -> bool {
        let suffix = self.name.strip_prefix(family);
        match kind {
            "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            _ => suffix == Some(""),
        }
    }

    fn write(&self, node: &str, out: &mut String) {
        let Self { name, labels, value, .. } = self;
        let comma = if labels.is_empty() { "" } else { "," };
        let written = writeln!(out, "{name}{{node=\"{node}\"{comma}{labels}}} {value}");
        debug_assert!(written.is_ok(), "writing to a String does not fail");
    }
}

/// Labels, and where they end, the place of their closing brace: names that are none of `node`,
/// each once, and values whose quotes and escapes are whole.
fn read_labels(text: &str) -> Option<(usize, Labels<'_>)> {
    let mut found = Labels::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let equals = rest.find('=')?;
        let name = &rest[..equals];
        if !is_name(name) || name == "node" {
            return None;
        }
        let value = rest[equals + 1..].strip_prefix('"')?;
        let end = quoted_end(value)?;
        if found.insert(name, &value[..end]).is_some() {
            return None;
        }
        at += equals + 2 + end + 1;
        match text.as_bytes().get(at)? {
            b',' => at += 1,
            b'}' => return Some((at, found)),
            _ => return None,
        }
    }
}

/// Where the closing quote stands.
fn quoted_end(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at),
            b'\\' if !matches!(bytes.next(), Some((_, b'\\' | b'"' | b'n'))) => return None,
            _ => {}
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Exposition, Histogram, Unit};
    use proptest::prelude::*;

    fn page(peer: &str) -> String {
        let mut page = Exposition::new();
        page.counter("bw_lost_total", "Lost \\ \"so\".", &[("reason", "idle")], 3_u64);
        page.gauge("bw_up", "Up.", &[("peer", peer)], true);
        let mut histogram = Histogram::new(&[1, 5]);
        histogram.observe(3);
        page.histogram("bw_turn_seconds", "A turn.", &[], &histogram, Unit::One);
        page.finish()
    }

    #[test]
    fn each_sample_stands_under_its_node_and_each_family_once() {
        let mut gathered = GatheredPage::new();
        gathered.add("a", &page("b")).unwrap();
        gathered.add("q\"\\", &page("}\" \n")).unwrap();
        assert_eq!(
            gathered.finish(),
            "# HELP bw_lost_total Lost \\\\ \"so\".\n# TYPE bw_lost_total counter\n\
             bw_lost_total{node=\"a\",reason=\"idle\"} 3\n\
             bw_lost_total{node=\"q\\\"\\\\\",reason=\"idle\"} 3\n\
             # HELP bw_up Up.\n# TYPE bw_up gauge\n\
             bw_up{node=\"a\",peer=\"b\"} 1\n\
             bw_up{node=\"q\\\"\\\\\",peer=\"}\\\" \\n\"} 1\n\
             # HELP bw_turn_seconds A turn.\n# TYPE bw_turn_seconds histogram\n\
             bw_turn_seconds_bucket{node=\"a\",le=\"1\"} 0\n\
             bw_turn_seconds_bucket{node=\"a\",le=\"5\"} 1\n\
             bw_turn_seconds_bucket{node=\"a\",le=\"+Inf\"} 1\n\
             bw_turn_seconds_sum{node=\"a\"} 3\nbw_turn_seconds_count{node=\"a\"} 1\n\
             bw_turn_seconds_bucket{node=\"q\\\"\\\\\",le=\"1\"} 0\n\
             bw_turn_seconds_bucket{node=\"q\\\"\\\\\",le=\"5\"} 1\n\
             bw_turn_seconds_bucket{node=\"q\\\"\\\\\",le=\"+Inf\"} 1\n\
             bw_turn_seconds_sum{node=\"q\\\"\\\\\"} 3\n\
             bw_turn_seconds_count{node=\"q\\\"\\\\\"} 1\n"
        );
    }

    #[test]
    fn what_who_gathers_says_of_a_node_is_not_for_the_node_to_say() {
        let mut gathered = GatheredPage::new();
        gathered.gauge("up", "Up.", "a", 0_u64);
        gathered.gauge("up", "Up.", "b", 1_u64);
        gathered.add("a", "# HELP up U.\n# TYPE up gauge\nup 1\n").unwrap();
        let page = "# HELP up Up.\n# TYPE up gauge\nup{node=\"a\"} 0\nup{node=\"b\"} 1\n";
        assert_eq!(gathered.finish(), page);
    }

    #[test]
    fn a_page_that_would_speak_for_another_counts_for_nothing() {
        let head = "# HELP a A.\n# TYPE a gauge\n";
        for (lines, at) in [
            ("a 1\n", 1),
            ("# TYPE a gauge\na 1\n", 1),
            ("# HELP a A.\n# TYPE b gauge\n", 1),
            ("# HELP a A.\n# TYPE a riddle\n", 1),
            ("# HELP a\n", 1),
        ] {
            let mut gathered = GatheredPage::new();
            assert_eq!(gathered.add("x", lines), Err(BadLine(at)), "{lines}");
            assert_eq!(gathered.finish(), "");
        }
        for line in [
            "a{node=\"y\"} 1",
            "a{x=\"1\",node=\"y\"} 1",
            "b 1",
            "a_sum 1",
            "a one",
            "a 1 2",
            "a{} 1",
            "a{x=\"1} 1",
            "a{x=\"\\q\"} 1",
            "a{x=\"1\"",
            "a{X=\"1\"} 1",
            "a{x=\"1\",x=\"1\"} 1",
            "a{x=\"1\",y=\"1\",x=\"2\"} 1",
            "a 0",
            "a 1",
            "a{y=\"2\",x=\"1\"} 1",
            "",
            "# EOF",
            "# HELP a A.\n# TYPE a gauge",
        ] {
            let mut gathered = GatheredPage::new();
            let page = format!("{head}a 0\na{{x=\"1\",y=\"2\"}} 1\n{line}\n");
            assert_eq!(gathered.add("x", &page), Err(BadLine(5)), "{line}");
            assert_eq!(gathered.finish(), "", "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_page_is_read_or_refused(
            page in "(# (HELP|TYPE) a (A|gauge)\n|[a{}=\"x, 1\\\\\n#])*",
        ) {
            let mut gathered = GatheredPage::new();
            if gathered.add("n", &page).is_ok() {
                let out = gathered.finish();
                let samples = out.lines().filter(|line| !line.starts_with('#'));
                prop_assert!(samples.clone().all(|line| line.contains("{node=\"n\"")), "{}", out);
            }
        }
    }
}
