//! `Drain`: stops a server and its pool, in this order and within one limit, at the first signal.
//!
//! # The order
//! **The server first.** It accepts no more requests and answers those in flight. Their handlers
//! wait for jobs, so the pool must still run. A pool that is shut down first refuses the jobs of
//! requests that the server has accepted.
//!
//! **The pool second.** Mostly nothing is left in it by then.
//!
//! **One limit for both**, since the sender of the signal has one before it kills the process. Two
//! limits would add up.
//!
//! The server may never be done: a job hangs, or a client does not send the rest of its upload. So
//! it gets half of the limit, and then the pool is shut down all the same, under what is left. Jobs
//! that do not start in time, or that heed their cancellation, resolve their handles, so their
//! clients get an answer. Two things no pool can end: a job that ignores its cancellation, and an
//! upload. So after the pool the handlers that are left are told to give up, and the server gets
//! the rest of the limit.
//!
//! # Who does what
//! - **The handler** of a signal notes its number and writes a byte to a pipe (see `listener`).
//! - **The listener** is a thread that waits for that byte. It counts signals, ends the process at
//!   the third, and calls no code of the user's. So nothing the program does keeps the third from
//!   being heard.
//! - **The timer** is a thread that cancels tokens: when the listener asks for it, and when a time
//!   has come. It calls the wakers of those who wait for a token, which are user code.
//! - **The future of `run`** does the rest. It waits for tokens and polls the servers, on any
//!   executor; it needs no runtime and spawns nothing.
//!
//! Both threads start with the `Drain`, since a process that must stop may be one that gets no more
//! threads.
//!
//! # What could break it
//! - *A signal before `run`* is counted, and its time is noted: the limit begins then.
//! - *A second signal at any moment* cancels a token. Each wait of the stop is for that one too.
//! - *A pool that another caller shuts down* ends for both by the earlier limit, with one report.
//!   One that is swapped or paused is ended as any other.
//! - *A server that panics* has ended. Its panic goes on once the pool has ended.
//! - *A `run` that is dropped half-way* gives the signals back, as each drop of a `Drain` does; the
//!   pool is left as a dropped `shutdown_async` leaves it.
//! - *A forked child* has neither thread. Its signals have their default action (see `listener`),
//!   `run` ends at once there, and a drop leaves alone what belongs to the threads.

mod listener;
mod servers;
mod stop;
#[cfg(test)]
mod tests;
mod timer;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::mem;
use std::panic::resume_unwind;
use std::pin::pin;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pool_core::{CancelToken, ShutdownPolicy, ShutdownReport};

use crate::pool::Pool;
use listener::Listener;
use servers::Servers;
use stop::Stop;
use timer::Timer;

/// Kubernetes kills 30 s after its signal, unless it is told otherwise.
const DEFAULT_LIMIT: Duration = Duration::from_secs(25);

/// Which part of the limit is kept for the last answers, after the pool has ended.
const KEPT: u32 = 10;

/// Stops a server and its pool at the first signal, in this order and within one limit.
///
/// | | at | what happens |
/// |---|---|---|
/// | 1 | the first SIGTERM or SIGINT | [`stopping`](Self::stopping) is cancelled, and the limit begins: the server ends its intake, and answers the requests in flight |
/// | 2 | the end of the server, or half of the limit | the pool is shut down under what is left, less a tenth of the limit |
/// | 3 | the end of the pool | [`giving_up`](Self::giving_up) is cancelled; a server that is not done gets the rest of the limit |
/// | | a second signal | the limit is over: the pool is shut down [now](ShutdownPolicy::now), and the servers are dropped |
/// | | a third signal | the process ends, by the signal's default action |
///
/// Signals that come while another one is being noted count as one. Two of these hear the same
/// signals. Each works with any executor, or with none ([`run_blocking`](Self::run_blocking)); it
/// has two threads, which sleep until then.
///
/// **When the last `Drain` of the process is gone, run or not, the signals have their default
/// action again**: a program that does not end after its stop is ended by Ctrl-C. That holds also
/// if another part of the program handles them; such a program keeps a second `Drain`. A signal
/// that came before counts for this one alone: [`stopping`](Self::stopping) tells.
///
/// On Windows it hears Ctrl-C, within a tenth of a second, and what the C runtime raises. In a
/// forked child (Linux) the signals have their default action, and [`run`](Self::run) ends at once;
/// the parent hears nothing of a signal to its child. The child may make one of its own.
///
/// # Examples
///
/// A service, with axum: see [the example `13_http_service`][service].
///
/// ```no_run
/// # async fn shown(app: axum::Router, pool: pool::Pool) -> std::io::Result<()> {
/// use pool::Drain;
/// use std::time::Duration;
///
/// let drain = Drain::on_signals()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8013").await?;
/// let server = axum::serve(listener, app).with_graceful_shutdown(drain.stopping().cancelled());
/// let report = drain.limit(Duration::from_secs(25)).also(server).run(&pool).await;
/// println!("{report}");
/// # Ok(())
/// # }
/// ```
///
/// A program without a server:
///
/// ```
/// use pool::{CancelToken, Drain, Pool};
///
/// let pool = Pool::builder().workers(2).build()?;
/// let stop = CancelToken::new(); // a program that waits for signals has `Drain::on_signals()`
/// let drain = Drain::on(&stop)?;
/// pool.spawn(move || stop.cancel())?.detach();
/// let report = drain.run_blocking(&pool);
/// assert!(report.all_completed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [service]: https://github.com/worker-pool/worker-pool/tree/main/crates/pool/examples/13_http_service
#[must_use = "it listens only for as long as it is kept: `run` it"]
pub struct Drain {
    stop: Stop,
    limit: Duration,
    servers: Servers,
    threads: Threads,
}

