//! An HTTP service on a pool: it sheds load, keeps deadlines, shows what it does, and stops in the
//! right order within one limit.
//!
//! ```text
//! cargo run -p pool --features signals --example 13_http_service
//! curl -T Cargo.toml http://127.0.0.1:8013/
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `PUT /NAME`, `POST /` with an upload | its BLAKE3 hash; 503 while the queue is full, 504 at the request's deadline |
//! | `GET /pool`, `GET /pool.json` | what the pool does now, for people and for programs |
//! | `GET /metrics` | counts and times, for Prometheus |
//! | `GET /healthz` | 200 while it takes uploads, 503 once it stops |
//!
//! The pages are read-only, and say which files clients send: the default address is for this
//! machine alone. The first argument is another one; `POOL_BACKEND` and `POOL_WORKERS` choose the
//! backend and its workers.
//!
//! `Drain` knows the order of the stop. A connection that the server has not begun to read is reset
//! as it stops: take the service out of its load balancer before the signal.
#![expect(clippy::print_stderr, reason = "a service logs there")]

mod json;
mod page;
mod scrape;
mod upload;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post, put};
use pool::{CancelToken, Drain, Executor, Interrupted, JobContext, Pool, ShutdownReport};
use pool_metrics::PoolMetrics;
use tokio::net::TcpListener;

use scrape::Scrape;
pub(crate) use scrape::metrics;
pub(crate) use upload::hash;

/// For the whole stop. Kubernetes kills 30 s after its signal, unless it is told otherwise.
const STOP_LIMIT: Duration = Duration::from_secs(25);
/// For a request, from its head to its answer. So one may well outlast the stop.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

// One thread does for the sockets, since all that computes is on the pool.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8013");
    let drain = Drain::on_signals()?.limit(STOP_LIMIT);
    let pool = Pool::builder().queue_capacity(100).thread_name("hash");
    let metrics = metrics();
    let pool = pool.observe(metrics.observer()).build()?;
    let service = Service::new(pool, &metrics, &drain);
    let listener = TcpListener::bind(address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let stopping = drain.stopping().cancelled();
    tokio::spawn(async {
        stopping.await;
        eprintln!("stopping within {STOP_LIMIT:?}; a second signal stops at once");
    });
    let report = serve(listener, service, drain).await;
    eprintln!("{report}");
    // `main` may return the report itself. But its code 1 says that not every job of the service's
    // whole life completed, and a client that hung up is no failure of the service.
    Ok(match report.exit_code() {
        0 | 1 => ExitCode::SUCCESS,
        cut_short => ExitCode::from(cut_short),
    })
}

/// Serves until the drain begins the stop, and ends within its limit from then.
pub(crate) async fn serve(listener: TcpListener, service: Service, drain: Drain) -> ShutdownReport {
    let pool = service.pool.clone();
    let app = Router::new()
        .route("/", post(upload::unnamed))
        .route("/{name}", put(upload::named))
        .route("/pool", get(show))
        .route("/pool.json", get(show_as_json))
        .route("/metrics", get(scrape))
        .route("/healthz", get(is_healthy))
        .with_state(service);
    let server = axum::serve(listener, app).with_graceful_shutdown(drain.stopping().cancelled());
    drain.also(server).run(&pool).await
}

/// What each request shares.
#[derive(Clone)]
pub(crate) struct Service {
    pool: Pool,
    /// What an upload's answer is computed with.
    pub(crate) work: fn(&[u8], &JobContext<'_>) -> Result<String, Interrupted>,
    pub(crate) request_limit: Duration,
    stopping: CancelToken,
    /// Cancelled once the pool has ended: no handler need wait any longer.
    giving_up: CancelToken,
    scrape: Arc<Scrape>,
}

impl Service {
    pub(crate) fn new(pool: Pool, metrics: &PoolMetrics, drain: &Drain) -> Self {
        Self {
            work: hash,
            request_limit: REQUEST_LIMIT,
            stopping: drain.stopping(),
            giving_up: drain.giving_up(),
            scrape: Arc::new(Scrape::new(metrics, pool.clone())),
            pool,
        }
    }
}

async fn show(State(service): State<Service>) -> Html<String> {
    Html(page::page(&service.pool.snapshot()))
}

async fn show_as_json(State(service): State<Service>) -> Response {
    let text = json::json(&service.pool.snapshot()).to_string();
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

async fn scrape(State(service): State<Service>) -> Response {
    let text = service.scrape.render();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn is_healthy(State(service): State<Service>) -> (StatusCode, &'static str) {
    if service.stopping.is_cancelled() || service.pool.is_closed() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
