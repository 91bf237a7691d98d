//! Runs many jobs by one way in on one backend, always with the same steps, so that the
//! instructions can be counted: `bench-instructions WAY BACKEND JOBS`.
//!
//! One worker, held by a job that waits at a gate while the others are queued, then released to run
//! them one after the other: no contention, no sleep and no search for work between two jobs. Two
//! numbers of jobs, counted and subtracted, leave what a job costs. A tree holds its worker itself;
//! `bench-instructions tree none JOBS` runs it without a pool.

mod operated;
mod tree;

use std::convert::Infallible;
use std::env;
use std::hint::black_box;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::{Context, Result, anyhow, bail, ensure};
use benches::Latch;
use operated::Operated;
use pool::{Backend, JobContext, JobHandle, Pool, ShutdownPolicy};

/// The queue's capacity: the same for every number of jobs, since a queue that is initialized slot
/// by slot costs by its capacity.
const CAPACITY: usize = 1 << 16;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [way, backend, jobs] = arguments.as_slice() else {
        bail!("usage: bench-instructions WAY BACKEND JOBS");
    };
    let jobs: usize = jobs.parse()?;
    if (way.as_str(), backend.as_str()) == ("tree", "none") {
        tree::grow_bare(jobs);
        return Ok(());
    }
    let backend: Backend = backend.parse()?;
    // The gate's job and the parent take a slot each.
    ensure!(
        jobs + 2 <= CAPACITY,
        "the queue has room for {CAPACITY} jobs"
    );
    let builder = Pool::builder()
        .backend(backend)
        .workers(1)
        .queue_capacity(CAPACITY);
    let operated = match way.strip_prefix("execute-") {
        Some(name) => Some(Operated::named(name)?),
        None => None,
    };
    let pool = match operated {
        Some(operated) => operated.build(builder)?.build()?,
        None => builder.build()?,
    };
    match (way.as_str(), operated) {
        (_, Some(operated)) => execute_operated(&pool, jobs, operated.reports(&pool))?,
        ("execute", _) => execute(&pool, jobs)?,
        ("submit-join", _) => submit_join(&pool, jobs)?,
        ("spawn-inside", _) => spawn_inside(&pool, jobs)?,
        ("future", _) => future(&pool, jobs)?,
        ("tree", _) => tree::grow_on(&pool, jobs)?,
        _ => bail!(
            "no way is named `{way}`; there are execute, submit-join, spawn-inside, future, tree, \
             and execute- with how the pool is operated"
        ),
    }
    let report = pool.shutdown(ShutdownPolicy::drain());
    ensure!(report.is_safe_to_exit(), "a job is left: {report:?}");
    Ok(())
}

/// Holds the worker until the sender is used.
fn hold(pool: &Pool) -> Result<SyncSender<()>> {
    let (tell, is_held) = sync_channel(1);
    let (open, gate) = sync_channel(1);
    let wait = move || {
        tell.send(()).expect("the main thread waits for this");
        gate.recv().expect("the main thread opens the gate");
    };
    // The refusal holds the closure, which is not `Sync`, so `anyhow` cannot hold it.
    let gate = pool.spawn(wait).map_err(|refusal| anyhow!("{refusal}"))?;
    gate.detach();
    is_held.recv().context("the gate's job did not start")?;
    Ok(open)
}

/// Lets the jobs run, and waits for the last of them: woken once, not several times on the way.
fn release(open: &SyncSender<()>, latch: &Latch) -> Result<()> {
    open.send(()).context("the gate's job is gone")?;
    latch.wait();
    Ok(())
}

fn execute(pool: &Pool, jobs: usize) -> Result<()> {
    let (open, latch) = (hold(pool)?, Latch::leaked(jobs));
    for _ in 0..jobs {
        pool.execute(move |_: &JobContext<'_>| arrive(latch))?;
    }
    release(&open, latch)
}

/// As `execute`, which is compiled by itself: its instructions are those of a pool alone.
fn execute_operated(pool: &Pool, jobs: usize, mut report: impl FnMut(usize)) -> Result<()> {
    let (open, latch) = (hold(pool)?, Latch::leaked(jobs));
    for number in 0..jobs {
        report(number);
        pool.execute(move |_: &JobContext<'_>| arrive(latch))?;
    }
    release(&open, latch)
}

fn submit_join(pool: &Pool, jobs: usize) -> Result<()> {
    let (open, latch) = (hold(pool)?, Latch::leaked(jobs));
    let mut handles = Vec::with_capacity(CAPACITY);
    for number in 0..jobs {
        let job = move || {
            latch.arrive();
            black_box(number)
        };
        handles.push(pool.spawn(job)?);
    }
    release(&open, latch)?;
    join(handles)
}

fn future(pool: &Pool, jobs: usize) -> Result<()> {
    let (open, latch) = (hold(pool)?, Latch::leaked(jobs));
    let mut handles = Vec::with_capacity(CAPACITY);
    for number in 0..jobs {
        let job = async move {
            latch.arrive();
            black_box(number)
        };
        handles.push(pool.spawn_future(job)?);
    }
    release(&open, latch)?;
    join(handles)
}

fn arrive(latch: &Latch) -> Result<(), Infallible> {
    latch.arrive();
    Ok(())
}

fn join(handles: Vec<JobHandle<usize, Infallible>>) -> Result<()> {
    for (number, handle) in handles.into_iter().enumerate() {
        ensure!(handle.join()? == number, "the job gives its own value");
    }
    Ok(())
}

/// The parent holds the worker itself while it submits.
fn spawn_inside(pool: &Pool, jobs: usize) -> Result<()> {
    let latch = Latch::leaked(jobs);
    let parent = move |context: &JobContext<'_>| -> Result<()> {
        for _ in 0..jobs {
            context.execute(move |_: &JobContext<'_>| arrive(latch))?;
        }
        Ok(())
    };
    let parent = pool.submit(parent)?;
    latch.wait();
    parent.join()?;
    Ok(())
}
