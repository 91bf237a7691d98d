//! An HTTP service on a pool: it sheds load, keeps deadlines, and stops in the right order within
//! one limit.
//!
//! ```text
//! cargo run -p pool --example 13_http_service
//! curl --data-binary @Cargo.toml http://127.0.0.1:8013/
//! ```
//!
//! # The order of the stop
//! **The server first.** It accepts no more connections and waits for the requests in flight. Their
//! handlers wait for jobs, so the pool must still run. A pool that is shut down first refuses the
//! jobs of requests that the server has accepted.
//!
//! **The pool second.** Mostly nothing is left in it by then.
//!
//! **One limit for both**, since the sender of the signal has one before it kills the process. Two
//! limits would add up.
//!
//! The server may never be done: a job hangs, or a client does not send the rest of its upload. So
//! it gets half of the limit, and then the pool is shut down all the same. Jobs that do not start
//! or do not end in time resolve their handles, so their clients get an answer. Two things no pool
//! can end: a job that ignores its cancellation, and an upload. So after the pool the handlers that
//! are left are told to give up, and the server gets the rest of the limit.
//!
//! A connection that the server has not begun to read is reset as it stops: take the service out of
//! its load balancer before the signal.
#![expect(clippy::print_stderr, reason = "a service logs there")]

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use pool::{CancelToken, Interrupted, JobContext, JobExt, Outcome, Pool};
use pool::{ShutdownPolicy, ShutdownReport};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until, timeout_at};

/// For the whole stop. Kubernetes kills 30 s after its signal, unless it is told otherwise.
const STOP_LIMIT: Duration = Duration::from_secs(25);
/// For a request, from its head to its answer. So one may well outlast the stop.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// A job asks after each block of bytes whether it should go on.
const STEP: usize = 1 << 16;

// One thread does for the sockets, since all that computes is on the pool.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8013");
    let service = Service {
        pool: Pool::builder().queue_capacity(100).build()?,
        work: hash,
        request_limit: REQUEST_LIMIT,
        give_up: CancelToken::new(),
    };
    let signal = signal()?;
    let listener = TcpListener::bind(address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let stop = async {
        signal.await;
        eprintln!("stopping within {STOP_LIMIT:?}");
    };
    let report = serve(listener, service, stop, STOP_LIMIT).await;
    eprintln!("{report}");
    // `main` may return the report itself. But its code 1 says that not every job of the service's
    // whole life completed, and a client that hung up is no failure of the service.
    Ok(match report.exit_code() {
        0 | 1 => ExitCode::SUCCESS,
        cut_short => ExitCode::from(cut_short),
    })
}

/// Serves until `stop`, and ends within `limit` from then.
pub(crate) async fn serve(
    listener: TcpListener,
    service: Service,
    stop: impl Future<Output = ()>,
    limit: Duration,
) -> ShutdownReport {
    let (pool, give_up) = (service.pool.clone(), service.give_up.clone());
    let app = Router::new().route("/", post(answer)).with_state(service);
    let stopping = CancelToken::new();
    let server = axum::serve(listener, app).with_graceful_shutdown(stopping.cancelled());
    let mut server = tokio::spawn(server.into_future());
    stop.await;

    let start = Instant::now();
    stopping.cancel();
    let is_done = timeout_at(start + limit / 2, &mut server).await.is_ok();
    // The pool gets what the server has left of the limit. A tenth is kept for the last answers.
    let policy = ShutdownPolicy::within(limit * 9 / 10).after(start.elapsed());
    let report = pool.shutdown_async(policy).await;
    give_up.cancel();
    if !is_done {
        // Past the limit the process ends, and with it a connection that has sent half of a
        // request's head or does not read its answer.
        let _in_time = timeout_at(start + limit, server).await;
    }
    report
}

/// What each request shares.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) pool: Pool,
    /// What an upload's answer is computed with.
    pub(crate) work: fn(&[u8], &JobContext<'_>) -> Result<String, Interrupted>,
    pub(crate) request_limit: Duration,
    /// Cancelled once the pool has ended: no handler need wait any longer.
    pub(crate) give_up: CancelToken,
}

impl Service {
    async fn compute(&self, request: Request, deadline: Instant) -> Result<String, StatusCode> {
        let upload = Bytes::from_request(request, &()).await;
        let upload = upload.map_err(|refused| refused.status())?;
        let work = self.work;
        let job = move |ctx: &JobContext<'_>| work(&upload, ctx);
        // `try_` does not wait: in front of a full queue a second one, of clients, would only grow.
        let job = self.pool.try_submit(job.with_deadline(deadline.into()));
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
}

/// Ends at the request's deadline, and when the service gives up, whatever it waits for then.
async fn answer(State(service): State<Service>, request: Request) -> Response {
    let deadline = Instant::now() + service.request_limit;
    let answer = tokio::select! {
        answer = service.compute(request, deadline) => answer,
        () = sleep_until(deadline) => Err(StatusCode::GATEWAY_TIMEOUT),
        () = service.give_up.cancelled() => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    match answer {
        Err(busy @ StatusCode::SERVICE_UNAVAILABLE) => (busy, [(RETRY_AFTER, "1")]).into_response(),
        answer => answer.into_response(),
    }
}

pub(crate) fn hash(upload: &[u8], ctx: &JobContext<'_>) -> Result<String, Interrupted> {
    let mut hasher = blake3::Hasher::new();
    for step in upload.chunks(STEP) {
        ctx.check()?;
        hasher.update(step);
    }
    Ok(hasher.finalize().to_string())
}

/// Listens from now on. Ready at the first signal; later ones change nothing.
fn signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let (mut ctrl_c, mut terminate) = {
        use tokio::signal::unix::{SignalKind as Kind, signal};
        (signal(Kind::interrupt())?, signal(Kind::terminate())?)
    };
    #[cfg(windows)]
    let (mut ctrl_c, mut terminate) = {
        use tokio::signal::windows;
        (windows::ctrl_c()?, windows::ctrl_shutdown()?)
    };
    Ok(async move {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
