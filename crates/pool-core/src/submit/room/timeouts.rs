//! The timers of the line: rounds that pass over submitters that were called and did not come, and
//! an alarm at the deadline of a future's job.

use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::job::id::JobId;
use crate::job::watch_list::Watch;
use crate::pool::lifecycle::Lifecycle;
use crate::submit::executor::{Executor, newest_life};
use crate::sys::machine;

/// The time between two rounds. A future that is called has one round at least to come, and two
/// at most. Long compared with what a thread or a runtime needs that is merely busy, and short
/// compared with what anybody would call a hang.
const ROUND: Duration = Duration::from_millis(25);

/// Begins the rounds of this watch in the room of an executor, by the clock that lasts the longest:
/// that of the newest pool. False: there is no clock.
pub(super) fn begin_rounds<E: Executor + ?Sized>(executor: &E, watch: u64) -> bool {
    newest_life(executor).is_some_and(|life| begin_round(&life, watch))
}

/// Has the pool's clock begin the next round in a while. False: the clock has no thread.
fn begin_round(life: &Arc<Lifecycle>, watch: u64) -> bool {
    let next = Waker::from(Arc::new(NextRound {
        life: Arc::downgrade(life),
        watch,
    }));
    let when = machine::now() + ROUND;
    // Nobody takes it back.
    let entry = Watch::default();
    life.timer.wake_at(&entry, when, JobId::next(), &next)
}

/// Begins a round when the clock calls it, and arms the clock for the next one while there are
/// futures to watch. It keeps no pool that is over.
///
/// A swap dissolves the line, so the first future that listens afterwards begins another watch, by
/// the clock of the new generation; that of the old one ends with its next round.
struct NextRound {
    life: Weak<Lifecycle>,
    watch: u64,
}

impl Wake for NextRound {
    fn wake(self: Arc<Self>) {
        let Some(life) = self.life.upgrade() else {
            return;
        };
        if life.room().next_round(self.watch) {
            // A clock that has begun one round has its thread.
            let _has_thread = begin_round(&life, self.watch);
        }
    }
}

/// Wakes a future at its job's deadline. Dropped, it takes the entry off the clock.
pub(super) struct Alarm {
    /// The clock finds its entry by these two.
    watch: Watch,
    id: JobId,
    /// Weak: one that waits keeps no pool that is over.
    life: Weak<Lifecycle>,
}

impl Alarm {
    /// Wakes `waker` at `when`. Without a clock a deadline is seen at the next poll.
    pub(super) fn set<E: Executor + ?Sized>(
        executor: &E,
        when: Instant,
        waker: &Waker,
    ) -> Option<Self> {
        let life = newest_life(executor)?;
        // Not the job's own id: once it is accepted, the same clock may know the same deadline by
        // that.
        let id = JobId::next();
        let watch = Watch::default();
        let _has_thread = life.timer.wake_at(&watch, when, id, waker);
        let life = Arc::downgrade(&life);
        Some(Self { watch, id, life })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(life) = self.life.upgrade() {
            life.timer.forget(&self.watch, self.id);
        }
    }
}
