//! `Search`: how long a worker that found nothing looks on, and when it does better to sleep.
//!
//! A worker looks a while before it sleeps, since its sleep costs the next submitter a system call.
//! Four things make that harmful, and no single look shows them:
//! - **Long pauses.** Where the next job comes long after a search would have ended, each search
//!   only costs its core. So a worker looks half as long after each sleep that was long, down to a
//!   few spins; and as long as at first again after one that was so short that a whole search would
//!   have been better.
//! - **Rivals.** Of several that search, one gets the next job. The others start over each time,
//!   and with few cores they hold up the one that runs it. So a worker that loses to a rival looks
//!   half as long from then on, until it gets a job.
//! - **A shared core.** A submitter and the worker that it waits for may take turns on one core
//!   while another has nothing to do: to the scheduler both always give way, and it leaves them
//!   where they are. Each job then costs two switches. A thread that is woken, though, is put on an
//!   idle core. So a worker that has come to its jobs that way for a while sleeps once; if that
//!   changes nothing, again after twice as many, and so on. On a borrowed thread it naps instead:
//!   its owner would not let the thread sleep.
//! - **A core that others keep.** There a yield lasts for milliseconds, and submitters count on the
//!   worker meanwhile. So where jobs are long, it looks without yields for a while ([`Hints`]).
//!
//! A worker on a borrowed thread starts over with each run.
//!
//! A look that finds work says nothing about which worker will get it: the worker then goes to the
//! queue, and if a rival was faster it comes back for another search, shorter than the one before.

pub(super) mod woken_looks;

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::sys::machine;
use crate::worker::hints::Hints;
use crate::worker::park::{Looks, spin_a_while, time_between_yields};

/// A yield that lasts longer than this has let other threads run on this core.
const A_TURN_OF_OTHERS: Duration = Duration::from_nanos(1200);

/// The shortest sleep there is: it makes the scheduler wake the thread, which may then be on
/// another core.
pub(super) const A_NAP: Duration = Duration::from_nanos(1);

/// A worker that is woken within this time of its first yield should have gone on looking: a wake
/// alone takes up to half of it.
const SOON: Duration = Duration::from_micros(50);

/// How many halvings leave no look between yields.
const MAX_IN_VAIN: u32 = 5;

/// How many jobs in a row have to come within others' turns on this core before the worker sleeps
/// for the first time.
const FIRST_TURNS: u32 = 32;
/// The most that this number grows to.
const MAX_TURNS: u32 = 1 << 13;

/// What a worker does after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// There is work. The worker stays counted as searching, and goes to take it.
    Found,
    /// There is none, or the worker should change its core: it is time to sleep.
    Nothing,
    /// Let the thread sleep for [`A_NAP`], then look again.
    Nap,
}

/// What one worker has learned from its searches. Used by its own thread alone.
#[derive(Debug)]
pub(super) struct Search {
    /// Whether the thread is borrowed, and so must nap instead of sleeping.
    is_borrowed: bool,
    /// How many times in a row work was seen while rivals searched. Each halves the looks of the
    /// next search.
    losses: Cell<u32>,
    /// How many searches in a row ended in long sleeps, up to [`MAX_IN_VAIN`]. Each halves the
    /// looks of the next search.
    in_vain: Cell<u32>,
    /// How many jobs in a row came while others had this core, since the last sleep.
    turns: Cell<u32>,
    /// How many of those it takes until the worker sleeps.
    bearable: Cell<u32>,
    /// When the worker began to yield in its last search, if that was in vain.
    idle_since: Cell<Option<Instant>>,
}

impl Search {
    /// Returns the search of a worker that has learned nothing yet, on a borrowed thread or on its
    /// own.
    pub(super) fn new(is_borrowed: bool) -> Self {
        Self {
            is_borrowed,
            losses: Cell::new(0),
            in_vain: Cell::new(0),
            turns: Cell::new(0),
            bearable: Cell::new(FIRST_TURNS),
            idle_since: Cell::new(None),
        }
    }

    /// Notes that the worker found a job: its next search is as long as the first.
    #[inline]
    pub(super) fn succeeded(&self) {
        self.losses.set(0);
    }

