//! Rows 28, 43 and 63: submitters that wait for a slot, what holds them up, and how deep jobs that
//! run in place may nest.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use pool::{Backend, Job, JobContext, JobExt, Pool, SubmitError};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, block_on, each_backend, ends_clean, hold, nothing, on, value};

/// Polls once, with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Fills the queue behind a job that holds the one worker.
fn fill(pool: &Pool, capacity: usize) {
    for _ in 0..capacity {
        pool.spawn(|| ()).expect("there is room").detach();
    }
}

/// 63: submissions that are polled once and kept hold up neither those behind them nor those that
/// come later.
#[test]
fn a_submission_that_is_not_polled_holds_up_nobody() {
    const OTHERS: usize = 300;
    for (capacity, kept) in [(1, 1), (1, 20), (8, 3), (1024, 1)] {
        each_backend(|backend| {
            let pool = on(backend, 1, capacity);
            let (release, held) = hold(&pool);
            fill(&pool, capacity);
            let mut submissions: Vec<_> = (0..kept)
                .map(|_| Box::pin(pool.submit_async(nothing)))
                .collect();
            for it in &mut submissions {
                assert!(poll_once(it.as_mut()).is_pending(), "{backend}: it is full");
            }
            thread::scope(|threads| {
                // These are in line behind it, or come later; it does not matter whether they are
                // in line when the slot comes free.
                let behind = [
                    threads.spawn(|| value(pool.submit(nothing).expect("it gets in"))),
                    threads.spawn(|| {
                        let submission = pool.submit_async(nothing);
                        value(block_on(submission).expect("it gets in"));
                    }),
                ];
                drop(release);
                for other in behind {
                    other.join().expect("both get in");
                }
            });
            assert!(value(held));
            for _ in 0..OTHERS {
                let other = pool.submit_timeout(nothing, LIMIT).expect("it gets in");
                value(other);
                let another = pool.try_submit(nothing);
                value(another.unwrap_or_else(|refused| {
                    panic!("{backend}, room for {capacity}, {kept} kept: an idle pool refused: {refused}")
                }));
            }
            value(block_on(pool.submit_async(nothing)).expect("it gets in"));
            for it in submissions {
                value(block_on(it).expect("it gets in, as it is polled again"));
            }
            ends_clean(&pool);
        });
    }
}

/// 63: slots beyond the one that it was woken for are free at once.
#[test]
fn a_submission_that_is_not_polled_costs_one_place() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (release, held) = hold(&pool);
        fill(&pool, 8);
        let mut kept = Box::pin(pool.submit_async(nothing));
        assert!(poll_once(kept.as_mut()).is_pending());
        // The last queued job holds the worker again, so that no slot comes free for what follows.
        drop(release);
        assert!(value(held));
        pool.wait_idle();
        let (release, held) = hold(&pool);
        let refused = (0..8).filter(|_| pool.try_submit(nothing).is_err()).count();
        assert!(refused <= 1, "{backend}: {refused} were refused");
        drop(release);
        assert!(value(held));
        drop(kept);
        ends_clean(&pool);
    });
}

/// 63: futures of one pool wait for room in another, and the workers that would poll them block in
/// the same line.
#[test]
fn futures_in_line_whose_workers_block_behind_them_hold_up_nobody() {
    const FUTURES: usize = 4;
    for capacity in [1, 4] {
        each_backend(|backend| {
            let (front, back) = (on(backend, FUTURES + 2, 64), on(backend, 1, capacity));
            let (release, held) = hold(&back);
            fill(&back, capacity);
            let (polled, is_in_line) = mpsc::channel();
            let futures: Vec<_> = (0..FUTURES)
                .map(|_| {
                    let (back, polled) = (back.clone(), polled.clone());
                    let submits = async move {
                        let mut submission = Box::pin(back.submit_async(nothing));
                        assert!(poll_once(submission.as_mut()).is_pending());
                        polled.send(()).expect("the test listens");
                        submission.await.expect("it gets in").detach();
                    };
                    front.spawn_future(submits).expect("there is room")
                })
                .collect();
            for _ in 0..FUTURES {
                is_in_line.recv_timeout(LIMIT).expect("it is polled");
            }
            // More than there are workers, so that all of them block.
            let blocked: Vec<_> = (0..2 * FUTURES)
                .map(|_| {
                    let back = back.clone();
                    let blocks = move || value(back.submit(nothing).expect("it gets in"));
                    front.spawn(blocks).expect("there is room")
                })
                .collect();
            drop(release);
            assert!(value(held));
            blocked.into_iter().for_each(value);
            futures.into_iter().for_each(value);
            ends_clean(&front);
            ends_clean(&back);
        });
    }
}

