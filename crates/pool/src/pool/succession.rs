//! How the next generation is built: for a swap, from the configuration as it is, and for a
//! reconfiguration, from a changed one.
//!
//! # No lock while user code runs
//! The closure of a reconfiguration and the start hooks of a new generation are user code, and may
//! take long: they may submit to the pool, swap, close or drop it. So both run with no lock held,
//! and on a copy of the configuration; only then the chain is locked, and what was built is
//! published. If the configuration was changed in between, what was built is dropped, and all
//! begins anew from the changed one. So no change is lost: each is made to the result of the one
//! before it. A thread begins anew only if another one has published, so one of them always gets
//! through.
//!
//! That is why the closure is an `FnMut`: it may be called more than once. A lock that only
//! reconfigurations take would allow an `FnOnce`, but it would be held while hooks run, on other
//! threads; and a hook that reconfigures the pool would wait for it forever.
//!
//! | meanwhile | a swap | a reconfiguration |
//! |---|---|---|
//! | another swap | follows it | begins anew, to build for that backend |
//! | a reconfiguration | begins anew, to build from that configuration | begins anew, to change that one |
//! | a close | is refused | is refused |
//!
//! A closure that changes its own pool would have itself called again without end. That is found
//! out by the calling thread, which remembers whose closure it is in, and is an error of the inner
//! call.
//!
//! # What a configuration may not change
//! The line of submitters and the way from a generation to the pool are the pool's. They are not in
//! the configuration that users see, and are added to the copy that a generation is built from.
//!
//! # The bound
//! The jobs that move are queued in the new generation whatever its bound is, and take places
//! there: see `Adoption`. If its capacity is smaller, it has no free place before so many have
//! started that the rest is within the bound, and submitters wait until then. The stats have the
//! new capacity from the moment that the new generation is listed, and allow for what is on its
//! way.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pool_core::backend::PoolConfig;
use pool_core::swap::{self, Adopted, FrontRef};
use pool_core::{BuildError, Room, machine};

use super::{Chain, Generation, Inner, Pool};
use crate::choice::Backend;
use crate::strategy::{self, Strategy};

impl Pool {
    /// Changes the configuration under load: workers, capacity, thread names, stack size, hooks.
    ///
    /// A [`swap`](Self::swap) to the same backend, built anew: every accepted job runs exactly
    /// once, queued jobs keep their order, and every handle resolves (`R1033`). What a swap says of
    /// running jobs holds here too: they go on where they are, next to the new workers. Returns
    /// once the new workers take jobs. Later swaps build from the new configuration.
    ///
    /// The new capacity holds from then on. What is queued beyond a smaller one stays queued, and
    /// submitters wait until it has drained.
    ///
    /// `change` gets the configuration as it is now. If none was chosen,
    /// [`config.workers()`](PoolConfig::workers) is what the system grants, and
    /// [`config.chosen_workers()`](PoolConfig::chosen_workers) is `None`; on an adopted rayon pool
    /// the number of its threads then decides. [`capability`](crate::Executor::capability) has the
    /// number that the pool runs with.
    ///
    /// `change` runs with no lock held. It is called again, on the configuration as it is then, if
    /// the pool was swapped or reconfigured in the meantime; so no change is lost. What it replaces
    /// is the configuration alone: `*config = PoolConfig::default()` resets all settings, and the
    /// pool stays the same. Observers, and what jobs share, stay those that the
    /// pool was built with.
    ///
    /// # Errors
    /// The configuration is one that no pool can have, a start hook fails, the pool is closed, or
    /// `change` itself reconfigures or swaps this pool ([`BuildError::Reentrant`]). Nothing has
    /// changed then.
    ///
    /// # Panics
    /// If `change` panics. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{BuildError, Executor, Pool};
    ///
    /// let pool = Pool::builder().workers(1).queue_capacity(64).build()?;
    /// let before = pool.spawn(|| 6 * 7)?;
    /// pool.reconfigure(|config| {
    ///     config.set_workers(config.workers() + 2);
    ///     config.set_thread_name("resized");
    /// })?;
    /// assert_eq!(pool.capability().workers, 3);
    /// assert_eq!(pool.capability().capacity, Some(64)); // as it was
    /// assert_eq!(before.join()?, 42);
    ///
    /// let refused = pool.reconfigure(|config| config.set_workers(0));
    /// assert!(matches!(refused, Err(BuildError::NoWorkers)));
    /// assert_eq!(pool.capability().workers, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reconfigure(&self, mut change: impl FnMut(&mut PoolConfig)) -> Result<(), BuildError> {
        self.inner.succeed_by(None, &mut change)
    }
}

