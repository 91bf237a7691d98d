//! The engine: a bounded queue, visits on threads for closures, and chains of hosted futures.
//!
//! A worker's token is either asleep, on a **visit** (a thread that takes tasks from the queue and runs them), or on a **chain** (a task of
//! the runtime that hosts one future after the other). A visit that takes a future passes its token on to a chain, and a chain that takes a
//! closure passes it on to a visit. So streams of one kind change nothing, and at most `workers` jobs run at once whatever their kind. A
//! token that is resumed begins as what the last job that was queued asks for.
//!
//! With a runtime of its own the engine has threads for visits, one for each token, within the runtime's context. On a runtime that it adopted,
//! a visit is a blocking task. Never is it on a thread that polls: a closure may block, and one that did so there would hold up futures,
//! those that it waits for among them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use pool_core::backend::{
    DeferredAction, Engine, Left, Lent, Lifecycle, PoolConfig, RegisteredThreads, SharedQueue,
    Step, TaskQueue, TaskRef, Worker, host_futures, lose_token, put_to_sleep, visit_between_chains,
};
use pool_core::{BuildError, Capability, Task};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::runtime::OwnRuntime;

/// The engine of [`AsyncPool`](crate::AsyncPool).
///
/// One job costs these read-modify-writes on cache lines that threads share: one on the queue's tail, one on its head.
pub struct AsyncEngine {
    life: Arc<Lifecycle>,
    queue: SharedQueue,
    handle: Handle,
    own: Option<Own>,
    me: Weak<Self>,
    /// Whether the task queued last is a future: a guess at what a resumed token will find.
    expects_future: AtomicBool,
}

/// What the engine has beside a runtime's handle, unless that was adopted.
struct Own {
    runtime: OwnRuntime,
    residents: RegisteredThreads,
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
            Some(handle) => (None, handle),
            None => {
                let (runtime, handle) = OwnRuntime::build(&config)?;
                let residents = RegisteredThreads::new(config.workers());
                (Some(Own { runtime, residents }), handle)
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
                let started = own.residents.start(&engine, &config, within);
                started.inspect_err(|_| own.runtime.shut_down(true))?;
            }
            None => put_to_sleep(&engine.life),
        }
        let weak = engine.me.clone();
        engine.life.resume_with(move |token| {
            if let Some(engine) = weak.upgrade() {
                engine.resume(token);
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

    fn run(&self, worker: &Worker, task: TaskRef<'_>) -> Step {
        if !task.is_async() || self.life.is_cancelling() {
            worker.run_held(task);
            return Step::Ran;
        }
        worker.set_out(task.into_task())
    }

    fn work(engine: &Arc<Self>, worker: Worker) {
        if let Some(own) = &engine.own {
            own.residents.reside(engine, worker, |token, future| {
                engine.start_chain(token, Some(future));
            });
        }
    }

    fn is_own_thread(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.handle.id())
    }

    fn at_home(engine: &Arc<Self>, errand: DeferredAction) {
        match &engine.own {
            Some(own) => own.residents.send(&engine.life, errand),
            None => {
                let there = Arc::clone(engine);
                let errand = move || errand.run(&there, None);
                drop(engine.handle.spawn_blocking(errand));
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

    fn lose(engine: &Arc<Self>, token: usize, first: Option<Task>) {
        match &engine.own {
            // Its thread is not the runtime's, and still there.
            Some(own) => own.residents.call(&engine.life, token, first),
            None => lose_token(engine, token, first),
        }
    }

    fn join_threads(&self) {
        if let Some(own) = &self.own {
            own.residents.join(&self.life);
            own.runtime.shut_down(self.life.have_all_left());
        }
    }
}

impl AsyncEngine {
    /// Goes on with a token that slept.
    fn resume(self: Arc<Self>, token: usize) {
        if self.life.may_leave() {
            self.end(token);
        } else if self.expects_future.load(Ordering::Relaxed) && !self.life.is_cancelling() {
            self.start_chain(token, None);
        } else {
            self.start_visit(token, None);
        }
    }

    fn start_visit(self: &Arc<Self>, token: usize, first: Option<Task>) {
        if let Some(own) = &self.own {
            return own.residents.call(&self.life, token, first);
        }
        let lent = Lent::new(Arc::clone(self), token, first);
        self.handle.spawn_blocking(move || {
            let (engine, token, first) = lent.arrive();
            let left = visit_between_chains(&engine, token, first);
            engine.go_on(left);
        });
    }

    fn start_chain(self: &Arc<Self>, token: usize, first: Option<Task>) {
        let lent = Lent::new(Arc::clone(self), token, first);
        self.handle.spawn(chain(lent, Arc::clone(self)));
    }

    /// Goes on where a visit or a chain has left off.
    fn go_on(self: &Arc<Self>, left: Left) {
        match left {
            Left::Nothing => {}
            Left::ForVisit(token, first) => self.start_visit(token, first),
            Left::ForChain(token, future) => self.start_chain(token, Some(future)),
            Left::Stopped(token) => self.end(token),
        }
    }

    /// The pool has stopped, and nobody has a use for `token` any more.
    fn end(&self, token: usize) {
        match &self.own {
            Some(own) => own.residents.dismiss(&self.life, token),
            None => self.life.worker_gone(token),
        }
    }
}

async fn chain(lent: Lent<AsyncEngine>, engine: Arc<AsyncEngine>) {
    let left = host_futures(lent).await;
    engine.go_on(left);
}

impl fmt::Debug for AsyncEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncEngine")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
