//! ntex as its example `hello-world` shows it, on the runtime that its page names first, tokio,
//! with one worker.

use crate::{ANSWER, BACKLOG, Fault, PATH};
use ntex::http::header::{CONTENT_TYPE, HeaderValue};
use ntex::http::{HttpService, Request, Response};
use ntex::util::Ready;
use std::io;

pub fn serve(port: u16) -> Result<(), Fault> {
    ntex::rt::System::new("bench", ntex::rt::DefaultRuntime).block_on(async move {
        ntex::server::build()
            .workers(1)
            .backlog(BACKLOG.into())
            .bind("hello", ("127.0.0.1", port), async |_| HttpService::new(answer))?
            .run()
            .await
    })?;
    Ok(())
}

fn answer(request: Request) -> Ready<Response, io::Error> {
    if request.path() != PATH {
        return Ready::Ok(Response::NotFound().finish());
    }
    let mut response = Response::Ok();
    response.header(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ready::Ok(response.body(ANSWER))
}
