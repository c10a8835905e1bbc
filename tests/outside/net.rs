//! Herds of real processes on a network that breaks: each node stands in a network namespace of its
//! own, and what goes wrong there goes wrong for real: packets vanish, processes stop, disks fill.

#[path = "net/bed.rs"]
mod bed;
#[path = "net/cuts.rs"]
mod cuts;
#[path = "net/deaths.rs"]
mod deaths;
#[path = "net/door.rs"]
mod door;
#[path = "net/lab.rs"]
mod lab;
#[path = "net/load.rs"]
mod load;
#[path = "net/pause.rs"]
mod pause;
#[path = "net/rooms.rs"]
mod rooms;
