//! The line before a full queue: which submitters listen, which were called, and how many places
//! are spare.

use std::collections::BTreeMap;
use std::task::Waker;

/// A position in the order of arrival. Kept over any number of calls, until the submitter goes.
type Ticket = u64;

/// How often the wait for a future that was passed over may double: 2^8 rounds are some seconds.
const MAX_DOUBLINGS: u32 = 8;

/// Whether a submitter that is called comes, which is whether a place may be kept for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coming {
    /// It is a thread that blocks here.
    Surely,
    /// It is a future, and a clock sees to it that it is passed over if nobody polls it.
    Watched,
    /// It is a future, and there is no clock: it is passed over as soon as it is called.
    Perhaps,
}

/// What a submitter is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// A place came free, and nobody else was called for it.
    Place,
    /// There may be a place.
    Look,
}

/// A submitter in line, as the submitter itself knows it. To be given back by
/// [`Room::leave`](super::Room::leave).
#[derive(Debug)]
pub(crate) struct Waiter {
    ticket: Ticket,
    /// Falls from `Watched` to `Perhaps` where there turns out to be no clock.
    coming: Coming,
    /// How often it came after it had been passed over, up to a limit. The next wait for it lasts
    /// `1 << doublings` rounds.
    doublings: u32,
    /// Whether it has come before. One that has, and is in neither list, was passed over.
    has_listened: bool,
}

/// What a submitter that comes may do.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(crate) struct LineState {
    /// It may try.
    pub(crate) may_try: bool,
    /// What it was called for.
    pub(crate) call: Option<Call>,
    /// It is to be watched, and nobody watches the line yet: the number of the watch that is to
    /// begin.
    pub(crate) needs_watch: Option<u64>,
}

/// What a submitter that leaves has left.
#[derive(Debug)]
pub(super) struct LeftLine {
    /// To be dropped outside the lock.
    pub(super) waker: Option<Waker>,
    /// A call that it did not follow.
    pub(super) call: Option<Call>,
    /// Whether it was the first in line: then others may pass anew.
    pub(super) was_first: bool,
}

/// The submitters in line. A ticket is in one of the two lists, or in none: before its first poll,
/// and after it was passed over.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The next position. Never given twice.
    next_ticket: Ticket,
    /// Those that nobody has called since their last poll.
    listening: BTreeMap<Ticket, Listener>,
    /// Those that were called and have not come yet.
    called: BTreeMap<Ticket, Called>,
    /// Places that came free while nobody listened, and that nobody has taken since. 0 while there
    /// is no line.
    spare: usize,
    /// Whether a clock begins rounds here. Set by the first future that listens; cleared by a round
    /// that finds none, by a dissolved line, and where there is no clock.
    is_watched: bool,
    /// How many watches have begun. The rounds of one that is not the latest end.
    watches: u64,
}

/// One that waits for its call.
#[derive(Debug)]
struct Listener {
    /// Called without the lock.
    waker: Waker,
    coming: Coming,
    /// How many rounds it is waited for once it is called.
    rounds: u32,
}

/// One that was called, and has not come yet.
#[derive(Debug)]
struct Called {
    /// What it was called for: goes to another if it does not come.
    call: Call,
    coming: Coming,
    /// How many rounds more it is waited for.
    rounds: u32,
}

impl Line {
    /// Gives the next ticket. It is in none of the lists before it listens.
    pub(super) fn enter(&mut self, coming: Coming) -> Waiter {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        Waiter {
            ticket,
            coming,
            doublings: 0,
            has_listened: false,
        }
    }

    /// A submitter comes, and listens from here on. The second is its former waker, to be dropped
    /// outside the lock.
    pub(super) fn listen(
        &mut self,
        waiter: &mut Waiter,
        waker: Waker,
    ) -> (LineState, Option<Waker>) {
        let ticket = waiter.ticket;
        let called = self.called.remove(&ticket);
        let former = self.listening.remove(&ticket);
        if waiter.has_listened && called.is_none() && former.is_none() {
            // It was passed over, and has come after all: it is slow, and not lost.
            waiter.doublings = (waiter.doublings + 1).min(MAX_DOUBLINGS);
        }
        waiter.has_listened = true;
        let listener = Listener {
            waker,
            coming: waiter.coming,
            rounds: 1 << waiter.doublings,
        };
        self.listening.insert(ticket, listener);
        let call = match called {
            Some(called) => Some(called.call),
            None => self.take_spare().then_some(Call::Place),
        };
        let is_next = self.called.is_empty() && self.first_listening() == Some(ticket);
        let needs_watch = waiter.coming == Coming::Watched && !self.is_watched;
        self.is_watched |= needs_watch;
        self.watches += u64::from(needs_watch);
        let state = LineState {
            may_try: call.is_some() || is_next,
            call,
            needs_watch: needs_watch.then_some(self.watches),
        };
        (state, former.map(|listener| listener.waker))
    }

