//! `/v1/ws` and `/v1/ws/echo`: a request that becomes a WebSocket. What follows its answer on the
//! connection is `serve/ws`'s.

use super::admit::admit_socket;
use super::problem::Problem;
use super::route::Route;
use crate::base::OutBuf;
use crate::proto::http::{DATE_BYTES, Head, ReplyTo, Response, Status};
use crate::proto::ws::{Policy, Upgrade, VERSION};
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::serve::ws::{Purpose, Socket};

/// An upgrade that was agreed to, not yet answered.
#[derive(Debug)]
pub(super) struct Upgraded {
    upgrade: Upgrade,
    pub(super) socket: Socket,
}

impl Upgraded {
    /// Looks at what is asked for, and by whom; `None` where there is no socket.
    pub(super) fn begin<D: Desk>(
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        head: &Head<'_>,
        route: &Route,
    ) -> Result<Option<Self>, Problem> {
        let is_echo = match route {
            Route::Echo => true,
            Route::Socket => false,
            _ => return Ok(None),
        };
        let policy = Policy { context_bytes: desk.config().limits.ws_context_bytes };
        let upgrade = Upgrade::read(head, policy).map_err(|error| {
            let problem = Problem::new(error.status(), error.to_string());
            match error.status() {
                Status::UPGRADE_REQUIRED => problem
                    .field("Upgrade", "websocket")
                    .field("Connection", "Upgrade")
                    .field("Sec-WebSocket-Version", VERSION),
                _ => problem,
            }
        })?;
        // What is sent back is nobody's but the sender's: any page may have it.
        let purpose =
            if is_echo { Purpose::Echo } else { Purpose::Talk(admit_socket(cx, desk, head)?) };
        let socket = Socket::new(purpose, &desk.config().limits, upgrade.deflate.as_ref());
        Ok(Some(Self { upgrade, socket }))
    }

    /// Writes the answer, and gives the protocol of what follows.
    pub(super) fn answer(self, out: &mut OutBuf, to: ReplyTo, date: &[u8; DATE_BYTES]) -> Socket {
        let response = Response::new(out.tail(), to, Status::SWITCHING_PROTOCOLS, date)
            .field("Sec-WebSocket-Accept", &self.upgrade.accept);
        let response = match &self.upgrade.deflate {
            Some(agreed) => response.field("Sec-WebSocket-Extensions", agreed.to_string()),
            None => response,
        };
        response.upgrade("websocket");
        self.socket
    }
}
