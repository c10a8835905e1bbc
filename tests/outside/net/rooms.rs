//! A disk that is full: a small file system of its own for one node's store.

use super::bed::Bed;
use crate::harness::{Ended, Reader, await_that};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, until it is dropped.
struct Room(PathBuf);

impl Room {
    fn mount(at: &Path, options: &str) {
        let mut mount = Command::new("mount");
        Ended::well(mount.args(["-t", "tmpfs", "-o", options, "bellwether-test"]).arg(at));
    }

    /// One of so many bytes, at a folder.
    fn of(bytes: u64, at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("a folder");
        Self::mount(at, &format!("size={bytes}"));
        Self(at.to_owned())
    }

    /// Makes it larger, or smaller.
    fn resize(&self, bytes: u64) {
        Self::mount(&self.0, &format!("remount,size={bytes}"));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // The node that lives there may still run when a test fails.
        let left = Command::new("umount").arg("--lazy").arg(&self.0).status();
        if !left.as_ref().is_ok_and(std::process::ExitStatus::success) {
            eprintln!("{} stays mounted: {left:?}", self.0.display());
        }
    }
}

#[test]
fn a_disk_that_is_full_refuses_and_tells_and_loses_nothing() {
    let Some(mut bed) = Bed::mesh(|setup| setup.limit("segment_bytes", 18 << 20)) else { return };
    bed.herd[0].stop();
    let store = bed.herd[0].store();
    let key = bed.herd.dir.path().join("key");
    std::fs::rename(store.join("key"), &key).expect("a key");
    std::fs::remove_dir_all(&store).expect("a folder");
    let room = Room::of(8 << 20, &store);
    std::fs::copy(&key, store.join("key")).expect("room for a key");
    bed.herd[0].restart();
    bed.await_links(0, &[1, 2, 3, 4]);
    let body = "x".repeat(64 << 10);
    let mut ids = Vec::new();
    let refused = loop {
        let answer = bed.http(0).post("/v1/topics/bulk", &body);
        if answer.status != 201 {
            break answer.expect(503);
        }
        ids.push(answer.member("id"));
        assert!(ids.len() <= 128, "more was acknowledged than there is room for");
    };
    assert!(refused.field("retry-after").parse::<u32>().is_ok(), "{refused:?}");
    bed.http(0).get("/readyz").expect(503);
    bed.http(0).get("/healthz").expect(200);
    // It reads on, and what others say is heard of here, though there is no room to keep it.
    let elsewhere = bed.http(1).write("elsewhere", "On another disk.\n");
    Reader::from_start().until_ids(bed.http(0), &[&elsewhere]);
    bed.await_equality(&[1, 2, 3, 4]);
    // It dies in its distress: what it acknowledged is in what it wrote.
    bed.herd[0].kill9();
    bed.herd[0].begin();
    room.resize(64 << 20);
    bed.herd[0].await_ready();
    let after = await_that("room on the disk", || {
        let answer = bed.http(0).put("/v1/stories/after", "Kept.\n");
        if answer.status == 201 { Ok(answer.member("id")) } else { Err(answer.text()) }
    });
    ids.extend([elsewhere, after]);
    bed.await_links(0, &[1, 2, 3, 4]);
    bed.agree(&ids);
}
