//! Runs the targets under a bound of memory: nobody may make the program take much by saying that
//! much will come.

mod targets;

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most memory that a target may take at a time beyond what it was given: what its oracles
/// keep of the input, and the buffers that a connection has anyway.
fn memory_bytes_max(input_bytes: usize) -> usize {
    (1 << 20) + 128 * input_bytes
}

/// Runs the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = targets::TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("{name} is no target"));
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    target(bytes);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    let allowed = memory_bytes_max(bytes.len());
    assert!(taken <= allowed, "{taken} bytes of memory for {} of input", bytes.len());
}
