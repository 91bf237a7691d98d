//! The builder of every pool.

use std::fmt;

use crate::pool::config::PoolConfig;
use crate::pool::engine::{Engine, WorkerPool};
use crate::submit::error::BuildError;

/// Writes the setters of a builder that holds a `config: PoolConfig`: written once, for every
/// builder.
#[doc(hidden)]
#[macro_export]
macro_rules! config_setters {
    () => {
        /// Replaces the whole configuration with one that was made elsewhere.
        ///
        /// What was set on this builder before is lost, hooks included; calls after this one change
        /// the new configuration. An engine that was adopted stays.
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::Executor;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// let mut config = pool_core::backend::PoolConfig::default();
        /// config.set_workers(2);
        /// let pool = builder.config(config).queue_capacity(8).build()?;
        /// assert_eq!((pool.capability().workers, pool.capability().capacity), (2, Some(8)));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn config(mut self, config: $crate::backend::PoolConfig) -> Self {
            self.config = config;
            self
        }

        /// Sets how many jobs run at once. Default: what the system grants this process in
        /// parallel.
        ///
        /// [`build`](Self::build) refuses zero, and more than
        /// [`MAX_WORKERS`](crate::MAX_WORKERS).
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::Executor;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// let pool = builder.workers(3).build()?;
        /// assert_eq!(pool.capability().workers, 3);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn workers(mut self, workers: usize) -> Self {
            self.config.set_workers(workers);
            self
        }

        /// Sets the most jobs that are accepted and not started (`R104`). Default: 1024.
        ///
        /// Any number from 1 will do: it is a bound, and takes no memory in proportion (`R111`).
        ///
        /// [`build`](Self::build) refuses zero: such a pool would refuse every job.
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::Executor;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// let pool = builder.workers(1).queue_capacity(16).build()?;
        /// assert_eq!(pool.capability().capacity, Some(16));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn queue_capacity(mut self, capacity: usize) -> Self {
            self.config.set_capacity(capacity);
            self
        }

        /// Sets the prefix of the threads' names, to which a `-` and the worker's index are added.
        /// Linux shows 15 bytes.
        ///
        /// [`build`](Self::build) refuses a name with a NUL byte, which no thread name can hold. On
        /// an adopted engine the name is not used: those threads have names of their own.
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::BuildError;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// let refused = builder.thread_name("reports\0").build();
        /// assert!(matches!(refused, Err(BuildError::ThreadName { .. })));
        /// ```
        #[must_use]
        pub fn thread_name(mut self, name: impl Into<String>) -> Self {
            self.config.set_thread_name(name);
            self
        }

        /// Sets the bytes of stack for each worker, [`MIN_STACK`]($crate::MIN_STACK) or more.
        /// Jobs that run children in place need room for their depth.
        ///
        /// Default: that of the system. On an adopted engine it is not used.
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::BuildError;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// let refused = builder.stack_size(1024).build();
        /// assert!(matches!(refused, Err(BuildError::StackTooSmall { bytes: 1024, .. })));
        /// ```
        #[must_use]
        pub fn stack_size(mut self, bytes: usize) -> Self {
            self.config.set_stack_size(bytes);
            self
        }

        /// Runs first on each worker, with its index. What it returns is the worker's state: its
        /// jobs see it in [`JobContext::state`]($crate::JobContext::state), and it is dropped on
        /// the worker (`R208`).
        ///
        /// A panic in it fails [`build`](Self::build), with an error that says which worker and
        /// why; the workers that had started stop first (`R109`). A start that may fail without a
        /// panic is [`try_on_worker_start`](Self::try_on_worker_start). The later of the two calls
        /// holds.
        ///
        /// On an engine that the pool adopts it does not run: those threads are the caller's.
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::backend::{Engine, Lifecycle, PoolConfig, SharedQueue, Threads, WorkerPool};
        /// # use pool_core::{BuildError, Capability};
        /// # use std::{convert::Infallible, sync::Arc};
        /// # struct Own(Arc<Lifecycle>, SharedQueue, Threads);
        /// # impl Engine for Own {
        /// #     type Adopted = Infallible;
        /// #     type Queue = SharedQueue;
        /// #     const NAME: &'static str = "own";
        /// #     fn start(config: PoolConfig, _: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        /// #         let life = Lifecycle::new(&config, Capability::new(Self::NAME, &config));
        /// #         let own = Arc::new(Self(life, SharedQueue::new(config.capacity()), Threads::default()));
        /// #         own.2.start(&own, &config, |work| work())?;
        /// #         Ok(own)
        /// #     }
        /// #     fn life(&self) -> &Arc<Lifecycle> { &self.0 }
        /// #     fn queue(&self) -> &SharedQueue { &self.1 }
        /// #     fn join_threads(&self) { self.2.join(&self.0); }
        /// # }
        /// # let builder = WorkerPool::<Own>::builder();
        /// # use pool_core::{Interrupted, job_fn};
        /// let pool = builder.workers(1).on_worker_start(|worker| format!("connection {worker}")).build()?;
        /// let job = job_fn(|ctx| Ok::<_, Interrupted>(ctx.state::<String>().cloned()));
        /// assert_eq!(pool.submit(job)?.join()?.as_deref(), Some("connection 0"));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn on_worker_start<S: ::std::any::Any>(
            mut self,
            start: impl Fn(usize) -> S + Send + Sync + 'static,
        ) -> Self {
            self.config.set_on_worker_start(start);
            self
        }

        /// Runs first on each worker, as [`on_worker_start`](Self::on_worker_start) does, and may
        /// fail.
        ///
        /// An error fails [`build`](Self::build), or the swap that starts the workers: as an error
        /// that says which worker and why. The workers that had started stop first, each with its
        /// `on_worker_stop`, and drop their states (`R109`).
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::backend::{Engine, Lifecycle, PoolConfig, SharedQueue, Threads, WorkerPool};
        /// # use pool_core::{BuildError, Capability};
        /// # use std::{convert::Infallible, sync::Arc};
        /// # struct Own(Arc<Lifecycle>, SharedQueue, Threads);
        /// # impl Engine for Own {
        /// #     type Adopted = Infallible;
        /// #     type Queue = SharedQueue;
        /// #     const NAME: &'static str = "own";
        /// #     fn start(config: PoolConfig, _: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        /// #         let life = Lifecycle::new(&config, Capability::new(Self::NAME, &config));
        /// #         let own = Arc::new(Self(life, SharedQueue::new(config.capacity()), Threads::default()));
        /// #         own.2.start(&own, &config, |work| work())?;
        /// #         Ok(own)
        /// #     }
        /// #     fn life(&self) -> &Arc<Lifecycle> { &self.0 }
        /// #     fn queue(&self) -> &SharedQueue { &self.1 }
        /// #     fn join_threads(&self) { self.2.join(&self.0); }
        /// # }
        /// # let builder = WorkerPool::<Own>::builder();
        /// let refused = builder.workers(2).try_on_worker_start(|_worker| "no port".parse::<u16>()).build();
        /// assert!(matches!(refused, Err(BuildError::WorkerStart { worker: 0, .. })));
        /// ```
        #[must_use]
        pub fn try_on_worker_start<S, Fault>(
            mut self,
            start: impl Fn(usize) -> ::std::result::Result<S, Fault> + Send + Sync + 'static,
        ) -> Self
        where
            S: ::std::any::Any,
            Fault: ::std::convert::Into<
                    ::std::boxed::Box<
                        dyn ::std::error::Error + ::std::marker::Send + ::std::marker::Sync,
                    >,
                >,
        {
            self.config.set_try_on_worker_start(start);
            self
        }

        /// Shares a value with all jobs of the pool, which read it by
        /// [`JobContext::shared`]($crate::JobContext::shared) or
        /// [`AsyncContext::shared`]($crate::AsyncContext::shared), on every backend (`R1023`).
        ///
        /// For what jobs need and do not carry with them: a client, a cache, an album. There is one
        /// value of each type; a second one of the same type takes the place of the first. A type
        /// of your own for each value keeps two of one kind apart. An `Arc<T>` is found as an
        /// `Arc<T>`, not as a `T`.
        ///
        /// The same values serve all backends of a pool that is swapped, and the pools that are
        /// built from clones of this builder. A value is dropped once nobody can ask for it any
        /// more: when the pool has ended, with its jobs and its last handle, and no clone of the
        /// builder or of an [`AsyncContext`]($crate::AsyncContext) is left (`R1024`). That may be
        /// on any thread. A panic in its `Drop` is contained. A value must not hold a handle of the
        /// pool that it is shared by: the two would keep each other forever.
        ///
        /// What each worker should have for itself comes from
        /// [`on_worker_start`](Self::on_worker_start).
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::{Interrupted, job_fn};
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// struct Album(Vec<&'static str>);
        ///
        /// let pool = builder.share(Album(vec!["beach", "dunes"])).build()?;
        /// let count = job_fn(|ctx| Ok::<_, Interrupted>(ctx.shared::<Album>().0.len()));
        /// assert_eq!(pool.submit(count)?.join()?, 2);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn share<T: ::std::any::Any + ::std::marker::Send + ::std::marker::Sync>(
            mut self,
            value: T,
        ) -> Self {
            self.config.share(value);
            self
        }

        /// Runs last on each worker whose start succeeded, with its index.
        ///
        /// No job is on the worker any more. A pool that ends is closed by then. One that was
        /// swapped is not: there the hook submits as any thread outside. Where the queue is full,
        /// `submit` waits for room in the new backend, and the thread of the old one stays for as
        /// long. In a swap that fails, the workers that had started may not wait: `submit` finds
        /// room at once, or the new backend `Closed`.
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::backend::{Engine, Lifecycle, PoolConfig, SharedQueue, Threads, WorkerPool};
        /// # use pool_core::{BuildError, Capability};
        /// # use std::{convert::Infallible, sync::Arc};
        /// # struct Own(Arc<Lifecycle>, SharedQueue, Threads);
        /// # impl Engine for Own {
        /// #     type Adopted = Infallible;
        /// #     type Queue = SharedQueue;
        /// #     const NAME: &'static str = "own";
        /// #     fn start(config: PoolConfig, _: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        /// #         let life = Lifecycle::new(&config, Capability::new(Self::NAME, &config));
        /// #         let own = Arc::new(Self(life, SharedQueue::new(config.capacity()), Threads::default()));
        /// #         own.2.start(&own, &config, |work| work())?;
        /// #         Ok(own)
        /// #     }
        /// #     fn life(&self) -> &Arc<Lifecycle> { &self.0 }
        /// #     fn queue(&self) -> &SharedQueue { &self.1 }
        /// #     fn join_threads(&self) { self.2.join(&self.0); }
        /// # }
        /// # let builder = WorkerPool::<Own>::builder();
        /// # use std::sync::mpsc;
        /// let (send, stopped) = mpsc::channel();
        /// let pool = builder.workers(1).on_worker_stop(move |worker| drop(send.send(worker))).build()?;
        /// drop(pool); // waits for its workers
        /// assert_eq!(stopped.recv()?, 0);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn on_worker_stop(mut self, stop: impl Fn(usize) + Send + Sync + 'static) -> Self {
            self.config.set_on_worker_stop(stop);
            self
        }

        /// Sets an observer that sees each job that failed, panicked, gave up or came too late.
        ///
        /// It runs on the thread that ended the job, before the job's handle resolves. It is the
        /// place to log: it is told the job's id and name, how it ended, and what its panic or its
        /// error says. A job that expired in the queue is shown, and one that its token cancelled
        /// there. One that its handle, an abort handle or `cancel_on_drop` cancelled before the
        /// start is not, since the one that did so knows; nor is one that was abandoned.
        ///
        /// A panic in it is contained and counted in
        /// [`Stats::hook_panics`](crate::Stats::hook_panics); the outcome of the job stays what it
        /// was (`R304`).
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::job_fn;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// let (send, messages) = std::sync::mpsc::channel();
        /// let observe = move |failure: &pool_core::JobFailure<'_>| {
        ///     let _gone = send.send(failure.message.map(str::to_owned));
        /// };
        /// let pool = builder.workers(1).on_failure(observe).build()?;
        /// pool.submit(job_fn(|_| Err::<(), _>("out of ink")))?.detach();
        /// assert_eq!(messages.recv()?.as_deref(), Some("out of ink"));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn on_failure(
            mut self,
            observe: impl Fn(&$crate::JobFailure<'_>) + Send + Sync + 'static,
        ) -> Self {
            self.config.set_on_failure(observe);
            self
        }

        /// Has `tell` hear of each job that has run for `limit`: its id, name, kind, worker and
        /// age; and once more as it ends after all.
        ///
        /// The job goes on: no thread can be stopped from outside. For a future, the time that it
        /// is suspended counts. `tell` runs on the thread of the pool's clock, or on the one that
        /// ends the job, and should be quick; its panic is contained and counted. Each job costs a
        /// lock and a change of the clock's list as it starts and as it ends. A limit too far for
        /// the clock is none.
        ///
        /// # Examples
        ///
        /// ```
        /// # use std::sync::mpsc;
        /// # use std::time::Duration;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// let (send, lines) = mpsc::channel();
        /// let tell = move |job: &pool_core::StuckJob<'_>| drop(send.send(job.to_string()));
        /// let pool = builder.workers(1).stuck_after(Duration::from_millis(1), tell).build()?;
        /// let (release, held) = mpsc::channel::<()>();
        /// let job = pool.spawn(move || held.recv().is_err())?;
        /// println!("{}", lines.recv()?); // job #1 on worker 0 has run for 1.1ms
        /// drop(release);
        /// println!("{}", lines.recv()?); // job #1 on worker 0 has ended after 1.2ms
        /// assert!(job.join()?);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn stuck_after(
            mut self,
            limit: ::std::time::Duration,
            tell: impl Fn(&$crate::StuckJob<'_>) + Send + Sync + 'static,
        ) -> Self {
            self.config.set_stuck_after(limit, tell);
            self
        }

        /// Sets what the pool does when a job panics, in addition to counting it and going on:
        /// nothing by default; or it closes, or aborts the process. See
        /// [`Panic`]($crate::Panic).
        ///
        /// It follows the hook of failures and the observers, and precedes the handle. A panic in
        /// a hook or a destructor is no panic of a job.
        ///
        /// # Examples
        ///
        /// ```
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// use pool_core::{Executor, Panic};
        ///
        /// let pool = builder.workers(1).on_panic(Panic::Close).build()?;
        /// assert!(pool.spawn(|| panic!("out of ink"))?.join().is_err());
        /// assert!(pool.is_closed());
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn on_panic(mut self, on_panic: $crate::Panic) -> Self {
            self.config.set_on_panic(on_panic);
            self
        }

        /// Adds an observer, which hears of each job as it is submitted, runs and ends; see
        /// [`Observer`]($crate::Observer).
        ///
        /// An observer that several pools share, or that is read elsewhere, comes in an `Arc`.
        /// Several are told in the order in which they were added, except that they are told of
        /// exits and ends in the opposite order.
        ///
        /// # Panics
        /// With a panic of [`Observer::wants`]($crate::Observer::wants).
        ///
        /// # Examples
        ///
        /// ```
        /// # use std::sync::Arc;
        /// # use std::sync::atomic::{AtomicU64, Ordering};
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// use pool_core::{JobEnd, JobInfo, Observer};
        ///
        /// #[derive(Default)]
        /// struct Ends(AtomicU64);
        ///
        /// impl Observer for Ends {
        ///     fn ended(&self, _job: &JobInfo<'_>, _end: &JobEnd<'_>) {
        ///         self.0.fetch_add(1, Ordering::Relaxed);
        ///     }
        /// }
        ///
        /// let ends = Arc::new(Ends::default());
        /// let pool = builder.workers(1).observe(Arc::clone(&ends)).build()?;
        /// assert_eq!(pool.spawn(|| 6 * 7)?.join()?, 42);
        /// assert_eq!(ends.0.load(Ordering::Relaxed), 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn observe(mut self, observer: impl $crate::Observer) -> Self {
            self.config.add_observer(observer);
            self
        }

        /// Tells [`on_failure`](Self::on_failure) what errors of one type say, for its
        /// [`JobFailure::message`]($crate::JobFailure::message).
        ///
        /// Strings, boxed errors and common errors of the standard library say so themselves.
        /// Others have to be named, once for the pool: `describe_error(|error: &anyhow::Error|
        /// format!("{error:#}"))`.
        ///
        /// Each call adds a type. The descriptions are asked in the order of the calls, and before
        /// those that are built in; the first that knows the type is taken.
        ///
        /// # Examples
        ///
        /// ```
        /// # use pool_core::job_fn;
        /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        /// # let builder = pool_core::backend::SpawnPool::builder().adopt(spawner);
        /// struct OutOfInk {
        ///     pages_left: u32,
        /// }
        ///
        /// let (send, messages) = std::sync::mpsc::channel();
        /// let observe = move |failure: &pool_core::JobFailure<'_>| {
        ///     let _gone = send.send(failure.message.map(str::to_owned));
        /// };
        /// let describe = |error: &OutOfInk| format!("{} pages left", error.pages_left);
        /// let pool = builder.workers(1).describe_error(describe).on_failure(observe).build()?;
        /// pool.submit(job_fn(|_| Err::<(), _>(OutOfInk { pages_left: 7 })))?.detach();
        /// assert_eq!(messages.recv()?.as_deref(), Some("7 pages left"));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub fn describe_error<Fault: ::std::any::Any>(
            mut self,
            describe: impl Fn(&Fault) -> String + Send + Sync + 'static,
        ) -> Self {
            self.config.add_describe_error(describe);
            self
        }
    };
}