    /// Returns the moment at which the last search began to yield, if it was in vain.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.idle_since.get()
    }

    /// Notes that the worker has slept until `now`, if its last search was in vain; otherwise its
    /// slot was only elsewhere.
    pub(super) fn has_slept(&self, now: Instant) {
        if let Some(since) = self.idle_since.take() {
            let is_soon = now.saturating_duration_since(since) < SOON;
            let in_vain = self.in_vain.get();
            self.in_vain.set(if is_soon {
                0
            } else {
                MAX_IN_VAIN.min(in_vain + 1)
            });
        }
    }

    /// Looks a while for work: by a few spins, then between yields. Calls `has_rivals` only if it
    /// found some.
    pub(super) fn look(
        &self,
        hints: &Hints,
        mut has_work: impl FnMut() -> bool,
        has_rivals: impl FnOnce() -> bool,
    ) -> Looked {
        self.idle_since.set(None);
        if self.turns.get() >= self.bearable.get() {
            self.turns.set(0);
            self.bearable.set(MAX_TURNS.min(self.bearable.get() * 2));
            return if self.is_borrowed {
                Looked::Nap
            } else {
                Looked::Nothing
            };
        }
        if has_work() || spin_a_while(&mut has_work) {
            self.has_own_core();
        } else {
            let looks = if hints.may_yield() {
                Looks::WORKER.halved(self.losses.get() + self.in_vain.get())
            } else {
                Looks::NONE
            };
            let now = machine::now();
            self.idle_since.set(Some(now));
            let note_yield = |lasted| hints.note_yield(lasted);
            match time_between_yields(now, looks, note_yield, has_work) {
                Some(away) if away > A_TURN_OF_OTHERS => self.turns.set(self.turns.get() + 1),
                Some(_) => self.has_own_core(),
                None => return Looked::Nothing,
            }
        }
        self.idle_since.set(None);
        if has_rivals() {
            self.losses.set(self.losses.get() + 1);
        }
        Looked::Found
    }

    /// Notes that work came without a yield, or within a short one: no other thread shares the
    /// core.
    fn has_own_core(&self) {
        self.turns.set(0);
        self.bearable.set(FIRST_TURNS);
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::{Hints, Looked, MAX_IN_VAIN, SOON, Search};

    /// How many times a worker looks that finds nothing.
    fn looks_in_vain(search: &Search) -> u32 {
        looks_in_vain_with(&Hints::default(), search)
    }

    fn looks_in_vain_with(hints: &Hints, search: &Search) -> u32 {
        let looks = Cell::new(0);
        let finds_nothing = || {
            looks.set(looks.get() + 1);
            false
        };
        assert_eq!(search.look(hints, finds_nothing, || false), Looked::Nothing);
        looks.get()
    }

    #[test]
    fn who_loses_to_rivals_looks_less_until_it_finds_a_job() {
        let search = Search::new(false);
        let at_first = looks_in_vain(&search);
        assert_eq!(
            search.look(&Hints::default(), || true, || true),
            Looked::Found
        );
        let after_a_loss = looks_in_vain(&search);
        assert!(after_a_loss < at_first, "{after_a_loss} of {at_first}");
        search.succeeded();
        assert_eq!(looks_in_vain(&search), at_first);
    }

    #[test]
    fn who_sleeps_long_looks_less_until_it_is_woken_soon() {
        let search = Search::new(false);
        let at_first = looks_in_vain(&search);
        let mut before = at_first;
        for _ in 0..MAX_IN_VAIN {
            let since = search.idle_since().expect("it has yielded");
            search.has_slept(since + SOON);
            let looks = looks_in_vain(&search);
            assert!(looks < before, "{looks} of {before}");
            before = looks;
        }
        let since = search.idle_since().expect("it would have yielded");
        search.has_slept(since + SOON - Duration::from_nanos(1));
        assert_eq!(looks_in_vain(&search), at_first);
    }

    #[test]
    fn who_yields_for_long_where_jobs_are_long_looks_without_yields() {
        let (search, hints) = (Search::new(false), Hints::default());
        let at_first = looks_in_vain_with(&hints, &search);
        hints.note_jobs(Duration::from_millis(1));
        hints.note_yield(Duration::from_millis(1));
        let after_that = looks_in_vain_with(&hints, &search);
        assert!(after_that < at_first, "{after_that} of {at_first}");
    }

    #[test]
    fn who_loses_without_rivals_looks_as_long_as_before() {
        let search = Search::new(false);
        let at_first = looks_in_vain(&search);
        assert_eq!(
            search.look(&Hints::default(), || true, || false),
            Looked::Found
        );
        assert_eq!(looks_in_vain(&search), at_first);
    }

    /// Lets the worker come to that many jobs within others' turns.
    fn jobs_in_turns(search: &Search, jobs: u32) {
        search.turns.set(search.turns.get() + jobs);
    }

    #[test]
    fn who_shares_its_core_sleeps_more_and_more_seldom_until_it_does_not() {
        for is_borrowed in [false, true] {
            let search = Search::new(is_borrowed);
            let sleeps = if is_borrowed {
                Looked::Nap
            } else {
                Looked::Nothing
            };
            for jobs in [32, 64, 128] {
                jobs_in_turns(&search, jobs);
                // Even where there is work: the thread that submitted it runs on this very core.
                assert_eq!(
                    search.look(&Hints::default(), || true, || false),
                    sleeps,
                    "after {jobs}"
                );
            }
            jobs_in_turns(&search, 255);
            assert_eq!(
                search.look(&Hints::default(), || true, || false),
                Looked::Found
            );
            jobs_in_turns(&search, 32);
            assert_eq!(
                search.look(&Hints::default(), || true, || false),
                sleeps,
                "it begins anew"
            );
        }
    }
}
