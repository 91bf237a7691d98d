//! The engine: a bounded queue, runs on threads for closures, and hosts for futures.
//!
//! A worker's slot is either asleep, on a **run** (a thread that takes tasks from the queue and
//! runs them), or on a **host** (a task of the runtime that hosts one future after the other). A
//! run that takes a future passes its slot on to a host, and a host that takes a closure passes it
//! on to a run. So streams of one kind change nothing, and at most `workers` jobs run at once
//! whatever their kind. A slot that is resumed begins as what the last job that was queued asks
//! for.
//!
//! With a runtime of its own the engine has threads for runs, one for each slot, within the
//! runtime's context. On a runtime that it adopted, a run is a blocking task. Never is it on a
//! thread that polls: a closure may block, and one that did so there would hold up futures, those
//! that it waits for among them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Weak};

use pool_core::backend::{
    Continuation, DeferredAction, Engine, Lifecycle, PoolConfig, RegisteredThreads, SharedQueue,
    SlotInTransit, StepOutcome, TaskQueue, TaskRef, Worker, host_futures, lose_slot, put_to_sleep,
    run_between_hosts,
};
use pool_core::{BuildError, Capability, Task};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::runtime::OwnRuntime;

/// The engine of [`AsyncPool`](crate::AsyncPool).
///
/// One job costs these read-modify-writes on cache lines that threads share: one on the queue's
/// tail, one on its head.
pub struct AsyncEngine {
    /// Shared with the hosts, the runs and the threads.
    life: Arc<Lifecycle>,
    /// Closures and futures in one order.
    queue: SharedQueue,
    /// Of the runtime that polls the futures, the engine's own or the caller's.
    handle: Handle,
    /// `None` on an adopted runtime, which nobody here shuts down.
    own: Option<Own>,
    /// For the callback that resumes slots, which must not keep the engine.
    me: Weak<Self>,
    /// Whether the task queued last is a future: a guess at what a resumed slot will find.
    expects_future: AtomicBool,
}

/// What the engine has in addition to a runtime's handle, unless that was adopted.
struct Own {
    /// Polls the futures.
    runtime: OwnRuntime,
    /// Run the closures, one thread for each slot, within the runtime's context.
    threads: RegisteredThreads,
}

impl Engine for AsyncEngine {
    type Adopted = Handle;
    type Queue = SharedQueue;

    const NAME: &'static str = "async";

    fn start(config: PoolConfig, adopted: Option<Handle>) -> Result<Arc<Self>, BuildError> {
        let capability = Capability {
            owns_threads: adopted.is_none(),
            ..Capability::new(Self::NAME, &config)
        };
        let life = Lifecycle::new(&config, capability);
        let (own, handle) = match adopted {
            Some(handle) => {
                check_alive(&handle)?;
                (None, handle)
            }
            None => {
                let (runtime, handle) = OwnRuntime::build(&config)?;
                let threads = RegisteredThreads::new(config.workers());
                (Some(Own { runtime, threads }), handle)
            }
        };
        let engine = Arc::new_cyclic(|me: &Weak<Self>| Self {
            queue: SharedQueue::new(config.capacity()),
            expects_future: AtomicBool::new(false),
            me: me.clone(),
            life,
            handle,
            own,
        });
        match &engine.own {
            Some(own) => {
                let handle = engine.handle.clone();
                let within = move |work: &dyn Fn()| {
                    let _entered = handle.enter();
                    work();
                };
                let started = own.threads.start(&engine, &config, within);
                started.inspect_err(|_| own.runtime.shut_down(true))?;
            }
            None => put_to_sleep(&engine.life),
        }
        let weak = engine.me.clone();
        engine.life.resume_with(move |slot| {
            if let Some(engine) = weak.upgrade() {
                engine.resume(slot);
            }
        });
        Ok(engine)
    }

    fn life(&self) -> &Arc<Lifecycle> {
        &self.life
    }

    fn queue(&self) -> &SharedQueue {
        &self.queue
    }

    #[inline]
    fn push(&self, task: TaskRef<'_>) -> Result<(), Task> {
        let is_future = task.is_async();
        // Written when it changes alone, so a stream of one kind shares the line.
        if self.expects_future.load(Ordering::Relaxed) != is_future {
            self.expects_future.store(is_future, Ordering::Relaxed);
        }
        self.queue.push(task, &self.life)
    }

    fn run(&self, worker: &Worker, task: TaskRef<'_>) -> StepOutcome {
        if !task.is_async() || self.life.is_cancelling() {
            worker.run_held(task);
            return StepOutcome::Ran;
        }
        worker.set_out(task.into_task())
    }

