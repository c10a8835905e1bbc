//! Four HTTP frameworks that answer `GET /hello` on 127.0.0.1:PORT, each as its own documentation
//! shows it and with one worker. They say `ready NAME` before they serve; what is asked before the
//! listener stands is refused, so whoever measures tries until it is answered.
//!
//! Usage: `bellwether-frameworks hyper|actix-web|ntex|may_minihttp PORT`

mod actix;
mod hyper;
mod may;
mod ntex;

use std::error::Error;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PATH: &str = "/hello";
const ANSWER: &str = "Hello, World!";
/// Connections that wait to be accepted; actix-web's own default, and more than a load opens.
const BACKLOG: u16 = 2048;

type Fault = Box<dyn Error>;

fn main() -> Result<(), Fault> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, port] = words.as_slice() else {
        return Err("usage: bellwether-frameworks hyper|actix-web|ntex|may_minihttp PORT".into());
    };
    let port = port.parse()?;
    println!("ready {name}");
    match name.as_str() {
        "hyper" => hyper::serve(port),
        "actix-web" => actix::serve(port),
        "ntex" => ntex::serve(port),
        "may_minihttp" => may::serve(port),
        _ => Err(format!("no such framework: {name}").into()),
    }
}
