//! The step of a worker that found nothing: it searches a while, and then announces its sleep. And
//! what it does when it finds something.
//!
//! The rule behind both is that of `sleep`: as long as a worker searches, submitters wake no other,
//! unless jobs are long.
//! So a searcher that finds a task, and is the last one, must wake another if there is more. Where
//! jobs are long, each searcher that finds one wakes up to two, so that many sleepers are at work
//! after few steps.

use super::Worker;
use super::search::woken_looks::WokenLooks;
use super::search::{A_NAP, Looked};
use crate::pool::engine::{Engine, has_startable};
use crate::pool::lifecycle::Lifecycle;
use crate::queue::TaskQueue;
use crate::sys::machine::{self, Point};
use crate::worker::sleep::Announced;
#[cfg(doc)]
use crate::worker::sleep::Sleep;

/// What a worker that found nothing does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// There may be work: look again. The worker is counted among those that search, unless it was
    /// about to nap.
    Search,
    /// There is no work: leave, and come back when resumed. The slot is on the idle stack, or was
    /// resumed already.
    Sleep,
    /// The pool has stopped, and nothing is left to do: leave for good.
    Stop,
    /// The worker's slot is to be passed on: leave the seat first.
    Moved,
}

/// How many others a worker wakes that has found a long job.
const WAKES_FOR_LONG_JOBS: usize = 2;

/// Returns whether a worker of this engine would find something to run: a queued task, a woken
/// future, a half to steal, or a chore at the end of the pool.
#[inline]
pub(super) fn has_work<E: Engine>(engine: &E) -> bool {
    let life = engine.life();
    has_startable(engine) || life.has_woken() || life.has_halves()
}

/// [`has_work`], for the last look of a worker that is about to sleep, or that was the last to
/// search: also counts a half that another worker tries to steal. That one may come too late, and
/// need not be one that looks for more; then there may be a half that nobody else has seen.
#[inline]
pub(super) fn may_have_work<E: Engine>(engine: &E) -> bool {
    let life = engine.life();
    has_startable(engine) || life.has_woken() || life.may_have_halves()
}

/// Announces the sleep of a slot that searched. If the last look finds work, and the slot is in use
/// again by then, another one is woken, unless some worker searches: what took the slot
/// [for work](Sleep::take_for_work) does not look for that.
pub(crate) fn announce(
    life: &Lifecycle,
    slot: usize,
    has_work: impl FnOnce() -> bool,
) -> Announced {
    let announced = life.roster.sleep.announce(slot, has_work);
    if announced == Announced::Resumed {
        life.notify();
    }
    announced
}

impl Worker {
    /// Notes that the worker found a task. If it searched, it may wake others for the next ones.
    #[inline]
    pub(crate) fn found<E: Engine>(&self, engine: &E) {
        if self.0.is_searching.get() {
            self.found_in_search(engine);
        }
    }

    /// Ends the worker's search, since it has found a task. If it was the last to search, and there
    /// is more to do, it wakes a worker to find the next.
    #[inline(never)]
    fn found_in_search<E: Engine>(&self, engine: &E) {
        let life = self.life();
        let must_wake = self.ends_last_search() && may_have_work(engine);
        if must_wake {
            life.notify();
        }
        if life.roster.hints.are_jobs_long() {
            for _ in usize::from(must_wake)..WAKES_FOR_LONG_JOBS {
                if !life.phase.is_paused() {
                    life.wake_another(engine.queue().about_queued());
                }
            }
        }
    }

    /// Ends the worker's search, since it has found something to run. Returns true if it searched,
    /// and no other worker does: then the caller looks for more, and notifies.
    #[inline]
    pub(super) fn ends_last_search(&self) -> bool {
        self.0.is_searching.replace(false) && {
            self.0.search.succeeded();
            self.0.pace.found();
            self.life().roster.sleep.end_search()
        }
    }

    /// Sleeps until resumed, on a thread of the pool's own.
    #[cold]
    pub(super) fn sleep(&self) {
        self.0.status.park();
        self.begin_pace();
    }

