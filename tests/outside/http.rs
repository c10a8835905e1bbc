//! HTTP as strangers speak it, through raw sockets.

#[path = "http/edits.rs"]
mod edits;
#[path = "http/forms.rs"]
mod forms;
#[path = "http/framing.rs"]
mod framing;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/pages.rs"]
mod pages;
#[path = "http/routes.rs"]
mod routes;
#[path = "http/spread.rs"]
mod spread;
#[path = "http/stories.rs"]
mod stories;
#[path = "http/streams.rs"]
mod streams;
#[path = "http/updates.rs"]
mod updates;
