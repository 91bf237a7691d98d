//! User code that is called where a job ends unstarted, or its value goes with its handle: bounded
//! in depth.
//!
//! A job that is cancelled, or comes too late, ends on the thread that cancels it, submits it, or
//! keeps the clock. There its captures are dropped, and the observer of failures is told. Either
//! may submit or cancel the next job that ends so, whose captures do the same, and so on: a chain
//! of any length (`R113`). So such ends nest up to a depth. Beyond it a job ends nevertheless, at
//! once, and its user code is left to the innermost end that runs some, which does it when its own
//! has returned.
//!
//! So it is with a handle that goes, and with it a value that nobody took. Its drop may submit the
//! next job, which runs where it is submitted if there is no room, and let that handle go as well.
//!
//! The depth is counted per thread, in a local. The code that is left is in another local, and
//! never leaves the thread, so it need not be `Send`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::job::outcome::{contain, drop_contained};

/// The most ends, or drops, that run their user code within each other on one thread.
const MOST: usize = 16;

/// User code that was left to an end further down on the stack.
type Code = Box<dyn FnOnce()>;

thread_local! {
    /// How many [`Nested`] are alive on this thread, at most [`MOST`] while its locals are there.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The code that was left to the innermost end, in order of arrival.
    static LEFT: RefCell<VecDeque<Code>> = const { RefCell::new(VecDeque::new()) };
}

/// The permission to run an end's user code on this thread. Its owner runs the code while it is
/// alive. Dropped at the greatest depth, it also runs all code that was left meanwhile.
pub(crate) struct Nested(());

impl Nested {
    /// Takes the permission. Returns `None` if too many are taken on this thread: then the caller
    /// leaves its code with [`leave`].
    pub(crate) fn begin() -> Option<Self> {
        let depth = DEPTH.get();
        // A thread whose locals are gone leaves nothing to itself.
        if depth >= MOST && LEFT.try_with(|_| ()).is_ok() {
            return None;
        }
        DEPTH.set(depth + 1);
        Some(Self(()))
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let depth = DEPTH.get();
        if depth == MOST {
            while let Some(code) = next() {
                drop_contained(contain(code));
            }
        }
        DEPTH.set(depth - 1);
    }
}

/// Takes the oldest code that was left on this thread. Nothing is borrowed while it runs.
fn next() -> Option<Code> {
    LEFT.try_with(|left| left.borrow_mut().pop_front()).ok()?
}

/// Leaves code to the innermost end on this thread, which runs it after its own. To be called where
/// [`Nested::begin`] returned `None`.
#[cold]
pub(crate) fn leave(code: impl FnOnce() + 'static) {
    // The thread's locals are there: `begin` saw them.
    LEFT.with_borrow_mut(|left| left.push_back(Box::new(code)));
}

/// Drops a value that nobody takes, with panics contained: at once, or, where that would be too
/// deep, by the innermost end on this thread.
#[inline]
pub(crate) fn drop_untaken<T: 'static>(value: T) {
    if !std::mem::needs_drop::<T>() {
        return;
    }
    match Nested::begin() {
        Some(_nested) => drop_contained(value),
        None => leave(move || drop_contained(value)),
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::{DEPTH, MOST, Nested, leave};

    /// An end whose user code ends the next, `length` times.
    fn end(length: usize, deepest: Rc<Cell<usize>>, ended: Rc<Cell<usize>>) {
        let code = move |ended: &Cell<usize>| {
            deepest.set(deepest.get().max(DEPTH.get()));
            ended.set(ended.get() + 1);
            deepest
        };
        let go_on = move |deepest, ended: Rc<Cell<usize>>| {
            if length > 1 {
                end(length - 1, deepest, ended);
            }
        };
        match Nested::begin() {
            Some(_nested) => go_on(code(&ended), ended),
            None => leave(move || go_on(code(&ended), ended)),
        }
    }

    #[test]
    fn a_chain_of_ends_is_as_deep_as_it_may_be_and_all_of_it_runs() {
        for length in [1, MOST, MOST + 1, 100_000] {
            let (deepest, ended) = (Rc::default(), Rc::default());
            end(length, Rc::clone(&deepest), Rc::clone(&ended));
            assert_eq!((deepest.get(), ended.get()), (length.min(MOST), length));
            assert_eq!(DEPTH.get(), 0);
        }
    }
}
