//! Rows 13 to 15: bounds of any size, a queue that stays full for long, and jobs of any size.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use pool::{JobContext, Pool, SubmitError};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, each_backend, ended, ends_clean, hold, nothing, on, value};
use crate::system::{in_status, limit_memory, most_resident};

const MIB: u64 = 1 << 20;

#[test]
fn a_capacity_of_any_size_costs_no_memory_in_proportion() {
    const MOST: u64 = 16 * MIB;
    each_backend_in_a_child(|backend| {
        // The first pool allocates what all of them share.
        ends_clean(&on(backend, 1, 1));
        let before = most_resident();
        limit_memory(512 * MIB);
        for capacity in [
            1,
            1 << 20,
            (1 << 20) + 1,
            1 << 32,
            isize::MAX as usize,
            usize::MAX,
        ] {
            let pool = on(backend, 1, capacity);
            let handles: Vec<_> = (0..1000_u64)
                .map(|n| pool.spawn(move || n).expect("submit waits for room"))
                .collect();
            let sum: u64 = handles.into_iter().map(value).sum();
            assert_eq!(sum, 999 * 500, "{backend} with {capacity} places");
            ends_clean(&pool);
        }
        let grown = most_resident() - before;
        assert!(grown <= MOST, "{backend}: {grown} bytes");
    });
}

/// Runs jobs, at most `at_once` of them queued at a time.
fn run_in_rounds(pool: &Pool, jobs: usize, at_once: usize) {
    for _ in 0..jobs / at_once {
        for _ in 0..at_once {
            pool.execute(nothing).expect("the pool is open");
        }
        pool.wait_idle();
    }
}

#[test]
fn a_short_queue_takes_no_more_memory_after_many_laps_at_any_bound() {
    const JOBS: usize = 100_000;
    const MOST: u64 = 256 * 1024;
    each_backend_in_a_child(|backend| {
        for capacity in [1024, 1 << 20, usize::MAX] {
            let pool = on(backend, 1, capacity);
            run_in_rounds(&pool, 10_000, 100);
            let before = resident();
            run_in_rounds(&pool, JOBS, 100);
            let grown = resident().saturating_sub(before);
            assert!(grown <= MOST, "{backend}, {capacity} places: {grown} bytes");
            ends_clean(&pool);
        }
    });
}

/// Also the queue's own memory: of 13 MB in tasks, what a few segments take is kept.
#[test]
fn a_burst_gives_its_memory_back() {
    const BURST: usize = 200_000;
    const MOST: u64 = 4 << 20;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, usize::MAX);
        run_in_rounds(&pool, 10_000, 100);
        let before = resident();
        for _ in 0..3 {
            let (release, held) = hold(&pool);
            for _ in 0..BURST {
                pool.execute(nothing).expect("there is room");
            }
            drop(release);
            value(held);
            pool.wait_idle();
        }
        let grown = resident().saturating_sub(before);
        assert!(grown <= MOST, "{backend}: {grown} bytes");
        ends_clean(&pool);
    });
}

/// What the process has in memory now, in bytes, without what it maps from files.
fn resident() -> u64 {
    in_status("/proc/self/status", "RssAnon:") * 1024
}

/// Jobs that are submitted and cancelled while no worker comes, behind one that waits: from
/// outside, and by a job for the queue of its own worker.
#[test]
fn jobs_that_end_in_the_queue_take_no_memory() {
    const JOBS: usize = 300_000;
    fn submit_and_cancel(pool: &Pool) {
        let waits = pool.spawn(|| ()).expect("a place is free");
        for _ in 0..JOBS {
            let handle = pool.try_spawn(|| ()).map_err(|_| "the place is free again");
            handle.expect("no other job waits").cancel();
        }
        waits.detach();
    }
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 2);
        let (release, held) = hold(&pool);
        limit_memory(512 * MIB);
        let before = most_resident();
        submit_and_cancel(&pool);
        drop(release);
        assert!(value(held));
        let inner = pool.clone();
        let inside = pool.spawn(move || submit_and_cancel(&inner));
        inside.expect("it is open").join().expect("it returns");
        let grown = most_resident() - before;
        assert!(grown <= 16 * MIB, "{backend}: {grown} bytes");
        ends_clean(&pool);
    });
}

#[test]
fn a_million_submissions_to_a_full_queue_take_no_memory() {
    const SUBMITS: usize = 1_000_000;
    const CAPACITY: usize = 1000;
    const PAYLOAD: usize = 1024;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, CAPACITY);
        let (release, held) = hold(&pool);
        limit_memory(512 * MIB);
        let before = most_resident();
        let (ran, mut accepted, mut full) = (Arc::new(AtomicU64::new(0)), 0, 0);
        for _ in 0..SUBMITS {
            let (ran, payload) = (Arc::clone(&ran), [7_u8; PAYLOAD]);
            let job = move |_: &JobContext<'_>| {
                let sum: u64 = black_box(&payload)
                    .iter()
                    .map(|&byte| u64::from(byte))
                    .sum();
                ran.fetch_add(sum, Ordering::Relaxed);
                Ok::<_, Infallible>(())
            };
            match pool.try_submit(job) {
                Ok(handle) => {
                    handle.detach();
                    accepted += 1;
                }
                Err(SubmitError::Full(_job)) => full += 1,
                Err(SubmitError::Closed(_)) => panic!("{backend}: it is open"),
            }
        }
        assert_eq!(
            (accepted, full),
            (CAPACITY, SUBMITS - CAPACITY),
            "{backend}"
        );
        let grown = most_resident() - before;
        assert!(
            grown <= 16 * MIB,
            "{backend}: {grown} bytes for {accepted} jobs"
        );
        drop(release);
        assert!(value(held));
        ends_clean(&pool);
        let sums = (CAPACITY * PAYLOAD * 7) as u64;
        assert_eq!(
            ran.load(Ordering::Relaxed),
            sums,
            "{backend}: all accepted jobs ran"
        );
    });
}

