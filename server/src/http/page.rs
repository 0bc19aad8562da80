//! The web page, as it lies in `server/page`: part of the program, so that it needs no file beside it and no network.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file of the page.
struct File {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// The page loads nothing from anywhere else and may be framed by nobody.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

macro_rules! file {
    ($path:literal, $name:literal, $content_type:expr) => {
        File { path: $path, content_type: $content_type, bytes: include_bytes!(concat!("../../page/", $name)) }
    };
}

const FILES: &[File] = &[
    file!("/", "index.html", HTML),
    file!("/style.css", "style.css", "text/css; charset=utf-8"),
    file!("/icon.svg", "icon.svg", "image/svg+xml"),
    file!("/app.js", "app.js", SCRIPT),
    file!("/chart.js", "chart.js", SCRIPT),
    file!("/format.js", "format.js", SCRIPT),
    file!("/samples.js", "samples.js", SCRIPT),
    file!("/scene.js", "scene.js", SCRIPT),
    file!("/status.js", "status.js", SCRIPT),
    file!("/stream.js", "stream.js", SCRIPT),
    file!("/tiles.js", "tiles.js", SCRIPT),
    file!("/trends.js", "trends.js", SCRIPT),
];

fn serve(file: &'static File) -> Response {
    let headers = [
        (header::CONTENT_TYPE, file.content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, file.bytes).into_response()
}

/// Adds the page's files to `router`.
pub(super) fn add<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    FILES.iter().fold(router, |router, file| router.route(file.path, get(move || async move { serve(file) })))
}
