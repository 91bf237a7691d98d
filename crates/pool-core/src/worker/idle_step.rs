//! How a worker that found nothing looks on, and sleeps; and what it does when it finds something.

use super::Worker;
use super::search::{A_NAP, Looked};
use crate::pool::engine::Engine;
use crate::queue::TaskQueue;
use crate::sys::machine::{self, Point};
use crate::worker::sleep::Announced;

/// What a worker that found nothing does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// There may be work: look again.
    Search,
    /// There is none: leave, and come back when resumed.
    Sleep,
    /// The pool has stopped.
    Stop,
    /// The worker's slot is elsewhere: leave.
    Moved,
}

impl Worker {
    /// The worker found a task: if it was the last to search, it sees to it that somebody finds the
    /// next.
    #[inline]
    pub(crate) fn found<E: Engine>(&self, engine: &E) {
        if self.ends_last_search() && self.has_work(engine) {
            self.life().notify();
        }
    }

    /// The worker found something to run. True: it searched, and nobody else does.
    #[inline]
    pub(super) fn ends_last_search(&self) -> bool {
        self.0.is_searching.replace(false) && {
            self.0.search.succeeded();
            self.life().roster.sleep.end_search()
        }
    }

    #[inline]
    pub(crate) fn has_work<E: Engine>(&self, engine: &E) -> bool {
        !engine.queue().is_empty() || self.life().has_woken()
    }

    /// Looks a while, then announces its sleep.
    #[cold]
    pub(super) fn rest<E: Engine>(&self, engine: &E) -> Rest {
        let life = self.life();
        self.tell_news();
        if life.may_leave() {
            if self.0.is_searching.replace(false) {
                let _last = life.roster.sleep.end_search();
            }
            return Rest::Stop;
        }
        if !self.0.is_searching.replace(true) {
            life.roster.sleep.begin_search();
        }
        // The end too is looked for: among many busy threads each yield may last milliseconds.
        let has_work = || self.has_work(engine) || life.may_leave();
        match self
            .0
            .search
            .look(has_work, || life.roster.sleep.has_rivals())
        {
            Looked::Found => return Rest::Search,
            Looked::Nap => {
                // Whoever submits meanwhile must not count on this one.
                if !(self.ends_last_search() && has_work()) {
                    machine::sleep(A_NAP);
                }
                return Rest::Search;
            }
            Looked::Nothing => {}
        }
        machine::point(Point::Rest);
        let announced = life.roster.sleep.announce(self.0.slot, || {
            machine::point(Point::Rest);
            has_work()
        });
        match announced {
            Announced::Sleep => Rest::Sleep,
            Announced::Search => Rest::Search,
            // Somebody counts on this place being resumed; so it sleeps, and wakes at once.
            Announced::Resumed => Rest::Sleep,
        }
    }
}
