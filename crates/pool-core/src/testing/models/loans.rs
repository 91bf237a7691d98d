//! Models of a loan: its lender goes on once no other thread has the closure, and not before.

use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Waker};

use loom::sync::Arc;
use loom::thread;

use super::{Token, model};
use crate::submit::scoped_closure::{Back, Loan};
use crate::sys::sync::UnsafeCell;

/// The job calls the closure, or is dropped unrun, while the lender takes it back.
#[test]
fn a_loan_is_over_before_its_lender_goes_on() {
    for is_called in [true, false] {
        model(move || {
            let borrowed = Arc::new(UnsafeCell::new(0_u32));
            let closure = {
                let borrowed = Arc::clone(&borrowed);
                // SAFETY: only the closure uses it until the loan is over. Loom checks this.
                move || borrowed.with_mut(|place| unsafe { *place += 1 })
            };
            let loan = Arc::new(Loan::new(closure));
            let job = {
                let loan = Arc::clone(&loan);
                thread::spawn(move || {
                    if is_called {
                        loan.call_by(|closure| closure());
                    } else {
                        loan.drop_unused();
                    }
                })
            };
            let was_called = matches!(take_back(&loan), Back::Returned(()));
            // SAFETY: the loan is over, and its lender has what was borrowed.
            let count = borrowed.with(|place| unsafe { *place });
            assert_eq!(count, u32::from(was_called));
            assert!(Arc::try_unwrap(borrowed).is_ok(), "the closure is gone");
            job.join().unwrap();
        });
    }
}

/// [`Loan::take_back`], with the model's own wait. A closure that comes back is dropped.
fn take_back<F>(loan: &Loan<F, ()>) -> Back<(), ()> {
    let woken = StdArc::new(Token::default());
    let waker = Waker::from(StdArc::clone(&woken));
    loop {
        match loan.poll_back(&Context::from_waker(&waker)) {
            Poll::Ready(Back::Unused(closure)) => {
                drop(closure);
                return Back::Unused(());
            }
            Poll::Ready(Back::Returned(())) => return Back::Returned(()),
            Poll::Ready(Back::Nothing) => return Back::Nothing,
            Poll::Pending => woken.take(),
        }
    }
}
