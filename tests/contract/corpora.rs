//! The corpora of the fuzz targets, replayed: what once led somewhere is tried on every change.

use crate::targets::TARGETS;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[test]
fn every_input_of_the_corpora_holds_what_its_target_promises() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let inputs = fs::read_dir(corpora.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut count = 0;
        for entry in inputs {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("a file");
            assert!(catch_unwind(|| target(&bytes)).is_ok(), "on {}", path.display());
            count += 1;
        }
        assert!(count > 0, "no corpus for {name}");
    }
    let folders = fs::read_dir(&corpora).expect("corpora").count();
    assert_eq!(folders, TARGETS.len(), "a corpus without a target");
}
