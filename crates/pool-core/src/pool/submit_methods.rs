//! `submit`, `try_submit` and the others as methods of [`WorkerPool`]. Their contract stands on
//! [`ExecutorExt`](crate::ExecutorExt).

use crate::pool::engine::{Engine, WorkerPool};

impl<E: Engine> WorkerPool<E> {
    crate::ways_in! {
        /// Submits a job and returns its handle; blocks while the queue is full.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        submit: job, blocking;

        /// Submits a job if there is a place now, and returns its handle.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        try_submit: job, never;

        /// Submits a job and returns its handle; blocks for `timeout` at most.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before, or at
        /// the job's own deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed)
        /// once intake has ended (`R601`). The job comes back in the error, and has not run
        /// (`R102`).
        submit_timeout: job, timeout;

        /// Submits a job and returns its handle; waits for a place without blocking the thread.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        submit_async: job, awaiting;

        /// Executes a job without a handle, the cheapest way in; blocks while the queue is full.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        execute: detached_job, blocking;

        /// Executes a job without a handle if there is a place now.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        try_execute: detached_job, never;

        /// Executes a job without a handle; blocks for `timeout` at most.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before, or at
        /// the job's own deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed)
        /// once intake has ended (`R601`). The job comes back in the error, and has not run
        /// (`R102`).
        execute_timeout: detached_job, timeout;

        /// Executes a job without a handle; waits for a place without blocking the thread.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        execute_async: detached_job, awaiting;

        /// Submits a plain closure and returns its handle; blocks while the queue is full.
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// closure comes back in the error, and has not run (`R102`).
        spawn: closure, blocking;

        /// Submits a plain closure if there is a place now, and returns its handle.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// closure comes back in the error, and has not run (`R102`).
        try_spawn: closure, never;

        /// Submits a plain closure and returns its handle; blocks for `timeout` at most.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before
        /// (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended
        /// (`R601`). The closure comes back in the error, and has not run (`R102`).
        spawn_timeout: closure, timeout;

        /// Submits a plain closure and returns its handle; waits for a place without blocking the
        /// thread.
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// closure comes back in the error, and has not run (`R102`).
        spawn_async: closure, awaiting;

        /// Submits a job whose work is a future, and returns its handle; blocks while the queue is
        /// full.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        submit_future: future_job, blocking;

        /// Submits a job whose work is a future if there is a place now, and returns its handle.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        try_submit_future: future_job, never;

        /// Submits a job whose work is a future, and returns its handle; blocks for `timeout` at
        /// most.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before, or at
        /// the job's own deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed)
        /// once intake has ended (`R601`). The job comes back in the error, and has not run
        /// (`R102`).
        submit_future_timeout: future_job, timeout;

        /// Submits a job whose work is a future, and returns its handle; waits for a place without
        /// blocking the thread.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        submit_future_async: future_job, awaiting;

        /// Executes a job whose work is a future, without a handle; blocks while the queue is full.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        execute_future: detached_future_job, blocking;

        /// Executes a job whose work is a future if there is a place now, without a handle.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        try_execute_future: detached_future_job, never;

        /// Executes a job whose work is a future, without a handle; blocks for `timeout` at most.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before, or at
        /// the job's own deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed)
        /// once intake has ended (`R601`). The job comes back in the error, and has not run
        /// (`R102`).
        execute_future_timeout: detached_future_job, timeout;

        /// Executes a job whose work is a future, without a handle; waits for a place without
        /// blocking the thread.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// job comes back in the error, and has not run (`R102`).
        execute_future_async: detached_future_job, awaiting;

        /// Submits a bare future and returns its handle; blocks while the queue is full.
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// future comes back in the error, and has not run (`R102`).
        spawn_future: future, blocking;

        /// Submits a bare future if there is a place now, and returns its handle.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) if there is no place;
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// future comes back in the error, and has not run (`R102`).
        try_spawn_future: future, never;

        /// Submits a bare future and returns its handle; blocks for `timeout` at most.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, and not before
        /// (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended
        /// (`R601`). The future comes back in the error, and has not run (`R102`).
        spawn_future_timeout: future, timeout;

        /// Submits a bare future and returns its handle; waits for a place without blocking the
        /// thread.
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// future comes back in the error, and has not run (`R102`).
        spawn_future_async: future, awaiting;
    }

    crate::many_and_waits! {
        /// Submits jobs in order; blocks while the queue is full.
        ///
        /// # Errors
        /// The first refusal ends the batch: the handles of the jobs that got in, the job that was
        /// refused, and the rest (`R110`).
        submit_all;
        /// Applies `f` to each input on the workers; the outcomes come in the order of the inputs
        /// (`R504`).
        map;
        /// [`map`](Self::map) whose outcomes come as they are ready.
        map_unordered;
        /// Lets jobs borrow from the caller's stack; returns when all of them are over (`R505`).
        ///
        /// # Errors
        /// [`ScopeError`](crate::ScopeError) if a job panicked, or never ran because the pool
        /// ended.
        scope;
        /// Blocks until nothing is accepted and unfinished; intake stays open (`R506`).
        wait_idle;
        /// [`wait_idle`](Self::wait_idle) that blocks no thread.
        wait_idle_async;
        /// Takes a task in that a shutdown handed back; blocks while the queue is full (`R1042`).
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// task comes back in the error, and has not run.
        accept;
        /// Takes a task in that a shutdown handed back; blocks for `timeout` at most.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) after the timeout, or at the job's own
        /// deadline (`R105`); [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has
        /// ended (`R601`). The task comes back in the error, and has not run.
        accept_timeout;
        /// Takes a task in that a shutdown handed back; waits for a place without blocking the
        /// thread.
        ///
        /// # Errors
        /// [`SubmitError::Full`](crate::SubmitError::Full) at the job's own deadline (`R105`);
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended (`R601`). The
        /// task comes back in the error, and has not run.
        accept_async;
        /// Submits a job once `delay` has passed (`R1043`). A close before that ends it as
        /// abandoned (`R1044`); it is not in the pool until it is due.
        ///
        /// # Errors
        /// [`SubmitError::Closed`](crate::SubmitError::Closed) once intake has ended, with the job.
        after;
    }
}
