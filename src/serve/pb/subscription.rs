//! A subscription: a reader whose updates are calls of the client's object. A client has a number
//! of them unanswered at most; what it has not taken yet is not read for it, so a slow one costs
//! the same few bytes as a quick one. One that lags gets the newest of each story, and is told of
//! the gap, as with all streams.

use super::connection::{Asked, PbBroker};
use crate::herd::Item;
use crate::news::UpdateView;
use crate::proto::banana::SIZE_MAX;
use crate::proto::pb::{Jelly, ObjectId};
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::serve::http::{Reading, gap_json};
use crate::store::StoreError;
use crate::update::{Cursor, Update};
use serde_json::{Value, json};

/// How many updates one turn may look at for one subscription.
const LOOKED_AT_MAX: usize = 128;

/// A subscription under way.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Its number on this connection.
    pub(super) id: u64,
    /// The client's object, a reference to which is kept.
    pub(super) callback: i64,
    reading: Reading,
    /// Calls that wait for their answer.
    pub(super) in_flight: usize,
    in_flight_max: usize,
}

impl Subscription {
    /// One that has not begun to read.
    pub(super) fn new((id, callback): (u64, i64), reading: Reading, in_flight_max: usize) -> Self {
        Self { id, callback, reading, in_flight: 0, in_flight_max }
    }

    /// The place behind all that the client was sent.
    pub(super) fn cursor(&self) -> Cursor {
        self.reading.cursor()
    }

    /// Looks for what was dropped without a trace; true when there is something to read.
    pub(super) fn doubt<D: Desk>(&mut self, desk: &D) -> bool {
        self.reading.doubt(desk)
    }

    /// Sends what there is, as far as the client takes it.
    pub(super) fn pump<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        broker: &mut PbBroker,
    ) -> Result<(), StoreError> {
        if self.has_room(cx) {
            self.reading.look_at_lag(cx, desk);
        }
        for _ in 0..LOOKED_AT_MAX {
            if !self.has_room(cx) {
                return Ok(());
            }
            match self.reading.next(desk)? {
                Some(Item::Update(update)) => {
                    let value = dictionary(desk, &update);
                    self.call(cx, broker, "update", &value);
                    desk.tally().pb.updates += 1;
                }
                Some(Item::Gap(gap)) => self.call(cx, broker, "gap", &gap_json(&gap)),
                Some(Item::Passed) => {}
                None => return Ok(()),
            }
        }
        // There is more; the others have their turn first.
        cx.transport().notify();
        Ok(())
    }

    fn has_room<D>(&self, cx: &mut Ctx<'_, D>) -> bool {
        self.in_flight < self.in_flight_max && !cx.transport().is_full()
    }

    /// The cursor goes first: who comes back with it is not told again.
    fn call<D>(&mut self, cx: &mut Ctx<'_, D>, broker: &mut PbBroker, method: &str, value: &Value) {
        let cursor = self.reading.cursor().to_string();
        let arguments = (vec![Jelly::Text(&cursor), Jelly::of_json(value)], Vec::new());
        let asked = Asked { subscription: self.id };
        let callback = ObjectId::Number(self.callback);
        let mut transport = cx.transport();
        broker.call(transport.out().tail(), callback, method, arguments, Some(asked));
        self.in_flight += 1;
    }
}

/// The update's JSON. A body that no string could hold is not even made.
fn dictionary<D: Desk>(desk: &mut D, update: &Update) -> Value {
    if update.is_erased() || update.payload_bytes() <= SIZE_MAX {
        return serde_json::from_slice(&desk.rendered(update)).unwrap_or_default();
    }
    let mut value = serde_json::to_value(UpdateView::without_body(update)).unwrap_or_default();
    value["left_out"] = json!(["body"]);
    value
}
