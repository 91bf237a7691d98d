//! The memory and the time of tokens: chains and sets of them, of any size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use pool::{CancelToken, JobOptions};

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

fn allocated() -> isize {
    ALLOCATOR.0.load(Ordering::Relaxed)
}

const MILLION: usize = 1_000_000;
/// A node, and what the lists of its neighbours take for it, at most.
const NODE: isize = 1024;

/// A chain in which each token is below the one before, and only the last is held: its size stays
/// constant.
fn a_chain(service: &CancelToken) {
    let early = allocated();
    let mut last = service.child();
    for _ in 0..MILLION {
        last = last.child();
        assert!(allocated() - early < 3 * NODE);
    }
    assert!(!last.is_cancelled());
    service.child().cancel();
    assert!(!last.is_cancelled());
}

/// The same if each generation names the service's token once more, as options do.
fn a_chain_of_options(service: &CancelToken) {
    let early = allocated();
    let mut last = service.child();
    let mut options = JobOptions::new();
    for _ in 0..MILLION / 10 {
        options = JobOptions::new().with_token(&last).with_token(service);
        last = last.child();
        assert!(allocated() - early < 5 * NODE);
    }
    drop(options);
}

/// A chain whose tokens are all held, cancelled at its top.
fn a_chain_that_is_held(service: &CancelToken) {
    let mut chain = vec![service.child()];
    for n in 0..MILLION {
        chain.push(chain[n].child());
    }
    chain[0].cancel();
    assert!(chain.iter().all(CancelToken::is_cancelled));
    assert!(!service.is_cancelled());
}

/// Children of one token that are held, then dropped.
fn a_crowd(service: &CancelToken) {
    let early = allocated();
    let mut crowd: Vec<_> = (0..MILLION).map(|_| service.child()).collect();
    let last = crowd.pop();
    let most = allocated() - early;
    drop(crowd);
    let left = allocated() - early;
    assert!(left < 4 * NODE, "{left} bytes of {most} for one child");
    drop(last);
}

/// One test, since the memory of another thread would be counted too.
#[test]
fn tokens_that_nobody_holds_leave_no_memory() {
    let service = CancelToken::new();
    let cases: [fn(&CancelToken); 4] = [a_chain, a_chain_of_options, a_chain_that_is_held, a_crowd];
    // The memory that the service's own list keeps is allocated before.
    drop(service.child());
    for case in cases {
        let early = allocated();
        case(&service);
        let grown = allocated() - early;
        assert!(grown < NODE, "{grown} bytes are left");
    }
    service.cancel();
}
