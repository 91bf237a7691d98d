//! The ways in, as methods of [`Pool`]: six kinds of job, and four ways to wait for a place.

use crate::pool::Pool;

impl Pool {
    pool_core::ways_in! {
        /// Submits a job and returns its handle; blocks while the queue is full.
        ///
        /// Threads and futures that wait for a slot are admitted in order of arrival (`R107`).
        /// Inside a job of the same pool it does not wait: a child for which there is no
        /// place runs inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{JobError, JobExt, Pool, job_fn};
        /// use std::time::Duration;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let parse = job_fn(|ctx| {
        ///     assert_eq!(ctx.name(), Some("parse"));
        ///     "42".parse::<u32>()
        /// });
        /// let handle = pool.submit(parse.named("parse").with_timeout(Duration::from_secs(60)))?;
        /// assert_eq!(handle.join()?, 42);
        ///
        /// let handle = pool.submit(job_fn(|_| "no number".parse::<u32>()))?;
        /// assert!(matches!(handle.join(), Err(JobError::Failed(_))));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        submit: job, blocking;

        /// Submits a job if there is a place now, and returns its handle.
        ///
        /// It never waits. A full queue refuses, and so may one that others wait for (`R107`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, SubmitError, job_fn};
        /// use std::convert::Infallible;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(1).build()?;
        /// let (open, gate) = std::sync::mpsc::channel::<()>();
        /// let (started, has_started) = std::sync::mpsc::channel();
        /// pool.spawn(move || {
        ///     started.send(()).unwrap();
        ///     gate.recv()
        /// })?; // keeps the only worker
        /// has_started.recv()?;
        /// pool.spawn(|| ())?; // takes the only place
        ///
        /// let job = job_fn(|_| Ok::<_, Infallible>(1));
        /// let refused = pool.try_submit(job).unwrap_err();
        /// assert!(refused.is_full());
        /// open.send(())?;
        /// pool.wait_idle();
        /// let handle = pool.try_submit(refused.into_job()).map_err(SubmitError::without_job)?;
        /// assert_eq!(handle.join()?, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        try_submit: job, never;

        /// Submits a job and returns its handle; blocks for `timeout` at most.
        ///
        /// Inside a job of the same pool it does not wait: a child for which there is no place runs
        /// inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before, or at
        /// the job's own deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed)
        /// once intake has ended (`R601`). The job comes back in the error, and has not run
        /// (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, job_fn};
        /// use std::convert::Infallible;
        /// use std::time::Duration;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let job = job_fn(|_| Ok::<_, Infallible>(6 * 7));
        /// let handle = pool.submit_timeout(job, Duration::from_millis(100))?;
        /// assert_eq!(handle.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        submit_timeout: job, timeout;

        /// Submits a job and returns its handle; waits for a place without blocking the thread.
        ///
        /// The future of it is cancel safe: dropped before it is ready, it has submitted nothing
        /// (`R106`). All that wait for a place get in in order of arrival, and one that is not
        /// polled holds up nobody (`R107`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        /// use pool::{Pool, job_fn};
        /// use std::convert::Infallible;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let handle = pool.submit_async(job_fn(|_| Ok::<_, Infallible>(6 * 7))).await?;
        /// assert_eq!(handle.await?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// # })?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        submit_async: job, awaiting;

        /// Executes a job without a handle, the cheapest way in; blocks while the queue is full.
        ///
        /// A job of up to six words needs no allocation. Its end is counted in
        /// [`stats`](Self::stats), and the pool's [`on_failure`](crate::Builder::on_failure) hears
        /// of a failure. Inside a job of the same pool it does not wait: a child for which there is
        /// no place runs inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, job_fn};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let id = pool.execute(job_fn(|ctx| ctx.check()))?;
        /// println!("{id} is on its way");
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        execute: detached_job, blocking;

        /// Executes a job without a handle if there is a place now.
        ///
        /// It never waits; see [`try_submit`](Self::try_submit).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, job_fn};
        /// use std::convert::Infallible;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// pool.try_execute(job_fn(|_| Ok::<_, Infallible>(())))?;
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        try_execute: detached_job, never;

        /// Executes a job without a handle; blocks for `timeout` at most.
        ///
        /// Inside a job of the same pool it does not wait: a child for which there is no place runs
        /// inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before, or at
        /// the job's own deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed)
        /// once intake has ended (`R601`). The job comes back in the error, and has not run
        /// (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, job_fn};
        /// use std::convert::Infallible;
        /// use std::time::Duration;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// pool.execute_timeout(job_fn(|_| Ok::<_, Infallible>(())), Duration::from_millis(100))?;
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        execute_timeout: detached_job, timeout;

        /// Executes a job without a handle; waits for a place without blocking the thread.
        ///
        /// The future of it is cancel safe: dropped before it is ready, it has submitted nothing
        /// (`R106`). All that wait for a place get in in order of arrival, and one that is not
        /// polled holds up nobody (`R107`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        /// use pool::{Pool, job_fn};
        /// use std::convert::Infallible;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// pool.execute_async(job_fn(|_| Ok::<_, Infallible>(()))).await?;
        /// pool.wait_idle_async().await;
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// # })?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        execute_async: detached_job, awaiting;

        /// Submits a plain closure and returns its handle; blocks while the queue is full.
        ///
        /// A closure that returns a future ends once it has made it: nothing polls that. Futures go
        /// to [`spawn_future`](Self::spawn_future).
        ///
        /// The closure cannot fail and asks for no context; if it panics, the handle says so. To
        /// give it a name, a limit or a token, make it a job by
        /// [`infallible_fn`](crate::infallible_fn). Inside a job of the same pool it does not wait:
        /// a child for which there is no place runs inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// closure comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{JobError, Pool};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// assert_eq!(pool.spawn(|| 6 * 7)?.join()?, 42);
        /// let panicked = pool.spawn(|| -> u32 { panic!("out of ink") })?;
        /// assert!(matches!(panicked.join(), Err(JobError::Panicked(_))));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        spawn: closure, blocking;

        /// Submits a plain closure if there is a place now, and returns its handle.
        ///
        /// It never waits; see [`try_submit`](Self::try_submit).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// closure comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(1).build()?;
        /// let (open, gate) = std::sync::mpsc::channel::<()>();
        /// let (started, has_started) = std::sync::mpsc::channel();
        /// pool.spawn(move || {
        ///     started.send(()).unwrap();
        ///     gate.recv()
        /// })?; // keeps the only worker
        /// has_started.recv()?;
        /// pool.spawn(|| ())?; // takes the only place
        /// assert!(pool.try_spawn(|| 1).unwrap_err().is_full());
        /// # open.send(())?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        try_spawn: closure, never;

        /// Submits a plain closure and returns its handle; blocks for `timeout` at most.
        ///
        /// Inside a job of the same pool it does not wait: a child for which there is no place runs
        /// inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before
        /// (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended
        /// (`R601`). The closure comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        /// use std::time::Duration;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let handle = pool.spawn_timeout(|| 6 * 7, Duration::from_millis(100))?;
        /// assert_eq!(handle.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        spawn_timeout: closure, timeout;

        /// Submits a plain closure and returns its handle; waits for a place without blocking the
        /// thread.
        ///
        /// The future of it is cancel safe: dropped before it is ready, it has submitted nothing
        /// (`R106`). All that wait for a place get in in order of arrival, and one that is not
        /// polled holds up nobody (`R107`).
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// closure comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let handle = pool.spawn_async(|| 6 * 7).await?;
        /// assert_eq!(handle.await?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// # })?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        spawn_async: closure, awaiting;

        /// Submits a job whose work is a future, and returns its handle; blocks while the queue is
        /// full.
        ///
        /// The future is made on a worker as the job starts. In an async caller, where a thread
        /// must not be blocked, use [`submit_future_async`](Self::submit_future_async). Inside a
        /// job of the same pool it does not wait: a child for which there is no place runs inline
        /// (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, async_job_fn};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let parse = async_job_fn(|_ctx| async { "42".parse::<u32>() });
        /// assert_eq!(pool.submit_future(parse)?.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        submit_future: future_job, blocking;

        /// Submits a job whose work is a future if there is a place now, and returns its handle.
        ///
        /// It never waits; see [`try_submit`](Self::try_submit).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, async_job_fn};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let parse = async_job_fn(|_ctx| async { "42".parse::<u32>() });
        /// assert_eq!(pool.try_submit_future(parse)?.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        try_submit_future: future_job, never;

        /// Submits a job whose work is a future, and returns its handle; blocks for `timeout` at
        /// most.
        ///
        /// Inside a job of the same pool it does not wait: a child for which there is no place runs
        /// inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before, or at
        /// the job's own deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed)
        /// once intake has ended (`R601`). The job comes back in the error, and has not run
        /// (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, async_job_fn};
        /// use std::time::Duration;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let parse = async_job_fn(|_ctx| async { "42".parse::<u32>() });
        /// let handle = pool.submit_future_timeout(parse, Duration::from_millis(100))?;
        /// assert_eq!(handle.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        submit_future_timeout: future_job, timeout;

        /// Submits a job whose work is a future, and returns its handle; waits for a place without
        /// blocking the thread.
        ///
        /// The future of it is cancel safe: dropped before it is ready, it has submitted nothing
        /// (`R106`). All that wait for a place get in in order of arrival, and one that is not
        /// polled holds up nobody (`R107`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        /// use pool::{AsyncJobExt, Pool, async_job_fn};
        /// use std::time::Duration;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let parse = async_job_fn(|_ctx| async { "42".parse::<u32>() });
        /// let handle = pool.submit_future_async(parse.with_timeout(Duration::from_secs(60))).await?;
        /// assert_eq!(handle.await?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// # })?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        submit_future_async: future_job, awaiting;

        /// Executes a job whose work is a future, without a handle; blocks while the queue is full.
        ///
        /// Inside a job of the same pool it does not wait: a child for which there is no place runs
        /// inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, async_job_fn};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// pool.execute_future(async_job_fn(|ctx| async move { ctx.check() }))?;
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        execute_future: detached_future_job, blocking;

        /// Executes a job whose work is a future if there is a place now, without a handle.
        ///
        /// It never waits; see [`try_submit`](Self::try_submit).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, async_job_fn};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// pool.try_execute_future(async_job_fn(|ctx| async move { ctx.check() }))?;
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        try_execute_future: detached_future_job, never;

        /// Executes a job whose work is a future, without a handle; blocks for `timeout` at most.
        ///
        /// Inside a job of the same pool it does not wait: a child for which there is no place runs
        /// inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before, or at
        /// the job's own deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed)
        /// once intake has ended (`R601`). The job comes back in the error, and has not run
        /// (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, async_job_fn};
        /// use std::time::Duration;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let job = async_job_fn(|ctx| async move { ctx.check() });
        /// pool.execute_future_timeout(job, Duration::from_millis(100))?;
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        execute_future_timeout: detached_future_job, timeout;

        /// Executes a job whose work is a future, without a handle; waits for a place without
        /// blocking the thread.
        ///
        /// The future of it is cancel safe: dropped before it is ready, it has submitted nothing
        /// (`R106`). All that wait for a place get in in order of arrival, and one that is not
        /// polled holds up nobody (`R107`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        /// use pool::{Pool, async_job_fn};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// pool.execute_future_async(async_job_fn(|ctx| async move { ctx.check() })).await?;
        /// pool.wait_idle_async().await;
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// # })?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        execute_future_async: detached_future_job, awaiting;

        /// Submits a bare future and returns its handle; blocks while the queue is full.
        ///
        /// The future cannot fail and asks for no context. To give it a name, a limit or a token,
        /// make it a job by [`infallible_future`](crate::infallible_future). In an async caller,
        /// where a thread must not be blocked, use
        /// [`spawn_future_async`](Self::spawn_future_async). Inside a job of the same pool it does
        /// not wait: a child for which there is no place runs inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// future comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// assert_eq!(pool.spawn_future(async { 6 * 7 })?.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        spawn_future: future, blocking;

        /// Submits a bare future if there is a place now, and returns its handle.
        ///
        /// It never waits; see [`try_submit`](Self::try_submit).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// future comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let handle = pool.try_spawn_future(async { 6 * 7 }).map_err(|e| e.without_job())?;
        /// assert_eq!(handle.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        try_spawn_future: future, never;

        /// Submits a bare future and returns its handle; blocks for `timeout` at most.
        ///
        /// Inside a job of the same pool it does not wait: a child for which there is no place runs
        /// inline (`R108`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before
        /// (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended
        /// (`R601`). The future comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        /// use std::time::Duration;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let handle = pool.spawn_future_timeout(async { 6 * 7 }, Duration::from_millis(100))?;
        /// assert_eq!(handle.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        spawn_future_timeout: future, timeout;

        /// Submits a bare future and returns its handle; waits for a place without blocking the
        /// thread.
        ///
        /// The future of it is cancel safe: dropped before it is ready, it has submitted nothing
        /// (`R106`). All that wait for a place get in in order of arrival, and one that is not
        /// polled holds up nobody (`R107`).
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// future comes back in the error, and has not run (`R102`).
        ///
        /// # Examples
        ///
        /// ```
        /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let handle = pool.spawn_future_async(async { 6 * 7 }).await?;
        /// assert_eq!(handle.await?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// # })?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        spawn_future_async: future, awaiting;
    }

