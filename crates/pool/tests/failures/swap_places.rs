//! Row 56: jobs that a swap moves keep their places.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Instant;

use pool::{Backend, JobHandle};

use crate::on::{LIMIT, each_backend, ends_clean, on};

/// A full pool stays full, however often it is swapped, and a job that is cancelled where it was
/// moved to frees its place.
#[test]
fn a_queue_is_no_longer_after_many_swaps() {
    const CAPACITY: usize = 16;
    each_backend(|backend| {
        for next in Backend::available() {
            let pool = on(backend, 1, CAPACITY);
            let (gate, begun) = (Arc::new(RwLock::new(())), Arc::new(AtomicUsize::new(0)));
            let closed = gate.write();
            let begun_are = |started| begun.load(Ordering::Relaxed) == started;
            let mut jobs = Vec::new();
            let fill = |jobs: &mut Vec<_>, started: usize| {
                let limit = Instant::now() + LIMIT;
                loop {
                    let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
                    let job = move || {
                        begun.fetch_add(1, Ordering::Relaxed);
                        drop(gate.read());
                    };
                    // Each worker has taken its job: no place comes free from now on.
                    let is_settled = begun_are(started);
                    match pool.try_spawn(job) {
                        Ok(handle) => jobs.push(handle),
                        Err(_) if is_settled => break,
                        Err(_) => thread::yield_now(),
                    }
                    assert!(
                        Instant::now() < limit,
                        "{backend}, {next}: it is never full"
                    );
                }
                jobs.len()
            };
            for swaps in 0..6 {
                let accepted = fill(&mut jobs, swaps + 1);
                assert_eq!(accepted, swaps + 1 + CAPACITY, "{backend}, {next}");
                assert_eq!(pool.stats().queued, CAPACITY as u64, "{backend}, {next}");
                pool.swap(next).expect("the backend can be built");
            }
            let accepted = fill(&mut jobs, 7);
            jobs.iter().for_each(JobHandle::cancel);
            let more = (0..=CAPACITY).map_while(|_| pool.try_spawn(|| ()).ok());
            let more = more.count();
            assert_eq!(more, CAPACITY, "{backend}, {next}: of {accepted}");
            drop(closed);
            ends_clean(&pool);
        }
    });
}
