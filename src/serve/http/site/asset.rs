//! `/style.css`, `/site.js`, `/edit.js`, `/icon.svg`: what pages are dressed with, encoded once.

use crate::proto::http::{AcceptEncoding, Coding, Status};
use crate::serve::http::answer::Answer;
use crate::serve::http::route::Route;
use crate::serve::http::stories::Asked;
use crate::serve::pages;
use std::sync::LazyLock;

/// One of them in each coding that makes it shorter.
struct Asset {
    media_type: &'static str,
    plain: &'static str,
    /// What stands behind `v=` in the address under which it never changes.
    version: String,
    encoded: Vec<(Coding, Vec<u8>)>,
}

impl Asset {
    fn new(media_type: &'static str, plain: &'static str) -> Self {
        let encoded = |coding: Coding| Some((coding, coding.encode(plain.as_bytes())?));
        let encoded = Coding::OFFERS.into_iter().filter_map(encoded).collect();
        Self { media_type, plain, version: pages::asset_version(plain), encoded }
    }
}

static STYLESHEET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/css; charset=utf-8", pages::STYLESHEET));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", pages::SCRIPT));
static EDIT_SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", pages::EDIT_SCRIPT));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("image/svg+xml", pages::ICON));

/// The asset of a route.
pub(in crate::serve::http) fn asset(route: &Route, asked: &Asked<'_>) -> Answer {
    let asset = match route {
        Route::Script => &SCRIPT,
        Route::EditScript => &EDIT_SCRIPT,
        Route::Icon => &ICON,
        _ => &STYLESHEET,
    };
    let liked = AcceptEncoding::read(&asked.fields).best(&Coding::OFFERS);
    let made = asset.encoded.iter().find(|(coding, _)| Some(*coding) == liked);
    let (coding, body) =
        made.map_or((Coding::Identity, asset.plain.as_bytes()), |made| (made.0, &made.1[..]));
    let is_lasting = asked.query.text("v") == Some(&asset.version);
    let keep = if is_lasting { "max-age=31536000, immutable" } else { "max-age=600" };
    let answer = Answer::content(Status::OK, asset.media_type, body)
        .unencoded()
        .field("Vary", "Accept-Encoding")
        .field("Cache-Control", keep);
    if coding == Coding::Identity {
        answer
    } else {
        answer.field("Content-Encoding", coding.name())
    }
}
