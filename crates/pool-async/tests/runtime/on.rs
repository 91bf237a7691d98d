//! What the tests share: pools on each kind of runtime, and time limits.

use std::fmt::Debug;
use std::thread;
use std::time::Duration;

use pool_async::{AsyncEngine, AsyncPool};
use pool_core::JobHandle;
use pool_core::backend::PoolBuilder;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Longer than any of this takes; only a failure waits for it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) type PoolOn = PoolBuilder<AsyncEngine>;

/// Runs a test with a builder of a pool on its own runtime, and on each kind of caller's runtime.
pub(crate) fn on_each_runtime(test: impl Fn(PoolOn)) {
    test(AsyncPool::builder());
    let multi_thread = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be had");
    test(AsyncPool::builder().adopt(multi_thread.handle().clone()));
    let driven = Driven::start();
    test(AsyncPool::builder().adopt(driven.handle.clone()));
}

/// A runtime of one thread, which does nothing else.
pub(crate) struct Driven {
    pub(crate) handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Driven {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be had");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let drive = move || {
            let _stopped = runtime.block_on(stopped);
        };
        Self {
            handle,
            stop: Some(stop),
            thread: Some(thread::spawn(drive)),
        }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        drop(self.stop.take());
        let driver = self.thread.take().expect("it is dropped once");
        driver.join().expect("the runtime does not panic");
    }
}

/// The value of a job that completes, within the limit.
#[track_caller]
pub(crate) fn value<T, E: Debug>(handle: JobHandle<T, E>) -> T {
    let ended = handle.join_timeout(LIMIT);
    let outcome = ended.unwrap_or_else(|handle| panic!("{handle:?} has no outcome"));
    outcome.unwrap_or_else(|error| panic!("{error:?}"))
}
