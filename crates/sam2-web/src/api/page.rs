//! The page.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::assets;
use crate::error::{Answer, ApiError};

pub async fn index() -> Answer {
    file("index.html")
}

pub async fn asset(Path(name): Path<String>) -> Answer {
    file(&name)
}

fn file(name: &str) -> Answer {
    let (kind, bytes) = assets::find(name).ok_or_else(|| ApiError::not_found("such file"))?;
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], bytes).into_response())
}
