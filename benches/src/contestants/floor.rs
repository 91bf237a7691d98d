//! No pool at all: the same work on the calling thread.

use crate::contestant::ForkJoin;

/// Runs the jobs one after the other.
pub(super) struct Sequential;

impl ForkJoin for Sequential {
    type Inside<'a> = ();

    fn enter<T: Send + 'static>(&self, root: impl FnOnce(&mut ()) -> T + Send + 'static) -> T {
        root(&mut ())
    }

    fn join<A: Send + 'static, B: Send + 'static>(
        inside: &mut (),
        a: impl FnOnce(&mut ()) -> A + Send + 'static,
        b: impl FnOnce(&mut ()) -> B + Send + 'static,
    ) -> (A, B) {
        (a(inside), b(inside))
    }

    fn finish(self) {}
}
