//! `tracing` for a worker pool: a span for each job, and an event for each that did not complete.
//!
//! Add one observer, and a job's span has its submitter's as its parent, whatever the backend:
//!
//! ```
//! use pool::Pool;
//! use pool_tracing::PoolTracing;
//!
//! let pool = Pool::builder().workers(2).observe(PoolTracing::new("thumbs")).build()?;
//! let request = tracing::info_span!("request", path = "/cat.jpg");
//! let thumb = request.in_scope(|| pool.spawn(|| {
//!     tracing::info!("resizing"); // in request:pool.job
//!     42
//! }))?;
//! assert_eq!(thumb.join()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Spans
//! Each job has a span `pool.job` of level `debug` and target `pool`, with these fields:
//!
//! | field | what |
//! |---|---|
//! | `pool` | the name given to [`PoolTracing::new`] |
//! | `id`, `kind`, `name` | those of the job; one without a name has no field `name` |
//! | `backend` | the backend that ran it |
//! | `worker` | the index of the worker that ran it last, or polled it |
//! | `wait_us` | microseconds from the submission to the start |
//!
//! Its parent is the span in which the job was submitted: for a child that of its parent job. A job
//! that is only executed, without a handle, and not by another job, may go on long after its
//! submitter: it follows from that span instead, and is a root of its own.
//!
//! The span is entered before each run of the job, or poll of its future, and left after it, so
//! nothing of it stays on the worker. It closes when the job ends. All fields but `pool` and `name`
//! are known once the job runs. One that never runs, or that comes back to its submitter, has a
//! span without them. A closure's kind is a long path: name the job, or give it a type.
//!
//! Where the level `debug` is not enabled for the target `pool` there are no spans, and a job
//! carries nothing: its submission is a look at whether they are. With the `EnvFilter` of
//! tracing-subscriber (its feature `env-filter`), `RUST_LOG=info,pool=debug` enables them and your
//! own events.
//!
//! # Events
//! | event | level | when |
//! |---|---|---|
//! | `job.panicked` | error | a job panicked |
//! | `job.failed` | warn | a job returned an error |
//! | `job.expired` | warn | a job came to its deadline |
//! | `job.stuck` | warn | a job has run for longer than a limit: [`PoolTracing::stuck`] |
//! | `job.unstuck` | warn | it has ended after all |
//! | `pool.saturated` | warn | a job came back to its submitter, since the queue was full |
//!
//! Each event of a job has the fields `pool`, `backend`, `id`, `kind`, `name` and `message`, and
//! the job's span as its parent, if there is one. Those of a stuck job have `worker` and
//! `running_for` too.
//!
//! There is at most one `pool.saturated` a second, from the first job that comes back on. Its field
//! `refused` says how many did since the event before; those that follow the last event are told of
//! with the next one. It names the job that it is made for, as other events do. Submitters that
//! wait and get in are no reason for it.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use pool_core::{JobEnd, JobInfo, JobOptions, Observer, Outcome, Refusal, StuckJob};
use tracing::field::{Empty, display};
use tracing::{Level, Span, debug_span, event};

/// The target of all spans and events, for filters such as `RUST_LOG=info,pool=debug`.
pub const TARGET: &str = "pool";

/// Milliseconds between two events that say that a queue is full. A pool that is overrun refuses
/// thousands of jobs a second.
const SATURATED_EVERY: u64 = 1_000;

/// An observer that gives each job a span, and has an event for each that did not complete.
///
/// Give one to `Pool::builder().observe`, or to the builder of a backend.
///
/// # Examples
/// ```
/// use pool::Pool;
/// use pool_tracing::PoolTracing;
///
/// let pool = Pool::builder().workers(1).observe(PoolTracing::new("thumbs")).build()?;
/// # drop(pool);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PoolTracing {
    pool: Cow<'static, str>,
    /// Shared by clones: they are one pool's.
    refusals: Arc<Refusals>,
}

/// Jobs that came back as full, and when that was last told of.
#[derive(Debug)]
struct Refusals {
    /// How many since the last event.
    untold: AtomicU64,
    begin: Instant,
    /// When the next event may be, in milliseconds since the begin.
    next: AtomicU64,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            untold: AtomicU64::new(0),
            begin: Instant::now(),
            next: AtomicU64::new(0),
        }
    }
}

impl Refusals {
    /// Counts one. `Some`: that many are to be told of, by this thread.
    fn add(&self) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let is_due = now >= next
            && self
                .next
                .compare_exchange(
                    next,
                    now.saturating_add(SATURATED_EVERY),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        is_due.then(|| self.untold.swap(0, Ordering::Relaxed))
    }
}

/// What a job carries: its span.
struct JobSpan {
    span: Span,
    submitted: Instant,
    /// Whether the fields that are known once the job runs are recorded.
    is_recorded: AtomicBool,
}

impl PoolTracing {
    /// Returns an observer for a pool of this name, which is the field `pool` of all spans and
    /// events.
    pub fn new(pool: impl Into<Cow<'static, str>>) -> Self {
        Self {
            pool: pool.into(),
            refusals: Arc::default(),
        }
    }

