//! How a future that gave its slot away gets one again.
//!
//! # Protocol
//! The future's own task is woken, and is polled without a slot. If one sleeps, it takes that.
//! Otherwise it leaves an **entry** among the woken futures, which nobody can refuse, and waits at
//! its **inbox**. The thread that pops the entry brings what it can:
//! - A worker with nothing else on its stack leaves its seat and puts its **slot** into the inbox.
//!   So does a host.
//! - A worker that waits inside a job for its whole pool cannot leave. It puts a **loan** into the
//!   inbox: its seat for one poll, while it waits for the seat to come back. If nobody has taken
//!   the loan up within a moment, as where the runtime's threads are all blocked, it takes it back
//!   and leaves the entry to others.
//!
//! The poll on a loan may join a closure, which must not run on a thread of the runtime. The
//! closure's thread is the lender's, so the lender runs it within the job that waits there, which
//! waits for that closure too.
//!
//! A job that joins the future, or awaits it in an executor of its own, does not look at entries.
//! It finds the inbox by way of the future's cell (`worker::help`), and lends its seat as well: it
//! may have the only one.
//!
//! An inbox that nobody looks into any more is closed, and a thread that comes with a slot keeps
//! it; a slot that lies in it by then is the closer's. An entry that is dropped, as by the end of
//! the pool, says so in the inbox: no slot will come.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::sys::machine;
use crate::sys::sync::{LockExt, Mutex};
use crate::task::{GivenUp, GivenUpAs, Payload, Task};
use crate::worker::deferred_action::DeferredAction;
use crate::worker::park::Parker;
use crate::worker::{Departure, Worker};

/// How long a loan lies in the inbox before the lender takes it back.
const TAKEN_UP_WITHIN: Duration = Duration::from_millis(1);

/// The inbox of a future that needs a slot. The future's host, its entry among the woken, and its
/// cell share it. A waker is called with the lock free.
pub(crate) struct Seeking(Mutex<Inbox>);

/// What is in an inbox. It leaves `Waits` once, except that a loan that was taken back makes it
/// wait again.
enum Inbox {
    /// Nothing has come yet. The waker is that of the host's task; after a loan was taken back it
    /// wakes nobody, until the host polls again.
    Waits(Waker),
    /// A slot or a loan has come, and the host was woken.
    Has(Grant),
    /// Nobody will come: the entry was dropped.
    Forlorn,
    /// Nobody waits here any more: the grant was taken, or the host has gone.
    Closed,
}

/// What a future that needs a slot gets.
pub(crate) enum Grant {
    /// A slot, which is the future's from now on, and counts as active.
    Slot(usize),
    /// A seat and its slot for one poll.
    Loan(Loan),
}

/// A seat for one poll, whose worker waits meanwhile. Its drop gives it back.
pub(crate) struct Loan {
    /// The lender's seat.
    pub(crate) seat: usize,
    /// The lender's slot.
    pub(crate) slot: usize,
    /// The thread that waits for it.
    lender: Arc<Lender>,
}

/// A thread that waits for the return of its seat, as the borrower sees it.
pub(crate) struct Lender {
    /// Wakes the thread. Called after the news are there.
    waker: Waker,
    /// What it is woken for.
    news: Mutex<LenderNews>,
}

#[derive(Default)]
struct LenderNews {
    /// What the borrower's poll waits for.
    action: Option<DeferredAction>,
    /// Whether the seat is back.
    is_back: bool,
}

/// What became of a seat that a worker was about to lend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoanEnd {
    /// It was used, and is back.
    Returned,
    /// Nobody came for it in time.
    NotTakenUp,
    /// The inbox needs no slot: it has one, or is closed.
    NobodyWaits,
}

/// The entry of a future that needs a slot, among the woken futures of its pool.
struct SeekerEntry(Arc<Seeking>);

impl Seeking {
    /// Makes an inbox for future `id`, and leaves an entry for it among those that were woken. The
    /// waker of `cx` is called when a grant has come, or none will.
    pub(crate) fn begin(id: JobId, life: &Arc<Lifecycle>, cx: &Context<'_>) -> Arc<Self> {
        let seeking = Arc::new(Self(Mutex::new(Inbox::Waits(cx.waker().clone()))));
        seeking.leave_entry(id, life);
        seeking
    }

    /// Queues an entry for the inbox. There is one at a time, or none while a lender holds it.
    fn leave_entry(self: &Arc<Self>, id: JobId, life: &Arc<Lifecycle>) {
        life.woken
            .requeue(Task::new(id, SeekerEntry(Arc::clone(self))), life);
    }