    /// The queue was full when a submitter tried that listens, so nothing is spare. What it is
    /// called for meanwhile came free later, and then it does not listen any more.
    pub(super) fn found_full(&mut self, waiter: &Waiter) {
        if self.listening.contains_key(&waiter.ticket) {
            self.spare = 0;
        }
    }

    /// Nobody watches the line: a future is passed over as soon as it is called. What it was called
    /// for meanwhile goes to another.
    pub(super) fn unwatch(&mut self, waiter: &mut Waiter) -> Option<Call> {
        self.is_watched = false;
        waiter.coming = Coming::Perhaps;
        if let Some(listener) = self.listening.get_mut(&waiter.ticket) {
            listener.coming = Coming::Perhaps;
        }
        let called = self.called.remove(&waiter.ticket);
        called.map(|called| called.call)
    }

    /// Calls the first that listens. Without one, a place is spare, and a look is over. One that
    /// may not come is out of both lists from here on.
    pub(super) fn call_next(&mut self, call: Call) -> Option<(Waker, Coming)> {
        let Some((ticket, listener)) = self.listening.pop_first() else {
            if call == Call::Place {
                self.spare += 1;
            }
            return None;
        };
        if listener.coming != Coming::Perhaps {
            let called = Called {
                call,
                coming: listener.coming,
                rounds: listener.rounds,
            };
            self.called.insert(ticket, called);
        }
        Some((listener.waker, listener.coming))
    }

    /// Takes a place that nobody was called for. False if there is none.
    pub(super) fn take_spare(&mut self) -> bool {
        let has_spare = self.spare != 0;
        self.spare -= usize::from(has_spare);
        has_spare
    }

    /// Takes a submitter out of line, and says what it leaves for others.
    pub(super) fn leave(&mut self, waiter: &Waiter) -> LeftLine {
        let was_first = self.first() == Some(waiter.ticket);
        let called = self.called.remove(&waiter.ticket);
        let listener = self.listening.remove(&waiter.ticket);
        LeftLine {
            waker: listener.map(|listener| listener.waker),
            call: called.map(|called| called.call),
            was_first,
        }
    }

    /// Passes over the futures that were called long ago and have not come. One of them may stand
    /// for many: so all that listen are called, up to one that surely comes. The second: there is
    /// one to watch. A round of a former watch does nothing.
    pub(super) fn next_round(&mut self, watch: u64) -> (Vec<Waker>, bool) {
        if watch != self.watches {
            return (Vec::new(), false);
        }
        let (mut places, mut are_missing) = (0, false);
        self.called.retain(|_, called| {
            if called.coming == Coming::Surely || called.rounds != 0 {
                called.rounds = called.rounds.saturating_sub(1);
                return true;
            }
            are_missing = true;
            places += usize::from(called.call == Call::Place);
            false
        });
        let mut wakers = Vec::new();
        while are_missing && !self.listening.is_empty() {
            let call = if places > 0 { Call::Place } else { Call::Look };
            let Some((waker, coming)) = self.call_next(call) else {
                break;
            };
            wakers.push(waker);
            if coming != Coming::Perhaps {
                places -= usize::from(call == Call::Place);
            }
            are_missing = places > 0 || coming != Coming::Surely;
        }
        self.spare += places;
        self.is_watched = self.has_watched();
        (wakers, self.is_watched)
    }

    /// Whether there is a future in line that a clock may have to pass over.
    fn has_watched(&self) -> bool {
        let listening = self.listening.values().map(|listener| listener.coming);
        let mut all = listening.chain(self.called.values().map(|called| called.coming));
        all.any(|coming| coming == Coming::Watched)
    }

    /// Lets everybody look again, and keeps only the order of their tickets.
    pub(super) fn dissolve(&mut self) -> Vec<Waker> {
        self.called.clear();
        self.is_watched = false;
        let listening = std::mem::take(&mut self.listening);
        listening
            .into_values()
            .map(|listener| listener.waker)
            .collect()
    }

    /// How many others must not pass, and how many places are anybody's. Called before each unlock.
    pub(super) fn settle(&mut self) -> (usize, usize) {
        let waiting = self.listening.len() + self.called.len();
        if waiting == 0 {
            self.spare = 0;
        }
        (waiting, self.spare)
    }

    /// The one that is to be called next.
    fn first_listening(&self) -> Option<Ticket> {
        self.listening.first_key_value().map(|(ticket, _)| *ticket)
    }

    /// The first in line, whether it was called or listens.
    fn first(&self) -> Option<Ticket> {
        let first_called = self.called.first_key_value().map(|(ticket, _)| *ticket);
        [self.first_listening(), first_called]
            .into_iter()
            .flatten()
            .min()
    }
}