/// Configures a [`WorkerPool`]. Nothing is started before [`build`](Self::build).
///
/// A builder comes from [`WorkerPool::builder`]. Each setter takes the builder and returns it, so
/// calls are chained. Of two calls of one setter the later holds, except that descriptions of
/// errors add up, and so do shared values of different types.
pub struct PoolBuilder<E: Engine> {
    config: PoolConfig,
    /// The caller's own engine; without one, the engine starts what it needs.
    adopted: Option<E::Adopted>,
}

impl<E: Engine> PoolBuilder<E> {
    pub(crate) fn new() -> Self {
        Self {
            config: PoolConfig::default(),
            adopted: None,
        }
    }

    crate::config_setters!();

    /// Runs on the caller's own engine: a rayon thread pool, a tokio handle. It stays the caller's.
    ///
    /// The later of two calls holds. The threads keep their own names and stacks, and run no hooks.
    /// Each backend says what more it asks of the engine.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::backend::SpawnPool;
    ///
    /// // Any `Fn(Box<dyn FnOnce() + Send>)` is an engine that a `SpawnPool` runs on.
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let pool = SpawnPool::builder().workers(2).adopt(spawner).build()?;
    /// assert_eq!(pool.spawn(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn adopt(mut self, engine: E::Adopted) -> Self {
        self.adopted = Some(engine);
        self
    }

    /// Starts the workers, and returns once all of them wait for jobs.
    ///
    /// # Errors
    /// Says what is wrong and what would be right; nothing is left running (`R109`).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::BuildError;
    /// use pool_core::backend::SpawnPool;
    ///
    /// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// let refused = SpawnPool::builder().workers(0).adopt(spawner).build();
    /// assert!(matches!(refused, Err(BuildError::NoWorkers)));
    /// ```
    pub fn build(self) -> Result<WorkerPool<E>, BuildError> {
        WorkerPool::build(self.config, self.adopted)
    }
}

impl<E: Engine> fmt::Debug for PoolBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("engine", &E::NAME)
            .field("config", &self.config)
            .finish()
    }
}
