//! A small number for each of the first few live threads, which no two of them share at a time.
//!
//! What is indexed by it has one writer, and needs no read-modify-write. A thread that ends gives its number back through the lock,
//! behind which the next holder sees all that it wrote.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many threads have a number at once.
pub(crate) const NUMBERS: usize = 32;

/// Numbers that are free, each a bit.
static FREE: Mutex<u32> = Mutex::new(u32::MAX);

const _: () = assert!(NUMBERS == u32::BITS as usize);

/// What the calling thread knows of its own number.
#[derive(Clone, Copy)]
enum Own {
    Unasked,
    Number(usize),
    /// It came when all were taken, and does not ask again.
    None,
}

/// Gives the number back as the thread ends.
struct Holder(Cell<Own>);

thread_local! {
    static HOLDER: Holder = const { Holder(Cell::new(Own::Unasked)) };
}

fn free() -> MutexGuard<'static, u32> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The calling thread's number, less than [`NUMBERS`]; `None` if it has none.
#[inline]
pub(crate) fn of_this_thread() -> Option<usize> {
    let number = HOLDER.try_with(|holder| match holder.0.get() {
        Own::Number(number) => Some(number),
        Own::None => None,
        Own::Unasked => ask(holder),
    });
    number.ok().flatten()
}

#[cold]
fn ask(holder: &Holder) -> Option<usize> {
    let mut free = free();
    if *free == 0 {
        holder.0.set(Own::None);
        return None;
    }
    let number = free.trailing_zeros() as usize;
    *free &= *free - 1;
    holder.0.set(Own::Number(number));
    Some(number)
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Own::Number(number) = self.0.replace(Own::None) {
            *free() |= 1 << number;
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
