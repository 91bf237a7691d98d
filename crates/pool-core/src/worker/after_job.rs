//! `AfterJob`: what other code wants a worker's thread to do once the job on it is over.
//!
//! An engine on borrowed threads uses it through `after_this_job`: a run that meets a thread on
//! which a job waits is refused there, and begins again after that job. The actions run between two
//! jobs of a run on a borrowed thread, and at its end (`work_as_guest`): the wakers that hear of
//! the end of its last job are user code as well, on top of which a run may be refused. The other
//! loops of a worker do not call them, and such workers take none.
//!
//! Some of it needs a thread on which there is no worker any more: what is pinned to the thread by
//! another pool runs at a seat of that pool (`run_pinned`). That is called after the whole run,
//! once the seat of this one is free, since it may take long.

use std::cell::{Cell, RefCell};

use crate::worker::Worker;

/// Used on the worker's own thread alone.
#[derive(Default)]
pub(super) struct AfterJob {
    /// The actions, in the order of their arrival.
    actions: RefCell<Vec<Box<dyn FnOnce()>>>,
    /// Whether the worker's loop calls them.
    are_called: Cell<bool>,
    /// What is to be called once the worker has left, on the same thread.
    once_left: RefCell<Vec<Box<dyn FnOnce()>>>,
    /// Whether what runs the worker calls these.
    is_guest: Cell<bool>,
}

impl Worker {
    /// Has `then` called on this thread once the outermost job on this worker is over. False: this
    /// worker calls none, or no more.
    pub(crate) fn after_job(&self, then: Box<dyn FnOnce()>) -> bool {
        let after_job = &self.0.after_job;
        let are_called = after_job.are_called.get();
        if are_called {
            after_job.actions.borrow_mut().push(then);
        }
        are_called
    }

    /// Has `then` called on this thread once this worker has left it. False: the worker is no guest
    /// there.
    pub(crate) fn once_left(&self, then: Box<dyn FnOnce()>) -> bool {
        let after_job = &self.0.after_job;
        let is_guest = after_job.is_guest.get();
        if is_guest {
            after_job.once_left.borrow_mut().push(then);
        }
        is_guest
    }

    /// Lets a guest go, and returns what is to be called once its seat is free too. It is no
    /// thread's current worker any more, so no more comes.
    #[must_use]
    pub(super) fn into_left(self) -> Left {
        Left(self.0.after_job.once_left.take())
    }

    /// From now on the worker's loop calls [`run_after_job`](Self::run_after_job) after each job.
    /// As what is returned is dropped, the loop is over.
    pub(super) fn calls_after_job(&self) -> Calls<'_> {
        self.0.after_job.are_called.set(true);
        self.0.after_job.is_guest.set(true);
        Calls(self)
    }

    /// Calls the actions that have come, if any. Called between two jobs, and after the last.
    #[inline]
    pub(super) fn run_after_job(&self) {
        if !self.0.after_job.actions.borrow().is_empty() {
            self.run_all_after_job();
        }
    }

    /// Takes all actions out and calls them, with nothing borrowed: each may add another, for the
    /// next time.
    #[cold]
    fn run_all_after_job(&self) {
        let all = self.0.after_job.actions.take();
        all.into_iter().for_each(|then| then());
    }
}

/// What is to be called where a guest has left.
pub(super) struct Left(Vec<Box<dyn FnOnce()>>);

impl Left {
    /// Calls it, on the guest's thread.
    pub(super) fn call(self) {
        self.0.into_iter().for_each(|then| then());
    }
}

/// A worker's loop that calls what is to be done after a job.
pub(super) struct Calls<'w>(&'w Worker);

impl Drop for Calls<'_> {
    /// Takes no more actions, and calls those that have come since the last job.
    fn drop(&mut self) {
        self.0.0.after_job.are_called.set(false);
        self.0.run_after_job();
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    use crate::backend::{PoolConfig, after_this_job};
    use crate::pool::engine::Engine;
    use crate::testing::noop_engine::NoopEngine;
    use crate::worker::{Rest, Worker};

    /// Hears that jobs have ended, and wants something done after the one on its thread.
    #[derive(Default)]
    struct Hears {
        accepted: AtomicUsize,
        called: Arc<AtomicUsize>,
    }

    impl Wake for Hears {
        fn wake(self: Arc<Self>) {
            let called = Arc::clone(&self.called);
            let is_accepted = after_this_job(move || _ = called.fetch_add(1, Ordering::Relaxed));
            let called = Arc::clone(&self.called);
            let once_left = move || {
                assert!(Worker::current().is_none());
                called.fetch_add(1, Ordering::Relaxed);
            };
            let worker = Worker::current().expect("it tells of the end of a job");
            let is_guest = worker.once_left(Box::new(once_left));
            let accepted = usize::from(is_accepted) + usize::from(is_guest);
            self.accepted.fetch_add(accepted, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_comes_as_the_last_job_is_told_of_is_done_too() {
        let mut config = PoolConfig::default();
        config.set_workers(1);
        let engine = NoopEngine::start(config, None).expect("it starts nothing");
        let life = engine.life();
        let hears = Arc::new(Hears::default());
        let waker = Waker::from(Arc::clone(&hears));
        let mut watch = pin!(life.quiescence.watch(&life.phase, || false));
        let polled = watch.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());

        let worker = Worker::new(&engine, 0, 0, true);
        life.roster.sleep.begin_search();
        worker.0.has_news.set(true);
        assert_eq!(worker.work_as_guest(&*engine, None), Rest::Sleep);
        let counts = || [&hears.accepted, &*hears.called].map(|it| it.load(Ordering::Relaxed));
        assert_eq!(counts(), [2, 1]);
        worker.into_left().call();
        assert_eq!(counts(), [2, 2], "once there is no worker");
    }
}
