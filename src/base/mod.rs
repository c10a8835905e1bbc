//! Layer 0: what every part stands on. Byte buffers, slots with generations, the timer wheel,
//! endpoint strings, wildmats and seedable random numbers. No clock, no socket, no file.

mod endpoint;
mod inbuf;
mod outbuf;
pub(crate) mod plant;
mod rng;
mod slots;
mod wheel;
mod wildmat;

pub use endpoint::{ClientEndpoint, EndpointError, HandedSocket, ServerEndpoint, SocketDomain};
pub use inbuf::InBuf;
pub use outbuf::{Chunk, OutBuf};
pub use rng::Rng;
pub use slots::{Key, Slots};
pub use wheel::{TimerKey, Wheel};
pub use wildmat::{Wildmat, WildmatError};

/// Milliseconds of a monotonic clock since its loop started.
pub type Tick = u64;
