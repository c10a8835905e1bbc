//! actix-web as its first page shows it, with one worker and the keep-alive of the system, as in
//! its entry of `TechEmpower`'s benchmarks.

use crate::{ANSWER, BACKLOG, Fault, PATH};
use actix_web::http::KeepAlive;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, rt, web};

pub fn serve(port: u16) -> Result<(), Fault> {
    rt::System::new().block_on(async {
        HttpServer::new(|| App::new().route(PATH, web::get().to(answer)))
            .workers(1)
            .backlog(BACKLOG.into())
            .keep_alive(KeepAlive::Os)
            .bind(("127.0.0.1", port))?
            .run()
            .await?;
        Ok(())
    })
}

async fn answer() -> HttpResponse {
    let text = HeaderValue::from_static("text/plain");
    HttpResponse::Ok().insert_header((CONTENT_TYPE, text)).body(ANSWER)
}