/// What a generation is built from: the users' configuration, and what ties it to the pool.
pub(super) fn as_generation(config: &PoolConfig, room: &Arc<Room>, front: &FrontRef) -> PoolConfig {
    let mut own = config.clone();
    own.set_room(Arc::clone(room));
    own.set_front(front.clone());
    own
}

/// What the next generation is to be, as of the moment at which the chain was looked at.
struct Plan {
    backend: Backend,
    config: PoolConfig,
    /// How often the configuration had been changed.
    changes: u64,
    /// Whether the pool was paused.
    is_paused: bool,
}

/// A generation that was built, and not published yet.
struct Built {
    pool: Box<dyn Strategy>,
    plan: Box<Plan>,
}

/// What is left to be done once the chain is free: all of it may run user code.
#[must_use]
struct Succeeded {
    former: Arc<Generation>,
    adopted: Adopted,
    /// Paused as it was built, and not any more.
    resumed: Option<Arc<Generation>>,
    _former_config: PoolConfig,
}

impl Inner {
    /// Moves to another backend, with the configuration as it is.
    pub(super) fn swap(&self, backend: Backend) -> Result<(), BuildError> {
        self.succeed_by(Some(backend), &mut |_| {})
    }

    /// Builds the next generation, for that backend or otherwise the present one, from a
    /// configuration that `change` has changed, and publishes it.
    fn succeed_by(
        &self,
        backend: Option<Backend>,
        change: &mut dyn FnMut(&mut PoolConfig),
    ) -> Result<(), BuildError> {
        if Changing::is_in_closure_of(self) {
            return Err(BuildError::Reentrant);
        }
        loop {
            let mut plan = self.plan(backend)?;
            {
                let _changing = Changing::begin(self);
                change(&mut plan.config);
            }
            let pool = self.build_next(&plan)?;
            let plan = Box::new(plan);
            match self.publish(Built { pool, plan }, backend.is_none()) {
                Ok(succeeded) => {
                    self.finish(succeeded);
                    return Ok(());
                }
                // With the chain unlocked: it stops its workers, whose hooks are user code too.
                Err((built, is_over)) => {
                    drop(built);
                    if is_over {
                        return Err(BuildError::Closed);
                    }
                }
            }
        }
    }

    /// What to build next. Refused once no generation can follow.
    fn plan(&self, backend: Option<Backend>) -> Result<Plan, BuildError> {
        if self.is_forked() {
            return Err(BuildError::Closed);
        }
        let chain = self.chain();
        if self.is_over(&chain) {
            return Err(BuildError::Closed);
        }
        Ok(Plan {
            backend: backend.unwrap_or_else(|| self.last().backend),
            config: chain.config.clone(),
            changes: chain.changes,
            is_paused: chain.is_paused,
        })
    }

    /// Builds the pool of a plan. With the chain unlocked: start hooks are user code, which may
    /// close or swap the pool.
    fn build_next(&self, plan: &Plan) -> Result<Box<dyn Strategy>, BuildError> {
        let mut config = as_generation(&plan.config, &self.room, &self.front);
        if plan.is_paused {
            swap::begin_paused(&mut config);
        }
        strategy::build(plan.backend, config, &self.adopted)
    }