    /// Returns what has come, and closes the inbox with it; `None` if nothing will come. While
    /// nothing has come, the waker of `cx` replaces the former one.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Option<Grant>> {
        let mut waker = cx.waker().clone();
        let mut inbox = self.0.lock_unpoisoned();
        if let Inbox::Waits(former) = &mut *inbox {
            std::mem::swap(former, &mut waker);
            drop(inbox);
            drop(waker); // with the lock free: it is the runtime's
            return Poll::Pending;
        }
        Poll::Ready(close(&mut inbox))
    }

    /// Closes the inbox: nobody waits here any more. Returns what had come by then, which is the
    /// caller's.
    pub(crate) fn close(&self) -> Option<Grant> {
        close(&mut self.0.lock_unpoisoned())
    }

    /// Puts a slot into the inbox. Returns false if nobody waits for it: then the slot is still the
    /// caller's.
    pub(crate) fn give(&self, slot: usize) -> bool {
        self.put(Grant::Slot(slot))
    }

    /// Puts a grant into the inbox, and wakes the host. Returns false if nobody waits, and drops
    /// the grant.
    fn put(&self, grant: Grant) -> bool {
        self.settle(Inbox::Has(grant))
    }

    /// Ends the wait with what is `to` be in the inbox. Returns false if nobody waits.
    fn settle(&self, to: Inbox) -> bool {
        let mut inbox = self.0.lock_unpoisoned();
        if !matches!(*inbox, Inbox::Waits(_)) {
            drop(inbox);
            return false;
        }
        let Inbox::Waits(waker) = std::mem::replace(&mut *inbox, to) else {
            unreachable!("it was looked at")
        };
        drop(inbox);
        waker.wake();
        true
    }

    /// Lends the seat of `worker`, and blocks until it is back, or until it was not taken up in
    /// time and was taken back. The worker's job waits meanwhile, so no two jobs run at the seat.
    pub(crate) fn lend(&self, worker: &Worker) -> LoanEnd {
        let parker = Parker::new();
        let lender = Arc::new(Lender {
            waker: parker.waker(),
            news: Mutex::default(),
        });
        let is_put = self.put(Grant::Loan(Loan {
            seat: worker.index(),
            slot: worker.slot(),
            lender: Arc::clone(&lender),
        }));
        if !is_put {
            return LoanEnd::NobodyWaits;
        }
        let is_taken_up = parker.park(Some(machine::now() + TAKEN_UP_WITHIN));
        if !is_taken_up && self.take_back() {
            return LoanEnd::NotTakenUp;
        }
        loop {
            let LenderNews { action, is_back } =
                std::mem::take(&mut *lender.news.lock_unpoisoned());
            match action {
                Some(action) => worker.run_for_borrower(action),
                None if !is_back => _ = parker.park(None),
                None => {}
            }
            if is_back {
                return LoanEnd::Returned;
            }
        }
    }

    /// Takes a loan back that nobody has taken up. Returns false if the host has it. The future
    /// that waits was woken for it, and waits on when it is polled.
    fn take_back(&self) -> bool {
        let mut inbox = self.0.lock_unpoisoned();
        if !matches!(*inbox, Inbox::Has(_)) {
            return false;
        }
        let untouched = std::mem::replace(&mut *inbox, Inbox::Waits(Waker::noop().clone()));
        drop(inbox);
        drop(untouched);
        true
    }
}

/// Closes an inbox under its lock, and returns what was in it.
fn close(inbox: &mut Inbox) -> Option<Grant> {
    match std::mem::replace(inbox, Inbox::Closed) {
        Inbox::Has(grant) => Some(grant),
        Inbox::Waits(_) | Inbox::Forlorn | Inbox::Closed => None,
    }
}

impl Loan {
    /// Returns the thread that waits for the seat.
    pub(crate) fn lender(&self) -> Arc<Lender> {
        Arc::clone(&self.lender)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.lender.news.lock_unpoisoned().is_back = true;
        self.lender.waker.wake_by_ref();
    }
}

impl Lender {
    /// Has the lender do an action of the poll at its seat, which waits for the action's end. There
    /// is one at a time.
    pub(crate) fn send(&self, action: DeferredAction) {
        self.news.lock_unpoisoned().action = Some(action);
        self.waker.wake_by_ref();
    }
}

/// Returns the inbox that a woken entry is about.
///
/// # Errors
/// The entry is one of another kind: the task.
pub(crate) fn inbox_of(woken: Task) -> Result<Arc<Seeking>, Task> {
    woken.into_payload::<SeekerEntry>().map(|entry| entry.0)
}

impl Payload for SeekerEntry {
    /// Brings what this worker has: its slot, if nothing else is on its stack, otherwise a loan. If
    /// a loan is not taken up, the entry is queued again for others.
    fn run(self, id: JobId, worker: &Worker) {
        if worker.own_jobs() == 0 {
            worker.depart(Departure::To(self.0));
        } else {
            if self.0.lend(worker) == LoanEnd::NotTakenUp {
                self.0.leave_entry(id, worker.life());
            }
        }
    }

    /// Tells the host that no slot will come.
    fn abandon(self) {
        let _told = self.0.settle(Inbox::Forlorn);
    }

    fn give_up(self, _id: JobId, _life: &Lifecycle, _ends: GivenUpAs) -> GivenUp {
        self.abandon();
        GivenUp::TakenElsewhere
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn is_async(&self) -> bool {
        true
    }
}

impl fmt::Debug for Seeking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seeking(..)")
    }
}
