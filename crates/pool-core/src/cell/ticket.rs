//! `Ticket`: where in its pool's queue a queued job lies, for the thread that ends the job there.
//!
//! A job that is cancelled or expires in the queue frees its place at once (`R104`). Only the queue
//! knows where the job's entry is: it writes a number of its own, the ticket, into the job's cell
//! as it takes the task in. The thread that ends the job brings the number back, in a
//! [`DeadEntry`].
//!
//! # A job that ends while it is pushed
//! The pusher writes the ticket, and then looks whether the job is over. The thread that ends the
//! job has said so in the state, and then reads the ticket. A light fence on the one side and a
//! heavy one on the other (`asymmetric_fence`) stand between. So the pusher finds the job over, or
//! the other finds the ticket. Both may be; so a queue frees the place of an entry once, however
//! many ask. The heavy fence is needed only where no ticket was found: a ticket that is there needs
//! nobody's look.
//!
//! # A held place
//! Where entries have no numbers, as in a deque, the place is freed by the thread that takes the
//! task out or by the one that ends the job. The first says that the task is out, and then looks
//! whether the job is over; the second has said so, and then looks whether the task is out. The
//! same pair of fences stands between. A thread that finds nothing of the other frees the place;
//! the one that ends the job leaves it to the other if the task is out. A thread that takes the
//! task out of a job that is over may have met the other, and then the ticket decides.
//!
//! # A job that changes its pool
//! The ticket is cleared before the state names the next pool. So a thread that wins the start
//! while the state names a pool never takes a ticket of another pool's queue for one of that pool.

use crate::cell::state::State;
use crate::job::id::JobId;
use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::{AtomicBool, AtomicUsize, Ordering};

/// No ticket yet, or in a queue that gives none.
const NONE: usize = 0;
/// The place is free again, or there never was one.
const FREE: usize = 2;
/// A place that is no certain one of the queue's: the thread that
/// [takes](QueuedJob::take_place) it frees it.
pub(crate) const HELD: usize = 4;
/// The lowest bit says that the rest is a position, whose lowest bit is zero.
const AT_POSITION: usize = 1;

/// The ticket of one job, in its cell.
#[derive(Debug)]
pub(crate) struct Ticket {
    number: AtomicUsize,
    /// The task was taken out of the place that is held. Written by the holder of the task alone.
    is_out: AtomicBool,
}

impl Ticket {
    /// Returns the ticket of a job that is in no queue.
    pub(crate) fn new() -> Self {
        Self {
            number: AtomicUsize::new(NONE),
            is_out: AtomicBool::new(false),
        }
    }

    /// Forgets the ticket: the job leaves its pool. Called by the holder of the task, before the
    /// state names another pool.
    pub(crate) fn clear(&self) {
        // ORDERING: Relaxed: the change of the state that follows releases.
        self.number.store(NONE, Ordering::Relaxed);
    }

    /// Takes a held place. Returns true to one caller.
    fn take_held(&self) -> bool {
        // ORDERING: Relaxed: only one thread is to succeed, and nothing is published.
        self.number
            .compare_exchange(HELD, FREE, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// A job as the queue that has its task sees it: whether it is over, and its ticket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueuedJob<'a> {
    pub(crate) state: &'a State,
    pub(crate) ticket: &'a Ticket,
}

impl QueuedJob<'_> {
    /// Gives the job the place at `position`, whose lowest bit is zero. Returns true if the job is
    /// over already: then the pusher frees the place itself. Called before the task can be popped.
    #[inline]
    pub(crate) fn enter_at(self, position: usize) -> bool {
        self.enter(position | AT_POSITION)
    }

    /// Gives the job a place that anybody may [take](Self::take_place). Returns true if the job is
    /// over already and the place is the pusher's to free.
    #[inline]
    pub(crate) fn hold(self) -> bool {
        self.ticket.is_out.store(false, Ordering::Relaxed);
        self.enter(HELD) && self.take_place()
    }

    #[inline]
    fn enter(self, ticket: usize) -> bool {
        self.ticket.number.store(ticket, Ordering::Relaxed);
        // ORDERING: partner is the heavy fence in `DeadEntry::find`.
        light();
        self.state.may_have_ended_elsewhere()
    }

    /// Notes that the entry lies at another position. Called under the lock under which positions
    /// are looked up.
    pub(crate) fn moved_to(self, position: usize) {
        self.ticket
            .number
            .store(position | AT_POSITION, Ordering::Relaxed);
    }

    /// Notes that the job has no place any more, or gets none. Called where no thread can be about
    /// to read a position, or under the lock under which positions are looked up.
    pub(crate) fn takes_no_place(self) {
        self.ticket.number.store(FREE, Ordering::Relaxed);
    }

    /// Takes a held place away from the job, for the holder of the task, who has taken it out.
    /// Returns whether the place is the caller's to free; true as well for a job whose place is not
    /// a held one.
    #[inline]
    pub(crate) fn take_place(self) -> bool {
        match self.ticket.number.load(Ordering::Relaxed) {
            HELD => {
                self.ticket.is_out.store(true, Ordering::Relaxed);
                // ORDERING: partner is the heavy fence in `DeadEntry::take_held`.
                light();
                !self.state.may_have_ended_elsewhere() || self.ticket.take_held()
            }
            FREE => false,
            _ => true,
        }
    }

    /// Whether the task has nothing to run.
    pub(crate) fn is_over(self) -> bool {
        self.state.is_started()
    }
}

/// A job that ended in the queue: cancelled, or past its deadline. Its entry, if it is still there,
/// has nothing to run.
///
/// [`TaskQueue::release`](crate::backend::TaskQueue::release) gets one.
#[derive(Debug)]
pub struct DeadEntry<'a> {
    id: JobId,
    ticket: &'a Ticket,
}

impl<'a> DeadEntry<'a> {
    /// The entry of a job whose end the caller has in hand.
    pub(crate) fn new(id: JobId, ticket: &'a Ticket) -> Self {
        Self { id, ticket }
    }

    /// Returns the id of the job, which is that of its task.
    #[inline]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Whether the job has a place, or had one that was freed by a pop. If it returns false, and
    /// the job is being pushed, the pusher finds it over.
    pub(crate) fn find(&self) -> bool {
        let load = || self.ticket.number.load(Ordering::Relaxed);
        let mut ticket = load();
        if ticket == NONE {
            // ORDERING: partner is the light fence in `QueuedJob::enter`. The caller has started
            // the job before.
            heavy();
            ticket = load();
        }
        !matches!(ticket, NONE | FREE)
    }

    /// The position of the entry. Called under the lock under which entries are moved.
    pub(crate) fn position(&self) -> Option<usize> {
        // ORDERING: Relaxed: a move was under the same lock; for a push see `find`.
        let ticket = self.ticket.number.load(Ordering::Relaxed);
        (ticket & AT_POSITION != 0).then_some(ticket & !AT_POSITION)
    }

    /// Takes the place, if it is a held one whose task is not out. Returns whether it is the
    /// caller's to free.
    pub(crate) fn take_held(&self) -> bool {
        if self.ticket.number.load(Ordering::Relaxed) != HELD {
            return false;
        }
        // ORDERING: partner is the light fence in `QueuedJob::take_place`. The caller has started
        // the job before.
        heavy();
        !self.ticket.is_out.load(Ordering::Relaxed) && self.ticket.take_held()
    }
}