    /// Returns what `stuck_after` of a builder takes, to have an event for each job that runs for
    /// longer than a limit, and one when it ends.
    ///
    /// # Examples
    /// ```
    /// use pool::Pool;
    /// use pool_tracing::PoolTracing;
    /// use std::time::Duration;
    ///
    /// let tracing = PoolTracing::new("thumbs");
    /// let pool = Pool::builder().stuck_after(Duration::from_secs(30), tracing.stuck());
    /// let pool = pool.observe(tracing).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stuck(&self) -> impl Fn(&StuckJob<'_>) + Send + Sync + 'static {
        let pool = self.pool.clone();
        move |job| {
            let span = job.extension::<JobSpan>();
            let span = span.and_then(|carried| carried.span.id());
            macro_rules! tell {
                ($name:literal) => {
                    event!(
                        name: $name,
                        target: TARGET,
                        parent: span,
                        Level::WARN,
                        pool = &*pool,
                        backend = job.backend,
                        id = %job.id,
                        kind = job.kind,
                        name = job.name,
                        worker = job.worker,
                        running_for = ?job.running_for,
                        "{job}",
                    )
                };
            }
            if job.has_ended {
                tell!("job.unstuck");
            } else {
                tell!("job.stuck");
            }
        }
    }
}

/// Makes the span, with the submitter's as its parent, or following from it.
fn span_of(pool: &str, options: &JobOptions) -> Span {
    macro_rules! span {
        ($($parent:tt)*) => {
            debug_span!(
                target: TARGET,
                $($parent)*
                "pool.job",
                pool,
                name = options.name(),
                id = Empty,
                kind = Empty,
                backend = Empty,
                worker = Empty,
                wait_us = Empty,
            )
        };
    }
    if options.is_detached() {
        let span = span!(parent: None,);
        span.follows_from(Span::current());
        span
    } else {
        span!()
    }
}

impl JobSpan {
    fn record_run(&self, job: &JobInfo<'_>) {
        if !self.is_recorded.swap(true, Ordering::Relaxed) {
            let waited = self.submitted.elapsed().as_micros();
            self.span.record("id", display(job.id));
            self.span.record("kind", job.kind);
            self.span.record("backend", job.backend);
            self.span
                .record("wait_us", u64::try_from(waited).unwrap_or(u64::MAX));
        }
        if let Some(worker) = job.worker {
            self.span.record("worker", worker);
        }
    }
}

impl Observer for PoolTracing {
    fn submitted(&self, options: &mut JobOptions) {
        if !tracing::enabled!(target: TARGET, Level::DEBUG) {
            return;
        }
        let span = span_of(&self.pool, options);
        if !span.is_disabled() {
            *options = std::mem::take(options).with_extension(JobSpan {
                span,
                submitted: Instant::now(),
                is_recorded: AtomicBool::new(false),
            });
        }
    }

    /// Enters the span by its dispatcher: the guard that `Span::enter` returns cannot be kept from
    /// here to [`exit`](Self::exit).
    fn enter(&self, job: &JobInfo<'_>) {
        if let Some(carried) = job.extension::<JobSpan>() {
            carried.record_run(job);
            carried
                .span
                .with_subscriber(|(id, dispatch)| dispatch.enter(id));
        }
    }

    fn exit(&self, job: &JobInfo<'_>) {
        if let Some(carried) = job.extension::<JobSpan>() {
            carried
                .span
                .with_subscriber(|(id, dispatch)| dispatch.exit(id));
        }
    }

    fn ended(&self, job: &JobInfo<'_>, end: &JobEnd<'_>) {
        macro_rules! tell {
            ($level:expr, $name:literal) => {{
                let span = job.extension::<JobSpan>().and_then(|carried| carried.span.id());
                event!(
                    name: $name,
                    target: TARGET,
                    parent: span,
                    $level,
                    pool = &*self.pool,
                    backend = job.backend,
                    id = %job.id,
                    kind = job.kind,
                    name = job.name,
                    message = end.message.unwrap_or($name),
                );
            }};
        }
        match end.outcome {
            Outcome::Panicked => tell!(Level::ERROR, "job.panicked"),
            Outcome::Failed => tell!(Level::WARN, "job.failed"),
            Outcome::Expired => tell!(Level::WARN, "job.expired"),
            _ => {}
        }
    }

    fn refused(&self, job: &JobInfo<'_>, reason: Refusal) {
        if reason != Refusal::Full {
            return; // the submitter is told, and knows that the pool was closed
        }
        if let Some(refused) = self.refusals.add() {
            let span = job
                .extension::<JobSpan>()
                .and_then(|carried| carried.span.id());
            event!(
                name: "pool.saturated",
                target: TARGET,
                parent: span,
                Level::WARN,
                pool = &*self.pool,
                backend = job.backend,
                id = %job.id,
                kind = job.kind,
                name = job.name,
                refused,
                message = "pool.saturated",
            );
        }
    }
}
