//! Bodies of requests and answers.

use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use http_body::Body as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Answer, ApiError};
use crate::limits;

pub const TIMING: HeaderName = HeaderName::from_static("server-timing");

/// An answer as JSON, with the time that it took since `start`.
pub fn timed(start: Instant, answer: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(answer).map_err(|e| ApiError::internal(e.to_string()))?;
    let time = format!("engine;dur={:.2}", start.elapsed().as_secs_f64() * 1e3);
    Ok(([(TIMING, time.as_str()), (CONTENT_TYPE, "application/json")], body).into_response())
}

pub fn json(answer: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(answer).map_err(|e| ApiError::internal(e.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

pub fn accepted(answer: &impl Serialize) -> Answer {
    let mut response = json(answer)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// The parameters of an address.
pub fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    let parsed = Query::try_from_uri(uri).map(|Query(query)| query);
    parsed.map_err(|e| ApiError::bad("bad_query", e.body_text()))
}

/// A number in an address.
pub fn number<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found(&format!("{what} {text:.40}")))
}

/// Reads a JSON body.
pub async fn body<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = read(body, limits::JSON).await?;
    serde_json::from_slice(&bytes).map_err(|e| ApiError::bad("bad_json", e.to_string()))
}

/// Reads a body of at most this many bytes.
pub async fn read(mut body: Body, most: usize) -> Result<Vec<u8>, ApiError> {
    let too_large = || {
        let text = format!("the body is larger than {most} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
    };
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(part) = next(&mut body).await? {
        if bytes.len() + part.len() > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// The next part of a body.
pub async fn next(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    loop {
        let part = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context));
        let part = tokio::time::timeout(limits::BODY_TIME, part).await.map_err(|_| {
            ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "slow",
                "the body of the request did not arrive in time",
            )
        })?;
        match part {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(e)) => return Err(ApiError::bad("bad_body", e.to_string())),
        }
    }
}

/// Waits for a thread of the engine.
pub async fn wait<T>(answer: tokio::sync::oneshot::Receiver<Result<T, ApiError>>) -> Result<T, ApiError> {
    answer.await.unwrap_or_else(|_| {
        Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ending", "the server is ending"))
    })
}

/// The answer of a request without content.
pub fn done() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}
