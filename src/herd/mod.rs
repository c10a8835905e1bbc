//! Layer 2: diffusion. Feeds through the log, peer links, who is linked to whom, when to dial
//! again. Inputs in, outputs out: no socket, no clock, no thread (diffusion.md's "flood for speed,
//! vector for proof").

mod backoff;
mod charter;
mod feed;
mod link;
mod roll;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use charter::{Act, ActError, Charter, MEMBERS_MAX, Named, Signed, Standing, TOPIC_CHARTER};
pub use feed::{Feed, Order};
pub use link::{Arrival, Link, LinkError, LinkSettings, LinkView};
pub use roll::{Admission, Identity, Member, Roll};