    fn work(engine: &Arc<Self>, worker: Worker) {
        if let Some(own) = &engine.own {
            own.threads.work(engine, worker, |slot, future| {
                engine.start_host(slot, Some(future));
            });
        }
    }

    fn is_own_thread(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.handle.id())
    }

    fn on_slot_thread(engine: &Arc<Self>, action: DeferredAction) {
        match &engine.own {
            Some(own) => own.threads.send(&engine.life, action),
            None => {
                let there = Arc::clone(engine);
                let action = move || action.run(&there, None);
                drop(engine.handle.spawn_blocking(action));
            }
        }
    }

    fn block(&self, wait: &mut dyn FnMut()) {
        let is_multi_thread = self.handle.runtime_flavor() == RuntimeFlavor::MultiThread;
        if is_multi_thread && self.is_own_thread() {
            block_in_place(wait);
        } else {
            wait();
        }
    }

    fn lose(engine: &Arc<Self>, slot: usize, first: Option<Task>) {
        match &engine.own {
            // Its thread is not the runtime's, and still there.
            Some(own) => own.threads.call(&engine.life, slot, first),
            None => lose_slot(engine, slot, first),
        }
    }

    fn join_threads(&self) {
        if let Some(own) = &self.own {
            own.threads.join(&self.life);
            own.runtime.shut_down(self.life.have_all_left());
        }
    }
}

impl AsyncEngine {
    /// Goes on with a slot that slept.
    ///
    /// Whether it begins as a run or as a host is a guess: a run that finds a future passes the
    /// slot to a host, and the other way round.
    fn resume(self: Arc<Self>, slot: usize) {
        if self.life.may_leave() {
            self.end(slot);
        } else if self.expects_future.load(Ordering::Relaxed) && !self.life.is_cancelling() {
            self.start_host(slot, None);
        } else {
            self.start_run(slot, None);
        }
    }

    /// Goes on with `slot` on a thread where closures may block: its own registered thread, or a
    /// blocking task of the adopted runtime. `first` is the closure to begin with; without one the
    /// run looks into the queue.
    fn start_run(self: &Arc<Self>, slot: usize, first: Option<Task>) {
        if let Some(own) = &self.own {
            return own.threads.call(&self.life, slot, first);
        }
        let moving = SlotInTransit::new(Arc::clone(self), slot, first);
        self.handle.spawn_blocking(move || {
            let (engine, slot, first) = moving.arrive();
            let left = run_between_hosts(&engine, slot, first);
            engine.go_on(left);
        });
    }

    /// Goes on with `slot` in a task of the runtime. `first` is the future to begin with. A runtime
    /// that is shut down drops the task, and the slot in transit with it: it is lost then.
    fn start_host(self: &Arc<Self>, slot: usize, first: Option<Task>) {
        let moving = SlotInTransit::new(Arc::clone(self), slot, first);
        self.handle.spawn(host(moving, Arc::clone(self)));
    }

    /// Goes on where a run or a host has left off.
    fn go_on(self: &Arc<Self>, left: Continuation) {
        match left {
            Continuation::Nothing => {}
            Continuation::ForRun(slot, first) => self.start_run(slot, first),
            Continuation::ForHost(slot, future) => self.start_host(slot, Some(future)),
            Continuation::Stopped(slot) => self.end(slot),
        }
    }

    /// The pool has stopped, and nobody has a use for `slot` any more.
    ///
    /// On a thread of the pool's own the slot ends there, after the stop hook.
    fn end(&self, slot: usize) {
        match &self.own {
            Some(own) => own.threads.dismiss(&self.life, slot),
            None => self.life.worker_gone(slot),
        }
    }
}

/// Refuses a runtime that was shut down: it drops each task at once, and every job would be
/// abandoned. One that is shut down later is found out by that.
fn check_alive(handle: &Handle) -> Result<(), BuildError> {
    let (run, dropped) = mpsc::channel();
    drop(handle.spawn(async move {
        // Nobody may listen any more.
        let _heard = run.send(());
    }));
    match dropped.try_recv() {
        Err(TryRecvError::Disconnected) => Err(BuildError::Engine {
            engine: "tokio",
            reason: "the runtime was shut down".to_owned(),
        }),
        Ok(()) | Err(TryRecvError::Empty) => Ok(()),
    }
}

/// A task of the runtime that hosts futures until it has none, or a closure comes, and then passes
/// its slot on.
async fn host(moving: SlotInTransit<AsyncEngine>, engine: Arc<AsyncEngine>) {
    let left = host_futures(moving).await;
    engine.go_on(left);
}

impl fmt::Debug for AsyncEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncEngine")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
