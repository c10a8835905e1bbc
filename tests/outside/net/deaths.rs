//! Nodes that die without a word while everybody writes, and one that comes back with the memory of
//! another day.

use super::bed::Bed;
use super::load::Load;
use crate::harness::{Ended, Reader};
use bellwether::base::Rng;
use std::path::Path;
use std::process::Command;

#[test]
fn nodes_that_are_killed_at_random_under_load_lose_nothing_they_acknowledged() {
    const DEATHS: usize = 8;
    let Some(mut bed) = Bed::mesh(|setup| setup) else { return };
    let seed = getrandom::u64().expect("the system's random numbers");
    eprintln!("seed {seed}");
    let mut rng = Rng::new(seed);
    let clients: Vec<_> = (0..5).map(|node| bed.http(node)).collect();
    let mut load = Load::on(&clients, "local");
    for _ in 0..DEATHS {
        load.await_more(rng.range(1..=80) as usize);
        let victim = rng.below(5) as usize;
        let others: Vec<usize> = (0..5).filter(|node| *node != victim).collect();
        // A machine that dies takes its network along: nobody hears that its connections ended.
        let is_silent = rng.chance(1, 2);
        if is_silent {
            bed.cut(&[victim], &others);
        }
        bed.herd[victim].kill9();
        load.await_more(rng.range(1..=40) as usize);
        bed.herd[victim].restart();
        if is_silent {
            bed.mend(&[victim], &others);
        }
        bed.await_links(victim, &others);
    }
    bed.agree(&load.finish());
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    Ended::well(Command::new("cp").arg("-a").args([from, to]));
}

#[test]
fn a_node_that_gets_back_its_old_folder_takes_a_new_epoch_before_anyone_is_misled() {
    let Some(mut bed) = Bed::mesh(|setup| setup) else { return };
    let others = [1, 2, 3, 4];
    let mut ids: Vec<String> = Vec::new();
    // Copied at rest, as backups should be, and under way, as they are.
    for (is_at_rest, name) in [(true, "rest"), (false, "way")] {
        let write = |bed: &Bed, what: &str, count: usize| -> Vec<String> {
            let title = |n| format!("{name}-{what}-{n}");
            (0..count).map(|n| bed.http(0).write(&title(n), &format!("Said {what}.\n"))).collect()
        };
        ids.extend(write(&bed, "before", 5));
        let (store, backup) = (bed.herd[0].store(), bed.herd.dir.path().join(name));
        if is_at_rest {
            bed.herd[0].stop();
            copy(&store, &backup);
            bed.herd[0].restart();
        } else {
            copy(&store, &backup);
        }
        ids.extend(write(&bed, "after", 7));
        bed.herd.settle();
        bed.herd[0].stop();
        std::fs::remove_dir_all(&store).expect("a folder");
        copy(&backup, &store);
        // It speaks before it can hear from anyone that it has said other things already.
        bed.cut(&[0], &others);
        bed.herd[0].restart();
        ids.extend(write(&bed, "again", 3));
        bed.mend(&[0], &others);
        bed.await_links(0, &others);
        let late = write(&bed, "late", 2);
        for node in others {
            Reader::from_start().until_ids(bed.http(node), &late);
        }
        ids.extend(late);
        bed.agree(&ids);
    }
    let epochs = bed.herd.settle().as_object().expect("epochs").len();
    assert!(epochs >= 3, "a new epoch after each time, not {epochs}");
}
