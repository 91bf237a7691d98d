//! An executor of one's own, held to the contract: an engine, a fixture, and every rule.
//!
//! `cargo run --example own_executor`; the exit code says whether all rules hold.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use pool_conformance::{Fixture, Verdict};
use pool_core::{
    BuildError, Capability, Engine, Held, Lifecycle, PoolConfig, Task, TaskPlace, Threads, Worker,
    WorkerPool,
};

/// Threads on a queue under a lock.
struct Own {
    life: Arc<Lifecycle>,
    queue: Mutex<Queue>,
    capacity: usize,
    threads: Threads,
}

#[derive(Default)]
struct Queue {
    /// Each with whether it takes one of the places.
    tasks: VecDeque<(Task, bool)>,
    placed: usize,
}

impl Engine for Own {
    type Adopted = Infallible;
    const NAME: &'static str = "own";

    fn start(config: PoolConfig, _adopted: Option<Infallible>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability {
            name: Self::NAME,
            workers: config.workers(),
            capacity: Some(config.capacity()),
            fifo: true,
            async_jobs: true,
            owns_threads: true,
        };
        let engine = Arc::new(Self {
            life: Lifecycle::new(&config, capability),
            queue: Mutex::default(),
            capacity: config.capacity(),
            threads: Threads::default(),
        });
        engine.threads.start(&engine, &config, |work| work())?;
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    fn push(&self, task: Held<'_>) -> Result<(), Task> {
        let mut queue = self.queue.lock().expect("nothing panics under this lock");
        if queue.placed >= self.capacity {
            return Err(task.into_task());
        }
        queue.placed += 1;
        queue.tasks.push_back((task.into_task(), true));
        Ok(())
    }

    fn push_unbounded(&self, task: Task) {
        let mut queue = self.queue.lock().expect("nothing panics under this lock");
        // It takes no place, so that chains of such tasks keep nobody out.
        queue.tasks.push_back((task, false));
    }

    fn pop<'a>(&self, _worker: &Worker, place: TaskPlace<'a>) -> Option<Held<'a>> {
        let mut queue = self.queue.lock().expect("nothing panics under this lock");
        let (task, has_place) = queue.tasks.pop_front()?;
        queue.placed -= usize::from(has_place);
        drop(queue);
        if has_place {
            self.life.room().freed();
        }
        Some(Held::new(place, task))
    }

    fn has_queued(&self) -> bool {
        let queue = self.queue.lock().expect("nothing panics under this lock");
        !queue.tasks.is_empty()
    }

    fn take_queued(&self) -> Vec<Task> {
        let mut queue = self.queue.lock().expect("nothing panics under this lock");
        queue.placed = 0;
        let tasks = queue.tasks.drain(..).map(|(task, _)| task).collect();
        drop(queue);
        self.life.room().freed();
        tasks
    }

    fn join_threads(&self) {
        self.threads.join(&self.life);
    }
}

/// How the kit builds it.
struct OwnFixture;

impl Fixture for OwnFixture {
    type Pool = WorkerPool<Own>;

    fn build(config: PoolConfig) -> Result<Self::Pool, BuildError> {
        Self::Pool::builder().config(config).build()
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the verdicts are this program's output"
)]
fn main() -> ExitCode {
    let mut exit = ExitCode::SUCCESS;
    for rule in pool_conformance::all::<OwnFixture>() {
        let verdict = match rule.run::<OwnFixture>() {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Skipped(reason) => format!("skipped: {reason}"),
            Verdict::Failed(reason) => {
                exit = ExitCode::FAILURE;
                format!("FAILED: {reason}")
            }
        };
        println!("{} {:<72} {verdict}", rule.id, rule.title);
    }
    exit
}
