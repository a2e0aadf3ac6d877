//! The console at `/`: static files, built into the binary.
//!
//! Must not know: what the console asks. Invariant: no file is read while the process runs.

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::Refusal;
use crate::core::Core;

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../web/", $name))),)*]
    };
}

/// Every file of the console.
const FILES: &[(&str, &str)] = files![
    "index.html" "console.css" "console.js" "chart.js" "cluster.js" "dom.js" "editor.js"
    "login.js" "new-table.js" "query.js" "state.js" "tables.js"
];

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/", get(index))
        .route("/help", get(help))
        .route("/{file}", get(file))
}

fn served(name: &str) -> Option<Response> {
    let (_, content) = FILES.iter().find(|(file, _)| *file == name)?;
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Some((headers, *content).into_response())
}

async fn index() -> Result<Response, Refusal> {
    file(Path("index.html".to_owned())).await
}

async fn help() -> Redirect {
    Redirect::temporary("/")
}

async fn file(Path(name): Path<String>) -> Result<Response, Refusal> {
    served(&name).ok_or_else(|| Refusal::not_found("HTTP 404 Not Found"))
}