/// A job that submits itself again until it is told to stop, or has started too often since a
/// submitter began to wait.
#[derive(Clone)]
struct Again {
    is_over: Arc<AtomicBool>,
    is_waiting: Arc<AtomicBool>,
    starts: Arc<AtomicUsize>,
}

impl Again {
    /// Starts of very short jobs while a submitter waits: many times what waking a thread takes.
    const MOST: usize = 2_000_000;

    fn is_over(&self) -> bool {
        let starts = if self.is_waiting.load(Ordering::SeqCst) {
            self.starts.fetch_add(1, Ordering::SeqCst)
        } else {
            0
        };
        starts >= Self::MOST || self.is_over.load(Ordering::SeqCst)
    }
}

impl Job for Again {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        if !self.is_over() {
            ctx.execute(self).expect("the pool is open");
        }
        Ok(())
    }
}

/// 43: jobs that keep the queue full by their own children leave room for the one that waits
/// outside.
#[test]
fn those_inside_do_not_starve_one_who_waits_outside() {
    for (workers, capacity) in [(1, 1), (1, 2), (2, 1), (2, 3), (2, 4)] {
        each_backend(|backend| {
            let pool = on(backend, workers, capacity);
            let again = Again {
                is_over: Arc::default(),
                is_waiting: Arc::default(),
                starts: Arc::default(),
            };
            for _ in 0..2 {
                pool.execute(again.clone()).expect("the pool is open");
            }
            for _ in 0..3 {
                again.starts.store(0, Ordering::SeqCst);
                again.is_waiting.store(true, Ordering::SeqCst);
                let outsider = pool.submit(nothing).expect("it gets in");
                again.is_waiting.store(false, Ordering::SeqCst);
                let starts = again.starts.load(Ordering::SeqCst);
                assert!(
                    starts < Again::MOST,
                    "{backend}, {workers} workers, {capacity} places: {starts} starts came first"
                );
                value(outsider);
            }
            again.is_over.store(true, Ordering::SeqCst);
            ends_clean(&pool);
        });
    }
}

/// 63: a wait for room ends with the job's own deadline, whatever the limit of the wait.
#[test]
fn a_wait_for_room_ends_at_the_jobs_deadline() {
    const SOON: Duration = Duration::from_millis(50);
    /// How many jobs were accepted. If a submitter does not get a core until the deadline, its job
    /// ends when it is submitted.
    fn is_given_back<H, J>(way: &str, submit: impl FnOnce() -> Result<H, SubmitError<J>>) -> u64 {
        let start = Instant::now();
        let submitted = submit();
        let took = start.elapsed();
        assert!((SOON..LIMIT).contains(&took), "{way}: it took {took:?}");
        match submitted {
            Ok(_) => 1,
            Err(refused) => {
                assert!(refused.is_full(), "{way}: the pool is open");
                0
            }
        }
    }
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let (release, held) = hold(&pool);
        fill(&pool, 1);
        let job = || nothing.with_timeout(SOON);
        let future = || {
            use pool::AsyncJobExt;
            (|_: pool::AsyncContext| async { Ok::<_, Infallible>(()) }).with_timeout(SOON)
        };
        let mut expired = 0;
        expired += is_given_back("submit", || pool.submit(job()));
        expired += is_given_back("execute", || pool.execute(job()));
        expired += is_given_back("submit_timeout", || pool.submit_timeout(job(), LIMIT));
        expired += is_given_back("submit_future", || pool.submit_future(future()));
        expired += is_given_back("submit_async", || block_on(pool.submit_async(job())));
        expired += is_given_back("submit_all", || {
            pool.submit_all([job()])
                .map_err(|cut_short| cut_short.refused)
        });
        assert_eq!(pool.stats().expired, expired, "{backend}");
        // If the job's limit is longer than that of its wait, the limit of the wait holds.
        let long = || nothing.with_timeout(LIMIT);
        let accepted = is_given_back("submit_timeout", || pool.submit_timeout(long(), SOON));
        assert_eq!(accepted, 0, "{backend}");
        drop(release);
        assert!(value(held));
        ends_clean(&pool);
    });
}

