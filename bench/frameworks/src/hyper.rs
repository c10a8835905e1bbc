//! hyper on tokio's current-thread runtime: its example `single_threaded`, with the one setting
//! that its documentation names for pipelined requests.

use crate::{ANSWER, Fault, PATH};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::{Ready, ready};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};

pub fn serve(port: u16) -> Result<(), Fault> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn_local(converse(stream));
        }
    })
}

async fn converse(stream: TcpStream) {
    let mut http = http1::Builder::new();
    http.pipeline_flush(true);
    // How a connection ended is nobody's business here.
    let _ = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

fn answer(request: Request<Incoming>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if request.uri().path() != PATH {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    ready(Ok(response))
}
