//! Which directory the log was written in. A copy of it, as a backup makes one, may lack what its
//! original went on to say: whoever goes on with the epoch of a copy says other things under the
//! same names. So the log's home keeps a note of what no copy has in common with it.

use super::disk::Disk;
use super::error::{StoreError, at_file};
use std::sync::Arc;

const NAME: &str = "home";
const BYTES: usize = 24;

/// True when the directory is not the one that was settled in.
pub(super) fn is_another(disk: &Arc<dyn Disk>, names: &[String]) -> Result<bool, StoreError> {
    if !names.iter().any(|name| name == NAME) {
        return Ok(true);
    }
    let mut noted = [0; BYTES];
    let file = at_file(NAME, disk.open(NAME, false))?;
    at_file(NAME, file.read_at(0, &mut noted))?;
    Ok(noted != note(disk)?)
}

/// Makes the directory the log's home. Only once its epoch is one that no other directory has.
pub(super) fn settle(disk: &Arc<dyn Disk>) -> Result<(), StoreError> {
    let file = at_file(NAME, disk.open(NAME, true))?;
    at_file(NAME, file.write_at(0, &note(disk)?))?;
    at_file(NAME, file.sync_data())?;
    at_file("", disk.sync_dir())
}

fn note(disk: &Arc<dyn Disk>) -> Result<[u8; BYTES], StoreError> {
    let identity = at_file("", disk.identity())?;
    let mut note = [0; BYTES];
    for (bytes, number) in note.chunks_exact_mut(8).zip(identity) {
        bytes.copy_from_slice(&number.to_be_bytes());
    }
    Ok(note)
}
