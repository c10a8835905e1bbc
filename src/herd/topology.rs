//! Whom a node of a large herd dials. Up to 32 nodes are linked as their configuration says; in
//! larger herds each node picks by rendezvous hash (Thaler and Ravishankar, 1998), and a few that
//! are near. All that is needed is the list of names: nobody has to be asked, a node that comes or
//! goes changes no link but its own, and no two nodes pick alike.

/// Herds up to this size are linked as configured.
pub const CONFIGURED_NODES_MAX: usize = 32;
/// How many links a node of a larger herd has, in the mean. It dials half of them; for the other
/// half it is dialled, since every node picks as many.
pub const LINKS: usize = 8;

/// A name, as the rendezvous hashes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl Mark {
    /// The mark of a node's name.
    pub fn of(name: &str) -> Self {
        let hash = blake3::hash(name.as_bytes());
        let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        Self(u64::from_le_bytes(*first))
    }

    /// How much this node likes another: a hash of both (`SplitMix64`'s finish), not the same from
    /// the other end, so that nobody is everyone's favourite.
    fn likes(self, other: Self) -> u64 {
        let mut z = self.0.rotate_left(32) ^ other.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Whom `me` dials: the places in `members` of up to `by_hash` that it likes most, and then of up
/// to `nearest` others by their `distance`, where it is known. `me` is passed over.
pub fn dials(
    me: Mark,
    members: &[Mark],
    by_hash: usize,
    nearest: usize,
    distance: impl Fn(usize) -> Option<u64>,
) -> Vec<usize> {
    let others = || (0..members.len()).filter(|place| members[*place] != me);
    let liked = others().map(|place| (!me.likes(members[place]), place));
    let mut chosen: Vec<usize> = least(liked, by_hash);
    let rest = others().filter(|place| !chosen.contains(place));
    let near = least(rest.filter_map(|place| Some((distance(place)?, place))), nearest);
    chosen.extend(near);
    chosen
}

/// The places of the least `count` keys.
fn least(keyed: impl Iterator<Item = (u64, usize)>, count: usize) -> Vec<usize> {
    let mut keyed: Vec<(u64, usize)> = keyed.collect();
    if count == 0 {
        return Vec::new();
    }
    if keyed.len() > count {
        keyed.select_nth_unstable(count - 1);
        keyed.truncate(count);
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn marks(nodes: usize) -> Vec<Mark> {
        (0..nodes).map(|node| Mark::of(&format!("node{node}"))).collect()
    }

    fn links(members: &[Mark]) -> BTreeSet<(usize, usize)> {
        let dialled = |me: usize| {
            let dials = dials(members[me], members, LINKS / 2, 0, |_| None);
            dials.into_iter().map(move |to| (me.min(to), me.max(to)))
        };
        (0..members.len()).flat_map(dialled).collect()
    }

    #[test]
    fn a_large_herd_is_in_one_part_and_nobody_has_too_many_links() {
        for nodes in [33, 200, 1_000] {
            let links = links(&marks(nodes));
            let mut degrees = vec![0; nodes];
            let mut part: Vec<usize> = (0..nodes).collect();
            for &(a, b) in &links {
                (degrees[a], degrees[b]) = (degrees[a] + 1, degrees[b] + 1);
                let (from, to) = (part[a], part[b]);
                part.iter_mut().filter(|part| **part == from).for_each(|part| *part = to);
            }
            assert!(part.iter().all(|of| *of == part[0]), "{nodes} nodes are in parts");
            let mean = 2.0 * links.len() as f64 / nodes as f64;
            assert!((6.5..=8.0).contains(&mean), "{nodes} nodes have {mean} links");
            assert!(degrees.iter().all(|degree| (4..=20).contains(degree)), "{degrees:?}");
        }
    }

    #[test]
    fn a_node_that_goes_changes_no_link_but_its_own() {
        let all = marks(100);
        let without = &all[..99];
        for me in 0..99 {
            let before = dials(all[me], &all, 4, 0, |_| None);
            let after = dials(all[me], without, 4, 0, |_| None);
            let kept = before.iter().filter(|to| after.contains(to)).count();
            assert_eq!(kept, 4 - usize::from(before.contains(&99)));
        }
    }

    #[test]
    fn the_nearest_come_beside_the_hashed_and_never_oneself() {
        let members = marks(40);
        let dialled = dials(members[7], &members, 3, 2, |place| Some(place as u64));
        assert_eq!(dialled.len(), 5);
        assert_eq!(dialled.iter().collect::<BTreeSet<_>>().len(), 5);
        assert!(!dialled.contains(&7));
        let nearest = (0..).filter(|place| !dialled[..3].contains(place) && *place != 7);
        assert_eq!(dialled[3..], nearest.take(2).collect::<Vec<_>>());
        assert!(dials(members[0], &members[..1], 3, 2, |_| Some(1)).is_empty());
    }
}
