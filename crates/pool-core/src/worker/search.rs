//! `Search`: how long a worker that found nothing looks on, and when it does better to sleep.
//!
//! A worker looks a while before it sleeps, since its sleep costs the next submitter a system call. Two things make that harmful, and no single
//! look shows them:
//! - **Rivals.** Of several that search, one gets the next job. The others begin anew each time, and with few cores they hold up the one that
//!   runs it. So who loses to a rival looks half as long from then on, until it gets a job.
//! - **A shared core.** A submitter and the worker that it waits for may take turns on one core while another has nothing to do: to the
//!   scheduler both always give way, and it leaves them where they are. Each job then costs two switches. Who is woken, though, is put on an idle core. So a
//!   worker that has come to its jobs that way for a while sleeps once; if that changes nothing, again after twice as many, and so on. On a thread
//!   that is lent it naps instead: its owner would not let the thread sleep.

use std::cell::Cell;
use std::time::Duration;

use crate::wait::{Looks, spin_a_while, time_between_yields};

/// A yield that lasts longer has let others run.
const A_TURN_OF_OTHERS: Duration = Duration::from_nanos(1200);

/// The shortest sleep there is.
const A_NAP: Duration = Duration::from_nanos(1);

/// After so many jobs in a row that came within others' turns, the worker sleeps.
const FIRST_TURNS: u32 = 32;
/// The most that it grows to.
const MOST_TURNS: u32 = 1 << 13;

#[derive(Debug)]
pub(super) struct Search {
    is_lent: bool,
    /// Jobs in a row that rivals took.
    losses: Cell<u32>,
    /// Jobs in a row that came within others' turns on this core, since the last sleep.
    turns: Cell<u32>,
    /// How many of those it takes until the next sleep.
    bearable: Cell<u32>,
}

impl Search {
    /// For a worker whose thread is lent to it, or its own.
    pub(super) fn new(is_lent: bool) -> Self {
        Self {
            is_lent,
            losses: Cell::new(0),
            turns: Cell::new(0),
            bearable: Cell::new(FIRST_TURNS),
        }
    }

    /// The worker found a job.
    #[inline]
    pub(super) fn succeeded(&self) {
        self.losses.set(0);
    }

    /// Looks a while for work. False: it is time to sleep.
    pub(super) fn look(
        &self,
        mut has_work: impl FnMut() -> bool,
        has_rivals: impl FnOnce() -> bool,
    ) -> bool {
        if self.turns.get() >= self.bearable.get() {
            self.turns.set(0);
            self.bearable.set(MOST_TURNS.min(self.bearable.get() * 2));
            if self.is_lent {
                std::thread::sleep(A_NAP);
            }
            return self.is_lent;
        }
        if has_work() || spin_a_while(&mut has_work) {
            self.has_own_core();
        } else {
            let looks = Looks::WORKER.halved(self.losses.get());
            match time_between_yields(looks, has_work) {
                Some(away) if away > A_TURN_OF_OTHERS => self.turns.set(self.turns.get() + 1),
                Some(_) => self.has_own_core(),
                None => return false,
            }
        }
        if has_rivals() {
            self.losses.set(self.losses.get() + 1);
        }
        true
    }

    fn has_own_core(&self) {
        self.turns.set(0);
        self.bearable.set(FIRST_TURNS);
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::cell::Cell;

    use super::Search;

    /// How often one looks who finds nothing.
    fn looks_in_vain(search: &Search) -> u32 {
        let looks = Cell::new(0);
        let finds_nothing = || {
            looks.set(looks.get() + 1);
            false
        };
        assert!(!search.look(finds_nothing, || false));
        looks.get()
    }

    #[test]
    fn who_loses_to_rivals_looks_less_until_it_finds_a_job() {
        let search = Search::new(false);
        let at_first = looks_in_vain(&search);
        assert!(search.look(|| true, || true), "there was something");
        let after_a_loss = looks_in_vain(&search);
        assert!(after_a_loss < at_first, "{after_a_loss} of {at_first}");
        search.succeeded();
        assert_eq!(looks_in_vain(&search), at_first);
    }

    #[test]
    fn who_loses_without_rivals_looks_as_long_as_before() {
        let search = Search::new(false);
        let at_first = looks_in_vain(&search);
        assert!(search.look(|| true, || false), "there was something");
        assert_eq!(looks_in_vain(&search), at_first);
    }
}
