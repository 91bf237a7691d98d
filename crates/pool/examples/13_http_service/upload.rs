//! An upload: its job, and the answer to its client, whatever becomes of the job.

use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use pool::{Interrupted, JobContext, JobExt, Outcome};
use tokio::time::{Instant, sleep_until};

use super::Service;

/// A job asks after each block of bytes whether it should go on.
const STEP: usize = 1 << 16;

/// `POST /`.
pub(crate) async fn unnamed(State(service): State<Service>, request: Request) -> Response {
    answer(&service, "upload".to_owned(), request).await
}

/// `PUT /NAME`: its job has that name.
pub(crate) async fn named(
    State(service): State<Service>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    answer(&service, name, request).await
}

/// Ends at the request's deadline, and when the service gives up, whatever it waits for then.
async fn answer(service: &Service, name: String, request: Request) -> Response {
    let deadline = Instant::now() + service.request_limit;
    let answer = tokio::select! {
        biased; // an answer that is there is given, however late
        answer = compute(service, name, request, deadline) => answer,
        () = sleep_until(deadline) => Err(StatusCode::GATEWAY_TIMEOUT),
        () = service.giving_up.cancelled() => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    match answer {
        Err(busy @ StatusCode::SERVICE_UNAVAILABLE) => (busy, [(RETRY_AFTER, "1")]).into_response(),
        answer => answer.into_response(),
    }
}

async fn compute(
    service: &Service,
    name: String,
    request: Request,
    deadline: Instant,
) -> Result<String, StatusCode> {
    let upload = Bytes::from_request(request, &()).await;
    let upload = upload.map_err(|refused| refused.status())?;
    let work = service.work;
    let job = move |ctx: &JobContext<'_>| work(&upload, ctx);
    let job = job.named(name).with_deadline(deadline.into());
    // `try_` does not wait: in front of a full queue a second one, of clients, would only grow.
    let job = service.pool.try_submit(job);
    let job = job.map_err(|_full_or_closed| StatusCode::SERVICE_UNAVAILABLE)?;
    // If the client goes, the server drops this future, and the job is cancelled.
    let answer = job.cancel_on_drop().await;
    answer.map_err(|error| match error.outcome() {
        Outcome::Expired => StatusCode::GATEWAY_TIMEOUT,
        // The end of the pool: nobody else cancels a job whose client waits.
        Outcome::Cancelled | Outcome::Abandoned => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

/// What the service is for.
pub(crate) fn hash(upload: &[u8], ctx: &JobContext<'_>) -> Result<String, Interrupted> {
    let mut hasher = blake3::Hasher::new();
    for step in upload.chunks(STEP) {
        ctx.check()?;
        hasher.update(step);
    }
    Ok(hasher.finalize().to_string())
}
