//! The memory of jobs that have handles: it is freed, whichever thread is the last to need it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::mpsc;
use std::thread;

use pool::{JobHandle, Pool};

/// The system's allocator, and the bytes now allocated.
struct Counting(AtomicIsize);

#[global_allocator]
static ALLOCATOR: Counting = Counting(AtomicIsize::new(0));

// SAFETY: this delegates to the system's allocator; a layout's size fits an `isize`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.0.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const SUBMITTERS: usize = 4;
const JOBS: usize = 1_000;

/// Submitters that end, handles that another thread joins, drops or keeps, and jobs with results of
/// several sizes.
fn round(pool: &Pool) {
    let (send, handles) = mpsc::channel();
    let joiner = thread::spawn(move || {
        let mut kept = Vec::new();
        for (number, handle) in handles.iter().enumerate() {
            match number % 3 {
                0 => drop(handle),
                1 => kept.push(handle),
                _ => assert!(JobHandle::join(handle).is_ok()),
            }
        }
        kept.into_iter().all(|handle| handle.join().is_ok())
    });
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|_| {
            let (pool, send) = (pool.clone(), send.clone());
            thread::spawn(move || {
                for job in 0..JOBS {
                    let handle = pool.spawn(move || job).expect("the pool is open");
                    send.send(handle).expect("the other thread listens");
                    let large = pool.spawn(move || [job; 20]).expect("the pool is open");
                    assert_eq!(large.join().expect("it runs"), [job; 20]);
                }
            })
        })
        .collect();
    drop(send);
    for submitter in submitters {
        submitter.join().expect("a submitter does not panic");
    }
    assert!(joiner.join().expect("the joiner does not panic"));
    pool.wait_idle();
}

#[test]
fn cells_that_cross_threads_leave_no_memory() {
    let pool = Pool::builder().workers(2).build().expect("it starts");
    round(&pool);
    let early = ALLOCATOR.0.load(Ordering::Relaxed);
    (0..5).for_each(|_| round(&pool));
    let grown = ALLOCATOR.0.load(Ordering::Relaxed) - early;
    // A cell takes more than 50 bytes: a leak of one in a hundred would show.
    let cells = isize::try_from(5 * SUBMITTERS * JOBS).expect("it is small");
    assert!(grown < cells / 2, "{grown} bytes more after {cells} jobs");
}