/// The threads of a [`Drain`], which leave with it.
struct Threads {
    /// `None`: no signal counts.
    listener: Option<Listener>,
    timer: Option<Timer>,
    /// The process that they are in.
    process: u32,
}

impl Drain {
    /// Listens for SIGTERM and SIGINT from now on, also before [`run`](Self::run).
    ///
    /// # Errors
    /// The system refuses a thread, a socket pair or the handler.
    ///
    /// # Examples
    /// ```
    /// use pool::Drain;
    ///
    /// let drain = Drain::on_signals()?;
    /// assert!(!drain.stopping().is_cancelled()); // no signal so far
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_signals() -> io::Result<Self> {
        let (stop, timer) = (Stop::new(CancelToken::new()), Timer::start()?);
        let listener = Listener::start(stop.clone(), timer.clone())?;
        Ok(Self::new(stop, timer, Some(listener)))
    }

    /// Begins the stop when `token` is cancelled, and leaves signals alone: for a program that
    /// learns of its stop by other means, and for tests.
    ///
    /// The limit begins when [`run`](Self::run) sees it.
    ///
    /// # Errors
    /// The system refuses a thread.
    ///
    /// # Examples
    /// ```
    /// use pool::{CancelToken, Drain, Pool};
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let stop = CancelToken::new();
    /// let drain = Drain::on(&stop)?;
    /// stop.cancel();
    /// assert!(drain.run_blocking(&pool).is_clean());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on(token: &CancelToken) -> io::Result<Self> {
        Ok(Self::new(Stop::new(token.child()), Timer::start()?, None))
    }

    fn new(stop: Stop, timer: Timer, listener: Option<Listener>) -> Self {
        Self {
            stop,
            limit: DEFAULT_LIMIT,
            servers: Servers::default(),
            threads: Threads {
                listener,
                timer: Some(timer),
                process: process::id(),
            },
        }
    }

    /// Sets the limit of the whole, from the first signal on. The default is 25 seconds: Kubernetes
    /// kills a process 30 seconds after its signal.
    ///
    /// The pool may take a little longer: see [`ShutdownPolicy`].
    ///
    /// # Examples
    /// ```
    /// use pool::Drain;
    /// use std::time::Duration;
    ///
    /// let drain = Drain::on_signals()?.limit(Duration::from_secs(8)); // `docker stop` has 10
    /// # drop(drain);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Adds a server, whose future [`run`](Self::run) polls: from its first poll on, and until the
    /// server has ended or the limit is over. Then it is dropped.
    ///
    /// Have it end when [`stopping`](Self::stopping) is cancelled. If it ends before, the stop
    /// begins then. **Its output is ignored**: a server that may fail says so itself. A panic of
    /// its begins the stop too, and goes on once the pool has ended.
    ///
    /// There may be several; the pool waits for all. A future that is not `Send` goes to a local
    /// task of its runtime, whose handle goes here.
    ///
    /// # Examples
    /// ```
    /// use pool::{CancelToken, Drain, Pool};
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let drain = Drain::on(&CancelToken::new())?;
    /// let stopping = drain.stopping();
    /// let report = drain.also(async { Err::<(), _>("no such port") }).run_blocking(&pool);
    /// assert!(stopping.is_cancelled() && report.is_clean()); // it did not wait for the token
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn also<S>(mut self, server: S) -> Self
    where
        S: IntoFuture,
        S::IntoFuture: Send + 'static,
    {
        self.servers.add(server.into_future());
        self
    }

    /// Returns the token that is cancelled when the stop begins: what the server's graceful
    /// shutdown waits for.
    ///
    /// A program may cancel it, and so begin the stop itself.
    ///
    /// # Examples
    /// ```
    /// use pool::{CancelToken, Drain};
    ///
    /// let stop = CancelToken::new();
    /// let drain = Drain::on(&stop)?;
    /// let stopping = drain.stopping();
    /// stop.cancel();
    /// assert!(stopping.is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stopping(&self) -> CancelToken {
        self.stop.stopping.clone()
    }

    /// Returns the token that is cancelled once the pool has ended, or at the second signal: a
    /// handler that still waits then, for an upload, gives up.
    ///
    /// # Examples
    /// ```
    /// use pool::{CancelToken, Drain, Executor, Pool};
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let stop = CancelToken::new();
    /// let drain = Drain::on(&stop)?;
    /// let giving_up = drain.giving_up();
    /// stop.cancel();
    /// let (ended, drain) = (pool.clone(), drain.also(giving_up.cancelled()));
    /// drain.run_blocking(&pool);
    /// assert!(giving_up.is_cancelled() && ended.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn giving_up(&self) -> CancelToken {
        self.stop.giving_up.clone()
    }

    /// Waits for the signal, or for the end of a server; then ends the servers and the pool within
    /// the limit, and returns the pool's report. See [above](Self) for the order.
    ///
    /// [`ShutdownReport::exit_code`] is the code for the process: 2 or more says that the stop cut
    /// something short, and 1 that some job of the pool's whole life did not complete. For a
    /// service whose clients may hang up that is no failure.
    ///
    /// If somebody else shuts the pool down before, it goes on to wait for the signal.
    ///
    /// # Panics
    /// If a server panicked: with its panic, once the pool has ended.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it gives the signals back, and drops the servers. A pool whose
    /// shutdown has begun stays closed.
    ///
    /// # Examples
    /// ```
    /// use pool::{CancelToken, Drain, Pool};
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// let stop = CancelToken::new();
    /// let drain = Drain::on(&stop)?;
    /// pool.spawn(move || stop.cancel())?.detach();
    /// let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// let report = runtime.block_on(drain.run(&pool)); // any executor does
    /// assert_eq!((report.completed(), report.exit_code()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn run(mut self, pool: &Pool) -> ShutdownReport {
        if self.threads.are_of_the_parent() {
            return pool.shutdown_async(ShutdownPolicy::now()).await;
        }
        let stopping = self.stop.stopping.cancelled();
        self.servers.serve_until_one_ends(stopping).await;
        let start = self.stop.begin();
        self.stop.stopping.cancel();
        self.serve_until(start, self.limit / 2).await;
        let report = self.end(pool, start).await;
        self.stop.giving_up.cancel();
        self.serve_until(start, self.limit).await;
        self.servers.drop_all();
        let panic = self.servers.take_panic();
        drop(self);
        panic.map_or(report, |panic| resume_unwind(panic))
    }

    /// Does what [`run`](Self::run) does, and blocks the thread: for programs without an executor.
    ///
    /// Call it on a thread of the program's own, such as that of `main`. In a job it keeps a worker
    /// of the pool that it ends.
    ///
    /// # Panics
    /// As `run`.
    ///
    /// # Examples
    /// ```
    /// use pool::{CancelToken, Drain, Pool};
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// let stop = CancelToken::new();
    /// let drain = Drain::on(&stop)?;
    /// pool.spawn(move || stop.cancel())?.detach();
    /// assert_eq!(drain.run_blocking(&pool).completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_blocking(self, pool: &Pool) -> ShutdownReport {
        block_on(self.run(pool))
    }

    /// Serves until all servers have ended, until `after` has passed since `start`, or until the
    /// second signal.
    async fn serve_until(&mut self, start: Instant, after: Duration) {
        let late = self.stop.hurrying.child();
        // A limit beyond what an `Instant` can hold is none.
        let when = start.checked_add(after);
        if let (Some(when), Some(timer)) = (when, &self.threads.timer) {
            timer.cancel_at(when, late.clone());
        }
        self.servers.serve_until_all_end(late.cancelled()).await;
    }

    /// Ends the pool, and serves meanwhile.
    async fn end(&mut self, pool: &Pool, start: Instant) -> ShutdownReport {
        let policy = ShutdownPolicy::within(self.limit - self.limit / KEPT);
        let ends = pool.shutdown_async(policy.after(start.elapsed()));
        let hurrying = self.stop.hurrying.cancelled();
        if let Some(report) = self.servers.serve_while(ends, hurrying).await {
            return report;
        }
        // Shortens the limits of the shutdown that has begun: the earliest hold. The servers are
        // dropped after that, since their drop may wait for jobs.
        pool.shutdown_async(ShutdownPolicy::now()).await
    }
}

impl Threads {
    /// Whether this process was forked from theirs.
    fn are_of_the_parent(&self) -> bool {
        process::id() != self.process
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if self.are_of_the_parent() {
            // Their channel and the registry of handlers may be locked forever.
            mem::forget((self.listener.take(), self.timer.take()));
        }
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("limit", &self.limit)
            .field("servers", &self.servers.len())
            .field("is_stopping", &self.stop.stopping.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Unparks a thread that has really been woken: others may use up the permit of its park.
struct Parked {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        // ORDERING: Release, to the Acquire of the poll's loop, which sees what the waker's caller
        // did.
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Polls a future on this thread, which parks in between.
fn block_on<F: Future>(future: F) -> F::Output {
    let parked = Arc::new(Parked {
        thread: thread::current(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&parked));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        // ORDERING: Acquire, from the Release of the wake.
        while !parked.is_woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}
