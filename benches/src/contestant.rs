//! What workloads need from a pool: the small traits that a contestant implements.

use std::future::Future;
use std::sync::mpsc;

/// A pool that takes part: it runs closures.
pub trait Contestant: Send + Sync + 'static {
    /// Runs a job without waiting for its end. A bounded contestant waits while it is full.
    fn execute(&self, job: impl FnOnce() + Send + 'static);

    /// Runs a job; what is returned waits for its value.
    ///
    /// The default is what a user of a pool without handles writes with the standard library: a
    /// channel for each job.
    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl FnOnce() -> T {
        let (send, value) = mpsc::sync_channel(1);
        self.execute(move || {
            send.send(job())
                .expect("the submitter waits for each value");
        });
        move || value.recv().expect("an accepted job runs")
    }

    /// Ends the idle pool, and waits for its threads.
    fn finish(self);
}

/// A pool that can end without running what is queued.
pub trait Stop: Contestant {
    /// Ends the pool and waits for its threads. Jobs that had not started are dropped when this
    /// returns.
    fn stop(self);
}

/// A pool that runs futures.
pub trait Futures: Contestant {
    /// Runs a future without waiting for its end. A bounded contestant waits while it is full.
    fn spawn_future(&self, future: impl Future<Output = ()> + Send + 'static);
}

/// A pool whose jobs fork and join.
pub trait ForkJoin: Send + Sync + 'static {
    /// What a job has to use the pool that it runs on.
    type Inside<'a>;

    /// Runs `root` on a worker and waits for its value.
    fn enter<T: Send + 'static>(
        &self,
        root: impl FnOnce(&mut Self::Inside<'_>) -> T + Send + 'static,
    ) -> T;

    /// Runs both, side by side if a worker is free, and waits for both values.
    fn join<A: Send + 'static, B: Send + 'static>(
        inside: &mut Self::Inside<'_>,
        a: impl FnOnce(&mut Self::Inside<'_>) -> A + Send + 'static,
        b: impl FnOnce(&mut Self::Inside<'_>) -> B + Send + 'static,
    ) -> (A, B);

    /// Ends the pool and waits for its threads.
    fn finish(self);
}