    pool_core::many_and_waits! {
        /// Submits jobs in order; blocks while the queue is full.
        ///
        /// # Errors
        /// The first refusal ends the batch. [`SubmitAllError`](crate::SubmitAllError) has the
        /// handles of the jobs that got in, the job that was refused, and the rest (`R110`).
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, job_fn};
        ///
        /// let pool = Pool::builder().workers(2).queue_capacity(8).build()?;
        /// let texts = ["1", "2", "3"];
        /// let jobs = texts.map(|text| job_fn(move |_| text.parse::<u32>()));
        /// let mut sum = 0;
        /// for handle in pool.submit_all(jobs)? {
        ///     sum += handle.join()?;
        /// }
        /// assert_eq!(sum, 6);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        submit_all;

        /// Applies `f` to each input on the workers; the outcomes come in the order of the inputs
        /// (`R504`).
        ///
        /// It takes inputs as there is room and as outcomes are taken, so there may be any number
        /// of them. [`Map`](crate::Map) says how far ahead it goes. Dropped, it cancels what has
        /// not started. Inside a job of the same pool, `next` runs the job that is due inline,
        /// unless another worker has started it.
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(2).queue_capacity(8).build()?;
        /// let squares: Result<Vec<u64>, _> = pool.map(1.., |n| n * n).take(4).collect();
        /// assert_eq!(squares?, [1, 4, 9, 16]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        map;