/// A graph of pages, each with links to some others; the first job that comes to a page follows its
/// links.
struct Graph {
    is_visited: Vec<AtomicBool>,
    visits: AtomicUsize,
    links: usize,
}

impl Graph {
    fn new(pages: usize, links: usize) -> Arc<Self> {
        Arc::new(Self {
            is_visited: (0..pages).map(|_| AtomicBool::new(false)).collect(),
            visits: AtomicUsize::new(0),
            links,
        })
    }

    fn is_first_visit(&self, page: usize) -> bool {
        let is_first = !self.is_visited[page].swap(true, Ordering::SeqCst);
        self.visits
            .fetch_add(usize::from(is_first), Ordering::SeqCst);
        is_first
    }
}

/// One page of a crawl.
struct Page {
    graph: Arc<Graph>,
    page: usize,
}

impl Job for Page {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        let Self { graph, page } = self;
        let pages = graph.is_visited.len();
        // The next page is among the links, so all are found, and a depth-first walk comes to each
        // page within the one before.
        for link in 0..graph.links {
            let page = (page * (link + 1) + 1) % pages;
            if graph.is_first_visit(page) {
                let graph = Arc::clone(&graph);
                ctx.execute(Self { graph, page })
                    .expect("a child of a job is taken");
            }
        }
        Ok(())
    }
}

fn crawl(backend: Backend, workers: usize, capacity: usize, links: usize, is_closed: bool) {
    const PAGES: usize = 100_000;
    let pool = on(backend, workers, capacity);
    let graph = Graph::new(PAGES, links);
    let (release, held) = hold(&pool);
    let first = Page {
        graph: Arc::clone(&graph),
        page: 0,
    };
    pool.execute(first).expect("there is room");
    if is_closed {
        pool.close();
    }
    drop(release);
    assert!(value(held));
    pool.wait_idle();
    assert_eq!(
        graph.visits.load(Ordering::SeqCst),
        PAGES,
        "{backend}, {workers} workers, {capacity} places, {links} links"
    );
    ends_clean(&pool);
}

/// 28: a crawl over a graph that is far larger than the queue, at any breadth, open or draining,
/// needs a bounded stack.
#[test]
fn a_crawl_of_any_length_overflows_no_stack() {
    each_backend_in_a_child(|backend| {
        crawl(backend, 1, 1, 2, false);
        crawl(backend, 3, 8, 10, false);
        crawl(backend, 2, 1, 2, true);
    });
}

/// A chain whose innermost links submit more children than they may queue past the bound before
/// they submit the next.
struct Comb {
    links: usize,
    /// Links that are nested now, and the most so far.
    depth: Arc<[AtomicUsize; 2]>,
}

impl Job for Comb {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        let [depth, most] = &*self.depth;
        let within = depth.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(within, Ordering::SeqCst);
        if let Some(links) = self.links.checked_sub(1) {
            let others = if within > 120 { 1100 } else { 1 };
            for _ in 0..others {
                ctx.execute(nothing).expect("a child of a job is taken");
            }
            let depth = Arc::clone(&self.depth);
            ctx.execute(Self { links, depth })
                .expect("a child of a job is taken");
        }
        depth.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

/// 28: even if each job has more children than it may queue past the bound, the depth is bounded.
#[test]
fn what_runs_in_place_is_never_deeper_than_192_jobs() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let depth = Arc::<[AtomicUsize; 2]>::default();
        let comb = Comb {
            links: 220,
            depth: Arc::clone(&depth),
        };
        pool.execute(comb).expect("there is room");
        pool.wait_idle();
        let most = depth[1].load(Ordering::SeqCst);
        assert!((129..=192).contains(&most), "{backend}: {most} jobs deep");
        ends_clean(&pool);
    });
}
