//! The contestants: the table, and the implementation of each.

#[cfg(feature = "peers")]
mod data_parallel;
mod floor;
#[cfg(feature = "peers")]
mod hand_written;
#[cfg(feature = "peers")]
mod libraries;
mod ours;
mod row;
#[cfg(feature = "peers")]
mod runtimes;
mod table;

#[cfg(feature = "peers")]
use crate::contestant::Contestant;
pub(crate) use row::Row;
pub(crate) use table::TABLE;

/// Runs a job on a pool without handles and gets its value through a channel that is made for one
/// value.
#[cfg(feature = "peers")]
fn by_oneshot<C: Contestant, T: Send + 'static>(
    contestant: &C,
    job: impl FnOnce() -> T + Send + 'static,
) -> impl FnOnce() -> T {
    let (send, value) = oneshot::channel();
    contestant.execute(move || {
        send.send(job())
            .map_err(|_| "gone")
            .expect("the submitter waits for each value");
    });
    || value.recv().expect("an accepted job runs")
}