        /// [`map`](Self::map) whose outcomes come as they are ready.
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(2).queue_capacity(8).build()?;
        /// let mut sum = 0;
        /// for square in pool.map_unordered(1..=4, |n| n * n) {
        ///     sum += square?;
        /// }
        /// assert_eq!(sum, 30);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        map_unordered;

        /// Lets jobs borrow from the caller's stack; returns when all of them are over (`R505`).
        ///
        /// What they captured is dropped by then. Inside a job of the same pool, jobs that have not
        /// started run inline.
        ///
        /// # Errors
        /// [`ScopeError`](crate::ScopeError) if a job panicked, or never ran because the pool
        /// ended.
        ///
        /// # Panics
        /// With the panic of `f`, once all jobs are over.
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(2).queue_capacity(8).build()?;
        /// let mut numbers = vec![1, 2, 3, 4];
        /// let (left, right) = numbers.split_at_mut(2);
        /// pool.scope(|scope| {
        ///     let left = scope.spawn(|| left.iter_mut().for_each(|n| *n *= 10));
        ///     let right = scope.spawn(|| right.iter_mut().for_each(|n| *n *= 100));
        ///     left.is_ok() && right.is_ok()
        /// })?;
        /// assert_eq!(numbers, [10, 20, 300, 400]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        scope;

