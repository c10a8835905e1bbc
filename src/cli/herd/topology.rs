//! Who is linked with whom in a herd of so many nodes.

/// Nodes by name, and links between them as places in `names`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) names: Vec<String>,
    pub(super) edges: Vec<(usize, usize)>,
}

/// Kinds of herds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topology {
    /// Each with the next, the last with the first: any one may die.
    Ring,
    /// Each with each.
    Mesh,
    /// Each with the next.
    Line,
}

/// Up to so many nodes a herd is a mesh unless it is said otherwise.
const MESH_NODES_MAX: usize = 5;

impl Topology {
    pub(super) const WORDS: &'static [&'static str] = &["ring", "mesh", "line"];

    /// By its word; without one what suits so many nodes.
    pub(super) fn new(word: Option<&str>, nodes: usize) -> Self {
        match word {
            Some("ring") => Self::Ring,
            Some("mesh") => Self::Mesh,
            Some("line") => Self::Line,
            _ if nodes <= MESH_NODES_MAX => Self::Mesh,
            _ => Self::Ring,
        }
    }

    /// A herd of node1, node2, ….
    pub(super) fn shape(self, nodes: usize) -> Shape {
        let names = (1..=nodes).map(|number| format!("node{number}")).collect();
        let next = (1..nodes).map(|to| (to - 1, to));
        let edges = match self {
            Self::Ring if nodes > 2 => next.chain([(nodes - 1, 0)]).collect(),
            Self::Line | Self::Ring => next.collect(),
            Self::Mesh => (1..nodes).flat_map(|to| (0..to).map(move |from| (from, to))).collect(),
        };
        Shape { names, edges }
    }
}

impl Shape {
    /// The nodes linked with one.
    pub(super) fn neighbours(&self, node: usize) -> impl Iterator<Item = usize> {
        self.edges.iter().filter_map(move |(from, to)| match node {
            node if node == *from => Some(*to),
            node if node == *to => Some(*from),
            _ => None,
        })
    }

    /// Whether there is a way from each node to each other.
    #[cfg(test)]
    pub(super) fn is_connected(&self) -> bool {
        let mut reached = vec![false; self.names.len()];
        let mut next = vec![0];
        while let Some(node) = next.pop() {
            if !std::mem::replace(&mut reached[node], true) {
                next.extend(self.neighbours(node));
            }
        }
        reached.into_iter().all(|reached| reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topology_of_every_size_is_connected_without_double_links() {
        for nodes in 1..=9 {
            for word in Topology::WORDS {
                let shape = Topology::new(Some(word), nodes).shape(nodes);
                assert_eq!(shape.names.len(), nodes);
                assert!(shape.is_connected(), "{word} of {nodes}");
                let ends = |(a, b): &(usize, usize)| (*a.min(b), *a.max(b));
                let mut edges: Vec<_> = shape.edges.iter().map(ends).collect();
                edges.sort_unstable();
                edges.dedup();
                assert_eq!(edges.len(), shape.edges.len(), "{word} of {nodes}");
                assert!(edges.iter().all(|(from, to)| from < to));
            }
        }
    }

    #[test]
    fn topologies_have_their_links() {
        let edges = |word, nodes| Topology::new(word, nodes).shape(nodes).edges;
        assert_eq!(edges(Some("line"), 3), [(0, 1), (1, 2)]);
        assert_eq!(edges(Some("ring"), 3), [(0, 1), (1, 2), (2, 0)]);
        assert_eq!(edges(Some("ring"), 2), [(0, 1)]);
        assert_eq!(edges(None, 5).len(), 10);
        assert_eq!(edges(None, 6).len(), 6);
        let ring = Topology::Ring.shape(4);
        assert_eq!(ring.neighbours(0).collect::<Vec<_>>(), [1, 3]);
    }
}
