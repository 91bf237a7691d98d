//! Simulation: your own job system under many schedules. One of them finds the bug, and its seed
//! replays it.
#![expect(clippy::print_stdout, reason = "the tour tells what it does")]

use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pool::sim::{Sim, Simulation};
use pool::{Backend, JobContext, Pool};

/// The job system under test: it prints the pages of a book on a pool, and the job that prints the
/// last page binds the book.
#[derive(Default)]
struct Press {
    unprinted: AtomicUsize,
    printed: AtomicUsize,
    /// How many pages each binding got.
    bound: Mutex<Vec<usize>>,
}

impl Press {
    fn print(self: &Arc<Self>, pool: &Pool, pages: usize, count: Count) {
        if count == Count::BeforeAll {
            self.unprinted.store(pages, Ordering::SeqCst);
        }
        for _ in 0..pages {
            if count == Count::OneByOne {
                // The planted bug: a worker may finish all pages so far before the next one is
                // counted.
                self.unprinted.fetch_add(1, Ordering::SeqCst);
            }
            let press = Arc::clone(self);
            let page = move |_: &JobContext<'_>| {
                press.page();
                Ok::<_, Infallible>(())
            };
            pool.execute(page).expect("the pool is open");
        }
    }

    fn page(&self) {
        let printed = self.printed.fetch_add(1, Ordering::SeqCst) + 1;
        if self.unprinted.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.bound.lock().expect("no binding panics").push(printed);
        }
    }
}

/// When to count the pages that have yet to be printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    OneByOne,
    BeforeAll,
}

/// The test. It would be the same for any backend, except that it names this one.
fn a_book_is_bound_once(count: Count) -> impl Fn(&Sim) + Send + Sync + 'static {
    move |sim| {
        let pool = Pool::builder().backend(Backend::Sim).workers(2).build();
        let pool = pool.expect("two workers can be had");
        let press = Arc::<Press>::default();
        press.print(&pool, 5, count);
        pool.wait_idle();
        sim.note("the pool is idle");
        let bound = press.bound.lock().expect("no binding panics").clone();
        assert_eq!(bound, [5], "bindings, each with so many pages");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let simulation = Simulation::new(0).fifo();

    // A test calls `check`, which panics with this very text.
    let found = simulation.find(0..1000, a_book_is_bound_once(Count::OneByOne));
    let failure = found.ok_or("no schedule of a thousand finds the planted bug")?;
    println!("{failure}\n");

    // The schedule is enough: the same failure, and the same trace, byte for byte.
    let again = simulation
        .clone()
        .under(failure.schedule)
        .try_run(|sim| a_book_is_bound_once(Count::OneByOne)(sim))
        .err()
        .ok_or("the same schedule passes the second time")?;
    assert_eq!(again.reason, failure.reason);
    assert_eq!(again.trace.to_string(), failure.trace.to_string());
    println!("schedule {} failed again in the same way", again.schedule);

    // The repaired press passes under all of them.
    simulation.check(0..1000, a_book_is_bound_once(Count::BeforeAll));
    println!("counted before all, the book is bound once under each of 1000 schedules");
    Ok(())
}
