//! What every request goes through.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::TIMING;
use crate::app::App;

/// The address of osam's clients.
pub const OSAM: &str = "/api/generate";
const POLICY: &str = "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'self'";

/// Refuses requests of others, and adds headers to every answer.
pub async fn protect(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let mut response = match app.guard.admit(&request) {
        Some(redirect) => redirect,
        None => match app.guard.check(&request, app.settings.osam && request.uri().path() == OSAM) {
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        },
    };
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("total;dur={ms:.2}")) {
        headers.append(TIMING, value);
    }
    response
}
