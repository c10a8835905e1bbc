//! A node that is stopped in the middle of everything: the others owe it nothing that grows.

use super::bed::Bed;
use super::load::post_evenly;
use crate::harness::Node;

/// What a node's memory may grow by while a peer is stopped. What waits in the connections to it is
/// bounded by its window and the kernel's buffers, which are not a process's; the rest is the
/// allocator's, and the index's of what was written meanwhile.
const GROWTH_BYTES_MAX: usize = 8 << 20;

#[test]
fn a_node_that_is_stopped_for_20_seconds_of_load_costs_the_others_no_memory() {
    const PER_SECOND: u32 = 2000;
    // Caches that fill soon, so that what grows later is no cache.
    let small = |setup: crate::harness::Setup| {
        setup.limit("cache_bytes", 1 << 20).limit("index_cache_bytes", 1 << 20)
    };
    let Some(bed) = Bed::mesh(small) else { return };
    let port = bed.herd[0].http_port();
    post_evenly(port, 6 * PER_SECOND, PER_SECOND, 100);
    bed.herd.settle();
    let awake = &bed.herd.nodes[..4];
    let before: Vec<usize> = awake.iter().map(Node::resident_bytes).collect();
    bed.herd[4].signal("STOP");
    post_evenly(port, 20 * PER_SECOND, PER_SECOND, 100);
    let after: Vec<usize> = awake.iter().map(Node::resident_bytes).collect();
    bed.herd[4].signal("CONT");
    for (node, (before, after)) in awake.iter().zip(before.iter().zip(&after)) {
        let growth = after.saturating_sub(*before);
        eprintln!("{}: {} kB more", node.name(), growth / 1024);
        assert!(growth <= GROWTH_BYTES_MAX, "{} grew by {growth} bytes", node.name());
    }
    bed.agree(&[]);
}
