//! Chapter 1, chains: jobs that submit the next, at any length, over a full queue.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pool_core::{Executor, ExecutorExt, Job, JobContext, Shutdown};

use crate::probe::{Count, PATIENCE, ROOM, occupy, pool};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};
use crate::thread;

/// The deepest that jobs nest on one stack, as the API's documentation says.
const MAX_WITHIN: usize = 192;

thread_local! {
    /// Nested jobs of these tests on this thread's stack.
    static WITHIN: Cell<usize> = const { Cell::new(0) };
}

/// Pages of a graph. In a simulation: just more than what runs in place plus what one job queues
/// past the bound.
fn pages() -> usize {
    if thread::is_simulated() { 300 } else { 20_000 }
}

/// Which pages were visited.
struct Graph {
    is_visited: Vec<AtomicBool>,
    links: usize,
    visits: AtomicUsize,
    /// Signalled once all pages were visited.
    is_done: Count,
}

/// A job that submits a job for each of its links that no job has followed before.
struct Page {
    graph: Arc<Graph>,
    page: usize,
}

impl Page {
    /// The next page is the first of its links: a walk in depth is one chain of all pages.
    fn linked(&self, link: usize) -> Option<Self> {
        let page = (self.page * (link + 1) + 1) % self.graph.is_visited.len();
        let is_first = !self.graph.is_visited[page].swap(true, Ordering::SeqCst);
        is_first.then(|| Self {
            graph: Arc::clone(&self.graph),
            page,
        })
    }
}

impl Job for Page {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        let within = WITHIN.get() + 1;
        assert!(within <= MAX_WITHIN, "{within} jobs within each other");
        WITHIN.set(within);
        for link in 0..self.graph.links {
            if let Some(linked) = self.linked(link) {
                ctx.execute(linked).expect("a child of a job is taken");
            }
        }
        let visits = self.graph.visits.fetch_add(1, Ordering::SeqCst) + 1;
        if visits == self.graph.is_visited.len() {
            self.graph.is_done.add();
        }
        WITHIN.set(within - 1);
        Ok(())
    }
}

pub(crate) fn r113(subject: Subject) -> Applied {
    for (workers, capacity, links) in [(1, 1, 1), (1, 2, 3), (3, 1, 3)] {
        crawls(subject, workers, capacity, links, |_| {});
        crawls(subject, workers, capacity, links, Shutdown::close);
    }
    Applied::Held
}

/// A graph with far more pages than the queue has slots is visited completely.
fn crawls(
    subject: Subject,
    workers: usize,
    capacity: usize,
    links: usize,
    before: impl FnOnce(&TestedPool),
) {
    let pool = pool(subject, workers, capacity);
    let gate = occupy(&pool, workers);
    let graph = Arc::new(Graph {
        is_visited: (0..pages()).map(|_| AtomicBool::new(false)).collect(),
        links,
        visits: AtomicUsize::new(0),
        is_done: Count::new(),
    });
    let first = Page {
        graph: Arc::clone(&graph),
        page: 0,
    };
    graph.is_visited[0].store(true, Ordering::SeqCst);
    pool.execute(first).expect(ROOM);
    before(&pool);
    gate.open();
    let is_done = graph.is_done.reaches(1, Some(PATIENCE));
    let (stats, visits) = (Executor::stats(&pool), &graph.visits);
    assert!(
        is_done,
        "{visits:?} pages of {} were visited: {stats}",
        pages()
    );
    pool.wait_idle();
    let stats = Executor::stats(&pool);
    assert_eq!(stats.panicked, 0, "no page is too deep: {stats}");
}