    /// Publishes what was built, unless it does not fit any more: the pool was closed (then the
    /// error says true), or the configuration was changed; or, if the backend is to stay, that.
    fn publish(&self, built: Built, keeps_backend: bool) -> Result<Succeeded, (Built, bool)> {
        if self.is_forked() {
            return Err((built, true)); // the closure has forked
        }
        let mut chain = self.chain();
        let is_over = self.is_over(&chain);
        let is_outdated = chain.changes != built.plan.changes
            || keeps_backend && self.last().backend != built.plan.backend;
        if is_over || is_outdated {
            drop(chain);
            return Err((built, is_over));
        }
        Ok(self.succeed(&mut chain, built, keeps_backend))
    }

    /// Makes what was built the newest generation, with all that was queued in the former.
    fn succeed(&self, chain: &mut Chain, built: Built, is_changed: bool) -> Succeeded {
        let Built { pool, plan } = built;
        let former = self.last();
        // What is beyond the former's bound, and what had a place there and may have none here. A
        // child that is queued past the bound from here on shows once it is in its next queue.
        let (before, now) = (chain.config.capacity(), plan.config.capacity());
        let beyond = former.pool.tally().beyond_bound();
        let beyond = beyond.saturating_add(before.saturating_sub(now) as u64);
        self.moving_beyond.store(beyond, Ordering::SeqCst);
        self.is_swapping.store(true, Ordering::SeqCst);
        let next = Arc::new(Generation {
            number: former.number + 1,
            backend: plan.backend,
            pool,
        });
        // Before the first job moves.
        if chain.is_paused {
            next.pool.pause();
        }
        let is_resumed = !chain.is_paused && next.pool.end_pause();
        {
            // Before the first job moves: a wait for quiet looks for the next generation once the
            // former has no jobs left.
            let mut books = machine::lock(&self.books);
            books.alive.push(Arc::clone(&next));
            books.capacity = plan.config.capacity();
        }
        chain.changes += u64::from(is_changed);
        let former_config = std::mem::replace(&mut chain.config, plan.config);
        let adopted = next.pool.adopt(former.pool.retire());
        let resumed = is_resumed.then(|| Arc::clone(&next));
        self.newest.replace(next);
        // ORDERING: SeqCst, after the publication, with the reads of a submitter that was refused.
        self.is_swapping.store(false, Ordering::SeqCst);
        self.moving_beyond.store(0, Ordering::SeqCst);
        Succeeded {
            former,
            adopted,
            resumed,
            _former_config: former_config,
        }
    }

    /// Does what is left after a publication, with the chain unlocked. It runs user code, which may
    /// submit to the pool, swap or close it: jobs that are due end, all that wait for room, or for
    /// quiet, are woken, and the former hooks may go.
    fn finish(&self, succeeded: Succeeded) {
        let Succeeded {
            former,
            adopted,
            resumed,
            _former_config,
        } = succeeded;
        drop(adopted);
        if let Some(resumed) = resumed {
            resumed.pool.resume_after_pause();
        }
        former.pool.leave();
        drop(former);
        self.newest.collect();
    }
}

thread_local! {
    /// The pools whose closures are on this thread's stack, by address.
    static CHANGING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A closure of a reconfiguration runs on this thread, until this is dropped, by a panic too.
struct Changing;

impl Changing {
    /// A thread whose locals are gone remembers nothing.
    fn begin(pool: &Inner) -> Self {
        let _remembered = CHANGING.try_with(|all| all.borrow_mut().push(address(pool)));
        Self
    }

    fn is_in_closure_of(pool: &Inner) -> bool {
        let found = CHANGING.try_with(|all| all.borrow().contains(&address(pool)));
        found.unwrap_or(false)
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let _forgotten = CHANGING.try_with(|all| all.borrow_mut().pop());
    }
}

fn address(pool: &Inner) -> usize {
    std::ptr::from_ref(pool).addr()
}
