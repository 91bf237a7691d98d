//! The pools of a program: built by a backend's name, or on an engine that the program owns.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};

use pool::backend::PoolConfig;
use pool::{AsyncPool, Backend, BuildError, Executor, Pool, RayonPool, Shutdown, Stats};

use super::books::lock;
use super::plant::{Plant, Planted};
use super::program::{Engine, PoolSpec};

/// The state of a worker: which pool of the program it belongs to.
#[derive(Debug)]
pub(super) struct Marker(pub(super) u8);

/// A pool of any kind. A clone is the same pool.
#[derive(Debug, Clone)]
pub(super) enum AnyPool {
    Facade(Pool),
    Rayon(RayonPool),
    Async(AsyncPool),
    /// One that breaks a promise, to check that it is found.
    Planted(Arc<Planted>),
}

impl AnyPool {
    pub(super) fn executor(&self) -> &dyn Executor {
        match self {
            Self::Facade(pool) => pool,
            Self::Rayon(pool) => pool,
            Self::Async(pool) => pool,
            Self::Planted(pool) => &**pool,
        }
    }

    pub(super) fn ending(&self) -> &dyn Shutdown {
        match self {
            Self::Facade(pool) => pool,
            Self::Rayon(pool) => pool,
            Self::Async(pool) => pool,
            Self::Planted(pool) => pool.inner().ending(),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        self.executor().stats()
    }

    /// `None`: it cannot be swapped.
    pub(super) fn swap(&self, backend: Backend) -> Option<Result<(), BuildError>> {
        match self {
            Self::Facade(pool) => Some(pool.swap(backend)),
            _ => None,
        }
    }
}

/// The backend of an engine that is not adopted.
pub(super) fn backend_of(engine: Engine) -> Option<Backend> {
    match engine {
        Engine::Channel => Some(Backend::Channel),
        Engine::WorkStealing => Some(Backend::WorkStealing),
        Engine::Rayon => Some(Backend::Rayon),
        Engine::Async => Some(Backend::Async),
        _ => None,
    }
}

/// The prefix of the names of a pool's threads. The system shows 15 bytes of a name.
pub(super) fn prefix(index: usize) -> String {
    format!("fuzz{index}")
}

/// An engine that the program owns and has adopted; it outlives its pool.
pub(super) enum Owned {
    Rayon(Arc<rayon::ThreadPool>),
    Tokio(tokio::runtime::Runtime),
    /// A current-thread runtime, and the thread that drives it.
    Driven(Arc<Stop>, JoinHandle<()>),
}

impl Owned {
    /// Ends the engine. Its threads may take a moment.
    pub(super) fn end(self) {
        match self {
            Self::Rayon(pool) => drop(pool),
            Self::Tokio(runtime) => drop(runtime),
            Self::Driven(stop, driver) => {
                stop.tell();
                // It reports its own panic through the panic hook.
                let _ended = driver.join();
            }
        }
    }
}

/// Tells a driver to stop.
#[derive(Debug, Default)]
pub(super) struct Stop {
    is_told: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    fn tell(&self) {
        self.is_told.store(true, SeqCst);
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            *lock(&self.waker) = Some(cx.waker().clone());
            if self.is_told.load(SeqCst) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Builds a pool, and the engine that it adopts if it adopts one.
pub(super) fn build(
    index: usize,
    spec: &PoolSpec,
    plant: Option<Plant>,
) -> Result<(AnyPool, Option<Owned>), String> {
    let mut config = PoolConfig::default();
    config.set_workers(usize::from(spec.workers));
    config.set_capacity(usize::from(spec.capacity));
    config.set_thread_name(prefix(index));
    config.set_on_worker_start(move |_| Marker(index as u8));
    let (pool, owned) = match backend_of(spec.engine) {
        Some(backend) => {
            let pool = Pool::builder().config(config).backend(backend).build();
            (AnyPool::Facade(pool.map_err(|it| it.to_string())?), None)
        }
        None => adopt(index, spec, config)?,
    };
    let pool = match plant {
        Some(plant) if index == 0 => AnyPool::Planted(Arc::new(Planted::new(pool, plant))),
        _ => pool,
    };
    Ok((pool, owned))
}

fn adopt(
    index: usize,
    spec: &PoolSpec,
    config: PoolConfig,
) -> Result<(AnyPool, Option<Owned>), String> {
    let threads = usize::from(spec.workers);
    if spec.engine == Engine::AdoptedRayon {
        let rayon = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |thread| format!("{}-{thread}", prefix(index)))
            .build();
        let rayon = Arc::new(rayon.map_err(|it| it.to_string())?);
        let builder = RayonPool::builder().config(config);
        let pool = builder.adopt(Arc::clone(&rayon)).build();
        let pool = pool.map_err(|it| it.to_string())?;
        return Ok((AnyPool::Rayon(pool), Some(Owned::Rayon(rayon))));
    }
    let (handle, owned) = if spec.engine == Engine::AdoptedTokio {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(prefix(index))
            .enable_time()
            .build();
        let runtime = runtime.map_err(|it| it.to_string())?;
        (runtime.handle().clone(), Owned::Tokio(runtime))
    } else {
        drive(index)?
    };
    let builder = AsyncPool::builder().config(config);
    let pool = builder.adopt(handle).build().map_err(|it| it.to_string())?;
    Ok((AnyPool::Async(pool), Some(owned)))
}

/// A current-thread runtime, driven by a thread that does nothing else.
fn drive(index: usize) -> Result<(tokio::runtime::Handle, Owned), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_name(prefix(index))
        .enable_time()
        .build();
    let runtime = runtime.map_err(|it| it.to_string())?;
    let handle = runtime.handle().clone();
    let stop = Arc::new(Stop::default());
    let told = Arc::clone(&stop);
    let driver = thread::Builder::new()
        .name(format!("{}-driver", prefix(index)))
        .spawn(move || runtime.block_on(told.wait()));
    let driver = driver.map_err(|it| it.to_string())?;
    Ok((handle, Owned::Driven(stop, driver)))
}