    /// Learns from a sleep that is over, and begins to measure how long jobs last.
    pub(super) fn begin_pace(&self) {
        let now = machine::now();
        self.0.clock.forget();
        self.0.search.has_slept(now);
        self.0.pace.begin(now, self.0.tick.get());
    }

    /// Searches a while; and on, while woken futures come and go, if no other worker searches.
    fn search<E: Engine>(&self, engine: &E) -> Looked {
        let life = self.life();
        let hints = &life.roster.hints;
        let mut woken = WokenLooks::default();
        loop {
            // The end too is looked for: among many busy threads each yield may last milliseconds.
            let has_work = || {
                has_startable(engine)
                    || self.has_pinned()
                    || woken.look(life)
                    || life.has_chores()
                    || life.has_halves()
                    || life.may_leave()
            };
            let has_rivals = || life.roster.sleep.has_rivals();
            match self.0.search.look(hints, has_work, has_rivals) {
                Looked::Nothing if woken.is_worth_more() && !has_rivals() => machine::yield_now(),
                looked => return looked,
            }
        }
    }

    /// Decides how the worker rests: tells the pool's news, leaves if the pool has stopped,
    /// searches a while, and otherwise announces its sleep.
    ///
    /// Each look is for the end of the pool as well as for tasks. There is one more after the sleep
    /// was announced, as the protocol in `sleep` wants it.
    #[cold]
    pub(super) fn rest<E: Engine>(&self, engine: &E) -> Rest {
        let life = self.life();
        debug_assert!(!self.is_departing(), "its slot would go on and sleep");
        self.tell_news();
        if life.may_leave() {
            if self.0.is_searching.replace(false) && life.roster.sleep.end_search() {
                // Others may have gone to sleep before the last woken future had come.
                life.roster.let_leave(&life.phase);
            }
            return Rest::Stop;
        }
        if !self.0.is_searching.replace(true) {
            life.roster.sleep.begin_search();
        }
        let may_have_work = || may_have_work(engine) || self.has_pinned() || life.may_leave();
        match self.search(engine) {
            Looked::Found => return Rest::Search,
            Looked::Nap => {
                // A submitter must not count on this worker meanwhile; and where one did, and this
                // was the last to search, there may be more than this worker can do.
                if self.ends_last_search() && may_have_work() {
                    life.notify();
                } else {
                    machine::sleep(A_NAP);
                    self.0.clock.forget();
                }
                return Rest::Search;
            }
            Looked::Nothing => {}
        }
        if let Some(since) = self.0.search.idle_since() {
            let average = self.0.pace.end(since, self.0.tick.get());
            if let Some(average) = average {
                life.roster.hints.note_jobs(average);
            }
        }
        machine::point(Point::Rest);
        let announced = announce(life, self.0.slot, || {
            machine::point(Point::Rest);
            may_have_work()
        });
        match announced {
            Announced::Sleep => Rest::Sleep,
            Announced::Search => Rest::Search,
            // A thread has resumed this slot already; so the worker sleeps, and wakes at once.
            Announced::Resumed => Rest::Sleep,
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::{Announced, announce};
    use crate::pool::capability::Capability;
    use crate::pool::config::PoolConfig;
    use crate::pool::lifecycle::Lifecycle;

    /// A submitter counts on a searcher, whose slot is taken for other work as it announces its
    /// sleep: what its last look sees is another worker's.
    #[test]
    fn what_the_last_look_sees_is_left_to_another_if_the_slot_is_taken() {
        let mut config = PoolConfig::default();
        config.set_workers(2);
        let life = Lifecycle::new(&config, Capability::new("own", &config));
        let sleep = &life.roster.sleep;
        sleep.begin_search();
        assert_eq!(announce(&life, 1, || false), Announced::Sleep);
        sleep.begin_search();
        let announced = announce(&life, 0, || {
            assert_eq!(sleep.take_for_work(), Some(0));
            true
        });
        assert_eq!(announced, Announced::Resumed);
        assert!(sleep.has_searcher(), "nobody is woken for it");
    }
}
