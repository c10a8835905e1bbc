//! `may_minihttp` as its example `techempower_no_db` shows it, with one worker.

use crate::{ANSWER, Fault, PATH};
use may_minihttp::{HttpServer, HttpService, Request, Response};
use std::io;

#[derive(Clone)]
struct Hello;

impl HttpService for Hello {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        if request.path() == PATH {
            response.header("Content-Type: text/plain").body(ANSWER);
        } else {
            response.status_code(404, "Not Found");
        }
        Ok(())
    }
}

pub fn serve(port: u16) -> Result<(), Fault> {
    may::config().set_workers(1).set_pool_capacity(500).set_stack_size(0x1000);
    let server = HttpServer(Hello).start(("127.0.0.1", port))?;
    server.join().map_err(|_| "the server panicked")?;
    Ok(())
}
