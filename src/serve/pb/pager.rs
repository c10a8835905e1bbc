//! Big bodies in pages, as Twisted's `util.Pager` sends them: as fast as the caller takes them.

use super::connection::PbBroker;
use crate::news::Revision;
use crate::proto::pb::{Jelly, ObjectId};
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::update::Update;

/// The bytes of a page.
const PAGE_BYTES: usize = 8192;

/// A body on its way.
#[derive(Debug)]
pub(super) struct Pager {
    collector: i64,
    update: Update,
    /// So many bytes have been sent.
    at: usize,
}

impl Pager {
    /// A body for this object of the caller's, a reference to which is kept.
    pub(super) fn new(collector: i64, update: Update) -> Self {
        Self { collector, update, at: 0 }
    }

    /// Sends what the caller takes; true when all is sent.
    pub(super) fn pump<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        broker: &mut PbBroker,
    ) -> bool {
        // One whose payload is gone by now has no pages.
        let revision = Revision::decode(self.update.payload());
        let body = revision.map_or(&b""[..], |revision| revision.body);
        let collector = ObjectId::Number(self.collector);
        while self.at < body.len() {
            let mut transport = cx.transport();
            if transport.is_full() {
                return false;
            }
            let end = body.len().min(self.at + PAGE_BYTES);
            let page = (vec![Jelly::Bytes(&body[self.at..end])], Vec::new());
            broker.call(transport.out().tail(), collector, "gotPage", page, None);
            desk.tally().pb.pages += 1;
            self.at = end;
        }
        let mut transport = cx.transport();
        let out = transport.out().tail();
        broker.call(out, collector, "endedPaging", (Vec::new(), Vec::new()), None);
        broker.release(out, self.collector);
        true
    }
}
