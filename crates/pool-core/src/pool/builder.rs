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
        /// Starts from a configuration made elsewhere.
        #[must_use]
        pub fn config(mut self, config: $crate::backend::PoolConfig) -> Self {
            self.config = config;
            self
        }

        /// How many jobs run at once. Default: what the system grants this process in parallel.
        #[must_use]
        pub fn workers(mut self, workers: usize) -> Self {
            self.config.set_workers(workers);
            self
        }

        /// The most jobs that are accepted and not started (`R104`). Any number from 1: it is a
        /// bound, and takes no memory in proportion (`R111`). Default: 1024.
        #[must_use]
        pub fn queue_capacity(mut self, capacity: usize) -> Self {
            self.config.set_capacity(capacity);
            self
        }

        /// The prefix of the threads' names, to which a `-` and the worker's index are added. Linux
        /// shows 15 bytes.
        #[must_use]
        pub fn thread_name(mut self, name: impl Into<String>) -> Self {
            self.config.set_thread_name(name);
            self
        }

        /// Bytes of stack for each worker, [`LEAST_STACK`]($crate::LEAST_STACK) or more. Jobs that
        /// run children in place need room for their depth.
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

        /// Runs last on each worker whose start succeeded, with its index.
        ///
        /// No job is on the worker any more. A pool that ends is closed by then. One that was
        /// swapped is not: there the hook submits as any thread outside. Where the queue is full,
        /// `submit` waits for room in the new backend, and the thread of the old one stays for as
        /// long. In a swap that fails, the workers that had started may not wait: `submit` finds
        /// room at once, or the new backend `Closed`.
        #[must_use]
        pub fn on_worker_stop(mut self, stop: impl Fn(usize) + Send + Sync + 'static) -> Self {
            self.config.set_on_worker_stop(stop);
            self
        }

        /// Sees each job that failed, panicked, gave up or came too late, on the thread that ended
        /// it, before its handle resolves. Where to log: it is told the job's id and name, how it
        /// ended, and what its panic or its error says. A job that its own handle cancelled before
        /// the start, or that was abandoned, is not shown: nobody ran it.
        #[must_use]
        pub fn on_failure(
            mut self,
            observe: impl Fn(&$crate::JobFailure<'_>) + Send + Sync + 'static,
        ) -> Self {
            self.config.set_on_failure(observe);
            self
        }

        /// Tells [`on_failure`](Self::on_failure) what errors of one type say, for its
        /// [`JobFailure::message`]($crate::JobFailure::message).
        ///
        /// Strings, boxed errors and common errors of the standard library say so themselves.
        /// Others have to be named, once for the pool: `describe_error(|error: &anyhow::Error|
        /// format!("{error:#}"))`.
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
pub struct PoolBuilder<E: Engine> {
    config: PoolConfig,
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
    #[must_use]
    pub fn adopt(mut self, engine: E::Adopted) -> Self {
        self.adopted = Some(engine);
        self
    }

    /// Starts the workers, and returns once all of them wait for jobs.
    ///
    /// # Errors
    /// Says what is wrong and what would be right; nothing is left running (`R109`).
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