        /// Blocks until nothing is accepted and unfinished; intake stays open (`R506`).
        ///
        /// It returns after any idle moment, even if new jobs arrive before the waiter wakes.
        /// Inside a job of the same pool, that job, the jobs that it runs within, and all jobs that
        /// wait likewise are left out, and queued jobs run inline. No job should join a job that
        /// waits for quiet: the two wait for each other forever, unless the one runs within the
        /// other.
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(2).queue_capacity(8).build()?;
        /// for n in 0..5 {
        ///     pool.spawn(move || n * n)?.detach();
        /// }
        /// pool.wait_idle();
        /// assert_eq!(pool.stats().completed, 5);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        wait_idle;

        /// [`wait_idle`](Self::wait_idle) that blocks no thread.
        ///
        /// # Examples
        ///
        /// ```
        /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        /// use pool::Pool;
        ///
        /// let pool = Pool::builder().workers(2).queue_capacity(8).build()?;
        /// pool.spawn_async(|| 6 * 7).await?.detach();
        /// pool.wait_idle_async().await;
        /// assert_eq!(pool.stats().completed, 1);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// # })?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        wait_idle_async;

        /// Takes a task in that a shutdown handed back; blocks while the queue is full.
        ///
        /// It waits as [`submit`](Self::submit) does, in the same line (`R1042`). The job has the
        /// handle and the deadline that it was first submitted with.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// task comes back in the error, and has not run.
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, ShutdownPolicy};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let (open, gate) = std::sync::mpsc::channel::<()>();
        /// let (started, has_started) = std::sync::mpsc::channel();
        /// pool.spawn(move || {
        ///     started.send(()).unwrap();
        ///     gate.recv()
        /// })?; // keeps the only worker
        /// has_started.recv()?;
        ///
        /// let queued = pool.spawn(|| 42)?;
        /// let mut report = pool.shutdown(ShutdownPolicy::now().hand_back());
        /// drop(open);
        /// let successor = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// for task in report.take_unstarted() {
        ///     successor.accept(task)?;
        /// }
        /// assert_eq!(queued.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        accept;

        /// Takes a task in that a shutdown handed back; blocks for `timeout` at most.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, or at the job's own
        /// deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has
        /// ended (`R601`). The task comes back in the error, and has not run.
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, SubmitError, Task};
        /// use std::time::Duration;
        ///
        /// /// Moves to `successor` what it takes in within a second each; returns the rest.
        /// fn hand_over(tasks: Vec<Task>, successor: &Pool) -> Vec<Task> {
        ///     let second = Duration::from_secs(1);
        ///     let try_one = |task| successor.accept_timeout(task, second).err();
        ///     tasks.into_iter().filter_map(try_one).map(SubmitError::into_job).collect()
        /// }
        /// let successor = Pool::builder().workers(1).build()?;
        /// assert!(hand_over(Vec::new(), &successor).is_empty());
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        accept_timeout;

        /// Takes a task in that a shutdown handed back; waits for a place without blocking the
        /// thread.
        ///
        /// Dropped before it is ready, it drops the task: its job is abandoned.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// task comes back in the error, and has not run.
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{Pool, SubmitError, Task};
        ///
        /// type Moved = Result<(), SubmitError<Task>>;
        ///
        /// async fn hand_over(tasks: Vec<Task>, successor: &Pool) -> Moved {
        ///     for task in tasks {
        ///         successor.accept_async(task).await?;
        ///     }
        ///     Ok(())
        /// }
        /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        /// let successor = Pool::builder().workers(1).build()?;
        /// assert!(runtime.block_on(hand_over(Vec::new(), &successor)).is_ok());
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        accept_async;

        /// Submits a job once `delay` has passed, and returns its handle at once.
        ///
        /// The job runs not before its time, and exactly once (`R1043`). Until it is due it is
        /// **not in the pool**: it takes no place, is in no count, and neither
        /// [`wait_idle`](Self::wait_idle) nor a drain waits for it. When it is due it is queued past
        /// the capacity, on the backend that takes jobs in then. A timeout of the job counts from
        /// then on.
        ///
        /// A cancel by its handle ends it at once. So does **a close before it is due**, as
        /// abandoned, and the drop of the last handle of the pool (`R1044`); a worker that has
        /// nothing to run drops what it captured. A job that holds a handle of its pool keeps that
        /// open: the next of a chain is better submitted by the job's own context.
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error.
        ///
        /// # Examples
        ///
        /// ```
        /// use pool::{JobError, Pool, infallible_fn};
        /// use std::time::{Duration, Instant};
        ///
        /// let pool = Pool::builder().workers(1).queue_capacity(8).build()?;
        /// let (asked, delay) = (Instant::now(), Duration::from_millis(5));
        /// let retry = pool.after(delay, infallible_fn(Instant::now))?;
        /// let nightly = pool.after(Duration::from_secs(3600), infallible_fn(|| 42))?;
        /// assert!(retry.join()? >= asked + delay);
        /// pool.close(); // before it is due
        /// assert!(matches!(nightly.join(), Err(JobError::Abandoned)));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        after;
    }
}
