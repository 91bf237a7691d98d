//! `Loan`: a closure that borrows, lent to a job, and taken back before what it borrows goes.
//!
//! # Protocol
//! The lender and the job share the loan, so that neither has an address on the other's stack. The
//! closure is in one of three stages. **Here**: nobody has called it. The first that comes takes it
//! out, the job to call it, the lender or a job that is dropped to drop it. **Taken**: it runs or
//! is dropped now. **Over**: it is gone, and what it returned is left, unless that was fetched.
//!
//! The lender goes on once it has found the closure here, and taken it itself, or over. After that
//! the loan holds nothing that is borrowed, whatever still has it and for however long: a task that
//! lies in a queue or in a report finds nothing to call. So the lender relies on neither the moment
//! at which a handle resolves nor the one at which a task is dropped.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};

use crate::job::outcome::drop_contained;
use crate::sys::sync::{Guard, LockExt, Mutex};
use crate::worker::park::{Looks, block_on, look_a_while};

/// A closure and its result, as lender and job share them.
pub(crate) struct Loan<F, R>(Mutex<LoanState<F, R>>);

/// Where the closure is. It goes from the first to the last, and never back; see the module's
/// protocol.
enum LoanState<F, R> {
    /// Nobody has called it.
    Here(F),
    /// It runs or is dropped now; the lender, if it waits for the end of that.
    Taken(Option<Waker>),
    /// It is gone; what it returned, if it returned and nobody has fetched that.
    Over(Option<R>),
}

/// What the lender takes back.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Back<F, R> {
    /// The closure, which nobody has called, nor will.
    Unused(F),
    /// What it returned.
    Returned(R),
    /// Nothing: it panicked, or was dropped.
    Nothing,
}

impl<F, R> Loan<F, R> {
    /// Lends a closure that nobody has called. The lender has to take it back before what it
    /// borrows goes.
    pub(crate) fn new(closure: F) -> Self {
        Self(Mutex::new(LoanState::Here(closure)))
    }

    /// Has `call` call the closure, unless somebody was first. Returns whether it did. A panic is
    /// the caller's.
    pub(crate) fn call_by(&self, call: impl FnOnce(F) -> R) -> bool {
        let Some((closure, mut taken)) = self.take() else {
            return false;
        };
        taken.result = Some(call(closure));
        true
    }

    /// Drops the closure, unless somebody was first. For the job that will not call it.
    pub(crate) fn drop_unused(&self) {
        if let Some((closure, _taken)) = self.take() {
            drop_contained(closure);
        }
    }

    /// Whether the closure is gone.
    pub(crate) fn is_over(&self) -> bool {
        matches!(*self.0.lock_unpoisoned(), LoanState::Over(_))
    }

    /// Waits until nobody else has the closure, and takes back what is left. For the lender.
    pub(crate) fn take_back(&self) -> Back<F, R> {
        let is_taken = || matches!(*self.0.lock_unpoisoned(), LoanState::Taken(_));
        if is_taken() {
            let _is_over = look_a_while(Looks::JOINER, || !is_taken());
        }
        block_on(poll_fn(|cx| self.poll_back(cx)), None).expect("a wait without a limit ends")
    }

    /// Ready unless somebody else has the closure; true if that is gone, false if nobody has called
    /// it yet. After `Pending` the waker is called at the end.
    pub(crate) fn poll_end(&self, cx: &Context<'_>) -> Poll<bool> {
        self.poll_stage(cx)
            .map(|stage| matches!(*stage, LoanState::Over(_)))
    }

    /// One look of [`take_back`](Self::take_back). After `Pending` the waker is called at the end.
    pub(crate) fn poll_back(&self, cx: &Context<'_>) -> Poll<Back<F, R>> {
        let mut stage = ready!(self.poll_stage(cx));
        Poll::Ready(
            match std::mem::replace(&mut *stage, LoanState::Over(None)) {
                LoanState::Here(closure) => Back::Unused(closure),
                LoanState::Over(Some(result)) => Back::Returned(result),
                LoanState::Over(None) | LoanState::Taken(_) => Back::Nothing,
            },
        )
    }

    /// Where the closure is, unless somebody else has it.
    fn poll_stage(&self, cx: &Context<'_>) -> Poll<Guard<'_, LoanState<F, R>>> {
        let mut stage = self.0.lock_unpoisoned();
        if let LoanState::Taken(lender) = &mut *stage {
            *lender = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(stage)
    }

    /// Takes the closure out, if nobody was first. The loan is over when the second part is
    /// dropped, after the closure.
    fn take(&self) -> Option<(F, Taken<'_, F, R>)> {
        let mut stage = self.0.lock_unpoisoned();
        if !matches!(*stage, LoanState::Here(_)) {
            return None;
        }
        let LoanState::Here(closure) = std::mem::replace(&mut *stage, LoanState::Taken(None))
        else {
            unreachable!("it was here a moment ago");
        };
        let taken = Taken {
            loan: self,
            result: None,
        };
        Some((closure, taken))
    }
}

/// Somebody has the closure of a loan. Dropped, also by a panic, it says that the closure is gone.
struct Taken<'l, F, R> {
    /// What is over at the drop.
    loan: &'l Loan<F, R>,
    /// What the closure returned. `None` if it panicked, or was only dropped.
    result: Option<R>,
}

impl<F, R> Drop for Taken<'_, F, R> {
    fn drop(&mut self) {
        let over = LoanState::Over(self.result.take());
        let former = std::mem::replace(&mut *self.loan.0.lock_unpoisoned(), over);
        if let LoanState::Taken(Some(lender)) = former {
            lender.wake();
        }
    }
}
