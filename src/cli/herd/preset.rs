//! Herds that courses on server herds have used, by name: who talks with whom.

use super::super::nearest;
use super::topology::Shape;

/// Name and edges of each; an edge is used both ways.
const PRESETS: &[(&str, &str)] = &[
    ("ucla-2014", "Alford-Parker Alford-Powell Bolden-Parker Bolden-Powell Hamilton-Parker"),
    ("ucla-2016", "Alford-Parker Alford-Welsh Bolden-Parker Bolden-Welsh Hamilton-Parker"),
    ("ucla-2017", "Alford-Hamilton Hamilton-Holiday Holiday-Ball Ball-Welsh Welsh-Alford"),
    (
        "ucla-2018",
        "Goloman-Hands Goloman-Holiday Goloman-Wilkes Hands-Wilkes Holiday-Welsh Holiday-Wilkes",
    ),
    (
        "ucla-2020",
        "Hill-Jaquez Hill-Smith Singleton-Jaquez Singleton-Smith Singleton-Campbell Smith-Campbell",
    ),
    (
        "ucla-2021",
        "Riley-Jaquez Riley-Juzang Bernard-Jaquez Bernard-Juzang Bernard-Campbell Juzang-Campbell",
    ),
    (
        "ucla-2022",
        "Clark-Jaquez Clark-Juzang Bernard-Jaquez Bernard-Juzang Bernard-Johnson Juzang-Johnson",
    ),
    (
        "ucla-2023",
        "Clark-Jaquez Clark-Bona Campbell-Bailey Campbell-Bona Campbell-Jaquez Bona-Bailey",
    ),
];

/// The preset of that name; otherwise what to say about it.
pub(super) fn shape(name: &str) -> Result<Shape, String> {
    if let Some((_, edges)) = PRESETS.iter().find(|(known, _)| *known == name) {
        return Ok(parse(edges));
    }
    let known: Vec<&str> = PRESETS.iter().map(|(known, _)| *known).collect();
    let hint = nearest::hint(name, known.iter().copied());
    Err(format!("no such preset: {name}{hint}; there are {}", known.join(", ")))
}

/// Names in the order in which the edges first name them.
fn parse(edges: &str) -> Shape {
    let mut shape = Shape::default();
    for (from, to) in edges.split(' ').filter_map(|edge| edge.split_once('-')) {
        let ends = [from, to].map(|name| {
            let known = shape.names.iter().position(|known| known == name);
            known.unwrap_or_else(|| {
                shape.names.push(name.to_owned());
                shape.names.len() - 1
            })
        });
        shape.edges.push((ends[0], ends[1]));
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_connected_herd_of_five() {
        for (name, edges) in PRESETS {
            let shape = shape(name).unwrap();
            assert_eq!(shape.names.len(), 5, "{name}");
            assert_eq!(shape.edges.len(), edges.split(' ').count(), "{name}");
            assert!(shape.is_connected(), "{name}");
        }
    }

    #[test]
    fn names_come_in_the_order_of_the_edges() {
        let shape = shape("ucla-2020").unwrap();
        assert_eq!(shape.names, ["Hill", "Jaquez", "Smith", "Singleton", "Campbell"]);
        assert_eq!(shape.edges, [(0, 1), (0, 2), (3, 1), (3, 2), (3, 4), (2, 4)]);
        assert!(super::shape("ucla-2019").unwrap_err().contains("did you mean ucla-201"));
    }
}
