//! The addresses of the server.

mod answer;
mod clips;
mod events;
mod export;
mod media;
mod osam;
mod page;
mod predict;
mod protect;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};

use crate::app::App;
use crate::error::ApiError;

/// All addresses.
pub fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/info", get(media::info))
        .route("/media", get(media::list).post(media::upload))
        .route("/media/{id}", delete(media::remove))
        .route("/media/{id}/frames/{frame}", get(media::frame))
        .route("/media/{id}/encode", post(predict::encode))
        .route("/media/{id}/predict", post(predict::predict))
        .route("/clips/{id}/prompts", get(clips::prompts).post(clips::prompt))
        .route("/clips/{id}/objects/{obj}", put(clips::name).delete(clips::remove))
        .route("/clips/{id}/track", post(clips::track))
        .route("/clips/{id}/masks", get(clips::masks))
        .route("/jobs/{job}", delete(clips::stop))
        .route("/export", post(export::export))
        .route("/session", get(session::get).put(session::put))
        .route("/events", get(events::events));
    Router::new()
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .nest("/api/v1", api)
        .route(protect::OSAM, post(osam::generate))
        .fallback(async || ApiError::not_found("such address"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", "the address has no such method")
        })
        .layer(from_fn_with_state(Arc::clone(&app), protect::protect))
        .with_state(app)
}
