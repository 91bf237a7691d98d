//! A tree of jobs, each of which executes its two subtrees; and the same tree without a pool.

use std::convert::Infallible;

use anyhow::{Result, anyhow};
use benches::Latch;
use crossbeam_deque::Worker as Deque;
use pool::{JobContext, Pool};

/// The tree on a pool, whose jobs find it as users' jobs do.
pub(crate) fn grow_on(pool: &Pool, jobs: usize) -> Result<()> {
    let (pool, latch) = (Box::leak(Box::new(pool.clone())), Latch::leaked(jobs));
    grow(pool, latch, jobs)?;
    latch.wait();
    Ok(())
}

fn grow(pool: &'static Pool, latch: &'static Latch, size: usize) -> Result<()> {
    if size == 0 {
        return Ok(());
    }
    let (left, right) = subtrees(size);
    let job = move |_: &JobContext<'_>| {
        grow(pool, latch, left).expect("the pool is open");
        grow(pool, latch, right).expect("the pool is open");
        latch.arrive();
        Ok::<_, Infallible>(())
    };
    pool.execute(job).map_err(|refused| anyhow!("{refused}"))?;
    Ok(())
}

/// How many jobs each subtree of a tree of `size` has.
fn subtrees(size: usize) -> (usize, usize) {
    let left = (size - 1) / 2;
    (left, size - 1 - left)
}

/// What a job without a pool does, on the deque that its children go to.
type Body = dyn FnOnce(&Deque<Bare>) + Send;

/// A job without a pool.
struct Bare(Box<Body>);

/// The tree as boxed closures on a deque, of which one thread takes them: what is left of a pool
/// with deques if all that it promises is taken away.
pub(crate) fn grow_bare(jobs: usize) {
    let (deque, latch) = (Deque::new_lifo(), Latch::leaked(jobs));
    push_bare(&deque, latch, jobs);
    while let Some(job) = deque.pop() {
        job.0(&deque);
    }
    latch.wait();
}

fn push_bare(deque: &Deque<Bare>, latch: &'static Latch, size: usize) {
    if size == 0 {
        return;
    }
    let (left, right) = subtrees(size);
    deque.push(Bare(Box::new(move |deque| {
        push_bare(deque, latch, left);
        push_bare(deque, latch, right);
        latch.arrive();
    })));
}