/// A payload of `N` bytes with a larger alignment than the words of a task have, although it may be
/// small enough for them.
#[repr(align(32))]
struct Aligned<const N: usize>([u8; N]);

/// Zero bytes at the start of a page: no address has that alignment by chance.
#[repr(align(4096))]
struct Page;

/// A worker that is kept from its queue leaves no future there that it has ended for the job it
/// runs.
#[test]
fn futures_that_a_job_joins_go_as_they_end() {
    const FUTURES: usize = 100_000;
    const SIZE: usize = 256; // a large one would be boxed
    const MOST: u64 = 16 * MIB;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 1, 8);
        let inner = pool.clone();
        let before = most_resident();
        let joiner = pool.spawn(move || {
            for _ in 0..FUTURES {
                let bytes = [7_u8; SIZE];
                let future = inner.spawn_future(async move {
                    tokio::task::yield_now().await;
                    sum(&bytes)
                });
                let future = future.expect("there is room");
                assert_eq!(future.join().expect("it completes"), 7 * SIZE);
            }
        });
        value(joiner.expect("there is room"));
        let grown = most_resident() - before;
        assert!(grown <= MOST, "{backend}: {grown} bytes");
    });
}

fn sum(bytes: &[u8]) -> usize {
    bytes.iter().map(|&byte| usize::from(byte)).sum()
}

/// Jobs that hold and return `N` bytes.
fn arrives_whole<const N: usize>(pool: &Pool) {
    let room = "there is room";
    let packed = [3_u8; N];
    assert_eq!(value(pool.spawn(move || sum(&packed)).expect(room)), 3 * N);
    let aligned = Aligned([3_u8; N]);
    let job = move || (std::ptr::from_ref(&aligned).addr() % 32, sum(&aligned.0));
    assert_eq!(value(pool.spawn(job).expect(room)), (0, 3 * N));
    let (aligned, (send, sums)) = (Aligned([3_u8; N]), mpsc::channel());
    let job = move |_: &JobContext<'_>| {
        send.send((sum(&packed), sum(&aligned.0)))
            .expect("the test listens");
        Ok::<_, Infallible>(())
    };
    pool.execute(job).expect(room);
    let sums = sums.recv_timeout(LIMIT).expect("the job runs");
    assert_eq!(sums, (3 * N, 3 * N));
    let given = ended(pool.spawn(|| Aligned([3_u8; N])).expect(room));
    assert_eq!(given.map(|given| sum(&given.0)).ok(), Some(3 * N));
    let future = async move { sum(&packed) };
    assert_eq!(value(pool.spawn_future(future).expect(room)), 3 * N);
}

/// A job that holds and returns a zero-sized value.
fn a_page_arrives(pool: &Pool) {
    let starts = |page: &Page| std::ptr::from_ref(page).addr().is_multiple_of(4096);
    let room = "there is room";
    let page = Page;
    assert!(value(pool.spawn(move || starts(&page)).expect(room)));
    let (page, (send, is_aligned)) = (Page, mpsc::channel());
    let job = move |_: &JobContext<'_>| {
        send.send(starts(&page)).expect("the test listens");
        Ok::<_, Infallible>(())
    };
    pool.execute(job).expect(room);
    assert!(is_aligned.recv_timeout(LIMIT).expect("the job runs"));
    let given = ended(pool.spawn(|| Page).expect(room));
    assert!(given.is_ok_and(|page| starts(&page)));
    let page = Page;
    let future = async move { starts(&page) };
    assert!(value(pool.spawn_future(future).expect(room)));
    // The job alone, without another capture.
    let page = Page;
    let nothing_else = move |_: &JobContext<'_>| {
        let _page = &page;
        Ok::<_, Infallible>(())
    };
    pool.execute(nothing_else).expect(room);
}

#[test]
fn a_job_of_any_size_and_alignment_arrives_whole() {
    macro_rules! of_sizes {
        ($pool:expr; $($size:literal)*) => {$(arrives_whole::<$size>($pool);)*};
    }
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        // Sizes on both sides of what a task stores inline, and far beyond.
        of_sizes!(&pool; 0 1 7 8 31 39 40 41 47 48 49 55 56 57 63 64 65 127 4096 16384);
        a_page_arrives(&pool);
        ends_clean(&pool);
    });
}
