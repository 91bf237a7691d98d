//! A small number for each of the first few live threads, which no two of them share at a time.
//!
//! What is indexed by it has one writer, and needs no read-modify-write: the stripes of a pool's
//! books for threads that are no workers. A thread asks once, at its first use; if all numbers are
//! taken then, it never gets one, and its users fall back to what threads share. A thread that ends
//! gives its number back with a release, and the next holder, which acquires, sees all that it
//! wrote. There is no lock: one would stay taken in a process that was forked at the wrong moment.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many threads have a number at once. More live threads than that share what a numbered one
/// has for itself.
pub(crate) const NUMBERS: usize = 32;

/// The numbers that are free, a bit for each.
static FREE: AtomicU32 = AtomicU32::new(u32::MAX);

const _: () = assert!(NUMBERS == u32::BITS as usize);

/// What the calling thread knows of its own number. It changes twice at most: at the first use, and
/// as the thread ends.
#[derive(Clone, Copy)]
enum Own {
    /// It has not asked yet.
    Unasked,
    /// It has this number until it ends.
    Number(usize),
    /// It asked when all were taken, or is at its end. It does not ask again.
    None,
}

/// The calling thread's number. Its drop, as the thread ends, gives the number back.
struct Holder(Cell<Own>);

thread_local! {
    /// What the calling thread knows of its number.
    static HOLDER: Holder = const { Holder(Cell::new(Own::Unasked)) };
}

/// Returns the calling thread's number, less than [`NUMBERS`]; `None` if it has none. The answer
/// stays the same until the thread's locals are dropped.
#[inline]
pub(crate) fn of_this_thread() -> Option<usize> {
    let number = HOLDER.try_with(|holder| match holder.0.get() {
        Own::Number(number) => Some(number),
        Own::None => None,
        Own::Unasked => ask(holder),
    });
    number.ok().flatten()
}

/// Takes the lowest free number, or notes that there is none.
#[cold]
fn ask(holder: &Holder) -> Option<usize> {
    let without_lowest = |free: u32| free.checked_sub(1).map(|below| free & below);
    // ORDERING: Acquire pairs with the Release of the number's last holder.
    let Ok(free) = FREE.fetch_update(Ordering::Acquire, Ordering::Relaxed, without_lowest) else {
        holder.0.set(Own::None);
        return None;
    };
    let number = free.trailing_zeros() as usize;
    holder.0.set(Own::Number(number));
    Some(number)
}

/// Gives the number back to the next thread that asks.
impl Drop for Holder {
    fn drop(&mut self) {
        if let Own::Number(number) = self.0.replace(Own::None) {
            // ORDERING: Release, see `ask`.
            FREE.fetch_or(1 << number, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn no_two_live_threads_share_a_number_and_ended_ones_give_it_back() {
        for _ in 0..3 {
            let all_live = Barrier::new(NUMBERS + 2);
            let numbers: Vec<Option<usize>> = thread::scope(|scope| {
                let ask = || {
                    let number = of_this_thread();
                    assert_eq!(number, of_this_thread());
                    all_live.wait();
                    number
                };
                let threads: Vec<_> = (0..NUMBERS + 2).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().map(|it| it.join().unwrap()).collect()
            });
            let given: Vec<usize> = numbers.iter().copied().flatten().collect();
            let distinct: BTreeSet<usize> = given.iter().copied().collect();
            assert_eq!(distinct.len(), given.len());
            assert!(given.len() < numbers.len(), "there are not that many");
            assert!(
                !given.is_empty(),
                "the threads of the round before gave theirs back"
            );
        }
    }
}
