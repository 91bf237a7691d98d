//! `Subject` and `TestedPool`: the executor under test, as values.
//!
//! The rules take these, and no type of a fixture: so the kit compiles them once, and who tests an
//! executor compiles its fixture alone. A hundred rules for each type of pool took minutes each.
//!
//! No rule sees less for that. It may use a pool through `Executor`, `Shutdown` and `Clone` alone,
//! and every method of these is forwarded here. `ExecutorExt` above them is the same code for every
//! executor; `R901` runs it on the fixture's own type.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use pool_core::backend::{PoolConfig, TaskRef};
use pool_core::{
    BuildError, Capability, Executor, Pools, Refused, Room, Shutdown, ShutdownPolicy,
    ShutdownReport, Stats, Task,
};

use crate::fixture::Fixture;
use crate::rules::concrete_face;

/// How to build the executor under test.
#[derive(Clone, Copy)]
pub(crate) struct Subject(&'static dyn Built);

impl Subject {
    /// The executor of a fixture.
    pub(crate) fn of<F: Fixture>() -> Self {
        Self(&By::<F>(PhantomData))
    }

    /// Builds a pool as configured.
    pub(crate) fn build(self, config: PoolConfig) -> Result<TestedPool, BuildError> {
        self.0.build(config)
    }

    /// What a pool promises.
    pub(crate) fn capability(self) -> Capability {
        self.0.capability()
    }

    /// What `R901` sees of a pool of the fixture's own type.
    pub(crate) fn concrete_face(self) -> Vec<String> {
        self.0.concrete_face()
    }
}

/// A fixture's functions, as methods.
trait Built: Sync {
    fn build(&self, config: PoolConfig) -> Result<TestedPool, BuildError>;
    fn capability(&self) -> Capability;
    fn concrete_face(&self) -> Vec<String>;
}

struct By<F>(PhantomData<fn() -> F>);

impl<F: Fixture> Built for By<F> {
    fn build(&self, config: PoolConfig) -> Result<TestedPool, BuildError> {
        let pool = F::build(config)?;
        Ok(TestedPool(Box::new(Of::<F>(pool))))
    }

    fn capability(&self) -> Capability {
        F::capability()
    }

    fn concrete_face(&self) -> Vec<String> {
        concrete_face::<F>()
    }
}

/// A pool under test. As with the fixture's, a clone is the same pool, and dropping the last one
/// ends it.
pub(crate) struct TestedPool(Box<dyn Tested>);

impl TestedPool {
    pub(crate) fn swap(&self) -> Option<Result<(), BuildError>> {
        self.0.swap()
    }

    pub(crate) fn reconfigure(
        &self,
        change: &mut dyn FnMut(&mut PoolConfig),
    ) -> Option<Result<(), BuildError>> {
        self.0.reconfigure(change)
    }

    pub(crate) fn pause(&self) -> bool {
        self.0.pause()
    }

    pub(crate) fn resume(&self) {
        self.0.resume();
    }
}

impl Clone for TestedPool {
    fn clone(&self) -> Self {
        self.0.another()
    }
}

/// A fixture's pool, and what the fixture can do with it.
trait Tested: Send + Sync {
    fn executor(&self) -> &dyn Executor;
    fn shutdown(&self) -> &dyn Shutdown;
    fn another(&self) -> TestedPool;
    fn swap(&self) -> Option<Result<(), BuildError>>;
    fn reconfigure(
        &self,
        change: &mut dyn FnMut(&mut PoolConfig),
    ) -> Option<Result<(), BuildError>>;
    fn pause(&self) -> bool;
    fn resume(&self);
}

struct Of<F: Fixture>(F::Pool);

impl<F: Fixture> Tested for Of<F> {
    fn executor(&self) -> &dyn Executor {
        &self.0
    }

    fn shutdown(&self) -> &dyn Shutdown {
        &self.0
    }

    fn another(&self) -> TestedPool {
        TestedPool(Box::new(Self(self.0.clone())))
    }

    fn swap(&self) -> Option<Result<(), BuildError>> {
        F::swap(&self.0)
    }

    fn reconfigure(
        &self,
        change: &mut dyn FnMut(&mut PoolConfig),
    ) -> Option<Result<(), BuildError>> {
        F::reconfigure(&self.0, change)
    }

    fn pause(&self) -> bool {
        F::pause(&self.0)
    }

    fn resume(&self) {
        F::resume(&self.0);
    }
}

/// All methods, also those with a default: what the pool overrides is what is tested.
impl Executor for TestedPool {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        self.0.executor().try_accept(task)
    }

    fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
        self.0.executor().try_accept_ref(task)
    }

    fn seems_full(&self) -> bool {
        self.0.executor().seems_full()
    }

    fn room(&self) -> &Room {
        self.0.executor().room()
    }

    fn capability(&self) -> Capability {
        self.0.executor().capability()
    }

    fn stats(&self) -> Stats {
        self.0.executor().stats()
    }

    fn is_closed(&self) -> bool {
        self.0.executor().is_closed()
    }

    fn pools(&self) -> Pools {
        self.0.executor().pools()
    }
}

impl Shutdown for TestedPool {
    fn close(&self) {
        self.0.shutdown().close();
    }

    fn shutdown(&self, policy: ShutdownPolicy) -> ShutdownReport {
        self.0.shutdown().shutdown(policy)
    }

    // As `async_trait` writes it.
    fn shutdown_async<'pool, 'out>(
        &'pool self,
        policy: ShutdownPolicy,
    ) -> Pin<Box<dyn Future<Output = ShutdownReport> + Send + 'out>>
    where
        'pool: 'out,
        Self: 'out,
    {
        self.0.shutdown().shutdown_async(policy)
    }
}
