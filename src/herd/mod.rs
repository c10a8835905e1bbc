//! Layer 2: diffusion. Feeds through the log, peer links, who is linked to whom, when to dial
//! again. Inputs in, outputs out: no socket, no clock, no thread (diffusion.md's "flood for speed,
//! vector for proof").

mod archive;
mod audit;
mod audits;
mod backoff;
mod blob;
mod blobs;
mod charter;
mod feed;
mod gate;
mod holdings;
mod inbound;
mod inquiries;
mod lead;
mod link;
mod link_error;
mod meter;
mod outflow;
mod passes;
mod plan;
mod pulls;
mod reader;
mod relay;
mod ring;
mod roll;
#[cfg(test)]
mod tests;
pub mod topology;
mod trail;
mod welcome;
mod words;

pub use archive::Archive;
pub use audit::{
    Audit, AuditEnd, AuditError, AuditSet, AuditSettings, AuditView, Audited, Auditor,
    AuditorSettings, Stamp, StampsPage,
};
pub use backoff::Backoff;
pub use blob::{
    Assemblies, AssembliesView, Begun, BlobError, BlobSettings, Served, Serving, prove,
};
pub use charter::{Act, ActError, Charter, Named, Signed, Standing, TOPIC_CHARTER};
pub use feed::Feed;
pub use gate::Sealed;
pub use holdings::Holdings;
pub use link::{Arrival, Fork, LinkSettings, LinkView};
pub use link_error::LinkError;
pub use reader::{Gap, Item, LagLimits, Reader, Verdict};
pub use relay::{Relay, RelaySettings, Step};
pub use roll::{Admission, Identity, Member, Roll};
pub use trail::{Stand, Trail};
pub use welcome::{Caller, Unwelcome, welcome};
pub use words::Words;
