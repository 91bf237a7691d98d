//! `WokenLooks`: when a worker that searches takes a woken future, and when it leaves it to the
//! worker that woke it.
//!
//! Two futures that hand over to each other wake one another in turns, each within a poll that is
//! about to end. The worker that polls takes the other one next, from its own cache. A second
//! worker that searches would be faster, since it has nothing else to do: it would get every second
//! future, and each hand-over would move lines between two cores, which takes several times as long
//! as to run it.
//!
//! So a searcher takes a woken future only if that has stayed for some looks, or if there are
//! several, or if no worker is active. A poll that goes on after it has woken another future delays
//! that one by these looks, a microsecond or two.
//!
//! While woken futures come and go, the last worker that searches does not sleep: the next wake
//! would resume it.

use crate::pool::lifecycle::Lifecycle;

/// How many looks of a search pass over the list after one that has seen a future there, or has
/// seen that one has gone: a look takes the list's lines from the worker that uses them.
const LOOKS_PASSING_OVER: u32 = 7;

/// What one search has seen of the list of woken futures.
#[derive(Default)]
pub(crate) struct WokenLooks {
    /// The position of the first future as of the last look, and whether there was one.
    seen: Option<(usize, bool)>,
    /// How many looks are still to pass over the list.
    passing_over: u32,
    /// Whether one was taken out between two looks.
    has_moved: bool,
}

impl WokenLooks {
    /// Looks at the list. Returns whether there is something for this worker.
    pub(crate) fn look(&mut self, life: &Lifecycle) -> bool {
        if self.passing_over != 0 {
            self.passing_over -= 1;
            return false;
        }
        let woken = life.woken.about_len();
        let is_somebody_active = || {
            let alive = life.roster.alive();
            life.roster.sleep.is_somebody_active(alive)
        };
        if woken > 1 || (woken == 1 && !is_somebody_active()) {
            // One that is just being queued cannot be taken yet.
            return !life.woken.is_empty();
        }
        let now = (life.woken.first(), woken == 1);
        let before = self.seen.replace(now);
        let has_moved = before.is_some_and(|before| before.0 != now.0);
        self.has_moved |= has_moved;
        let stays = now.1 && before == Some(now);
        if !stays && (has_moved || now.1) {
            self.passing_over = LOOKS_PASSING_OVER;
        }
        stays && !life.woken.is_empty()
    }

    /// Returns whether the search is to go on: woken futures have come and gone since the last
    /// call, or it is not known yet whether one stays.
    pub(crate) fn is_worth_more(&mut self) -> bool {
        std::mem::take(&mut self.has_moved) || self.passing_over != 0
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::sync::Arc;

    use super::{LOOKS_PASSING_OVER, WokenLooks};
    use crate::pool::capability::Capability;
    use crate::pool::config::PoolConfig;
    use crate::pool::lifecycle::Lifecycle;
    use crate::testing::endable::Endable;

    /// A pool of two workers, of which one searches.
    fn pool() -> Arc<Lifecycle> {
        let mut config = PoolConfig::default();
        config.set_workers(2);
        let life = Lifecycle::new(&config, Capability::new("own", &config));
        (0..2).for_each(|_| life.worker_alive());
        life.roster.sleep.begin_search();
        life
    }

    fn wake(life: &Lifecycle) {
        life.woken.requeue(Endable::new().task(), life);
    }

    /// Looks until the list is looked at again.
    fn next_look(looks: &mut WokenLooks, life: &Lifecycle) -> bool {
        (0..LOOKS_PASSING_OVER).for_each(|_| assert!(!looks.look(life)));
        looks.look(life)
    }

    #[test]
    fn one_that_stays_is_taken_after_some_looks() {
        let (life, mut looks) = (pool(), WokenLooks::default());
        assert!(!looks.look(&life));
        wake(&life);
        assert!(!looks.look(&life), "its waker may take it next");
        assert!(next_look(&mut looks, &life));
        assert!(!looks.is_worth_more(), "it is to be taken");
    }

    #[test]
    fn those_that_come_and_go_are_left_to_the_worker_that_takes_them() {
        let (life, mut looks) = (pool(), WokenLooks::default());
        wake(&life);
        assert!(!looks.look(&life));
        for is_there in [true, false, true] {
            drop(life.woken.pop());
            if is_there {
                wake(&life);
            }
            assert!(!next_look(&mut looks, &life));
            assert!(looks.is_worth_more());
            if !is_there {
                wake(&life);
            }
        }
    }

    #[test]
    fn one_of_several_is_taken_at_once_as_is_one_that_no_active_worker_could_take() {
        let life = pool();
        (0..2).for_each(|_| wake(&life));
        assert!(WokenLooks::default().look(&life));
        drop(life.woken.pop());
        assert!(!WokenLooks::default().look(&life));
        life.roster.sleep.begin_search();
        assert!(WokenLooks::default().look(&life));
    }
}
