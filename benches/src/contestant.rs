//! `Contestant`: all that a workload asks of a pool.

use std::sync::mpsc;

/// A pool that takes part.
pub trait Contestant: Send + Sync + 'static {
    /// Runs a job whose end nobody waits for. A bounded contestant waits while it is full.
    fn execute(&self, job: impl FnOnce() + Send + 'static);

    /// Runs a job; what is returned waits for its value.
    ///
    /// The default is what a user writes where a pool has no handles: a channel for each job.
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

    /// Ends the pool and waits for its threads.
    fn finish(self);
}
